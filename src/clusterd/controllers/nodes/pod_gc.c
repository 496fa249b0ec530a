#include "clusterd/controllers/nodes/pod_gc.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/taint.h"
#include "clusterd/client/work_queue.h"

#define QUARANTINE_US ((int64_t)40 * G_USEC_PER_SEC) /* a node may come back under its name */
#define ENDED_MAX 12500
#define INDEX_NODE "node"
#define OUT_OF_SERVICE "node.kubernetes.io/out-of-service"

/* Keys of the queue. */
#define KEY_NODE "node "      /* its pods, if it is gone or out of service */
#define KEY_UNPLACED "pod "   /* a pod that is to go and has no node */
#define KEY_ENDED "the ended" /* there are too many */

struct PodGcController {
  Client *client;
  Informer *nodes, *pods;
  WorkQueue *queue;
  int64_t quarantine_us;
  int ended_max;
  int n_ended; /* atomic */
};

/* --- what is watched ---------------------------------------------------------------------------------------------
 */

static void queue_key(const PodGcController *controller, const char *what, const char *name, int64_t delay_us)
{
  g_autofree char *key = g_strconcat(what, name, NULL);
  work_queue_add_after(controller->queue, key, delay_us);
}

static bool is_out_of_service(const Object *node)
{
  return taint_find(object_json(node), OUT_OF_SERVICE, "NoExecute") ||
         taint_find(object_json(node), OUT_OF_SERVICE, "NoSchedule");
}

static void on_node(Object *old, Object *new_object, void *data)
{
  PodGcController *controller = data;
  if (!new_object)
    queue_key(controller, KEY_NODE, object_name(old), controller->quarantine_us);
  else if (is_out_of_service(new_object))
    queue_key(controller, KEY_NODE, object_name(new_object), 0);
}

static void count_ended(PodGcController *controller, const Object *old, const Object *new_object)
{
  int before = old && pod_is_finished(object_json(old)), after = new_object && pod_is_finished(object_json(new_object));
  if (before == after)
    return;
  g_atomic_int_add(&controller->n_ended, after - before);
  if (g_atomic_int_get(&controller->n_ended) > controller->ended_max)
    work_queue_add(controller->queue, KEY_ENDED);
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  PodGcController *controller = data;
  count_ended(controller, old, new_object);
  if (!new_object)
    return;
  const char *name = pod_node(object_json(new_object));
  if (!*name) {
    g_autofree char *key = informer_key(new_object);
    if (pod_is_deleting(object_json(new_object)))
      queue_key(controller, KEY_UNPLACED, key, 0);
    return;
  }
  g_autoptr(Object) node = informer_get(controller->nodes, NULL, name);
  if (!node)
    queue_key(controller, KEY_NODE, name, controller->quarantine_us);
  else if (pod_is_deleting(object_json(new_object)) && is_out_of_service(node))
    queue_key(controller, KEY_NODE, name, 0);
}

/* --- deleting ----------------------------------------------------------------------------------------------------
 */

/* WHY (may be NULL) is told in a pod that had not ended. Gone already is fine. */
static bool delete_pod(const PodGcController *controller, const Object *pod, const char *why)
{
  const json_t *old = json_object_get(object_json(pod), "status");
  g_autoptr(json_t) status = old ? json_deep_copy(old) : json_object();
  g_autoptr(GError) error = NULL;
  bool done = true;
  if (!pod_is_finished(object_json(pod))) {
    json_object_set_new(status, "phase", json_string("Failed"));
    if (why)
      condition_set(status, "DisruptionTarget", "True", "DeletionByPodGC", why);
    done = status_write(controller->client, "v1", "pods", pod, status, NULL, &error);
  }
  DeleteOptions now = { .grace_period_seconds = 0, .precondition_uid = object_uid(pod) };
  done = done && client_delete(controller->client, "v1", "pods", object_namespace(pod), object_name(pod), &now, &error);
  if (done || reason_is(error, REASON_NOT_FOUND) || reason_is(error, REASON_CONFLICT))
    return true;
  g_info("Cannot delete pod %s/%s: %s", object_namespace(pod), object_name(pod), error->message);
  return false;
}

/* Of a node that is gone all pods, of one that is out of service and not ready those that were told to go. */
static bool clear_node(const PodGcController *controller, const char *name)
{
  g_autoptr(Object) node = client_get(controller->client, "v1", "nodes", NULL, name, NULL);
  bool dead =
      node && is_out_of_service(node) && !condition_is(json_object_get(object_json(node), "status"), "Ready", "True");
  bool done = true;
  if (node && !dead)
    return true;
  g_autoptr(GPtrArray) pods = informer_by_index(controller->pods, INDEX_NODE, name);
  for (unsigned i = 0; i < pods->len; i++) {
    const Object *pod = g_ptr_array_index(pods, i);
    if (!node)
      done &= delete_pod(controller, pod, "PodGC: node no longer exists");
    else if (pod_is_deleting(object_json(pod)))
      done &= delete_pod(controller, pod, NULL);
  }
  return done;
}

static bool clear_unplaced(const PodGcController *controller, const char *key)
{
  g_autofree char *namespace_ = NULL, *name = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) pod = informer_get(controller->pods, namespace_, name);
  return !pod || *pod_node(object_json(pod)) || !pod_is_deleting(object_json(pod)) || delete_pod(controller, pod, NULL);
}

static bool is_evicted(const json_t *pod)
{
  const json_t *status = json_object_get(pod, "status");
  return strcmp(json_str(status, "phase", ""), "Failed") == 0 && strcmp(json_str(status, "reason", ""), "Evicted") == 0;
}

/* Evicted ones first, then the oldest. */
static int compare_ended(const void *a, const void *b)
{
  const json_t *left = object_json(*(Object *const *)a), *right = object_json(*(Object *const *)b);
  if (is_evicted(left) != is_evicted(right))
    return is_evicted(left) ? -1 : 1;
  int order = strcmp(json_str(json_object_get(left, "metadata"), "creationTimestamp", ""),
                     json_str(json_object_get(right, "metadata"), "creationTimestamp", ""));
  return order ? order : strcmp(object_name(*(Object *const *)a), object_name(*(Object *const *)b));
}

static bool clear_ended(const PodGcController *controller)
{
  g_autoptr(GPtrArray) pods = informer_list(controller->pods);
  bool done = true;
  for (unsigned i = pods->len; i-- > 0;)
    if (!pod_is_finished(object_json(g_ptr_array_index(pods, i))))
      g_ptr_array_remove_index_fast(pods, i);
  g_ptr_array_sort(pods, compare_ended);
  unsigned kept = (unsigned)controller->ended_max;
  for (unsigned i = 0; pods->len > kept && i < pods->len - kept; i++)
    done &= delete_pod(controller, g_ptr_array_index(pods, i), NULL);
  return done;
}

static bool reconcile(const char *key, void *data)
{
  PodGcController *controller = data;
  if (g_str_has_prefix(key, KEY_NODE))
    return clear_node(controller, key + strlen(KEY_NODE));
  if (g_str_has_prefix(key, KEY_UNPLACED))
    return clear_unplaced(controller, key + strlen(KEY_UNPLACED));
  return clear_ended(controller);
}

PodGcController *pod_gc_controller_new(const ControllerContext *context)
{
  const ControllerTimes *times = &context->config->times;
  PodGcController *controller = g_new0(PodGcController, 1);
  controller->quarantine_us = times->pod_quarantine_us ? times->pod_quarantine_us : QUARANTINE_US;
  controller->ended_max = times->ended_pods_max ? (int)times->ended_pods_max : ENDED_MAX;
  controller->client = client_new(context->registry, "pod-garbage-collector");
  controller->nodes = informer_set_get(context->informers, "v1", "nodes");
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->queue = work_queue_new("pod-gc", 1, reconcile, controller);
  informer_add_index(controller->pods, INDEX_NODE, informer_index_by_node);
  informer_add_handler(controller->nodes, on_node, controller);
  informer_add_handler(controller->pods, on_pod, controller);
  work_queue_start(controller->queue);
  return controller;
}

void pod_gc_controller_free(PodGcController *controller)
{
  work_queue_free(controller->queue);
  client_free(controller->client);
  g_free(controller);
}
