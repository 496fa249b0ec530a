/* Compaction of the revision log, in small steps. */
#include "clusterd/store/sqlite_private.h"

/* Revisions one step looks at: a few milliseconds of work. */
#define STEP_REVISIONS 256

static bool set_state(SqliteStore *store, const char *name, int64_t value, GError **error)
{
  sqlite3_stmt *statement = store->statements[STATEMENT_SET_STATE];
  sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
  sqlite3_bind_int64(statement, 2, value);
  return sqlite_writer_execute(store, STATEMENT_SET_STATE, "compact", error);
}

bool sqlite_compact_to(SqliteStore *store, int64_t revision, GError **error)
{
  int64_t before = store->compacted;
  revision = MIN(revision, store->revision);
  if (revision <= before)
    return true;
  store->compacted = revision; /* before the rows go: a list that lost some sees it, see sqlite_store_list */
  if (set_state(store, "compacted", revision, error))
    return true;
  store->compacted = before;
  return false;
}

bool sqlite_compact_is_pending(const SqliteStore *store)
{
  return store->swept < store->compacted;
}

static bool drop(SqliteStore *store, StoreStatement which, int64_t after, int64_t until, GError **error)
{
  sqlite3_bind_int64(store->statements[which], 1, after);
  sqlite3_bind_int64(store->statements[which], 2, until);
  return sqlite_writer_execute(store, which, "compact", error);
}

/* Rows replaced by revisions of this step go, and its deletions themselves; what is newest of a key stays. A deletion
 * is the newest of its key, so nothing later names it as what it replaced. */
bool sqlite_compact_step(SqliteStore *store, int64_t *swept, GError **error)
{
  int64_t after = store->swept, until = MIN(after + STEP_REVISIONS, store->compacted);
  *swept = until;
  return drop(store, STATEMENT_DROP_REPLACED, after, until, error) &&
         drop(store, STATEMENT_DROP_DELETIONS, after, until, error) && set_state(store, "swept", until, error);
}

void sqlite_compact_idle_step(SqliteStore *store)
{
  g_autoptr(GError) error = NULL;
  int64_t swept = store->swept;
  if (sqlite_writer_execute(store, STATEMENT_BEGIN, "compact", &error) && sqlite_compact_step(store, &swept, &error) &&
      sqlite_writer_execute(store, STATEMENT_COMMIT, "compact", &error)) {
    store->swept = swept;
    return;
  }
  sqlite_writer_roll_back(store);
  g_warning("%s", error->message);
}

/* Notes the revision once a minute, and forgets what is older than STORE_HISTORY_SECONDS. */
void sqlite_compact_by_age(SqliteStore *store)
{
  int64_t now = g_get_monotonic_time();
  const Mark *last = store->marks->len ? &g_array_index(store->marks, Mark, store->marks->len - 1) : NULL;
  if (last && now - last->time_us < STORE_MARK_SECONDS * G_USEC_PER_SEC)
    return;
  Mark mark = { now, store->revision };
  g_array_append_val(store->marks, mark);
  guint expired = 0;
  while (now - g_array_index(store->marks, Mark, expired).time_us > STORE_HISTORY_SECONDS * G_USEC_PER_SEC)
    expired++;
  if (expired == 0)
    return;
  g_autoptr(GError) error = NULL;
  if (!sqlite_compact_to(store, g_array_index(store->marks, Mark, expired - 1).revision, &error))
    g_warning("%s", error->message);
  g_array_remove_range(store->marks, 0, expired);
}
