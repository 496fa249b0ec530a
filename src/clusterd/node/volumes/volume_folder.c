#include "clusterd/node/volumes/volume_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

/* Opens the folder PATH, which must be relative and stay below PARENT; MORE are further RESOLVE_ flags. */
static int open_below(int parent, const char *path, uint64_t more)
{
  struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                          .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | more };
  return (int)syscall(SYS_openat2, parent, path, &how, sizeof how);
}

static bool is_clean(const char *relative)
{
  g_auto(GStrv) parts = g_strsplit(relative, "/", -1);
  for (char **part = parts; *part; part++)
    if (!**part || strcmp(*part, ".") == 0 || strcmp(*part, "..") == 0)
      return false;
  return *relative != '\0';
}

static bool make_part(int *folder, const char *name, GError **error)
{
  if (mkdirat(*folder, name, 0755) != 0 && errno != EEXIST)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot make the folder %s", name);
  int next = open_below(*folder, name, 0);
  if (next < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot open the folder %s", name);
  file_close(folder);
  *folder = next;
  return true;
}

bool volume_folder_make(const char *root, const char *relative, GError **error)
{
  if (!is_clean(relative))
    return reason_set(error, REASON_INVALID, "\"%s\" names no folder below %s", relative, root);
  if (!file_make_dirs(root, 0755, error))
    return false;
  g_auto(GStrv) parts = g_strsplit(relative, "/", -1);
  file_autofd int folder = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0)
    return reason_set_errno(error, REASON_FILE, errno, "%s", root);
  for (char **part = parts; *part; part++)
    if (!make_part(&folder, *part, error))
      return false;
  /* pods of any user write there, whatever the umask says */
  return fchmod(folder, 0777) == 0 || reason_set_errno(error, REASON_FILE, errno, "%s/%s", root, relative);
}

static bool remove_entry(int folder, const char *name, unsigned depth, GError **error);

static bool empty(int folder, unsigned depth, GError **error)
{
  int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0);
  DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
  bool ok = entries != NULL;
  if (!ok) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot read a folder");
    file_close(&copy);
    return false;
  }
  for (const struct dirent *entry; ok && (entry = readdir(entries));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      ok = remove_entry(folder, entry->d_name, depth, error);
  closedir(entries);
  return ok;
}

static bool remove_entry(int folder, const char *name, unsigned depth, GError **error)
{
  if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
    return true;
  if (errno != EISDIR)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot remove %s", name);
  if (depth == 0)
    return reason_set(error, REASON_FILE, "Cannot remove %s: there are more than %d folders in one another", name,
                      VOLUME_FOLDER_DEPTH_MAX);
  file_autofd int below = open_below(folder, name, RESOLVE_NO_XDEV);
  if (below < 0)
    return errno == ENOENT || reason_set_errno(error, REASON_FILE, errno, "Cannot open %s", name);
  if (!empty(below, depth - 1, error))
    return false;
  return unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT ||
         reason_set_errno(error, REASON_FILE, errno, "Cannot remove %s", name);
}

bool volume_folder_remove(const char *root, const char *path, GError **error)
{
  gsize length = strlen(root);
  if (strncmp(path, root, length) != 0 || path[length] != '/' || !is_clean(path + length + 1))
    return reason_set(error, REASON_INVALID, "%s does not lie below %s: it is not removed", path, root);
  g_autofree char *above = g_path_get_dirname(path + length + 1);
  g_autofree char *name = g_path_get_basename(path);
  file_autofd int top = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (top < 0)
    return errno == ENOENT || reason_set_errno(error, REASON_FILE, errno, "%s", root);
  file_autofd int folder = open_below(top, above, 0);
  if (folder < 0)
    return errno == ENOENT || reason_set_errno(error, REASON_FILE, errno, "%s", path);
  return remove_entry(folder, name, VOLUME_FOLDER_DEPTH_MAX, error);
}

bool volume_folder_empty(const char *path, GError **error)
{
  if (*path != '/' || !is_clean(path + 1))
    return reason_set(error, REASON_INVALID, "\"%s\" is no folder that may be emptied", path);
  file_autofd int top = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  file_autofd int folder = top >= 0 ? open_below(top, path + 1, 0) : -1;
  if (folder < 0)
    return reason_set_errno(error, REASON_FILE, errno, "%s", path);
  return empty(folder, VOLUME_FOLDER_DEPTH_MAX, error);
}
