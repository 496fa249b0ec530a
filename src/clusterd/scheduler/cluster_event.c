#include "clusterd/scheduler/cluster_event.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/client/node_match.h"
#include "clusterd/scheduler/plugins/volume_claims.h"

#define NODE_EVENTS (EVENT_NODE_ADDED | EVENT_NODE_ALLOCATABLE | EVENT_NODE_LABELS | EVENT_NODE_TAINTS)
#define POD_EVENTS (EVENT_POD_ADDED | EVENT_POD_LABELS | EVENT_POD_REMOVED)
#define VOLUME_EVENTS (EVENT_CLAIM | EVENT_VOLUME | EVENT_CLASS)

typedef bool (*Hint)(const ClusterState *state, const ClusterEvent *event, const PodInfo *pod);

static const json_t *value_of(const PodInfo *pod)
{
  return object_json(pod->object);
}

static bool is_schedulable(const ClusterState *state, const ClusterEvent *event, const PodInfo *pod)
{
  static const char *const effects[] = { "NoSchedule", "NoExecute", NULL };
  return !event->node->unschedulable && !node_match_untolerated(value_of(pod), object_json(event->node->node), effects);
}

static bool is_uncordoned(const ClusterState *state, const ClusterEvent *event, const PodInfo *pod)
{
  return !event->node->unschedulable;
}

static bool has_name(const ClusterState *state, const ClusterEvent *event, const PodInfo *pod)
{
  return strcmp(json_str(pod_info_spec(pod), "nodeName", ""), event->node->name) == 0;
}

static bool is_selected(const ClusterState *state, const ClusterEvent *event, const PodInfo *pod)
{
  return node_match_required(value_of(pod), object_json(event->node->node));
}

static bool frees_port(const ClusterState *state, const ClusterEvent *event, const PodInfo *pod)
{
  if (event->node)
    return true;
  for (unsigned i = 0; pod->ports && event->pod->ports && i < pod->ports->len; i++)
    for (unsigned k = 0; k < event->pod->ports->len; k++)
      if (host_port_conflicts(&g_array_index(pod->ports, HostPort, i), &g_array_index(event->pod->ports, HostPort, k)))
        return true;
  return false;
}

/* Room is made by any pod that goes; a node must be large enough for the pod alone. */
static bool makes_room(const ClusterState *state, const ClusterEvent *event, const PodInfo *pod)
{
  if (!event->node)
    return true;
  const Resources *want = &pod->request, *total = &event->node->allocatable;
  bool fits = want->cpu <= total->cpu && want->memory <= total->memory && want->storage <= total->storage;
  for (unsigned i = 0; want->others && i < want->others->len; i++) {
    const ResourceAmount *other = &g_array_index(want->others, ResourceAmount, i);
    fits &= other->amount <= resources_get(total, other->name);
  }
  return fits && total->pods > 0;
}

static bool frees_claim(const ClusterState *state, const ClusterEvent *event, const PodInfo *pod)
{
  const char *namespace_ = object_namespace(pod->object);
  if (event->object)
    return strcmp(object_namespace(event->object), namespace_) == 0;
  /* Disks may be shared without a claim. */
  if (!pod->claims)
    return true;
  if (strcmp(object_namespace(event->pod->object), namespace_) != 0)
    return false;
  for (char **name = pod->claims; *name; name++)
    if (event->pod->claims && g_strv_contains((const char *const *)event->pod->claims, *name))
      return true;
  return false;
}

static bool is_own_claim(const ClusterState *state, const ClusterEvent *event, const PodInfo *pod)
{
  if (!event->object || !(event->types & EVENT_CLAIM))
    return true;
  return strcmp(object_namespace(event->object), object_namespace(pod->object)) == 0 && pod->claims &&
         g_strv_contains((const char *const *)pod->claims, object_name(event->object));
}

static bool selects(const ClusterState *state, const Term *term, const PodInfo *pod)
{
  return pod && tally_selects(state->tally, term, pod->pod_class);
}

static bool changes_spread(const ClusterState *state, const ClusterEvent *event, const PodInfo *pod)
{
  if (!event->pod)
    return true;
  for (unsigned i = 0; pod->spread && i < pod->spread->len; i++) {
    const Term *term = g_array_index(pod->spread, SpreadRule, i).term;
    if (selects(state, term, event->pod) || selects(state, term, event->old))
      return true;
  }
  /* Default constraints that are hard: nothing is known of them here. */
  return !pod->spread;
}

static bool has_carried(const ClusterState *state, const PodInfo *carrier, TermSort sort, const PodInfo *selected)
{
  for (unsigned i = 0; carrier && carrier->carried && i < carrier->carried->len; i++) {
    const CarriedTerm *carried = &g_array_index(carrier->carried, CarriedTerm, i);
    if (carried->sort == sort && selects(state, carried->term, selected))
      return true;
  }
  return false;
}

/* Company comes, or who was in the way goes. */
static bool changes_company(const ClusterState *state, const ClusterEvent *event, const PodInfo *pod)
{
  if (!event->pod)
    return true;
  const PodInfo *before = event->types & EVENT_POD_REMOVED ? event->pod : event->old;
  bool comes = !(event->types & EVENT_POD_REMOVED) && has_carried(state, pod, TERM_AFFINE, event->pod);
  bool goes = has_carried(state, pod, TERM_ANTI, before) || has_carried(state, before, TERM_ANTI, pod);
  return comes || goes;
}

static const struct {
  unsigned types;
  Hint helps; /* NULL: always */
} hints[PLUGINS_MAX] = {
  [PLUGIN_NODE_UNSCHEDULABLE] = { EVENT_NODE_ADDED | EVENT_NODE_TAINTS, is_uncordoned },
  [PLUGIN_NODE_NAME] = { EVENT_NODE_ADDED, has_name },
  [PLUGIN_TAINT_TOLERATION] = { EVENT_NODE_ADDED | EVENT_NODE_TAINTS, is_schedulable },
  [PLUGIN_NODE_AFFINITY] = { EVENT_NODE_ADDED | EVENT_NODE_LABELS, is_selected },
  [PLUGIN_NODE_PORTS] = { EVENT_NODE_ADDED | EVENT_POD_REMOVED, frees_port },
  [PLUGIN_RESOURCES_FIT] = { EVENT_NODE_ADDED | EVENT_NODE_ALLOCATABLE | EVENT_POD_REMOVED, makes_room },
  [PLUGIN_VOLUME_RESTRICTIONS] = { EVENT_POD_REMOVED | EVENT_CLAIM, frees_claim },
  [PLUGIN_VOLUME_LIMITS] = { EVENT_CSI_NODE | EVENT_POD_REMOVED | EVENT_CLAIM | EVENT_NODE_ADDED, NULL },
  [PLUGIN_VOLUME_BINDING] = { VOLUME_EVENTS | EVENT_NODE_ADDED | EVENT_NODE_LABELS, is_own_claim },
  [PLUGIN_VOLUME_ZONE] = { VOLUME_EVENTS | EVENT_NODE_ADDED | EVENT_NODE_LABELS, is_own_claim },
  [PLUGIN_TOPOLOGY_SPREAD] = { POD_EVENTS | NODE_EVENTS | EVENT_NODE_REMOVED, changes_spread },
  [PLUGIN_POD_AFFINITY] = { POD_EVENTS | EVENT_NODE_ADDED | EVENT_NODE_LABELS | EVENT_NAMESPACE, changes_company },
};

unsigned cluster_event_plugins(const ClusterEvent *event)
{
  unsigned plugins = 0;
  for (unsigned i = 0; i < PLUGINS_MAX; i++)
    if (hints[i].types & event->types)
      plugins |= 1u << i;
  return plugins;
}

bool cluster_event_helps(const ClusterState *state, const ClusterEvent *event, PluginId plugin, const PodInfo *pod)
{
  return (hints[plugin].types & event->types) && (!hints[plugin].helps || hints[plugin].helps(state, event, pod));
}
