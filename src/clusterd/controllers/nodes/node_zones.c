#include "clusterd/controllers/nodes/node_zones.h"

#include "base/json.h"
#include "clusterd/api/object.h"
#include "clusterd/client/conditions.h"

#define UNHEALTHY_SHARE 0.55
#define UNHEALTHY_MIN 2 /* so few may be down in any zone */
#define LARGE_ZONE 50
#define INTERVAL_US ((int64_t)10 * G_USEC_PER_SEC)
#define SLOW_INTERVAL_US ((int64_t)100 * G_USEC_PER_SEC)

typedef struct Zone {
  unsigned n_ready, n_not_ready;
} Zone;

struct NodeZones {
  GHashTable *zones; /* name → Zone* */
  bool any_ready;
};

ZoneState zone_state(unsigned n_ready, unsigned n_not_ready)
{
  if (n_ready == 0 && n_not_ready > 0)
    return ZONE_FULL;
  if (n_not_ready > UNHEALTHY_MIN && (double)n_not_ready / (n_ready + n_not_ready) >= UNHEALTHY_SHARE)
    return ZONE_PARTIAL;
  return ZONE_NORMAL;
}

int64_t zone_interval_us(ZoneState state, unsigned n_nodes)
{
  if (state != ZONE_PARTIAL)
    return INTERVAL_US;
  return n_nodes > LARGE_ZONE ? SLOW_INTERVAL_US : 0;
}

char *node_zone(const json_t *node)
{
  const json_t *labels = json_at(node, "metadata", "labels", NULL);
  const char *region = json_str(labels, "topology.kubernetes.io/region", "");
  const char *zone = json_str(labels, "topology.kubernetes.io/zone", "");
  return *region || *zone ? g_strdup_printf("%s/%s", region, zone) : g_strdup("");
}

NodeZones *node_zones_new(GPtrArray *nodes)
{
  NodeZones *zones = g_new0(NodeZones, 1);
  zones->zones = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  for (unsigned i = 0; i < nodes->len; i++) {
    const json_t *node = object_json(g_ptr_array_index(nodes, i));
    g_autofree char *name = node_zone(node);
    Zone *zone = g_hash_table_lookup(zones->zones, name);
    if (!zone) {
      zone = g_new0(Zone, 1);
      g_hash_table_insert(zones->zones, g_steal_pointer(&name), zone);
    }
    bool ready = condition_is(json_object_get(node, "status"), "Ready", "True");
    *(ready ? &zone->n_ready : &zone->n_not_ready) += 1;
    zones->any_ready |= ready;
  }
  return zones;
}

void node_zones_free(NodeZones *zones)
{
  g_hash_table_destroy(zones->zones);
  g_free(zones);
}

bool node_zones_all_silent(const NodeZones *zones)
{
  return !zones->any_ready && g_hash_table_size(zones->zones) > 0;
}

int64_t node_zones_interval_us(const NodeZones *zones, const char *zone)
{
  const Zone *counted = g_hash_table_lookup(zones->zones, zone);
  if (!zones->any_ready || !counted)
    return 0;
  return zone_interval_us(zone_state(counted->n_ready, counted->n_not_ready), counted->n_ready + counted->n_not_ready);
}
