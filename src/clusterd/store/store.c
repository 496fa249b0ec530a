/* The calls of store.h, handed to the engine behind them. */
#include "base/reason.h"
#include "clusterd/store/engine.h"

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

void store_close(Store *store)
{
  if (store)
    store->engine->close(store);
}

int64_t store_revision(Store *store)
{
  return store->engine->revision(store);
}

bool store_is_shared(const Store *store)
{
  return store->engine->shared;
}

bool store_sync(Store *store, GError **error)
{
  return !store->engine->sync || store->engine->sync(store, error);
}

bool store_check(Store *store, int64_t timeout_us, GError **error)
{
  if (store->engine->check)
    return store->engine->check(store, timeout_us, error);
  g_autoptr(GError) problem = NULL;
  g_autoptr(StoreEntry) entry = store->engine->get(store, "/health", &problem); /* there is none */
  if (entry || reason_is(problem, REASON_NOT_FOUND))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

StoreEntry *store_get(Store *store, const char *key, GError **error)
{
  return store->engine->get(store, key, error);
}

GPtrArray *store_list(Store *store, const char *prefix, int64_t revision, const char *start, unsigned limit,
                      int64_t *at, int64_t *remaining, GError **error)
{
  return store->engine->list(store, prefix, revision, start, limit, at, remaining, error);
}

bool store_put(Store *store, const char *key, int64_t expected, GBytes *value, int64_t *revision, GError **error)
{
  g_return_val_if_fail(expected >= 0, false);
  return store->engine->put(store, key, expected, value, revision, error);
}

bool store_delete(Store *store, const char *key, int64_t expected, int64_t *revision, GError **error)
{
  return store->engine->remove(store, key, expected, revision, error);
}

StoreWatch *store_watch(Store *store, const char *prefix, int64_t from, StoreHandler handler, void *data,
                        GError **error)
{
  return store->engine->watch(store, prefix, from, handler, data, error);
}

void store_unwatch(StoreWatch *watch)
{
  if (watch)
    watch->store->engine->unwatch(watch);
}

bool store_compact(Store *store, int64_t revision, GError **error)
{
  return store->engine->compact(store, revision, error);
}

/* --- errors --------------------------------------------------------------------------------------------------------
 */

bool store_fail_not_found(const char *key, GError **error)
{
  return reason_set(error, REASON_NOT_FOUND, "key %s not found", key);
}

bool store_fail_exists(const char *key, GError **error)
{
  return reason_set(error, REASON_ALREADY_EXISTS, "key %s already exists", key);
}

bool store_fail_conflict(const char *key, int64_t found, int64_t expected, GError **error)
{
  return reason_set(error, REASON_CONFLICT, "key %s is at revision %" G_GINT64_FORMAT ", not %" G_GINT64_FORMAT, key,
                    found, expected);
}

bool store_fail_future(int64_t wanted, int64_t newest, GError **error)
{
  return reason_set(error, REASON_TIMEOUT,
                    "Timeout: Too large resource version: %" G_GINT64_FORMAT ", current: %" G_GINT64_FORMAT, wanted,
                    newest);
}

bool store_fail_compacted_list(GError **error)
{
  return reason_set(error, REASON_EXPIRED, "The resourceVersion for the provided list is too old.");
}

bool store_fail_compacted_watch(int64_t from, int64_t compacted, GError **error)
{
  return reason_set(error, REASON_EXPIRED, "too old resource version: %" G_GINT64_FORMAT " (%" G_GINT64_FORMAT ")",
                    from, compacted);
}
