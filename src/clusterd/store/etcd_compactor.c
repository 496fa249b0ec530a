/* Forgets the history that is older than the compaction interval, as kube-apiserver does and together with it: of all
 * servers on one etcd the one whose transaction moves the version of compact_rev_key on compacts to the revision of one
 * interval ago; the others see that it was done and wait another interval.
 * Source:
 * https://github.com/kubernetes/kubernetes/blob/v1.32.0/staging/src/k8s.io/apiserver/pkg/storage/etcd3/compact.go */
#include <string.h>

#include "base/reason.h"
#include "clusterd/store/etcd_private.h"

static const char compact_key[] = "compact_rev_key";

typedef struct Compaction {
  int64_t version;  /* of the key, as this server last saw it */
  int64_t revision; /* what etcd was at then */
} Compaction;

static Etcd__TxnResponse *take_turn(EtcdStore *store, const Compaction *compaction, GError **error)
{
  g_autofree char *value = g_strdup_printf("%" G_GINT64_FORMAT, compaction->revision);
  ProtobufCBinaryData key = etcd_bytes(compact_key, strlen(compact_key));
  Etcd__Compare compare = ETCD__COMPARE__INIT;
  compare.target = ETCD__COMPARE__TARGET__VERSION;
  compare.key = key;
  compare.value_case = ETCD__COMPARE__VALUE_VERSION;
  compare.version = compaction->version;
  Etcd__PutRequest put = ETCD__PUT_REQUEST__INIT;
  put.key = key;
  put.value = etcd_bytes(value, strlen(value));
  Etcd__RangeRequest range = ETCD__RANGE_REQUEST__INIT;
  range.key = key;
  Etcd__Operation write = ETCD__OPERATION__INIT, look = ETCD__OPERATION__INIT;
  write.request_case = ETCD__OPERATION__REQUEST_PUT;
  write.put = &put;
  look.request_case = ETCD__OPERATION__REQUEST_RANGE;
  look.range = &range;
  Etcd__Compare *compares[] = { &compare };
  Etcd__Operation *writes[] = { &write }, *looks[] = { &look };
  Etcd__TxnRequest request = ETCD__TXN_REQUEST__INIT;
  request.n_compare = request.n_success = request.n_failure = 1;
  request.compare = compares;
  request.success = writes;
  request.failure = looks;
  /* once: a second one would find its own first one and think that another server had the turn, which is no harm */
  Etcd__TxnResponse *response = NULL;
  etcd_call_once(store->transport, ETCD_TXN, &request.base, &etcd__txn_response__descriptor, 0, (void **)&response,
                 error);
  return response;
}

static void compact_once(EtcdStore *store, Compaction *compaction)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Etcd__TxnResponse) response = take_turn(store, compaction, &error);
  if (response && response->header) {
    int64_t before = compaction->revision;
    compaction->revision = response->header->revision;
    if (response->succeeded)
      compaction->version++;
    else if (response->n_responses == 1 && response->responses[0]->response_case == ETCD__RESULT__RESPONSE_RANGE &&
             response->responses[0]->range->n_kvs == 1)
      compaction->version = response->responses[0]->range->kvs[0]->version;
    if (response->succeeded && before)
      store_compact(&store->base, before, &error);
  }
  if (error)
    g_message("history is kept for longer: %s", error->message);
}

void *etcd_compactor_main(void *data)
{
  EtcdStore *store = data;
  Compaction compaction = { 0 };
  g_mutex_lock(&store->lock);
  while (!store->closing) {
    int64_t until = g_get_monotonic_time() + store->compaction_seconds * G_USEC_PER_SEC;
    while (!store->closing && g_get_monotonic_time() < until)
      g_cond_wait_until(&store->changed, &store->lock, until);
    if (store->closing)
      break;
    g_mutex_unlock(&store->lock);
    compact_once(store, &compaction);
    g_mutex_lock(&store->lock);
  }
  g_mutex_unlock(&store->lock);
  return NULL;
}
