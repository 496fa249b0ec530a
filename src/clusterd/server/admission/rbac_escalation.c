/* Nobody gives away more than they have: a role's rules, and the rules a binding hands out, must be covered by the
 * writer's own, unless the writer may `escalate` roles or `bind` this one. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/access/authorizer.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry/registry_private.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

static bool may(const AdmissionRequest *request, const char *verb, const char *resource, const char *name)
{
  Attributes attributes = {
    .verb = verb, .group = RBAC_GROUP, .resource = resource, .namespace_ = request->target->namespace_, .name = name
  };
  return authorizer_allows(request->registry->authorizer, request->caller->identity, &attributes);
}

static bool refuse(const AdmissionRequest *request, const json_t *missing, GError **error)
{
  const Identity *identity = request->caller->identity;
  g_autoptr(GString) groups = g_string_new(NULL);
  g_autofree char *lines = rbac_rules_text(missing);
  for (int i = 0; identity->groups[i]; i++)
    g_string_append_printf(groups, "%s\"%s\"", i ? " " : "", identity->groups[i]);
  return api_error_forbidden(
      error, request->kind, json_str(json_object_get(request->object, "metadata"), "name", ""),
      "user \"%s\" (groups=[%s]) is attempting to grant RBAC permissions not currently held:\n%s", identity->name,
      groups->str, lines);
}

static bool check_rules(const AdmissionRequest *request, const json_t *rules, GError **error)
{
  g_autoptr(json_t) missing =
      authorizer_missing(request->registry->authorizer, request->caller->identity, request->target->namespace_, rules);
  return json_array_size(missing) == 0 || refuse(request, missing, error);
}

static bool check_role(const AdmissionRequest *request, GError **error)
{
  const json_t *rules = json_object_get(request->object, "rules");
  if (request->old && json_same(rules, json_object_get(request->old, "rules")) &&
      json_same(json_object_get(request->object, "aggregationRule"), json_object_get(request->old, "aggregationRule")))
    return true;
  const char *name = json_str(json_object_get(request->object, "metadata"), "name", "");
  if (may(request, "escalate", request->kind->plural, name))
    return true;
  /* what an aggregated role will hold nobody knows: only who has everything may make one */
  g_autoptr(json_t) everything = json_pack("[{s:[s], s:[s], s:[s]}, {s:[s], s:[s]}]", "verbs", "*", "apiGroups", "*",
                                           "resources", "*", "verbs", "*", "nonResourceURLs", "*");
  bool aggregated = json_object_get(request->object, "aggregationRule") != NULL;
  return check_rules(request, aggregated ? everything : rules, error);
}

static bool check_binding(const AdmissionRequest *request, GError **error)
{
  const json_t *reference = json_object_get(request->object, "roleRef");
  const char *name = json_str(reference, "name", "");
  bool of_cluster = g_str_equal(json_str(reference, "kind", ""), "ClusterRole");
  const char *plural = of_cluster ? "clusterroles" : "roles";
  if (request->old &&
      json_same(json_object_get(request->object, "subjects"), json_object_get(request->old, "subjects")) &&
      json_same(reference, json_object_get(request->old, "roleRef")))
    return true;
  if (may(request, "bind", plural, name))
    return true;
  const ApiKind *kind = api_scheme_resource(registry_scheme(request->registry), RBAC_GROUP, "v1", plural);
  g_autoptr(Object) role =
      registry_lookup(request->registry, kind, of_cluster ? NULL : request->target->namespace_, name);
  if (!role)
    return api_error_not_found(error, kind, name);
  g_autoptr(json_t) rules = authorizer_role_rules(request->registry->authorizer, role);
  return check_rules(request, rules, error);
}

static bool validate(void *state, const AdmissionRequest *request, GError **error)
{
  /* components of this process, and a registry without an API server, ask for nobody */
  if (request->operation == ADMISSION_DELETE || !request->caller || !request->caller->identity ||
      !request->registry->authorizer)
    return true;
  if (admission_is_about(request, RBAC_GROUP, "roles") || admission_is_about(request, RBAC_GROUP, "clusterroles"))
    return check_role(request, error);
  if (admission_is_about(request, RBAC_GROUP, "rolebindings") ||
      admission_is_about(request, RBAC_GROUP, "clusterrolebindings"))
    return check_binding(request, error);
  return true;
}

const AdmissionPlugin admission_rbac_escalation = { .name = "RBACEscalation", .validate = validate };
