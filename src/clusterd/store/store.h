#pragma once
/*
 * The revision log under the API (etcd's model). One counter for the whole store; every write gets the next revision;
 * a key's value can be replaced or removed only against the revision the caller last saw; a watch started at a revision
 * misses nothing after it. Keys are paths ("/registry/pods/default/web").
 * All calls are thread-safe. A call that writes returns after the write is durable and every watch has seen its event.
 * Two engines: SQLite, one file for one server, and etcd, a cluster for several servers. docs/internals/store.md
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Store Store;

typedef struct StoreEntry {
  char *key;
  GBytes *value; /* NULL in a deletion event */
  int64_t create_revision;
  int64_t mod_revision; /* of a deletion event: the revision of the deletion */
} StoreEntry;

void store_entry_clear(StoreEntry *entry);
void store_entry_free(StoreEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreEntry, store_entry_free)

/* STORE_PROGRESS has no key: nothing that the watch asks for happened up to its entry.mod_revision. */
typedef enum StoreEventType { STORE_CREATED, STORE_MODIFIED, STORE_DELETED, STORE_PROGRESS } StoreEventType;

typedef struct StoreEvent {
  StoreEventType type;
  StoreEntry entry; /* what is there now; the value is the writer's own GBytes when this process wrote it */
} StoreEvent;

/* Opens or makes the SQLite store in the file PATH. NULL with REASON_FILE when it cannot be opened or is damaged (it is
 * never replaced). store_close waits for running calls, ends watches and checkpoints. */
Store *store_open_sqlite(const char *path, GError **error);
void store_close(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_close)

/* The newest revision this process knows of. */
int64_t store_revision(Store *store);

/* Whether other servers may write to the store, too: then what watches have shown is not all there is. */
bool store_is_shared(const Store *store);

/* Waits until the watches have seen every write that was acknowledged, by whichever server, before this call: what they
 * show afterwards is no older than the call. Returns at once where only this process writes. REASON_TIMEOUT or
 * REASON_SERVICE_UNAVAILABLE when the store does not answer. */
bool store_sync(Store *store, GError **error);

/* Whether the store answers within TIMEOUT_US: it is asked, not remembered. The error says why not. */
bool store_check(Store *store, int64_t timeout_us, GError **error);

/* The entry of KEY now, or NULL with REASON_NOT_FOUND. */
StoreEntry *store_get(Store *store, const char *key, GError **error);

/* Entries with PREFIX in key order as they were at REVISION (0: now), at most LIMIT (0: all), beginning after key START
 * (NULL: from the first). *AT gets the revision of the snapshot, *REMAINING the number of entries left out.
 * REASON_EXPIRED when the revision is compacted, REASON_TIMEOUT when it is in the future. Array of StoreEntry*, owned.
 */
GPtrArray *store_list(Store *store, const char *prefix, int64_t revision, const char *start, unsigned limit,
                      int64_t *at, int64_t *remaining, GError **error);

/* Writes KEY if its newest revision is EXPECTED (0: the key must not exist). *REVISION gets the write's own. False with
 * REASON_ALREADY_EXISTS (EXPECTED 0) or REASON_CONFLICT. */
bool store_put(Store *store, const char *key, int64_t expected, GBytes *value, int64_t *revision, GError **error);

/* Removes KEY if its newest revision is EXPECTED (-1: whatever it is). False with REASON_NOT_FOUND or REASON_CONFLICT.
 */
bool store_delete(Store *store, const char *key, int64_t expected, int64_t *revision, GError **error);

/* Calls HANDLER for every event on keys with PREFIX after revision FROM (exclusive), in order, on the store's own
 * thread: it must not block nor call the store. REASON_EXPIRED when FROM is compacted. store_unwatch returns after the
 * last call of HANDLER has ended. */
typedef void (*StoreHandler)(const StoreEvent *event, void *data);
typedef struct StoreWatch StoreWatch;
StoreWatch *store_watch(Store *store, const char *prefix, int64_t from, StoreHandler handler, void *data,
                        GError **error);
void store_unwatch(StoreWatch *watch);

/* Forgets the history before REVISION (current values stay). The store does it by itself for history older than
 * STORE_HISTORY_SECONDS. */
#define STORE_HISTORY_SECONDS 300
bool store_compact(Store *store, int64_t revision, GError **error);
