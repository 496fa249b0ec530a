#include "clusterd/controllers/nodes/node_lifecycle.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/recorder.h"
#include "clusterd/client/taint.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/controllers/nodes/node_zones.h"

#define GRACE_US ((int64_t)50 * G_USEC_PER_SEC)
#define STARTUP_GRACE_US ((int64_t)60 * G_USEC_PER_SEC) /* of a node that has never said how it is */
#define GRACE_SLACK 50                                  /* this part of it is added */
#define LEASE_NAMESPACE "kube-node-lease"
#define INDEX_NODE "node"
#define PREFIX "node.kubernetes.io/"

struct NodeLifecycleController {
  Client *client;
  Recorder *recorder;
  Informer *nodes, *leases, *pods;
  WorkQueue *queue;
  int64_t grace_us, startup_grace_us;
  GHashTable *next_given_up; /* zone → int64_t*, monotonic time; the one worker alone */
  GHashTable *unready;       /* names of nodes; the informer's thread alone */

  GMutex lock;
  GHashTable *seen; /* node → int64_t*, monotonic time of the last sign of life; guarded by lock */
};

static void note_life(NodeLifecycleController *controller, const char *node)
{
  int64_t *now_us = g_new(int64_t, 1);
  *now_us = g_get_monotonic_time();
  g_mutex_lock(&controller->lock);
  g_hash_table_insert(controller->seen, g_strdup(node), now_us);
  g_mutex_unlock(&controller->lock);
}

static int64_t last_seen(NodeLifecycleController *controller, const char *node)
{
  g_mutex_lock(&controller->lock);
  const int64_t *seen_us = g_hash_table_lookup(controller->seen, node);
  int64_t result = seen_us ? *seen_us : g_get_monotonic_time();
  g_mutex_unlock(&controller->lock);
  return result;
}

static const json_t *heartbeat_of(const Object *node)
{
  const json_t *ready = condition_get(json_object_get(object_json(node), "status"), "Ready");
  return json_object_get(ready, "lastHeartbeatTime");
}

static bool is_ready(const Object *node)
{
  return condition_is(json_object_get(object_json(node), "status"), "Ready", "True");
}

/* It has said how it is, and is not ready. */
static bool is_unready(const Object *node)
{
  return condition_get(json_object_get(object_json(node), "status"), "Ready") && !is_ready(node);
}

/* One more or one less that is ready: how fast the others are given up may be another question now. */
static void note_readiness(NodeLifecycleController *controller, const Object *old, const Object *new_object)
{
  if (new_object && is_unready(new_object))
    g_hash_table_add(controller->unready, g_strdup(object_name(new_object)));
  else
    g_hash_table_remove(controller->unready, object_name(new_object ? new_object : old));
  if ((old && is_ready(old)) == (new_object && is_ready(new_object)))
    return;
  GHashTableIter iter;
  gpointer name;
  g_hash_table_iter_init(&iter, controller->unready);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    work_queue_add(controller->queue, name);
}

static void tell(const NodeLifecycleController *controller, const Object *node, const char *reason, const char *doing,
                 const char *end)
{
  recorder_event(controller->recorder, object_json(node), NULL, "Normal", reason,
                 "Node %s event: %s Node %s %s Controller", object_name(node), doing, object_name(node), end);
}

static void on_node(Object *old, Object *new_object, void *data)
{
  NodeLifecycleController *controller = data;
  note_readiness(controller, old, new_object);
  if (!old)
    tell(controller, new_object, "RegisteredNode", "Registered", "in");
  if (!new_object) {
    tell(controller, old, "RemovingNode", "Removing", "from");
    g_mutex_lock(&controller->lock);
    g_hash_table_remove(controller->seen, object_name(old));
    g_mutex_unlock(&controller->lock);
    return;
  }
  if (!old || !json_same(heartbeat_of(old), heartbeat_of(new_object)))
    note_life(controller, object_name(new_object));
  if (!old ||
      !json_same(json_at(object_json(old), "status", "conditions", NULL),
                 json_at(object_json(new_object), "status", "conditions", NULL)) ||
      !json_same(json_object_get(object_json(old), "spec"), json_object_get(object_json(new_object), "spec")))
    work_queue_add(controller->queue, object_name(new_object));
}

static void on_lease(Object *old, Object *new_object, void *data)
{
  NodeLifecycleController *controller = data;
  if (new_object && strcmp(object_namespace(new_object), LEASE_NAMESPACE) == 0)
    note_life(controller, object_name(new_object));
}

/* --- a node that went silent ------------------------------------------------------------------------------------ */

static bool mark_unknown(const NodeLifecycleController *controller, const Object *node, GError **error)
{
  static const char *const types[] = { "Ready", "MemoryPressure", "DiskPressure", "PIDPressure" };
  const json_t *old = json_object_get(object_json(node), "status");
  g_autoptr(json_t) status = old ? json_deep_copy(old) : json_object();
  for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
    if (condition_get(status, types[i]))
      condition_set(status, types[i], "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.");
    else
      condition_set(status, types[i], "Unknown", "NodeStatusNeverUpdated", "Kubelet never posted node status.");
  }
  int64_t revision;
  if (!status_write(controller->client, "v1", "nodes", node, status, &revision, error))
    return false;
  if (revision)
    informer_wait_revision(controller->nodes, revision); /* who counts the silent nodes counts this one */
  return true;
}

/* Pods of a node that is not ready get no traffic, whatever they last said. */
static void mark_pods(const NodeLifecycleController *controller, const Object *node)
{
  g_autoptr(GPtrArray) pods = informer_by_index(controller->pods, INDEX_NODE, object_name(node));
  for (unsigned i = 0; i < pods->len; i++) {
    const Object *pod = g_ptr_array_index(pods, i);
    const json_t *old = json_object_get(object_json(pod), "status");
    if (!pod_is_ready(object_json(pod)))
      continue;
    g_autoptr(json_t) status = json_deep_copy(old);
    condition_set(status, "Ready", "False", NULL, NULL);
    g_autoptr(GError) error = NULL;
    if (status_write(controller->client, "v1", "pods", pod, status, NULL, &error))
      recorder_event(controller->recorder, object_json(pod), NULL, "Warning", "NodeNotReady", "Node is not ready");
  }
}

/* --- taints ----------------------------------------------------------------------------------------------------- */

typedef struct Taint {
  const char *key, *effect;
} Taint;

/* All taints this controller gives and takes, with what each follows from. */
static bool is_wanted(const json_t *node, const Taint *taint)
{
  const json_t *status = json_object_get(node, "status");
  const char *name = taint->key + strlen(PREFIX);
  const char *ready = json_str(condition_get(status, "Ready"), "status", "");
  if (strcmp(name, "not-ready") == 0)
    return strcmp(ready, "False") == 0;
  if (strcmp(name, "unreachable") == 0)
    return strcmp(ready, "Unknown") == 0;
  if (strcmp(name, "memory-pressure") == 0)
    return condition_is(status, "MemoryPressure", "True");
  if (strcmp(name, "disk-pressure") == 0)
    return condition_is(status, "DiskPressure", "True");
  if (strcmp(name, "pid-pressure") == 0)
    return condition_is(status, "PIDPressure", "True");
  if (strcmp(name, "network-unavailable") == 0)
    return condition_is(status, "NetworkUnavailable", "True");
  return json_flag(json_object_get(node, "spec"), "unschedulable", false);
}

static const Taint taints[] = {
  { PREFIX "not-ready", "NoSchedule" },       { PREFIX "not-ready", "NoExecute" },
  { PREFIX "unreachable", "NoSchedule" },     { PREFIX "unreachable", "NoExecute" },
  { PREFIX "memory-pressure", "NoSchedule" }, { PREFIX "disk-pressure", "NoSchedule" },
  { PREFIX "pid-pressure", "NoSchedule" },    { PREFIX "network-unavailable", "NoSchedule" },
  { PREFIX "unschedulable", "NoSchedule" },
};

static void add_taint(json_t *node, const Taint *taint)
{
  json_t *spec = json_ensure_object(node, "spec", NULL), *list = json_object_get(spec, "taints");
  if (!list)
    json_object_set_new(spec, "taints", list = json_array());
  g_autofree char *now = timestamp_now();
  json_array_append_new(list,
                        json_pack("{s:s, s:s, s:s}", "key", taint->key, "effect", taint->effect, "timeAdded", now));
}

static void remove_taint(json_t *node, const json_t *taint)
{
  json_t *list = json_at(node, "spec", "taints", NULL);
  for (size_t i = json_array_size(list); i-- > 0;)
    if (json_array_get(list, i) == taint)
      json_array_remove(list, i);
  if (json_array_size(list) == 0)
    json_object_del(json_object_get(node, "spec"), "taints");
}

/* Whether pods may be driven off: of a node that is to be given up, and not while no node at all answers. */
typedef struct TaintChange {
  bool may_add, must_drop;
} TaintChange;

static bool is_execute(const Taint *taint)
{
  return strcmp(taint->effect, "NoExecute") == 0;
}

static bool is_given_up(const json_t *node)
{
  return taint_find(node, PREFIX "not-ready", "NoExecute") || taint_find(node, PREFIX "unreachable", "NoExecute");
}

static bool change_taints(json_t *node, void *data)
{
  const TaintChange *change = data;
  bool changed = false, may_add = change->may_add || is_given_up(node);
  /* Before the kubelet's first word, the taint the node was registered with stays. */
  if (!condition_get(json_object_get(node, "status"), "Ready"))
    return false;
  for (size_t i = 0; i < G_N_ELEMENTS(taints); i++) {
    json_t *known = taint_find(node, taints[i].key, taints[i].effect);
    bool wanted = is_wanted(node, &taints[i]) && !(is_execute(&taints[i]) && change->must_drop);
    if (wanted && !known && is_execute(&taints[i]) && !may_add)
      continue;
    if (wanted && !known)
      add_taint(node, &taints[i]);
    else if (!wanted && known)
      remove_taint(node, known);
    changed |= wanted != (known != NULL);
  }
  return changed;
}

/* --- how fast nodes are given up -------------------------------------------------------------------------------- */

/* True when ZONE may give up a node now; else its turn comes later, with KEY. */
static bool take_turn(NodeLifecycleController *controller, const char *key, const char *zone, int64_t interval_us)
{
  int64_t now_us = g_get_monotonic_time(), *next_us = g_hash_table_lookup(controller->next_given_up, zone);
  if (interval_us == 0)
    return false; /* until the zone is better */
  if (next_us && *next_us > now_us) {
    work_queue_add_after(controller->queue, key, *next_us - now_us);
    return false;
  }
  int64_t *then_us = g_new(int64_t, 1);
  *then_us = now_us + interval_us;
  g_hash_table_replace(controller->next_given_up, g_strdup(zone), then_us);
  return true;
}

static TaintChange decide(NodeLifecycleController *controller, const Object *node, bool silent)
{
  TaintChange change = { 0 };
  /* a node that has not said anything yet takes nobody's turn */
  if (!silent && (is_ready(node) || !condition_get(json_object_get(object_json(node), "status"), "Ready")))
    return change;
  g_autoptr(GPtrArray) nodes = informer_list(controller->nodes);
  g_autoptr(NodeZones) zones = node_zones_new(nodes);
  g_autofree char *zone = node_zone(object_json(node));
  change.must_drop = node_zones_all_silent(zones);
  change.may_add =
      !change.must_drop && (is_given_up(object_json(node)) ||
                            take_turn(controller, object_name(node), zone, node_zones_interval_us(zones, zone)));
  return change;
}

/* --- one node --------------------------------------------------------------------------------------------------- */

static bool sync_node(NodeLifecycleController *controller, const Object *node, GError **error)
{
  const json_t *status = json_object_get(object_json(node), "status");
  int64_t grace_us = condition_get(status, "Ready") ? controller->grace_us : controller->startup_grace_us;
  int64_t missing_us = last_seen(controller, object_name(node)) + grace_us - g_get_monotonic_time();
  bool is_known = !condition_is(status, "Ready", "Unknown");
  if (missing_us > 0)
    work_queue_add_after(controller->queue, object_name(node), missing_us + grace_us / GRACE_SLACK);
  else if (is_known && !mark_unknown(controller, node, error))
    return false;
  TaintChange change = decide(controller, node, missing_us <= 0);
  g_autoptr(Object) stored =
      client_modify(controller->client, "v1", "nodes", NULL, object_name(node), NULL, change_taints, &change, error);
  if (!stored)
    return false;
  const json_t *now = json_object_get(object_json(stored), "status");
  if (condition_get(now, "Ready") && !condition_is(now, "Ready", "True")) {
    if (condition_is(status, "Ready", "True"))
      recorder_event(controller->recorder, object_json(node), NULL, "Normal", "NodeNotReady",
                     "Node %s status is now: NodeNotReady", object_name(node));
    mark_pods(controller, node);
  }
  return true;
}

static bool reconcile(const char *key, void *data)
{
  NodeLifecycleController *controller = data;
  g_autoptr(Object) node = informer_get(controller->nodes, NULL, key);
  g_autoptr(GError) error = NULL;
  if (!node || sync_node(controller, node, &error) || reason_is(error, REASON_NOT_FOUND))
    return true;
  g_info("Node %s: %s", key, error->message);
  return false;
}

NodeLifecycleController *node_lifecycle_controller_new(const ControllerContext *context)
{
  NodeLifecycleController *controller = g_new0(NodeLifecycleController, 1);
  controller->client = client_new(context->registry, "node-controller");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->nodes = informer_set_get(context->informers, "v1", "nodes");
  controller->leases = informer_set_get(context->informers, "coordination.k8s.io/v1", "leases");
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->queue = work_queue_new("nodes", 1, reconcile, controller);
  controller->grace_us = context->config->times.node_grace_us ? context->config->times.node_grace_us : GRACE_US;
  controller->startup_grace_us =
      context->config->times.node_grace_us ? context->config->times.node_grace_us : STARTUP_GRACE_US;
  controller->unready = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  controller->next_given_up = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  controller->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_mutex_init(&controller->lock);
  informer_add_index(controller->pods, INDEX_NODE, informer_index_by_node);
  informer_add_handler(controller->nodes, on_node, controller);
  informer_add_handler(controller->leases, on_lease, controller);
  work_queue_start(controller->queue);
  return controller;
}

void node_lifecycle_controller_free(NodeLifecycleController *controller)
{
  work_queue_free(controller->queue);
  recorder_free(controller->recorder);
  client_free(controller->client);
  g_hash_table_destroy(controller->unready);
  g_hash_table_destroy(controller->next_given_up);
  g_hash_table_destroy(controller->seen);
  g_mutex_clear(&controller->lock);
  g_free(controller);
}
