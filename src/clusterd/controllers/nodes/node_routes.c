#include "clusterd/controllers/nodes/node_routes.h"

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/object_queue.h"

#define CONDITION "NetworkUnavailable"

struct NodeRoutesController {
  Client *client;
  ObjectQueue queue;
};

static bool lacks_condition(const json_t *node)
{
  const json_t *status = json_object_get(node, "status");
  return *json_str(json_object_get(node, "spec"), "podCIDR", "") &&
         json_find(json_object_get(status, "addresses"), "type", "InternalIP") &&
         !condition_is(status, CONDITION, "False");
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

static bool sync_node(void *data, const char *key, Object *node, GError **error)
{
  const NodeRoutesController *controller = data;
  if (!lacks_condition(object_json(node)))
    return true;
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) stored =
      client_modify(controller->client, "v1", "nodes", NULL, key, "status", set_available, NULL, &problem);
  if (stored || reason_is(problem, REASON_NOT_FOUND))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

NodeRoutesController *node_routes_controller_new(const ControllerContext *context)
{
  NodeRoutesController *controller = g_new0(NodeRoutesController, 1);
  controller->client = client_new(context->registry, "route-controller");
  controller->queue = (ObjectQueue){ .kind = "node-routes",
                                     .objects = informer_set_get(context->informers, "v1", "nodes"),
                                     .sync = sync_node,
                                     .controller = controller };
  object_queue_open(&controller->queue, 1);
  work_queue_start(controller->queue.work);
  return controller;
}

void node_routes_controller_free(NodeRoutesController *controller)
{
  work_queue_free(controller->queue.work);
  client_free(controller->client);
  g_free(controller);
}
