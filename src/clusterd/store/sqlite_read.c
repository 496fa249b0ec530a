/* Reads and lists of the SQLite engine. */
#include <string.h>

#include "base/reason.h"
#include "clusterd/store/sqlite_private.h"

StoreEntry *sqlite_store_get(Store *base, const char *key, GError **error)
{
  SqliteStore *store = sqlite_store(base);
  static const char sql[] = "SELECT revision, create_revision, deleted, value FROM log WHERE key = ?1"
                            " ORDER BY revision DESC LIMIT 1";
  StoreEntry *entry = NULL;
  sqlite3_stmt *statement = NULL;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&store->read_lock);
  if (sqlite3_prepare_v2(store->reader, sql, -1, &statement, NULL) != SQLITE_OK) {
    sqlite_store_fail(store, store->reader, "read", error);
    return NULL;
  }
  sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
  int code = sqlite3_step(statement);
  if (code == SQLITE_ROW && !sqlite3_column_int(statement, 2)) {
    entry = g_new0(StoreEntry, 1);
    entry->key = g_strdup(key);
    entry->mod_revision = sqlite3_column_int64(statement, 0);
    entry->create_revision = sqlite3_column_int64(statement, 1);
    entry->value = sqlite_store_blob(statement, 3);
  } else if (code == SQLITE_ROW || code == SQLITE_DONE) {
    store_fail_not_found(key, error);
  } else {
    sqlite_store_fail(store, store->reader, "read", error);
  }
  sqlite3_finalize(statement);
  return entry;
}

/* The rows of a snapshot: of each key the newest row not after ?3, unless that is a deletion. */
#define SNAPSHOT_ROWS                                                                                                  \
  " FROM log AS row WHERE key >= ?1 AND key < ?2 AND key > ?4 AND deleted = 0 AND revision ="                          \
  " (SELECT max(revision) FROM log WHERE key = row.key AND revision <= ?3)"

static void bind_snapshot(sqlite3_stmt *statement, const char *prefix, const char *end, int64_t revision,
                          const char *start)
{
  sqlite3_bind_text(statement, 1, prefix, -1, SQLITE_STATIC);
  sqlite3_bind_text(statement, 2, end, -1, SQLITE_STATIC);
  sqlite3_bind_int64(statement, 3, revision);
  sqlite3_bind_text(statement, 4, start, -1, SQLITE_STATIC);
}

static bool read_rows(SqliteStore *store, const char *prefix, const char *end, int64_t revision, const char *start,
                      unsigned limit, GPtrArray *entries, GError **error)
{
  static const char sql[] = "SELECT key, revision, create_revision, value" SNAPSHOT_ROWS " ORDER BY key LIMIT ?5";
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(store->reader, sql, -1, &statement, NULL);
  if (code == SQLITE_OK) {
    bind_snapshot(statement, prefix, end, revision, start);
    sqlite3_bind_int64(statement, 5, limit ? (sqlite3_int64)limit : -1);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
      StoreEntry *entry = g_new0(StoreEntry, 1);
      entry->key = g_strdup((const char *)sqlite3_column_text(statement, 0));
      entry->mod_revision = sqlite3_column_int64(statement, 1);
      entry->create_revision = sqlite3_column_int64(statement, 2);
      entry->value = sqlite_store_blob(statement, 3);
      g_ptr_array_add(entries, entry);
    }
  }
  sqlite3_finalize(statement);
  return code == SQLITE_DONE || sqlite_store_fail(store, store->reader, "list", error);
}

static bool count_rows(SqliteStore *store, const char *prefix, const char *end, int64_t revision, const char *start,
                       int64_t *count, GError **error)
{
  static const char sql[] = "SELECT count(*)" SNAPSHOT_ROWS;
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(store->reader, sql, -1, &statement, NULL);
  if (code == SQLITE_OK) {
    bind_snapshot(statement, prefix, end, revision, start);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
      *count = sqlite3_column_int64(statement, 0);
  }
  sqlite3_finalize(statement);
  return code == SQLITE_ROW || sqlite_store_fail(store, store->reader, "list", error);
}

static bool read_snapshot(SqliteStore *store, const char *prefix, const char *end, int64_t revision, const char *start,
                          unsigned limit, GPtrArray *entries, int64_t *remaining, GError **error)
{
  if (!read_rows(store, prefix, end, revision, start, limit, entries, error))
    return false;
  if (remaining)
    *remaining = 0;
  if (!remaining || !limit || entries->len < limit)
    return true;
  const StoreEntry *last = entries->pdata[entries->len - 1];
  return count_rows(store, prefix, end, revision, last->key, remaining, error);
}

GPtrArray *sqlite_store_list(Store *base, const char *prefix, int64_t revision, const char *start, unsigned limit,
                             int64_t *at, int64_t *remaining, GError **error)
{
  SqliteStore *store = sqlite_store(base);
  int64_t newest = store->revision;
  int64_t snapshot = revision ? revision : newest;
  if (snapshot > newest) {
    store_fail_future(snapshot, newest, error);
    return NULL;
  }
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)store_entry_free);
  g_autofree char *end = g_strconcat(prefix, "\xff", NULL);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&store->read_lock);
  /* one read transaction: rows, count and the check below see the same state */
  if (sqlite3_exec(store->reader, "BEGIN", NULL, NULL, NULL) != SQLITE_OK) {
    sqlite_store_fail(store, store->reader, "list", error);
    return NULL;
  }
  bool ok = read_snapshot(store, prefix, end, snapshot, start ? start : "", limit, entries, remaining, error);
  sqlite3_exec(store->reader, "COMMIT", NULL, NULL, NULL);
  /* compacted is raised before rows go, so a snapshot that lost rows is always seen as expired here */
  if (ok && snapshot < store->compacted) {
    store_fail_compacted_list(error);
    return NULL;
  }
  if (!ok)
    return NULL;
  if (at)
    *at = snapshot;
  return g_steal_pointer(&entries);
}
