#include "clusterd/controllers/nodes/taint_eviction.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/recorder.h"
#include "clusterd/client/taint.h"
#include "clusterd/client/work_queue.h"

#define INDEX_NODE "node"

struct TaintEvictionController {
  Client *client;
  Recorder *recorder;
  Informer *nodes, *pods;
  WorkQueue *queue;
};

/* The shortest tolerationSeconds of what tolerates TAINT: -1 for ever, -2 nothing does. */
static int64_t tolerated_seconds(const json_t *pod, const json_t *taint)
{
  int64_t seconds = -2;
  size_t i;
  json_t *toleration;
  json_array_foreach (json_at(pod, "spec", "tolerations", NULL), i, toleration) {
    if (!taint_is_tolerated_by(taint, toleration))
      continue;
    int64_t own =
        json_object_get(toleration, "tolerationSeconds") ? MAX(json_int(toleration, "tolerationSeconds", 0), 0) : -1;
    if (own < 0)
      seconds = MAX(seconds, own);
    else
      seconds = seconds < 0 ? own : MIN(seconds, own);
  }
  return seconds;
}

int64_t taint_eviction_delay(const json_t *pod, const json_t *node, int64_t now_us)
{
  int64_t delay_us = -1;
  size_t i;
  json_t *taint;
  json_array_foreach (json_at(node, "spec", "taints", NULL), i, taint) {
    if (strcmp(json_str(taint, "effect", ""), "NoExecute") != 0)
      continue;
    int64_t seconds = tolerated_seconds(pod, taint), added_us = now_us;
    if (seconds == -2)
      return 0;
    if (seconds == -1)
      continue;
    timestamp_parse(json_str(taint, "timeAdded", NULL), &added_us);
    int64_t own_us = MAX(added_us + seconds * G_USEC_PER_SEC - now_us, 0);
    delay_us = delay_us < 0 ? own_us : MIN(delay_us, own_us);
  }
  return delay_us;
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  TaintEvictionController *controller = data;
  if (!new_object || !*pod_node(object_json(new_object)) || (old && *pod_node(object_json(old))))
    return;
  g_autofree char *key = informer_key(new_object);
  work_queue_add(controller->queue, key);
}

static void on_node(Object *old, Object *new_object, void *data)
{
  TaintEvictionController *controller = data;
  if (!new_object || (old && json_same(json_at(object_json(old), "spec", "taints", NULL),
                                       json_at(object_json(new_object), "spec", "taints", NULL))))
    return;
  g_autoptr(GPtrArray) pods = informer_by_index(controller->pods, INDEX_NODE, object_name(new_object));
  for (unsigned i = 0; i < pods->len; i++) {
    g_autofree char *key = informer_key(g_ptr_array_index(pods, i));
    work_queue_add(controller->queue, key);
  }
}

static bool evict(const TaintEvictionController *controller, const Object *pod, GError **error)
{
  const json_t *old = json_object_get(object_json(pod), "status");
  g_autoptr(json_t) status = old ? json_deep_copy(old) : json_object();
  recorder_event(controller->recorder, object_json(pod), NULL, "Normal", "TaintManagerEviction",
                 "Marking for deletion Pod %s/%s", object_namespace(pod), object_name(pod));
  condition_set(status, "DisruptionTarget", "True", "DeletionByTaintManager",
                "Taint manager: deleting due to NoExecute taint");
  DeleteOptions options = { .grace_period_seconds = -1, .precondition_uid = object_uid(pod) };
  return status_write(controller->client, "v1", "pods", pod, status, NULL, error) &&
         client_delete(controller->client, "v1", "pods", object_namespace(pod), object_name(pod), &options, error);
}

static bool reconcile(const char *key, void *data)
{
  TaintEvictionController *controller = data;
  g_autofree char *namespace_ = NULL, *name = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) pod = informer_get(controller->pods, namespace_, name);
  g_autoptr(Object) node = pod && !pod_is_deleting(object_json(pod))
                               ? informer_get(controller->nodes, NULL, pod_node(object_json(pod)))
                               : NULL;
  if (!node)
    return true;
  int64_t delay_us = taint_eviction_delay(object_json(pod), object_json(node), timestamp_now_us());
  g_autoptr(GError) error = NULL;
  if (delay_us > 0)
    work_queue_add_after(controller->queue, key, delay_us);
  if (delay_us != 0 || evict(controller, pod, &error) || reason_is(error, REASON_NOT_FOUND) ||
      reason_is(error, REASON_CONFLICT))
    return true;
  g_info("Cannot evict pod %s: %s", key, error->message);
  return false;
}

TaintEvictionController *taint_eviction_controller_new(const ControllerContext *context)
{
  TaintEvictionController *controller = g_new0(TaintEvictionController, 1);
  controller->client = client_new(context->registry, "taint-eviction-controller");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->nodes = informer_set_get(context->informers, "v1", "nodes");
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->queue = work_queue_new("taint-eviction", 1, reconcile, controller);
  informer_add_index(controller->pods, INDEX_NODE, informer_index_by_node);
  informer_add_handler(controller->nodes, on_node, controller);
  informer_add_handler(controller->pods, on_pod, controller);
  work_queue_start(controller->queue);
  return controller;
}

void taint_eviction_controller_free(TaintEvictionController *controller)
{
  work_queue_free(controller->queue);
  recorder_free(controller->recorder);
  client_free(controller->client);
  g_free(controller);
}
