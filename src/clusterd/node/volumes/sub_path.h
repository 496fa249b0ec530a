#pragma once
/* A part of a volume (volumeMounts[].subPath). What lies in a volume was written by containers, which may change it at
 * any moment: a path that was looked at may be a link out of the volume by the time somebody mounts it. So it is opened
 * once, by a walk the kernel keeps below the volume, and what was opened is mounted. */
#include <glib.h>
#include <stdbool.h>

/* A descriptor (O_PATH) of SUB_PATH below ROOT; what is absent becomes a folder with ROOT's mode. -1 with
 * REASON_INVALID or REASON_FILE when it leads outside. */
int sub_path_open(const char *root, const char *sub_path, GError **error);

/* Mounts SUB_PATH of ROOT at TARGET, which is made for it, in place of what was there. REASON_INVALID, REASON_FILE. */
bool sub_path_bind(const char *root, const char *sub_path, const char *target, GError **error);
