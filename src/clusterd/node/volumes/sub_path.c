#include "clusterd/node/volumes/sub_path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/volumes/mounts.h"

#define TRIES_MAX 100 /* the kernel gives up (EAGAIN) when folders are renamed during its walk */

/* Links are followed as long as they stay below ROOT: those of configMaps lead through one. */
static int open_below(int root, const char *path, uint64_t flags)
{
  struct open_how how = { .flags = flags | O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
  int fd = -1;
  for (int i = 0; i < TRIES_MAX && fd < 0; i++) {
    fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd < 0 && errno != EAGAIN)
      break;
  }
  return fd;
}

/* Makes the folder NAME in PARENT and opens it; whoever was faster made it. */
static int make_folder(int parent, const char *name, mode_t mode)
{
  if (mkdirat(parent, name, 0700) != 0)
    return errno == EEXIST ? openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
  int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
  if (fd >= 0 && chmod(link, mode) != 0) /* the umask is none of the container's business */
    file_close(&fd);
  return fd;
}

/* One step down from *AT, which is closed. SO_FAR is the path from ROOT. */
static bool step(int root, int *at, const GString *so_far, const char *name, mode_t mode)
{
  int next = open_below(root, so_far->str, 0);
  if (next < 0 && errno == ENOENT)
    next = make_folder(*at, name, mode);
  int problem = errno;
  file_close(at);
  *at = next;
  errno = problem;
  return next >= 0;
}

int sub_path_open(const char *root, const char *sub_path, GError **error)
{
  struct stat info;
  g_auto(GStrv) parts = g_strsplit(sub_path, "/", -1);
  if (*sub_path == '/' || g_strv_contains((const char *const *)parts, "..")) {
    reason_set(error, REASON_INVALID, "subPath \"%s\" must be relative and without \"..\"", sub_path);
    return -1;
  }
  file_autofd int base = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int at = base >= 0 && fstat(base, &info) == 0 ? open_below(base, ".", 0) : -1;
  g_autoptr(GString) so_far = g_string_new(".");
  for (char **part = parts; at >= 0 && *part; part++) {
    if (!**part)
      continue;
    g_string_append_printf(so_far, "/%s", *part);
    step(base, &at, so_far, *part, info.st_mode & 07777);
  }
  if (at < 0)
    reason_set_errno(error, REASON_FILE, errno, "subPath \"%s\"", sub_path);
  return at;
}

/* An empty file or folder, as FD is of. */
static bool make_target(int fd, const char *target, GError **error)
{
  struct stat info;
  g_autofree char *parent = g_path_get_dirname(target);
  if (fstat(fd, &info) != 0)
    return reason_set_errno(error, REASON_FILE, errno, "%s", target);
  if (!mounts_detach(target, error) || !file_make_dirs(parent, 0700, error))
    return false;
  bool is_folder = S_ISDIR(info.st_mode);
  if ((is_folder ? unlink(target) : rmdir(target)) != 0 && errno != ENOENT && errno != ENOTDIR && errno != EISDIR)
    return reason_set_errno(error, REASON_FILE, errno, "%s", target);
  file_autofd int file = is_folder ? -1 : open(target, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (is_folder ? mkdir(target, 0700) != 0 && errno != EEXIST : file < 0)
    return reason_set_errno(error, REASON_FILE, errno, "%s", target);
  return true;
}

bool sub_path_bind(const char *root, const char *sub_path, const char *target, GError **error)
{
  file_autofd int fd = sub_path_open(root, sub_path, error);
  return fd >= 0 && make_target(fd, target, error) && mounts_bind(fd, target, error);
}
