#include "clusterd/controllers/batch/job_policy.h"

#include <string.h>

#include "base/json.h"

static bool has_number(const json_t *numbers, json_int_t number)
{
  size_t i;
  json_t *each;
  json_array_foreach (numbers, i, each)
    if (json_integer_value(each) == number)
      return true;
  return false;
}

/* The first container that has ended with a code the rule ON names; NULL: none. */
static const json_t *find_container(const json_t *statuses, const json_t *on)
{
  const char *name = json_str(on, "containerName", NULL);
  bool in = strcmp(json_str(on, "operator", ""), "In") == 0;
  size_t i;
  json_t *status;
  json_array_foreach (statuses, i, status) {
    const json_t *ended = json_at(status, "state", "terminated", NULL);
    int64_t code = json_int(ended, "exitCode", 0);
    if (code != 0 && (!name || strcmp(name, json_str(status, "name", "")) == 0) &&
        has_number(json_object_get(on, "values"), code) == in)
      return status;
  }
  return NULL;
}

static const json_t *find_condition(const json_t *conditions, const json_t *patterns)
{
  size_t i, k;
  json_t *condition, *pattern;
  json_array_foreach (conditions, i, condition)
    json_array_foreach (patterns, k, pattern)
      if (strcmp(json_str(condition, "type", ""), json_str(pattern, "type", "")) == 0 &&
          strcmp(json_str(condition, "status", ""), json_str(pattern, "status", "True")) == 0)
        return condition;
  return NULL;
}

static JobAction action_of(const json_t *rule)
{
  static const struct {
    const char *name;
    JobAction action;
  } actions[] = {
    { "Ignore", JOB_ACTION_IGNORE },
    { "FailIndex", JOB_ACTION_FAIL_INDEX },
    { "FailJob", JOB_ACTION_FAIL_JOB },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(actions); i++)
    if (strcmp(json_str(rule, "action", ""), actions[i].name) == 0)
      return actions[i].action;
  return JOB_ACTION_COUNT;
}

/* Why POD matches RULE, the caller frees; NULL when it does not. */
static char *match(const json_t *rule, size_t index, const json_t *pod)
{
  const json_t *status = json_object_get(pod, "status"), *metadata = json_object_get(pod, "metadata");
  const json_t *codes = json_object_get(rule, "onExitCodes"), *patterns = json_object_get(rule, "onPodConditions");
  const char *namespace_ = json_str(metadata, "namespace", ""), *name = json_str(metadata, "name", "");
  const char *action = json_str(rule, "action", "");
  if (!codes) {
    const json_t *condition = find_condition(json_object_get(status, "conditions"), patterns);
    return condition ? g_strdup_printf("Pod %s/%s has condition %s matching %s rule at index %zu", namespace_, name,
                                       json_str(condition, "type", ""), action, index)
                     : NULL;
  }
  const json_t *container = find_container(json_object_get(status, "containerStatuses"), codes);
  if (!container)
    container = find_container(json_object_get(status, "initContainerStatuses"), codes);
  return container
             ? g_strdup_printf("Container %s for pod %s/%s failed with exit code %" G_GINT64_FORMAT
                               " matching %s rule at index %zu",
                               json_str(container, "name", ""), namespace_, name,
                               json_int(json_at(container, "state", "terminated", NULL), "exitCode", 0), action, index)
             : NULL;
}

JobAction job_policy_action(const json_t *job, const json_t *pod, char **message)
{
  size_t i;
  json_t *rule;
  if (message)
    *message = NULL;
  json_array_foreach (json_at(job, "spec", "podFailurePolicy", "rules", NULL), i, rule) {
    g_autofree char *text = match(rule, i, pod);
    if (!text)
      continue;
    JobAction action = action_of(rule);
    if (message && action == JOB_ACTION_FAIL_JOB)
      *message = g_steal_pointer(&text);
    return action;
  }
  return JOB_ACTION_NONE;
}

static bool is_met(const json_t *rule, int64_t completions, const JobIndexes *done)
{
  const json_t *wanted = json_object_get(rule, "succeededIndexes"), *count = json_object_get(rule, "succeededCount");
  if (!wanted)
    return count && job_indexes_count(done) >= json_integer_value(count);
  JobIndexes *indexes = job_indexes_parse(json_string_value(wanted), completions);
  int64_t all = job_indexes_count(indexes), common = job_indexes_count_common(indexes, done);
  job_indexes_free(indexes);
  return all > 0 && (common == all || (count && common >= json_integer_value(count)));
}

char *job_policy_success(const json_t *job, const JobIndexes *done)
{
  const json_t *spec = json_object_get(job, "spec");
  size_t i;
  json_t *rule;
  if (done->len == 0)
    return NULL;
  json_array_foreach (json_at(spec, "successPolicy", "rules", NULL), i, rule)
    if (is_met(rule, json_int(spec, "completions", 0), done))
      return g_strdup_printf("Matched rules at index %zu", i);
  return NULL;
}
