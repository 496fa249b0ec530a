/* The policies of jobs: what failed pods mean, and when a job has succeeded early.
 * Source: k8s.io/kubernetes/pkg/apis/batch/validation. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/strategies/strategy_job.h"
#include "clusterd/api/validation.h"

#define RULES_MAX 20
#define PATTERNS_MAX 20
#define EXIT_CODES_MAX 255
#define INDEXES_LENGTH_MAX (64 * 1024)

static void check_count(size_t count, size_t most, const char *path, FieldErrors *errors)
{
  g_autoptr(json_t) shown = json_integer((json_int_t)count);
  if (count > most)
    field_errors_add(errors, FIELD_TOO_MANY, path, shown, "must have at most %zu items", most);
}

static bool has_container(const json_t *spec, const char *name)
{
  const json_t *pod = json_at(spec, "template", "spec", NULL);
  return json_find(json_object_get(pod, "containers"), "name", name) ||
         json_find(json_object_get(pod, "initContainers"), "name", name);
}

static void check_exit_values(const json_t *codes, const char *path, FieldErrors *errors)
{
  const json_t *values = json_object_get(codes, "values");
  bool in = strcmp(json_str(codes, "operator", ""), "In") == 0, ordered = true;
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  g_autofree char *values_path = field_path_child(path, "values");
  json_int_t before = 0;
  size_t index;
  json_t *value;
  if (json_array_size(values) == 0)
    field_errors_add(errors, FIELD_INVALID, values_path, values, "at least one value is required");
  check_count(json_array_size(values), EXIT_CODES_MAX, values_path, errors);
  json_array_foreach ((json_t *)(uintptr_t)values, index, value) {
    gint64 number = json_integer_value(value);
    g_autofree char *value_path = field_path_index(values_path, index);
    if (in && number == 0)
      field_errors_add(errors, FIELD_INVALID, value_path, value, "must not be 0 for the In operator");
    if (!g_hash_table_add(seen, g_memdup2(&number, sizeof number)))
      field_errors_add(errors, FIELD_DUPLICATE, value_path, value, NULL);
    ordered = ordered && (index == 0 || before <= number);
    before = number;
  }
  if (!ordered)
    field_errors_add(errors, FIELD_INVALID, values_path, values, "must be ordered");
}

static void check_exit_codes(const json_t *spec, const json_t *codes, const char *path, FieldErrors *errors)
{
  static const char *const operators[] = { "In", "NotIn", NULL };
  const json_t *container = json_object_get(codes, "containerName"), *operator= json_object_get(codes, "operator");
  g_autofree char *operator_path = field_path_child(path, "operator");
  if (json_string_length(operator) == 0)
    field_errors_add(errors, FIELD_REQUIRED, operator_path, NULL, "valid values: [\"In\" \"NotIn\"]");
  else if (!g_strv_contains(operators, json_string_value(operator)))
    field_errors_add_unsupported(errors, operator_path, operator, operators);
  if (container && !has_container(spec, json_string_value(container)))
    field_errors_add_at(errors, FIELD_INVALID, path, "containerName", container,
                        "must be one of the container or initContainer names in the pod template");
  check_exit_values(codes, path, errors);
}

static void check_pod_conditions(const json_t *patterns, const char *path, FieldErrors *errors)
{
  static const char *const statuses[] = { "False", "True", "Unknown", NULL };
  size_t index;
  json_t *pattern;
  check_count(json_array_size(patterns), PATTERNS_MAX, path, errors);
  json_array_foreach ((json_t *)(uintptr_t)patterns, index, pattern) {
    const json_t *status = json_object_get(pattern, "status");
    g_autofree char *item = field_path_index(path, index);
    g_autofree char *type_path = field_path_child(item, "type"), *status_path = field_path_child(item, "status");
    api_validate_format("qualifiedName", json_object_get(pattern, "type"), type_path, errors);
    if (json_string_length(status) == 0)
      field_errors_add(errors, FIELD_REQUIRED, status_path, NULL, "valid values: [\"False\" \"True\" \"Unknown\"]");
    else if (!g_strv_contains(statuses, json_string_value(status)))
      field_errors_add_unsupported(errors, status_path, status, statuses);
  }
}

static void check_failure_rule(const json_t *spec, const json_t *rule, const char *path, FieldErrors *errors)
{
  static const char *const actions[] = { "Count", "FailIndex", "FailJob", "Ignore", NULL };
  const json_t *action = json_object_get(rule, "action"), *codes = json_object_get(rule, "onExitCodes");
  const json_t *conditions = json_object_get(rule, "onPodConditions");
  g_autofree char *action_path = field_path_child(path, "action"), *codes_path = field_path_child(path, "onExitCodes");
  g_autofree char *conditions_path = field_path_child(path, "onPodConditions");
  if (json_string_length(action) == 0)
    field_errors_add(errors, FIELD_REQUIRED, action_path, NULL,
                     "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]");
  else if (!g_strv_contains(actions, json_string_value(action)))
    field_errors_add_unsupported(errors, action_path, action, actions);
  else if (strcmp(json_string_value(action), "FailIndex") == 0 && !json_object_get(spec, "backoffLimitPerIndex"))
    field_errors_add(errors, FIELD_INVALID, action_path, action, "requires the backoffLimitPerIndex to be set");
  if (codes)
    check_exit_codes(spec, codes, codes_path, errors);
  check_pod_conditions(conditions, conditions_path, errors);
  if (codes && json_array_size(conditions) > 0)
    field_errors_add(errors, FIELD_INVALID, path, NULL,
                     "specifying both OnExitCodes and OnPodConditions is not supported");
  if (!codes && json_array_size(conditions) == 0)
    field_errors_add(errors, FIELD_INVALID, path, NULL,
                     "specifying one of OnExitCodes and OnPodConditions is required");
}

void job_check_failure_policy(const json_t *spec, const char *path, FieldErrors *errors)
{
  const json_t *rules = json_at(spec, "podFailurePolicy", "rules", NULL);
  g_autofree char *rules_path = field_path_child(path, "podFailurePolicy.rules");
  size_t index;
  json_t *rule;
  check_count(json_array_size(rules), RULES_MAX, rules_path, errors);
  json_array_foreach ((json_t *)(uintptr_t)rules, index, rule) {
    g_autofree char *item = field_path_index(rules_path, index);
    check_failure_rule(spec, rule, item, errors);
  }
}

static bool parse_index(const char *text, int64_t completions, int64_t *index, GError **error)
{
  if (!g_ascii_string_to_signed(text, 10, G_MININT32, G_MAXINT32, index, NULL))
    return reason_set(error, REASON_INVALID, "cannot convert string to integer for index: \"%s\"", text);
  if (*index >= completions)
    return reason_set(error, REASON_INVALID, "too large index: \"%s\"", text);
  return true;
}

static bool parse_interval(const char *text, int64_t completions, int64_t *first, int64_t *last, GError **error)
{
  g_auto(GStrv) parts = g_strsplit(text, "-", -1);
  guint count = g_strv_length(parts);
  if (count > 2)
    return reason_set(error, REASON_INVALID,
                      "the fragment \"%s\" violates the requirement that an index interval can have at most two parts "
                      "separated by '-'",
                      text);
  if (!parse_index(count > 0 ? parts[0] : "", completions, first, error))
    return false;
  *last = *first;
  if (count < 2)
    return true;
  if (!parse_index(parts[1], completions, last, error))
    return false;
  if (*first >= *last)
    return reason_set(error, REASON_INVALID,
                      "non-increasing order, previous: %" G_GINT64_FORMAT ", current: %" G_GINT64_FORMAT, *first,
                      *last);
  return true;
}

/* The number of indexes in "0-2,5". */
static bool count_indexes(const char *text, int64_t completions, int64_t *total, GError **error)
{
  g_auto(GStrv) intervals = g_strsplit(text, ",", -1);
  int64_t before = -1, first = 0, last = 0;
  *total = 0;
  for (char **interval = intervals; *interval; interval++) {
    if (!parse_interval(*interval, completions, &first, &last, error))
      return false;
    if (interval > intervals && before >= first)
      return reason_set(error, REASON_INVALID,
                        "non-increasing order, previous: %" G_GINT64_FORMAT ", current: %" G_GINT64_FORMAT, before,
                        first);
    *total += last - first + 1;
    before = last;
  }
  return true;
}

static void check_success_rule(const json_t *rule, int64_t completions, const char *path, FieldErrors *errors)
{
  const json_t *count = json_object_get(rule, "succeededCount"), *indexes = json_object_get(rule, "succeededIndexes");
  int64_t total = 0;
  g_autoptr(GError) error = NULL;
  if (!count && !indexes)
    field_errors_add(errors, FIELD_REQUIRED, path, NULL,
                     "at least one of succeededCount or succeededIndexes must be specified");
  if (json_string_length(indexes) > INDEXES_LENGTH_MAX)
    field_errors_add_at(errors, FIELD_TOO_LONG, path, "succeededIndexes", NULL, "may not be more than %d bytes",
                        INDEXES_LENGTH_MAX);
  if (indexes && !count_indexes(json_string_value(indexes), completions, &total, &error))
    field_errors_add_at(errors, FIELD_INVALID, path, "succeededIndexes", indexes, "error parsing succeededIndexes: %s",
                        error->message);
  if (!count)
    return;
  if (json_integer_value(count) < 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "succeededCount", count, "must be greater than or equal to 0");
  if (json_integer_value(count) > completions)
    field_errors_add_at(errors, FIELD_INVALID, path, "succeededCount", count,
                        "must be less than or equal to %" G_GINT64_FORMAT " (the number of specified completions)",
                        completions);
  if (indexes && json_integer_value(count) > total)
    field_errors_add_at(errors, FIELD_INVALID, path, "succeededCount", count,
                        "must be less than or equal to %" G_GINT64_FORMAT
                        " (the number of indexes in the specified succeededIndexes field)",
                        total);
}

void job_check_success_policy(const json_t *spec, const char *path, FieldErrors *errors)
{
  const json_t *rules = json_at(spec, "successPolicy", "rules", NULL);
  g_autofree char *rules_path = field_path_child(path, "successPolicy.rules");
  size_t index;
  json_t *rule;
  if (json_array_size(rules) == 0)
    field_errors_add(errors, FIELD_REQUIRED, rules_path, NULL,
                     "at least one rules must be specified when the successPolicy is specified");
  check_count(json_array_size(rules), RULES_MAX, rules_path, errors);
  json_array_foreach ((json_t *)(uintptr_t)rules, index, rule) {
    g_autofree char *item = field_path_index(rules_path, index);
    check_success_rule(rule, json_int(spec, "completions", 0), item, errors);
  }
}
