/* The revision log: what it promises about revisions, history and watches. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/store/store.h"
#include "store_calls.h"

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

static void assert_value(Store *store, const char *key, const char *text)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(StoreEntry) entry = store_get(store, key, &error);
  g_assert_no_error(error);
  gsize length;
  const char *data = g_bytes_get_data(entry->value, &length);
  g_assert_cmpmem(data, length, text, strlen(text));
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
  check_lists(fixture->store);
}

/* Writes events as "C/key@3 " into a GString. */
static void record(const StoreEvent *event, void *data)
{
  g_string_append_printf(data, "%c%s@%d ", "CMD"[event->type], event -> entry.key, (int)event->entry.mod_revision);
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

/* A file as the first format left it: keys under their groups, and no note of how far compaction came. */
static void test_first_format(Fixture *fixture, gconstpointer data)
{
  static const char first_format[] =
      "CREATE TABLE log(revision INTEGER PRIMARY KEY, key TEXT NOT NULL, create_revision INTEGER NOT NULL,"
      " previous INTEGER NOT NULL, deleted INTEGER NOT NULL, value BLOB);"
      "CREATE INDEX log_key ON log(key, revision);"
      "CREATE TABLE state(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
      "INSERT INTO state VALUES('compacted', 3);"
      "INSERT INTO log VALUES (2,'/registry/core/pods/default/web',2,0,0,'pod'),"
      " (3,'/registry/core/services/default/web',3,0,0,'svc'), (4,'/registry/core/nodes/n',4,0,0,'node'),"
      " (5,'/registry/apps/deployments/default/web',5,0,0,'deploy'),"
      " (6,'/registry/networking.k8s.io/ingresses/default/web',6,0,0,'ing');"
      "PRAGMA application_id=1280197448; PRAGMA user_version=1;";
  g_autofree char *path = g_build_filename(fixture->folder, "first.db", NULL);
  sqlite3 *db = NULL;
  g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_exec(db, first_format, NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close(db);
  for (int i = 0; i < 2; i++) { /* and it stays so */
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = store_open_sqlite(path, &error);
    g_assert_no_error(error);
    g_autofree char *keys = keys_at(store, "/registry/", 0, NULL, 0, NULL);
    g_assert_cmpstr(keys, ==,
                    "/registry/deployments/default/web /registry/ingress/default/web /registry/minions/n "
                    "/registry/pods/default/web /registry/services/specs/default/web");
    assert_value(store, "/registry/services/specs/default/web", "svc");
    g_assert_cmpint(store_revision(store), ==, 6);
  }
}

static int64_t rows_in(const char *path)
{
  sqlite3 *db = NULL;
  sqlite3_stmt *statement = NULL;
  g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_prepare_v2(db, "SELECT count(*) FROM log", -1, &statement, NULL), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_step(statement), ==, SQLITE_ROW);
  int64_t rows = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return rows;
}

/* History goes in steps, beside writers, and what a stop leaves undone is done after the next start. */
static void test_compaction_in_steps(Fixture *fixture, gconstpointer data)
{
  enum { CHANGES = 2000 };
  Store *store = fixture->store;
  int64_t revision = put(store, "/a", 0, "0"), gone = put(store, "/b", 0, "0");
  for (int i = 0; i < CHANGES; i++)
    revision = put(store, "/a", revision, "1");
  g_assert_true(store_delete(store, "/b", gone, NULL, NULL));
  g_assert_true(store_compact(store, store_revision(store), NULL));
  int64_t next = put(store, "/c", 0, "1");
  g_assert_cmpint(next, ==, CHANGES + 5);
  reopen(fixture);
  while (rows_in(fixture->path) > 2)
    g_thread_yield();
  assert_value(fixture->store, "/a", "1");
  assert_value(fixture->store, "/c", "1");
  g_assert_cmpint(store_revision(fixture->store), ==, next);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/sqlite/" name, Fixture, NULL, set_up, function, tear_down)
  ADD("compare-and-swap", test_compare_and_swap);
  ADD("list-at-revision", test_list_at_revision);
  ADD("watch", test_watch);
  ADD("compaction", test_compaction);
  ADD("compaction-in-steps", test_compaction_in_steps);
  ADD("first-format", test_first_format);
  ADD("refuses-foreign-files", test_refuses_foreign_files);
  ADD("concurrent-writers", test_concurrent_writers);
  return g_test_run();
}
