#pragma once
/* The mounts that volumes are made of. All of a pod's lie below its own folder, so that they are found again, and taken
 * away, whoever made them and whatever became of him. */
#include <glib.h>
#include <stdbool.h>

/* True when something is mounted at PATH. Asks no server of it, which may be gone. */
bool mounts_is_point(const char *path);

/* Shows what the descriptor FD (O_PATH will do) is of at TARGET, an existing file or folder, with what is mounted below
 * it. REASON_FILE. */
bool mounts_bind(int fd, const char *target, GError **error);

/* Takes away what is mounted at PATH, all of it; nothing is fine, too. Who uses it may go on. REASON_FILE. */
bool mounts_detach(const char *path, GError **error);

/* Takes away whatever is mounted at FOLDER or below it. REASON_FILE. */
bool mounts_detach_below(const char *folder, GError **error);
