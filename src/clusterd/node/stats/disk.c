#include "clusterd/node/stats/disk.h"

#include <errno.h>
#include <fts.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define BLOCK_BYTES 512 /* the unit of st_blocks */

bool disk_file_system(const char *path, FileSystemUsage *usage)
{
  struct statvfs info;
  if (statvfs(path, &info) != 0)
    return false;
  *usage = (FileSystemUsage){ .available_bytes = info.f_bavail * info.f_frsize,
                              .capacity_bytes = info.f_blocks * info.f_frsize,
                              .used_bytes = (info.f_blocks - info.f_bfree) * info.f_frsize,
                              .inodes_free = info.f_ffree,
                              .inodes = info.f_files,
                              .inodes_used = info.f_files - info.f_ffree };
  return true;
}

bool disk_tree(const char *path, FileSystemUsage *usage)
{
  char *const roots[] = { (char *)(uintptr_t)path, NULL };
  if (!disk_file_system(path, usage))
    return false;
  usage->used_bytes = usage->inodes_used = 0;
  FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
  FTSENT *entry;
  while (tree && usage->inodes_used < DISK_ENTRIES_MAX && (entry = fts_read(tree))) {
    if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS || entry->fts_info == FTS_ERR)
      continue; /* a folder once more, or gone meanwhile */
    usage->used_bytes += (uint64_t)entry->fts_statp->st_blocks * BLOCK_BYTES;
    usage->inodes_used++;
  }
  if (tree)
    fts_close(tree);
  return true;
}
