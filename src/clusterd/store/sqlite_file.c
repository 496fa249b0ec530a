/* What is in the store's file: its tables, their format, whether they are whole. */
#include "base/reason.h"
#include "clusterd/store/sqlite_private.h"

/* `previous` is the revision a row replaces, 0 when it creates: it makes compaction proportional to the history dropped
 * and not to the store. */
static const char schema[] =
    "CREATE TABLE log(revision INTEGER PRIMARY KEY, key TEXT NOT NULL, create_revision INTEGER NOT NULL,"
    " previous INTEGER NOT NULL, deleted INTEGER NOT NULL, value BLOB);"
    "CREATE INDEX log_key ON log(key, revision);"
    "CREATE TABLE state(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO state VALUES('compacted', 0), ('swept', 0);";

/* Format 1 had every key under its API group. Since then they are where kube-apiserver has them. */
static const char from_format_1[] =
    "INSERT INTO state SELECT 'swept', value FROM state WHERE name = 'compacted';"
    "CREATE TEMP TABLE moves(old TEXT, new TEXT);"
    "INSERT INTO moves VALUES ('core/services/','services/specs/'), ('core/endpoints/','services/endpoints/'),"
    " ('core/nodes/','minions/'), ('core/replicationcontrollers/','controllers/'),"
    " ('networking.k8s.io/ingresses/','ingress/'), ('core/',''), ('apps/',''), ('autoscaling/',''), ('batch/',''),"
    " ('certificates.k8s.io/',''), ('coordination.k8s.io/',''), ('discovery.k8s.io/',''), ('networking.k8s.io/',''),"
    " ('node.k8s.io/',''), ('policy/',''), ('rbac.authorization.k8s.io/',''), ('scheduling.k8s.io/',''),"
    " ('storage.k8s.io/','');"
    "UPDATE log SET key = (SELECT '/registry/' || new || substr(key, length('/registry/' || old) + 1) FROM moves"
    "  WHERE key >= '/registry/' || old AND key < '/registry/' || old || char(0x10ffff) ORDER BY moves.rowid LIMIT 1)"
    " WHERE EXISTS (SELECT 1 FROM moves WHERE key >= '/registry/' || old"
    "  AND key < '/registry/' || old || char(0x10ffff));"
    "DROP TABLE moves;";

bool sqlite_file_fail(sqlite3 *db, const char *path, const char *what, GError **error)
{
  int code = sqlite3_errcode(db) & 0xff;
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
    return reason_set(error, REASON_FILE,
                      "%s is damaged or no store: cannot %s: %s. It was left as it is; put a backup in its place with: "
                      "clusterd store restore FILE",
                      path, what, sqlite3_errmsg(db));
  if (code == SQLITE_FULL) /* what clients are told; where the file is does not concern them */
    return reason_set(error, REASON_INSUFFICIENT_STORAGE, "the store has no space left: cannot %s: %s", what,
                      sqlite3_errmsg(db));
  return reason_set(error, REASON_FILE, "%s: cannot %s: %s", path, what, sqlite3_errmsg(db));
}

bool sqlite_file_run(sqlite3 *db, const char *path, const char *sql, GError **error)
{
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
    return sqlite_file_fail(db, path, "open the store", error);
  return true;
}

bool sqlite_file_integer(sqlite3 *db, const char *path, const char *sql, int64_t *value, GError **error)
{
  sqlite3_stmt *statement = NULL;
  bool ok = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW;
  if (ok)
    *value = sqlite3_column_int64(statement, 0);
  else
    sqlite_file_fail(db, path, "open the store", error);
  sqlite3_finalize(statement);
  return ok;
}

/* In one transaction: the file has the old format or this one. */
static bool bring_to_format(sqlite3 *db, const char *path, const char *changes, GError **error)
{
  g_autofree char *sql =
      g_strdup_printf("BEGIN IMMEDIATE; %s PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT;", changes,
                      STORE_APPLICATION_ID, STORE_FORMAT);
  if (sqlite_file_run(db, path, sql, error))
    return true;
  if (!sqlite3_get_autocommit(db))
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  return false;
}

bool sqlite_file_prepare(sqlite3 *db, const char *path, GError **error)
{
  int64_t application = 0, format = 0, tables = 0;
  if (!sqlite_file_integer(db, path, "PRAGMA application_id", &application, error) ||
      !sqlite_file_integer(db, path, "PRAGMA user_version", &format, error) ||
      !sqlite_file_integer(db, path, "SELECT count(*) FROM sqlite_master", &tables, error))
    return false;
  if (tables == 0 && application == 0)
    return bring_to_format(db, path, schema, error);
  if (application != STORE_APPLICATION_ID)
    return reason_set(error, REASON_FILE, "%s is not a cluster store", path);
  if (format == 1)
    return bring_to_format(db, path, from_format_1, error);
  if (format != STORE_FORMAT)
    return reason_set(error, REASON_FILE, "%s has format %d, this program knows format %d", path, (int)format,
                      STORE_FORMAT);
  return true;
}

bool sqlite_file_check(sqlite3 *db, const char *path, const char *which, GError **error)
{
  g_autofree char *sql = g_strdup_printf("PRAGMA %s(1)", which);
  sqlite3_stmt *statement = NULL;
  bool read = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW;
  const char *result = read ? (const char *)sqlite3_column_text(statement, 0) : NULL;
  bool ok = result && g_str_equal(result, "ok");
  if (!read)
    sqlite_file_fail(db, path, "check it", error);
  else if (!ok)
    reason_set(error, REASON_FILE,
               "%s is damaged (%s). It was left as it is; put a backup in its place with: clusterd store restore FILE",
               path, result ? result : "out of memory");
  sqlite3_finalize(statement);
  return ok;
}
