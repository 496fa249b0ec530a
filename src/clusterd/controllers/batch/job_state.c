#include "clusterd/controllers/batch/job_state.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/object.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/batch/job_policy.h"

/* --- jobs ------------------------------------------------------------------------------------------------------- */

bool job_is_indexed(const json_t *job)
{
  return strcmp(json_str(json_object_get(job, "spec"), "completionMode", ""), "Indexed") == 0;
}

bool job_is_suspended(const json_t *job)
{
  return json_flag(json_object_get(job, "spec"), "suspend", false);
}

bool job_is_finished(const json_t *job)
{
  const json_t *status = json_object_get(job, "status");
  return condition_is(status, "Complete", "True") || condition_is(status, "Failed", "True");
}

bool job_is_managed_elsewhere(const json_t *job)
{
  return strcmp(json_str(json_object_get(job, "spec"), "managedBy", JOB_MANAGER), JOB_MANAGER) != 0;
}

bool job_has_index_limits(const json_t *job)
{
  return job_is_indexed(job) && json_at(job, "spec", "backoffLimitPerIndex", NULL);
}

bool job_replaces_only_failed(const json_t *job)
{
  const json_t *spec = json_object_get(job, "spec");
  return json_object_get(spec, "podFailurePolicy") || strcmp(json_str(spec, "podReplacementPolicy", ""), "Failed") == 0;
}

int64_t job_completions(const json_t *job)
{
  return json_int(json_object_get(job, "spec"), "completions", -1);
}

int64_t job_deadline_us(const json_t *job)
{
  const json_t *limit = json_at(job, "spec", "activeDeadlineSeconds", NULL), *status = json_object_get(job, "status");
  int64_t start_us;
  /* One that is only about to be resumed still has its old start. */
  if (!limit || job_is_suspended(job) || condition_is(status, "Suspended", "True") ||
      !timestamp_parse(json_str(status, "startTime", NULL), &start_us))
    return 0;
  return start_us + json_integer_value(limit) * G_USEC_PER_SEC;
}

/* --- pods ------------------------------------------------------------------------------------------------------- */

bool job_pod_is_tracked(const json_t *pod)
{
  return json_has_text(json_at(pod, "metadata", "finalizers", NULL), JOB_FINALIZER);
}

static bool has_phase(const json_t *pod, const char *phase)
{
  return strcmp(pod_phase(pod), phase) == 0;
}

bool job_pod_is_failed(const json_t *pod, const json_t *job)
{
  /* Who deletes a pod may never let it come to say that it failed. */
  return has_phase(pod, "Failed") ||
         (!job_replaces_only_failed(job) && pod_is_deleting(pod) && !has_phase(pod, "Succeeded"));
}

/* A whole number not above what 32 bits hold, as the annotation KEY of POD; -1: none. */
static int64_t number_of(const json_t *pod, const char *key)
{
  guint64 number;
  const char *text = json_str(json_at(pod, "metadata", "annotations", NULL), key, NULL);
  return text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT32, &number, NULL) ? (int64_t)number : -1;
}

int64_t job_pod_index(const json_t *pod, const json_t *job)
{
  int64_t index = number_of(pod, JOB_INDEX);
  return index < job_completions(job) ? index : -1;
}

int64_t job_pod_count(const json_t *pod, const char *key)
{
  return MAX(number_of(pod, key), 0);
}

/* A pod of an Indexed job counts only with an index. */
static bool is_valid(const json_t *pod, const json_t *job)
{
  return !job_is_indexed(job) || job_pod_index(pod, job) >= 0;
}

/* --- counting --------------------------------------------------------------------------------------------------- */

/* PODS of STATE that ended: with FRESH_LIST only those that no count has seen, neither the status nor its list
 * uncountedTerminatedPods.FRESH_LIST. Array of Object*, owned. */
static GPtrArray *ended(const JobState *state, bool well, const char *fresh_list)
{
  const json_t *uncounted = json_at(state->job, "status", "uncountedTerminatedPods", NULL);
  GPtrArray *found = g_ptr_array_new();
  for (unsigned i = 0; i < state->pods->len; i++) {
    Object *object = state->pods->pdata[i];
    const json_t *pod = object_json(object);
    if (!is_valid(pod, state->job) ||
        (fresh_list &&
         (!job_pod_is_tracked(pod) || json_has_text(json_object_get(uncounted, fresh_list), object_uid(object)))))
      continue;
    if (well ? has_phase(pod, "Succeeded") : job_pod_is_failed(pod, state->job))
      g_ptr_array_add(found, object);
  }
  return found;
}

static void count_presence(JobState *state)
{
  for (unsigned i = 0; i < state->pods->len; i++) {
    Object *object = state->pods->pdata[i];
    const json_t *pod = object_json(object);
    if (pod_is_active(pod)) {
      g_ptr_array_add(state->active, object);
      state->ready += pod_is_ready(pod);
    } else if (!pod_is_finished(pod)) {
      state->terminating++;
    }
  }
}

static int64_t count_listed(const json_t *status, const char *list)
{
  return (int64_t)json_array_size(json_at(status, "uncountedTerminatedPods", list, NULL));
}

static void count_ends(JobState *state, const JobBackoff *known)
{
  const json_t *status = json_object_get(state->job, "status");
  g_autoptr(GPtrArray) succeeded = ended(state, true, "succeeded"), failed = ended(state, false, "failed");
  state->succeeded = json_int(status, "succeeded", 0) + count_listed(status, "succeeded") + succeeded->len;
  state->failed = json_int(status, "failed", 0) + count_listed(status, "failed");
  for (unsigned i = 0; i < failed->len; i++)
    state->failed += job_policy_action(state->job, object_json(failed->pdata[i]), NULL) != JOB_ACTION_IGNORE;
  if (known) {
    state->backoff = job_backoff_after(*known, succeeded, failed);
    return;
  }
  g_autoptr(GPtrArray) all_succeeded = ended(state, true, NULL), all_failed = ended(state, false, NULL);
  state->backoff = job_backoff_after((JobBackoff){ 0, 0 }, all_succeeded, all_failed);
}

/* --- indexes ---------------------------------------------------------------------------------------------------- */

static bool is_index_lost(const json_t *pod, const json_t *job)
{
  if (!job_pod_is_failed(pod, job))
    return false;
  JobAction action = job_policy_action(job, pod, NULL);
  if (action == JOB_ACTION_FAIL_INDEX)
    return true;
  return action != JOB_ACTION_IGNORE &&
         job_pod_count(pod, JOB_INDEX_FAILURES) >= json_int(json_object_get(job, "spec"), "backoffLimitPerIndex", 0);
}

static int64_t all_failures(const json_t *pod)
{
  return job_pod_count(pod, JOB_INDEX_FAILURES) + job_pod_count(pod, JOB_INDEX_IGNORED);
}

/* Whether A, of the same index as B, failed after it. */
static bool is_later(const Object *a, const Object *b)
{
  return all_failures(object_json(a)) >= all_failures(object_json(b)) &&
         job_pod_end_us(object_json(a)) >= job_pod_end_us(object_json(b));
}

static void find_replaced(JobState *state)
{
  g_autoptr(GHashTable) busy = g_hash_table_new(NULL, NULL);
  for (unsigned i = 0; i < state->active->len; i++)
    g_hash_table_add(busy, GINT_TO_POINTER((int)job_pod_index(object_json(state->active->pdata[i]), state->job)));
  for (unsigned i = 0; i < state->pods->len; i++) {
    Object *object = state->pods->pdata[i];
    const json_t *pod = object_json(object);
    int64_t index = job_pod_index(pod, state->job);
    void *key = GINT_TO_POINTER((int)index);
    if (index < 0 || !job_pod_is_tracked(pod) || !job_pod_is_failed(pod, state->job) ||
        g_hash_table_contains(busy, key) || job_indexes_has(state->done, index) || job_indexes_has(state->lost, index))
      continue;
    const Object *known = g_hash_table_lookup(state->replaced, key);
    if (!known || is_later(object, known))
      g_hash_table_insert(state->replaced, key, object);
  }
}

static void count_indexes(JobState *state)
{
  const json_t *status = json_object_get(state->job, "status");
  int64_t completions = job_completions(state->job);
  state->counted = job_indexes_parse(json_str(status, "completedIndexes", NULL), completions);
  state->done = job_indexes_copy(state->counted);
  if (job_has_index_limits(state->job))
    state->lost = job_indexes_parse(json_str(status, "failedIndexes", NULL), completions);
  for (unsigned i = 0; i < state->pods->len; i++) {
    const json_t *pod = object_json(state->pods->pdata[i]);
    int64_t index = job_pod_index(pod, state->job);
    if (index < 0 || !job_pod_is_tracked(pod))
      continue;
    if (has_phase(pod, "Succeeded"))
      job_indexes_add(state->done, index, index);
    else if (state->lost && is_index_lost(pod, state->job))
      job_indexes_add(state->lost, index, index);
  }
  state->succeeded = job_indexes_count(state->done);
  if (state->lost)
    find_replaced(state);
}

/* --- the verdict ------------------------------------------------------------------------------------------------ */

static void judge(JobState *state, JobEnd end, const char *reason, const char *message)
{
  state->verdict = (JobVerdict){ .end = end, .reason = g_strdup(reason), .message = g_strdup(message) };
}

static bool take_over(JobState *state, const char *type, JobEnd end)
{
  const json_t *status = json_object_get(state->job, "status");
  if (!condition_is(status, type, "True"))
    return false;
  const json_t *condition = condition_get(status, type);
  judge(state, end, json_str(condition, "reason", ""), json_str(condition, "message", ""));
  state->verdict.is_known = true;
  return true;
}

static int64_t sum_restarts(const json_t *statuses)
{
  int64_t sum = 0;
  size_t i;
  json_t *status;
  json_array_foreach (statuses, i, status)
    sum += json_int(status, "restartCount", 0);
  return sum;
}

/* Where containers are restarted in their pods, the restarts count instead of failed pods. */
static bool is_past_restarts(const JobState *state, int64_t limit)
{
  const json_t *spec = json_at(state->job, "spec", "template", "spec", NULL);
  int64_t restarts = 0;
  if (strcmp(json_str(spec, "restartPolicy", ""), "OnFailure") != 0)
    return false;
  for (unsigned i = 0; i < state->pods->len; i++) {
    const json_t *pod = object_json(state->pods->pdata[i]), *status = json_object_get(pod, "status");
    if (has_phase(pod, "Running") || has_phase(pod, "Pending"))
      restarts += sum_restarts(json_object_get(status, "initContainerStatuses")) +
                  sum_restarts(json_object_get(status, "containerStatuses"));
  }
  return limit == 0 ? restarts > 0 : restarts >= limit;
}

static bool judge_by_policy(JobState *state)
{
  for (unsigned i = 0; i < state->pods->len; i++) {
    const json_t *pod = object_json(state->pods->pdata[i]);
    g_autofree char *message = NULL;
    if (job_pod_is_failed(pod, state->job) && job_policy_action(state->job, pod, &message) == JOB_ACTION_FAIL_JOB) {
      judge(state, JOB_FAILS, "PodFailurePolicy", message);
      return true;
    }
  }
  return false;
}

static bool judge_by_limits(JobState *state, int64_t now_us)
{
  int64_t limit = json_int(json_object_get(state->job, "spec"), "backoffLimit", 6);
  int64_t deadline_us = job_deadline_us(state->job);
  if (state->failed > limit || is_past_restarts(state, limit))
    judge(state, JOB_FAILS, "BackoffLimitExceeded", "Job has reached the specified backoff limit");
  else if (deadline_us > 0 && deadline_us <= now_us)
    judge(state, JOB_FAILS, "DeadlineExceeded", "Job was active longer than specified deadline");
  return state->verdict.end != JOB_GOES_ON;
}

static bool judge_by_indexes(JobState *state)
{
  const json_t *most = json_at(state->job, "spec", "maxFailedIndexes", NULL);
  int64_t lost = state->lost ? job_indexes_count(state->lost) : 0;
  if (most && state->lost && lost > json_integer_value(most))
    judge(state, JOB_FAILS, "MaxFailedIndexesExceeded",
          "Job has exceeded the specified maximal number of failed indexes");
  else if (lost > 0 && lost + job_indexes_count(state->done) >= job_completions(state->job))
    judge(state, JOB_FAILS, "FailedIndexes", "Job has failed indexes");
  return state->verdict.end != JOB_GOES_ON;
}

static void find_verdict(JobState *state, int64_t now_us)
{
  if (take_over(state, "SuccessCriteriaMet", JOB_SUCCEEDS) || take_over(state, "FailureTarget", JOB_FAILS) ||
      judge_by_policy(state) || judge_by_limits(state, now_us) || !state->done || judge_by_indexes(state))
    return;
  g_autofree char *message = job_policy_success(state->job, state->done);
  if (message)
    judge(state, JOB_SUCCEEDS, "SuccessPolicy", message);
}

/* --- the state -------------------------------------------------------------------------------------------------- */

JobState *job_state_new(const json_t *job, GPtrArray *pods, const JobBackoff *known, int64_t now_us)
{
  JobState *state = g_new0(JobState, 1);
  state->job = job;
  state->pods = pods;
  state->active = g_ptr_array_new();
  state->replaced = g_hash_table_new(NULL, NULL);
  count_presence(state);
  count_ends(state, known);
  if (job_is_indexed(job))
    count_indexes(state);
  find_verdict(state, now_us);
  return state;
}

void job_state_free(JobState *state)
{
  if (!state)
    return;
  g_ptr_array_unref(state->active);
  g_hash_table_unref(state->replaced);
  job_indexes_free(state->counted);
  job_indexes_free(state->done);
  job_indexes_free(state->lost);
  g_free(state->verdict.reason);
  g_free(state->verdict.message);
  g_free(state);
}
