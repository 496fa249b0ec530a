/* Jobs and cron jobs. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies.h"
#include "clusterd/api/strategy_common.h"
#include "clusterd/api/validation.h"
#include "clusterd/api/validation_metadata.h"

void default_job(json_t *value)
{
  json_t *spec = json_object_get(value, "spec"), *labels = json_at(spec, "template", "metadata", "labels", NULL);
  if (!spec)
    return;
  /* Neither given: one pod. Only parallelism given: a work queue, which has no number of completions. */
  if (!json_object_get(spec, "completions") && !json_object_get(spec, "parallelism"))
    json_object_set_new(spec, "completions", json_integer(1));
  strategy_default(spec, "parallelism", json_integer(1));
  json_t *metadata = json_ensure_object(value, "metadata", NULL);
  if (json_object_size(labels) > 0 && json_object_size(json_object_get(metadata, "labels")) == 0)
    json_object_set_new(metadata, "labels", json_copy(labels));
}

/* A job's pods are told from all others by the uid of the job. */
static void generate_selector(json_t *object)
{
  json_t *metadata = json_object_get(object, "metadata"), *spec = json_ensure_object(object, "spec", NULL);
  const char *uid = json_str(metadata, "uid", ""), *name = json_str(metadata, "name", "");
  json_t *labels = json_ensure_object(spec, "template", "metadata", "labels", NULL);
  strategy_default(labels, "job-name", json_string(name));
  strategy_default(labels, "batch.kubernetes.io/job-name", json_string(name));
  json_object_set_new(labels, "controller-uid", json_string(uid));
  json_object_set_new(labels, "batch.kubernetes.io/controller-uid", json_string(uid));
  json_object_set_new(json_ensure_object(spec, "selector", "matchLabels", NULL), "batch.kubernetes.io/controller-uid",
                      json_string(uid));
}

static void job_prepare_create(json_t *object)
{
  strategy_reset_status(object);
  if (!json_flag(json_object_get(object, "spec"), "manualSelector", false))
    generate_selector(object);
}

static void check_pod_template(const json_t *template, const char *path, FieldErrors *errors)
{
  const json_t *policy = json_at(template, "spec", "restartPolicy", NULL);
  g_autofree char *metadata_path = field_path_child(path, "metadata");
  g_autofree char *policy_path = field_path_child(path, "spec.restartPolicy");
  validate_template_metadata(json_object_get(template, "metadata"), metadata_path, errors);
  if (strcmp(json_is_string(policy) ? json_string_value(policy) : "", "Always") != 0)
    return;
  field_errors_add(errors, FIELD_REQUIRED, policy_path, NULL, "valid values: \"OnFailure\", \"Never\"");
}

static void job_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec");
  check_pod_template(json_object_get(spec, "template"), "spec.template", errors);
  if (strcmp(json_str(spec, "completionMode", ""), "Indexed") == 0 && !json_object_get(spec, "completions"))
    field_errors_add(errors, FIELD_REQUIRED, "spec.completions", NULL, "when completion mode is Indexed");
}

static void job_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                FieldErrors *errors)
{
  static const char *const members[] = { "selector", "template", "completionMode", "podFailurePolicy",
                                         "backoffLimitPerIndex" };
  const json_t *spec = json_object_get(object, "spec"), *old_spec = json_object_get(old, "spec");
  if (context && context->subresource)
    return;
  job_validate_create(object, errors);
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    g_autofree char *path = field_path_child("spec", members[i]);
    strategy_check_immutable(json_object_get(spec, members[i]), json_object_get(old_spec, members[i]), path, errors);
  }
  /* An indexed job may grow and shrink, when both numbers go together. */
  bool elastic = strcmp(json_str(spec, "completionMode", ""), "Indexed") == 0 &&
                 json_int(spec, "completions", -1) == json_int(spec, "parallelism", -2);
  if (!elastic)
    strategy_check_immutable(json_object_get(spec, "completions"), json_object_get(old_spec, "completions"),
                             "spec.completions", errors);
}

const ApiStrategy strategy_job = {
  .prepare_create = job_prepare_create,
  .prepare_update = strategy_split_status,
  .validate_create = job_validate_create,
  .validate_update = job_validate_update,
};

static void cron_job_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *schedule = json_object_get(spec, "schedule");
  const json_t *template = json_at(spec, "jobTemplate", "spec", "template", NULL);
  check_pod_template(template, "spec.jobTemplate.spec.template", errors);
  if (json_is_string(schedule) && strstr(json_string_value(schedule), "TZ"))
    field_errors_add(errors, FIELD_INVALID, "spec.schedule", schedule,
                     "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
}

static void cron_job_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                     FieldErrors *errors)
{
  if (!context || !context->subresource)
    cron_job_validate_create(object, errors);
}

const ApiStrategy strategy_cron_job = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
  .validate_create = cron_job_validate_create,
  .validate_update = cron_job_validate_update,
};
