#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/store/sqlite_private.h"

/* Marks the file as ours ("LNCH"), so that another database is refused and not written into. */
#define APPLICATION_ID 0x4c4e4348
#define FORMAT 1

/* `previous` is the revision a row replaces, 0 when it creates: it makes compaction proportional to the history dropped
 * and not to the store. */
static const char schema[] =
    "CREATE TABLE log(revision INTEGER PRIMARY KEY, key TEXT NOT NULL, create_revision INTEGER NOT NULL,"
    " previous INTEGER NOT NULL, deleted INTEGER NOT NULL, value BLOB);"
    "CREATE INDEX log_key ON log(key, revision);"
    "CREATE TABLE state(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO state VALUES('compacted', 0);";

void store_entry_clear(StoreEntry *entry)
{
  g_clear_pointer(&entry->key, g_free);
  g_clear_pointer(&entry->value, g_bytes_unref);
}

void store_entry_free(StoreEntry *entry)
{
  if (!entry)
    return;
  store_entry_clear(entry);
  g_free(entry);
}

bool sqlite_store_fail(Store *store, sqlite3 *db, const char *what, GError **error)
{
  int code = sqlite3_errcode(db);
  return reason_set(error, code == SQLITE_FULL ? REASON_INSUFFICIENT_STORAGE : REASON_FILE, "%s: cannot %s: %s",
                    store->path, what, sqlite3_errmsg(db));
}

GBytes *sqlite_store_blob(sqlite3_stmt *statement, int index)
{
  /* the pointer first, the length after it: SQLite's own order */
  const void *data = sqlite3_column_blob(statement, index);
  return g_bytes_new(data, (gsize)sqlite3_column_bytes(statement, index));
}

static bool run(Store *store, sqlite3 *db, const char *sql, GError **error)
{
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
    return sqlite_store_fail(store, db, "open the store", error);
  return true;
}

/* The single integer SQL yields. */
static bool query_integer(Store *store, const char *sql, int64_t *value, GError **error)
{
  sqlite3_stmt *statement = NULL;
  bool ok =
      sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW;
  if (ok)
    *value = sqlite3_column_int64(statement, 0);
  else
    sqlite_store_fail(store, store->db, "open the store", error);
  sqlite3_finalize(statement);
  return ok;
}

static bool make_schema(Store *store, GError **error)
{
  g_autofree char *sql = g_strdup_printf(
      "BEGIN IMMEDIATE; %s PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT;", schema, APPLICATION_ID, FORMAT);
  return run(store, store->db, sql, error);
}

/* Makes the tables in an empty file; refuses what is not ours or newer than this program. */
static bool check_format(Store *store, GError **error)
{
  int64_t application = 0, format = 0, tables = 0;
  if (!query_integer(store, "PRAGMA application_id", &application, error) ||
      !query_integer(store, "PRAGMA user_version", &format, error) ||
      !query_integer(store, "SELECT count(*) FROM sqlite_master", &tables, error))
    return false;
  if (tables == 0 && application == 0)
    return make_schema(store, error);
  if (application != APPLICATION_ID)
    return reason_set(error, REASON_FILE, "%s is not a cluster store", store->path);
  if (format != FORMAT)
    return reason_set(error, REASON_FILE, "%s has format %d, this program knows format %d", store->path, (int)format,
                      FORMAT);
  return true;
}

static bool open_connections(Store *store, GError **error)
{
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(store->path, &store->db, flags | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
    return sqlite_store_fail(store, store->db, "open the store", error);
  sqlite3_extended_result_codes(store->db, 0);
  sqlite3_busy_timeout(store->db, 10000);
  /* FULL: the write-ahead log is synced at every commit, which is what an acknowledged write promises */
  if (!run(store, store->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;", error) ||
      !check_format(store, error))
    return false;
  if (sqlite3_open_v2(store->path, &store->reader, flags, NULL) != SQLITE_OK)
    return sqlite_store_fail(store, store->reader, "open the store", error);
  sqlite3_busy_timeout(store->reader, 10000);
  return run(store, store->reader, "PRAGMA query_only=1;", error);
}

static void store_free(Store *store)
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
  file_close(&store->lock_fd);
  g_free(store->path);
  g_free(store);
}

Store *store_open_sqlite(const char *path, GError **error)
{
  Store *store = g_new0(Store, 1);
  store->path = g_strdup(path);
  store->watches = g_ptr_array_new();
  store->marks = g_array_new(FALSE, FALSE, 2 * sizeof(int64_t));
  g_mutex_init(&store->read_lock);
  g_mutex_init(&store->lock);
  g_cond_init(&store->wake);
  g_queue_init(&store->queue);

  /* two writers would number their revisions independently */
  g_autofree char *lock = g_strconcat(path, ".lock", NULL);
  int64_t newest = 0, compacted = 0;
  store->lock_fd = file_lock(lock, 0, error);
  if (store->lock_fd < 0 || !open_connections(store, error) ||
      !query_integer(store, "SELECT coalesce(max(revision), 0) FROM log", &newest, error) ||
      !query_integer(store, "SELECT value FROM state WHERE name = 'compacted'", &compacted, error)) {
    store_free(store);
    return NULL;
  }
  /* an empty store is at revision 1, as etcd's: 0 means "any" to clients */
  store->revision = MAX(MAX(newest, compacted), 1);
  store->compacted = compacted;
  if (!sqlite_writer_start(store, error)) {
    store_free(store);
    return NULL;
  }
  return store;
}

void store_close(Store *store)
{
  if (!store)
    return;
  sqlite_writer_stop(store);
  store_free(store);
}

int64_t store_revision(Store *store)
{
  return store->revision;
}
