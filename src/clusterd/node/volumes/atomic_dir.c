#include "clusterd/node/volumes/atomic_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define DATA_LINK "..data"
#define NEW_DATA_LINK "..data_tmp"
#define CONTENT_MAX (4u << 20)

AtomicFile *atomic_file_new(const char *path, GBytes *content, mode_t mode)
{
  AtomicFile *file = g_new(AtomicFile, 1);
  *file = (AtomicFile){ g_strdup(path), g_bytes_ref(content), mode };
  return file;
}

void atomic_file_free(AtomicFile *file)
{
  g_free(file->path);
  g_bytes_unref(file->content);
  g_free(file);
}

static bool is_inside(const char *path)
{
  if (!*path || *path == '/')
    return false;
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  for (char **part = parts; *part; part++)
    if (g_str_equal(*part, "..") || g_str_equal(*part, "."))
      return false;
  return !g_str_has_prefix(path, "..");
}

static bool is_current(const char *dir, const AtomicFile *file)
{
  g_autofree char *path = g_build_filename(dir, DATA_LINK, file->path, NULL);
  g_autoptr(GBytes) content = file_read(path, CONTENT_MAX, NULL);
  return content && g_bytes_equal(content, file->content);
}

static unsigned count_files(const char *path)
{
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  unsigned n = 0;
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *below = g_build_filename(path, name, NULL);
    n += g_file_test(below, G_FILE_TEST_IS_DIR) ? count_files(below) : 1;
  }
  return n;
}

static bool all_current(const char *dir, const GPtrArray *files)
{
  g_autofree char *data = g_build_filename(dir, DATA_LINK, NULL);
  if (!g_file_test(data, G_FILE_TEST_IS_DIR) || count_files(data) != files->len)
    return false;
  for (guint i = 0; i < files->len; i++)
    if (!is_current(dir, files->pdata[i]))
      return false;
  return true;
}

static bool write_file(const char *root, const AtomicFile *file, gid_t group, GError **error)
{
  g_autofree char *path = g_build_filename(root, file->path, NULL);
  g_autofree char *parent = g_path_get_dirname(path);
  gsize length;
  const char *bytes = g_bytes_get_data(file->content, &length);
  if (!file_make_dirs(parent, 0755, error))
    return false;
  file_autofd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return reason_set_errno(error, REASON_FILE, errno, "%s", path);
  for (gsize at = 0; at < length;) {
    ssize_t n = write(fd, bytes + at, length - at);
    if (n < 0)
      return reason_set_errno(error, REASON_FILE, errno, "%s", path);
    at += (gsize)n;
  }
  mode_t mode = group == (gid_t)-1 ? file->mode : file->mode | 0440;
  if ((group != (gid_t)-1 && fchown(fd, (uid_t)-1, group) != 0) || fchmod(fd, mode) != 0)
    return reason_set_errno(error, REASON_FILE, errno, "%s", path);
  return true;
}

/* The first parts of the paths are links in DIR that go through ..data; others of the kind are from before. */
static bool link_names(const char *dir, const GPtrArray *files, GError **error)
{
  g_autoptr(GHashTable) wanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < files->len; i++) {
    const AtomicFile *file = files->pdata[i];
    g_autofree char *first = g_strndup(file->path, strcspn(file->path, "/"));
    g_autofree char *link = g_build_filename(dir, first, NULL);
    g_autofree char *target = g_build_filename(DATA_LINK, first, NULL);
    if (symlink(target, link) != 0 && errno != EEXIST)
      return reason_set_errno(error, REASON_FILE, errno, "%s", link);
    g_hash_table_add(wanted, g_steal_pointer(&first));
  }
  g_autoptr(GDir) names = g_dir_open(dir, 0, NULL);
  for (const char *name; names && (name = g_dir_read_name(names));) {
    g_autofree char *path = g_build_filename(dir, name, NULL);
    if (!g_str_has_prefix(name, "..") && !g_hash_table_contains(wanted, name) && unlink(path) != 0)
      return reason_set_errno(error, REASON_FILE, errno, "%s", path);
  }
  return true;
}

/* Points ..data at STAMP and removes what it pointed at. */
static bool swap(const char *dir, const char *stamp, GError **error)
{
  g_autofree char *data = g_build_filename(dir, DATA_LINK, NULL);
  g_autofree char *fresh = g_build_filename(dir, NEW_DATA_LINK, NULL);
  g_autofree char *old = g_file_read_link(data, NULL);
  unlink(fresh);
  if (symlink(stamp, fresh) != 0 || rename(fresh, data) != 0)
    return reason_set_errno(error, REASON_FILE, errno, "%s", data);
  if (!old || strchr(old, '/') || g_str_equal(old, stamp))
    return true;
  g_autofree char *old_path = g_build_filename(dir, old, NULL);
  return file_remove_tree(old_path, error);
}

bool atomic_dir_write(const char *dir, const GPtrArray *files, gid_t group, GError **error)
{
  for (guint i = 0; i < files->len; i++) {
    const AtomicFile *file = files->pdata[i];
    if (!is_inside(file->path))
      return reason_set(error, REASON_INVALID, "path \"%s\" leads outside of its volume", file->path);
  }
  if (all_current(dir, files))
    return true;
  g_autoptr(GDateTime) now = g_date_time_new_now_utc();
  g_autofree char *seconds = g_date_time_format(now, "..%Y_%m_%d_%H_%M_%S");
  g_autofree char *stamp = g_strdup_printf("%s.%09u", seconds, g_random_int_range(0, 1000000000));
  g_autofree char *root = g_build_filename(dir, stamp, NULL);
  if (!file_make_dirs(dir, 0755, error) || !file_make_dirs(root, 0755, error))
    return false;
  if (group != (gid_t)-1 && (chown(dir, (uid_t)-1, group) != 0 || chown(root, (uid_t)-1, group) != 0))
    return reason_set_errno(error, REASON_FILE, errno, "%s", dir);
  for (guint i = 0; i < files->len; i++)
    if (!write_file(root, files->pdata[i], group, error))
      return false;
  return swap(dir, stamp, error) && link_names(dir, files, error);
}
