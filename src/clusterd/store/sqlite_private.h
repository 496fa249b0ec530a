#pragma once
/* What the files of the SQLite engine share. sqlite.c opens and closes, sqlite_writer.c owns every change and the
 * watches (one thread), sqlite_read.c answers reads on a connection of its own. */
#include <sqlite3.h>
#include <stdatomic.h>

#include "clusterd/store/store.h"

/* Writes that may share one transaction: bounds how long the first of them waits for the last. */
#define STORE_BATCH_MAX 256

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

struct StoreWatch {
  Store *store;
  char *prefix;
  StoreHandler handler;
  void *data;
};

typedef enum StoreStatement {
  STATEMENT_BEGIN,
  STATEMENT_COMMIT,
  STATEMENT_ROLLBACK,
  STATEMENT_FIND,
  STATEMENT_INSERT,
  STATEMENT_HISTORY,
  STATEMENT_VALUE,
  STATEMENT_DROP_REPLACED,
  STATEMENT_DROP_DELETIONS,
  STATEMENT_SET_COMPACTED,
  N_STATEMENTS
} StoreStatement;

struct Store {
  char *path;
  int lock_fd;

  /* The writer thread's alone, once it runs. */
  sqlite3 *db;
  sqlite3_stmt *statements[N_STATEMENTS];
  GPtrArray *watches; /* StoreWatch*, borrowed from their callers */
  GArray *marks;      /* Mark: what the revision was, once a minute, for compaction by age */

  GMutex read_lock; /* guards the read connection */
  sqlite3 *reader;

  GMutex lock; /* guards the queue */
  GCond wake;
  GQueue queue; /* StoreRequest* */
  bool closing;
  GThread *thread;

  _Atomic int64_t revision;
  _Atomic int64_t compacted;
};

/* Turns the last failure of DB into *ERROR: REASON_INSUFFICIENT_STORAGE when the disk is full, else REASON_FILE. False.
 */
bool sqlite_store_fail(Store *store, sqlite3 *db, const char *what, GError **error);

/* A copy of column INDEX as bytes. */
GBytes *sqlite_store_blob(sqlite3_stmt *statement, int index);

/* Prepares the writer's statements and starts its thread. */
bool sqlite_writer_start(Store *store, GError **error);
void sqlite_writer_stop(Store *store);
