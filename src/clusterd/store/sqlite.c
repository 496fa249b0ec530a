/* The engine on SQLite: opening and closing. */
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/store/sqlite_private.h"

/* A process killed while it began another leaves the lock to that one until it has become another program. */
#define LOCK_WAIT_MS 3000

/* A file up to this size is checked as a whole at every start: half a millisecond for each megabyte. */
#define CHECK_AT_START_MAX (256 << 20)

bool sqlite_store_fail(SqliteStore *store, sqlite3 *db, const char *what, GError **error)
{
  return sqlite_file_fail(db, store->path, what, error);
}

GBytes *sqlite_store_blob(sqlite3_stmt *statement, int index)
{
  /* the pointer first, the length after it: SQLite's own order */
  const void *data = sqlite3_column_blob(statement, index);
  return g_bytes_new(data, (gsize)sqlite3_column_bytes(statement, index));
}

static bool check_at_start(SqliteStore *store, GError **error)
{
  struct stat about;
  if (stat(store->path, &about) == 0 && about.st_size > CHECK_AT_START_MAX) {
    g_message("%s is large and was not checked; `clusterd store check` does it", store->path);
    return true;
  }
  return sqlite_file_check(store->db, store->path, "quick_check", error);
}

static bool open_writer(SqliteStore *store, GError **error)
{
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_CREATE;
  if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK)
    return sqlite_store_fail(store, store->db, "open the store", error);
  sqlite3_extended_result_codes(store->db, 0);
  sqlite3_busy_timeout(store->db, 10000);
  /* FULL: the write-ahead log is synced at every commit, which is what an acknowledged write promises. Checkpoints are
   * sqlite_checkpoint.c's. */
  g_autofree char *pragmas = g_strdup_printf("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                             "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-%d;"
                                             "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=8388608;",
                                             STORE_CACHE_KIB);
  return sqlite_file_run(store->db, store->path, pragmas, error) && check_at_start(store, error) &&
         sqlite_file_prepare(store->db, store->path, error);
}

static bool open_reader(SqliteStore *store, GError **error)
{
  if (sqlite3_open_v2(store->path, &store->reader, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
    return sqlite_store_fail(store, store->reader, "open the store", error);
  sqlite3_busy_timeout(store->reader, 10000);
  g_autofree char *pragmas = g_strdup_printf("PRAGMA query_only=1; PRAGMA cache_size=-%d;", STORE_CACHE_KIB);
  return sqlite_file_run(store->reader, store->path, pragmas, error);
}

static bool load_state(SqliteStore *store, GError **error)
{
  int64_t newest = 0, compacted = 0;
  if (!sqlite_file_integer(store->db, store->path, "SELECT coalesce(max(revision), 0) FROM log", &newest, error) ||
      !sqlite_file_integer(store->db, store->path, "SELECT value FROM state WHERE name = 'compacted'", &compacted,
                           error) ||
      !sqlite_file_integer(store->db, store->path, "SELECT value FROM state WHERE name = 'swept'", &store->swept,
                           error))
    return false;
  /* an empty store is at revision 1, as etcd's: 0 means "any" to clients */
  store->revision = MAX(MAX(newest, compacted), 1);
  store->compacted = compacted;
  return true;
}

static void store_free(SqliteStore *store)
{
  for (int i = 0; i < N_STATEMENTS; i++)
    sqlite3_finalize(store->statements[i]);
  sqlite3_close(store->reader);
  sqlite3_close(store->db); /* the last connection: checkpoints and removes the log */
  g_ptr_array_unref(store->watches);
  g_array_unref(store->marks);
  g_mutex_clear(&store->read_lock);
  g_mutex_clear(&store->lock);
  g_cond_clear(&store->wake);
  g_mutex_clear(&store->checkpoint_lock);
  g_cond_clear(&store->checkpoint_wake);
  file_close(&store->lock_fd);
  g_free(store->path);
  g_free(store);
}

static void sqlite_close(Store *base)
{
  SqliteStore *store = sqlite_store(base);
  sqlite_writer_stop(store);
  sqlite_checkpoint_stop(store);
  store_free(store);
}

static int64_t sqlite_revision(Store *store)
{
  return sqlite_store(store)->revision;
}

static const StoreEngine engine = {
  .close = sqlite_close,
  .revision = sqlite_revision,
  .get = sqlite_store_get,
  .list = sqlite_store_list,
  .put = sqlite_writer_put,
  .remove = sqlite_writer_remove,
  .watch = sqlite_writer_watch,
  .unwatch = sqlite_writer_unwatch,
  .compact = sqlite_writer_compact,
};

Store *store_open_sqlite(const char *path, GError **error)
{
  SqliteStore *store = g_new0(SqliteStore, 1);
  store->base.engine = &engine;
  store->path = g_strdup(path);
  store->watches = g_ptr_array_new();
  store->marks = g_array_new(FALSE, FALSE, sizeof(Mark));
  g_mutex_init(&store->read_lock);
  g_mutex_init(&store->lock);
  g_cond_init(&store->wake);
  g_mutex_init(&store->checkpoint_lock);
  g_cond_init(&store->checkpoint_wake);
  g_queue_init(&store->queue);

  /* two writers would number their revisions independently */
  g_autofree char *lock = g_strconcat(path, ".lock", NULL);
  store->lock_fd = file_lock(lock, LOCK_WAIT_MS, error);
  if (store->lock_fd < 0 || !open_writer(store, error) || !open_reader(store, error) || !load_state(store, error) ||
      !sqlite_writer_start(store, error)) {
    store_free(store);
    return NULL;
  }
  sqlite_checkpoint_start(store);
  return &store->base;
}
