#pragma once
/* What the files of the etcd engine share. etcd.c opens, reads and syncs; etcd_write.c changes keys and finds out what
 * became of a change whose answer was lost; etcd_watch.c follows all changes on one stream and, with etcd_resync.c,
 * picks up where it broke; etcd_compactor.c forgets old history, one server for all.
 *
 * A store's watch sees a write when its stream has brought it. A write returns after that, so that callers always find
 * their own. */
#include <stdatomic.h>

#include "clusterd/store/engine.h"
#include "clusterd/store/etcd.pb-c.h"
#include "clusterd/store/etcd_call.h"
#include "clusterd/store/store_etcd.h"

/* How long a call goes on trying: longer than electing a new leader takes. */
#define ETCD_CALL_SECONDS 20
/* A watch that has not brought what must come after this long is taken for dead and begun anew elsewhere. */
#define ETCD_STALL_SECONDS 2
/* Entries asked for at once. */
#define ETCD_PAGE 1000

#define ETCD_RANGE "/etcdserverpb.KV/Range"
#define ETCD_TXN "/etcdserverpb.KV/Txn"
#define ETCD_COMPACT "/etcdserverpb.KV/Compact"
#define ETCD_WATCH "/etcdserverpb.Watch/Watch"

/* A change of this process that is under way. Its event carries the caller's own bytes, and tells what became of it
 * when etcd's answer is lost. Lives on the caller's stack. */
typedef struct EtcdPending {
  const char *key;
  GBytes *value; /* NULL: a deletion */
  int64_t expected;
  int64_t seen; /* the revision it was done at, once the watch has brought it; 0 */
} EtcdPending;

/* One wait for what is acknowledged: all that come while one asks etcd share the next answer. */
typedef struct EtcdSync {
  uint64_t begun, ended; /* questions */
  bool running;
  int64_t revision; /* what the last one ended with; 0: it failed */
} EtcdSync;

typedef struct EtcdStore {
  Store base;
  EtcdTransport *transport;

  GMutex lock;        /* guards all below but what is atomic */
  GCond changed;      /* a watch came further, a question ended, the store closes */
  GPtrArray *pending; /* EtcdPending*, borrowed */
  GPtrArray *watches; /* EtcdWatch*, borrowed */
  EtcdSync sync;
  bool closing;

  GThread *compactor;
  unsigned compaction_seconds;
  _Atomic int64_t revision; /* the newest known */
} EtcdStore;

typedef struct EtcdWatch {
  StoreWatch base;
  GThread *thread;
  CURLM *multi; /* woken up to stop or to begin anew */

  /* The thread's alone, once it runs. */
  GHashTable *index; /* key → EtcdVersion*, of the keys with the prefix: what a resync compares with */
  GByteArray *buffer;
  bool expired;      /* what comes after `delivered` is compacted: a resync is needed */
  int64_t delivered; /* newest revision handed to the handler */

  /* Under the store's lock. */
  int64_t applied; /* all up to here is delivered */
  bool stop, again;
} EtcdWatch;

/* What the watch knows of a key. */
typedef struct EtcdVersion {
  int64_t created, modified;
} EtcdVersion;

static inline EtcdStore *etcd_store(Store *store)
{
  return (EtcdStore *)(void *)store;
}

static inline ProtobufCBinaryData etcd_bytes(const char *text, gsize length)
{
  return (ProtobufCBinaryData){ .len = length, .data = (uint8_t *)(uintptr_t)text };
}

static inline int64_t etcd_deadline(void)
{
  return g_get_monotonic_time() + ETCD_CALL_SECONDS * G_USEC_PER_SEC;
}

void etcd_range_free(Etcd__RangeResponse *response);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Etcd__RangeResponse, etcd_range_free)
void etcd_txn_free(Etcd__TxnResponse *response);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Etcd__TxnResponse, etcd_txn_free)

/* etcd.c: all entries (or, KEYS_ONLY, without values) with PREFIX at REVISION (0: now; *AT gets it). */
GPtrArray *etcd_list_all(EtcdStore *store, const char *prefix, int64_t revision, bool keys_only, int64_t *at,
                         GError **error);
StoreEntry *etcd_entry(const Etcd__KeyValue *pair);
/* Notes that REVISION exists. */
void etcd_store_advance(EtcdStore *store, int64_t revision);

/* etcd_write.c */
bool etcd_put(Store *store, const char *key, int64_t expected, GBytes *value, int64_t *revision, GError **error);
bool etcd_remove(Store *store, const char *key, int64_t expected, int64_t *revision, GError **error);
bool etcd_compact(Store *store, int64_t revision, GError **error);
/* For the watch: KEY was set to DATA (NULL: removed) in place of PREVIOUS (-1: nobody knows) at REVISION. A new
 * reference to the bytes of the write of this process that did it, or NULL. */
GBytes *etcd_pending_seen(EtcdStore *store, const char *key, const ProtobufCBinaryData *data, int64_t previous,
                          int64_t revision);

/* etcd_watch.c */
StoreWatch *etcd_watch(Store *store, const char *prefix, int64_t from, StoreHandler handler, void *data,
                       GError **error);
void etcd_unwatch(StoreWatch *watch);
/* Waits until all watches have delivered REVISION. REASON_TIMEOUT at UNTIL_US. */
bool etcd_wait_delivered(EtcdStore *store, int64_t revision, int64_t until_us, GError **error);
/* Hands one event to the handler and keeps the index. */
void etcd_watch_deliver(EtcdWatch *watch, StoreEvent *event);

/* etcd_resync.c: delivers the difference between the index and what is there now. */
bool etcd_watch_resync(EtcdWatch *watch, GError **error);

/* etcd_compactor.c */
void *etcd_compactor_main(void *store);
