/* kill -9 under eight writers, again and again on one store: every acknowledged write is there, at the revision that
 * was acknowledged, and revisions never go back. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "clusterd/store/store.h"

enum { ROUNDS = 50, WRITERS = 8, FEWEST_WRITES = 50 };

/* What a writer tells its parent of a write that the store has acknowledged; small enough for a pipe to keep whole. */
typedef struct Receipt {
  int64_t revision;
  char key[40];
} Receipt;

typedef struct Victim {
  Store *store;
  int receipts;
  int round, number;
} Victim;

/* Creates keys, and every fourth time replaces the one before: both kinds of write are under way when it ends. */
static void *write_until_killed(void *data)
{
  const Victim *victim = data;
  Receipt receipt = { 0 };
  for (int i = 0;; i++) {
    bool again = i % 4 == 3;
    if (!again)
      g_snprintf(receipt.key, sizeof receipt.key, "/v/%d/%d/%d", victim->round, victim->number, i);
    g_autoptr(GBytes) value = g_bytes_new(receipt.key, strlen(receipt.key));
    if (!store_put(victim->store, receipt.key, again ? receipt.revision : 0, value, &receipt.revision, NULL) ||
        write(victim->receipts, &receipt, sizeof receipt) != sizeof receipt)
      _exit(1);
  }
}

G_NORETURN static void run_victim(const char *path, int round, int receipts)
{
  Victim victims[WRITERS];
  Store *store = store_open_sqlite(path, NULL);
  if (!store)
    _exit(1);
  for (int i = 0; i < WRITERS; i++) {
    victims[i] = (Victim){ store, receipts, round, i };
    g_thread_new("victim", write_until_killed, &victims[i]);
  }
  for (;;)
    pause();
}

/* Kills the child after so many receipts, at a moment of its own each round. Adds key → revision to WRITTEN. */
static void kill_a_writer(const char *path, int round, GHashTable *written)
{
  int ends[2];
  Receipt receipt;
  g_assert_cmpint(pipe(ends), ==, 0);
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    run_victim(path, round, ends[1]);
  }
  close(ends[1]);
  int left = FEWEST_WRITES + g_random_int_range(0, 4 * FEWEST_WRITES);
  while (read(ends[0], &receipt, sizeof receipt) == sizeof receipt) {
    int64_t *revision = g_hash_table_lookup(written, receipt.key);
    if (!revision)
      g_hash_table_insert(written, g_strdup(receipt.key), revision = g_new(int64_t, 1));
    *revision = receipt.revision;
    if (--left == 0)
      kill(child, SIGKILL);
  }
  close(ends[0]);
  int status = 0;
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  g_assert_true(WIFSIGNALED(status));
  g_assert_cmpint(left, <=, 0);
}

/* Every key that was acknowledged is there at that revision or, by a write whose receipt did not get out, the next one.
 */
static void check_written(Store *store, GHashTable *written)
{
  GHashTableIter iter;
  void *slot, *number;
  g_hash_table_iter_init(&iter, written);
  while (g_hash_table_iter_next(&iter, &slot, &number)) {
    const char *key = slot;
    const int64_t *revision = number;
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreEntry) entry = store_get(store, key, &error);
    g_assert_no_error(error);
    g_assert_cmpint(entry->mod_revision, >=, *revision);
    if (entry->mod_revision > *revision)
      g_assert_cmpint(entry->create_revision, ==, *revision);
    gsize length;
    const void *value = g_bytes_get_data(entry->value, &length);
    g_assert_cmpmem(value, length, key, strlen(key));
  }
}

static void count_event(const StoreEvent *event, void *data)
{
  int64_t *last = data;
  g_assert_cmpint(event->entry.mod_revision, ==, *last + 1);
  *last = event->entry.mod_revision;
}

static void test_kill(void)
{
  g_autofree char *folder = g_dir_make_tmp("store-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "cluster.db", NULL);
  g_autoptr(GHashTable) all = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  int64_t newest = 1;
  for (int round = 0; round < ROUNDS; round++) {
    g_autoptr(GHashTable) written = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    kill_a_writer(path, round, written);
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = store_open_sqlite(path, &error);
    g_assert_no_error(error);
    check_written(store, written);
    /* the history since the last round has no holes, and goes on where that ended */
    StoreWatch *watch = store_watch(store, "/", newest, count_event, &newest, &error);
    g_assert_no_error(error);
    store_unwatch(watch);
    g_assert_cmpint(store_revision(store), ==, newest);
    GHashTableIter iter;
    void *key, *revision;
    g_hash_table_iter_init(&iter, written);
    while (g_hash_table_iter_next(&iter, &key, &revision)) {
      g_hash_table_iter_steal(&iter);
      g_hash_table_insert(all, key, revision);
    }
  }
  g_autoptr(Store) store = store_open_sqlite(path, NULL);
  check_written(store, all);
  g_test_message("%u keys written, revision %d", g_hash_table_size(all), (int)newest);
  file_remove_tree(folder, NULL);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/sqlite/kill", test_kill);
  return g_test_run();
}
