#include "clusterd/controllers/nodes/node_ttl.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/work_queue.h"

#define ANNOTATION "node.alpha.kubernetes.io/ttl"

struct NodeTtlController {
  Client *client;
  Informer *nodes;
  WorkQueue *queue;
  unsigned n_nodes; /* the informer's thread alone */
  int seconds;      /* atomic */
};

/* From and to how many nodes each is right. */
static const struct {
  unsigned min, max;
  int seconds;
} steps[] = {
  { 0, 100, 0 }, { 90, 500, 15 }, { 450, 1000, 30 }, { 900, 2000, 60 }, { 1800, 10000, 300 },
};

int node_ttl_seconds(unsigned n_nodes, int now)
{
  size_t step = 0;
  while (step < G_N_ELEMENTS(steps) - 1 && steps[step].seconds < now)
    step++;
  while (step > 0 && n_nodes < steps[step].min)
    step--;
  while (step < G_N_ELEMENTS(steps) - 1 && n_nodes > steps[step].max)
    step++;
  return steps[step].seconds;
}

static void on_node(Object *old, Object *new_object, void *data)
{
  NodeTtlController *controller = data;
  if (!old)
    controller->n_nodes++;
  if (!new_object)
    controller->n_nodes--;
  int before = g_atomic_int_get(&controller->seconds), seconds = node_ttl_seconds(controller->n_nodes, before);
  g_atomic_int_set(&controller->seconds, seconds);
  if (new_object)
    work_queue_add(controller->queue, object_name(new_object));
  if (seconds == before)
    return;
  g_autoptr(GPtrArray) nodes = informer_list(controller->nodes);
  for (unsigned i = 0; i < nodes->len; i++)
    work_queue_add(controller->queue, object_name(g_ptr_array_index(nodes, i)));
}

static bool annotate(json_t *node, void *data)
{
  const char *text = data;
  json_t *annotations = json_ensure_object(node, "metadata", "annotations", NULL);
  if (g_str_equal(json_str(annotations, ANNOTATION, "-"), text))
    return false;
  json_object_set_new(annotations, ANNOTATION, json_string(text));
  return true;
}

static bool reconcile(const char *key, void *data)
{
  NodeTtlController *controller = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) node = informer_get(controller->nodes, NULL, key);
  g_autofree char *text = g_strdup_printf("%d", g_atomic_int_get(&controller->seconds));
  const json_t *annotations = node ? json_at(object_json(node), "metadata", "annotations", NULL) : NULL;
  if (!node || g_str_equal(json_str(annotations, ANNOTATION, "-"), text))
    return true;
  g_autoptr(Object) stored = client_modify(controller->client, "v1", "nodes", NULL, key, NULL, annotate, text, &error);
  if (stored || reason_is(error, REASON_NOT_FOUND))
    return true;
  g_info("Node %s: %s", key, error->message);
  return false;
}

NodeTtlController *node_ttl_controller_new(const ControllerContext *context)
{
  NodeTtlController *controller = g_new0(NodeTtlController, 1);
  controller->client = client_new(context->registry, "ttl-controller");
  controller->nodes = informer_set_get(context->informers, "v1", "nodes");
  controller->queue = work_queue_new("node-ttl", 1, reconcile, controller);
  informer_add_handler(controller->nodes, on_node, controller);
  work_queue_start(controller->queue);
  return controller;
}

void node_ttl_controller_free(NodeTtlController *controller)
{
  work_queue_free(controller->queue);
  client_free(controller->client);
  g_free(controller);
}
