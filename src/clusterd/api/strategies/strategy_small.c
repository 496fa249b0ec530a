/* Priority classes, leases, stored revisions, runtime classes: a rule or two each.
 * Source: k8s.io/kubernetes/pkg/apis/{scheduling,coordination,apps,node}/validation. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/strategies/strategy_resources.h"
#include "clusterd/api/validation.h"
#include "clusterd/api/validation_metadata.h"

#define USER_PRIORITY_MAX 1000000000

static const struct {
  const char *name;
  int64_t value;
} system_classes[] = {
  { "system-node-critical", 2000001000 },
  { "system-cluster-critical", 2000000000 },
};

/* What keeps a class with the system's prefix from being one of the system's; NULL: nothing. */
static char *system_problem(const char *name, const json_t *object)
{
  for (size_t i = 0; i < G_N_ELEMENTS(system_classes); i++) {
    if (strcmp(name, system_classes[i].name) != 0)
      continue;
    if (json_int(object, "value", 0) != system_classes[i].value)
      return g_strdup_printf("value of %s PriorityClass must be %" G_GINT64_FORMAT, name, system_classes[i].value);
    return json_flag(object, "globalDefault", false)
               ? g_strdup_printf("globalDefault of %s PriorityClass must be false", name)
               : NULL;
  }
  return g_strdup_printf("%s is not a known system priority class", name);
}

static void priority_class_validate_create(const json_t *object, FieldErrors *errors)
{
  const char *name = json_str(json_object_get(object, "metadata"), "name", "");
  bool system = g_str_has_prefix(name, "system-");
  g_autofree char *problem = system ? system_problem(name, object) : NULL;
  if (problem)
    field_errors_add(errors, FIELD_FORBIDDEN, "metadata.name", NULL,
                     "priority class names with 'system-' prefix are reserved for system use only. error: %s", problem);
  if (!system && json_int(object, "value", 0) > USER_PRIORITY_MAX)
    field_errors_add(errors, FIELD_FORBIDDEN, "value", NULL, "maximum allowed value of a user defined priority is %d",
                     USER_PRIORITY_MAX);
}

static void priority_class_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                           FieldErrors *errors)
{
  if (json_int(object, "value", 0) != json_int(old, "value", 0))
    field_errors_add(errors, FIELD_FORBIDDEN, "value", NULL, "may not be changed in an update.");
  strategy_check_immutable(json_object_get(object, "preemptionPolicy"), json_object_get(old, "preemptionPolicy"),
                           "preemptionPolicy", errors);
}

const ApiStrategy strategy_priority_class = {
  .validate_create = priority_class_validate_create,
  .validate_update = priority_class_validate_update,
};

void validate_lease_spec(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const strategies[] = { "OldestEmulationVersion", NULL };
  const json_t *strategy = json_object_get(value, "strategy");
  const char *text = json_str(value, "strategy", "");
  g_autofree char *strategy_path = field_path_child(path, "strategy.strategy"); /* so upstream calls it */
  if (strategy && strchr(text, '/'))
    api_validate_format("qualifiedName", strategy, strategy_path, errors);
  else if (strategy && !g_strv_contains(strategies, text))
    field_errors_add_unsupported(errors, strategy_path, strategy, strategies);
  if (*json_str(value, "preferredHolder", "") && !*text)
    field_errors_add_at(errors, FIELD_FORBIDDEN, path, "preferredHolder", NULL,
                        "may only be specified if `strategy` is defined");
}

static void revision_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *revision = json_object_get(object, "revision");
  if (!json_object_get(object, "data"))
    field_errors_add(errors, FIELD_REQUIRED, "data", NULL, "data is mandatory");
  if (json_integer_value(revision) < 0)
    field_errors_add(errors, FIELD_INVALID, "revision", revision, "must be greater than or equal to 0");
}

static void revision_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                     FieldErrors *errors)
{
  revision_validate_create(object, errors);
  strategy_check_immutable(json_object_get(object, "data"), json_object_get(old, "data"), "data", errors);
}

const ApiStrategy strategy_controller_revision = {
  .validate_create = revision_validate_create,
  .validate_update = revision_validate_update,
};

static void check_scheduling(const json_t *scheduling, FieldErrors *errors)
{
  const json_t *tolerations = json_object_get(scheduling, "tolerations");
  validate_labels(json_object_get(scheduling, "nodeSelector"), "scheduling.nodeSelector", errors);
  for (size_t i = 0; i < json_array_size(tolerations); i++) {
    const json_t *toleration = json_array_get(tolerations, i);
    g_autofree char *path = field_path_index("scheduling.tolerations", i);
    size_t first = 0;
    while (!json_equal(json_array_get(tolerations, first), toleration))
      first++;
    if (first < i)
      field_errors_add(errors, FIELD_DUPLICATE, path, toleration, NULL);
  }
}

static void runtime_class_validate_create(const json_t *object, FieldErrors *errors)
{
  const char *name;
  json_t *amount;
  g_autoptr(json_t) handler = json_string(json_str(object, "handler", ""));
  api_validate_format("dns1123label", handler, "handler", errors);
  json_object_foreach (json_at(object, "overhead", "podFixed", NULL), name, amount) {
    g_autofree char *path = field_path_key("overhead.limits", name); /* so upstream calls it */
    resource_check_container_name(name, path, errors);
    resource_check_amount(name, amount, path, errors);
  }
  check_scheduling(json_object_get(object, "scheduling"), errors);
}

static void runtime_class_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                          FieldErrors *errors)
{
  strategy_check_immutable(json_object_get(object, "handler"), json_object_get(old, "handler"), "handler", errors);
}

const ApiStrategy strategy_runtime_class = {
  .validate_create = runtime_class_validate_create,
  .validate_update = runtime_class_validate_update,
};
