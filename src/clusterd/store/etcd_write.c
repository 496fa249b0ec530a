/* Changes of keys: a transaction that compares the key's revision first. An answer that is lost (a member died, its
 * leader changed) leaves open whether the change was made. Sending it again is safe, because it can only be made once:
 * when the first one was, the comparison fails, and the watch tells that it was ours. */
#include <string.h>

#include "base/reason.h"
#include "clusterd/store/etcd_private.h"

/* --- what is under way ---------------------------------------------------------------------------------------------
 */

static bool is_done_by(const EtcdPending *pending, const char *key, const ProtobufCBinaryData *data, int64_t previous)
{
  if (!g_str_equal(pending->key, key) || (data == NULL) != (pending->value == NULL) ||
      (previous >= 0 && previous != pending->expected))
    return false;
  if (!data)
    return previous >= 0;
  gsize length;
  const void *bytes = g_bytes_get_data(pending->value, &length);
  return length == data->len && (length == 0 || memcmp(bytes, data->data, length) == 0);
}

GBytes *etcd_pending_seen(EtcdStore *store, const char *key, const ProtobufCBinaryData *data, int64_t previous,
                          int64_t revision)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&store->lock);
  for (guint i = 0; i < store->pending->len; i++) {
    EtcdPending *pending = store->pending->pdata[i];
    if (!is_done_by(pending, key, data, previous))
      continue;
    pending->seen = revision;
    return data ? g_bytes_ref(pending->value) : NULL;
  }
  return NULL;
}

static int64_t seen_at(EtcdStore *store, const EtcdPending *pending)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&store->lock);
  return pending->seen;
}

/* --- the transaction -----------------------------------------------------------------------------------------------
 */

typedef struct Attempt {
  EtcdStore *store;
  EtcdPending pending;
  int64_t until_us;
  bool ambiguous; /* one that was sent before may have been done */
} Attempt;

static EtcdOutcome try_change(const Attempt *attempt, Etcd__TxnResponse **response, GError **error)
{
  const EtcdPending *pending = &attempt->pending;
  ProtobufCBinaryData key = etcd_bytes(pending->key, strlen(pending->key));
  Etcd__Compare compare = ETCD__COMPARE__INIT;
  compare.target = ETCD__COMPARE__TARGET__MOD;
  compare.key = key;
  compare.value_case = ETCD__COMPARE__VALUE_MOD_REVISION;
  compare.mod_revision = pending->expected;

  Etcd__PutRequest put = ETCD__PUT_REQUEST__INIT;
  Etcd__DeleteRequest remove = ETCD__DELETE_REQUEST__INIT;
  Etcd__RangeRequest range = ETCD__RANGE_REQUEST__INIT;
  Etcd__Operation change = ETCD__OPERATION__INIT, look = ETCD__OPERATION__INIT;
  if (pending->value) {
    gsize length;
    const void *data = g_bytes_get_data(pending->value, &length);
    put.key = key;
    put.value = etcd_bytes(data, length);
    change.request_case = ETCD__OPERATION__REQUEST_PUT;
    change.put = &put;
  } else {
    remove.key = key;
    change.request_case = ETCD__OPERATION__REQUEST_REMOVE;
    change.remove = &remove;
  }
  range.key = key;
  look.request_case = ETCD__OPERATION__REQUEST_RANGE;
  look.range = &range;

  Etcd__Compare *compares[] = { &compare };
  Etcd__Operation *changes[] = { &change }, *looks[] = { &look };
  Etcd__TxnRequest request = ETCD__TXN_REQUEST__INIT;
  request.n_compare = request.n_success = request.n_failure = 1;
  request.compare = compares;
  request.success = changes;
  request.failure = looks;
  return etcd_call_once(attempt->store->transport, ETCD_TXN, &request.base, &etcd__txn_response__descriptor, 0,
                        (void **)response, error);
}

/* What was there instead of what was expected; NULL: nothing. */
static const Etcd__KeyValue *found(const Etcd__TxnResponse *response)
{
  if (response->n_responses != 1 || response->responses[0]->response_case != ETCD__RESULT__RESPONSE_RANGE ||
      response->responses[0]->range->n_kvs != 1)
    return NULL;
  return response->responses[0]->range->kvs[0];
}

/* The comparison failed. When an earlier attempt may have been done, the watch or what is there now tells. 0 with its
 * error when it was not ours. */
static int64_t explain_failure(const Attempt *attempt, const Etcd__TxnResponse *response, GError **error)
{
  const EtcdPending *pending = &attempt->pending;
  const Etcd__KeyValue *pair = found(response);
  if (attempt->ambiguous) {
    if (!etcd_wait_delivered(attempt->store, response->header->revision, attempt->until_us, error))
      return 0;
    int64_t seen = seen_at(attempt->store, pending);
    if (seen)
      return seen;
    /* without a watch: a value that is the very same, or a version that is gone as it should */
    if (pending->value && pair && pair->value.len == g_bytes_get_size(pending->value) &&
        memcmp(pair->value.data, g_bytes_get_data(pending->value, NULL), pair->value.len) == 0)
      return pair->mod_revision;
    if (!pending->value && !pair)
      return response->header->revision;
  }
  if (pending->value && pending->expected == 0)
    store_fail_exists(pending->key, error);
  else if (!pending->value && !pair)
    store_fail_not_found(pending->key, error);
  else
    store_fail_conflict(pending->key, pair ? pair->mod_revision : 0, pending->expected, error);
  return 0;
}

/* The revision the change was made at, or 0 with its error. */
static int64_t change_key(Attempt *attempt, GError **error)
{
  for (unsigned count = 1;; count++) {
    g_autoptr(GError) problem = NULL;
    g_autoptr(Etcd__TxnResponse) response = NULL;
    EtcdOutcome outcome = try_change(attempt, &response, &problem);
    if (outcome == ETCD_DONE && response->header) {
      etcd_store_advance(attempt->store, response->header->revision);
      return response->succeeded ? response->header->revision : explain_failure(attempt, response, error);
    }
    attempt->ambiguous = attempt->ambiguous || outcome == ETCD_UNKNOWN || outcome == ETCD_DONE;
    int64_t seen = seen_at(attempt->store, &attempt->pending);
    if (seen)
      return seen;
    if (outcome != ETCD_REFUSED && etcd_call_pause(attempt->store->transport, count, attempt->until_us))
      continue;
    if (attempt->ambiguous) /* it may be done, now or later: the client must look */
      reason_set(error, REASON_TIMEOUT, "etcdserver: request timed out: %s", problem ? problem->message : "no answer");
    else
      g_propagate_error(error, g_steal_pointer(&problem));
    return 0;
  }
}

static bool change(Store *base, const char *key, int64_t expected, GBytes *value, int64_t *revision, GError **error)
{
  EtcdStore *store = etcd_store(base);
  Attempt attempt = { .store = store, .pending = { key, value, expected, 0 }, .until_us = etcd_deadline() };
  g_mutex_lock(&store->lock);
  g_ptr_array_add(store->pending, &attempt.pending);
  g_mutex_unlock(&store->lock);
  int64_t done = change_key(&attempt, error);
  bool ok = done && etcd_wait_delivered(store, done, etcd_deadline(), error);
  g_mutex_lock(&store->lock);
  g_ptr_array_remove_fast(store->pending, &attempt.pending);
  g_mutex_unlock(&store->lock);
  if (ok && revision)
    *revision = done;
  return ok;
}

bool etcd_put(Store *store, const char *key, int64_t expected, GBytes *value, int64_t *revision, GError **error)
{
  return change(store, key, expected, value, revision, error);
}

bool etcd_remove(Store *store, const char *key, int64_t expected, int64_t *revision, GError **error)
{
  if (expected >= 0)
    return change(store, key, expected, NULL, revision, error);
  for (;;) { /* whatever it is: the version that is there now, until no other comes between */
    g_autoptr(GError) problem = NULL;
    g_autoptr(StoreEntry) entry = store_get(store, key, error);
    if (!entry)
      return false;
    if (change(store, key, entry->mod_revision, NULL, revision, &problem))
      return true;
    if (!reason_is(problem, REASON_CONFLICT)) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return false;
    }
  }
}

bool etcd_compact(Store *base, int64_t revision, GError **error)
{
  EtcdStore *store = etcd_store(base);
  Etcd__CompactRequest request = ETCD__COMPACT_REQUEST__INIT;
  g_autoptr(GError) problem = NULL;
  request.revision = MIN(revision, store->revision);
  Etcd__CompactResponse *response = etcd_ask(store->transport, ETCD_COMPACT, &request.base,
                                             &etcd__compact_response__descriptor, etcd_deadline(), &problem);
  if (response)
    etcd__compact_response__free_unpacked(response, NULL);
  else if (!reason_is(problem, REASON_EXPIRED)) /* else another server has done it */
    g_propagate_error(error, g_steal_pointer(&problem));
  return !problem || reason_is(problem, REASON_EXPIRED);
}
