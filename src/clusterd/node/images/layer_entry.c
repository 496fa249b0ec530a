#include "clusterd/node/images/layer_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/images/layer.h"

#define WHITEOUT ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define FOLDER_LINKS_MAX 5       /* in one path, to folders that are not there */
#define WHITEOUT_META ".wh..wh." /* bookkeeping of AUFS, never content */

/* Where an entry goes: its folder, opened, and its last name. */
typedef struct Place {
  int folder_fd;
  char *name;
} Place;

static void place_clear(Place *place)
{
  file_close(&place->folder_fd);
  g_clear_pointer(&place->name, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

static bool disk_error(GError **error, const char *what, const char *path)
{
  int code = errno;
  Reason reason = code == ENOSPC || code == EDQUOT ? REASON_INSUFFICIENT_STORAGE : REASON_FILE;
  return reason_set_errno(error, reason, code, "Cannot %s %s of an image layer", what, path);
}

/* Names are bytes. libarchive can fail to put a pax name, which is UTF-8, into the locale of the process ("C"). */
static const char *either(const char *bytes, const char *utf8)
{
  return bytes ? bytes : utf8;
}

/* PATH without leading "/" and "." parts; "" is the layer's root. NULL for a path that is not one of a layer. */
static char *clean_path(const char *path)
{
  if (!path || strlen(path) >= PATH_MAX)
    return NULL;
  g_autoptr(GString) clean = g_string_new(NULL);
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  for (char **part = parts; *part; part++) {
    if (g_str_equal(*part, "..") || strlen(*part) > NAME_MAX)
      return NULL;
    if (**part && !g_str_equal(*part, "."))
      g_string_append_printf(clean, "%s%s", clean->len ? "/" : "", *part);
  }
  return g_string_free(g_steal_pointer(&clean), FALSE);
}

int layer_root_open(int root_fd, const char *path, uint64_t flags)
{
  struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
  return (int)syscall(SYS_openat2, root_fd, *path ? path : ".", &how, sizeof how);
}

/* What the symbolic link NAME in PARENT_FD, the folder PARENT below the root, leads to: a path below the root, which
 * the kernel alone may resolve. NULL with errno: ENOENT for a link to nothing. The caller frees. */
static char *link_path(int parent_fd, const char *parent, const char *name)
{
  char target[PATH_MAX];
  ssize_t length = readlinkat(parent_fd, name, target, sizeof target - 1);
  if (length < 0)
    return NULL;
  target[length] = '\0';
  for (; length > 0 && target[length - 1] == '/'; length--)
    target[length - 1] = '\0';
  const char *rest = target + strspn(target, "/");
  if (*rest)
    return rest == target && *parent ? g_strdup_printf("%s/%s", parent, rest) : g_strdup(rest);
  errno = ENOENT;
  return NULL;
}

/* Opens the folder PATH below the root, making what is missing: what the tar left out, and what a symbolic link leads
 * to, of which at most *LINKS are followed so. Nothing is made but a single name in a folder that is below the root. */
static int open_or_make_folder(int root_fd, const char *path, unsigned *links)
{
  int fd = layer_root_open(root_fd, path, O_RDONLY | O_DIRECTORY);
  if (fd >= 0 || errno != ENOENT || !*path)
    return fd;
  g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
  const char *parent_path = g_str_equal(parent, ".") ? "" : parent;
  file_autofd int parent_fd = open_or_make_folder(root_fd, parent_path, links);
  if (parent_fd < 0 || (mkdirat(parent_fd, name, 0755) < 0 && errno != EEXIST))
    return -1;
  fd = layer_root_open(root_fd, path, O_RDONLY | O_DIRECTORY);
  if (fd >= 0 || errno != ENOENT || *links == 0)
    return fd;
  --*links;
  g_autofree char *target = link_path(parent_fd, parent_path, name);
  return target ? open_or_make_folder(root_fd, target, links) : -1;
}

static int open_folder(int root_fd, const char *path)
{
  unsigned links = FOLDER_LINKS_MAX;
  return open_or_make_folder(root_fd, path, &links);
}

static bool find_place(int root_fd, const char *path, Place *place, GError **error)
{
  g_autofree char *folder = g_path_get_dirname(path);
  place->name = g_path_get_basename(path);
  place->folder_fd = open_folder(root_fd, g_str_equal(folder, ".") ? "" : folder);
  return place->folder_fd >= 0 || disk_error(error, "open the folder of", path);
}

/* Makes room for a new entry. A folder stays when the new entry is a folder as well. */
static bool clear_place(const Place *place, bool for_folder, GError **error)
{
  struct stat info;
  if (fstatat(place->folder_fd, place->name, &info, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT || disk_error(error, "look at", place->name);
  if (S_ISDIR(info.st_mode) && for_folder)
    return true;
  if (!S_ISDIR(info.st_mode))
    return unlinkat(place->folder_fd, place->name, 0) == 0 || disk_error(error, "replace", place->name);
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d/%s", place->folder_fd, place->name);
  return file_remove_tree(path, error);
}

static bool make_whiteout(LayerTarget *target, const char *path, const Place *place, GError **error)
{
  if (g_str_equal(place->name, WHITEOUT_OPAQUE)) {
    if (fsetxattr(place->folder_fd, "trusted.overlay.opaque", "y", 1, 0) < 0)
      return disk_error(error, "mark the folder of", path);
    return true;
  }
  if (g_str_has_prefix(place->name, WHITEOUT_META))
    return true;
  Place hidden = { .folder_fd = place->folder_fd, .name = place->name + strlen(WHITEOUT) };
  if (!*hidden.name || g_str_equal(hidden.name, ".") || g_str_equal(hidden.name, ".."))
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image layer: whiteout %s", path);
  if (!clear_place(&hidden, false, error))
    return false;
  return mknodat(hidden.folder_fd, hidden.name, S_IFCHR, makedev(0, 0)) == 0 || disk_error(error, "make", path);
}

static bool write_content(LayerTarget *target, int fd, const char *path, GError **error)
{
  const void *block;
  size_t length;
  la_int64_t offset;
  int result;
  while ((result = archive_read_data_block(target->tar, &block, &length, &offset)) == ARCHIVE_OK) {
    target->bytes_left -= (int64_t)length;
    if (target->bytes_left < 0)
      return reason_set(error, REASON_BAD_REQUEST, "Image layer larger than %" G_GINT64_FORMAT " bytes",
                        target->limits->bytes);
    const char *bytes = block;
    for (size_t done = 0; done < length;) {
      ssize_t put = pwrite(fd, bytes + done, length - done, offset + (off_t)done);
      if (put < 0 && errno != EINTR)
        return disk_error(error, "write", path);
      done += put > 0 ? (size_t)put : 0;
    }
  }
  if (result != ARCHIVE_EOF)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image layer: %s: %s", path,
                      archive_error_string(target->tar));
  return true;
}

static bool make_file(LayerTarget *target, struct archive_entry *entry, const Place *place, GError **error)
{
  file_autofd int fd =
      openat(place->folder_fd, place->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return disk_error(error, "make", place->name);
  int64_t size = archive_entry_size(entry);
  if (size < 0 || size > LAYER_BYTES_MAX)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image layer: size of %s", place->name);
  /* a sparse file may end in a hole */
  return write_content(target, fd, place->name, error) &&
         (ftruncate(fd, size) == 0 || disk_error(error, "write", place->name));
}

static bool is_whiteout(const struct stat *info)
{
  return S_ISCHR(info->st_mode) && info->st_rdev == makedev(0, 0);
}

/* A target that is not here may be in a lower layer: nothing is made for it. */
static bool make_hard_link(LayerTarget *target, const char *path, const char *link, const Place *place, GError **error)
{
  g_autofree char *clean = clean_path(link);
  if (!clean || !*clean)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image layer: link %s to %s", place->name, link);
  g_autofree char *folder = g_path_get_dirname(clean), *name = g_path_get_basename(clean);
  struct stat info;
  file_autofd int fd = layer_root_open(target->root_fd, g_str_equal(folder, ".") ? "" : folder, O_PATH | O_DIRECTORY);
  if (fd < 0 || fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno != ENOENT)
      return disk_error(error, "find the target of the link", place->name);
    LayerLink *missing = g_new(LayerLink, 1);
    *missing = (LayerLink){ g_strdup(path), g_steal_pointer(&clean) };
    g_ptr_array_add(target->missing, missing);
    return true;
  }
  if (S_ISDIR(info.st_mode) || is_whiteout(&info))
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image layer: link %s to %s", place->name, link);
  if (linkat(fd, name, place->folder_fd, place->name, 0) < 0)
    return disk_error(error, "make the link", place->name);
  return true;
}

static bool make_node(LayerTarget *target, struct archive_entry *entry, const Place *place, GError **error)
{
  mode_t type = archive_entry_filetype(entry);
  dev_t device = type == AE_IFIFO ? 0 : archive_entry_rdev(entry);
  if (type == AE_IFCHR && device == makedev(0, 0)) /* would be a whiteout to overlayfs */
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image layer: device %s", place->name);
  if (mknodat(place->folder_fd, place->name, type | 0600, device) < 0)
    return disk_error(error, "make", place->name);
  return true;
}

/* File capabilities and the user's own attributes; those of overlayfs or a security module are the host's business. */
static void set_xattrs(struct archive_entry *entry, const Place *place)
{
  const char *name;
  const void *value;
  size_t length;
  if (archive_entry_filetype(entry) == AE_IFLNK || archive_entry_xattr_reset(entry) == 0)
    return;
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d/%s", place->folder_fd, place->name);
  while (archive_entry_xattr_next(entry, &name, &value, &length) == ARCHIVE_OK) {
    bool wanted = name && (g_str_equal(name, "security.capability") || g_str_has_prefix(name, "user."));
    if (wanted && length <= LAYER_XATTR_MAX && lsetxattr(path, name, value, length, 0) < 0)
      g_debug("attribute %s of %s: %s", name, place->name, g_strerror(errno));
  }
}

static struct timespec entry_time(struct archive_entry *entry)
{
  return (struct timespec){ .tv_sec = archive_entry_mtime(entry), .tv_nsec = archive_entry_mtime_nsec(entry) };
}

/* Owner first: changing it clears the set-user-id bit and the capabilities. */
static bool set_attributes(LayerTarget *target, struct archive_entry *entry, const char *path, const Place *place,
                           GError **error)
{
  mode_t type = archive_entry_filetype(entry);
  int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);
  if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image layer: owner of %s", path);
  if (fchownat(place->folder_fd, place->name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) < 0 ||
      (type != AE_IFLNK && fchmodat(place->folder_fd, place->name, archive_entry_perm(entry), 0) < 0))
    return disk_error(error, "set the owner of", path);
  set_xattrs(entry, place);
  struct timespec times[2] = { entry_time(entry), entry_time(entry) };
  if (type == AE_IFDIR)
    g_hash_table_replace(target->folder_times, g_strdup(path), g_memdup2(&times[0], sizeof times[0]));
  else
    utimensat(place->folder_fd, place->name, times, AT_SYMLINK_NOFOLLOW);
  return true;
}

static bool make_content(LayerTarget *target, struct archive_entry *entry, const Place *place, GError **error)
{
  switch (archive_entry_filetype(entry)) {
  case AE_IFDIR:
    return mkdirat(place->folder_fd, place->name, 0755) == 0 || errno == EEXIST ||
           disk_error(error, "make", place->name);
  case AE_IFREG:
    return make_file(target, entry, place, error);
  case AE_IFLNK: {
    const char *link = either(archive_entry_symlink(entry), archive_entry_symlink_utf8(entry));
    if (!link || !*link)
      return reason_set(error, REASON_BAD_REQUEST, "Malformed image layer: link %s", place->name);
    return symlinkat(link, place->folder_fd, place->name) == 0 || disk_error(error, "make", place->name);
  }
  case AE_IFCHR:
  case AE_IFBLK:
  case AE_IFIFO:
    return make_node(target, entry, place, error);
  default:
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image layer: type of %s", place->name);
  }
}

static bool make_root(LayerTarget *target, struct archive_entry *entry, GError **error)
{
  Place root = { .folder_fd = target->root_fd, .name = (char[]){ "." } };
  return archive_entry_filetype(entry) != AE_IFDIR || set_attributes(target, entry, "", &root, error);
}

char *layer_entry_path(struct archive_entry *entry)
{
  return clean_path(either(archive_entry_pathname(entry), archive_entry_pathname_utf8(entry)));
}

bool layer_entry_is_whiteout(const char *path)
{
  const char *slash = strrchr(path, '/');
  return g_str_has_prefix(slash ? slash + 1 : path, WHITEOUT);
}

bool layer_entry_make(LayerTarget *target, struct archive_entry *entry, GError **error)
{
  const char *raw = either(archive_entry_pathname(entry), archive_entry_pathname_utf8(entry));
  g_autofree char *path = layer_entry_path(entry);
  if (!path)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image layer: path %s", raw ? raw : "(none)");
  if (!*path)
    return make_root(target, entry, error);
  g_auto(Place) place = { .folder_fd = -1 };
  if (!find_place(target->root_fd, path, &place, error))
    return false;
  if (g_str_has_prefix(place.name, WHITEOUT))
    return make_whiteout(target, path, &place, error);
  const char *link = either(archive_entry_hardlink(entry), archive_entry_hardlink_utf8(entry));
  if (!clear_place(&place, !link && archive_entry_filetype(entry) == AE_IFDIR, error))
    return false;
  if (link)
    return make_hard_link(target, path, link, &place, error);
  return make_content(target, entry, &place, error) && set_attributes(target, entry, path, &place, error);
}

void layer_entry_finish_times(LayerTarget *target)
{
  GHashTableIter iter;
  gpointer path, time;
  g_hash_table_iter_init(&iter, target->folder_times);
  while (g_hash_table_iter_next(&iter, &path, &time)) {
    const struct timespec *wanted = time;
    struct timespec times[2] = { *wanted, *wanted };
    file_autofd int fd = layer_root_open(target->root_fd, path, O_RDONLY | O_DIRECTORY);
    if (fd >= 0)
      futimens(fd, times);
  }
}
