/* Atomic files, locks between processes, certificates. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "base/x509.h"

typedef struct Folder {
  char *path;
} Folder;

static void set_up(Folder *folder, gconstpointer unused)
{
  folder->path = g_dir_make_tmp("launcher-test-XXXXXX", NULL);
  g_assert_nonnull(folder->path);
}

static void tear_down(Folder *folder, gconstpointer unused)
{
  g_assert_true(file_remove_tree(folder->path, NULL));
  g_assert_false(g_file_test(folder->path, G_FILE_TEST_EXISTS));
  g_free(folder->path);
}

static void test_atomic(Folder *folder, gconstpointer unused)
{
  g_autofree char *path = g_build_filename(folder->path, "f", NULL);
  g_autofree char *link_path = g_build_filename(folder->path, "link", NULL);
  struct stat info;
  g_assert_true(file_write_atomic(path, "one", 3, 0600, NULL));
  g_assert_cmpint(symlink(path, link_path), ==, 0);
  g_assert_true(file_write_atomic(link_path, "two", 3, 0640, NULL));
  g_assert_cmpint(lstat(link_path, &info), ==, 0);
  g_assert_true(S_ISLNK(info.st_mode));
  g_assert_cmpint(stat(path, &info), ==, 0);
  g_assert_cmpint(info.st_mode & 0777, ==, 0640);
  g_autoptr(GBytes) bytes = file_read(path, 10, NULL);
  g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "two", 3);
}

static void test_bounded(Folder *folder, gconstpointer unused)
{
  g_autofree char *path = g_build_filename(folder->path, "f", NULL);
  g_autoptr(GError) error = NULL;
  g_assert_true(file_write_atomic(path, "12345", 5, 0600, NULL));
  g_assert_null(file_read(path, 4, &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_FILE);
  g_clear_error(&error);
  g_assert_null(file_read(folder->path, 4, &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_FILE);
}

static void test_lock(Folder *folder, gconstpointer unused)
{
  g_autofree char *path = g_build_filename(folder->path, "lock", NULL);
  g_autoptr(GError) error = NULL;
  int fd = file_lock(path, 0, NULL);
  g_assert_cmpint(fd, >=, 0);
  g_assert_cmpint(file_lock(path, 0, &error), ==, -1);
  g_assert_error(error, LAUNCHER_ERROR, REASON_PROFILE_LOCKED);
  file_close(&fd);
  fd = file_lock(path, 0, NULL);
  g_assert_cmpint(fd, >=, 0);
  file_close(&fd);
}

static void test_tree_keeps_targets(Folder *folder, gconstpointer unused)
{
  g_autofree char *kept = g_build_filename(folder->path, "kept", NULL);
  g_autofree char *tree = g_build_filename(folder->path, "tree/deep/er", NULL);
  g_autofree char *top = g_build_filename(folder->path, "tree", NULL);
  g_autofree char *link_path = g_build_filename(tree, "link", NULL);
  g_assert_true(file_write_atomic(kept, "x", 1, 0600, NULL));
  g_assert_true(file_make_dirs(tree, 0755, NULL));
  g_assert_cmpint(symlink(folder->path, link_path), ==, 0);
  g_assert_true(file_remove_tree(top, NULL));
  g_assert_true(g_file_test(kept, G_FILE_TEST_EXISTS));
  g_assert_true(file_remove_tree(top, NULL));
}

static void test_certificates(Folder *folder, gconstpointer unused)
{
  const char *names[] = { "localhost", "a.example", NULL }, *addresses[] = { "127.0.0.1", "127.77.3.4", NULL };
  const char *other[] = { "b.example", NULL };
  X509Request request = {
    .common_name = "server", .dns_names = names, .addresses = addresses, .server = true, .lifetime_seconds = 3600
  };
  X509Request wider = { .common_name = "server", .dns_names = other, .server = true, .lifetime_seconds = 3600 };
  g_autoptr(X509Pair) authority = x509_new_authority("test", 86400, NULL);
  g_autoptr(X509Pair) stranger = x509_new_authority("test", 86400, NULL);
  g_autoptr(X509Pair) leaf = x509_issue(authority, &request, NULL);
  g_assert_true(x509_is_signed_by(leaf, authority));
  g_assert_false(x509_is_signed_by(leaf, stranger));
  g_assert_true(x509_covers(leaf, &request));
  g_assert_false(x509_covers(leaf, &wider));
  g_assert_true(x509_save(leaf, folder->path, "leaf", NULL));
  g_autofree char *key_path = g_build_filename(folder->path, "leaf.key", NULL);
  struct stat info;
  g_assert_cmpint(stat(key_path, &info), ==, 0);
  g_assert_cmpint(info.st_mode & 0777, ==, 0600);
  g_autoptr(X509Pair) again = x509_load(folder->path, "leaf", NULL);
  g_assert_cmpint(x509_expiry(again), ==, x509_expiry(leaf));
  g_assert_true(x509_new_key_file(key_path, NULL));
  g_autoptr(GError) error = NULL;
  g_assert_null(x509_load(folder->path, "leaf", &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_CONFIG);
}

static void test_certificate_never_outlives_authority(Folder *folder, gconstpointer unused)
{
  X509Request request = { .common_name = "long", .client = true, .lifetime_seconds = 864000 };
  g_autoptr(X509Pair) authority = x509_new_authority("short", 3600, NULL);
  g_autoptr(X509Pair) leaf = x509_issue(authority, &request, NULL);
  g_assert_cmpint(x509_expiry(leaf), ==, x509_expiry(authority));
}

static void test_bad_address(Folder *folder, gconstpointer unused)
{
  const char *addresses[] = { "not-an-address", NULL };
  X509Request request = { .common_name = "x", .addresses = addresses, .server = true, .lifetime_seconds = 60 };
  g_autoptr(X509Pair) authority = x509_new_authority("test", 3600, NULL);
  g_autoptr(GError) error = NULL;
  g_assert_null(x509_issue(authority, &request, &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_USAGE);
}

#define ADD(path, function) g_test_add(path, Folder, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  ADD("/file/atomic", test_atomic);
  ADD("/file/bounded", test_bounded);
  ADD("/file/lock", test_lock);
  ADD("/file/remove-tree", test_tree_keeps_targets);
  ADD("/x509/pairs", test_certificates);
  ADD("/x509/expiry", test_certificate_never_outlives_authority);
  ADD("/x509/bad-address", test_bad_address);
  return g_test_run();
}
