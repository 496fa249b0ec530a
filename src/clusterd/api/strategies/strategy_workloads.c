/* Deployments, replica sets, daemon sets, stateful sets, replication controllers. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"
#include "clusterd/api/validation_metadata.h"

static bool is_rolling_bare(const json_t *strategy)
{
  return strcmp(json_str(strategy, "type", ""), "RollingUpdate") == 0 && !json_object_get(strategy, "rollingUpdate");
}

void default_deployment_strategy(json_t *value)
{
  if (is_rolling_bare(value))
    json_object_set_new(value, "rollingUpdate", json_pack("{s:s, s:s}", "maxUnavailable", "25%", "maxSurge", "25%"));
}

void default_daemon_set_strategy(json_t *value)
{
  if (is_rolling_bare(value))
    json_object_set_new(value, "rollingUpdate", json_pack("{s:i, s:i}", "maxUnavailable", 1, "maxSurge", 0));
}

void default_stateful_set_strategy(json_t *value)
{
  if (is_rolling_bare(value))
    json_object_set_new(value, "rollingUpdate", json_pack("{s:i}", "partition", 0));
}

static void check_deployment_strategy(const json_t *spec, FieldErrors *errors)
{
  const json_t *strategy = json_object_get(spec, "strategy"), *rolling = json_object_get(strategy, "rollingUpdate");
  const json_t *unavailable = json_object_get(rolling, "maxUnavailable"), *surge = json_object_get(rolling, "maxSurge");
  if (strcmp(json_str(strategy, "type", ""), "Recreate") == 0 && rolling)
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.strategy.rollingUpdate", NULL,
                     "may not be specified when strategy `type` is 'Recreate'");
  strategy_check_int_or_percent(unavailable, "spec.strategy.rollingUpdate.maxUnavailable", errors);
  strategy_check_int_or_percent(surge, "spec.strategy.rollingUpdate.maxSurge", errors);
  if (rolling && strategy_int_or_percent(unavailable) == 0 && strategy_int_or_percent(surge) == 0)
    field_errors_add(errors, FIELD_INVALID, "spec.strategy.rollingUpdate.maxUnavailable", unavailable,
                     "may not be 0 when `maxSurge` is 0");
  strategy_check_whole(unavailable, "spec.strategy.rollingUpdate.maxUnavailable", errors);
}

static void deployment_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *deadline = json_object_get(spec, "progressDeadlineSeconds");
  strategy_check_template(object, "deployment", "ReplicaSet", errors);
  check_deployment_strategy(spec, errors);
  if (deadline && json_integer_value(deadline) <= json_int(spec, "minReadySeconds", 0))
    field_errors_add(errors, FIELD_INVALID, "spec.progressDeadlineSeconds", deadline,
                     "must be greater than minReadySeconds");
}

static void deployment_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                       FieldErrors *errors)
{
  if (!context || !context->subresource)
    deployment_validate_create(object, errors);
}

const ApiStrategy strategy_deployment = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
  .validate_create = deployment_validate_create,
  .validate_update = deployment_validate_update,
};

static void replica_set_validate_create(const json_t *object, FieldErrors *errors)
{
  strategy_check_template(object, "deployment", "ReplicaSet", errors);
}

static void replica_set_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                        FieldErrors *errors)
{
  if (!context || !context->subresource)
    replica_set_validate_create(object, errors);
}

const ApiStrategy strategy_replica_set = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
  .validate_create = replica_set_validate_create,
  .validate_update = replica_set_validate_update,
};

/* How often a daemon set's template has changed is counted in an annotation since spec.templateGeneration is gone. */
#define TEMPLATE_GENERATION "deprecated.daemonset.template.generation"

/* The count OBJECT says; OTHERWISE where it says none; false when it is no number. */
static bool read_template_generation(const json_t *object, int64_t otherwise, int64_t *generation)
{
  const char *text = json_str(json_at(object, "metadata", "annotations", NULL), TEMPLATE_GENERATION, NULL);
  gint64 number = otherwise;
  bool ok = !text || g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &number, NULL);
  *generation = number;
  return ok;
}

static void write_template_generation(json_t *object, int64_t generation)
{
  json_t *annotations = json_ensure_object(object, "metadata", "annotations", NULL);
  json_object_set_new(annotations, TEMPLATE_GENERATION, json_sprintf("%" G_GINT64_FORMAT, generation));
}

static void daemon_set_prepare_create(json_t *object)
{
  int64_t generation;
  strategy_reset_status(object);
  if (read_template_generation(object, 1, &generation))
    write_template_generation(object, MAX(generation, 1));
}

/* Clients cannot set the count. */
static void daemon_set_prepare_update(json_t *object, const json_t *old, const ApiWriteContext *context)
{
  int64_t generation;
  strategy_split_status(object, old, context);
  if (!read_template_generation(old, 1, &generation))
    generation = 1;
  if (!json_same(json_at(object, "spec", "template", NULL), json_at(old, "spec", "template", NULL)) &&
      generation < G_MAXINT64)
    generation++;
  write_template_generation(object, generation);
}

static void daemon_set_validate_create(const json_t *object, FieldErrors *errors)
{
  static const char path[] = "spec.updateStrategy.rollingUpdate";
  static const char *const members[] = { "maxUnavailable", "maxSurge" };
  const json_t *rolling = json_at(object, "spec", "updateStrategy", "rollingUpdate", NULL);
  const json_t *surge = json_object_get(rolling, "maxSurge");
  int64_t generation;
  if (!read_template_generation(object, 1, &generation))
    field_errors_add(errors, FIELD_INVALID, "metadata.annotations[" TEMPLATE_GENERATION "]",
                     json_at(object, "metadata", "annotations", TEMPLATE_GENERATION, NULL), "must be an integer");
  strategy_check_template(object, "daemonset", "DaemonSet", errors);
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    g_autofree char *member_path = field_path_child(path, members[i]);
    strategy_check_int_or_percent(json_object_get(rolling, members[i]), member_path, errors);
    strategy_check_whole(json_object_get(rolling, members[i]), member_path, errors);
  }
  bool unavailable = strategy_int_or_percent(json_object_get(rolling, "maxUnavailable")) != 0;
  if (unavailable && strategy_int_or_percent(surge) != 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "maxSurge", surge,
                        "may not be set when maxUnavailable is non-zero");
  else if (rolling && !unavailable && strategy_int_or_percent(surge) == 0)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "maxUnavailable", NULL, "cannot be 0 when maxSurge is 0");
}

static void daemon_set_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                       FieldErrors *errors)
{
  if (!context || !context->subresource)
    daemon_set_validate_create(object, errors);
}

const ApiStrategy strategy_daemon_set = {
  .prepare_create = daemon_set_prepare_create,
  .prepare_update = daemon_set_prepare_update,
  .validate_create = daemon_set_validate_create,
  .validate_update = daemon_set_validate_update,
};

static void check_stateful_set_strategy(const json_t *spec, FieldErrors *errors)
{
  const json_t *strategy = json_object_get(spec, "updateStrategy"),
               *rolling = json_object_get(strategy, "rollingUpdate");
  const json_t *policy = json_object_get(spec, "podManagementPolicy"),
               *start = json_at(spec, "ordinals", "start", NULL);
  const json_t *unavailable = json_object_get(rolling, "maxUnavailable");
  const char *text = json_str(spec, "podManagementPolicy", ""), *type = json_str(strategy, "type", "");
  if (strcmp(text, "OrderedReady") != 0 && strcmp(text, "Parallel") != 0)
    field_errors_add(errors, FIELD_INVALID, "spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'");
  if (strcmp(type, "OnDelete") == 0 && rolling)
    field_errors_add(errors, FIELD_INVALID, "spec.updateStrategy.rollingUpdate", rolling,
                     "only allowed for updateStrategy 'RollingUpdate'");
  else if (strcmp(type, "OnDelete") != 0 && strcmp(type, "RollingUpdate") != 0)
    field_errors_add(errors, FIELD_INVALID, "spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'");
  strategy_check_int_or_percent(unavailable, "spec.updateStrategy.rollingUpdate.maxUnavailable", errors);
  if (unavailable && strategy_int_or_percent(unavailable) == 0)
    field_errors_add(errors, FIELD_INVALID, "spec.updateStrategy.rollingUpdate.maxUnavailable", unavailable,
                     "cannot be 0");
  strategy_check_whole(unavailable, "spec.updateStrategy.rollingUpdate.maxUnavailable", errors);
  if (json_integer_value(start) < 0)
    field_errors_add(errors, FIELD_INVALID, "spec.ordinals.start", start, "must be greater than or equal to 0");
}

static void stateful_set_validate_create(const json_t *object, FieldErrors *errors)
{
  strategy_check_template(object, "statefulset", "StatefulSet", errors);
  check_stateful_set_strategy(json_object_get(object, "spec"), errors);
}

static void stateful_set_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                         FieldErrors *errors)
{
  static const char *const changeable[] = {
    "replicas", "ordinals", "template", "updateStrategy", "persistentVolumeClaimRetentionPolicy", "minReadySeconds"
  };
  if (context && context->subresource)
    return;
  stateful_set_validate_create(object, errors);
  g_autoptr(json_t) spec = json_copy(json_object_get(object, "spec"));
  const json_t *old_spec = json_object_get(old, "spec");
  for (size_t i = 0; i < G_N_ELEMENTS(changeable); i++)
    strategy_carry(spec, old_spec, changeable[i]);
  if (!json_same(spec, old_spec))
    field_errors_add(errors, FIELD_FORBIDDEN, "spec", NULL,
                     "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
                     "'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
}

const ApiStrategy strategy_stateful_set = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
  .validate_create = stateful_set_validate_create,
  .validate_update = stateful_set_validate_update,
};

void default_replication_controller(json_t *value)
{
  json_t *spec = json_object_get(value, "spec"), *labels = json_at(spec, "template", "metadata", "labels", NULL);
  if (json_object_size(labels) == 0)
    return;
  if (json_object_size(json_object_get(spec, "selector")) == 0)
    json_object_set_new(spec, "selector", json_copy(labels));
  json_t *metadata = json_ensure_object(value, "metadata", NULL);
  if (json_object_size(json_object_get(metadata, "labels")) == 0)
    json_object_set_new(metadata, "labels", json_copy(labels));
}

static void replication_controller_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *selector = json_object_get(spec, "selector");
  const json_t *labels = json_at(spec, "template", "metadata", "labels", NULL);
  const char *key;
  json_t *value;
  bool matches = true;
  if (json_object_size(selector) == 0)
    field_errors_add(errors, FIELD_REQUIRED, "spec.selector", NULL, NULL);
  if (!json_object_get(spec, "template"))
    field_errors_add(errors, FIELD_REQUIRED, "spec.template", NULL, NULL);
  json_object_foreach ((json_t *)(uintptr_t)selector, key, value) {
    matches = matches && json_same(json_object_get(labels, key), value);
  }
  if (json_object_get(spec, "template") && !matches)
    field_errors_add(errors, FIELD_INVALID, "spec.template.metadata.labels", labels,
                     "`selector` does not match template `labels`");
  validate_template_metadata(json_at(spec, "template", "metadata", NULL), "spec.template", errors);
  strategy_check_restarts(json_at(spec, "template", "spec", NULL), "ReplicationController", errors);
}

static void replication_controller_validate_update(const json_t *object, const json_t *old,
                                                   const ApiWriteContext *context, FieldErrors *errors)
{
  if (!context || !context->subresource)
    replication_controller_validate_create(object, errors);
}

const ApiStrategy strategy_replication_controller = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
  .validate_create = replication_controller_validate_create,
  .validate_update = replication_controller_validate_update,
};
