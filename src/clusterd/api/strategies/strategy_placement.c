/* Where pods may go: node selectors, affinity, spreading, tolerations, scheduling gates. */
#include "clusterd/api/strategies/strategy_placement.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/validation.h"
#include "clusterd/api/validation_metadata.h"

static bool one_of(const char *text, const char *first, const char *second)
{
  return strcmp(text, first) == 0 || strcmp(text, second) == 0;
}

static void check_node_label(const json_t *requirement, bool check_values, const char *path, FieldErrors *errors)
{
  const json_t *values = json_object_get(requirement, "values"), *operator= json_object_get(requirement, "operator");
  const char *text = json_str(requirement, "operator", "");
  size_t index, count = json_array_size(values);
  json_t *value;
  g_autofree char *values_path = field_path_child(path, "values"), *key_path = field_path_child(path, "key");
  g_autoptr(json_t) key = json_string(json_str(requirement, "key", "")), none = json_string("");
  if (one_of(text, "In", "NotIn")) {
    if (count == 0)
      field_errors_add(errors, FIELD_REQUIRED, values_path, NULL,
                       "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (one_of(text, "Exists", "DoesNotExist")) {
    if (count > 0)
      field_errors_add(errors, FIELD_FORBIDDEN, values_path, NULL,
                       "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  } else if (one_of(text, "Gt", "Lt")) {
    if (count != 1)
      field_errors_add(errors, FIELD_REQUIRED, values_path, NULL,
                       "must be specified single value when `operator` is 'Lt' or 'Gt'");
  } else {
    field_errors_add_at(errors, FIELD_INVALID, path, "operator", operator? operator: none,
                        "not a valid selector operator");
  }
  api_validate_format("qualifiedName", key, key_path, errors);
  for (index = 0; check_values && index < count; index++) {
    value = json_array_get(values, index);
    g_autofree char *value_path = field_path_index(values_path, index);
    api_validate_format("labelValue", value, value_path, errors);
  }
}

static void check_node_field(const json_t *requirement, const char *path, FieldErrors *errors)
{
  const json_t *values = json_object_get(requirement, "values"), *key = json_object_get(requirement, "key");
  const json_t *operator= json_object_get(requirement, "operator");
  g_autoptr(json_t) none = json_string("");
  if (!one_of(json_str(requirement, "operator", ""), "In", "NotIn"))
    field_errors_add_at(errors, FIELD_INVALID, path, "operator", operator? operator: none,
                        "not a valid selector operator");
  else if (json_array_size(values) != 1)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "values", NULL,
                        "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
  if (strcmp(json_str(requirement, "key", ""), "metadata.name") != 0) {
    field_errors_add_at(errors, FIELD_INVALID, path, "key", key ? key : none, "not a valid field selector key");
    return;
  }
  for (size_t i = 0; i < json_array_size(values); i++) {
    g_autofree char *value_path = g_strdup_printf("%s.values[%zu]", path, i);
    api_validate_format("dns1123subdomain", json_array_get(values, i), value_path, errors);
  }
}

static void check_node_term(const json_t *term, bool check_values, const char *path, FieldErrors *errors)
{
  size_t index;
  json_t *requirement;
  json_array_foreach (json_object_get(term, "matchExpressions"), index, requirement) {
    g_autofree char *item_path = g_strdup_printf("%s.matchExpressions[%zu]", path, index);
    check_node_label(requirement, check_values, item_path, errors);
  }
  json_array_foreach (json_object_get(term, "matchFields"), index, requirement) {
    g_autofree char *item_path = g_strdup_printf("%s.matchFields[%zu]", path, index);
    check_node_field(requirement, item_path, errors);
  }
}

void validate_node_selector(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *terms = json_object_get(value, "nodeSelectorTerms");
  size_t index;
  json_t *term;
  if (json_array_size(terms) == 0)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "nodeSelectorTerms", NULL,
                        "must have at least one node selector term");
  json_array_foreach ((json_t *)(uintptr_t)terms, index, term) {
    g_autofree char *term_path = g_strdup_printf("%s.nodeSelectorTerms[%zu]", path, index);
    check_node_term(term, true, term_path, errors);
  }
}

void validate_preferred_term(const json_t *value, const char *path, FieldErrors *errors)
{
  g_autofree char *term_path = field_path_child(path, "preference");
  check_node_term(json_object_get(value, "preference"), false, term_path, errors);
}

static bool selects_by(const json_t *selector, const char *key)
{
  size_t index;
  json_t *expression;
  if (json_at(selector, "matchLabels", key, NULL))
    return true;
  json_array_foreach (json_object_get(selector, "matchExpressions"), index, expression) {
    if (strcmp(json_str(expression, "key", ""), key) == 0)
      return true;
  }
  return false;
}

/* Label keys that are added to a selector; they need one, and may not be in it already when UNIQUE. */
static void check_label_keys(const json_t *owner, const char *member, bool unique, const char *path,
                             FieldErrors *errors)
{
  const json_t *keys = json_object_get(owner, member), *selector = json_object_get(owner, "labelSelector");
  size_t index;
  json_t *key;
  if (json_array_size(keys) > 0 && !selector)
    field_errors_add_at(errors, FIELD_FORBIDDEN, path, member, NULL,
                        "must not be specified when labelSelector is not set");
  json_array_foreach ((json_t *)(uintptr_t)keys, index, key) {
    g_autofree char *key_path = g_strdup_printf("%s.%s[%zu]", path, member, index);
    api_validate_format("qualifiedName", key, key_path, errors);
    if (unique && selects_by(selector, json_string_value(key)))
      field_errors_add(errors, FIELD_INVALID, key_path, key, "exists in both matchLabelKeys and labelSelector");
  }
}

void validate_pod_affinity_term(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *mismatched = json_object_get(value, "mismatchLabelKeys");
  g_autofree char *topology_path = field_path_child(path, "topologyKey");
  g_autofree char *namespace_path = field_path_child(path, "namespace"); /* so upstream calls it */
  g_autoptr(json_t) topology = json_string(json_str(value, "topologyKey", ""));
  size_t index;
  json_t *item;
  json_array_foreach (json_object_get(value, "namespaces"), index, item) {
    api_validate_format("dns1123label", item, namespace_path, errors);
  }
  check_label_keys(value, "matchLabelKeys", false, path, errors);
  check_label_keys(value, "mismatchLabelKeys", false, path, errors);
  json_array_foreach (json_object_get(value, "matchLabelKeys"), index, item) {
    g_autofree char *key_path = g_strdup_printf("%s.matchLabelKeys[%zu]", path, index);
    for (size_t i = 0; i < json_array_size(mismatched); i++) {
      if (json_equal(json_array_get(mismatched, i), item))
        field_errors_add(errors, FIELD_INVALID, key_path, item, "exists in both matchLabelKeys and mismatchLabelKeys");
    }
  }
  if (json_string_length(topology) == 0)
    field_errors_add(errors, FIELD_REQUIRED, topology_path, NULL, "can not be empty");
  api_validate_format("qualifiedName", topology, topology_path, errors);
}

void validate_spread_constraint(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const actions[] = { "DoNotSchedule", "ScheduleAnyway", NULL };
  static const char *const policies[] = { "Honor", "Ignore", NULL };
  static const char *const members[] = { "nodeAffinityPolicy", "nodeTaintsPolicy" };
  const json_t *skew = json_object_get(value, "maxSkew"), *domains = json_object_get(value, "minDomains");
  const char *action = json_str(value, "whenUnsatisfiable", "");
  g_autofree char *action_path = field_path_child(path, "whenUnsatisfiable");
  g_autoptr(json_t) zero = json_integer(0), action_value = json_string(action);
  if (json_integer_value(skew) <= 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "maxSkew", skew ? skew : zero, "must be greater than zero");
  if (!*json_str(value, "topologyKey", ""))
    field_errors_add_at(errors, FIELD_REQUIRED, path, "topologyKey", NULL, "can not be empty");
  if (!g_strv_contains(actions, action))
    field_errors_add_unsupported(errors, action_path, action_value, actions);
  if (domains && json_integer_value(domains) <= 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "minDomains", domains, "must be greater than zero");
  if (domains && strcmp(action, "DoNotSchedule") != 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "minDomains", domains,
                        "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not %s", action);
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    const json_t *policy = json_object_get(value, members[i]);
    g_autofree char *policy_path = field_path_child(path, members[i]);
    if (policy && !g_strv_contains(policies, json_string_value(policy)))
      field_errors_add_unsupported(errors, policy_path, policy, policies);
  }
  check_label_keys(value, "matchLabelKeys", true, path, errors);
}

void validate_toleration(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const operators[] = { "Equal", "Exists", NULL };
  const json_t *key = json_object_get(value, "key"), *operator= json_object_get(value, "operator");
  const json_t *effect = json_object_get(value, "effect"), *compared = json_object_get(value, "value");
  const char *text = json_str(value, "operator", "");
  g_autofree char *key_path = field_path_child(path, "key"), *operator_path = field_path_child(path, "operator");
  g_autoptr(json_t) none = json_string("");
  if (json_string_length(key) > 0)
    api_validate_format("qualifiedName", key, key_path, errors);
  else if (strcmp(text, "Exists") != 0)
    field_errors_add(errors, FIELD_INVALID, operator_path, operator? operator: none,
                     "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
  if (json_object_get(value, "tolerationSeconds") && strcmp(json_str(value, "effect", ""), "NoExecute") != 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "effect", effect ? effect : none,
                        "effect must be 'NoExecute' when `tolerationSeconds` is set");
  if (!*text || strcmp(text, "Equal") == 0)
    api_validate_format("labelValue", compared, operator_path, errors);
  else if (strcmp(text, "Exists") != 0)
    field_errors_add_unsupported(errors, operator_path, operator, operators);
  else if (json_string_length(compared) > 0)
    field_errors_add(errors, FIELD_INVALID, operator_path, compared, "value must be empty when `operator` is 'Exists'");
}

static void check_gates(const json_t *spec, const char *path, FieldErrors *errors)
{
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *gate;
  json_array_foreach (json_object_get(spec, "schedulingGates"), index, gate) {
    g_autofree char *gate_path = g_strdup_printf("%s.schedulingGates[%zu]", path, index);
    g_autoptr(json_t) name = json_string(json_str(gate, "name", ""));
    api_validate_format("qualifiedName", name, gate_path, errors);
    if (!g_hash_table_add(names, (gpointer)(uintptr_t)json_str(gate, "name", "")))
      field_errors_add(errors, FIELD_DUPLICATE, gate_path, name, NULL);
  }
}

static void check_repeated_spread(const json_t *constraints, const char *path, FieldErrors *errors)
{
  size_t count = json_array_size(constraints);
  for (size_t i = 0; i < count; i++) {
    const json_t *first = json_array_get(constraints, i);
    const char *key = json_str(first, "topologyKey", ""), *action = json_str(first, "whenUnsatisfiable", "");
    for (size_t j = i + 1; j < count; j++) {
      const json_t *second = json_array_get(constraints, j);
      if (strcmp(key, json_str(second, "topologyKey", "")) != 0 ||
          strcmp(action, json_str(second, "whenUnsatisfiable", "")) != 0)
        continue;
      g_autofree char *item =
          g_strdup_printf("%s.topologySpreadConstraints[%zu].{topologyKey, whenUnsatisfiable}", path, i);
      g_autofree char *pair = g_strdup_printf("{%s, %s}", key, action);
      g_autoptr(json_t) shown = json_string(pair);
      field_errors_add(errors, FIELD_DUPLICATE, item, shown, NULL);
      break;
    }
  }
}

void placement_check_pod(const json_t *spec, const char *path, FieldErrors *errors)
{
  g_autofree char *selector_path = field_path_child(path, "nodeSelector");
  validate_labels(json_object_get(spec, "nodeSelector"), selector_path, errors);
  check_gates(spec, path, errors);
  check_repeated_spread(json_object_get(spec, "topologySpreadConstraints"), path, errors);
}
