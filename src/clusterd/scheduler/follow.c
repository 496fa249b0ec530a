/* What changes in the cluster: kept in the state, and told to pods that wait for it. */
#include <string.h>

#include "base/json.h"
#include "clusterd/client/pod.h"
#include "clusterd/scheduler/scheduler_private.h"

static const struct {
  const char *api_version, *plural;
} kinds[SCHEDULER_KINDS] = {
  [SCHEDULER_NODES] = { "v1", "nodes" },
  [SCHEDULER_PODS] = { "v1", "pods" },
  [SCHEDULER_NAMESPACES] = { "v1", "namespaces" },
  [SCHEDULER_CLAIMS] = { "v1", "persistentvolumeclaims" },
  [SCHEDULER_VOLUMES] = { "v1", "persistentvolumes" },
  [SCHEDULER_CLASSES] = { "storage.k8s.io/v1", "storageclasses" },
  [SCHEDULER_CSI_NODES] = { "storage.k8s.io/v1", "csinodes" },
  [SCHEDULER_SERVICES] = { "v1", "services" },
  [SCHEDULER_CONTROLLERS] = { "v1", "replicationcontrollers" },
  [SCHEDULER_REPLICA_SETS] = { "apps/v1", "replicasets" },
  [SCHEDULER_STATEFUL_SETS] = { "apps/v1", "statefulsets" },
  [SCHEDULER_BUDGETS] = { "policy/v1", "poddisruptionbudgets" },
};

typedef struct Followed {
  Scheduler *scheduler;
  SchedulerKind kind;
} Followed;

static void on_change(Object *old, Object *now, void *data)
{
  const Followed *followed = data;
  scheduler_notify(followed->scheduler, (Notice){ .type = NOTICE_CHANGE,
                                                  .kind = followed->kind,
                                                  .old = old ? object_ref(old) : NULL,
                                                  .now = now ? object_ref(now) : NULL });
}

void follow_start(Scheduler *scheduler, InformerSet *informers)
{
  scheduler->followed = g_ptr_array_new_with_free_func(g_free);
  for (unsigned kind = 0; kind < SCHEDULER_KINDS; kind++) {
    Followed *followed = g_new(Followed, 1);
    *followed = (Followed){ .scheduler = scheduler, .kind = kind };
    g_ptr_array_add(scheduler->followed, followed);
    scheduler->informers[kind] = informer_set_get(informers, kinds[kind].api_version, kinds[kind].plural);
    informer_add_handler(scheduler->informers[kind], on_change, followed);
  }
}

/* --- pods ------------------------------------------------------------------------------------------------------- */

static bool is_ours(const Scheduler *scheduler, const json_t *pod)
{
  const char *name = json_str(json_object_get(pod, "spec"), "schedulerName", DEFAULT_SCHEDULER_NAME);
  return scheduler_config_find(scheduler->config, name) != NULL;
}

static bool is_gated(const json_t *pod)
{
  return json_array_size(json_at(pod, "spec", "schedulingGates", NULL)) > 0;
}

/* The pod UID counts on no node any more. */
static void forget_placed(Scheduler *scheduler, const char *uid)
{
  PodInfo *known = g_hash_table_lookup(scheduler->state->pods, uid);
  if (!known)
    return;
  pod_info_ref(known);
  cluster_state_remove_pod(scheduler->state, uid);
  scheduler_wake(scheduler, &(ClusterEvent){ .types = EVENT_POD_REMOVED, .pod = known });
  pod_info_unref(scheduler->state->tally, known);
}

static void forget_pending(Scheduler *scheduler, const char *uid)
{
  PodInfo *known = pod_queue_get(scheduler->queue, uid);
  if (!known)
    return;
  cluster_state_nominate(scheduler->state, known, NULL);
  pod_queue_remove(scheduler->queue, uid);
}

static bool has_same_labels(const PodInfo *known, const Object *pod)
{
  return json_same(pod_info_labels(known), json_at(object_json(pod), "metadata", "labels", NULL));
}

/* A pod on a node: its room counts until it has finished. */
static void note_placed(Scheduler *scheduler, Object *pod)
{
  ClusterState *state = scheduler->state;
  const char *uid = object_uid(pod), *name = pod_node(object_json(pod));
  forget_pending(scheduler, uid);
  if (pod_is_finished(object_json(pod))) {
    forget_placed(scheduler, uid);
    return;
  }
  PodInfo *known = g_hash_table_lookup(state->pods, uid);
  bool is_there = known && strcmp(known->node->name, name) == 0;
  /* What a pod on a node asks for does not change. */
  if (is_there && has_same_labels(known, pod) && known->ending == pod_is_deleting(object_json(pod))) {
    /* Its status may matter to preemption. */
    g_hash_table_steal(known->node->pods, uid);
    object_unref(known->object);
    known->object = object_ref(pod);
    g_hash_table_insert(known->node->pods, (char *)(uintptr_t)object_uid(pod), known);
    return;
  }
  if (known)
    pod_info_ref(known);
  PodInfo *info = pod_info_new(state->tally, pod);
  cluster_state_add_pod(state, info, name);
  scheduler_wake(scheduler,
                 &(ClusterEvent){ .types = is_there ? EVENT_POD_LABELS : EVENT_POD_ADDED, .pod = info, .old = known });
  pod_info_unref(state->tally, info);
  if (known)
    pod_info_unref(state->tally, known);
}

/* What other clients wrote of a node promised to the pod; this scheduler's own promise is newer. */
static void take_nomination(Scheduler *scheduler, PodInfo *info)
{
  const char *uid = object_uid(info->object), *own = cluster_state_nomination(scheduler->state, uid);
  const char *stored = json_str(json_object_get(object_json(info->object), "status"), "nominatedNodeName", "");
  g_autofree char *name = g_strdup(own ? own : stored);
  if (*name)
    cluster_state_nominate(scheduler->state, info, name);
}

static void note_pending(Scheduler *scheduler, Object *pod)
{
  const json_t *value = object_json(pod);
  const char *uid = object_uid(pod);
  /* Placed already; its binding is on the way. */
  if (g_hash_table_contains(scheduler->state->pods, uid) && !pod_is_deleting(value) && !pod_is_finished(value))
    return;
  if (!is_ours(scheduler, value) || pod_is_finished(value) || pod_is_deleting(value) || is_gated(value)) {
    forget_placed(scheduler, uid);
    forget_pending(scheduler, uid);
    return;
  }
  PodInfo *known = pod_queue_get(scheduler->queue, uid);
  /* A change of what the pod asks for may make it fit; our own words in its status do not. */
  bool retry =
      known && !(has_same_labels(known, pod) && json_same(pod_info_spec(known), json_object_get(value, "spec")));
  PodInfo *info = pod_info_new(scheduler->state->tally, pod);
  take_nomination(scheduler, info);
  pod_queue_put(scheduler->queue, info, retry, g_get_monotonic_time());
  pod_info_unref(scheduler->state->tally, info);
}

static bool is_outdated(const Scheduler *scheduler, const Object *pod)
{
  const PodInfo *known = pod_queue_get(scheduler->queue, object_uid(pod));
  if (!known)
    known = g_hash_table_lookup(scheduler->state->pods, object_uid(pod));
  return known && object_revision(known->object) > object_revision(pod);
}

static void change_pod(Scheduler *scheduler, Object *old, Object *now)
{
  /* A pod of the same name may have been replaced between two events. */
  if (old && (!now || strcmp(object_uid(old), object_uid(now)) != 0)) {
    forget_placed(scheduler, object_uid(old));
    forget_pending(scheduler, object_uid(old));
  }
  if (!now || is_outdated(scheduler, now))
    return;
  if (*pod_node(object_json(now)))
    note_placed(scheduler, now);
  else
    note_pending(scheduler, now);
}

/* --- the others ------------------------------------------------------------------------------------------------- */

static void change_node(Scheduler *scheduler, Object *old, Object *now)
{
  static const struct {
    NodeChange change;
    EventType event;
  } map[] = { { NODE_CHANGE_ADDED, EVENT_NODE_ADDED },
              { NODE_CHANGE_ALLOCATABLE, EVENT_NODE_ALLOCATABLE },
              { NODE_CHANGE_LABELS, EVENT_NODE_LABELS },
              { NODE_CHANGE_TAINTS, EVENT_NODE_TAINTS } };
  ClusterState *state = scheduler->state;
  if (!now) {
    cluster_state_remove_node(state, object_name(old));
    scheduler_wake(scheduler, &(ClusterEvent){ .types = EVENT_NODE_REMOVED });
    return;
  }
  const NodeInfo *known = cluster_state_node(state, object_name(now));
  if (known && known->node && object_revision(known->node) > object_revision(now))
    return;
  NodeChange change = cluster_state_set_node(state, now);
  ClusterEvent event = { .node = cluster_state_node(state, object_name(now)) };
  for (size_t i = 0; i < G_N_ELEMENTS(map); i++)
    event.types |= change & map[i].change ? map[i].event : 0;
  if (event.types)
    scheduler_wake(scheduler, &event);
}

/* A volume that says whose it is need not be taken for granted any more. */
static void settle_volume(Scheduler *scheduler, const Object *volume, bool is_gone)
{
  if (is_gone || json_at(object_json(volume), "spec", "claimRef", NULL))
    g_hash_table_remove(scheduler->state->assumed_volumes, object_name(volume));
}

static void change_other(Scheduler *scheduler, SchedulerKind kind, Object *old, Object *now)
{
  static const unsigned events[SCHEDULER_KINDS] = {
    [SCHEDULER_NAMESPACES] = EVENT_NAMESPACE, [SCHEDULER_CLAIMS] = EVENT_CLAIM,
    [SCHEDULER_VOLUMES] = EVENT_VOLUME,       [SCHEDULER_CLASSES] = EVENT_CLASS,
    [SCHEDULER_CSI_NODES] = EVENT_CSI_NODE,
  };
  Object *object = now ? now : old;
  Object *known = object_table_get(&scheduler->state->tables[kind], object_namespace(object), object_name(object));
  if (now && known && object_revision(known) > object_revision(now))
    return;
  if (now)
    cluster_state_set_object(scheduler->state, kind, now);
  else
    cluster_state_remove_object(scheduler->state, kind, old);
  if (kind == SCHEDULER_VOLUMES)
    settle_volume(scheduler, object, !now);
  if (kind == SCHEDULER_CLAIMS)
    binding_check_volumes(scheduler, g_get_monotonic_time());
  if (now && events[kind])
    scheduler_wake(scheduler, &(ClusterEvent){ .types = events[kind], .object = now });
}

void follow_change(Scheduler *scheduler, SchedulerKind kind, Object *old, Object *now)
{
  if (kind == SCHEDULER_PODS)
    change_pod(scheduler, old, now);
  else if (kind == SCHEDULER_NODES)
    change_node(scheduler, old, now);
  else
    change_other(scheduler, kind, old, now);
}

/* Informers tell of one kind after the other, in no order. No pod may be placed on half a picture: what they hold is
 * taken over whole when the first of them speaks. What they tell of it later is known by then. */
void follow_seed(Scheduler *scheduler)
{
  for (unsigned i = 0; i < SCHEDULER_KINDS; i++) {
    /* Pods last: those that wait are placed on everything else. */
    SchedulerKind kind = (SCHEDULER_PODS + 1 + i) % SCHEDULER_KINDS;
    g_autoptr(GPtrArray) objects = informer_list(scheduler->informers[kind]);
    for (unsigned k = 0; k < objects->len; k++)
      follow_change(scheduler, kind, NULL, g_ptr_array_index(objects, k));
  }
  scheduler->is_seeded = true;
}
