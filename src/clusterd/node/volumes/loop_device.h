#pragma once
/* Files as block devices. A device is told by a mark it carries in the kernel, so that whoever comes after a crash
 * finds it. Source: loop(4). */
#include <glib.h>
#include <stdbool.h>

#define LOOP_MARK_MAX 63 /* bytes of a mark */

/* The device ("/dev/loop3") that carries MARK; the caller frees. NULL: there is none. */
char *loop_device_find(const char *mark);

/* Attaches FILE to a free device and marks it; read-only where the file is. Its path, the caller frees. NULL with
 * REASON_FILE. */
char *loop_device_attach(const char *file, const char *mark, GError **error);

/* Detaches what carries MARK; one that is still open goes when it is closed. None is fine. REASON_FILE. */
bool loop_device_detach(const char *mark, GError **error);
