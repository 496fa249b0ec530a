#include "clusterd/scheduler/filters.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/client/node_match.h"

typedef bool (*Filter)(const Cycle *cycle, const NodeState *node, Refusal *refusal);

static bool refuse(Refusal *refusal, bool final, const char *format, ...) G_GNUC_PRINTF(3, 4);

static bool refuse(Refusal *refusal, bool final, const char *format, ...)
{
  if (!refusal)
    return false;
  va_list arguments;
  va_start(arguments, format);
  g_ptr_array_add(refusal->reasons, g_strdup_vprintf(format, arguments));
  va_end(arguments);
  refusal->final |= final;
  return false;
}

static const json_t *pod_of(const Cycle *cycle)
{
  return object_json(cycle->pod->object);
}

static bool is_schedulable(const Cycle *cycle, const NodeState *node, Refusal *refusal)
{
  static const char *const effects[] = { "NoSchedule", NULL };
  if (!json_flag(json_object_get(object_json(node->node), "spec"), "unschedulable", false))
    return true;
  /* A pod that tolerates the taint of cordoned nodes may come (daemon sets). */
  g_autoptr(json_t) cordoned = json_pack("{s:{s:[{s:s, s:s}]}}", "spec", "taints", "key",
                                         "node.kubernetes.io/unschedulable", "effect", "NoSchedule");
  if (!node_match_untolerated(pod_of(cycle), cordoned, effects))
    return true;
  return refuse(refusal, true, "node(s) were unschedulable");
}

static bool has_name(const Cycle *cycle, const NodeState *node, Refusal *refusal)
{
  const char *name = json_str(json_object_get(pod_of(cycle), "spec"), "nodeName", "");
  if (!*name || strcmp(name, node->name) == 0)
    return true;
  return refuse(refusal, true, "node(s) didn't match the requested node name");
}

static bool is_tolerated(const Cycle *cycle, const NodeState *node, Refusal *refusal)
{
  static const char *const effects[] = { "NoSchedule", "NoExecute", NULL };
  const json_t *taint = node_match_untolerated(pod_of(cycle), object_json(node->node), effects);
  if (!taint)
    return true;
  return refuse(refusal, true, "node(s) had untolerated taint {%s: %s}", json_str(taint, "key", ""),
                json_str(taint, "value", ""));
}

static bool has_affinity(const Cycle *cycle, const NodeState *node, Refusal *refusal)
{
  if (node_match_required(pod_of(cycle), object_json(node->node)))
    return true;
  return refuse(refusal, true, "node(s) didn't match Pod's node affinity/selector");
}

/* Calls VISIT for every host port of POD until it returns true; tells whether it did. */
static bool any_host_port(const json_t *pod, bool (*visit)(const json_t *port, const void *data), const void *data)
{
  size_t i, k;
  json_t *container, *port;
  json_array_foreach (json_at(pod, "spec", "containers", NULL), i, container)
    json_array_foreach (json_object_get(container, "ports"), k, port)
      if (json_int(port, "hostPort", 0) > 0 && visit(port, data))
        return true;
  return false;
}

static bool is_any_address(const char *ip)
{
  return !*ip || strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0;
}

static bool conflicts_with(const json_t *port, const void *data)
{
  const json_t *other = data;
  const char *ip = json_str(port, "hostIP", ""), *other_ip = json_str(other, "hostIP", "");
  return json_int(port, "hostPort", 0) == json_int(other, "hostPort", 0) &&
         strcmp(json_str(port, "protocol", "TCP"), json_str(other, "protocol", "TCP")) == 0 &&
         (is_any_address(ip) || is_any_address(other_ip) || strcmp(ip, other_ip) == 0);
}

static bool is_taken(const json_t *port, const void *data)
{
  const NodeState *node = data;
  GHashTableIter iter;
  void *info;
  g_hash_table_iter_init(&iter, node->pods);
  while (g_hash_table_iter_next(&iter, NULL, &info))
    if (any_host_port(object_json(((const PodInfo *)info)->object), conflicts_with, port))
      return true;
  return false;
}

static bool has_ports(const Cycle *cycle, const NodeState *node, Refusal *refusal)
{
  if (!any_host_port(pod_of(cycle), is_taken, node))
    return true;
  return refuse(refusal, false, "node(s) didn't have free ports for the requested pod ports");
}

static bool has_resources(const Cycle *cycle, const NodeState *node, Refusal *refusal)
{
  bool fits = true;
  if ((int64_t)g_hash_table_size(node->pods) + 1 > resources_get(&node->allocatable, "pods"))
    fits = refuse(refusal, false, "Too many pods");
  const GArray *wanted = cycle->pod->request.amounts;
  for (unsigned i = 0; wanted && i < wanted->len; i++) {
    const ResourceAmount *want = &g_array_index(wanted, ResourceAmount, i);
    int64_t total = resources_get(&node->allocatable, want->name);
    if (want->amount > 0 && want->amount > total - resources_get(&node->requested, want->name))
      fits = refuse(refusal, want->amount > total, "Insufficient %s", want->name);
  }
  return fits;
}

static bool keeps_spread(const Cycle *cycle, const NodeState *node, Refusal *refusal)
{
  if (!cycle->terms)
    return true;
  switch (pod_terms_check_spread(cycle->terms, node)) {
  case POD_TERMS_MISSING_LABEL:
    return refuse(refusal, true, "node(s) didn't match pod topology spread constraints (missing required label)");
  case POD_TERMS_TOO_MANY:
    return refuse(refusal, false, "node(s) didn't match pod topology spread constraints");
  default:
    return true;
  }
}

static bool keeps_company(const Cycle *cycle, const NodeState *node, Refusal *refusal)
{
  if (!cycle->terms)
    return true;
  if (!pod_terms_check_affinity(cycle->terms, node))
    return refuse(refusal, true, "node(s) didn't match pod affinity rules");
  if (!pod_terms_check_anti_affinity(cycle->terms, node))
    return refuse(refusal, false, "node(s) didn't match pod anti-affinity rules");
  if (!pod_terms_check_others(cycle->terms, node))
    return refuse(refusal, false, "node(s) didn't satisfy existing pods anti-affinity rules");
  return true;
}

static const Filter filters[] = {
  is_schedulable, /* NodeUnschedulable */
  has_name,       /* NodeName */
  is_tolerated,   /* TaintToleration */
  has_affinity,   /* NodeAffinity */
  has_ports,      /* NodePorts */
  has_resources,  /* NodeResourcesFit */
  keeps_spread,   /* PodTopologySpread */
  keeps_company,  /* InterPodAffinity */
};

bool filters_pass(const Cycle *cycle, const NodeState *node, Refusal *refusal)
{
  for (size_t i = 0; i < G_N_ELEMENTS(filters); i++)
    if (!filters[i](cycle, node, refusal))
      return false;
  return true;
}
