/* GET of measured kinds: nodes and pods of metrics.k8s.io. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"
#include "clusterd/server/http/http.h"
#include "clusterd/server/resource_metrics.h"

/* As NodeAccess.usage says. NULL when there is no node agent. */
static json_t *ask_node(ApiServer *server, GError **error)
{
  const NodeAccess *node = api_server_node_hold(server);
  if (!node || !node->usage) {
    if (node)
      api_server_node_release(server);
    reason_set(error, REASON_SERVICE_UNAVAILABLE, "the server is currently unable to handle the request");
    return NULL;
  }
  /* the first look takes a second: others may be served meanwhile */
  bool lent = http_worker_lend();
  json_t *usage = node->usage(node->node);
  if (lent)
    http_worker_return();
  api_server_node_release(server);
  return usage;
}

static bool answer(ApiRequest *request, GError **error)
{
  const RequestInfo *info = request->info;
  ListOptions options = { 0 };
  g_autoptr(LabelSelector) labels = NULL;
  g_autoptr(FieldSelector) fields = NULL;
  if (!info->name && !request_list_options(request, &options, &labels, &fields, error))
    return false;
  MetricsQuery query = { request->kind, info->namespace_, info->name, labels, fields };
  g_autoptr(GPtrArray) about = resource_metrics_select(request->registry, &query, error);
  g_autoptr(json_t) usage = about ? ask_node(request->server, error) : NULL;
  g_autoptr(GPtrArray) objects = usage ? resource_metrics_answer(&query, about, usage, error) : NULL;
  if (!objects)
    return false;
  if (info->name) {
    respond_object(request, 200, objects->pdata[0]);
  } else {
    ObjectList list = { .objects = objects, .remaining = -1 };
    respond_list(request, &list);
  }
  return true;
}

bool handle_resource_metrics(ApiRequest *request)
{
  const RequestInfo *info = request->info;
  g_autoptr(GError) error = NULL;
  if (!request->kind->measured)
    return false;
  bool placed = request->kind->namespaced ? info->namespace_ || !info->name : !info->namespace_;
  bool done = false;
  if (!placed || info->subresource)
    reason_set_details(&error, REASON_NOT_FOUND, json_object(), "the server could not find the requested resource");
  else if (g_str_equal(info->verb, "get") || g_str_equal(info->verb, "list"))
    done = answer(request, &error);
  else
    api_error_method(&error);
  if (!done)
    respond_error(request, error);
  return true;
}
