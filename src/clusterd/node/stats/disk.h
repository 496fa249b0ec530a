#pragma once
/* What is used of file systems. */
#include "clusterd/node/stats/usage.h"

#define DISK_ENTRIES_MAX 200000 /* a tree with more is counted no further */

/* The file system PATH lies on: used is what is not free. False when there is none. */
bool disk_file_system(const char *path, FileSystemUsage *usage);

/* What the files below PATH take up of it: used_bytes and inodes_used count only them. Looks at every file, and not
 * into other file systems. False when PATH is not there. */
bool disk_tree(const char *path, FileSystemUsage *usage);
