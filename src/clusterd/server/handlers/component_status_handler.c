/* ComponentStatus, an old form of asking whether the parts of a control plane are well. Each part is looked at when it
 * is asked for. A controller manager or scheduler is well when it works in this process, or when whoever does its work,
 * here or elsewhere, keeps the lease for it. Source: k8s.io/kubernetes/pkg/registry/core/componentstatus. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"
#include "clusterd/server/registry/registry_private.h"

#define STORE_TIMEOUT_US (2 * G_USEC_PER_SEC)

/* Why a part is not well; NULL: it is. The caller frees. */
typedef char *(*PartCheck)(ApiRequest *request, const char *lease, ApiComponent component);

static bool lease_is_kept(Registry *registry, const char *name)
{
  const ApiKind *kind = api_scheme_resource(registry_scheme(registry), "coordination.k8s.io", "v1", "leases");
  g_autoptr(Object) lease = registry_lookup(registry, kind, "kube-system", name);
  const json_t *spec = lease ? json_object_get(object_json(lease), "spec") : NULL;
  int64_t renewed = 0;
  return *json_str(spec, "holderIdentity", "") && timestamp_parse(json_str(spec, "renewTime", ""), &renewed) &&
         renewed + json_int(spec, "leaseDurationSeconds", 0) * G_USEC_PER_SEC >= timestamp_now_us();
}

static char *check_worker(ApiRequest *request, const char *lease, ApiComponent component)
{
  if (api_server_component_runs(request->server, component) || lease_is_kept(request->registry, lease))
    return NULL;
  return g_strdup_printf("it does not run in this server, and nobody keeps the lease %s", lease);
}

static char *check_store(ApiRequest *request, const char *lease, ApiComponent component)
{
  g_autoptr(GError) error = NULL;
  return store_check(request->registry->store, STORE_TIMEOUT_US, &error) ? NULL : g_strdup(error->message);
}

static const struct Part {
  const char *name, *lease;
  ApiComponent component;
  PartCheck check;
} parts[] = {
  { "controller-manager", "kube-controller-manager", API_COMPONENT_CONTROLLERS, check_worker },
  { "scheduler", "kube-scheduler", API_COMPONENT_SCHEDULER, check_worker },
  { "etcd-0", NULL, 0, check_store },
};

static Object *examine(ApiRequest *request, const struct Part *part)
{
  g_autofree char *problem = part->check(request, part->lease, part->component);
  json_t *value = json_pack("{s:s, s:s, s:{s:s, s:n}, s:[{s:s, s:s}]}", "kind", "ComponentStatus", "apiVersion", "v1",
                            "metadata", "name", part->name, "creationTimestamp", "conditions", "type", "Healthy",
                            "status", problem ? "False" : "True");
  json_t *condition = json_array_get(json_object_get(value, "conditions"), 0);
  json_object_set_new(condition, "message", json_string(problem ? problem : "ok"));
  return object_new(request->kind, value);
}

static bool answer_get(ApiRequest *request, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
    if (!g_str_equal(parts[i].name, request->info->name))
      continue;
    g_autoptr(Object) object = examine(request, &parts[i]);
    respond_object(request, 200, object);
    return true;
  }
  return reason_set(error, REASON_UNKNOWN, "Component not found: %s", request->info->name);
}

static bool answer_list(ApiRequest *request, GError **error)
{
  ListOptions options = { 0 };
  g_autoptr(LabelSelector) labels = NULL;
  g_autoptr(FieldSelector) fields = NULL;
  if (!request_list_options(request, &options, &labels, &fields, error))
    return false;
  g_autoptr(ObjectList) list = g_new0(ObjectList, 1);
  list->objects = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  list->revision = registry_revision(request->registry);
  list->remaining = -1;
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
    g_autoptr(Object) object = examine(request, &parts[i]);
    if ((!labels || label_selector_matches(labels, NULL)) &&
        (!fields || field_selector_matches(fields, object_json(object))))
      g_ptr_array_add(list->objects, g_steal_pointer(&object));
  }
  respond_list(request, list);
  return true;
}

bool handle_component_status(ApiRequest *request)
{
  const RequestInfo *info = request->info;
  g_autoptr(GError) error = NULL;
  if (*request->kind->group || !g_str_equal(request->kind->plural, "componentstatuses"))
    return false;
  bool placed = !info->namespace_ && !info->subresource;
  bool done = false;
  if (!placed)
    reason_set_details(&error, REASON_NOT_FOUND, json_object(), "the server could not find the requested resource");
  else if (g_str_equal(info->verb, "get"))
    done = answer_get(request, &error);
  else if (g_str_equal(info->verb, "list"))
    done = answer_list(request, &error);
  else
    api_error_method(&error);
  if (!done)
    respond_error(request, error);
  return true;
}
