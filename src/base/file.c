#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/reason.h"

void file_close(int *fd)
{
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

static Reason reason_of_errno(int code)
{
  return code == ENOSPC || code == EDQUOT ? REASON_INSUFFICIENT_STORAGE : REASON_FILE;
}

GBytes *file_read(const char *path, gsize max, GError **error)
{
  struct stat info;
  file_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &info) < 0) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot read %s", path);
    return NULL;
  }
  if (!S_ISREG(info.st_mode)) {
    reason_set(error, REASON_FILE, "Cannot read %s: not a regular file", path);
    return NULL;
  }
  g_autoptr(GByteArray) content = g_byte_array_sized_new((guint)MIN((gsize)info.st_size + 1, 1u << 20));
  guint8 block[65536];
  for (;;) {
    ssize_t got = read(fd, block, sizeof block);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0) {
      reason_set_errno(error, REASON_FILE, errno, "Cannot read %s", path);
      return NULL;
    }
    if (got == 0)
      return g_byte_array_free_to_bytes(g_steal_pointer(&content));
    if (content->len + (gsize)got > max) {
      reason_set(error, REASON_FILE, "Cannot read %s: longer than %zu bytes", path, (size_t)max);
      return NULL;
    }
    g_byte_array_append(content, block, (guint)got);
  }
}

static bool write_all(int fd, const char *data, gsize length)
{
  while (length > 0) {
    ssize_t put = write(fd, data, length);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      return false;
    data += put;
    length -= (gsize)put;
  }
  return true;
}

static bool sync_folder(const char *folder)
{
  file_autofd int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd >= 0 && fsync(fd) == 0;
}

bool file_write_atomic(const char *path, const void *data, gsize length, mode_t mode, GError **error)
{
  g_autofree char *resolved = NULL;
  char *real = realpath(path, NULL);
  if (real) {
    resolved = g_strdup(real);
    free(real);
    path = resolved;
  }
  g_autofree char *folder = g_path_get_dirname(path);
  g_autofree char *temporary = g_strdup_printf("%s.%d.XXXXXX", path, (int)getpid());
  file_autofd int fd = mkostemp(temporary, O_CLOEXEC);
  if (fd < 0)
    return reason_set_errno(error, reason_of_errno(errno), errno, "Cannot write %s", path);
  if (!write_all(fd, data, length) || fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(temporary, path) < 0) {
    int code = errno;
    unlink(temporary);
    return reason_set_errno(error, reason_of_errno(code), code, "Cannot write %s", path);
  }
  if (!sync_folder(folder))
    return reason_set_errno(error, REASON_FILE, errno, "Cannot sync %s", folder);
  return true;
}

bool file_make_dirs(const char *path, mode_t mode, GError **error)
{
  if (g_mkdir_with_parents(path, (int)mode) < 0)
    return reason_set_errno(error, reason_of_errno(errno), errno, "Cannot make the folder %s", path);
  return true;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
  return remove(path);
}

bool file_remove_tree(const char *path, GError **error)
{
  if (nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT)
    return true;
  return reason_set_errno(error, REASON_FILE, errno, "Cannot remove %s", path);
}

static int lock_by(int operation, const char *path, int timeout_ms, GError **error)
{
  enum { RETRY_MS = 50 }; /* flock(2) has no timed form */
  file_autofd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    reason_set_errno(error, reason_of_errno(errno), errno, "Cannot open the lock %s", path);
    return -1;
  }
  for (int waited = 0;; waited += RETRY_MS) {
    if (flock(fd, operation | LOCK_NB) == 0) {
      int held = fd;
      fd = -1;
      return held;
    }
    if (errno != EWOULDBLOCK && errno != EINTR) {
      reason_set_errno(error, REASON_FILE, errno, "Cannot lock %s", path);
      return -1;
    }
    if (waited >= timeout_ms) {
      reason_set(error, REASON_PROFILE_LOCKED, "%s is locked by another process", path);
      return -1;
    }
    g_usleep(RETRY_MS * 1000);
  }
}

int file_lock(const char *path, int timeout_ms, GError **error)
{
  return lock_by(LOCK_EX, path, timeout_ms, error);
}

int file_lock_shared(const char *path, int timeout_ms, GError **error)
{
  return lock_by(LOCK_SH, path, timeout_ms, error);
}
