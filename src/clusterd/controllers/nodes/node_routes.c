#include "clusterd/controllers/nodes/node_routes.h"

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/work_queue.h"

#define CONDITION "NetworkUnavailable"

struct NodeRoutesController {
  Client *client;
  Informer *nodes;
  WorkQueue *queue;
};

static bool lacks_condition(const json_t *node)
{
  const json_t *status = json_object_get(node, "status");
  return *json_str(json_object_get(node, "spec"), "podCIDR", "") &&
         json_find(json_object_get(status, "addresses"), "type", "InternalIP") &&
         !condition_is(status, CONDITION, "False");
}

static void on_node(Object *old, Object *new_object, void *data)
{
  NodeRoutesController *controller = data;
  if (new_object && lacks_condition(object_json(new_object)))
    work_queue_add(controller->queue, object_name(new_object));
}

static bool set_available(json_t *node, void *data)
{
  if (!lacks_condition(node))
    return false;
  json_t *status = json_object_get(node, "status");
  g_autofree char *now = timestamp_now();
  condition_set(status, CONDITION, "False", "RouteCreated", "RouteController created a route");
  json_object_set_new(condition_get(status, CONDITION), "lastHeartbeatTime", json_string(now));
  return true;
}

static bool reconcile(const char *key, void *data)
{
  NodeRoutesController *controller = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) node = informer_get(controller->nodes, NULL, key);
  if (!node || !lacks_condition(object_json(node)))
    return true;
  g_autoptr(Object) stored =
      client_modify(controller->client, "v1", "nodes", NULL, key, "status", set_available, NULL, &error);
  if (stored || reason_is(error, REASON_NOT_FOUND))
    return true;
  g_info("Node %s: %s", key, error->message);
  return false;
}

NodeRoutesController *node_routes_controller_new(const ControllerContext *context)
{
  NodeRoutesController *controller = g_new0(NodeRoutesController, 1);
  controller->client = client_new(context->registry, "route-controller");
  controller->nodes = informer_set_get(context->informers, "v1", "nodes");
  controller->queue = work_queue_new("node-routes", 1, reconcile, controller);
  informer_add_handler(controller->nodes, on_node, controller);
  work_queue_start(controller->queue);
  return controller;
}

void node_routes_controller_free(NodeRoutesController *controller)
{
  work_queue_free(controller->queue);
  client_free(controller->client);
  g_free(controller);
}
