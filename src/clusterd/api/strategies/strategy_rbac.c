/* Roles and bindings. Source: k8s.io/kubernetes/pkg/apis/rbac/validation. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

void default_subject(json_t *value)
{
  const char *kind = json_str(value, "kind", "");
  if (strcmp(kind, "User") == 0 || strcmp(kind, "Group") == 0)
    strategy_default(value, "apiGroup", json_string(RBAC_GROUP));
}

static void check_rule(const json_t *rule, bool namespaced, const char *path, FieldErrors *errors)
{
  const json_t *groups = json_object_get(rule, "apiGroups"), *resources = json_object_get(rule, "resources");
  const json_t *urls = json_object_get(rule, "nonResourceURLs");
  bool has_groups = json_array_size(groups) > 0, has_resources = json_array_size(resources) > 0;
  bool has_names = json_array_size(json_object_get(rule, "resourceNames")) > 0;
  if (json_array_size(json_object_get(rule, "verbs")) == 0)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "verbs", NULL, "verbs must contain at least one value");
  if (json_array_size(urls) > 0) {
    if (namespaced)
      field_errors_add_at(errors, FIELD_INVALID, path, "nonResourceURLs", urls,
                          "namespaced rules cannot apply to non-resource URLs");
    if (has_groups || has_resources || has_names)
      field_errors_add_at(errors, FIELD_INVALID, path, "nonResourceURLs", urls,
                          "rules cannot apply to both regular resources and non-resource URLs");
    return;
  }
  if (!has_groups)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "apiGroups", NULL,
                        "resource rules must supply at least one api group");
  if (!has_resources)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "resources", NULL,
                        "resource rules must supply at least one resource");
}

static void check_rules(const json_t *object, bool namespaced, FieldErrors *errors)
{
  size_t index;
  json_t *rule;
  json_array_foreach (json_object_get(object, "rules"), index, rule) {
    g_autofree char *path = field_path_index("rules", index);
    check_rule(rule, namespaced, path, errors);
  }
}

static void role_validate_create(const json_t *object, FieldErrors *errors)
{
  check_rules(object, true, errors);
}

static void role_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                 FieldErrors *errors)
{
  check_rules(object, true, errors);
}

const ApiStrategy strategy_role = {
  .validate_create = role_validate_create,
  .validate_update = role_validate_update,
};

static void cluster_role_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *rule = json_object_get(object, "aggregationRule");
  check_rules(object, false, errors);
  if (rule && json_array_size(json_object_get(rule, "clusterRoleSelectors")) == 0)
    field_errors_add(errors, FIELD_REQUIRED, "aggregationRule.clusterRoleSelectors", NULL,
                     "at least one clusterRoleSelector required if aggregationRule is non-nil");
}

static void cluster_role_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                         FieldErrors *errors)
{
  cluster_role_validate_create(object, errors);
}

const ApiStrategy strategy_cluster_role = {
  .validate_create = cluster_role_validate_create,
  .validate_update = cluster_role_validate_update,
};

/* The subject's API group must be GROUP. */
static void check_group(const json_t *subject, const char *group, const char *path, FieldErrors *errors)
{
  const char *const supported[] = { group, NULL };
  g_autofree char *group_path = field_path_child(path, "apiGroup");
  g_autoptr(json_t) shown = json_string(json_str(subject, "apiGroup", ""));
  if (strcmp(json_string_value(shown), group) != 0)
    field_errors_add_unsupported(errors, group_path, shown, supported);
}

static void check_subject(const json_t *subject, bool namespaced, const char *path, FieldErrors *errors)
{
  static const char *const kinds[] = { "ServiceAccount", "User", "Group", NULL };
  const char *kind = json_str(subject, "kind", "");
  const json_t *name = json_object_get(subject, "name");
  g_autofree char *name_path = field_path_child(path, "name"), *kind_path = field_path_child(path, "kind");
  g_autoptr(json_t) shown = json_string(kind);
  if (json_string_length(name) == 0)
    field_errors_add(errors, FIELD_REQUIRED, name_path, NULL, NULL);
  if (strcmp(kind, "ServiceAccount") == 0) {
    api_validate_format("dns1123subdomain", name, name_path, errors);
    check_group(subject, "", path, errors);
    if (!namespaced && !*json_str(subject, "namespace", ""))
      field_errors_add_at(errors, FIELD_REQUIRED, path, "namespace", NULL, NULL);
  } else if (strcmp(kind, "User") == 0 || strcmp(kind, "Group") == 0) {
    check_group(subject, RBAC_GROUP, path, errors);
  } else {
    field_errors_add_unsupported(errors, kind_path, shown, kinds);
  }
}

static void check_binding(const json_t *object, bool namespaced, FieldErrors *errors)
{
  static const char *const groups[] = { RBAC_GROUP, NULL };
  static const char *const kinds[] = { "Role", "ClusterRole", NULL };
  static const char *const cluster_kinds[] = { "ClusterRole", NULL };
  const json_t *role = json_object_get(object, "roleRef"), *name = json_object_get(role, "name");
  g_autoptr(json_t) kind = json_string(json_str(role, "kind", ""));
  size_t index;
  json_t *subject;
  if (strcmp(json_str(role, "apiGroup", ""), RBAC_GROUP) != 0)
    field_errors_add_unsupported(errors, "roleRef.apiGroup", json_object_get(role, "apiGroup"), groups);
  if (!g_strv_contains(namespaced ? kinds : cluster_kinds, json_string_value(kind)))
    field_errors_add_unsupported(errors, "roleRef.kind", kind, namespaced ? kinds : cluster_kinds);
  if (json_string_length(name) == 0)
    field_errors_add(errors, FIELD_REQUIRED, "roleRef.name", NULL, NULL);
  else
    api_validate_format("pathSegment", name, "roleRef.name", errors);
  json_array_foreach (json_object_get(object, "subjects"), index, subject) {
    g_autofree char *path = field_path_index("subjects", index);
    check_subject(subject, namespaced, path, errors);
  }
}

static void check_role_change(const json_t *object, const json_t *old, FieldErrors *errors)
{
  const json_t *role = json_object_get(object, "roleRef");
  if (!json_same(role, json_object_get(old, "roleRef")))
    field_errors_add(errors, FIELD_INVALID, "roleRef", NULL,
                     "rbac.RoleRef{APIGroup:\"%s\", Kind:\"%s\", Name:\"%s\"}: cannot change roleRef",
                     json_str(role, "apiGroup", ""), json_str(role, "kind", ""), json_str(role, "name", ""));
}

static void role_binding_validate_create(const json_t *object, FieldErrors *errors)
{
  check_binding(object, true, errors);
}

static void role_binding_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                         FieldErrors *errors)
{
  check_binding(object, true, errors);
  check_role_change(object, old, errors);
}

const ApiStrategy strategy_role_binding = {
  .validate_create = role_binding_validate_create,
  .validate_update = role_binding_validate_update,
};

static void cluster_role_binding_validate_create(const json_t *object, FieldErrors *errors)
{
  check_binding(object, false, errors);
}

static void cluster_role_binding_validate_update(const json_t *object, const json_t *old,
                                                 const ApiWriteContext *context, FieldErrors *errors)
{
  check_binding(object, false, errors);
  check_role_change(object, old, errors);
}

const ApiStrategy strategy_cluster_role_binding = {
  .validate_create = cluster_role_binding_validate_create,
  .validate_update = cluster_role_binding_validate_update,
};
