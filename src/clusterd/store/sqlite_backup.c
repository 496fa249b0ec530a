#include "clusterd/store/sqlite_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/store/sqlite_private.h"

/* How far the revision is raised when the replaced store cannot tell how far it had come. */
#define REVISION_JUMP 1000000000

typedef sqlite3 Database;

static void database_close(Database *db)
{
  sqlite3_close(db);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Database, database_close)

static Database *database_open(const char *path, int flags, GError **error)
{
  sqlite3 *db = NULL;
  if (access(path, F_OK) != 0) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot open %s", path);
    return NULL;
  }
  if (sqlite3_open_v2(path, &db, flags, NULL) == SQLITE_OK && sqlite3_busy_timeout(db, 10000) == SQLITE_OK)
    return db;
  sqlite_file_fail(db, path, "open it", error);
  sqlite3_close(db);
  return NULL;
}

/* Refuses what is no store of this program. */
static bool check_kind(Database *db, const char *path, GError **error)
{
  int64_t application = 0, format = 0;
  if (!sqlite_file_integer(db, path, "PRAGMA application_id", &application, error) ||
      !sqlite_file_integer(db, path, "PRAGMA user_version", &format, error))
    return false;
  if (application != STORE_APPLICATION_ID)
    return reason_set(error, REASON_FILE, "%s is not a cluster store", path);
  if (format < 1 || format > STORE_FORMAT)
    return reason_set(error, REASON_FILE, "%s has format %d, this program knows format %d", path, (int)format,
                      STORE_FORMAT);
  return true;
}

static bool summarize(Database *db, const char *path, StoreSummary *summary, GError **error)
{
  static const char objects[] = "SELECT count(*) FROM log AS row WHERE deleted = 0 AND revision ="
                                " (SELECT max(revision) FROM log WHERE key = row.key)";
  static const char revision[] =
      "SELECT max((SELECT coalesce(max(revision), 1) FROM log), (SELECT value FROM state WHERE name = 'compacted'))";
  static const char bytes[] = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
  return sqlite_file_integer(db, path, objects, &summary->objects, error) &&
         sqlite_file_integer(db, path, revision, &summary->revision, error) &&
         sqlite_file_integer(db, path, bytes, &summary->bytes, error);
}

/* A row has a value unless it is a deletion, and what it replaced is older than itself. */
static bool check_log(Database *db, const char *path, GError **error)
{
  static const char wrong[] = "SELECT count(*) FROM log WHERE (deleted = 0) = (value IS NULL) OR previous >= revision"
                              " OR create_revision > revision OR key = ''";
  int64_t count = 0;
  if (!sqlite_file_integer(db, path, wrong, &count, error))
    return false;
  return count == 0 ||
         reason_set(error, REASON_FILE, "%s is damaged: %d rows of its log contradict themselves", path, (int)count);
}

/* Everything of the open DB. */
static bool check_all(Database *db, const char *path, StoreSummary *summary, GError **error)
{
  return check_kind(db, path, error) && sqlite_file_check(db, path, "integrity_check", error) &&
         check_log(db, path, error) && summarize(db, path, summary, error);
}

bool sqlite_store_check(const char *path, StoreSummary *summary, GError **error)
{
  g_autoptr(Database) db = database_open(path, SQLITE_OPEN_READWRITE, error);
  return db && check_all(db, path, summary, error);
}

/* --- copies --------------------------------------------------------------------------------------------------------
 */

static bool sync_path(const char *path, GError **error)
{
  file_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
  return (fd >= 0 && fsync(fd) == 0) || reason_set_errno(error, REASON_FILE, errno, "Cannot sync %s", path);
}

static bool sync_folder_of(const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname(path);
  return sync_path(folder, error);
}

/* A compact copy of the snapshot DB is at, in the file COPY. */
static bool copy_into(Database *db, const char *path, const char *copy, GError **error)
{
  sqlite3_stmt *statement = NULL;
  bool ok = (unlink(copy) == 0 || errno == ENOENT) &&
            sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &statement, NULL) == SQLITE_OK &&
            sqlite3_bind_text(statement, 1, copy, -1, SQLITE_STATIC) == SQLITE_OK &&
            sqlite3_step(statement) == SQLITE_DONE;
  if (!ok)
    sqlite_file_fail(db, path, "copy it", error);
  sqlite3_finalize(statement);
  return ok;
}

static bool copy_checked(const char *path, const char *copy, StoreSummary *summary, GError **error)
{
  g_autoptr(Database) db = database_open(path, SQLITE_OPEN_READWRITE, error);
  return db && check_kind(db, path, error) && copy_into(db, path, copy, error) &&
         sqlite_store_check(copy, summary, error) && sync_path(copy, error);
}

bool sqlite_store_backup(const char *path, const char *target, StoreSummary *summary, GError **error)
{
  g_autofree char *partial = g_strconcat(target, ".partial", NULL);
  if (access(target, F_OK) == 0)
    return reason_set(error, REASON_FILE, "%s exists already: a backup replaces nothing", target);
  if (copy_checked(path, partial, summary, error)) {
    if (renameat2(AT_FDCWD, partial, AT_FDCWD, target, RENAME_NOREPLACE) == 0)
      return sync_folder_of(target, error);
    reason_set_errno(error, REASON_FILE, errno, "Cannot make %s", target);
  }
  unlink(partial);
  return false;
}

/* --- restore -------------------------------------------------------------------------------------------------------
 */

/* The newest revision of the store to be replaced, 0 when it cannot tell. Its log is in the database afterwards. */
static int64_t newest_revision(const char *path)
{
  StoreSummary summary = { 0 };
  g_autoptr(Database) db = database_open(path, SQLITE_OPEN_READWRITE, NULL);
  if (!db || !check_kind(db, path, NULL) || !summarize(db, path, &summary, NULL))
    return 0;
  sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
  return summary.revision;
}

/* Leaves the newest value of every key and makes REVISION the newest. */
static bool forget_history(const char *path, int64_t revision, StoreSummary *summary, GError **error)
{
  g_autoptr(Database) db = database_open(path, SQLITE_OPEN_READWRITE, error);
  if (!db || !sqlite_file_prepare(db, path, error))
    return false;
  g_autofree char *sql =
      g_strdup_printf("BEGIN; DELETE FROM log WHERE revision NOT IN (SELECT max(revision) FROM log GROUP BY key);"
                      "DELETE FROM log WHERE deleted = 1; UPDATE log SET previous = 0;"
                      "UPDATE state SET value = %" G_GINT64_FORMAT " WHERE name IN ('compacted', 'swept'); COMMIT;",
                      revision);
  return sqlite_file_run(db, path, sql, error) && check_all(db, path, summary, error);
}

/* Gives the store's files a second name beside them, then takes the log away: it must not be read into the new file. */
static bool keep_old(const char *path, const char *kept, GError **error)
{
  static const char *const suffixes[] = { "-wal", "" };
  for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++) {
    g_autofree char *from = g_strconcat(path, suffixes[i], NULL);
    g_autofree char *to = g_strconcat(kept, suffixes[i], NULL);
    if (link(from, to) != 0 && errno != ENOENT)
      return reason_set_errno(error, REASON_FILE, errno, "Cannot keep %s as %s", from, to);
  }
  g_autofree char *log = g_strconcat(path, "-wal", NULL);
  g_autofree char *shared = g_strconcat(path, "-shm", NULL);
  if (!sync_folder_of(path, error))
    return false;
  if ((unlink(log) != 0 && errno != ENOENT) || (unlink(shared) != 0 && errno != ENOENT))
    return reason_set_errno(error, REASON_FILE, errno, "Cannot remove %s", log);
  return sync_folder_of(path, error);
}

static bool replace(const char *path, const char *fresh, char **kept, GError **error)
{
  g_autofree char *name = NULL;
  if (access(path, F_OK) == 0) {
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *when = g_date_time_format(now, "%Y%m%dT%H%M%S");
    name = g_strdup_printf("%s.replaced-%s.%06d", path, when, g_date_time_get_microsecond(now));
    if (!keep_old(path, name, error))
      return false;
  }
  if (rename(fresh, path) != 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot put %s in place", path);
  *kept = g_steal_pointer(&name);
  return sync_folder_of(path, error);
}

bool sqlite_store_restore(const char *path, const char *source, char **kept, StoreSummary *summary, GError **error)
{
  g_autofree char *lock = g_strconcat(path, ".lock", NULL);
  g_autofree char *fresh = g_strconcat(path, ".restoring", NULL);
  file_autofd int held = file_lock(lock, 0, error);
  *kept = NULL;
  if (held < 0) {
    g_prefix_error(error, "A server runs on the store, stop it first: ");
    return false;
  }
  StoreSummary backup = { 0 };
  if (!copy_checked(source, fresh, &backup, error)) {
    unlink(fresh);
    return false;
  }
  bool replaces = access(path, F_OK) == 0;
  int64_t newest = replaces ? newest_revision(path) : backup.revision;
  int64_t revision = newest ? MAX(newest, backup.revision) + 1 : backup.revision + REVISION_JUMP;
  if (forget_history(fresh, revision, summary, error) && sync_path(fresh, error) && replace(path, fresh, kept, error))
    return true;
  unlink(fresh);
  return false;
}
