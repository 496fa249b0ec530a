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

#define GRACE_US ((int64_t)50 * G_USEC_PER_SEC)
#define LEASE_NAMESPACE "kube-node-lease"
#define INDEX_NODE "node"
#define PREFIX "node.kubernetes.io/"

struct NodeLifecycleController {
  Client *client;
  Recorder *recorder;
  Informer *nodes, *leases, *pods;
  WorkQueue *queue;

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

static void on_node(Object *old, Object *new_object, void *data)
{
  NodeLifecycleController *controller = data;
  if (!new_object) {
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
  return status_write(controller->client, "v1", "nodes", node, status, NULL, error);
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

static bool change_taints(json_t *node, void *data)
{
  bool changed = false;
  /* Before the kubelet's first word, the taint the node was registered with stays. */
  if (!condition_get(json_object_get(node, "status"), "Ready"))
    return false;
  for (size_t i = 0; i < G_N_ELEMENTS(taints); i++) {
    json_t *known = taint_find(node, taints[i].key, taints[i].effect);
    bool wanted = is_wanted(node, &taints[i]);
    if (wanted && !known)
      add_taint(node, &taints[i]);
    else if (!wanted && known)
      remove_taint(node, known);
    changed |= wanted != (known != NULL);
  }
  return changed;
}

static bool sync_node(NodeLifecycleController *controller, const Object *node, GError **error)
{
  const json_t *status = json_object_get(object_json(node), "status");
  int64_t missing_us = last_seen(controller, object_name(node)) + GRACE_US - g_get_monotonic_time();
  bool is_known = !condition_is(status, "Ready", "Unknown");
  if (missing_us > 0)
    work_queue_add_after(controller->queue, object_name(node), missing_us + G_USEC_PER_SEC);
  else if (is_known && !mark_unknown(controller, node, error))
    return false;
  g_autoptr(Object) stored =
      client_modify(controller->client, "v1", "nodes", NULL, object_name(node), NULL, change_taints, NULL, error);
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
  g_hash_table_destroy(controller->seen);
  g_mutex_clear(&controller->lock);
  g_free(controller);
}
