#include "clusterd/scheduler/plugins/spread_defaults.h"

#include <string.h>

#include "base/json.h"

static bool selects(const json_t *map, const json_t *labels)
{
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)map, key, value)
    if (!json_same(json_object_get(labels, key), value))
      return false;
  return json_object_size(map) > 0;
}

static void add_services(const Cycle *cycle, json_t *match_labels)
{
  GHashTable *services =
      object_table_in(&cycle->state->tables[SCHEDULER_SERVICES], object_namespace(cycle->pod->object));
  GHashTableIter iter;
  void *service;
  if (!services)
    return;
  g_hash_table_iter_init(&iter, services);
  while (g_hash_table_iter_next(&iter, NULL, &service)) {
    json_t *selector = json_at(object_json(service), "spec", "selector", NULL);
    if (selects(selector, pod_info_labels(cycle->pod)))
      json_object_update(match_labels, selector);
  }
}

/* The selector of the pod's controller, where it is of a kind that has one. */
static const json_t *owner_selector(const Cycle *cycle, bool *is_map)
{
  static const struct {
    const char *kind;
    SchedulerKind table;
  } owners[] = { { "ReplicationController", SCHEDULER_CONTROLLERS },
                 { "ReplicaSet", SCHEDULER_REPLICA_SETS },
                 { "StatefulSet", SCHEDULER_STATEFUL_SETS } };
  size_t i;
  json_t *reference;
  json_array_foreach (json_at(cycle_pod(cycle), "metadata", "ownerReferences", NULL), i, reference)
    for (size_t k = 0; json_flag(reference, "controller", false) && k < G_N_ELEMENTS(owners); k++) {
      if (strcmp(json_str(reference, "kind", ""), owners[k].kind) != 0)
        continue;
      Object *owner = object_table_get(&cycle->state->tables[owners[k].table], object_namespace(cycle->pod->object),
                                       json_str(reference, "name", ""));
      *is_map = owners[k].table == SCHEDULER_CONTROLLERS;
      return owner ? json_at(object_json(owner), "spec", "selector", NULL) : NULL;
    }
  return NULL;
}

/* A LabelSelector value, new reference; NULL: nothing selects the pod. */
static json_t *default_selector(const Cycle *cycle)
{
  g_autoptr(json_t) selector = json_object();
  json_t *match_labels = json_ensure_object(selector, "matchLabels", NULL);
  add_services(cycle, match_labels);
  bool is_map = false;
  const json_t *owner = owner_selector(cycle, &is_map);
  if (owner) {
    json_object_update(match_labels, is_map ? (json_t *)(uintptr_t)owner : json_object_get(owner, "matchLabels"));
    json_t *expressions = is_map ? NULL : json_object_get(owner, "matchExpressions");
    if (expressions)
      json_object_set(selector, "matchExpressions", expressions);
  }
  bool is_empty = json_object_size(match_labels) == 0 && !json_object_get(selector, "matchExpressions");
  return is_empty ? NULL : json_incref(selector);
}

GArray *spread_defaults(const Cycle *cycle, bool *of_system)
{
  const SchedulerProfile *profile = cycle->profile;
  *of_system = profile->system_spread;
  const json_t *constraints = profile->spread_constraints;
  if (json_array_size(constraints) == 0)
    return NULL;
  g_autoptr(json_t) selector = default_selector(cycle);
  if (!selector)
    return NULL;
  GArray *rules = g_array_new(FALSE, FALSE, sizeof(SpreadRule));
  size_t i;
  json_t *constraint;
  json_array_foreach (constraints, i, constraint) {
    g_autoptr(json_t) full = json_copy(constraint);
    json_object_set(full, "labelSelector", selector);
    SpreadRule rule = spread_rule_from_json(cycle->state->tally, full, object_namespace(cycle->pod->object),
                                            pod_info_labels(cycle->pod));
    g_array_append_val(rules, rule);
  }
  return rules;
}
