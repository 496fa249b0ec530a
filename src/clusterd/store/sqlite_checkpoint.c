/* Brings the write-ahead log into the database. SQLite would do it in the middle of a commit, and every writer would
 * wait for it; here a thread of its own does it on a connection of its own, beside the writer. What the writer appends
 * meanwhile is brought in by the writer itself between two batches: that little is what it takes for the log to begin
 * at its start again. */
#include "clusterd/store/sqlite_private.h"

#define CHECKPOINT_PAGES 1000 /* 4 MiB of log */

/* Runs after each commit on the writer's thread. */
static int count_log(void *data, sqlite3 *db, const char *name, int pages)
{
  SqliteStore *store = data;
  if (pages < CHECKPOINT_PAGES || store->checkpoint_rest)
    return SQLITE_OK;
  g_mutex_lock(&store->checkpoint_lock);
  store->checkpoint_wanted = true;
  g_cond_signal(&store->checkpoint_wake);
  g_mutex_unlock(&store->checkpoint_lock);
  return SQLITE_OK;
}

static void checkpoint(SqliteStore *store)
{
  sqlite3 *db = NULL;
  bool ok = sqlite3_open_v2(store->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
            sqlite3_exec(db, "PRAGMA synchronous=FULL", NULL, NULL, NULL) == SQLITE_OK &&
            sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK;
  if (!ok && !store->checkpoint_failing) /* told once, not after every write to a full disk */
    g_warning("%s: cannot bring the log into the database, it goes on growing: %s", store->path,
              db ? sqlite3_errmsg(db) : "out of memory");
  store->checkpoint_failing = !ok;
  if (ok)
    store->checkpoint_rest = true;
  sqlite3_close(db);
}

static void *checkpoint_main(void *data)
{
  SqliteStore *store = data;
  g_mutex_lock(&store->checkpoint_lock);
  while (!store->checkpoint_closing) {
    if (!store->checkpoint_wanted) {
      g_cond_wait(&store->checkpoint_wake, &store->checkpoint_lock);
      continue;
    }
    g_mutex_unlock(&store->checkpoint_lock);
    checkpoint(store);
    g_mutex_lock(&store->checkpoint_lock);
    store->checkpoint_wanted = false; /* what was asked for during it is the rest */
  }
  g_mutex_unlock(&store->checkpoint_lock);
  return NULL;
}

void sqlite_checkpoint_finish(SqliteStore *store)
{
  if (!store->checkpoint_rest)
    return;
  if (sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) != SQLITE_OK)
    g_debug("%s: %s", store->path, sqlite3_errmsg(store->db)); /* busy or full: the next one brings it in */
  store->checkpoint_rest = false;
}

void sqlite_checkpoint_start(SqliteStore *store)
{
  sqlite3_wal_hook(store->db, count_log, store);
  store->checkpoint_thread = g_thread_new("checkpoint", checkpoint_main, store);
}

void sqlite_checkpoint_stop(SqliteStore *store)
{
  g_mutex_lock(&store->checkpoint_lock);
  store->checkpoint_closing = true;
  g_cond_signal(&store->checkpoint_wake);
  g_mutex_unlock(&store->checkpoint_lock);
  g_thread_join(g_steal_pointer(&store->checkpoint_thread));
}
