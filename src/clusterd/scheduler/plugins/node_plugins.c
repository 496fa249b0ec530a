/* What a node must be by the pod's own words: schedulable, of the right name, tolerated, selected. */
#include <string.h>

#include "base/json.h"
#include "clusterd/client/node_match.h"
#include "clusterd/scheduler/plugins/plugin.h"

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"

/* --- NodeUnschedulable ------------------------------------------------------------------------------------------ */

static bool is_schedulable(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  static const char *const effects[] = { "NoSchedule", NULL };
  if (!node->unschedulable)
    return true;
  /* A pod that tolerates the taint of cordoned nodes may come (daemon sets). */
  g_autoptr(json_t) cordoned = json_pack("{s:{s:[{s:s, s:s}]}}", "spec", "taints", "key",
                                         "node.kubernetes.io/unschedulable", "effect", "NoSchedule");
  return !node_match_untolerated(cycle_pod(cycle), cordoned, effects) ||
         cycle_refuse(cycle, refusal, true, "node(s) were unschedulable");
}

const Plugin node_unschedulable_plugin = { .filter = is_schedulable };

/* --- NodeName --------------------------------------------------------------------------------------------------- */

static bool has_name(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  const char *name = json_str(pod_info_spec(cycle->pod), "nodeName", "");
  return !*name || strcmp(name, node->name) == 0 ||
         cycle_refuse(cycle, refusal, true, "node(s) didn't match the requested node name");
}

static bool prepare_name(Cycle *cycle, Refusal *refusal)
{
  cycle->skips[PLUGIN_NODE_NAME] = !*json_str(pod_info_spec(cycle->pod), "nodeName", "");
  return true;
}

const Plugin node_name_plugin = { .pre_filter = prepare_name, .filter = has_name };

/* --- TaintToleration -------------------------------------------------------------------------------------------- */

static bool is_tolerated(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  static const char *const effects[] = { "NoSchedule", "NoExecute", NULL };
  if (!node->has_hard_taints)
    return true;
  const json_t *taint = node_match_untolerated(cycle_pod(cycle), object_json(node->node), effects);
  return !taint || cycle_refuse(cycle, refusal, true, "node(s) had untolerated taint {%s: %s}",
                                json_str(taint, "key", ""), json_str(taint, "value", ""));
}

static int64_t count_disliked(Cycle *cycle, const NodeInfo *node)
{
  return node->has_soft_taints ? node_match_count_disliked(cycle_pod(cycle), object_json(node->node)) : 0;
}

const Plugin taint_toleration_plugin = { .filter = is_tolerated,
                                         .score = count_disliked,
                                         .normalize = NORMALIZE_REVERSED };

/* --- NodeAffinity ----------------------------------------------------------------------------------------------- */

/* The only node name TERM allows; NULL: it allows several or says nothing of names. */
static const char *only_name(const json_t *term)
{
  const json_t *fields = json_object_get(term, "matchFields");
  const json_t *field = json_array_get(fields, 0), *values = json_object_get(field, "values");
  bool is_name = json_array_size(fields) == 1 && strcmp(json_str(field, "key", ""), "metadata.name") == 0 &&
                 strcmp(json_str(field, "operator", ""), "In") == 0 && json_array_size(values) == 1;
  return is_name ? json_string_value(json_array_get(values, 0)) : NULL;
}

/* When every term names its node (daemon sets), no other is looked at. */
static bool prepare_affinity(Cycle *cycle, Refusal *refusal)
{
  cycle->skips[PLUGIN_NODE_AFFINITY] = !cycle->pod->has_node_rules && !cycle->profile->added_affinity;
  const json_t *terms =
      json_at(pod_info_spec(cycle->pod), "affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms", NULL);
  g_autoptr(GPtrArray) only = g_ptr_array_new();
  size_t i;
  json_t *term;
  json_array_foreach (terms, i, term) {
    const char *name = only_name(term);
    if (!name)
      return true;
    NodeInfo *node = cluster_state_node(cycle->state, name);
    if (node && node->node && !g_ptr_array_find(only, node, NULL))
      g_ptr_array_add(only, node);
  }
  if (json_array_size(terms) > 0 && !cycle->only)
    cycle->only = g_steal_pointer(&only);
  return true;
}

static bool is_selected(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  const json_t *value = object_json(node->node), *added = cycle->profile->added_affinity;
  if (added) {
    g_autoptr(json_t) pod = json_pack("{s:{s:{s:O}}}", "spec", "affinity", "nodeAffinity", added);
    if (!node_match_required(pod, value))
      return cycle_refuse(cycle, refusal, true, "node(s) didn't match scheduler-enforced node affinity");
  }
  return node_match_required(cycle_pod(cycle), value) ||
         cycle_refuse(cycle, refusal, true, "node(s) didn't match Pod's node affinity/selector");
}

static bool prepare_preferred(Cycle *cycle, GPtrArray *nodes)
{
  return json_array_size(json_at(pod_info_spec(cycle->pod), "affinity", "nodeAffinity", PREFERRED, NULL)) > 0 ||
         json_object_get(cycle->profile->added_affinity, PREFERRED);
}

static int64_t preferred(Cycle *cycle, const NodeInfo *node)
{
  const json_t *added = cycle->profile->added_affinity;
  int64_t sum = node_match_preferred(cycle_pod(cycle), object_json(node->node));
  if (added) {
    g_autoptr(json_t) pod = json_pack("{s:{s:{s:O}}}", "spec", "affinity", "nodeAffinity", added);
    sum += node_match_preferred(pod, object_json(node->node));
  }
  return sum;
}

const Plugin node_affinity_plugin = { .pre_filter = prepare_affinity,
                                      .filter = is_selected,
                                      .pre_score = prepare_preferred,
                                      .score = preferred,
                                      .normalize = NORMALIZE_BY_MOST };

/* --- NodePorts -------------------------------------------------------------------------------------------------- */

static bool prepare_ports(Cycle *cycle, Refusal *refusal)
{
  cycle->skips[PLUGIN_NODE_PORTS] = !cycle->pod->ports;
  return true;
}

static bool has_ports(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  for (unsigned i = 0; i < cycle->pod->ports->len; i++)
    for (unsigned k = 0; k < node->ports->len; k++)
      if (host_port_conflicts(&g_array_index(cycle->pod->ports, HostPort, i), &g_array_index(node->ports, HostPort, k)))
        return cycle_refuse(cycle, refusal, false, "node(s) didn't have free ports for the requested pod ports");
  return true;
}

const Plugin node_ports_plugin = { .pre_filter = prepare_ports, .filter = has_ports };
