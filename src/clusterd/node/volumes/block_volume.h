#pragma once
/* Volumes of mode Block: a local volume's device, or its file through a loop device. Which pods use one is on disk
 * before anything is attached, as a link POD/volumes/devices/NAME to the device or the file: what no link names any
 * more is detached. Any thread. */
#include <glib.h>
#include <stdbool.h>

/* The block device behind PATH for the pod whose volumes lie in FOLDER (PODS/UID/volumes), there as NAME. Pods of the
 * node share it. The caller frees. NULL with REASON_INVALID (neither a device nor a file) or REASON_FILE. */
char *block_volume_attach(const char *folder, const char *name, const char *path, GError **error);

/* Lets go of all that the pod has. REASON_FILE. */
bool block_volume_detach_all(const char *folder, GError **error);
