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
  GHashTable *seen; /* key of a pod whose time is limited → int64_t*, since when; the one worker alone */
};

/* The tolerationSeconds of the first toleration of TAINT, as upstream takes it: -1 for ever, -2 there is none. */
static int64_t tolerated_seconds(const json_t *pod, const json_t *taint)
{
  size_t i;
  json_t *toleration;
  json_array_foreach (json_at(pod, "spec", "tolerations", NULL), i, toleration)
    if (taint_is_tolerated_by(taint, toleration))
      return json_object_get(toleration, "tolerationSeconds") ? MAX(json_int(toleration, "tolerationSeconds", 0), 0)
                                                              : -1;
  return -2;
}

/* A taint that was there before the pod begins to count with the pod; one that does not tell when it was added counts
 * from where it was first seen. */
static int64_t start_of(const json_t *pod, const json_t *taint, int64_t seen_us)
{
  int64_t added_us, created_us;
  if (!timestamp_parse(json_str(taint, "timeAdded", NULL), &added_us))
    return seen_us;
  if (timestamp_parse(json_str(json_object_get(pod, "metadata"), "creationTimestamp", NULL), &created_us))
    added_us = MAX(added_us, created_us);
  return added_us;
}

int64_t taint_eviction_time(const json_t *pod, const json_t *node, int64_t seen_us)
{
  int64_t time_us = -1;
  size_t i;
  json_t *taint;
  json_array_foreach (json_at(node, "spec", "taints", NULL), i, taint) {
    if (strcmp(json_str(taint, "effect", ""), "NoExecute") != 0)
      continue;
    int64_t seconds = tolerated_seconds(pod, taint);
    if (seconds == -2)
      return 0;
    if (seconds == -1)
      continue;
    int64_t own_us = start_of(pod, taint, seen_us) + seconds * G_USEC_PER_SEC;
    time_us = time_us < 0 ? own_us : MIN(time_us, own_us);
  }
  return time_us;
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  TaintEvictionController *controller = data;
  const json_t *before = old ? object_json(old) : NULL, *after = new_object ? object_json(new_object) : NULL;
  bool placed = after && *pod_node(after) && !(before && *pod_node(before));
  bool changed = before && after &&
                 !json_same(json_at(before, "spec", "tolerations", NULL), json_at(after, "spec", "tolerations", NULL));
  if (after && !placed && !changed)
    return;
  g_autofree char *key = informer_key(new_object ? new_object : old);
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

/* When this first saw that POD's time on its node has an end. */
static int64_t first_seen(TaintEvictionController *controller, const char *key, int64_t now_us)
{
  int64_t *known = g_hash_table_lookup(controller->seen, key);
  return known ? *known : now_us;
}

static void note_seen(TaintEvictionController *controller, const char *key, int64_t seen_us)
{
  int64_t *copy = g_new(int64_t, 1);
  *copy = seen_us;
  g_hash_table_replace(controller->seen, g_strdup(key), copy);
}

/* What drove POD away has gone, or it may stay all the same. */
static void cancel(TaintEvictionController *controller, const char *key, const Object *pod)
{
  if (g_hash_table_remove(controller->seen, key) && pod && !pod_is_deleting(object_json(pod)))
    recorder_event(controller->recorder, object_json(pod), NULL, "Normal", "TaintManagerEviction",
                   "Cancelling deletion of Pod %s/%s", object_namespace(pod), object_name(pod));
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
  int64_t now_us = timestamp_now_us(), seen_us = first_seen(controller, key, now_us);
  int64_t time_us = node ? taint_eviction_time(object_json(pod), object_json(node), seen_us) : -1;
  if (time_us < 0) {
    cancel(controller, key, pod);
    return true;
  }
  if (time_us > now_us) {
    note_seen(controller, key, seen_us);
    work_queue_add_after(controller->queue, key, time_us - now_us);
    return true;
  }
  g_autoptr(GError) error = NULL;
  if (!evict(controller, pod, &error) && !reason_is(error, REASON_NOT_FOUND) && !reason_is(error, REASON_CONFLICT)) {
    g_info("Cannot evict pod %s: %s", key, error->message);
    return false;
  }
  g_hash_table_remove(controller->seen, key);
  return true;
}

TaintEvictionController *taint_eviction_controller_new(const ControllerContext *context)
{
  TaintEvictionController *controller = g_new0(TaintEvictionController, 1);
  controller->client = client_new(context->registry, "taint-eviction-controller");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->nodes = informer_set_get(context->informers, "v1", "nodes");
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->queue = work_queue_new("taint-eviction", 1, reconcile, controller);
  controller->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
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
  g_hash_table_destroy(controller->seen);
  g_free(controller);
}
