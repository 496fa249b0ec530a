#include "clusterd/node/volumes/volume_owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define DEPTH_MAX 256 /* folders below folders; what lies deeper is refused */
#define FILE_MODE 0660
#define FOLDER_MODE (S_ISGID | 0770)

static mode_t wanted_mode(const struct stat *info)
{
  return (info->st_mode & 07777) | (S_ISDIR(info->st_mode) ? FOLDER_MODE : FILE_MODE);
}

static bool is_right(const struct stat *info, gid_t group)
{
  return info->st_gid == group && (info->st_mode & 07777) == wanted_mode(info);
}

/* FD is a file or a folder, by O_PATH: it cannot be another one by now. */
static bool change(int fd, const struct stat *info, gid_t group, GError **error)
{
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
  if (is_right(info, group))
    return true;
  if (fchownat(fd, "", (uid_t)-1, group, AT_EMPTY_PATH) != 0 || chmod(path, wanted_mode(info)) != 0)
    return reason_set_errno(error, REASON_FILE, errno, "fsGroup");
  return true;
}

static bool walk(int parent, const char *name, dev_t device, gid_t group, int depth, GError **error)
{
  struct stat info;
  file_autofd int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT || reason_set_errno(error, REASON_FILE, errno, "%s", name);
  if (fstat(fd, &info) != 0)
    return reason_set_errno(error, REASON_FILE, errno, "%s", name);
  if (info.st_dev != device || S_ISLNK(info.st_mode))
    return true;
  if (!change(fd, &info, group, error))
    return false;
  if (!S_ISDIR(info.st_mode))
    return true;
  if (depth >= DEPTH_MAX)
    return reason_set(error, REASON_FILE, "%s: more than %d folders below each other", name, DEPTH_MAX);
  int readable = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = readable >= 0 ? fdopendir(readable) : NULL;
  if (!folder) {
    reason_set_errno(error, REASON_FILE, errno, "%s", name);
    file_close(&readable);
    return false;
  }
  bool fine = true;
  for (const struct dirent *entry; fine && (entry = readdir(folder));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      fine = walk(dirfd(folder), entry->d_name, device, group, depth + 1, error);
  closedir(folder);
  return fine;
}

bool volume_owner_set(const char *path, gid_t group, bool on_mismatch, GError **error)
{
  struct stat info;
  if (stat(path, &info) != 0)
    return reason_set_errno(error, REASON_FILE, errno, "%s", path);
  if (on_mismatch && is_right(&info, group))
    return true;
  g_autofree char *real = realpath(path, NULL); /* PATH itself may be a link */
  return real ? walk(AT_FDCWD, real, info.st_dev, group, 0, error)
              : reason_set_errno(error, REASON_FILE, errno, "%s", path);
}
