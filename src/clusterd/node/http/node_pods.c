/* /pods: the pods that shall run here, as the API has them; /runningpods/: what the runtime runs. */
#include "base/json.h"
#include "clusterd/node/http/node_http_private.h"

static json_t *pod_list(json_t *items)
{
  return json_pack("{s:s, s:s, s:{}, s:o}", "kind", "PodList", "apiVersion", "v1", "metadata", "items", items);
}

static int compare_objects(gconstpointer a, gconstpointer b)
{
  const Object *first = *(Object *const *)a, *second = *(Object *const *)b;
  int order = g_strcmp0(object_namespace(first), object_namespace(second));
  return order ? order : g_strcmp0(object_name(first), object_name(second));
}

void node_answer_pods(NodeCall *call)
{
  if (call->parts[0]) {
    node_reply_absent(call);
    return;
  }
  json_t *items = json_array();
  g_autoptr(GPtrArray) pods = kubelet_pods(call->kubelet);
  g_ptr_array_sort(pods, compare_objects);
  for (guint i = 0; i < pods->len; i++) {
    json_t *item = json_copy(object_json(pods->pdata[i]));
    json_object_del(item, "kind");
    json_object_del(item, "apiVersion");
    json_array_append_new(items, item);
  }
  node_reply_json(call, pod_list(items));
}

static json_t *running_pod(const PodSample *pod)
{
  json_t *containers = json_array();
  for (guint i = 0; i < pod->containers->len; i++) {
    const ContainerSample *container = pod->containers->pdata[i];
    json_array_append_new(
        containers, json_pack("{s:s, s:s*, s:{}}", "name", container->name, "image", container->image, "resources"));
  }
  return json_pack("{s:{s:s, s:s, s:s, s:n}, s:{s:o}, s:{}}", "metadata", "name", pod->name, "namespace",
                   pod->namespace_, "uid", pod->uid, "creationTimestamp", "spec", "containers", containers, "status");
}

void node_answer_running_pods(NodeCall *call)
{
  if (call->parts[0]) {
    node_reply_absent(call);
    return;
  }
  g_autoptr(NodeSample) sample = node_stats_look(call->kubelet->stats, NULL);
  json_t *items = json_array();
  for (guint i = 0; i < sample->pods->len; i++)
    json_array_append_new(items, running_pod(sample->pods->pdata[i]));
  node_reply_json(call, pod_list(items));
}
