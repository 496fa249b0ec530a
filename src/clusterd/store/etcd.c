/* The engine on etcd: opening, reading, syncing. */
#include <string.h>

#include "base/reason.h"
#include "clusterd/store/etcd_private.h"

void etcd_range_free(Etcd__RangeResponse *response)
{
  etcd__range_response__free_unpacked(response, NULL);
}

void etcd_txn_free(Etcd__TxnResponse *response)
{
  etcd__txn_response__free_unpacked(response, NULL);
}

void etcd_store_advance(EtcdStore *store, int64_t revision)
{
  int64_t known = store->revision;
  while (known < revision && !atomic_compare_exchange_weak(&store->revision, &known, revision))
    ;
}

/* --- reads ---------------------------------------------------------------------------------------------------------
 */

static Etcd__RangeResponse *range_until(EtcdStore *store, const Etcd__RangeRequest *request, int64_t until_us,
                                        GError **error)
{
  Etcd__RangeResponse *response =
      etcd_ask(store->transport, ETCD_RANGE, &request->base, &etcd__range_response__descriptor, until_us, error);
  if (response && !response->header) {
    reason_set(error, REASON_INTERNAL, "etcd sent an answer without a revision");
    g_clear_pointer(&response, etcd_range_free);
  }
  return response;
}

static Etcd__RangeResponse *range(EtcdStore *store, const Etcd__RangeRequest *request, GError **error)
{
  return range_until(store, request, etcd_deadline(), error);
}

StoreEntry *etcd_entry(const Etcd__KeyValue *pair)
{
  StoreEntry *entry = g_new0(StoreEntry, 1);
  entry->key = g_strndup((const char *)pair->key.data, pair->key.len);
  entry->value = g_bytes_new(pair->value.data, pair->value.len);
  entry->create_revision = pair->create_revision;
  entry->mod_revision = pair->mod_revision;
  return entry;
}

static StoreEntry *etcd_get(Store *base, const char *key, GError **error)
{
  Etcd__RangeRequest request = ETCD__RANGE_REQUEST__INIT;
  request.key = etcd_bytes(key, strlen(key));
  g_autoptr(Etcd__RangeResponse) response = range(etcd_store(base), &request, error);
  if (!response)
    return NULL;
  if (response->n_kvs == 1)
    return etcd_entry(response->kvs[0]);
  store_fail_not_found(key, error);
  return NULL;
}

/* What comes after all keys with PREFIX: its last byte (never 0xff in a path) one higher. The caller frees. */
static char *prefix_end(const char *prefix)
{
  char *end = g_strdup(prefix);
  gsize length = strlen(end);
  if (length)
    end[length - 1]++;
  return end;
}

/* One page of the keys with PREFIX after START. */
static Etcd__RangeResponse *page(EtcdStore *store, const char *prefix, const char *start, int64_t revision,
                                 unsigned limit, bool keys_only, GError **error)
{
  g_autofree char *end = prefix_end(prefix);
  Etcd__RangeRequest request = ETCD__RANGE_REQUEST__INIT;
  request.key = start ? etcd_bytes(start, strlen(start) + 1) /* its end byte makes it the next key */
                      : etcd_bytes(prefix, strlen(prefix));
  request.range_end = etcd_bytes(end, strlen(end));
  request.revision = revision;
  request.limit = limit;
  request.keys_only = keys_only;
  return range(store, &request, error);
}

/* Adds at most LIMIT (0: all) entries to ENTRIES, by the page. *REVISION is what was asked for and gets what it is. */
static bool collect(EtcdStore *store, const char *prefix, const char *start, unsigned limit, bool keys_only,
                    int64_t *revision, GPtrArray *entries, int64_t *remaining, GError **error)
{
  int64_t left = 0;
  do {
    unsigned size = limit ? MIN(limit - entries->len, ETCD_PAGE) : ETCD_PAGE;
    const StoreEntry *last = entries->len ? entries->pdata[entries->len - 1] : NULL;
    g_autoptr(Etcd__RangeResponse) response =
        page(store, prefix, last ? last->key : start, *revision, size, keys_only, error);
    if (!response)
      return false;
    if (!*revision)
      *revision = response->header->revision; /* the other pages are of the same moment */
    for (size_t i = 0; i < response->n_kvs; i++)
      g_ptr_array_add(entries, etcd_entry(response->kvs[i]));
    left = MAX(response->count - (int64_t)response->n_kvs, 0);
    if (response->n_kvs == 0)
      break;
  } while (left > 0 && (!limit || entries->len < limit));
  if (remaining)
    *remaining = left;
  return true;
}

GPtrArray *etcd_list_all(EtcdStore *store, const char *prefix, int64_t revision, bool keys_only, int64_t *at,
                         GError **error)
{
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)store_entry_free);
  if (!collect(store, prefix, NULL, 0, keys_only, &revision, entries, NULL, error))
    return NULL;
  *at = revision;
  return g_steal_pointer(&entries);
}

/* The engine's errors in the words of store.h. */
static void explain_list(EtcdStore *store, int64_t revision, GError *problem, GError **error)
{
  if (reason_is(problem, REASON_EXPIRED))
    store_fail_compacted_list(error);
  else if (reason_is(problem, REASON_TIMEOUT))
    store_fail_future(revision, store->revision, error);
  else
    g_propagate_error(error, g_error_copy(problem));
}

static GPtrArray *etcd_list(Store *base, const char *prefix, int64_t revision, const char *start, unsigned limit,
                            int64_t *at, int64_t *remaining, GError **error)
{
  EtcdStore *store = etcd_store(base);
  g_autoptr(GError) problem = NULL;
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)store_entry_free);
  int64_t snapshot = revision;
  if (!collect(store, prefix, start, limit, false, &snapshot, entries, remaining, &problem)) {
    explain_list(store, revision, problem, error);
    return NULL;
  }
  if (at)
    *at = snapshot;
  return g_steal_pointer(&entries);
}

/* --- sync ----------------------------------------------------------------------------------------------------------
 */

/* The newest revision that is acknowledged to anybody: etcd's leader is asked for it. 0 with an error. */
static int64_t ask_revision(EtcdStore *store, GError **error)
{
  static const char key[] = "/registry/"; /* no key: only the header matters */
  Etcd__RangeRequest request = ETCD__RANGE_REQUEST__INIT;
  request.key = etcd_bytes(key, strlen(key));
  request.count_only = true;
  int64_t known = store->revision;
  g_autoptr(Etcd__RangeResponse) response = range(store, &request, error);
  if (!response)
    return 0;
  if (response->header->revision < known) {
    reason_set(error, REASON_SERVICE_UNAVAILABLE,
               "etcd is at revision %" G_GINT64_FORMAT " and was at %" G_GINT64_FORMAT
               ": it was put back to an earlier state, and this server must be started again",
               response->header->revision, known);
    return 0;
  }
  etcd_store_advance(store, response->header->revision);
  return response->header->revision;
}

/* The question that begins after this call does, asked by whoever comes first. Called with the lock held, which is let
 * go meanwhile. */
static int64_t share_question(EtcdStore *store, GError **error)
{
  EtcdSync *sync = &store->sync;
  uint64_t mine = sync->begun + 1;
  while (sync->ended < mine) {
    if (sync->running) {
      g_cond_wait(&store->changed, &store->lock);
      continue;
    }
    sync->running = true;
    sync->begun++;
    g_mutex_unlock(&store->lock);
    g_autoptr(GError) problem = NULL;
    int64_t revision = ask_revision(store, &problem);
    g_mutex_lock(&store->lock);
    sync->running = false;
    sync->ended = sync->begun;
    sync->revision = revision;
    g_cond_broadcast(&store->changed);
    if (problem)
      g_propagate_error(error, g_steal_pointer(&problem));
    return revision;
  }
  if (sync->revision == 0)
    reason_set(error, REASON_SERVICE_UNAVAILABLE, "etcd does not answer");
  return sync->revision;
}

static bool etcd_sync(Store *base, GError **error)
{
  EtcdStore *store = etcd_store(base);
  g_mutex_lock(&store->lock);
  int64_t revision = share_question(store, error);
  g_mutex_unlock(&store->lock);
  return revision && etcd_wait_delivered(store, revision, etcd_deadline(), error);
}

/* Asked as reads are, for what only a member with a leader can tell. */
static bool etcd_check(Store *base, int64_t timeout_us, GError **error)
{
  static const char key[] = "/health";
  Etcd__RangeRequest request = ETCD__RANGE_REQUEST__INIT;
  request.key = etcd_bytes(key, strlen(key));
  request.count_only = true;
  g_autoptr(Etcd__RangeResponse) response =
      range_until(etcd_store(base), &request, g_get_monotonic_time() + timeout_us, error);
  return response != NULL;
}

/* --- life ----------------------------------------------------------------------------------------------------------
 */

static void etcd_close(Store *base)
{
  EtcdStore *store = etcd_store(base);
  g_mutex_lock(&store->lock);
  store->closing = true;
  g_cond_broadcast(&store->changed);
  g_mutex_unlock(&store->lock);
  if (store->compactor)
    g_thread_join(store->compactor);
  etcd_transport_free(store->transport);
  g_ptr_array_unref(store->pending);
  g_ptr_array_unref(store->watches);
  g_mutex_clear(&store->lock);
  g_cond_clear(&store->changed);
  g_free(store);
}

static int64_t etcd_revision(Store *store)
{
  return etcd_store(store)->revision;
}

static const StoreEngine engine = {
  .shared = true,
  .close = etcd_close,
  .revision = etcd_revision,
  .sync = etcd_sync,
  .check = etcd_check,
  .get = etcd_get,
  .list = etcd_list,
  .put = etcd_put,
  .remove = etcd_remove,
  .watch = etcd_watch,
  .unwatch = etcd_unwatch,
  .compact = etcd_compact,
};

Store *store_open_etcd(const EtcdConfig *config, GError **error)
{
  EtcdTransport *transport =
      etcd_transport_new(config->servers, config->ca_file, config->cert_file, config->key_file, error);
  if (!transport)
    return NULL;
  EtcdStore *store = g_new0(EtcdStore, 1);
  store->base.engine = &engine;
  store->transport = transport;
  store->compaction_seconds = config->compaction_seconds ? config->compaction_seconds : STORE_HISTORY_SECONDS;
  g_mutex_init(&store->lock);
  g_cond_init(&store->changed);
  store->pending = g_ptr_array_new();
  store->watches = g_ptr_array_new();
  if (!ask_revision(store, error)) {
    etcd_close(&store->base);
    return NULL;
  }
  store->compactor = g_thread_new("etcd-compact", etcd_compactor_main, store);
  return &store->base;
}
