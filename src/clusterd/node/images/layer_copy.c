#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/images/layer_entry.h"

/* Hard links to files of lower layers: they become copies, as overlayfs itself would make one. */

#define NAMES_MAX 65536 /* bytes of the names of all extended attributes: the kernel's own bound */

static bool disk_error(GError **error, const char *path)
{
  int code = errno;
  return reason_set_errno(error, code == ENOSPC || code == EDQUOT ? REASON_INSUFFICIENT_STORAGE : REASON_FILE, code,
                          "Cannot make %s of an image layer", path);
}

static void copy_attributes(int from, int to)
{
  g_autofree char *names = g_malloc(NAMES_MAX), *value = g_malloc(LAYER_XATTR_MAX);
  ssize_t length = flistxattr(from, names, NAMES_MAX);
  for (const char *name = names; length > 0 && name < names + length; name += strlen(name) + 1) {
    ssize_t size = g_str_has_prefix(name, "trusted.") ? -1 : fgetxattr(from, name, value, LAYER_XATTR_MAX);
    if (size >= 0 && fsetxattr(to, name, value, (size_t)size, 0) < 0)
      g_debug("attribute %s: %s", name, g_strerror(errno));
  }
}

static bool copy_content(int from, int to, int64_t left)
{
  while (left > 0) {
    ssize_t done = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);
    if (done <= 0)
      return false;
    left -= done;
  }
  return true;
}

/* Owner first: changing it clears the set-user-id bit and the capabilities. */
static bool copy_regular(int folder, const char *name, int from, const struct stat *info)
{
  struct timespec times[2] = { info->st_mtim, info->st_mtim };
  file_autofd int to = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (to < 0 || !copy_content(from, to, info->st_size) || fchown(to, info->st_uid, info->st_gid) < 0 ||
      fchmod(to, info->st_mode & 07777) < 0)
    return false;
  copy_attributes(from, to);
  return futimens(to, times) == 0;
}

static bool is_absent(int code)
{
  return code == ENOENT || code == ENOTDIR || code == ELOOP;
}

bool layer_entry_copy(int root_fd, int source_fd, const LayerLink *link, bool *found, bool *removed, GError **error)
{
  struct stat info;
  g_autofree char *folder = g_path_get_dirname(link->path), *name = g_path_get_basename(link->path);
  file_autofd int there = layer_root_open(source_fd, link->target, O_PATH | O_NOFOLLOW);
  *found = *removed = false;
  if (there < 0)
    return is_absent(errno) || disk_error(error, link->path);
  if (fstat(there, &info) < 0)
    return disk_error(error, link->path);
  *removed = S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0);
  if (*removed)
    return true;
  *found = true;
  if (!S_ISREG(info.st_mode))
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image layer: link %s to %s", link->path, link->target);
  file_autofd int from = layer_root_open(source_fd, link->target, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  file_autofd int to = layer_root_open(root_fd, g_str_equal(folder, ".") ? "" : folder, O_PATH | O_DIRECTORY);
  return (from >= 0 && to >= 0 && copy_regular(to, name, from, &info)) || disk_error(error, link->path);
}
