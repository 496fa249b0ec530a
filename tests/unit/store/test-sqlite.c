/* The revision log: what it promises about revisions, history, watches, and what survives kill -9. */
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/store/store.h"

typedef struct Fixture {
  char *folder;
  char *path;
  Store *store;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp("store-XXXXXX", NULL);
  fixture->path = g_build_filename(fixture->folder, "cluster.db", NULL);
  g_autoptr(GError) error = NULL;
  fixture->store = store_open_sqlite(fixture->path, &error);
  g_assert_no_error(error);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  store_close(fixture->store);
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->path);
  g_free(fixture->folder);
}

static void reopen(Fixture *fixture)
{
  g_autoptr(GError) error = NULL;
  store_close(fixture->store);
  fixture->store = store_open_sqlite(fixture->path, &error);
  g_assert_no_error(error);
}

static int64_t put(Store *store, const char *key, int64_t expected, const char *text)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) value = g_bytes_new(text, strlen(text));
  int64_t revision = -1;
  bool ok = store_put(store, key, expected, value, &revision, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  return revision;
}

static Reason put_fails(Store *store, const char *key, int64_t expected)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) value = g_bytes_new("x", 1);
  g_assert_false(store_put(store, key, expected, value, NULL, &error));
  return reason_of(error);
}

static void assert_value(Store *store, const char *key, const char *text)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(StoreEntry) entry = store_get(store, key, &error);
  g_assert_no_error(error);
  gsize length;
  const char *data = g_bytes_get_data(entry->value, &length);
  g_assert_cmpmem(data, length, text, strlen(text));
}

static char *keys_at(Store *store, const char *prefix, int64_t revision, const char *start, unsigned limit,
                     int64_t *remaining)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) entries = store_list(store, prefix, revision, start, limit, NULL, remaining, &error);
  g_assert_no_error(error);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < entries->len; i++)
    g_string_append_printf(text, "%s%s", i ? " " : "", ((StoreEntry *)entries->pdata[i])->key);
  return g_string_free(text, FALSE);
}

static void test_compare_and_swap(Fixture *fixture, gconstpointer data)
{
  Store *store = fixture->store;
  g_assert_cmpint(store_revision(store), ==, 1);
  int64_t first = put(store, "/a", 0, "one");
  g_assert_cmpint(first, ==, 2);
  g_assert_cmpint(put_fails(store, "/a", 0), ==, REASON_ALREADY_EXISTS);
  g_assert_cmpint(put_fails(store, "/b", 7), ==, REASON_CONFLICT);
  int64_t second = put(store, "/a", first, "two");
  g_assert_cmpint(second, ==, 3);
  g_assert_cmpint(put_fails(store, "/a", first), ==, REASON_CONFLICT);
  assert_value(store, "/a", "two");

  g_autoptr(GError) error = NULL;
  g_assert_false(store_delete(store, "/a", first, NULL, &error));
  g_assert_true(reason_is(error, REASON_CONFLICT));
  g_clear_error(&error);
  int64_t gone = 0;
  g_assert_true(store_delete(store, "/a", -1, &gone, &error));
  g_assert_cmpint(gone, ==, 4);
  g_assert_null(store_get(store, "/a", &error));
  g_assert_true(reason_is(error, REASON_NOT_FOUND));
  g_clear_error(&error);
  g_assert_false(store_delete(store, "/a", -1, NULL, &error));
  g_assert_true(reason_is(error, REASON_NOT_FOUND));

  put(store, "/a", 0, "again");
  reopen(fixture);
  g_assert_cmpint(store_revision(fixture->store), ==, 5);
  g_autoptr(StoreEntry) entry = store_get(fixture->store, "/a", NULL);
  g_assert_cmpint(entry->create_revision, ==, 5);
}

static void test_list_at_revision(Fixture *fixture, gconstpointer data)
{
  Store *store = fixture->store;
  put(store, "/p/a", 0, "1");
  put(store, "/p/b", 0, "1");
  int64_t snapshot = put(store, "/p/c", 0, "1");
  put(store, "/q/x", 0, "1");
  put(store, "/p/a/more", 0, "1");
  g_assert_true(store_delete(store, "/p/b", -1, NULL, NULL));
  int64_t remaining = -1;
  g_autofree char *old = keys_at(store, "/p/", snapshot, NULL, 0, &remaining);
  g_assert_cmpstr(old, ==, "/p/a /p/b /p/c");
  g_autofree char *now = keys_at(store, "/p/", 0, NULL, 0, &remaining);
  g_assert_cmpstr(now, ==, "/p/a /p/a/more /p/c");
  g_autofree char *page = keys_at(store, "/p/", snapshot, NULL, 1, &remaining);
  g_assert_cmpstr(page, ==, "/p/a");
  g_assert_cmpint(remaining, ==, 2);
  g_autofree char *rest = keys_at(store, "/p/", snapshot, "/p/a", 2, &remaining);
  g_assert_cmpstr(rest, ==, "/p/b /p/c");
  g_assert_cmpint(remaining, ==, 0);

  g_autoptr(GError) error = NULL;
  g_assert_null(store_list(store, "/p/", 1000, NULL, 0, NULL, NULL, &error));
  g_assert_true(reason_is(error, REASON_TIMEOUT));
}

/* Writes events as "C/key@3 " into a GString. */
static void record(const StoreEvent *event, void *data)
{
  g_string_append_printf(data, "%c%s@%d ", "CMD"[event->type], event->entry.key, (int)event->entry.mod_revision);
}

static void test_watch(Fixture *fixture, gconstpointer data)
{
  Store *store = fixture->store;
  g_autoptr(GString) seen = g_string_new(NULL);
  g_autoptr(GError) error = NULL;
  put(store, "/p/a", 0, "1");
  put(store, "/q/a", 0, "1");
  put(store, "/p/a", 2, "2");
  StoreWatch *watch = store_watch(store, "/p/", 1, record, seen, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(seen->str, ==, "C/p/a@2 M/p/a@4 ");
  put(store, "/p/b", 0, "1");
  g_assert_true(store_delete(store, "/p/a", -1, NULL, NULL));
  /* the writer returns after the watches have seen its event */
  g_assert_cmpstr(seen->str, ==, "C/p/a@2 M/p/a@4 C/p/b@5 D/p/a@6 ");
  store_unwatch(watch);
  put(store, "/p/c", 0, "1");
  g_assert_true(g_str_has_suffix(seen->str, "D/p/a@6 "));
}

static void test_compaction(Fixture *fixture, gconstpointer data)
{
  Store *store = fixture->store;
  g_autoptr(GError) error = NULL;
  put(store, "/a", 0, "1");
  put(store, "/b", 0, "1");
  int64_t middle = put(store, "/a", 2, "2");
  put(store, "/a", middle, "3");
  g_assert_true(store_delete(store, "/b", -1, NULL, NULL));
  g_assert_true(store_compact(store, middle, &error));
  g_assert_null(store_list(store, "/", middle - 1, NULL, 0, NULL, NULL, &error));
  g_assert_true(reason_is(error, REASON_EXPIRED));
  g_clear_error(&error);
  g_autofree char *kept = keys_at(store, "/", middle, NULL, 0, NULL);
  g_assert_cmpstr(kept, ==, "/a /b");

  g_autoptr(GString) seen = g_string_new(NULL);
  g_assert_null(store_watch(store, "/", middle - 1, record, seen, &error));
  g_assert_true(reason_is(error, REASON_EXPIRED));
  g_clear_error(&error);
  StoreWatch *watch = store_watch(store, "/", middle, record, seen, &error);
  g_assert_cmpstr(seen->str, ==, "M/a@5 D/b@6 ");
  store_unwatch(watch);

  /* the counter survives even when the newest row was a deletion that is compacted away */
  g_assert_true(store_compact(store, 1000, &error));
  reopen(fixture);
  g_assert_cmpint(store_revision(fixture->store), ==, 6);
  assert_value(fixture->store, "/a", "3");
  g_assert_cmpint(put(fixture->store, "/b", 0, "new"), ==, 7);
}

static void test_refuses_foreign_files(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_assert_null(store_open_sqlite(fixture->path, &error)); /* open already */
  g_assert_true(reason_is(error, REASON_PROFILE_LOCKED));
  g_clear_error(&error);
  g_autofree char *other = g_build_filename(fixture->folder, "other.db", NULL);
  g_assert_true(g_file_set_contents(other,
                                    "this is no database, and longer than a header of one hundred bytes "
                                    "so that it is looked at as a whole and found out",
                                    -1, NULL));
  g_assert_null(store_open_sqlite(other, &error));
  g_assert_true(reason_is(error, REASON_FILE));
  g_autofree char *content = NULL;
  g_assert_true(g_file_get_contents(other, &content, NULL, NULL));
  g_assert_true(g_str_has_prefix(content, "this is no database"));
}

enum { WRITERS = 16, WRITES = 50 };

static void *write_many(void *data)
{
  Store *store = data;
  for (int i = 0; i < WRITES; i++) {
    /* all fight for one counter: a lost update would show in its final value */
    for (bool done = false; !done;) {
      g_autoptr(GError) error = NULL;
      g_autoptr(StoreEntry) entry = store_get(store, "/counter", NULL);
      g_autofree char *text = g_strndup(g_bytes_get_data(entry->value, NULL), g_bytes_get_size(entry->value));
      g_autofree char *next = g_strdup_printf("%d", (int)g_ascii_strtoll(text, NULL, 10) + 1);
      g_autoptr(GBytes) value = g_bytes_new(next, strlen(next));
      done = store_put(store, "/counter", entry->mod_revision, value, NULL, &error);
      if (!done)
        g_assert_true(reason_is(error, REASON_CONFLICT));
    }
  }
  return NULL;
}

static void test_concurrent_writers(Fixture *fixture, gconstpointer data)
{
  GThread *threads[WRITERS];
  g_autoptr(GString) seen = g_string_new(NULL);
  put(fixture->store, "/counter", 0, "0");
  StoreWatch *watch = store_watch(fixture->store, "/counter", 2, record, seen, NULL);
  for (int i = 0; i < WRITERS; i++)
    threads[i] = g_thread_new("writer", write_many, fixture->store);
  for (int i = 0; i < WRITERS; i++)
    g_thread_join(threads[i]);
  g_autofree char *expected = g_strdup_printf("%d", WRITERS * WRITES);
  assert_value(fixture->store, "/counter", expected);
  store_unwatch(watch);
  /* every revision once and in order */
  g_auto(GStrv) events = g_strsplit(g_strchomp(seen->str), " ", -1);
  g_assert_cmpint(g_strv_length(events), ==, WRITERS * WRITES);
  for (int i = 0; events[i]; i++) {
    g_autofree char *event = g_strdup_printf("M/counter@%d", i + 3);
    g_assert_cmpstr(events[i], ==, event);
  }
}

/* The child: several writers, each tells the parent every key whose write was acknowledged. */
typedef struct Victim {
  Store *store;
  int acknowledge;
  int number;
} Victim;

static void *victim_main(void *data)
{
  Victim *victim = data;
  for (int i = 0;; i++) {
    char line[32] = { 0 };
    g_snprintf(line, sizeof line, "/v/%d/%d", victim->number, i);
    put(victim->store, line, 0, line);
    if (write(victim->acknowledge, line, sizeof line) != sizeof line)
      return NULL;
  }
}

G_NORETURN static void run_victim(const char *path, int acknowledge)
{
  Victim victims[4];
  Store *store = store_open_sqlite(path, NULL);
  for (int i = 0; i < 4; i++) {
    victims[i] = (Victim){ store, acknowledge, i };
    g_thread_new("victim", victim_main, &victims[i]);
  }
  for (;;)
    pause();
}

static void test_kill(void)
{
  enum { ROUNDS = 4, ACKNOWLEDGED = 200 };
  g_autofree char *folder = g_dir_make_tmp("store-XXXXXX", NULL);
  for (int round = 0; round < ROUNDS; round++) {
    g_autofree char *path = g_strdup_printf("%s/%d.db", folder, round);
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      run_victim(path, ends[1]);
    }
    close(ends[1]);
    char line[32];
    while (read(ends[0], line, sizeof line) == sizeof line) {
      g_ptr_array_add(keys, g_strdup(line));
      if (keys->len == (guint)(ACKNOWLEDGED + 37 * round))
        kill(child, SIGKILL);
    }
    close(ends[0]);
    g_assert_cmpint(waitpid(child, NULL, 0), ==, child);

    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = store_open_sqlite(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(keys->len, >=, ACKNOWLEDGED);
    for (guint i = 0; i < keys->len; i++)
      assert_value(store, keys->pdata[i], keys->pdata[i]);
    g_autofree char *all = keys_at(store, "/v/", 0, NULL, 0, NULL);
    /* revisions have no holes: at most one write per writer was not acknowledged */
    g_auto(GStrv) list = g_strsplit(all, " ", -1);
    g_assert_cmpint(store_revision(store), ==, g_strv_length(list) + 1);
    g_assert_cmpint(g_strv_length(list), <=, keys->len + 4);
  }
  file_remove_tree(folder, NULL);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/sqlite/kill", test_kill); /* first: it forks while there is one thread */
#define ADD(name, function) g_test_add("/sqlite/" name, Fixture, NULL, set_up, function, tear_down)
  ADD("compare-and-swap", test_compare_and_swap);
  ADD("list-at-revision", test_list_at_revision);
  ADD("watch", test_watch);
  ADD("compaction", test_compaction);
  ADD("refuses-foreign-files", test_refuses_foreign_files);
  ADD("concurrent-writers", test_concurrent_writers);
  return g_test_run();
}
