#pragma once
/* Files that are never half-written, and locks between processes. */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* The whole content of a regular file of at most MAX bytes. NULL with REASON_FILE. The caller owns the result. */
GBytes *file_read(const char *path, gsize max, GError **error);

/* Replaces PATH by LENGTH bytes of DATA: written to a temporary file beside it, fsynced, renamed, the folder fsynced.
 * After a crash PATH holds the old content or the new, never a mixture. A symbolic link is followed, not replaced.
 * MODE applies to the new file. REASON_INSUFFICIENT_STORAGE when the disk is full, else REASON_FILE. */
bool file_write_atomic(const char *path, const void *data, gsize length, mode_t mode, GError **error);

/* Makes PATH and its parents with MODE where absent. REASON_FILE. */
bool file_make_dirs(const char *path, mode_t mode, GError **error);

/* Removes PATH and everything below it without following symbolic links or crossing a mount. Absent is success. */
bool file_remove_tree(const char *path, GError **error);

/* An exclusive flock(2) on PATH (made with mode 0600 where absent), held until the descriptor is closed. Waits at most
 * TIMEOUT_MS (0: not at all). Returns the descriptor (close-on-exec), or -1 with REASON_PROFILE_LOCKED when another
 * process holds it, REASON_FILE otherwise. */
int file_lock(const char *path, int timeout_ms, GError **error);
/* The same that others may share, and that keeps file_lock out. */
int file_lock_shared(const char *path, int timeout_ms, GError **error);

/* Closes *FD when it is not negative and sets it to -1; for `__attribute__((cleanup))` through file_autofd. */
void file_close(int *fd);
#define file_autofd __attribute__((cleanup(file_close)))
