#include "clusterd/controllers/batch/job.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/batch/job_state.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/pods/workload.h"

#define N_WORKERS 2
#define BURST_MAX 500

struct JobController {
  Workload workload;
};

/* --- pods ------------------------------------------------------------------------------------------------------- */

static json_t *make_pod(const Object *job)
{
  json_t *pod = pod_control_make(job, json_at(object_json(job), "spec", "template", NULL));
  json_t *metadata = json_object_get(pod, "metadata"), *finalizers = json_object_get(metadata, "finalizers");
  if (!finalizers)
    json_object_set_new(metadata, "finalizers", finalizers = json_array());
  json_array_append_new(finalizers, json_string(JOB_FINALIZER));
  return pod;
}

static void add_index_variable(json_t *container)
{
  json_t *env = json_object_get(container, "env");
  if (!env)
    json_object_set_new(container, "env", env = json_array());
  json_array_append_new(env, json_pack("{s:s, s:{s:{s:s}}}", "name", "JOB_COMPLETION_INDEX", "valueFrom", "fieldRef",
                                       "fieldPath", "metadata.labels['" JOB_INDEX "']"));
}

static void set_index(json_t *pod, const Object *job, int index)
{
  static const char *const lists[] = { "initContainers", "containers" };
  g_autofree char *number = g_strdup_printf("%d", index), *name = g_strdup_printf("%s-%d", object_name(job), index);
  g_autofree char *prefix = g_strconcat(name, "-", NULL);
  json_t *metadata = json_object_get(pod, "metadata"), *spec = json_object_get(pod, "spec");
  json_object_set_new(metadata, "generateName", json_string(prefix));
  json_object_set_new(json_ensure_object(metadata, "annotations", NULL), JOB_INDEX, json_string(number));
  json_object_set_new(json_ensure_object(metadata, "labels", NULL), JOB_INDEX, json_string(number));
  json_object_set_new(spec, "hostname", json_string(name));
  for (size_t k = 0; k < G_N_ELEMENTS(lists); k++) {
    size_t i;
    json_t *container;
    json_array_foreach (json_object_get(spec, lists[k]), i, container)
      add_index_variable(container);
  }
}

static bool create_indexed(JobController *controller, const Object *job, const JobState *state, int64_t count,
                           GError **error)
{
  int64_t completions = json_int(json_object_get(object_json(job), "spec"), "completions", 1);
  for (int index = 0; index < completions && count > 0; index++) {
    if (g_hash_table_contains(state->done, GINT_TO_POINTER(index)) ||
        g_hash_table_contains(state->busy, GINT_TO_POINTER(index)))
      continue;
    g_autoptr(json_t) pod = make_pod(job);
    set_index(pod, job, index);
    g_autoptr(Object) created = pod_control_create_one(&controller->workload.control, job, pod, error);
    if (!created)
      return false;
    count--;
  }
  return true;
}

static bool create_pods(JobController *controller, const Object *job, const JobState *state, int64_t count,
                        GError **error)
{
  count = MIN(count, BURST_MAX);
  if (job_is_indexed(object_json(job)))
    return create_indexed(controller, job, state, count, error);
  g_autoptr(json_t) pod = make_pod(job);
  return pod_control_create(&controller->workload.control, job, pod, (unsigned)count, error);
}

static bool drop_finalizer(json_t *value, void *data)
{
  json_t *metadata = json_object_get(value, "metadata"), *list = json_object_get(metadata, "finalizers");
  for (size_t i = json_array_size(list); i-- > 0;) {
    if (strcmp(json_string_value(json_array_get(list, i)), JOB_FINALIZER) != 0)
      continue;
    json_array_remove(list, i);
    if (json_array_size(list) == 0)
      json_object_del(metadata, "finalizers");
    return strcmp(json_str(metadata, "uid", ""), data) == 0;
  }
  return false;
}

static bool let_go(JobController *controller, GPtrArray *pods, GError **error)
{
  for (unsigned i = 0; i < pods->len; i++) {
    const Object *pod = g_ptr_array_index(pods, i);
    g_autoptr(GError) problem = NULL;
    g_autoptr(Object) stored =
        client_modify(controller->workload.client, "v1", "pods", object_namespace(pod), object_name(pod), NULL,
                      drop_finalizer, (void *)(uintptr_t)object_uid(pod), &problem);
    if (stored) {
      informer_wait_revision(controller->workload.pods, object_revision(stored));
    } else if (!reason_is(problem, REASON_NOT_FOUND)) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return false;
    }
  }
  return true;
}

/* What the job itself takes back is no failure: it is let go before. */
static bool delete_surplus(JobController *controller, const Object *job, GPtrArray *active, unsigned count,
                           GError **error)
{
  g_autoptr(GPtrArray) victims = g_ptr_array_new();
  for (unsigned i = 0; i < MIN(count, active->len); i++)
    g_ptr_array_add(victims, g_ptr_array_index(active, i));
  return let_go(controller, victims, error) && pod_control_delete(&controller->workload.control, job, victims, error);
}

/* --- status ----------------------------------------------------------------------------------------------------- */

static void set_count(json_t *status, const char *key, int64_t count)
{
  if (count)
    json_object_set_new(status, key, json_integer(count));
  else
    json_object_del(status, key);
}

/* The uids whose ends the counts of this status hold while their pods still carry the finalizer. */
static json_t *uncounted(const JobState *state)
{
  json_t *lists = json_object();
  for (unsigned i = 0; i < state->finished->len; i++) {
    const Object *pod = g_ptr_array_index(state->finished, i);
    const char *key = strcmp(pod_phase(object_json(pod)), "Succeeded") == 0 ? "succeeded" : "failed";
    if (!json_object_get(lists, key))
      json_object_set_new(lists, key, json_array());
    json_array_append_new(json_object_get(lists, key), json_string(object_uid(pod)));
  }
  return lists;
}

static bool is_over(const json_t *job)
{
  const json_t *status = json_object_get(job, "status");
  return condition_is(status, "Complete", "True") || condition_is(status, "Failed", "True");
}

/* Why the job has failed, or NULL. */
static const char *failure_of(const json_t *job, const JobState *state, const char **message, int64_t *deadline_us)
{
  const json_t *spec = json_object_get(job, "spec");
  int64_t start_us, limit = json_int(spec, "backoffLimit", 6);
  *deadline_us = -1;
  *message = "Job has reached the specified backoff limit";
  bool restarts = strcmp(json_str(json_at(spec, "template", "spec", NULL), "restartPolicy", ""), "OnFailure") == 0;
  if (state->failed > limit || (restarts && state->restarts > 0 && state->restarts >= MAX(limit, 1)))
    return "BackoffLimitExceeded";
  if (!json_object_get(spec, "activeDeadlineSeconds") || json_flag(spec, "suspend", false) ||
      !timestamp_parse(json_str(json_object_get(job, "status"), "startTime", NULL), &start_us))
    return NULL;
  *deadline_us = start_us + json_int(spec, "activeDeadlineSeconds", 0) * G_USEC_PER_SEC - timestamp_now_us();
  *message = "Job was active longer than specified deadline";
  return *deadline_us <= 0 ? "DeadlineExceeded" : NULL;
}

static json_t *make_status(const Object *job, const JobState *state)
{
  const json_t *old = json_object_get(object_json(job), "status");
  json_t *status = old ? json_deep_copy(old) : json_object();
  if (!json_object_get(status, "startTime") &&
      !json_flag(json_object_get(object_json(job), "spec"), "suspend", false)) {
    g_autofree char *now = timestamp_now();
    json_object_set_new(status, "startTime", json_string(now));
  }
  set_count(status, "active", state->active->len);
  json_object_set_new(status, "ready", json_integer(state->ready));
  json_object_set_new(status, "terminating", json_integer(state->terminating));
  set_count(status, "succeeded", state->succeeded);
  set_count(status, "failed", state->failed);
  json_object_set_new(status, "uncountedTerminatedPods", uncounted(state));
  if (job_is_indexed(object_json(job))) {
    g_autofree char *indexes = job_indexes_text(state->done);
    if (*indexes)
      json_object_set_new(status, "completedIndexes", json_string(indexes));
  }
  return status;
}

static void note_suspension(JobController *controller, const Object *job, json_t *status)
{
  bool suspended = json_flag(json_object_get(object_json(job), "spec"), "suspend", false);
  if (suspended && condition_set(status, "Suspended", "True", "JobSuspended", "Job suspended")) {
    json_object_del(status, "startTime");
    recorder_event(controller->workload.recorder, object_json(job), NULL, "Normal", "Suspended", "Job suspended");
  } else if (!suspended && condition_is(status, "Suspended", "True")) {
    condition_set(status, "Suspended", "False", "JobResumed", "Job resumed");
    recorder_event(controller->workload.recorder, object_json(job), NULL, "Normal", "Resumed", "Job resumed");
  }
}

static void note_end(JobController *controller, const Object *job, json_t *status, const char *failure,
                     const char *message)
{
  g_autofree char *now = timestamp_now();
  if (failure) {
    condition_set(status, "FailureTarget", "True", failure, message);
    if (json_int(status, "terminating", 0) > 0 || json_int(status, "active", 0) > 0)
      return;
    condition_set(status, "Failed", "True", failure, message);
    recorder_event(controller->workload.recorder, object_json(job), NULL, "Warning", failure, "%s", message);
    return;
  }
  condition_set(status, "SuccessCriteriaMet", "True", "CompletionsReached",
                "Reached expected number of succeeded pods");
  if (json_int(status, "terminating", 0) > 0 || json_int(status, "active", 0) > 0)
    return;
  condition_set(status, "Complete", "True", "CompletionsReached", "Reached expected number of succeeded pods");
  json_object_set_new(status, "completionTime", json_string(now));
  recorder_event(controller->workload.recorder, object_json(job), NULL, "Normal", "Completed", "Job completed");
}

/* --- reconciling ------------------------------------------------------------------------------------------------ */

/* A finished job goes by itself when it says so. */
static bool expire(JobController *controller, const char *key, const Object *job, GError **error)
{
  const json_t *status = json_object_get(object_json(job), "status");
  const json_t *ttl = json_at(object_json(job), "spec", "ttlSecondsAfterFinished", NULL);
  const json_t *end = condition_get(status, condition_is(status, "Complete", "True") ? "Complete" : "Failed");
  int64_t end_us;
  if (!json_is_integer(ttl) || !timestamp_parse(json_str(end, "lastTransitionTime", NULL), &end_us))
    return true;
  int64_t left_us = end_us + json_integer_value(ttl) * G_USEC_PER_SEC - timestamp_now_us();
  if (left_us > 0) {
    workload_requeue(&controller->workload, key, left_us);
    return true;
  }
  DeleteOptions options = { .grace_period_seconds = -1,
                            .propagation = "Foreground",
                            .precondition_uid = object_uid(job) };
  return client_delete(controller->workload.client, "batch/v1", "jobs", object_namespace(job), object_name(job),
                       &options, error);
}

static bool adjust_pods(JobController *controller, const char *key, const Object *job, const JobState *state, bool over,
                        GError **error)
{
  int64_t wanted = over ? 0 : job_wanted(object_json(job), state), active = state->active->len;
  if (active > wanted)
    return delete_surplus(controller, job, state->active, (unsigned)(active - wanted), error);
  if (active == wanted)
    return true;
  int64_t delay_us = job_backoff_us(state, timestamp_now_us());
  if (delay_us > 0) {
    workload_requeue(&controller->workload, key, delay_us);
    return true;
  }
  return create_pods(controller, job, state, wanted - active, error);
}

static GPtrArray *pods_of(const JobController *controller, const Object *job)
{
  return informer_by_index(controller->workload.pods, OWNER_INDEX_UID, object_uid(job));
}

static bool write_status(JobController *controller, const Object *job, const json_t *status, GError **error)
{
  int64_t revision;
  if (json_same(status, json_object_get(object_json(job), "status")))
    return true;
  if (!status_write(controller->workload.client, "batch/v1", "jobs", job, status, &revision, error))
    return false;
  informer_wait_revision(controller->workload.owners, revision);
  return true;
}

static bool sync_job(void *data, const char *key, Object *job, GError **error)
{
  JobController *controller = data;
  const json_t *value = object_json(job);
  g_autoptr(GPtrArray) pods = pods_of(controller, job);
  g_autoptr(JobState) state = job_state_new(value, pods);
  if (is_over(value) || json_at(value, "metadata", "deletionTimestamp", NULL))
    return let_go(controller, state->finished, error) && (!is_over(value) || expire(controller, key, job, error));
  const char *message;
  int64_t deadline_us;
  const char *failure = failure_of(value, state, &message, &deadline_us);
  bool over = failure || job_is_complete(value, state);
  if (deadline_us > 0)
    workload_requeue(&controller->workload, key, deadline_us);
  if (!adjust_pods(controller, key, job, state, over, error))
    return false;
  g_autoptr(GPtrArray) now = pods_of(controller, job);
  g_autoptr(JobState) after = job_state_new(value, now);
  g_autoptr(json_t) status = make_status(job, after);
  note_suspension(controller, job, status);
  if (over)
    note_end(controller, job, status, failure, message);
  /* First the counts, then the pods may go: nothing is lost or counted twice when this ends in between. */
  return write_status(controller, job, status, error) && let_go(controller, after->finished, error);
}

/* A job that is gone counts nothing any more: its pods may go too. */
static bool release_pods(void *data, const char *namespace_, const char *name, GError **error)
{
  JobController *controller = data;
  g_autoptr(GPtrArray) pods = informer_by_index(controller->workload.pods, POD_ROUTES_INDEX_NAMESPACE, namespace_);
  for (unsigned i = pods->len; i-- > 0;) {
    const json_t *pod = object_json(g_ptr_array_index(pods, i));
    const json_t *owner = owner_of(pod);
    if (!owner || !owner_is(owner, "batch", "Job") || strcmp(json_str(owner, "name", ""), name) != 0 ||
        !job_pod_is_tracked(pod))
      g_ptr_array_remove_index_fast(pods, i);
  }
  return let_go(controller, pods, error);
}

JobController *job_controller_new(const ControllerContext *context)
{
  static const WorkloadKind kind = { .component = "job-controller",
                                     .api_version = "batch/v1",
                                     .group = "batch",
                                     .plural = "jobs",
                                     .kind = "Job",
                                     .n_workers = N_WORKERS };
  JobController *controller = g_new0(JobController, 1);
  workload_init(&controller->workload, context, &kind, sync_job, release_pods, controller);
  informer_add_index(controller->workload.pods, POD_ROUTES_INDEX_NAMESPACE, informer_index_by_namespace);
  workload_start(&controller->workload);
  return controller;
}

void job_controller_free(JobController *controller)
{
  workload_clear(&controller->workload);
  g_free(controller);
}
