/* Layers as programs from anywhere make them: what must come through whole, what must do no harm, what is refused. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/images/layer.h"
#include "clusterd/node/images/layer_recipe.h"

static char *scratch, *folder, *recipe;
static const LayerLimits *limits; /* of unpack(); NULL: the usual ones */

typedef struct Tar {
  struct archive *archive;
  GByteArray *bytes;
  size_t given;
} Tar;

static la_ssize_t take(struct archive *archive, void *user, const void *data, size_t length)
{
  g_byte_array_append(user, data, (guint)length);
  return (la_ssize_t)length;
}

static Tar tar_new(int (*format)(struct archive *))
{
  Tar tar = { archive_write_new(), g_byte_array_new(), 0 };
  format(tar.archive);
  archive_write_open(tar.archive, tar.bytes, NULL, take, NULL);
  return tar;
}

static struct archive_entry *entry_new(const char *path, mode_t type, mode_t mode)
{
  struct archive_entry *entry = archive_entry_new();
  archive_entry_set_pathname(entry, path);
  archive_entry_set_filetype(entry, type);
  archive_entry_set_perm(entry, mode);
  archive_entry_set_mtime(entry, 1000000, 500);
  return entry;
}

/* Adds ENTRY, which it frees, with CONTENT. */
static void put(Tar *tar, struct archive_entry *entry, const void *content, size_t length)
{
  if (archive_entry_filetype(entry) == AE_IFREG && !archive_entry_size_is_set(entry))
    archive_entry_set_size(entry, (la_int64_t)length);
  g_assert_cmpint(archive_write_header(tar->archive, entry), >=, ARCHIVE_WARN);
  if (length)
    g_assert_cmpint(archive_write_data(tar->archive, content, length), >=, 0);
  archive_entry_free(entry);
}

static void put_text(Tar *tar, const char *path, const char *text)
{
  put(tar, entry_new(path, AE_IFREG, 0644), text, strlen(text));
}

static void put_link(Tar *tar, const char *path, const char *target)
{
  struct archive_entry *entry = entry_new(path, AE_IFREG, 0644);
  archive_entry_set_hardlink(entry, target);
  archive_entry_set_size(entry, 0);
  put(tar, entry, NULL, 0);
}

static void put_symlink(Tar *tar, const char *path, const char *target)
{
  struct archive_entry *entry = entry_new(path, AE_IFLNK, 0777);
  archive_entry_set_symlink(entry, target);
  put(tar, entry, NULL, 0);
}

static ssize_t give(void *source, const void **block, GError **error)
{
  Tar *tar = source;
  size_t length = MIN(tar->bytes->len - tar->given, 1000);
  *block = tar->bytes->data + tar->given;
  tar->given += length;
  return (ssize_t)length;
}

static bool collect(void *user, const void *data, size_t length, GError **error)
{
  g_byte_array_append(user, data, (guint)length);
  return true;
}

/* What comes of TAR in FOLDER; its recipe must make it again, byte for byte. */
static bool unpack(Tar *tar, GError **error)
{
  LayerResult result = { 0 };
  archive_write_free(tar->archive);
  g_assert_cmpint(mkdir(folder, 0755), ==, 0);
  bool good = layer_unpack(give, tar, folder, recipe, limits, &result, error);
  if (good) {
    g_autoptr(GByteArray) again = g_byte_array_new();
    g_assert_cmpint(layer_recipe_size(recipe, NULL), ==, tar->bytes->len);
    g_assert_true(layer_recipe_replay(recipe, folder, collect, again, error));
    g_assert_cmpmem(again->data, again->len, tar->bytes->data, tar->bytes->len);
  }
  layer_result_clear(&result);
  g_byte_array_unref(tar->bytes);
  return good;
}

static void assert_unpacked(Tar *tar)
{
  g_autoptr(GError) error = NULL;
  bool good = unpack(tar, &error);
  g_assert_no_error(error);
  g_assert_true(good);
}

static void assert_refused(Tar *tar, const char *why)
{
  g_autoptr(GError) error = NULL;
  g_assert_false(unpack(tar, &error));
  g_assert_true(reason_is(error, REASON_BAD_REQUEST));
  g_assert_nonnull(strstr(error->message, why));
  g_autoptr(GDir) dir = g_dir_open(scratch, 0, NULL);
  for (const char *name; (name = g_dir_read_name(dir));) /* and nothing beside it */
    g_assert_true(g_str_equal(name, "layer") || g_str_equal(name, "recipe"));
  g_assert_true(file_remove_tree(folder, NULL));
}

static char *inside(const char *name)
{
  return g_build_filename(folder, name, NULL);
}

static struct stat look(const char *name)
{
  struct stat info = { 0 };
  g_autofree char *path = inside(name);
  g_assert_cmpint(lstat(path, &info), ==, 0);
  return info;
}

static bool present(const char *name)
{
  struct stat info;
  g_autofree char *path = inside(name);
  return lstat(path, &info) == 0;
}

static void assert_text(const char *name, const char *wanted)
{
  g_autofree char *path = inside(name), *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_assert_cmpstr(text, ==, wanted);
}

static void test_kinds(void)
{
  Tar tar = tar_new(archive_write_set_format_pax);
  struct archive_entry *device = entry_new("dev/null", AE_IFCHR, 0666), *disk = entry_new("dev/sda", AE_IFBLK, 0660);
  archive_entry_set_rdev(device, makedev(1, 3));
  archive_entry_set_rdev(disk, makedev(8, 0));
  put(&tar, device, NULL, 0);
  put(&tar, disk, NULL, 0);
  put(&tar, entry_new("fifo", AE_IFIFO, 0600), NULL, 0);
  put(&tar, entry_new("setuid", AE_IFREG, 04755), "x", 1);
  put(&tar, entry_new("setgid", AE_IFREG, 02755), "x", 1);
  put(&tar, entry_new("sticky", AE_IFDIR, 01777), NULL, 0);
  put_symlink(&tar, "dangling", "/no/where");
  assert_unpacked(&tar);
  g_assert_cmpuint(look("dev/null").st_rdev, ==, makedev(1, 3));
  g_assert_true(S_ISCHR(look("dev/null").st_mode) && S_ISBLK(look("dev/sda").st_mode));
  g_assert_true(S_ISFIFO(look("fifo").st_mode));
  g_assert_cmpuint(look("setuid").st_mode & 07777, ==, 04755);
  g_assert_cmpuint(look("setgid").st_mode & 07777, ==, 02755);
  g_assert_cmpuint(look("sticky").st_mode & 07777, ==, 01777);
  g_assert_true(S_ISLNK(look("dangling").st_mode));
  g_assert_cmpint(look("setuid").st_mtim.tv_sec, ==, 1000000);
  g_assert_cmpint(look("setuid").st_mtim.tv_nsec, ==, 500);
}

static void test_attributes(void)
{
  static const unsigned char capability[] = { 1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
  Tar tar = tar_new(archive_write_set_format_pax);
  struct archive_entry *entry = entry_new("ping", AE_IFREG, 0755);
  archive_entry_set_uid(entry, 4294967294);
  archive_entry_set_gid(entry, 3000000000);
  archive_entry_xattr_add_entry(entry, "security.capability", capability, sizeof capability);
  archive_entry_xattr_add_entry(entry, "user.note", "hello", 5);
  archive_entry_xattr_add_entry(entry, "trusted.overlay.redirect", "/etc", 4);
  archive_entry_xattr_add_entry(entry, "security.selinux", "label", 5);
  put(&tar, entry, "x", 1);
  assert_unpacked(&tar);
  unsigned char value[64];
  g_autofree char *path = inside("ping");
  g_assert_cmpuint(look("ping").st_uid, ==, 4294967294);
  g_assert_cmpuint(look("ping").st_gid, ==, 3000000000);
  g_assert_cmpint(getxattr(path, "security.capability", value, sizeof value), ==, sizeof capability);
  g_assert_cmpmem(value, sizeof capability, capability, sizeof capability);
  if (getxattr(path, "user.note", value, sizeof value) < 0)
    g_test_message("no user attributes on this file system");
  g_assert_cmpint(getxattr(path, "trusted.overlay.redirect", value, sizeof value), <, 0);
  g_assert_cmpint(getxattr(path, "security.selinux", value, sizeof value), <, 0);
}

static void long_names(int (*format)(struct archive *))
{
  g_autofree char *name = g_strnfill(255, 'n'), *part = g_strnfill(200, 'p');
  g_autofree char *deep = g_strdup_printf("%s/%s/%s/%s/%s", part, part, part, part, name);
  g_autofree char *target = g_strnfill(1000, 't');
  Tar tar = tar_new(format);
  put_text(&tar, deep, "deep");
  put_link(&tar, "short", deep);
  put_symlink(&tar, "to", target);
  assert_unpacked(&tar);
  assert_text(deep, "deep");
  g_assert_cmpint(look("short").st_nlink, ==, 2);
  g_assert_cmpint(look("to").st_size, ==, 1000);
  g_assert_true(file_remove_tree(folder, NULL));
}

static void test_long_names(void)
{
  long_names(archive_write_set_format_pax);
  long_names(archive_write_set_format_gnutar);
}

static void test_sparse(void)
{
  enum { SIZE = 10 << 20 };
  Tar tar = tar_new(archive_write_set_format_pax);
  struct archive_entry *entry = entry_new("holes", AE_IFREG, 0644);
  g_autofree char *content = g_malloc0(SIZE);
  memcpy(content + (5 << 20), "middle", 6);
  archive_entry_set_size(entry, SIZE);
  archive_entry_sparse_add_entry(entry, 5 << 20, 4096);
  put(&tar, entry, content, SIZE);
  put_text(&tar, "after", "it");
  assert_unpacked(&tar);
  g_autofree char *path = inside("holes"), *found = NULL;
  gsize length;
  g_assert_true(g_file_get_contents(path, &found, &length, NULL));
  g_assert_cmpmem(found, length, content, SIZE);
  g_assert_cmpint(look("holes").st_blocks * 512, <, SIZE / 2);
  assert_text("after", "it");
}

static void test_whiteouts(void)
{
  Tar tar = tar_new(archive_write_set_format_pax);
  put_text(&tar, "kept", "kept");
  put_text(&tar, ".wh.removed", "");
  put_text(&tar, "back", "again");
  put_text(&tar, ".wh.back", "");
  put_text(&tar, "back", "again");
  put_link(&tar, "link", "kept");
  put_text(&tar, "dir/.wh..wh..opq", "");
  put_text(&tar, "dir/inside", "new");
  put_text(&tar, ".wh..wh.plnk", "aufs");
  assert_unpacked(&tar);
  g_assert_true(S_ISCHR(look("removed").st_mode) && look("removed").st_rdev == 0);
  assert_text("back", "again");
  assert_text("dir/inside", "new");
  assert_text("link", "kept");
  g_assert_false(present(".wh.removed"));
  g_assert_false(present(".wh..wh.plnk"));
  char value[2];
  g_autofree char *dir = inside("dir");
  g_assert_cmpint(getxattr(dir, "trusted.overlay.opaque", value, sizeof value), ==, 1);
}

static void test_same_name_twice(void)
{
  Tar tar = tar_new(archive_write_set_format_pax);
  put(&tar, entry_new("var/log", AE_IFDIR, 0755), NULL, 0);
  put_symlink(&tar, "log", "/var/log");
  put_text(&tar, "log/inside", "x"); /* by the link, in the layer */
  put_text(&tar, "file", "same");
  put_text(&tar, "file", "same"); /* a recipe needs the content to be what it was */
  assert_unpacked(&tar);
  assert_text("var/log/inside", "x");
}

/* What leads outside: nothing of it may be found there. */
static void test_escapes(void)
{
  g_autofree char *outside = g_build_filename(scratch, "outside", NULL);
  Tar tar = tar_new(archive_write_set_format_pax);
  put_symlink(&tar, "a", "..");
  put_symlink(&tar, "b", "a/../..");
  put_text(&tar, "a/outside", "x");
  put_text(&tar, "b/outside", "x");
  put_text(&tar, "./././/outside2", "x");
  put_text(&tar, "/outside3", "x");
  put_symlink(&tar, "target", outside);
  put_text(&tar, "target", "the link is replaced, not followed");
  put_text(&tar, "a/.wh.etc", "");
  assert_unpacked(&tar);
  g_assert_false(g_file_test(outside, G_FILE_TEST_EXISTS));
  g_assert_true(S_ISREG(look("target").st_mode));
  g_assert_true(present("outside") && present("outside2") && present("outside3"));
}

/* Links to folders that the layer does not have, whatever the machine has there: they are made, in the layer. */
static void test_elsewhere(void)
{
  const struct {
    const char *target, *made;
  } links[] = { { scratch, scratch },
                { "/proc/self/root", "proc/self/root" },
                { "/proc/self/fd/0", "proc/self/fd/0" },
                { "/tmp/../tmp", "tmp" },
                { "/a/b//c/", "a/b/c" },
                { "d/../e", "sub/e" },
                { "../../f", "f" } };
  g_autofree char *beside = g_build_filename(scratch, "f", NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(links); i++) {
    g_autofree char *first = g_build_filename(links[i].made, "layer-escaped", NULL);
    g_autofree char *second = g_build_filename(links[i].made, "more", "file", NULL);
    g_autofree char *outside = g_build_filename(links[i].target, "layer-escaped", NULL);
    Tar tar = tar_new(archive_write_set_format_pax);
    put_symlink(&tar, "sub/link", links[i].target);
    put_text(&tar, "sub/link/layer-escaped", "x");
    put_text(&tar, "sub/link/more/file", "y");
    assert_unpacked(&tar);
    g_assert_true(S_ISLNK(look("sub/link").st_mode));
    assert_text(first, "x");
    assert_text(second, "y");
    g_assert_false(g_path_is_absolute(outside) && g_file_test(outside, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(beside, G_FILE_TEST_EXISTS));
    g_assert_true(file_remove_tree(folder, NULL));
  }
}

/* Links that lead to links to nothing: a few are followed. Those that lead to themselves are not. */
static void test_links_to_nothing(void)
{
  Tar tar = tar_new(archive_write_set_format_pax);
  put_symlink(&tar, "a", "x/b");
  put_symlink(&tar, "x/b", "../c");
  put_symlink(&tar, "c", "/d/e");
  put(&tar, entry_new("a/folder", AE_IFDIR, 0700), NULL, 0);
  put_text(&tar, "a/file", "by three links");
  assert_unpacked(&tar);
  assert_text("d/e/file", "by three links");
  g_assert_cmpuint(look("d/e/folder").st_mode & 07777, ==, 0700);
  g_assert_true(file_remove_tree(folder, NULL));
  static const char *const loops[] = { "loop", "loop/inside", "/loop/../loop", "." };
  for (size_t i = 0; i < G_N_ELEMENTS(loops); i++) {
    g_autoptr(GError) error = NULL;
    bool loop = !g_str_equal(loops[i], ".");
    tar = tar_new(archive_write_set_format_pax);
    put_symlink(&tar, "loop", loops[i]);
    put_text(&tar, "loop/file", "x");
    g_assert_cmpint(unpack(&tar, &error), ==, !loop);
    g_assert_true(!loop || strstr(error->message, "loop/file"));
    g_assert_true(file_remove_tree(folder, NULL));
  }
  tar = tar_new(archive_write_set_format_pax);
  for (char name = 'a'; name < 'i'; name++)
    put_symlink(&tar, (char[]){ name, '\0' }, (char[]){ (char)(name + 1), '/', 'x', '\0' });
  put_text(&tar, "a/file", "x");
  g_autoptr(GError) error = NULL;
  g_assert_false(unpack(&tar, &error));
  g_assert_nonnull(strstr(error->message, "a/file"));
}

static void test_refused(void)
{
  static const char *const paths[] = { "..", "../outside", "a/../../outside", "a/..", "/../outside", "a/./../outside" };
  for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
    Tar tar = tar_new(archive_write_set_format_pax);
    put_text(&tar, paths[i], "x");
    assert_refused(&tar, "path");
  }
  static const char *const targets[] = { "../outside", "/../../etc/passwd", "..", "." };
  for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
    Tar tar = tar_new(archive_write_set_format_pax);
    put_link(&tar, "link", targets[i]);
    assert_refused(&tar, "link");
  }
  Tar tar = tar_new(archive_write_set_format_pax);
  struct archive_entry *whiteout = entry_new("node", AE_IFCHR, 0600);
  archive_entry_set_rdev(whiteout, 0);
  put(&tar, whiteout, NULL, 0);
  assert_refused(&tar, "device");
  tar = tar_new(archive_write_set_format_pax);
  put_text(&tar, ".wh..", "");
  assert_refused(&tar, "whiteout");
  tar = tar_new(archive_write_set_format_pax);
  struct archive_entry *owner = entry_new("owner", AE_IFREG, 0644);
  archive_entry_set_uid(owner, INT64_C(4294967295)); /* chown(2) takes it for "as it is" */
  put(&tar, owner, "x", 1);
  assert_refused(&tar, "owner");
}

/* A hard link that goes through a symbolic link to outside finds only the layer's own. */
static void test_link_through_symlink(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *secret = g_build_filename(scratch, "recipe", NULL);
  Tar tar = tar_new(archive_write_set_format_pax);
  put_symlink(&tar, "up", "..");
  put_link(&tar, "stolen", "up/recipe");
  LayerResult result = { 0 };
  archive_write_free(tar.archive);
  g_assert_cmpint(mkdir(folder, 0755), ==, 0);
  g_assert_true(layer_unpack(give, &tar, folder, recipe, NULL, &result, &error));
  g_assert_false(present("stolen"));
  g_assert_true(g_file_test(secret, G_FILE_TEST_EXISTS));
  g_assert_cmpuint(result.missing->len, ==, 1); /* perhaps a lower layer has it */
  layer_result_clear(&result);
  g_byte_array_unref(tar.bytes);
}

/* A few bytes that become many: 2 GiB of zeros three times, said to be 64 GiB and more. */
static void test_bombs(void)
{
  Tar tar = tar_new(archive_write_set_format_pax);
  struct archive_entry *entry = entry_new("big", AE_IFREG, 0644);
  archive_entry_set_size(entry, LAYER_BYTES_MAX + 1);
  archive_entry_sparse_add_entry(entry, 0, 1);
  archive_write_header(tar.archive, entry);
  archive_write_data(tar.archive, "x", 1);
  archive_entry_free(entry);
  assert_refused(&tar, "size of big");
}

/* No more entries, and no more bytes, than a layer may have. */
static void test_limits(void)
{
  static const LayerLimits entries = { .entries = 4, .bytes = 100 }, bytes = { .entries = 100, .bytes = 8 };
  for (int more = 0; more < 2; more++) {
    Tar tar = tar_new(archive_write_set_format_pax);
    put_text(&tar, "a", "x");
    put_symlink(&tar, "b", "a");
    put_text(&tar, ".wh.c", "");
    put(&tar, entry_new(".", AE_IFDIR, 0755), NULL, 0);
    if (more)
      put_link(&tar, "d", "a");
    limits = &entries;
    if (more)
      assert_refused(&tar, "Image layer with more than 4 entries");
    else
      assert_unpacked(&tar);
    file_remove_tree(folder, NULL);
    tar = tar_new(archive_write_set_format_pax);
    put_text(&tar, "a", "1234");
    put_text(&tar, "b", more ? "56789" : "5678");
    limits = &bytes;
    if (more)
      assert_refused(&tar, "Image layer larger than 8 bytes");
    else
      assert_unpacked(&tar);
    file_remove_tree(folder, NULL);
  }
  limits = NULL;
}

static void with_scratch(const void *data)
{
  void (*const *run)(void) = data;
  scratch = g_dir_make_tmp("layers-XXXXXX", NULL);
  folder = g_build_filename(scratch, "layer", NULL);
  recipe = g_build_filename(scratch, "recipe", NULL);
  if (geteuid() == 0)
    (*run)();
  else
    g_test_skip("needs root: layers carry owners and device nodes");
  file_remove_tree(scratch, NULL);
  g_clear_pointer(&scratch, g_free);
  g_clear_pointer(&folder, g_free);
  g_clear_pointer(&recipe, g_free);
}

int main(int argc, char **argv)
{
  static const struct {
    const char *path;
    void (*run)(void);
  } tests[] = { { "/layers/kinds", test_kinds },
                { "/layers/attributes", test_attributes },
                { "/layers/long-names", test_long_names },
                { "/layers/sparse", test_sparse },
                { "/layers/whiteouts", test_whiteouts },
                { "/layers/same-name-twice", test_same_name_twice },
                { "/layers/escapes", test_escapes },
                { "/layers/elsewhere", test_elsewhere },
                { "/layers/links-to-nothing", test_links_to_nothing },
                { "/layers/limits", test_limits },
                { "/layers/refused", test_refused },
                { "/layers/link-through-symlink", test_link_through_symlink },
                { "/layers/bombs", test_bombs } };
  g_test_init(&argc, &argv, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
    g_test_add_data_func(tests[i].path, &tests[i].run, with_scratch);
  return g_test_run();
}
