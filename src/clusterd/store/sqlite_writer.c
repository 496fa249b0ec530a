#include <string.h>

#include "base/reason.h"
#include "clusterd/store/sqlite_private.h"

#define MARK_SECONDS 60

typedef struct Mark {
  int64_t time_us; /* monotonic */
  int64_t revision;
} Mark;

static const char *const statement_texts[N_STATEMENTS] = {
  [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
  [STATEMENT_COMMIT] = "COMMIT",
  [STATEMENT_ROLLBACK] = "ROLLBACK",
  [STATEMENT_FIND] = "SELECT revision, create_revision, deleted, value FROM log WHERE key = ?1"
                     " ORDER BY revision DESC LIMIT 1",
  [STATEMENT_INSERT] = "INSERT INTO log(revision, key, create_revision, previous, deleted, value)"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
  [STATEMENT_HISTORY] = "SELECT revision, key, create_revision, previous, deleted, value FROM log"
                        " WHERE revision > ?1 ORDER BY revision",
  [STATEMENT_VALUE] = "SELECT value FROM log WHERE revision = ?1",
  [STATEMENT_DROP_REPLACED] = "DELETE FROM log WHERE revision IN"
                              " (SELECT previous FROM log WHERE revision > ?1 AND revision <= ?2 AND previous > 0)",
  [STATEMENT_DROP_DELETIONS] = "DELETE FROM log WHERE revision > ?1 AND revision <= ?2 AND deleted = 1",
  [STATEMENT_SET_COMPACTED] = "UPDATE state SET value = ?1 WHERE name = 'compacted'",
};

/* Runs a statement that yields no rows and makes it ready for the next time. */
static bool execute(Store *store, StoreStatement which, const char *what, GError **error)
{
  sqlite3_stmt *statement = store->statements[which];
  bool ok = sqlite3_step(statement) == SQLITE_DONE;
  if (!ok)
    sqlite_store_fail(store, store->db, what, error);
  sqlite3_reset(statement);
  return ok;
}

static void event_clear(StoreEvent *event)
{
  store_entry_clear(&event->entry);
  g_clear_pointer(&event->previous, g_bytes_unref);
}

static void dispatch(Store *store, const StoreEvent *event)
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
  GBytes *value; /* owned */
} Found;

static bool find(Store *store, const char *key, Found *found, GError **error)
{
  sqlite3_stmt *statement = store->statements[STATEMENT_FIND];
  sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
  int code = sqlite3_step(statement);
  if (code == SQLITE_ROW && !sqlite3_column_int(statement, 2)) {
    found->exists = true;
    found->revision = sqlite3_column_int64(statement, 0);
    found->create_revision = sqlite3_column_int64(statement, 1);
    found->value = sqlite_store_blob(statement, 3);
  }
  bool ok = code == SQLITE_ROW || code == SQLITE_DONE || sqlite_store_fail(store, store->db, "read", error);
  sqlite3_reset(statement);
  return ok;
}

/* Whether the request may be done to what is there; else its own error is set. */
static bool check_expectation(StoreRequest *request, const Found *found)
{
  if (request->kind == STORE_REQUEST_PUT && request->expected == 0)
    return !found->exists || reason_set(&request->error, REASON_ALREADY_EXISTS, "key %s already exists", request->key);
  if (request->kind == STORE_REQUEST_DELETE && !found->exists)
    return reason_set(&request->error, REASON_NOT_FOUND, "key %s not found", request->key);
  if (request->expected >= 0 && (!found->exists || found->revision != request->expected))
    return reason_set(&request->error, REASON_CONFLICT,
                      "key %s is at revision %" G_GINT64_FORMAT ", not %" G_GINT64_FORMAT, request->key,
                      found->revision, request->expected);
  return true;
}

static bool insert(Store *store, StoreRequest *request, const Found *found, int64_t revision, GError **error)
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
  if (!execute(store, STATEMENT_INSERT, "write", error))
    return false;
  StoreEvent *event = &request->event;
  event->type = deletes ? STORE_DELETED : found->exists ? STORE_MODIFIED : STORE_CREATED;
  event->entry.key = g_strdup(request->key);
  event->entry.value = request->value && !deletes ? g_bytes_ref(request->value) : NULL;
  event->entry.create_revision = create_revision;
  event->entry.mod_revision = revision;
  event->previous = found->value ? g_bytes_ref(found->value) : NULL;
  request->revision = revision;
  request->ok = true;
  return true;
}

/* One write of the open transaction. False only when the database failed: a refused expectation is the request's own.
 */
static bool apply(Store *store, StoreRequest *request, int64_t *revision, GError **error)
{
  Found found = { 0 };
  bool ok = find(store, request->key, &found, error);
  if (ok && check_expectation(request, &found)) {
    ok = insert(store, request, &found, *revision + 1, error);
    *revision += ok;
  }
  g_clear_pointer(&found.value, g_bytes_unref);
  return ok;
}

static void fail_batch(StoreRequest *const *batch, unsigned count, const GError *error)
{
  for (unsigned i = 0; i < count; i++) {
    batch[i]->ok = false;
    event_clear(&batch[i]->event);
    if (!batch[i]->error)
      batch[i]->error = g_error_copy(error);
  }
}

/* All writes of BATCH in one transaction, so one fsync pays for all. Watches see the events before the callers return:
 * a caller always finds its own write. */
static void write_batch(Store *store, StoreRequest *const *batch, unsigned count)
{
  g_autoptr(GError) error = NULL;
  int64_t revision = store->revision;
  bool ok = execute(store, STATEMENT_BEGIN, "write", &error);
  for (unsigned i = 0; ok && i < count; i++)
    ok = apply(store, batch[i], &revision, &error);
  ok = ok && execute(store, STATEMENT_COMMIT, "commit", &error);
  if (!ok) {
    g_warning("%s", error->message);
    if (!sqlite3_get_autocommit(store->db))
      execute(store, STATEMENT_ROLLBACK, "roll back", NULL);
    fail_batch(batch, count, error);
    return;
  }
  store->revision = revision;
  for (unsigned i = 0; i < count; i++) {
    if (batch[i]->ok)
      dispatch(store, &batch[i]->event);
    event_clear(&batch[i]->event);
  }
}

/* --- watches -------------------------------------------------------------------------------------------------------
 */

static GBytes *value_at(Store *store, int64_t revision)
{
  GBytes *value = NULL;
  sqlite3_stmt *statement = store->statements[STATEMENT_VALUE];
  sqlite3_bind_int64(statement, 1, revision);
  if (sqlite3_step(statement) == SQLITE_ROW)
    value = sqlite_store_blob(statement, 0);
  sqlite3_reset(statement);
  return value;
}

static bool replay(Store *store, const StoreWatch *watch, int64_t from, GError **error)
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
    event.previous = previous ? value_at(store, previous) : NULL;
    watch->handler(&event, watch->data);
    event_clear(&event);
  }
  sqlite3_reset(statement);
  return code == SQLITE_DONE || sqlite_store_fail(store, store->db, "read the history", error);
}

static bool start_watch(Store *store, StoreRequest *request)
{
  if (request->revision < store->compacted)
    return reason_set(&request->error, REASON_EXPIRED,
                      "too old resource version: %" G_GINT64_FORMAT " (%" G_GINT64_FORMAT ")", request->revision,
                      (int64_t)store->compacted);
  if (request->revision < store->revision && !replay(store, request->watch, request->revision, &request->error))
    return false;
  g_ptr_array_add(store->watches, request->watch);
  return true;
}

/* --- compaction ----------------------------------------------------------------------------------------------------
 */

static bool drop(Store *store, StoreStatement which, int64_t after, int64_t until, GError **error)
{
  sqlite3_bind_int64(store->statements[which], 1, after);
  sqlite3_bind_int64(store->statements[which], 2, until);
  return execute(store, which, "compact", error);
}

/* Rows replaced at or before REVISION go, and deletions themselves; what was there at REVISION stays. */
static bool compact(Store *store, int64_t revision, GError **error)
{
  int64_t before = store->compacted;
  revision = MIN(revision, store->revision);
  if (revision <= before)
    return true;
  if (!execute(store, STATEMENT_BEGIN, "compact", error))
    return false;
  store->compacted = revision; /* before the rows go: see store_list */
  sqlite3_bind_int64(store->statements[STATEMENT_SET_COMPACTED], 1, revision);
  if (execute(store, STATEMENT_SET_COMPACTED, "compact", error) &&
      drop(store, STATEMENT_DROP_REPLACED, before, revision, error) &&
      drop(store, STATEMENT_DROP_DELETIONS, before, revision, error) &&
      execute(store, STATEMENT_COMMIT, "compact", error))
    return true;
  if (!sqlite3_get_autocommit(store->db))
    execute(store, STATEMENT_ROLLBACK, "roll back", NULL);
  store->compacted = before;
  return false;
}

/* Notes the revision once a minute, and forgets what is older than STORE_HISTORY_SECONDS. */
static void compact_by_age(Store *store)
{
  int64_t now = g_get_monotonic_time();
  const Mark *last = store->marks->len ? &g_array_index(store->marks, Mark, store->marks->len - 1) : NULL;
  if (last && now - last->time_us < MARK_SECONDS * G_USEC_PER_SEC)
    return;
  Mark mark = { now, store->revision };
  g_array_append_val(store->marks, mark);
  guint expired = 0;
  while (now - g_array_index(store->marks, Mark, expired).time_us > STORE_HISTORY_SECONDS * G_USEC_PER_SEC)
    expired++;
  if (expired == 0)
    return;
  g_autoptr(GError) error = NULL;
  if (!compact(store, g_array_index(store->marks, Mark, expired - 1).revision, &error))
    g_warning("%s", error->message);
  g_array_remove_range(store->marks, 0, expired);
}

/* --- the thread ----------------------------------------------------------------------------------------------------
 */

static bool is_write(const StoreRequest *request)
{
  return request->kind == STORE_REQUEST_PUT || request->kind == STORE_REQUEST_DELETE;
}

/* The next requests that can be done together: a run of writes, or one of anything else. Called with the lock held. */
static unsigned take_batch(Store *store, StoreRequest **batch)
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

static void serve(Store *store, StoreRequest *const *batch, unsigned count)
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
    first->ok = compact(store, first->revision, &first->error);
    break;
  }
}

static void *writer_main(void *data)
{
  Store *store = data;
  StoreRequest *batch[STORE_BATCH_MAX];
  g_mutex_lock(&store->lock);
  while (!store->closing || !g_queue_is_empty(&store->queue)) {
    unsigned count = take_batch(store, batch);
    if (count == 0) {
      g_cond_wait_until(&store->wake, &store->lock, g_get_monotonic_time() + MARK_SECONDS * G_USEC_PER_SEC);
      g_mutex_unlock(&store->lock);
      compact_by_age(store);
      g_mutex_lock(&store->lock);
      continue;
    }
    g_mutex_unlock(&store->lock);
    serve(store, batch, count);
    compact_by_age(store);
    g_mutex_lock(&store->lock);
    for (unsigned i = 0; i < count; i++) {
      batch[i]->done = true;
      g_cond_signal(&batch[i]->finished);
    }
  }
  g_mutex_unlock(&store->lock);
  return NULL;
}

bool sqlite_writer_start(Store *store, GError **error)
{
  for (int i = 0; i < N_STATEMENTS; i++)
    if (sqlite3_prepare_v3(store->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL) !=
        SQLITE_OK)
      return sqlite_store_fail(store, store->db, "open the store", error);
  store->thread = g_thread_new("store", writer_main, store);
  return true;
}

void sqlite_writer_stop(Store *store)
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
static bool submit(Store *store, StoreRequest *request, GError **error)
{
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

bool store_put(Store *store, const char *key, int64_t expected, GBytes *value, int64_t *revision, GError **error)
{
  g_return_val_if_fail(expected >= 0, false);
  StoreRequest request = { .kind = STORE_REQUEST_PUT, .key = key, .expected = expected, .value = value };
  bool ok = submit(store, &request, error);
  if (ok && revision)
    *revision = request.revision;
  return ok;
}

bool store_delete(Store *store, const char *key, int64_t expected, int64_t *revision, GError **error)
{
  StoreRequest request = { .kind = STORE_REQUEST_DELETE, .key = key, .expected = expected };
  bool ok = submit(store, &request, error);
  if (ok && revision)
    *revision = request.revision;
  return ok;
}

StoreWatch *store_watch(Store *store, const char *prefix, int64_t from, StoreHandler handler, void *data,
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

void store_unwatch(StoreWatch *watch)
{
  if (!watch)
    return;
  StoreRequest request = { .kind = STORE_REQUEST_UNWATCH, .watch = watch };
  submit(watch->store, &request, NULL);
  g_free(watch->prefix);
  g_free(watch);
}

bool store_compact(Store *store, int64_t revision, GError **error)
{
  StoreRequest request = { .kind = STORE_REQUEST_COMPACT, .revision = revision };
  return submit(store, &request, error);
}
