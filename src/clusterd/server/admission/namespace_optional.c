/* Two plugins that are off by default: namespaces that come into being when something is created in them, and the check
 * that an object's namespace is there whatever is done with it. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/api_error.h"

static bool has_namespace(const AdmissionRequest *request)
{
  g_autoptr(Object) there = admission_find(request, "", "v1", "namespaces", NULL, request->target->namespace_);
  return there != NULL;
}

static bool provision(void *state, AdmissionRequest *request, GError **error)
{
  g_autoptr(GError) problem = NULL;
  const char *name = request->target->namespace_;
  bool dry_run = request->caller && request->caller->dry_run;
  if (request->operation != ADMISSION_CREATE || !request->kind->namespaced || !name || dry_run ||
      has_namespace(request))
    return true;
  Target target = { .kind = api_scheme_resource(registry_scheme(request->registry), "", "v1", "namespaces") };
  g_autoptr(json_t) value = json_pack("{s:{s:s}}", "metadata", "name", name);
  g_autoptr(Object) made = registry_create(request->registry, NULL, &target, value, &problem);
  if (made || reason_is(problem, REASON_ALREADY_EXISTS))
    return true;
  return admission_forbid(request, error, "%s", problem->message);
}

static bool check_exists(void *state, const AdmissionRequest *request, GError **error)
{
  if (!request->kind->namespaced || !request->target->namespace_ || has_namespace(request))
    return true;
  const ApiKind *kind = api_scheme_resource(registry_scheme(request->registry), "", "v1", "namespaces");
  return api_error_not_found(error, kind, request->target->namespace_);
}

const AdmissionPlugin admission_namespace_auto_provision = { .name = "NamespaceAutoProvision", .mutate = provision };
const AdmissionPlugin admission_namespace_exists = { .name = "NamespaceExists", .validate = check_exists };
