/* Room set aside for the day the disk is full: enough to delete what fills it. It lies in a file of its own beside the
 * store's. Once the disk is full the blocks are handed on to the write-ahead log, beyond its end, so that what fills
 * the disk cannot have them, too. A file that is there and empty says that they were. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "clusterd/store/sqlite_private.h"

#define RESERVE_BYTES ((off_t)4 << 20)
#define RESERVE_PART 2 /* the reserve is at most one part in so many of what is free */

static char *reserve_path(const SqliteStore *store)
{
  return g_strconcat(store->path, ".reserve", NULL);
}

/* Has the log hold blocks for what is to come. Nobody else locks that file, so closing a descriptor of it is harmless.
 */
static void hold_room(const SqliteStore *store)
{
  g_autofree char *path = g_strconcat(store->path, "-wal", NULL);
  file_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
  struct stat about;
  if (fd < 0 || fstat(fd, &about) != 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, about.st_size, RESERVE_BYTES) != 0)
    g_debug("%s: no room could be held", path); /* then the first who comes has it */
}

void sqlite_reserve_take(SqliteStore *store)
{
  g_autofree char *path = reserve_path(store);
  struct statvfs disk;
  if (statvfs(store->path, &disk) != 0 || disk.f_bavail * disk.f_frsize / RESERVE_PART < (uint64_t)RESERVE_BYTES)
    return;
  file_autofd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0 && fallocate(fd, 0, 0, RESERVE_BYTES) == 0) {
    if (store->spending)
      g_message("%s: there is room again", store->path);
    store->spending = false;
  } else if (fd >= 0 && !store->spending) { /* it was filled meanwhile, or the file system cannot */
    unlink(path);
  }
}

void sqlite_reserve_open(SqliteStore *store)
{
  g_autofree char *path = reserve_path(store);
  struct stat about;
  bool known = stat(path, &about) == 0;
  if (known && about.st_size >= RESERVE_BYTES)
    return;
  store->spending = known;
  sqlite_reserve_take(store);
  if (store->spending)
    hold_room(store);
}

bool sqlite_reserve_spend(SqliteStore *store)
{
  g_autofree char *path = reserve_path(store);
  file_autofd int fd = store->spending ? -1 : open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || ftruncate(fd, 0) != 0)
    return false;
  hold_room(store);
  store->spending = true;
  g_warning("%s: the disk is full: until there is room nothing new is taken, but what is there can be changed and "
            "deleted",
            store->path);
  return true;
}
