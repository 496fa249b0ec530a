/* Horizontal pod autoscalers and disruption budgets.
 * Source: k8s.io/kubernetes/pkg/apis/{autoscaling,policy}/validation. */
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"

#define STABILIZATION_SECONDS_MAX 3600
#define POLICY_PERIOD_MAX 1800
#define POLICY_PERIOD 15 /* seconds, of the policies that apply unless others are given */

void default_autoscaler_spec(json_t *value)
{
  if (json_array_size(json_object_get(value, "metrics")) == 0)
    json_object_set_new(value, "metrics",
                        json_pack("[{s:s, s:{s:s, s:{s:s, s:i}}}]", "type", "Resource", "resource", "name", "cpu",
                                  "target", "type", "Utilization", "averageUtilization", 80));
}

static void add_policy(json_t *policies, const char *type, int value)
{
  json_array_append_new(policies,
                        json_pack("{s:s, s:i, s:i}", "type", type, "value", value, "periodSeconds", POLICY_PERIOD));
}

/* Whoever says anything of a behavior gets the whole of it; only how long the way down is looked back on is left to the
 * controller. */
void default_autoscaler_behavior(json_t *value)
{
  json_t *up = json_ensure_object(value, "scaleUp", NULL), *down = json_ensure_object(value, "scaleDown", NULL);
  if (!json_object_get(up, "stabilizationWindowSeconds"))
    json_object_set_new(up, "stabilizationWindowSeconds", json_integer(0));
  if (!json_object_get(up, "selectPolicy"))
    json_object_set_new(up, "selectPolicy", json_string("Max"));
  if (!json_object_get(down, "selectPolicy"))
    json_object_set_new(down, "selectPolicy", json_string("Max"));
  if (!json_object_get(up, "policies")) {
    json_object_set_new(up, "policies", json_array());
    add_policy(json_object_get(up, "policies"), "Pods", 4);
    add_policy(json_object_get(up, "policies"), "Percent", 100);
  }
  if (!json_object_get(down, "policies")) {
    json_object_set_new(down, "policies", json_array());
    add_policy(json_object_get(down, "policies"), "Percent", 100);
  }
}

static bool is_positive(const json_t *target, const char *member)
{
  Quantity quantity;
  return quantity_parse(json_str(target, member, "0"), &quantity, NULL) && quantity.nano > 0;
}

void validate_metric_target(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const types[] = { "Utilization", "Value", "AverageValue" };
  const json_t *utilization = json_object_get(value, "averageUtilization");
  const char *type = json_str(value, "type", "");
  bool known = false;
  for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
    known = known || strcmp(types[i], type) == 0;
  g_autoptr(json_t) shown = json_string(type);
  if (!*type)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "type", NULL, "must specify a metric target type");
  else if (!known)
    field_errors_add_at(errors, FIELD_INVALID, path, "type", shown,
                        "must be either Utilization, Value, or AverageValue");
  if (json_object_get(value, "value") && !is_positive(value, "value"))
    field_errors_add_at(errors, FIELD_INVALID, path, "value", json_object_get(value, "value"), "must be positive");
  if (json_object_get(value, "averageValue") && !is_positive(value, "averageValue"))
    field_errors_add_at(errors, FIELD_INVALID, path, "averageValue", json_object_get(value, "averageValue"),
                        "must be positive");
  if (utilization && json_integer_value(utilization) < 1)
    field_errors_add_at(errors, FIELD_INVALID, path, "averageUtilization", utilization, "must be greater than 0");
}

static void check_named_metric(const json_t *source, const char *path, FieldErrors *errors)
{
  const char *name = json_str(json_object_get(source, "metric"), "name", "");
  g_autofree char *name_path = field_path_child(path, "metric.name");
  if (!*name)
    field_errors_add(errors, FIELD_REQUIRED, name_path, NULL, "must specify a metric name");
  else
    api_validate_format("pathSegment", json_at(source, "metric", "name", NULL), name_path, errors);
}

static void check_resource_source(const json_t *source, const char *path, FieldErrors *errors)
{
  const json_t *target = json_object_get(source, "target");
  bool utilization = json_object_get(target, "averageUtilization"), raw = json_object_get(target, "averageValue");
  if (!*json_str(source, "name", ""))
    field_errors_add_at(errors, FIELD_REQUIRED, path, "name", NULL, "must specify a resource name");
  if (!utilization && !raw)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "target.averageUtilization", NULL,
                        "must set either a target raw value or a target utilization");
  if (utilization && raw)
    field_errors_add_at(errors, FIELD_FORBIDDEN, path, "target.averageValue", NULL,
                        "may not set both a target raw value and a target utilization");
}

static void check_source(const json_t *metric, const char *member, const char *path, FieldErrors *errors)
{
  const json_t *source = json_object_get(metric, member), *target = json_object_get(source, "target");
  g_autofree char *source_path = field_path_child(path, member);
  g_autofree char *object_path = field_path_child(source_path, "describedObject");
  bool value = json_object_get(target, "value"), average = json_object_get(target, "averageValue");
  if (strcmp(member, "resource") == 0 || strcmp(member, "containerResource") == 0) {
    check_resource_source(source, source_path, errors);
    if (strcmp(member, "containerResource") == 0 && !*json_str(source, "container", ""))
      field_errors_add_at(errors, FIELD_REQUIRED, source_path, "container", NULL, "must specify a container");
    return;
  }
  if (strcmp(member, "object") == 0)
    strategy_check_reference(json_object_get(source, "describedObject"), object_path, errors);
  check_named_metric(source, source_path, errors);
  if (strcmp(member, "pods") == 0 && !is_positive(target, "averageValue"))
    field_errors_add_at(errors, FIELD_REQUIRED, source_path, "target.averageValue", NULL,
                        "must specify a positive target averageValue");
  else if (strcmp(member, "object") == 0 && !value && !average)
    field_errors_add_at(errors, FIELD_REQUIRED, source_path, "target.averageValue", NULL,
                        "must set either a target value or averageValue");
  else if (strcmp(member, "external") == 0 && !value && !average)
    field_errors_add_at(errors, FIELD_REQUIRED, source_path, "target.averageValue", NULL,
                        "must set either a target value for metric or a per-pod target");
  else if (strcmp(member, "external") == 0 && value && average)
    field_errors_add_at(errors, FIELD_FORBIDDEN, source_path, "target.value", NULL,
                        "may not set both a target value for metric and a per-pod target");
}

static const struct {
  const char *type, *member;
} metric_sources[] = {
  { "Object", "object" },
  { "External", "external" },
  { "Pods", "pods" },
  { "Resource", "resource" },
  { "ContainerResource", "containerResource" },
};

void validate_metric(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const types[] = { "ContainerResource", "External", "Object", "Pods", "Resource", NULL };
  const char *type = json_str(value, "type", ""), *wanted = NULL;
  g_autofree char *type_path = field_path_child(path, "type");
  g_autoptr(json_t) shown = json_string(type);
  unsigned found = 0;
  if (!*type)
    field_errors_add(errors, FIELD_REQUIRED, type_path, NULL, "must specify a metric source type");
  if (!g_strv_contains(types, type))
    field_errors_add_unsupported(errors, type_path, shown, types);
  for (size_t i = 0; i < G_N_ELEMENTS(metric_sources); i++) {
    if (strcmp(metric_sources[i].type, type) == 0)
      wanted = metric_sources[i].member;
    if (json_object_get(value, metric_sources[i].member) && found++ == 0)
      check_source(value, metric_sources[i].member, path, errors);
  }
  if (wanted && !json_object_get(value, wanted))
    field_errors_add_at(errors, FIELD_REQUIRED, path, wanted, NULL,
                        "must populate information for the given metric source");
  for (size_t i = 0; found > 1 && i < G_N_ELEMENTS(metric_sources); i++) {
    if (json_object_get(value, metric_sources[i].member) && g_strcmp0(metric_sources[i].member, wanted) != 0)
      field_errors_add_at(errors, FIELD_FORBIDDEN, path, metric_sources[i].member, NULL,
                          "must populate the given metric source only");
  }
}

void validate_scaling_rules(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const types[] = { "Percent", "Pods", NULL };
  const json_t *window = json_object_get(value, "stabilizationWindowSeconds");
  const json_t *policies = json_object_get(value, "policies");
  size_t index;
  json_t *policy;
  if (json_integer_value(window) < 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "stabilizationWindowSeconds", window,
                        "must be greater than or equal to zero");
  if (json_integer_value(window) > STABILIZATION_SECONDS_MAX)
    field_errors_add_at(errors, FIELD_INVALID, path, "stabilizationWindowSeconds", window,
                        "must be less than or equal to %d", STABILIZATION_SECONDS_MAX);
  if (json_array_size(policies) == 0)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "policies", NULL, "must specify at least one Policy");
  json_array_foreach ((json_t *)(uintptr_t)policies, index, policy) {
    const json_t *amount = json_object_get(policy, "value"), *period = json_object_get(policy, "periodSeconds");
    g_autofree char *item = g_strdup_printf("%s.policies[%zu]", path, index),
                    *type_path = field_path_child(item, "type");
    if (!g_strv_contains(types, json_str(policy, "type", "")))
      field_errors_add_unsupported(errors, type_path, json_object_get(policy, "type"), types);
    if (json_integer_value(amount) <= 0)
      field_errors_add_at(errors, FIELD_INVALID, item, "value", amount, "must be greater than zero");
    if (json_integer_value(period) <= 0)
      field_errors_add_at(errors, FIELD_INVALID, item, "periodSeconds", period, "must be greater than zero");
    if (json_integer_value(period) > POLICY_PERIOD_MAX)
      field_errors_add_at(errors, FIELD_INVALID, item, "periodSeconds", period, "must be less than or equal to %d",
                          POLICY_PERIOD_MAX);
  }
}

void validate_autoscaler_spec(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *fewest = json_object_get(value, "minReplicas"), *most = json_object_get(value, "maxReplicas");
  g_autofree char *target_path = field_path_child(path, "scaleTargetRef");
  g_autoptr(json_t) zero = json_integer(0);
  if (fewest && json_integer_value(fewest) < 1)
    field_errors_add_at(errors, FIELD_INVALID, path, "minReplicas", fewest, "must be greater than or equal to 1");
  if (json_integer_value(most) < 1)
    field_errors_add_at(errors, FIELD_INVALID, path, "maxReplicas", most ? most : zero, "must be greater than 0");
  if (fewest && json_integer_value(most) < json_integer_value(fewest))
    field_errors_add_at(errors, FIELD_INVALID, path, "maxReplicas", most ? most : zero,
                        "must be greater than or equal to `minReplicas`");
  strategy_check_reference(json_object_get(value, "scaleTargetRef"), target_path, errors);
}

void validate_budget_spec(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const policies[] = { "AlwaysAllow", "IfHealthyBudget", NULL };
  static const char *const members[] = { "minAvailable", "maxUnavailable" };
  const json_t *policy = json_object_get(value, "unhealthyPodEvictionPolicy");
  g_autofree char *policy_path = field_path_child(path, "unhealthyPodEvictionPolicy");
  if (json_object_get(value, "minAvailable") && json_object_get(value, "maxUnavailable"))
    field_errors_add(errors, FIELD_INVALID, path, value, "minAvailable and maxUnavailable cannot be both set");
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    g_autofree char *member_path = field_path_child(path, members[i]);
    strategy_check_int_or_percent(json_object_get(value, members[i]), member_path, errors);
    strategy_check_whole(json_object_get(value, members[i]), member_path, errors);
  }
  if (policy && !g_strv_contains(policies, json_string_value(policy)))
    field_errors_add_unsupported(errors, policy_path, policy, policies);
}
