/* The writing thread of the SQLite engine: group commit, and the events of each batch to the watches. */
#include <string.h>

#include "base/reason.h"
#include "clusterd/store/sqlite_private.h"

static const char *const statement_texts[N_STATEMENTS] = {
  [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
  [STATEMENT_COMMIT] = "COMMIT",
  [STATEMENT_ROLLBACK] = "ROLLBACK",
  [STATEMENT_FIND] = "SELECT revision, create_revision, deleted FROM log WHERE key = ?1"
                     " ORDER BY revision DESC LIMIT 1",
  [STATEMENT_INSERT] = "INSERT INTO log(revision, key, create_revision, previous, deleted, value)"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
  [STATEMENT_HISTORY] = "SELECT revision, key, create_revision, previous, deleted, value FROM log"
                        " WHERE revision > ?1 ORDER BY revision",
  [STATEMENT_DROP_REPLACED] = "DELETE FROM log WHERE revision IN"
                              " (SELECT previous FROM log WHERE revision > ?1 AND revision <= ?2 AND previous > 0)",
  [STATEMENT_DROP_DELETIONS] = "DELETE FROM log WHERE revision > ?1 AND revision <= ?2 AND deleted = 1",
  [STATEMENT_SET_STATE] = "UPDATE state SET value = ?2 WHERE name = ?1",
};

bool sqlite_writer_execute(SqliteStore *store, StoreStatement which, const char *what, GError **error)
{
  sqlite3_stmt *statement = store->statements[which];
  bool ok = sqlite3_step(statement) == SQLITE_DONE;
  if (!ok)
    sqlite_store_fail(store, store->db, what, error);
  sqlite3_reset(statement);
  return ok;
}

void sqlite_writer_roll_back(SqliteStore *store)
{
  if (!sqlite3_get_autocommit(store->db))
    sqlite_writer_execute(store, STATEMENT_ROLLBACK, "roll back", NULL);
}

static void dispatch(SqliteStore *store, const StoreEvent *event)
{
  for (guint i = 0; i < store->watches->len; i++) {
    const StoreWatch *watch = store->watches->pdata[i];
    if (g_str_has_prefix(event->entry.key, watch->prefix))
      watch->handler(event, watch->data);
  }
}

/* --- writes --------------------------------------------------------------------------------------------------------
 */

typedef struct Found {
  bool exists;
  int64_t revision;
  int64_t create_revision;
} Found;

static bool find(SqliteStore *store, const char *key, Found *found, GError **error)
{
  sqlite3_stmt *statement = store->statements[STATEMENT_FIND];
  sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
  int code = sqlite3_step(statement);
  if (code == SQLITE_ROW && !sqlite3_column_int(statement, 2)) {
    found->exists = true;
    found->revision = sqlite3_column_int64(statement, 0);
    found->create_revision = sqlite3_column_int64(statement, 1);
  }
  bool ok = code == SQLITE_ROW || code == SQLITE_DONE || sqlite_store_fail(store, store->db, "read", error);
  sqlite3_reset(statement);
  return ok;
}

/* Whether the request may be done to what is there, with the room there is; else its own error is set. */
static bool check_expectation(const SqliteStore *store, StoreRequest *request, const Found *found)
{
  if (request->kind == STORE_REQUEST_PUT && request->expected == 0)
    return (!found->exists || store_fail_exists(request->key, &request->error)) &&
           (!store->spending || reason_set(&request->error, REASON_INSUFFICIENT_STORAGE,
                                           "the store has no space left: nothing new is taken until there is"));
  if (request->kind == STORE_REQUEST_DELETE && !found->exists)
    return store_fail_not_found(request->key, &request->error);
  if (request->expected >= 0 && (!found->exists || found->revision != request->expected))
    return store_fail_conflict(request->key, found->revision, request->expected, &request->error);
  return true;
}

static bool insert(SqliteStore *store, StoreRequest *request, const Found *found, int64_t revision, GError **error)
{
  sqlite3_stmt *statement = store->statements[STATEMENT_INSERT];
  bool deletes = request->kind == STORE_REQUEST_DELETE;
  int64_t create_revision = found->exists ? found->create_revision : revision;
  gsize length = 0;
  const void *data = request->value ? g_bytes_get_data(request->value, &length) : NULL;
  sqlite3_bind_int64(statement, 1, revision);
  sqlite3_bind_text(statement, 2, request->key, -1, SQLITE_STATIC);
  sqlite3_bind_int64(statement, 3, create_revision);
  sqlite3_bind_int64(statement, 4, found->exists ? found->revision : 0);
  sqlite3_bind_int(statement, 5, deletes);
  if (deletes)
    sqlite3_bind_null(statement, 6);
  else
    sqlite3_bind_blob64(statement, 6, data ? data : "", length, SQLITE_STATIC);
  if (!sqlite_writer_execute(store, STATEMENT_INSERT, "write", error))
    return false;
  StoreEvent *event = &request->event;
  event->type = deletes ? STORE_DELETED : found->exists ? STORE_MODIFIED : STORE_CREATED;
  event->entry.key = g_strdup(request->key);
  event->entry.value = request->value && !deletes ? g_bytes_ref(request->value) : NULL;
  event->entry.create_revision = create_revision;
  event->entry.mod_revision = revision;
  request->revision = revision;
  request->ok = true;
  return true;
}

/* One write of the open transaction. False only when the database failed: a refused expectation is the request's own.
 */
static bool apply(SqliteStore *store, StoreRequest *request, int64_t *revision, GError **error)
{
  Found found = { 0 };
  bool ok = find(store, request->key, &found, error);
  if (ok && check_expectation(store, request, &found)) {
    ok = insert(store, request, &found, *revision + 1, error);
    *revision += ok;
  }
  return ok;
}

/* Nothing of it has been done yet. */
static void begin_batch_anew(StoreRequest *const *batch, unsigned count)
{
  for (unsigned i = 0; i < count; i++) {
    batch[i]->ok = false;
    store_entry_clear(&batch[i]->event.entry);
    g_clear_error(&batch[i]->error);
  }
}

static void fail_batch(StoreRequest *const *batch, unsigned count, const GError *error)
{
  for (unsigned i = 0; i < count; i++) {
    batch[i]->ok = false;
    store_entry_clear(&batch[i]->event.entry);
    if (!batch[i]->error)
      batch[i]->error = g_error_copy(error);
  }
}

static bool write_transaction(SqliteStore *store, StoreRequest *const *batch, unsigned count, int64_t *revision,
                              int64_t *swept, GError **error)
{
  bool ok = sqlite_writer_execute(store, STATEMENT_BEGIN, "write", error);
  for (unsigned i = 0; ok && i < count; i++)
    ok = apply(store, batch[i], revision, error);
  if (ok && sqlite_compact_is_pending(store))
    ok = sqlite_compact_step(store, swept, error);
  return ok && sqlite_writer_execute(store, STATEMENT_COMMIT, "commit", error);
}

/* All writes of BATCH in one transaction, so one fsync pays for all. Watches see the events before the callers return:
 * a caller always finds its own write. */
static void write_batch(SqliteStore *store, StoreRequest *const *batch, unsigned count)
{
  g_autoptr(GError) error = NULL;
  int64_t revision = store->revision, swept = store->swept;
  if (store->spending)
    sqlite_reserve_take(store);
  bool ok = write_transaction(store, batch, count, &revision, &swept, &error);
  if (!ok && reason_is(error, REASON_INSUFFICIENT_STORAGE) && sqlite_reserve_spend(store)) {
    g_clear_error(&error);
    sqlite_writer_roll_back(store);
    begin_batch_anew(batch, count);
    revision = store->revision;
    swept = store->swept;
    ok = write_transaction(store, batch, count, &revision, &swept, &error);
  }
  if (ok == store->failing) /* told once, not with every write to a full disk */
    g_warning("%s: %s", store->path, ok ? "can be written again" : error->message);
  store->failing = !ok;
  if (!ok) {
    sqlite_writer_roll_back(store);
    fail_batch(batch, count, error);
    return;
  }
  store->revision = revision;
  store->swept = swept;
  for (unsigned i = 0; i < count; i++) {
    if (batch[i]->ok)
      dispatch(store, &batch[i]->event);
    store_entry_clear(&batch[i]->event.entry);
  }
}

/* --- watches -------------------------------------------------------------------------------------------------------
 */

static bool replay(SqliteStore *store, const StoreWatch *watch, int64_t from, GError **error)
{
  int code;
  sqlite3_stmt *statement = store->statements[STATEMENT_HISTORY];
  sqlite3_bind_int64(statement, 1, from);
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    const char *key = (const char *)sqlite3_column_text(statement, 1);
    if (!g_str_has_prefix(key, watch->prefix))
      continue;
    StoreEvent event = { 0 };
    int64_t previous = sqlite3_column_int64(statement, 3);
    bool deleted = sqlite3_column_int(statement, 4);
    event.type = deleted ? STORE_DELETED : previous ? STORE_MODIFIED : STORE_CREATED;
    event.entry.key = g_strdup(key);
    event.entry.mod_revision = sqlite3_column_int64(statement, 0);
    event.entry.create_revision = sqlite3_column_int64(statement, 2);
    event.entry.value = deleted ? NULL : sqlite_store_blob(statement, 5);
    watch->handler(&event, watch->data);
    store_entry_clear(&event.entry);
  }
  sqlite3_reset(statement);
  return code == SQLITE_DONE || sqlite_store_fail(store, store->db, "read the history", error);
}

static bool start_watch(SqliteStore *store, StoreRequest *request)
{
  if (request->revision < store->compacted)
    return store_fail_compacted_watch(request->revision, store->compacted, &request->error);
  if (request->revision < store->revision && !replay(store, request->watch, request->revision, &request->error))
    return false;
  g_ptr_array_add(store->watches, request->watch);
  return true;
}

/* --- the thread ----------------------------------------------------------------------------------------------------
 */

static bool is_write(const StoreRequest *request)
{
  return request->kind == STORE_REQUEST_PUT || request->kind == STORE_REQUEST_DELETE;
}

/* The next requests that can be done together: a run of writes, or one of anything else. Called with the lock held. */
static unsigned take_batch(SqliteStore *store, StoreRequest **batch)
{
  unsigned count = 0;
  while (count < STORE_BATCH_MAX && !g_queue_is_empty(&store->queue)) {
    StoreRequest *next = g_queue_peek_head(&store->queue);
    if (count > 0 && !is_write(next))
      break;
    batch[count++] = g_queue_pop_head(&store->queue);
    if (!is_write(next))
      break;
  }
  return count;
}

static void serve(SqliteStore *store, StoreRequest *const *batch, unsigned count)
{
  StoreRequest *first = batch[0];
  switch (first->kind) {
  case STORE_REQUEST_PUT:
  case STORE_REQUEST_DELETE:
    write_batch(store, batch, count);
    break;
  case STORE_REQUEST_WATCH:
    first->ok = start_watch(store, first);
    break;
  case STORE_REQUEST_UNWATCH:
    first->ok = g_ptr_array_remove(store->watches, first->watch);
    break;
  case STORE_REQUEST_COMPACT:
    first->ok = sqlite_compact_to(store, first->revision, &first->error);
    break;
  }
}

/* Nothing to do for anybody: a step of compaction, or a rest. Called without the lock; false when it is to rest. */
static bool tidy(SqliteStore *store)
{
  sqlite_checkpoint_finish(store);
  sqlite_compact_by_age(store);
  if (!sqlite_compact_is_pending(store))
    return false;
  int64_t before = store->swept;
  sqlite_compact_idle_step(store);
  return store->swept > before; /* one that failed is tried again with the next write or mark */
}

static void rest(SqliteStore *store)
{
  if (g_queue_is_empty(&store->queue) && !store->closing)
    g_cond_wait_until(&store->wake, &store->lock, g_get_monotonic_time() + STORE_MARK_SECONDS * G_USEC_PER_SEC);
}

static void *writer_main(void *data)
{
  SqliteStore *store = data;
  StoreRequest *batch[STORE_BATCH_MAX];
  g_mutex_lock(&store->lock);
  while (!store->closing || !g_queue_is_empty(&store->queue)) {
    unsigned count = take_batch(store, batch);
    g_mutex_unlock(&store->lock);
    bool more = true;
    if (count == 0) {
      more = tidy(store);
    } else {
      serve(store, batch, count);
      sqlite_checkpoint_finish(store);
      sqlite_compact_by_age(store);
    }
    g_mutex_lock(&store->lock);
    for (unsigned i = 0; i < count; i++) {
      batch[i]->done = true;
      g_cond_signal(&batch[i]->finished);
    }
    if (!more)
      rest(store);
  }
  g_mutex_unlock(&store->lock);
  return NULL;
}

bool sqlite_writer_start(SqliteStore *store, GError **error)
{
  for (int i = 0; i < N_STATEMENTS; i++)
    if (sqlite3_prepare_v3(store->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL) !=
        SQLITE_OK)
      return sqlite_store_fail(store, store->db, "open the store", error);
  sqlite_reserve_open(store);
  store->thread = g_thread_new("store", writer_main, store);
  return true;
}

void sqlite_writer_stop(SqliteStore *store)
{
  g_mutex_lock(&store->lock);
  store->closing = true;
  g_cond_signal(&store->wake);
  g_mutex_unlock(&store->lock);
  g_thread_join(g_steal_pointer(&store->thread));
}

/* --- calls ---------------------------------------------------------------------------------------------------------
 */

/* Hands REQUEST to the thread and waits for it. */
static bool submit(Store *base, StoreRequest *request, GError **error)
{
  SqliteStore *store = sqlite_store(base);
  g_cond_init(&request->finished);
  g_mutex_lock(&store->lock);
  if (store->closing) {
    request->done = true;
    reason_set(&request->error, REASON_SERVICE_UNAVAILABLE, "the store is closing");
  } else {
    g_queue_push_tail(&store->queue, request);
    g_cond_signal(&store->wake);
  }
  while (!request->done)
    g_cond_wait(&request->finished, &store->lock);
  g_mutex_unlock(&store->lock);
  g_cond_clear(&request->finished);
  if (request->error)
    g_propagate_error(error, request->error);
  return request->ok;
}

bool sqlite_writer_put(Store *store, const char *key, int64_t expected, GBytes *value, int64_t *revision,
                       GError **error)
{
  StoreRequest request = { .kind = STORE_REQUEST_PUT, .key = key, .expected = expected, .value = value };
  bool ok = submit(store, &request, error);
  if (ok && revision)
    *revision = request.revision;
  return ok;
}

bool sqlite_writer_remove(Store *store, const char *key, int64_t expected, int64_t *revision, GError **error)
{
  StoreRequest request = { .kind = STORE_REQUEST_DELETE, .key = key, .expected = expected };
  bool ok = submit(store, &request, error);
  if (ok && revision)
    *revision = request.revision;
  return ok;
}

StoreWatch *sqlite_writer_watch(Store *store, const char *prefix, int64_t from, StoreHandler handler, void *data,
                                GError **error)
{
  StoreWatch *watch = g_new0(StoreWatch, 1);
  watch->store = store;
  watch->prefix = g_strdup(prefix);
  watch->handler = handler;
  watch->data = data;
  StoreRequest request = { .kind = STORE_REQUEST_WATCH, .revision = from, .watch = watch };
  if (submit(store, &request, error))
    return watch;
  g_free(watch->prefix);
  g_free(watch);
  return NULL;
}

void sqlite_writer_unwatch(StoreWatch *watch)
{
  StoreRequest request = { .kind = STORE_REQUEST_UNWATCH, .watch = watch };
  submit(watch->store, &request, NULL);
  g_free(watch->prefix);
  g_free(watch);
}

bool sqlite_writer_compact(Store *store, int64_t revision, GError **error)
{
  StoreRequest request = { .kind = STORE_REQUEST_COMPACT, .revision = revision };
  return submit(store, &request, error);
}
