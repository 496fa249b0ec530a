#pragma once
/* What the files of the SQLite engine share. sqlite.c opens and closes, sqlite_writer.c owns every change and the
 * watches (one thread), sqlite_compact.c forgets old history on that thread, sqlite_checkpoint.c brings the write-ahead
 * log into the database on another, sqlite_read.c answers reads on a connection of its own. */
#include <sqlite3.h>
#include <stdatomic.h>

#include "clusterd/store/engine.h"

/* Writes that may share one transaction: bounds how long the first of them waits for the last. */
#define STORE_BATCH_MAX 256
/* How often the revision is noted, for compaction by age. */
#define STORE_MARK_SECONDS 60
/* Memory each connection keeps of the database, KiB. The objects themselves are in the registry. */
#define STORE_CACHE_KIB 512

typedef enum StoreRequestKind {
  STORE_REQUEST_PUT,
  STORE_REQUEST_DELETE,
  STORE_REQUEST_WATCH,
  STORE_REQUEST_UNWATCH,
  STORE_REQUEST_COMPACT,
} StoreRequestKind;

/* One call waiting for the writer thread. It lives on the caller's stack; the thread fills the result, sets DONE under
 * the store's lock and signals FINISHED. */
typedef struct StoreRequest {
  StoreRequestKind kind;
  const char *key;
  GBytes *value;
  int64_t expected;
  int64_t revision; /* in: what to compact to, where to watch from; out: the write's revision */
  StoreWatch *watch;
  bool ok;
  bool done;
  GError *error;
  StoreEvent event; /* of a write that succeeded */
  GCond finished;
} StoreRequest;

typedef enum StoreStatement {
  STATEMENT_BEGIN,
  STATEMENT_COMMIT,
  STATEMENT_ROLLBACK,
  STATEMENT_FIND,
  STATEMENT_INSERT,
  STATEMENT_HISTORY,
  STATEMENT_DROP_REPLACED,
  STATEMENT_DROP_DELETIONS,
  STATEMENT_SET_STATE,
  N_STATEMENTS
} StoreStatement;

/* What the revision was, once a minute. */
typedef struct Mark {
  int64_t time_us; /* monotonic */
  int64_t revision;
} Mark;

typedef struct SqliteStore {
  Store base;
  char *path;
  int lock_fd;

  /* The writer thread's alone, once it runs. */
  sqlite3 *db;
  sqlite3_stmt *statements[N_STATEMENTS];
  GPtrArray *watches; /* StoreWatch*, borrowed from their callers */
  GArray *marks;      /* Mark, oldest first */
  bool failing;       /* the last transaction was rolled back */
  bool spending;      /* the reserve is gone: nothing new is taken */
  int64_t swept;      /* history before `compacted` is gone from the file up to here */

  GMutex read_lock; /* guards the read connection */
  sqlite3 *reader;

  GMutex lock; /* guards the queue and `closing` */
  GCond wake;
  GQueue queue; /* StoreRequest* */
  bool closing;
  GThread *thread;

  GMutex checkpoint_lock; /* guards the two flags below */
  GCond checkpoint_wake;
  bool checkpoint_wanted, checkpoint_closing;
  GThread *checkpoint_thread;
  bool checkpoint_failing;      /* that thread's */
  _Atomic bool checkpoint_rest; /* the writer shall bring in what was written during the last checkpoint */

  _Atomic int64_t revision;
  _Atomic int64_t compacted;
} SqliteStore;

static inline SqliteStore *sqlite_store(Store *store)
{
  return (SqliteStore *)(void *)store;
}

/* Turns the last failure of DB into *ERROR: REASON_INSUFFICIENT_STORAGE when the disk is full, else REASON_FILE. False.
 */
bool sqlite_store_fail(SqliteStore *store, sqlite3 *db, const char *what, GError **error);

/* A copy of column INDEX as bytes. */
GBytes *sqlite_store_blob(sqlite3_stmt *statement, int index);

/* sqlite_read.c */
StoreEntry *sqlite_store_get(Store *store, const char *key, GError **error);
GPtrArray *sqlite_store_list(Store *store, const char *prefix, int64_t revision, const char *start, unsigned limit,
                             int64_t *at, int64_t *remaining, GError **error);

/* sqlite_writer.c: prepares the writer's statements and starts its thread; the calls it serves. */
bool sqlite_writer_start(SqliteStore *store, GError **error);
void sqlite_writer_stop(SqliteStore *store);
bool sqlite_writer_put(Store *store, const char *key, int64_t expected, GBytes *value, int64_t *revision,
                       GError **error);
bool sqlite_writer_remove(Store *store, const char *key, int64_t expected, int64_t *revision, GError **error);
StoreWatch *sqlite_writer_watch(Store *store, const char *prefix, int64_t from, StoreHandler handler, void *data,
                                GError **error);
void sqlite_writer_unwatch(StoreWatch *watch);
bool sqlite_writer_compact(Store *store, int64_t revision, GError **error);

/* Runs a statement that yields no rows and makes it ready for the next time. */
bool sqlite_writer_execute(SqliteStore *store, StoreStatement which, const char *what, GError **error);
/* Ends a transaction that failed. */
void sqlite_writer_roll_back(SqliteStore *store);

/* sqlite_compact.c, on the writer's thread. Compaction has two halves: the revision before which history is no longer
 * shown is raised at once; the rows go in steps of bounded length, with the writes of a busy store or by themselves in
 * an idle one, and after a crash where it stopped. */
bool sqlite_compact_to(SqliteStore *store, int64_t revision, GError **error);
void sqlite_compact_by_age(SqliteStore *store);
bool sqlite_compact_is_pending(const SqliteStore *store);
/* One step within the open transaction; *SWEPT becomes store->swept when it is committed. */
bool sqlite_compact_step(SqliteStore *store, int64_t *swept, GError **error);
/* One step in a transaction of its own. */
void sqlite_compact_idle_step(SqliteStore *store);

/* sqlite_reserve.c, on the writer's thread or before there is one. */
/* Finds what was left by the last run, and takes a reserve if there is room. */
void sqlite_reserve_open(SqliteStore *store);
/* Takes the reserve (back) if there is room; then store->spending is false. */
void sqlite_reserve_take(SqliteStore *store);
/* After SQLITE_FULL: lets go of the reserve and sets store->spending. False: there is none. */
bool sqlite_reserve_spend(SqliteStore *store);

/* sqlite_checkpoint.c */
void sqlite_checkpoint_start(SqliteStore *store);
void sqlite_checkpoint_stop(SqliteStore *store);
/* After a batch, on the writer's thread. */
void sqlite_checkpoint_finish(SqliteStore *store);

/* sqlite_file.c: what is in the file. */
#define STORE_APPLICATION_ID 0x4c4e4348 /* "LNCH": another database is refused and not written into */
#define STORE_FORMAT 2
/* Makes the tables in an empty file, brings older formats to this one; refuses what is not ours or newer. */
bool sqlite_file_prepare(sqlite3 *db, const char *path, GError **error);
/* The single integer SQL yields. */
bool sqlite_file_integer(sqlite3 *db, const char *path, const char *sql, int64_t *value, GError **error);
bool sqlite_file_run(sqlite3 *db, const char *path, const char *sql, GError **error);
/* Runs `PRAGMA WHICH` (quick_check or integrity_check). REASON_FILE with how to restore when the file is damaged. */
bool sqlite_file_check(sqlite3 *db, const char *path, const char *which, GError **error);
/* As sqlite_store_fail, by path. */
bool sqlite_file_fail(sqlite3 *db, const char *path, const char *what, GError **error);
