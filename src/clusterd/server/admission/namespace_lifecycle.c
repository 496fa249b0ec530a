/* Nothing is created in a namespace that is not there or on its way out, and the system's namespaces stay. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry/registry_private.h"

static bool check_deletion(const AdmissionRequest *request, GError **error)
{
  static const char *const forever[] = { "default", "kube-system", "kube-public", NULL };
  if (!admission_is_about(request, "", "namespaces") || !g_strv_contains(forever, request->target->name))
    return true;
  return admission_forbid(request, error, "this namespace may not be deleted");
}

static bool refuse_terminating(const AdmissionRequest *request, const char *namespace_, GError **error)
{
  const char *name = admission_name(request);
  g_autofree char *resource = api_qualified_resource(request->kind);
  json_t *details = api_error_details(request->kind, name);
  g_autofree char *message = g_strdup_printf("namespace %s is being terminated", namespace_);
  json_object_set_new(details, "causes",
                      json_pack("[{s:s, s:s, s:s}]", "reason", "NamespaceTerminating", "message", message, "field",
                                "metadata.namespace"));
  return reason_set_details(error, REASON_FORBIDDEN, details,
                            "%s \"%s\" is forbidden: unable to create new content in namespace %s because it is being "
                            "terminated",
                            resource, name, namespace_);
}

static bool mutate(void *state, AdmissionRequest *request, GError **error)
{
  if (request->operation == ADMISSION_DELETE)
    return check_deletion(request, error);
  const char *namespace_ = request->target->namespace_;
  if (request->operation != ADMISSION_CREATE || !request->kind->namespaced || request->target->subresource)
    return true;
  const ApiKind *kind = api_scheme_resource(registry_scheme(request->registry), "", "v1", "namespaces");
  g_autoptr(Object) namespace_object = registry_lookup(request->registry, kind, NULL, namespace_);
  if (!namespace_object)
    return api_error_not_found(error, kind, namespace_);
  if (json_at(object_json(namespace_object), "metadata", "deletionTimestamp", NULL))
    return refuse_terminating(request, namespace_, error);
  return true;
}

const AdmissionPlugin admission_namespace_lifecycle = { .name = "NamespaceLifecycle", .mutate = mutate };
