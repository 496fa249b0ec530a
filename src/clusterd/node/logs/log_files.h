#pragma once
/*
 * The files of one container's log: the one that is written, PATH, and those rotated out of it, PATH.TIME. dockerd
 * keeps logs where it wants and rotates them itself: there PATH is a symbolic link to its ID/ID-json.log, and what it
 * rotated out of that is ID-json.log.1 and so on, the newest first. No other link is followed: who may write into the
 * folder of logs could show any file of the node.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Where the files are: PATH's folder, or the one its link leads to. The caller frees. */
char *log_files_folder(const char *path);

/* What is rotated out of PATH, oldest first: char*, freed with the array. */
GPtrArray *log_files_rotated(const char *path);

/* The name PATH gets when it is rotated at TIME_US (wall clock): behind all that were rotated before. The caller frees.
 */
char *log_files_rotated_name(const char *path, int64_t time_us);

/* Opens the oldest of the log's files; -1: there is none. */
int log_files_open_oldest(const char *path);

/* Opens the file that follows the one FD reads; -1: there is none yet. Once there is one, nothing is added to FD's any
 * more. After a file that has been removed meanwhile comes the oldest that is left. */
int log_files_open_next(const char *path, int fd);

/* Removes PATH and what was rotated out of it; of dockerd's, the link alone. */
void log_files_remove(const char *path);

/* Removes the oldest of what was rotated out of PATH, so that KEEP are left. */
void log_files_prune(const char *path, guint keep);
