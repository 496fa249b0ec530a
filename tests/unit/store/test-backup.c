/* Copies of the store: made while writers write, put back, refused when they are not whole; a full disk. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/store/sqlite_backup.h"
#include "clusterd/store/store.h"

typedef struct Fixture {
  char *folder, *path, *copy;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp("store-XXXXXX", NULL);
  fixture->path = g_build_filename(fixture->folder, "cluster.db", NULL);
  fixture->copy = g_build_filename(fixture->folder, "copy.db", NULL);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->folder);
  g_free(fixture->path);
  g_free(fixture->copy);
}

static Store *open_store(const char *path)
{
  g_autoptr(GError) error = NULL;
  Store *store = store_open_sqlite(path, &error);
  g_assert_no_error(error);
  return store;
}

static int64_t put(Store *store, const char *key, int64_t expected)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) value = g_bytes_new(key, strlen(key));
  int64_t revision = 0;
  store_put(store, key, expected, value, &revision, &error);
  g_assert_no_error(error);
  return revision;
}

static guint count(Store *store)
{
  g_autoptr(GPtrArray) entries = store_list(store, "/", 0, NULL, 0, NULL, NULL, NULL);
  return entries->len;
}

typedef struct Writer {
  Store *store;
  _Atomic bool stop;
  _Atomic int written;
} Writer;

static void *write_on(void *data)
{
  Writer *writer = data;
  while (!writer->stop) {
    g_autofree char *key = g_strdup_printf("/w/%06d", writer->written);
    put(writer->store, key, 0);
    writer->written++;
  }
  return NULL;
}

/* The copy is one moment of the store: a prefix of what the writer wrote, with all that was there when it began. */
static void test_backup_while_writing(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  StoreSummary summary = { 0 };
  Writer writer = { .store = open_store(fixture->path) };
  GThread *thread = g_thread_new("writer", write_on, &writer);
  while (writer.written < 100)
    g_thread_yield();
  int before = writer.written;
  g_assert_true(sqlite_store_backup(fixture->path, fixture->copy, &summary, &error));
  int after = writer.written;
  g_assert_false(sqlite_store_backup(fixture->path, fixture->copy, &summary, &error)); /* replaces nothing */
  g_clear_error(&error);
  writer.stop = true;
  g_thread_join(thread);
  store_close(writer.store);
  g_assert_cmpint(summary.objects, >=, before);
  g_assert_cmpint(summary.objects, <=, after + 1);
  g_assert_cmpint(summary.revision, ==, summary.objects + 1);
  g_autoptr(Store) copy = open_store(fixture->copy);
  g_assert_cmpuint(count(copy), ==, summary.objects);
}

static void test_restore(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  StoreSummary summary = { 0 };
  g_autofree char *kept = NULL;
  Store *store = open_store(fixture->path);
  int64_t a = put(store, "/a", 0);
  put(store, "/a", a);
  put(store, "/b", 0);
  g_assert_true(sqlite_store_backup(fixture->path, fixture->copy, &summary, &error));
  int64_t last = put(store, "/later", 0);
  g_assert_false(sqlite_store_restore(fixture->path, fixture->copy, &kept, &summary, &error)); /* it runs */
  g_assert_true(reason_is(error, REASON_PROFILE_LOCKED));
  g_clear_error(&error);
  store_close(store);

  g_assert_true(sqlite_store_restore(fixture->path, fixture->copy, &kept, &summary, &error));
  g_assert_no_error(error);
  g_assert_cmpint(summary.objects, ==, 2);
  store = open_store(fixture->path);
  g_assert_cmpuint(count(store), ==, 2);
  /* nothing is at a revision that the replaced store has given out, and who knows one of those must list again */
  g_assert_cmpint(store_revision(store), >, last);
  g_assert_null(store_watch(store, "/", last, NULL, NULL, &error));
  g_assert_true(reason_is(error, REASON_EXPIRED));
  g_assert_cmpint(put(store, "/new", 0), >, last + 1);
  store_close(store);
  g_autoptr(Store) old = open_store(kept);
  g_assert_cmpuint(count(old), ==, 3);
}

/* Overwrites pages in the middle: a table's, so that reading it must fail. */
static void damage(const char *path)
{
  char garbage[8192];
  memset(garbage, 0x5a, sizeof garbage);
  file_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
  g_assert_cmpint(pwrite(fd, garbage, sizeof garbage, 3 * 4096), ==, sizeof garbage);
}

static void test_damage(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  StoreSummary summary = { 0 };
  g_autofree char *kept = NULL;
  Store *store = open_store(fixture->path);
  for (int i = 0; i < 500; i++) {
    g_autofree char *key = g_strdup_printf("/d/%d", i);
    put(store, key, 0);
  }
  g_assert_true(sqlite_store_backup(fixture->path, fixture->copy, &summary, &error));
  store_close(store);
  damage(fixture->path);
  g_autofree char *before = NULL, *after = NULL;
  gsize length = 0, length_after = 0;
  g_assert_true(g_file_get_contents(fixture->path, &before, &length, NULL));

  g_assert_null(store_open_sqlite(fixture->path, &error));
  g_assert_true(reason_is(error, REASON_FILE));
  g_assert_nonnull(strstr(error->message, "damaged"));
  g_assert_nonnull(strstr(error->message, "clusterd store restore"));
  g_clear_error(&error);
  g_assert_false(sqlite_store_check(fixture->path, &summary, &error));
  g_clear_error(&error);
  g_autofree char *bad_copy = g_strconcat(fixture->copy, "2", NULL);
  g_assert_false(sqlite_store_backup(fixture->path, bad_copy, &summary, &error));
  g_assert_false(g_file_test(bad_copy, G_FILE_TEST_EXISTS));
  g_clear_error(&error);
  g_assert_true(g_file_get_contents(fixture->path, &after, &length_after, NULL));
  g_assert_cmpmem(before, length, after, length_after); /* refused, not touched */

  g_assert_true(sqlite_store_restore(fixture->path, fixture->copy, &kept, &summary, &error));
  g_assert_no_error(error);
  g_autoptr(Store) restored = open_store(fixture->path);
  g_assert_cmpuint(count(restored), ==, 500);
  g_autofree char *evidence = NULL;
  g_assert_true(g_file_get_contents(kept, &evidence, &length_after, NULL));
  g_assert_cmpmem(before, length, evidence, length_after);
}

static void test_refuses_bad_backups(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  StoreSummary summary = { 0 };
  g_autofree char *kept = NULL;
  Store *store = open_store(fixture->path);
  put(store, "/a", 0);
  store_close(store);
  g_assert_false(sqlite_store_restore(fixture->path, fixture->copy, &kept, &summary, &error)); /* absent */
  g_clear_error(&error);
  sqlite3 *db = NULL;
  g_assert_cmpint(sqlite3_open(fixture->copy, &db), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close(db);
  g_assert_false(sqlite_store_restore(fixture->path, fixture->copy, &kept, &summary, &error)); /* another program's */
  g_assert_nonnull(strstr(error->message, "not a cluster store"));
  g_assert_null(kept);
  g_autoptr(Store) same = open_store(fixture->path);
  g_assert_cmpuint(count(same), ==, 1);
}

/* --- a full disk ---------------------------------------------------------------------------------------------------
 */

/* In a child, in mount and user namespaces of its own: fills a disk of 2 MiB with objects until it refuses, frees some
 * space and goes on. Exit status 0 when all held. */
static int use_small_disk(const char *folder)
{
  if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
      mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("small", folder, "tmpfs", 0, "size=2m,mode=700") != 0)
    return 77;
  g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL); /* it warns, as it should */
  g_autofree char *path = g_build_filename(folder, "cluster.db", NULL);
  g_autofree char *ballast = g_build_filename(folder, "ballast", NULL);
  g_autofree char *filler = g_strnfill(256 << 10, 'f');
  g_autofree char *text = g_strnfill(20000, 'v');
  g_autoptr(GBytes) value = g_bytes_new(text, strlen(text));
  g_autoptr(GError) error = NULL;
  if (!g_file_set_contents(ballast, filler, -1, NULL))
    return 1;
  Store *store = store_open_sqlite(path, &error);
  int written = 0;
  int64_t revision = 1, seen = 0;
  for (bool ok = true; ok && written < 1000;) {
    g_autofree char *key = g_strdup_printf("/f/%d", written);
    ok = store_put(store, key, 0, value, &seen, &error);
    written += ok;
    revision = ok ? seen : revision;
  }
  if (!reason_is(error, REASON_INSUFFICIENT_STORAGE) || written == 0 || count(store) != (guint)written ||
      store_revision(store) != revision)
    return 2;
  g_clear_error(&error);
  if (g_unlink(ballast) != 0 || !store_put(store, "/after", 0, value, &seen, &error) || seen != revision + 1)
    return 3;
  store_close(store);
  store = store_open_sqlite(path, &error);
  int status = store && count(store) == (guint)written + 1 && store_revision(store) == seen ? 0 : 4;
  store_close(store);
  return status;
}

/* Writes to PATH until the disk takes no more; how much. */
static size_t fill(const char *path)
{
  static char block[64 << 10];
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  size_t written = 0;
  ssize_t n;
  memset(block, 'f', sizeof block);
  for (size_t size = sizeof block; size > 0;)
    if ((n = write(fd, block, size)) > 0)
      written += (size_t)n;
    else
      size /= 2;
  close(fd);
  return written;
}

static bool change(Store *store, const char *key, GBytes *value)
{
  g_autoptr(StoreEntry) entry = store_get(store, key, NULL);
  return entry && store_put(store, key, entry->mod_revision, value, NULL, NULL);
}

/* Has OBJECT changed and deleted, and a new one refused, on a disk that FILLER takes whatever it can of. */
static bool can_only_remove(Store *store, const char *object, const char *filler)
{
  g_autofree char *text = g_strnfill(20000, 'w');
  g_autoptr(GBytes) value = g_bytes_new(text, strlen(text));
  g_autoptr(GError) error = NULL;
  return change(store, object, value) && fill(filler) < (1 << 20) &&
         !store_put(store, "/new", 0, value, NULL, &error) && reason_is(error, REASON_INSUFFICIENT_STORAGE) &&
         change(store, object, value) && store_delete(store, object, -1, NULL, NULL);
}

static bool create_until_full(Store *store)
{
  g_autofree char *text = g_strnfill(20000, 'v');
  g_autoptr(GBytes) value = g_bytes_new(text, strlen(text));
  g_autoptr(GError) error = NULL;
  for (int i = 0; i < 2000 && !error; i++) {
    g_autofree char *key = g_strdup_printf("/f/%d", i);
    store_put(store, key, 0, value, NULL, &error);
  }
  return reason_is(error, REASON_INSUFFICIENT_STORAGE);
}

/* As above, with a disk that has room for the store's reserve: something else fills it, and wants that, too. */
static int use_reserve(const char *folder)
{
  if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
      mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("small", folder, "tmpfs", 0, "size=20m,mode=700") != 0)
    return 77;
  g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
  g_autofree char *path = g_build_filename(folder, "cluster.db", NULL);
  g_autofree char *ballast = g_build_filename(folder, "ballast", NULL);
  g_autoptr(GBytes) value = g_bytes_new("v", 1);
  g_autoptr(GError) error = NULL;
  Store *store = store_open_sqlite(path, &error);
  if (!store || !store_put(store, "/a", 0, value, NULL, NULL) || !store_put(store, "/b", 0, value, NULL, NULL) ||
      !store_put(store, "/c", 0, value, NULL, NULL) || fill(ballast) == 0)
    return 2;
  size_t more = 0, last;
  do { /* the disk is full, and then the reserve is spent: nobody else has it */
    if (!change(store, "/a", value))
      return 3;
    more += last = fill(ballast);
  } while (last > 0);
  if (more > (1 << 20))
    return 3;
  if (!can_only_remove(store, "/a", ballast) || !can_only_remove(store, "/b", ballast))
    return 3;
  store_close(store); /* the next one knows of it */
  store = store_open_sqlite(path, &error);
  if (!store || !can_only_remove(store, "/c", ballast) || count(store) != 0)
    return 4;
  if (g_unlink(ballast) != 0 || !store_put(store, "/new", 0, value, NULL, &error))
    return 5;
  fill(ballast); /* there is a reserve again */
  int status =
      create_until_full(store) && change(store, "/new", value) && store_delete(store, "/new", -1, NULL, NULL) ? 0 : 6;
  store_close(store);
  return status;
}

static void run_in_child(int (*run)(const char *folder), const char *folder)
{
  pid_t child = fork();
  if (child == 0)
    _exit(run(folder));
  int status = 0;
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  g_assert_true(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77)
    g_test_skip("no namespace to mount a small disk in");
  else
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static void test_full_disk(Fixture *fixture, gconstpointer data)
{
  run_in_child(use_small_disk, fixture->folder);
}

static void test_reserve(Fixture *fixture, gconstpointer data)
{
  run_in_child(use_reserve, fixture->folder);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/store/" name, Fixture, NULL, set_up, function, tear_down)
  ADD("full-disk", test_full_disk); /* first: they fork while there is one thread */
  ADD("reserve", test_reserve);
  ADD("backup-while-writing", test_backup_while_writing);
  ADD("restore", test_restore);
  ADD("damage", test_damage);
  ADD("refuses-bad-backups", test_refuses_bad_backups);
  return g_test_run();
}
