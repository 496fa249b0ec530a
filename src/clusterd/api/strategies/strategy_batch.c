/* Jobs and cron jobs. Source: k8s.io/kubernetes/pkg/apis/batch/{v1/defaults.go,validation}, pkg/registry/batch/job. */
#include <string.h>

#include "base/cron_schedule.h"
#include "base/json.h"

#include "clusterd/api/selector/selector.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/strategies/strategy_job.h"
#include "clusterd/api/validation.h"
#include "clusterd/api/validation_metadata.h"

#define PARALLELISM_MAX 100000
#define FAILED_INDEXES_MAX 100000
#define COMPLETIONS_SOFT_MAX 100000
#define HIGH_COMPLETIONS_MAX 10000 /* parallelism and failed indexes, above COMPLETIONS_SOFT_MAX */
#define MANAGED_BY_MAX 63
#define ZONE_PART_MAX 14
#define ZONES_DIR "/usr/share/zoneinfo"

static bool is_indexed(const json_t *spec)
{
  return strcmp(json_str(spec, "completionMode", ""), "Indexed") == 0;
}

void default_job(json_t *value)
{
  json_t *spec = json_object_get(value, "spec"), *labels = json_at(spec, "template", "metadata", "labels", NULL);
  if (!spec)
    return;
  /* Neither given: one pod. Only parallelism given: a work queue, which has no number of completions. */
  if (!json_object_get(spec, "completions") && !json_object_get(spec, "parallelism"))
    json_object_set_new(spec, "completions", json_integer(1));
  strategy_default(spec, "parallelism", json_integer(1));
  strategy_default(spec, "backoffLimit", json_integer(json_object_get(spec, "backoffLimitPerIndex") ? G_MAXINT32 : 6));
  strategy_default(spec, "completionMode", json_string("NonIndexed"));
  strategy_default(spec, "suspend", json_false());
  strategy_default(spec, "podReplacementPolicy",
                   json_string(json_object_get(spec, "podFailurePolicy") ? "Failed" : "TerminatingOrFailed"));
  json_t *metadata = json_ensure_object(value, "metadata", NULL);
  if (json_object_size(labels) > 0 && json_object_size(json_object_get(metadata, "labels")) == 0)
    json_object_set_new(metadata, "labels", json_copy(labels));
}

/* A job's pods are told from all others by the uid of the job. What the client gave is judged later. */
static void generate_selector(json_t *object)
{
  json_t *metadata = json_object_get(object, "metadata"), *spec = json_ensure_object(object, "spec", NULL);
  const char *uid = json_str(metadata, "uid", ""), *name = json_str(metadata, "name", "");
  json_t *labels = json_ensure_object(spec, "template", "metadata", "labels", NULL);
  strategy_default(labels, "job-name", json_string(name));
  strategy_default(labels, "batch.kubernetes.io/job-name", json_string(name));
  strategy_default(labels, "controller-uid", json_string(uid));
  strategy_default(labels, "batch.kubernetes.io/controller-uid", json_string(uid));
  strategy_default(json_ensure_object(spec, "selector", "matchLabels", NULL), "batch.kubernetes.io/controller-uid",
                   json_string(uid));
}

static void job_prepare_create(json_t *object)
{
  strategy_reset_status(object);
  if (!json_flag(json_object_get(object, "spec"), "manualSelector", false))
    generate_selector(object);
}

static void check_label(const json_t *labels, const char *key, const char *wanted, FieldErrors *errors)
{
  g_autofree char *path = field_path_key("spec.template.metadata.labels", key);
  const char *value = json_string_value(json_object_get(labels, key));
  if (!value)
    field_errors_add(errors, FIELD_REQUIRED, path, NULL, "must be '%s'", wanted);
  else if (strcmp(value, wanted) != 0)
    field_errors_add(errors, FIELD_INVALID, path, labels, "must be '%s'", wanted);
}

/* That the client gave no selector or labels of another job. */
static void check_generated(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *labels = json_at(spec, "template", "metadata", "labels", NULL);
  const json_t *selector = json_object_get(spec, "selector"), *metadata = json_object_get(object, "metadata");
  const char *uid = json_str(metadata, "uid", ""), *name = json_str(metadata, "name", "");
  const struct {
    const char *key, *value;
  } expected[] = {
    { "controller-uid", uid },
    { "job-name", name },
    { "batch.kubernetes.io/controller-uid", uid },
    { "batch.kubernetes.io/job-name", name },
  };
  g_autoptr(json_t) wanted = json_object();
  if (json_flag(spec, "manualSelector", false) || !selector)
    return;
  for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
    check_label(labels, expected[i].key, expected[i].value, errors);
    json_object_set_new(wanted, expected[i].key, json_string(expected[i].value));
  }
  g_autoptr(LabelSelector) parsed = label_selector_from_json(selector, NULL);
  if (parsed && !label_selector_matches(parsed, wanted))
    field_errors_add(errors, FIELD_INVALID, "spec.selector", selector, "`selector` not auto-generated");
}

static void check_most(const json_t *spec, const char *member, int64_t most, const char *path, const char *when,
                       FieldErrors *errors)
{
  const json_t *value = json_object_get(spec, member);
  if (value && json_integer_value(value) > most)
    field_errors_add_at(errors, FIELD_INVALID, path, member, value,
                        "must be less than or equal to %" G_GINT64_FORMAT "%s", most, when);
}

static void check_indexed(const json_t *spec, const char *path, FieldErrors *errors)
{
  static const char high[] = " when completions are above 100000 and used with backoff limit per index";
  const json_t *completions = json_object_get(spec, "completions"), *failed = json_object_get(spec, "maxFailedIndexes");
  if (!completions)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "completions", NULL, "when completion mode is Indexed");
  check_most(spec, "parallelism", PARALLELISM_MAX, path, " when completion mode is Indexed", errors);
  if (completions && json_integer_value(failed) > json_integer_value(completions))
    field_errors_add_at(errors, FIELD_INVALID, path, "maxFailedIndexes", failed,
                        "must be less than or equal to completions");
  check_most(spec, "maxFailedIndexes", FAILED_INDEXES_MAX, path, "", errors);
  if (json_integer_value(completions) <= COMPLETIONS_SOFT_MAX || !json_object_get(spec, "backoffLimitPerIndex"))
    return;
  if (!failed)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "maxFailedIndexes", NULL,
                        "must be specified when completions is above %d", COMPLETIONS_SOFT_MAX);
  check_most(spec, "parallelism", HIGH_COMPLETIONS_MAX, path, high, errors);
  check_most(spec, "maxFailedIndexes", HIGH_COMPLETIONS_MAX, path, high, errors);
}

static void check_mode(const json_t *spec, const char *path, FieldErrors *errors)
{
  static const char *const indexed_only[] = { "backoffLimitPerIndex", "maxFailedIndexes" };
  if (is_indexed(spec))
    check_indexed(spec, path, errors);
  for (size_t i = 0; !is_indexed(spec) && i < G_N_ELEMENTS(indexed_only); i++) {
    const json_t *value = json_object_get(spec, indexed_only[i]);
    if (value)
      field_errors_add_at(errors, FIELD_INVALID, path, indexed_only[i], value, "requires indexed completion mode");
  }
}

static void check_restart_policy(const json_t *spec, const char *path, FieldErrors *errors)
{
  const json_t *policy = json_at(spec, "template", "spec", "restartPolicy", NULL);
  const char *text = policy ? json_string_value(policy) : "Always";
  bool never = strcmp(text, "Never") == 0;
  g_autofree char *policy_path = field_path_child(path, "template.spec.restartPolicy");
  if (strcmp(text, "Always") == 0)
    field_errors_add(errors, FIELD_REQUIRED, policy_path, NULL, "valid values: \"OnFailure\", \"Never\"");
  else if (!never && json_object_get(spec, "podFailurePolicy"))
    field_errors_add(errors, FIELD_INVALID, policy_path, policy,
                     "only \"Never\" is supported when podFailurePolicy is specified");
}

static void check_managed_by(const json_t *spec, const char *path, FieldErrors *errors)
{
  const json_t *manager = json_object_get(spec, "managedBy");
  g_autofree char *manager_path = field_path_child(path, "managedBy");
  if (!manager)
    return;
  api_validate_format("domainPrefixedPath", manager, manager_path, errors);
  if (json_string_length(manager) > MANAGED_BY_MAX)
    field_errors_add(errors, FIELD_TOO_LONG, manager_path, NULL, "may not be more than %d bytes", MANAGED_BY_MAX);
}

/* Of jobs and of the jobs that cron jobs make. */
void validate_job_spec(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const all[] = { "Failed", "TerminatingOrFailed", NULL }, *const failed[] = { "Failed", NULL };
  bool failure_policy = json_object_get(value, "podFailurePolicy");
  const json_t *replacement = json_object_get(value, "podReplacementPolicy");
  const char *const *supported = failure_policy ? failed : all;
  g_autofree char *template_path = field_path_child(path, "template");
  g_autofree char *replacement_path = field_path_child(path, "podReplacementPolicy");
  if (json_object_get(value, "maxFailedIndexes") && !json_object_get(value, "backoffLimitPerIndex"))
    field_errors_add_at(errors, FIELD_REQUIRED, path, "backoffLimitPerIndex", NULL,
                        "when maxFailedIndexes is specified");
  check_managed_by(value, path, errors);
  check_mode(value, path, errors);
  if (failure_policy)
    job_check_failure_policy(value, path, errors);
  if (json_object_get(value, "successPolicy") && is_indexed(value))
    job_check_success_policy(value, path, errors);
  else if (json_object_get(value, "successPolicy"))
    field_errors_add_at(errors, FIELD_INVALID, path, "successPolicy", json_object_get(value, "successPolicy"),
                        "requires indexed completion mode");
  if (replacement && !g_strv_contains(supported, json_string_value(replacement)))
    field_errors_add_unsupported(errors, replacement_path, replacement, supported);
  validate_template_metadata(json_at(value, "template", "metadata", NULL), template_path, errors);
  check_restart_policy(value, path, errors);
}

static void check_selected(const json_t *spec, FieldErrors *errors)
{
  const json_t *selector = json_object_get(spec, "selector"),
               *labels = json_at(spec, "template", "metadata", "labels", NULL);
  g_autoptr(LabelSelector) parsed = selector ? label_selector_from_json(selector, NULL) : NULL;
  g_autoptr(json_t) none = json_object();
  if (!selector)
    field_errors_add(errors, FIELD_REQUIRED, "spec.selector", NULL, NULL);
  if (!selector || (parsed && !label_selector_matches(parsed, labels)))
    field_errors_add(errors, FIELD_INVALID, "spec.template.metadata.labels", labels ? labels : none,
                     "`selector` does not match template `labels`");
}

static void job_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *name = json_at(object, "metadata", "name", NULL);
  int64_t completions = json_int(spec, "completions", 0);
  check_generated(object, errors);
  check_selected(spec, errors);
  if (!is_indexed(spec) || completions <= 0 || !json_is_string(name))
    return;
  g_autofree char *last = g_strdup_printf("%s-%" G_GINT64_FORMAT, json_string_value(name), completions - 1);
  if (!api_is_dns_label(last))
    field_errors_add(errors, FIELD_INVALID, "metadata.name", name,
                     "will not able to create pod with invalid DNS label: %s", last);
}

/* What of the template a suspended job that never ran may change: where its pods may run. */
static void carry_directives(json_t *template, const json_t *old)
{
  static const char *const of_spec[] = { "nodeSelector", "tolerations", "schedulingGates" };
  static const char *const of_metadata[] = { "annotations", "labels" };
  json_t *spec = json_object_get(template, "spec"), *metadata = json_object_get(template, "metadata");
  const json_t *old_spec = json_object_get(old, "spec"), *old_metadata = json_object_get(old, "metadata");
  const json_t *affinity = json_object_get(old_spec, "affinity");
  for (size_t i = 0; i < G_N_ELEMENTS(of_spec); i++)
    strategy_carry(spec, old_spec, of_spec[i]);
  for (size_t i = 0; i < G_N_ELEMENTS(of_metadata); i++)
    strategy_carry(metadata, old_metadata, of_metadata[i]);
  if (json_object_get(spec, "affinity") || affinity)
    strategy_carry(json_ensure_object(spec, "affinity", NULL), affinity, "nodeAffinity");
  if (!affinity && json_object_size(json_object_get(spec, "affinity")) == 0)
    json_object_del(spec, "affinity");
}

static void check_template_change(const json_t *object, const json_t *old, FieldErrors *errors)
{
  const json_t *template = json_at(object, "spec", "template", NULL), *old_spec = json_object_get(old, "spec");
  const json_t *old_template = json_object_get(old_spec, "template");
  g_autoptr(json_t) judged = json_deep_copy(template);
  if (json_flag(old_spec, "suspend", false) && !json_at(old, "status", "startTime", NULL))
    carry_directives(judged, old_template);
  if (!json_same(judged, old_template))
    field_errors_add(errors, FIELD_INVALID, "spec.template", template, "field is immutable");
}

static void check_completions(const json_t *spec, const json_t *old, FieldErrors *errors)
{
  const json_t *completions = json_object_get(spec, "completions"), *before = json_object_get(old, "completions");
  if (!is_indexed(spec))
    strategy_check_immutable(completions, before, "spec.completions", errors);
  else if (completions && !json_same(completions, before) &&
           !json_same(completions, json_object_get(spec, "parallelism")))
    field_errors_add(errors, FIELD_INVALID, "spec.completions", completions,
                     "can only be modified in tandem with spec.parallelism");
}

static void job_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                FieldErrors *errors)
{
  static const char *const members[] = { "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy",
                                         "successPolicy" };
  const json_t *spec = json_object_get(object, "spec"), *old_spec = json_object_get(old, "spec");
  if (context && context->subresource)
    return;
  check_selected(spec, errors);
  check_completions(spec, old_spec, errors);
  strategy_check_immutable(json_object_get(spec, "selector"), json_object_get(old_spec, "selector"), "spec.selector",
                           errors);
  check_template_change(object, old, errors);
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    g_autofree char *path = field_path_child("spec", members[i]);
    strategy_check_immutable(json_object_get(spec, members[i]), json_object_get(old_spec, members[i]), path, errors);
  }
}

const ApiStrategy strategy_job = {
  .prepare_create = job_prepare_create,
  .prepare_update = strategy_split_status,
  .validate_create = job_validate_create,
  .validate_update = job_validate_update,
};

static bool is_zone_part(const char *part)
{
  size_t length = strlen(part);
  return length > 0 && length <= ZONE_PART_MAX && *part != '-' && strcmp(part, ".") != 0 && strcmp(part, "..") != 0 &&
         strspn(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-_0123456789+") == length;
}

/* Where the machine knows no zones, every well-formed one is taken. */
static bool is_zone(const char *zone)
{
  g_auto(GStrv) parts = g_strsplit(zone, "/", -1);
  for (char **part = parts; *part; part++) {
    if (!is_zone_part(*part))
      return false;
  }
  g_autoptr(GTimeZone) found = g_time_zone_new_identifier(zone);
  return found || !g_file_test(ZONES_DIR, G_FILE_TEST_IS_DIR) || g_ascii_strcasecmp(zone, "Local") == 0;
}

static void check_zone(const json_t *zone, FieldErrors *errors)
{
  const char *text = json_string_value(zone);
  if (!*text)
    field_errors_add(errors, FIELD_INVALID, "spec.timeZone", zone, "timeZone must be nil or non-empty string");
  else if (!is_zone(text))
    field_errors_add(errors, FIELD_INVALID, "spec.timeZone", zone, "unknown time zone %s", text);
  else if (g_ascii_strcasecmp(text, "Local") == 0)
    field_errors_add(errors, FIELD_INVALID, "spec.timeZone", zone,
                     "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
}

static void check_schedule(const json_t *spec, const json_t *old, FieldErrors *errors)
{
  const json_t *schedule = json_object_get(spec, "schedule");
  const char *text = json_str(spec, "schedule", "");
  bool zoned = strstr(text, "TZ"), allowed = strstr(json_str(old, "schedule", ""), "TZ");
  CronSchedule parsed;
  g_autoptr(GError) error = NULL;
  if (!*text)
    return;
  /* "TZ=Europe/Zurich 0 * * * *": what upstream parses, too */
  const char *fields = g_str_has_prefix(text, "TZ=") || g_str_has_prefix(text, "CRON_TZ=") ? strchr(text, ' ') : text;
  if (!fields)
    fields = "";
  if (!cron_schedule_parse(fields + strspn(fields, " "), &parsed, &error))
    field_errors_add(errors, FIELD_INVALID, "spec.schedule", schedule, "%s", error->message);
  if (zoned && allowed && json_object_get(spec, "timeZone"))
    field_errors_add(errors, FIELD_INVALID, "spec.schedule", schedule,
                     "cannot use both timeZone field and TZ or CRON_TZ in schedule");
  else if (zoned && !allowed)
    field_errors_add(errors, FIELD_INVALID, "spec.schedule", schedule,
                     "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
}

static void check_cron_job(const json_t *spec, const json_t *old, FieldErrors *errors)
{
  static const char *const manual[] = { "nil", "false", NULL };
  const json_t *zone = json_object_get(spec, "timeZone"), *job = json_at(spec, "jobTemplate", "spec", NULL);
  check_schedule(spec, old, errors);
  if (zone && (!old || !json_same(zone, json_object_get(old, "timeZone"))))
    check_zone(zone, errors);
  if (json_object_get(job, "selector"))
    field_errors_add(errors, FIELD_INVALID, "spec.jobTemplate.spec.selector", json_object_get(job, "selector"),
                     "`selector` will be auto-generated");
  if (json_flag(job, "manualSelector", false))
    field_errors_add_unsupported(errors, "spec.jobTemplate.spec.manualSelector", json_object_get(job, "manualSelector"),
                                 manual);
}

static void cron_job_validate_create(const json_t *object, FieldErrors *errors)
{
  check_cron_job(json_object_get(object, "spec"), NULL, errors);
}

static void cron_job_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                     FieldErrors *errors)
{
  if (!context || !context->subresource)
    check_cron_job(json_object_get(object, "spec"), json_object_get(old, "spec"), errors);
}

const ApiStrategy strategy_cron_job = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
  .validate_create = cron_job_validate_create,
  .validate_update = cron_job_validate_update,
};
