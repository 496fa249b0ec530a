/* Rules about volumes besides finding them: used by one pod only, in the node's zone, not too many. */
#include <string.h>

#include "base/json.h"
#include "clusterd/scheduler/plugins/plugin.h"
#include "clusterd/scheduler/plugins/volume_claims.h"

static Object *claim_of(const ClusterState *state, const PodInfo *pod, const char *name)
{
  return object_table_get(&state->tables[SCHEDULER_CLAIMS], object_namespace(pod->object), name);
}

static const json_t *volume_of(const ClusterState *state, const PodInfo *pod, const char *name)
{
  Object *claim = claim_of(state, pod, name);
  const char *volume = claim ? json_str(json_object_get(object_json(claim), "spec"), "volumeName", "") : "";
  Object *object = object_table_get(&state->tables[SCHEDULER_VOLUMES], "", volume);
  return object ? object_json(object) : NULL;
}

/* --- VolumeRestrictions ----------------------------------------------------------------------------------------- */

/* Disks that one node cannot attach twice, unless both only read where READERS says so. */
static const struct {
  const char *member, *identity, *more;
  bool readers;
} disks[] = {
  { "gcePersistentDisk", "pdName", NULL, true },
  { "awsElasticBlockStore", "volumeID", NULL, false },
  { "iscsi", "iqn", NULL, true },
  { "rbd", "image", "pool", true },
};

static bool is_same_disk(const json_t *a, const json_t *b)
{
  for (size_t i = 0; i < G_N_ELEMENTS(disks); i++) {
    const json_t *one = json_object_get(a, disks[i].member), *other = json_object_get(b, disks[i].member);
    if (!one || !other || strcmp(json_str(one, disks[i].identity, ""), json_str(other, disks[i].identity, "")) != 0)
      continue;
    if (disks[i].more && strcmp(json_str(one, disks[i].more, "rbd"), json_str(other, disks[i].more, "rbd")) != 0)
      continue;
    if (!(disks[i].readers && json_flag(one, "readOnly", false) && json_flag(other, "readOnly", false)))
      return true;
  }
  return false;
}

static bool has_disks(const PodInfo *pod)
{
  size_t i;
  json_t *volume;
  json_array_foreach (json_object_get(pod_info_spec(pod), "volumes"), i, volume)
    for (size_t k = 0; k < G_N_ELEMENTS(disks); k++)
      if (json_object_get(volume, disks[k].member))
        return true;
  return false;
}

static bool conflicts(const PodInfo *a, const PodInfo *b)
{
  size_t i, k;
  json_t *one, *other;
  json_array_foreach (json_object_get(pod_info_spec(a), "volumes"), i, one)
    json_array_foreach (json_object_get(pod_info_spec(b), "volumes"), k, other)
      if (is_same_disk(one, other))
        return true;
  return false;
}

/* Another pod, on whatever node, uses a claim of the pod that is for one pod only. */
static bool is_claim_taken(const Cycle *cycle)
{
  for (char **name = cycle->pod->claims; name && *name; name++) {
    const Object *claim = claim_of(cycle->state, cycle->pod, *name);
    g_autofree char *key = g_strconcat(object_namespace(cycle->pod->object), "/", *name, NULL);
    if (claim && json_has_text(json_at(object_json(claim), "spec", "accessModes", NULL), "ReadWriteOncePod") &&
        g_hash_table_contains(cycle->state->claims_used, key))
      return true;
  }
  return false;
}

static bool prepare_restrictions(Cycle *cycle, Refusal *refusal)
{
  cycle->skips[PLUGIN_VOLUME_RESTRICTIONS] = !is_claim_taken(cycle) && !has_disks(cycle->pod);
  return true;
}

static bool keeps_restrictions(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  GHashTableIter iter;
  void *other;
  g_hash_table_iter_init(&iter, node->pods);
  while (has_disks(cycle->pod) && g_hash_table_iter_next(&iter, NULL, &other))
    if (conflicts(cycle->pod, other))
      return cycle_refuse(cycle, refusal, false, "node(s) had no available disk");
  return !is_claim_taken(cycle) ||
         cycle_refuse(cycle, refusal, false,
                      "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode");
}

const Plugin volume_restrictions_plugin = { .pre_filter = prepare_restrictions, .filter = keeps_restrictions };

/* --- VolumeZone ------------------------------------------------------------------------------------------------- */

static const char *const zone_labels[][2] = {
  { "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone" },
  { "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region" },
};

static const char *either(const json_t *labels, const char *const names[2])
{
  return json_str(labels, names[0], json_str(labels, names[1], NULL));
}

/* A volume's label may name several zones: "a__b". */
static bool is_in_zones(const json_t *volume, const json_t *node_labels)
{
  const json_t *labels = json_at(volume, "metadata", "labels", NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(zone_labels); i++) {
    const char *wanted = either(labels, zone_labels[i]), *there = either(node_labels, zone_labels[i]);
    if (!wanted)
      continue;
    g_auto(GStrv) zones = g_strsplit(wanted, "__", -1);
    if (!there || !g_strv_contains((const char *const *)zones, there))
      return false;
  }
  return true;
}

static bool prepare_zone(Cycle *cycle, Refusal *refusal)
{
  cycle->skips[PLUGIN_VOLUME_ZONE] = !cycle->pod->claims;
  return true;
}

static bool is_in_zone(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  const json_t *labels = node_info_labels(node);
  /* A node that says nothing of zones is in one with everything. */
  if (!either(labels, zone_labels[0]) && !either(labels, zone_labels[1]))
    return true;
  for (char **name = cycle->pod->claims; *name; name++) {
    const json_t *volume = volume_of(cycle->state, cycle->pod, *name);
    if (volume && !is_in_zones(volume, labels))
      return cycle_refuse(cycle, refusal, true, "node(s) had no available volume zone");
  }
  return true;
}

const Plugin volume_zone_plugin = { .pre_filter = prepare_zone, .filter = is_in_zone };

/* --- NodeVolumeLimits ------------------------------------------------------------------------------------------- */

/* Adds the volumes of DRIVER that POD uses to HANDLES: those of its claims, or the claims while they have none. */
static void add_handles(const ClusterState *state, const PodInfo *pod, const char *driver, GHashTable *handles)
{
  for (char **name = pod->claims; name && *name; name++) {
    const Object *claim = claim_of(state, pod, *name);
    const json_t *csi = json_at(volume_of(state, pod, *name), "spec", "csi", NULL);
    if (csi && strcmp(json_str(csi, "driver", ""), driver) == 0)
      g_hash_table_add(handles, g_strdup(json_str(csi, "volumeHandle", "")));
    else if (claim && !claim_is_bound(object_json(claim)) &&
             strcmp(json_str(claim_class(state, object_json(claim)), "provisioner", ""), driver) == 0)
      g_hash_table_add(handles, g_strconcat(object_namespace(claim), "/", *name, NULL));
  }
}

static bool is_below_limit(const Cycle *cycle, const NodeInfo *node, const char *driver, int64_t limit)
{
  g_autoptr(GHashTable) handles = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  void *other;
  g_hash_table_iter_init(&iter, node->pods);
  while (g_hash_table_iter_next(&iter, NULL, &other))
    add_handles(cycle->state, other, driver, handles);
  unsigned before = g_hash_table_size(handles);
  add_handles(cycle->state, cycle->pod, driver, handles);
  unsigned after = g_hash_table_size(handles);
  return after == before || after <= limit;
}

static bool prepare_limits(Cycle *cycle, Refusal *refusal)
{
  cycle->skips[PLUGIN_VOLUME_LIMITS] = !cycle->pod->claims;
  return true;
}

static bool keeps_limits(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  Object *csi_node = object_table_get(&cycle->state->tables[SCHEDULER_CSI_NODES], "", node->name);
  size_t i;
  json_t *driver;
  json_array_foreach (csi_node ? json_at(object_json(csi_node), "spec", "drivers", NULL) : NULL, i, driver) {
    int64_t limit = json_int(json_object_get(driver, "allocatable"), "count", -1);
    if (limit >= 0 && !is_below_limit(cycle, node, json_str(driver, "name", ""), limit))
      return cycle_refuse(cycle, refusal, false, "node(s) exceed max volume count");
  }
  return true;
}

const Plugin volume_limits_plugin = { .pre_filter = prepare_limits, .filter = keeps_limits };
