/* GET of measured kinds: nodes and pods of metrics.k8s.io. */
#include "base/reason.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/http/http.h"
#include "clusterd/server/resource_metrics.h"

static bool answer(ApiRequest *request, GError **error)
{
  const RequestInfo *info = request->info;
  ListOptions options = { 0 };
  g_autoptr(LabelSelector) labels = NULL;
  g_autoptr(FieldSelector) fields = NULL;
  if (!info->name && !request_list_options(request, &options, &labels, &fields, error))
    return false;
  MetricsQuery query = { request->kind, info->namespace_, info->name, labels, fields };
  /* the first look takes a while: others may be served meanwhile */
  bool lent = http_worker_lend();
  g_autoptr(GPtrArray) objects = resource_metrics_collect(request->server, &query, error);
  if (lent)
    http_worker_return();
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
