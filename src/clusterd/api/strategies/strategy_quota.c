/* Quotas and limit ranges. Source: k8s.io/kubernetes/pkg/apis/core/validation. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/strategies/strategy_resources.h"
#include "clusterd/api/validation.h"

static const char *const scopes[] = {
  "Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity", NULL
};

static bool is_compute(const char *name)
{
  static const char *const names[] = { "pods",       "cpu",           "memory", "requests.cpu", "requests.memory",
                                       "limits.cpu", "limits.memory", NULL };
  return g_strv_contains(names, name);
}

/* Whether a scope means anything for a resource. */
static bool scope_fits(const char *scope, const char *resource)
{
  static const char *const by_compute[] = {
    "Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity", NULL
  };
  if (g_strv_contains(by_compute, scope))
    return is_compute(resource);
  return strcmp(scope, "BestEffort") != 0 || strcmp(resource, "pods") == 0;
}

static void check_scope(const json_t *hard, const char *scope, const json_t *shown, const char *path,
                        FieldErrors *errors)
{
  const char *name;
  json_t *amount;
  json_object_foreach ((json_t *)(uintptr_t)hard, name, amount) {
    if (resource_is_quota_name(name) && !scope_fits(scope, name))
      field_errors_add(errors, FIELD_INVALID, path, shown, "unsupported scope applied to resource");
  }
}

static void check_pairs(GHashTable *found, const json_t *shown, const char *path, FieldErrors *errors)
{
  static const char *const pairs[][2] = { { "BestEffort", "NotBestEffort" }, { "Terminating", "NotTerminating" } };
  for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
    if (g_hash_table_contains(found, pairs[i][0]) && g_hash_table_contains(found, pairs[i][1]))
      field_errors_add(errors, FIELD_INVALID, path, shown, "conflicting scopes");
  }
}

static void check_scopes(const json_t *spec, FieldErrors *errors)
{
  const json_t *list = json_object_get(spec, "scopes");
  g_autoptr(GHashTable) found = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *scope;
  json_array_foreach ((json_t *)(uintptr_t)list, index, scope) {
    const char *text = json_string_value(scope);
    if (!g_strv_contains(scopes, text))
      field_errors_add(errors, FIELD_INVALID, "spec.scopes", list, "unsupported scope");
    check_scope(json_object_get(spec, "hard"), text, list, "spec.scopes", errors);
    g_hash_table_add(found, (gpointer)(uintptr_t)text);
  }
  check_pairs(found, list, "spec.scopes", errors);
}

static void check_requirement(const json_t *requirement, FieldErrors *errors)
{
  static const char path[] = "spec.scopeSelector.matchExpressions";
  const json_t *scope = json_object_get(requirement, "scopeName"), *operator= json_object_get(requirement, "operator");
  const json_t *values = json_object_get(requirement, "values");
  const char *text = json_str(requirement, "operator", ""), *name = json_str(requirement, "scopeName", "");
  bool takes_values = strcmp(text, "In") == 0 || strcmp(text, "NotIn") == 0;
  bool exists = strcmp(text, "Exists") == 0;
  if (!g_strv_contains(scopes, name))
    field_errors_add_at(errors, FIELD_INVALID, path, "scopeName", scope, "unsupported scope");
  else if (strcmp(name, "PriorityClass") != 0 && !exists)
    field_errors_add_at(errors, FIELD_INVALID, path, "operator", operator,
                        "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
                        "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                        "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
  if (takes_values && json_array_size(values) == 0)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "values", NULL,
                        "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
  else if (!takes_values && !exists && strcmp(text, "DoesNotExist") != 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "operator", operator, "not a valid selector operator");
  else if (!takes_values && json_array_size(values) > 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "values", values,
                        "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
}

static void quota_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *hard = json_object_get(spec, "hard");
  const json_t *selector = json_object_get(spec, "scopeSelector");
  g_autoptr(GHashTable) found = g_hash_table_new(g_str_hash, g_str_equal);
  const char *name;
  size_t index;
  json_t *item;
  json_object_foreach ((json_t *)(uintptr_t)hard, name, item) {
    g_autofree char *path = field_path_key("spec.hard", name);
    resource_check_quota_name(name, path, errors);
    resource_check_amount(name, item, path, errors);
  }
  check_scopes(spec, errors);
  json_array_foreach (json_object_get(selector, "matchExpressions"), index, item) {
    check_scope(hard, json_str(item, "scopeName", ""), selector, "spec.scopeSelector.matchExpressions", errors);
    check_requirement(item, errors);
    g_hash_table_add(found, (gpointer)(uintptr_t)json_str(item, "scopeName", ""));
  }
  check_pairs(found, json_object_get(spec, "scopes"), "spec.scopeSelector.matchExpressions", errors);
}

static bool same_set(const json_t *a, const json_t *b)
{
  size_t i, j;
  json_t *item, *other;
  json_array_foreach ((json_t *)(uintptr_t)a, i, item) {
    bool found = false;
    json_array_foreach ((json_t *)(uintptr_t)b, j, other) {
      found = found || json_equal(item, other);
    }
    if (!found)
      return false;
  }
  return json_array_size(a) == json_array_size(b);
}

static void quota_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                  FieldErrors *errors)
{
  const json_t *list = json_at(object, "spec", "scopes", NULL);
  g_autoptr(json_t) none = json_array();
  if (context && context->subresource)
    return;
  quota_validate_create(object, errors);
  if (!same_set(list, json_at(old, "spec", "scopes", NULL)))
    field_errors_add(errors, FIELD_INVALID, "spec.scopes", list ? list : none, "field is immutable");
}

const ApiStrategy strategy_resource_quota = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
  .validate_create = quota_validate_create,
  .validate_update = quota_validate_update,
};

static void check_names(const json_t *limit, const char *member, const char *path, FieldErrors *errors)
{
  const char *type = json_str(limit, "type", ""), *name;
  json_t *amount;
  bool container = strcmp(type, "Pod") == 0 || strcmp(type, "Container") == 0;
  json_object_foreach (json_object_get(limit, member), name, amount) {
    g_autofree char *item = g_strdup_printf("%s.%s[%s]", path, member, name);
    if (container)
      resource_check_container_name(name, item, errors);
    else
      resource_check_name(name, item, errors);
  }
}

/* One pair of bounds: the amount of FIRST may not exceed that of SECOND. */
typedef struct Bound {
  const char *first, *second;
  const char *reported, *shown; /* the members named and shown in the error */
  const char *text;             /* of the two amounts */
} Bound;

static const Bound bounds[] = {
  { "min", "max", "min", "min", "min value %s is greater than max value %s" },
  { "min", "defaultRequest", "defaultRequest", "defaultRequest",
    "min value %s is greater than default request value %s" },
  { "defaultRequest", "max", "defaultRequest", "defaultRequest",
    "default request value %s is greater than max value %s" },
  { "defaultRequest", "default", "defaultRequest", "defaultRequest",
    "default request value %s is greater than default limit value %s" },
  { "min", "default", "default", "min", "min value %s is greater than default value %s" },
  { "default", "max", "default", "max", "default value %s is greater than max value %s" },
};

static void check_bounds(const json_t *limit, const char *name, const char *path, FieldErrors *errors)
{
  Quantity first, second;
  for (size_t i = 0; i < G_N_ELEMENTS(bounds); i++) {
    const json_t *a = json_object_get(limit, bounds[i].first), *b = json_object_get(limit, bounds[i].second);
    if (!resource_amount(a, name, &first) || !resource_amount(b, name, &second) || quantity_compare(first, second) <= 0)
      continue;
    g_autofree char *item = g_strdup_printf("%s.%s[%s]", path, bounds[i].reported, name);
    /* the texts are the table's own */
    g_auto(GStrv) parts = g_strsplit(bounds[i].text, "%s", 3);
    field_errors_add(errors, FIELD_INVALID, item, json_at(limit, bounds[i].shown, name, NULL), "%s%s%s%s%s", parts[0],
                     json_str(a, name, ""), parts[1], json_str(b, name, ""), parts[2]);
  }
}

static void check_ratio(const json_t *limit, const char *name, const char *path, FieldErrors *errors)
{
  const json_t *ratios = json_object_get(limit, "maxLimitRequestRatio");
  Quantity ratio, low, high;
  g_autofree char *item = g_strdup_printf("%s.maxLimitRequestRatio[%s]", path, name);
  if (!resource_amount(ratios, name, &ratio))
    return;
  if (ratio.nano < 1000000000)
    field_errors_add(errors, FIELD_INVALID, item, json_object_get(ratios, name), "ratio %s is less than 1",
                     json_str(ratios, name, ""));
  if (!resource_amount(json_object_get(limit, "min"), name, &low) ||
      !resource_amount(json_object_get(limit, "max"), name, &high) || low.nano == 0)
    return;
  double most = (double)high.nano / (double)low.nano;
  if ((double)ratio.nano / 1e9 > most)
    field_errors_add(errors, FIELD_INVALID, item, json_object_get(ratios, name),
                     "ratio %s is greater than max/min = %f", json_str(ratios, name, ""), most);
}

static void check_limit(const json_t *limit, const char *path, FieldErrors *errors)
{
  static const char *const members[] = { "max", "min", "default", "defaultRequest", "maxLimitRequestRatio" };
  const char *type = json_str(limit, "type", ""), *name;
  json_t *amount;
  bool pod = strcmp(type, "Pod") == 0;
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    bool is_default = i == 2 || i == 3;
    if (pod && is_default && json_object_size(json_object_get(limit, members[i])) > 0)
      field_errors_add_at(errors, FIELD_FORBIDDEN, path, members[i], NULL, "may not be specified when `type` is 'Pod'");
    else
      check_names(limit, members[i], path, errors);
  }
  if (strcmp(type, "PersistentVolumeClaim") == 0 && !json_at(limit, "min", "storage", NULL) &&
      !json_at(limit, "max", "storage", NULL))
    field_errors_add_at(errors, FIELD_REQUIRED, path, "limits", NULL,
                        "either minimum or maximum storage value is required, but neither was provided");
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    json_object_foreach (json_object_get(limit, members[i]), name, amount) {
      if (!g_hash_table_add(names, (gpointer)(uintptr_t)name))
        continue;
      check_bounds(limit, name, path, errors);
      check_ratio(limit, name, path, errors);
    }
  }
}

static void limit_range_validate_create(const json_t *object, FieldErrors *errors)
{
  static const char *const types[] = { "Pod", "Container", "PersistentVolumeClaim", NULL };
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *limit;
  json_array_foreach (json_at(object, "spec", "limits", NULL), index, limit) {
    const char *type = json_str(limit, "type", "");
    g_autofree char *path = field_path_index("spec.limits", index), *type_path = field_path_child(path, "type");
    g_autoptr(json_t) shown = json_string(type);
    unsigned before = field_errors_count(errors);
    api_validate_format("qualifiedName", shown, type_path, errors);
    if (field_errors_count(errors) == before && !strchr(type, '/') && !g_strv_contains(types, type))
      field_errors_add(errors, FIELD_INVALID, type_path, shown, "must be a standard limit type or fully qualified");
    if (!g_hash_table_add(seen, (gpointer)(uintptr_t)type))
      field_errors_add(errors, FIELD_DUPLICATE, type_path, shown, NULL);
    check_limit(limit, path, errors);
  }
}

static void limit_range_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                        FieldErrors *errors)
{
  limit_range_validate_create(object, errors);
}

const ApiStrategy strategy_limit_range = {
  .validate_create = limit_range_validate_create,
  .validate_update = limit_range_validate_update,
};
