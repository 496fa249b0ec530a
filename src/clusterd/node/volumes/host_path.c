#include "clusterd/node/volumes/host_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/reason.h"

static const struct {
  const char *type;
  mode_t format;
  const char *what; /* in upstream's messages */
} kinds[] = { { "Directory", S_IFDIR, "a directory" },
              { "DirectoryOrCreate", S_IFDIR, "a directory" },
              { "File", S_IFREG, "a file" },
              { "FileOrCreate", S_IFREG, "a file" },
              { "Socket", S_IFSOCK, "a socket file" },
              { "CharDevice", S_IFCHR, "a character device" },
              { "BlockDevice", S_IFBLK, "a block device" } };

static bool make(const char *path, const char *type, GError **error)
{
  if (!*type || g_str_equal(type, "DirectoryOrCreate"))
    return file_make_dirs(path, 0755, error);
  file_autofd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  return fd >= 0 || reason_set_errno(error, REASON_FILE, errno, "%s", path);
}

static bool check(const char *path, const char *type, const struct stat *info, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (g_str_equal(type, kinds[i].type) && (info->st_mode & S_IFMT) != kinds[i].format)
      return reason_set(error, REASON_INVALID, "hostPath type check failed: %s is not %s", path, kinds[i].what);
  return true;
}

char *host_path_prepare(const char *path, const char *type, GError **error)
{
  struct stat info;
  bool makes = !*type || g_str_has_suffix(type, "OrCreate");
  if (*path != '/') {
    reason_set(error, REASON_INVALID, "hostPath \"%s\" is not absolute", path);
    return NULL;
  }
  if (stat(path, &info) != 0) {
    if (errno == ENOENT && makes)
      return make(path, type, error) ? g_strdup(path) : NULL;
    struct stat none = { 0 };
    if (check(path, type, &none, error))
      reason_set_errno(error, REASON_FILE, errno, "%s", path);
    return NULL;
  }
  return check(path, type, &info, error) ? g_strdup(path) : NULL;
}
