#include "clusterd/controllers/batch/job_tracking.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/batch/job_policy.h"

#define UNCOUNTED "uncountedTerminatedPods"
#define UNCOUNTED_MAX 500 /* uids in the status at a time */

void job_tracking_begin(JobTracking *tracking)
{
  const json_t *status = json_object_get(object_json(tracking->job), "status");
  tracking->stored = status ? json_deep_copy(status) : NULL;
  tracking->status = status ? json_deep_copy(status) : json_object();
  json_ensure_object(tracking->status, UNCOUNTED, NULL);
}

void job_tracking_clear(JobTracking *tracking)
{
  json_decref(tracking->stored);
  json_decref(tracking->status);
}

/* --- conditions ------------------------------------------------------------------------------------------------- */

bool job_tracking_condition(JobTracking *tracking, const char *type, const char *value, const char *reason,
                            const char *message)
{
  json_t *status = tracking->status, *condition = condition_get(status, type);
  if (!condition && strcmp(value, "False") == 0)
    return false;
  if (condition && condition_is(status, type, value) && strcmp(json_str(condition, "reason", ""), reason) == 0 &&
      strcmp(json_str(condition, "message", ""), message) == 0)
    return false;
  g_autofree char *now = timestamp_text(tracking->now_us);
  condition_set(status, type, value, reason, message);
  condition = condition_get(status, type);
  json_object_set_new(condition, "lastProbeTime", json_string(now));
  json_object_set_new(condition, "lastTransitionTime", json_string(now));
  return true;
}

/* --- the store -------------------------------------------------------------------------------------------------- */

typedef struct StatusChange {
  const JobTracking *tracking;
  bool refused;
} StatusChange;

/* Counts may be written only over the status they were made from. */
static bool change_status(json_t *value, void *data)
{
  StatusChange *change = data;
  const JobTracking *tracking = change->tracking;
  change->refused = strcmp(json_str(json_object_get(value, "metadata"), "uid", ""), object_uid(tracking->job)) != 0 ||
                    !json_same(json_object_get(value, "status"), tracking->stored);
  if (!change->refused)
    json_object_set_new(value, "status", json_deep_copy(tracking->status));
  return !change->refused;
}

static bool write_status(JobTracking *tracking, GError **error)
{
  const Object *job = tracking->job;
  StatusChange change = { .tracking = tracking };
  g_autoptr(GError) problem = NULL;
  if (json_same(tracking->status, tracking->stored))
    return true;
  g_autoptr(Object) stored = client_modify(tracking->control->client, "batch/v1", "jobs", object_namespace(job),
                                           object_name(job), "status", change_status, &change, &problem);
  if (!stored && reason_is(problem, REASON_NOT_FOUND))
    return true;
  if (!stored) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  if (change.refused)
    return reason_set(error, REASON_CONFLICT, "The status of the job is no longer what it was.");
  json_decref(tracking->stored);
  tracking->stored = json_incref(json_object_get(object_json(stored), "status"));
  return informer_wait_revision(tracking->jobs, object_revision(stored)) ||
         reason_set(error, REASON_TIMEOUT, "The job's change is not to be seen yet.");
}

/* --- counting --------------------------------------------------------------------------------------------------- */

static void set_count(json_t *status, const char *key, int64_t count)
{
  if (count > 0)
    json_object_set_new(status, key, json_integer(count));
  else
    json_object_del(status, key);
}

/* The uids of the list KEY whose pods no longer hold the finalizer become part of the count KEY. */
static void settle_list(json_t *status, const char *key, GHashTable *tracked)
{
  json_t *list = json_at(status, UNCOUNTED, key, NULL);
  int64_t count = json_int(status, key, 0);
  for (size_t i = json_array_size(list); i-- > 0;) {
    if (g_hash_table_contains(tracked, json_string_value(json_array_get(list, i))))
      continue;
    json_array_remove(list, i);
    count++;
  }
  if (list && json_array_size(list) == 0)
    json_object_del(json_object_get(status, UNCOUNTED), key);
  set_count(status, key, count);
}

static void settle(json_t *status, GHashTable *tracked)
{
  settle_list(status, "succeeded", tracked);
  settle_list(status, "failed", tracked);
}

static size_t count_uncounted(const json_t *status)
{
  const json_t *lists = json_object_get(status, UNCOUNTED);
  return json_array_size(json_object_get(lists, "succeeded")) + json_array_size(json_object_get(lists, "failed"));
}

static void list_uid(json_t *status, const char *key, const Object *pod)
{
  json_t *lists = json_object_get(status, UNCOUNTED), *list = json_object_get(lists, key);
  if (!list)
    json_object_set_new(lists, key, list = json_array());
  if (!json_has_text(list, object_uid(pod)))
    json_array_append_new(list, json_string(object_uid(pod)));
}

static bool may_go(const JobState *state, const json_t *pod, const Object *object, bool failed)
{
  if (pod_is_deleting(state->job) || state->verdict.end != JOB_GOES_ON || strcmp(pod_phase(pod), "Succeeded") == 0)
    return true;
  if (!failed)
    return false;
  void *index = GINT_TO_POINTER((int)job_pod_index(pod, state->job));
  return g_hash_table_lookup(state->replaced, index) != object;
}

/* Lists POD, that may go, where it is to be counted. */
static void list_pod(JobTracking *tracking, const Object *object, bool failed)
{
  const JobState *state = tracking->state;
  const json_t *pod = object_json(object);
  bool is_listed = json_has_text(json_at(tracking->status, UNCOUNTED, "failed", NULL), object_uid(object));
  if (strcmp(pod_phase(pod), "Succeeded") == 0 && !is_listed) {
    if (!state->done) /* an index cannot be counted twice */
      list_uid(tracking->status, "succeeded", object);
    return;
  }
  /* Of a job that fails every pod that had not ended has failed. */
  if ((failed || state->verdict.end == JOB_FAILS) && (!state->done || job_pod_index(pod, state->job) >= 0) &&
      job_policy_action(state->job, pod, NULL) != JOB_ACTION_IGNORE)
    list_uid(tracking->status, "failed", object);
}

/* Lists what has ended, UNCOUNTED_MAX at most: *ALL tells whether that was all. Array of Object*, owned: what may go.
 */
static GPtrArray *collect(JobTracking *tracking, GHashTable *tracked, bool *all)
{
  const JobState *state = tracking->state;
  GPtrArray *leaving = g_ptr_array_new();
  *all = true;
  for (unsigned i = 0; i < state->pods->len && *all; i++) {
    Object *object = state->pods->pdata[i];
    const json_t *pod = object_json(object);
    bool failed = job_pod_is_failed(pod, state->job);
    if (!g_hash_table_contains(tracked, object_uid(object)) || !may_go(state, pod, object, failed))
      continue;
    g_ptr_array_add(leaving, object);
    list_pod(tracking, object, failed);
    *all = MAX(count_uncounted(tracking->status), leaving->len) < UNCOUNTED_MAX;
  }
  return leaving;
}

static void set_indexes(JobTracking *tracking)
{
  const JobState *state = tracking->state;
  if (!state->done)
    return;
  g_autofree char *done = job_indexes_text(state->done);
  set_count(tracking->status, "succeeded", job_indexes_count(state->done));
  if (*done)
    json_object_set_new(tracking->status, "completedIndexes", json_string(done));
  else
    json_object_del(tracking->status, "completedIndexes");
  if (!state->lost)
    return;
  g_autofree char *lost = job_indexes_text(state->lost);
  json_object_set_new(tracking->status, "failedIndexes", json_string(lost));
}

static void set_target(JobTracking *tracking)
{
  const JobVerdict *verdict = &tracking->state->verdict;
  if (verdict->end != JOB_GOES_ON && !verdict->is_known)
    job_tracking_condition(tracking, verdict->end == JOB_FAILS ? "FailureTarget" : "SuccessCriteriaMet", "True",
                           verdict->reason, verdict->message);
}

static void set_end(JobTracking *tracking)
{
  const JobVerdict *verdict = &tracking->state->verdict;
  g_autofree char *now = timestamp_text(tracking->now_us);
  job_tracking_condition(tracking, verdict->end == JOB_FAILS ? "Failed" : "Complete", "True", verdict->reason,
                         verdict->message);
  if (verdict->end == JOB_SUCCEEDS)
    json_object_set_new(tracking->status, "completionTime", json_string(now));
}

bool job_tracking_run(JobTracking *tracking, bool *counted, bool *ended, GError **error)
{
  const JobState *state = tracking->state;
  json_t *status = tracking->status;
  bool all;
  g_autoptr(GHashTable) tracked = g_hash_table_new(g_str_hash, g_str_equal);
  for (unsigned i = 0; i < state->pods->len; i++)
    if (job_pod_is_tracked(object_json(state->pods->pdata[i])))
      g_hash_table_add(tracked, (char *)(uintptr_t)object_uid(state->pods->pdata[i]));
  settle(status, tracked);
  g_autoptr(GPtrArray) leaving = collect(tracking, tracked, &all);
  set_indexes(tracking);
  set_target(tracking);
  *ended = false;
  *counted = write_status(tracking, error);
  if (!*counted || !job_pods_let_go(tracking->control, leaving, error))
    return false;
  for (unsigned i = 0; i < leaving->len; i++)
    g_hash_table_remove(tracked, object_uid(leaving->pdata[i]));
  settle(status, tracked);
  *ended = all && state->verdict.end != JOB_GOES_ON && count_uncounted(status) == 0 &&
           json_int(status, "terminating", 0) == 0;
  if (*ended)
    set_end(tracking);
  return write_status(tracking, error);
}
