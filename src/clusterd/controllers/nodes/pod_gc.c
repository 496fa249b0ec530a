#include "clusterd/controllers/nodes/pod_gc.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/work_queue.h"

#define QUARANTINE_US ((int64_t)40 * G_USEC_PER_SEC) /* a node may come back under its name */
#define INDEX_NODE "node"

struct PodGcController {
  Client *client;
  Informer *nodes, *pods;
  WorkQueue *queue;
};

static void on_node(Object *old, Object *new_object, void *data)
{
  PodGcController *controller = data;
  if (!new_object)
    work_queue_add_after(controller->queue, object_name(old), QUARANTINE_US);
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  PodGcController *controller = data;
  const char *name = new_object ? pod_node(object_json(new_object)) : "";
  if (!*name)
    return;
  g_autoptr(Object) node = informer_get(controller->nodes, NULL, name);
  if (!node)
    work_queue_add_after(controller->queue, name, QUARANTINE_US);
}

static bool delete_pod(const PodGcController *controller, const Object *pod, GError **error)
{
  const json_t *old = json_object_get(object_json(pod), "status");
  g_autoptr(json_t) status = old ? json_deep_copy(old) : json_object();
  if (!pod_is_finished(object_json(pod))) {
    json_object_set_new(status, "phase", json_string("Failed"));
    condition_set(status, "DisruptionTarget", "True", "DeletionByPodGC", "PodGC: node no longer exists");
    if (!status_write(controller->client, "v1", "pods", pod, status, NULL, error))
      return false;
  }
  DeleteOptions now = { .grace_period_seconds = 0, .precondition_uid = object_uid(pod) };
  return client_delete(controller->client, "v1", "pods", object_namespace(pod), object_name(pod), &now, error);
}

static bool reconcile(const char *key, void *data)
{
  PodGcController *controller = data;
  g_autoptr(Object) node = client_get(controller->client, "v1", "nodes", NULL, key, NULL);
  if (node)
    return true;
  bool done = true;
  g_autoptr(GPtrArray) pods = informer_by_index(controller->pods, INDEX_NODE, key);
  for (unsigned i = 0; i < pods->len; i++) {
    g_autoptr(GError) error = NULL;
    const Object *pod = g_ptr_array_index(pods, i);
    if (delete_pod(controller, pod, &error) || reason_is(error, REASON_NOT_FOUND))
      continue;
    g_info("Cannot delete pod %s/%s of the vanished node %s: %s", object_namespace(pod), object_name(pod), key,
           error->message);
    done = false;
  }
  return done;
}

PodGcController *pod_gc_controller_new(const ControllerContext *context)
{
  PodGcController *controller = g_new0(PodGcController, 1);
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
