#include "clusterd/server/server_peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/bootstrap/bootstrap.h"
#include "clusterd/server/registry/registry_private.h"

#define RECORDS "/registry/masterleases/"
#define RENEW_SECONDS 5
#define DEAD_SECONDS 15 /* two renewals missed, seen on one's own clock */

/* Another server's record, as it was when it last changed. */
typedef struct Sighting {
  int64_t revision;
  int64_t since_us;
} Sighting;

struct ServerPeers {
  Registry *registry;
  json_t *self; /* {ip, port} */
  char *key;
  int64_t revision;      /* of the record, 0: there is none */
  GHashTable *sightings; /* key → Sighting* */
  GThread *thread;       /* NULL: the only server */
  GMutex lock;           /* guards `stopping` */
  GCond wake;
  bool stopping;
};

/* Writes the record anew: that it changes says that its server lives. */
static bool renew(ServerPeers *peers, GError **error)
{
  char *text = json_dumps(peers->self, JSON_COMPACT);
  g_autoptr(GBytes) value = g_bytes_new_with_free_func(text, strlen(text), free, text);
  Store *store = peers->registry->store;
  g_autoptr(GError) problem = NULL;
  if (store_put(store, peers->key, peers->revision, value, &peers->revision, &problem))
    return true;
  if (reason_is(problem, REASON_CONFLICT) || reason_is(problem, REASON_ALREADY_EXISTS)) {
    /* of a former process at this address, or taken away for dead */
    g_autoptr(StoreEntry) there = store_get(store, peers->key, NULL);
    peers->revision = there ? there->mod_revision : 0;
    return store_put(store, peers->key, peers->revision, value, &peers->revision, error);
  }
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

static bool is_dead(ServerPeers *peers, const StoreEntry *entry)
{
  Sighting *sighting = g_hash_table_lookup(peers->sightings, entry->key);
  if (!sighting) {
    sighting = g_new0(Sighting, 1);
    g_hash_table_insert(peers->sightings, g_strdup(entry->key), sighting);
  }
  int64_t now = g_get_monotonic_time();
  if (sighting->revision != entry->mod_revision)
    *sighting = (Sighting){ entry->mod_revision, now };
  return now - sighting->since_us > DEAD_SECONDS * G_USEC_PER_SEC;
}

/* The living, in the order of their keys. Takes the records of the dead away. NULL with an error. */
static json_t *living(ServerPeers *peers, GError **error)
{
  Store *store = peers->registry->store;
  g_autoptr(GPtrArray) entries = store_list(store, RECORDS, 0, NULL, 0, NULL, NULL, error);
  json_t *servers = entries ? json_array() : NULL;
  for (guint i = 0; entries && i < entries->len; i++) {
    const StoreEntry *entry = entries->pdata[i];
    gsize length;
    const char *text = g_bytes_get_data(entry->value, &length);
    g_autoptr(json_t) server = json_loadb(text, length, 0, NULL);
    if (!g_str_equal(entry->key, peers->key) && (!server || is_dead(peers, entry))) {
      g_message("%s has stopped renewing its record", entry->key);
      store_delete(store, entry->key, entry->mod_revision, NULL, NULL); /* else another one did */
    } else if (server) {
      json_array_append(servers, server);
    }
  }
  return servers;
}

static bool refresh(ServerPeers *peers, GError **error)
{
  if (!renew(peers, error))
    return false;
  g_autoptr(json_t) servers = living(peers, error);
  return servers && bootstrap_endpoints(peers->registry, servers, error);
}

static void *refresh_on(void *data)
{
  ServerPeers *peers = data;
  g_mutex_lock(&peers->lock);
  while (!peers->stopping) {
    if (g_cond_wait_until(&peers->wake, &peers->lock, g_get_monotonic_time() + RENEW_SECONDS * G_USEC_PER_SEC))
      continue;
    g_mutex_unlock(&peers->lock);
    g_autoptr(GError) error = NULL;
    if (!refresh(peers, &error))
      g_message("the servers behind the service kubernetes: %s", error->message);
    g_mutex_lock(&peers->lock);
  }
  g_mutex_unlock(&peers->lock);
  return NULL;
}

static void leave(ServerPeers *peers)
{
  g_autoptr(GError) error = NULL;
  store_delete(peers->registry->store, peers->key, -1, NULL, &error);
  g_autoptr(json_t) servers = error ? NULL : living(peers, &error);
  if (json_array_size(servers) > 0)
    bootstrap_endpoints(peers->registry, servers, &error);
  if (error)
    g_message("the service kubernetes leads here for a while: %s", error->message);
}

ServerPeers *server_peers_start(Registry *registry, const char *address, uint16_t port, GError **error)
{
  g_autoptr(ServerPeers) peers = g_new0(ServerPeers, 1);
  peers->registry = registry;
  peers->self = json_pack("{s:s, s:i}", "ip", address, "port", (int)port);
  peers->key = g_strdup_printf(RECORDS "%s:%u", address, port);
  peers->sightings = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_mutex_init(&peers->lock);
  g_cond_init(&peers->wake);
  if (!store_is_shared(registry->store)) {
    g_autoptr(json_t) alone = json_pack("[O]", peers->self);
    return bootstrap_endpoints(registry, alone, error) ? g_steal_pointer(&peers) : NULL;
  }
  if (!refresh(peers, error))
    return NULL;
  peers->thread = g_thread_new("peers", refresh_on, peers);
  return g_steal_pointer(&peers);
}

void server_peers_stop(ServerPeers *peers)
{
  if (!peers)
    return;
  if (peers->thread) {
    g_mutex_lock(&peers->lock);
    peers->stopping = true;
    g_cond_signal(&peers->wake);
    g_mutex_unlock(&peers->lock);
    g_thread_join(peers->thread);
    leave(peers);
  }
  json_decref(peers->self);
  g_hash_table_unref(peers->sightings);
  g_mutex_clear(&peers->lock);
  g_cond_clear(&peers->wake);
  g_free(peers->key);
  g_free(peers);
}
