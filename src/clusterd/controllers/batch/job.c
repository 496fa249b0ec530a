#include "clusterd/controllers/batch/job.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/batch/job_pods.h"
#include "clusterd/controllers/batch/job_state.h"
#include "clusterd/controllers/batch/job_tracking.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/pods/workload.h"

#define N_WORKERS 2
#define RETRY_MAX_US ((int64_t)60 * G_USEC_PER_SEC) /* a quota may have room again, and nobody tells */
#define BURST_MAX 500 /* pods made or given up at a time: no job keeps the others waiting */

typedef struct Remembered {
  char *uid;
  JobBackoff backoff;
} Remembered;

struct JobController {
  Workload workload;
  AlarmClock *clock;
  WorkQueue *orphans;   /* keys of pods whose job may be gone */
  GMutex lock;          /* guards what follows */
  GHashTable *backoffs; /* key of a job → Remembered*: what its pods no longer tell once they are deleted */
};

/* --- backoff ---------------------------------------------------------------------------------------------------- */

static void remembered_free(void *pointer)
{
  Remembered *remembered = pointer;
  g_free(remembered->uid);
  g_free(remembered);
}

static bool recall(JobController *controller, const char *key, const Object *job, JobBackoff *backoff)
{
  g_mutex_lock(&controller->lock);
  const Remembered *found = g_hash_table_lookup(controller->backoffs, key);
  bool known = found && strcmp(found->uid, object_uid(job)) == 0;
  if (known)
    *backoff = found->backoff;
  g_mutex_unlock(&controller->lock);
  return known;
}

static void remember(JobController *controller, const char *key, const Object *job, JobBackoff backoff)
{
  Remembered *remembered = g_new(Remembered, 1);
  *remembered = (Remembered){ .uid = g_strdup(object_uid(job)), .backoff = backoff };
  g_mutex_lock(&controller->lock);
  g_hash_table_insert(controller->backoffs, g_strdup(key), remembered);
  g_mutex_unlock(&controller->lock);
}

static void forget(JobController *controller, const char *key)
{
  alarm_clock_drop(controller->clock, controller->workload.queue.work, key);
  g_mutex_lock(&controller->lock);
  g_hash_table_remove(controller->backoffs, key);
  g_mutex_unlock(&controller->lock);
}

/* --- pods ------------------------------------------------------------------------------------------------------- */

/* One look at one job. */
typedef struct Sync {
  JobController *controller;
  const char *key;
  Object *job;
  JobState *state;
  int64_t now_us;
  int64_t active, ready, terminating; /* after what was done */
} Sync;

static unsigned count_ready(const GPtrArray *pods)
{
  unsigned ready = 0;
  for (unsigned i = 0; i < pods->len; i++)
    ready += pod_is_ready(object_json(pods->pdata[i]));
  return ready;
}

static void note_leaving(Sync *sync, const GPtrArray *pods)
{
  sync->active -= pods->len;
  sync->terminating += pods->len;
  sync->ready -= count_ready(pods);
}

static void wake(const Sync *sync, int64_t due_us)
{
  if (due_us > 0)
    alarm_clock_add(sync->controller->clock, sync->controller->workload.queue.work, sync->key, due_us);
}

/* As the informer has them by now. */
static int64_t count_active(const Sync *sync)
{
  g_autoptr(GPtrArray) pods =
      informer_by_index(sync->controller->workload.pods, OWNER_INDEX_UID, object_uid(sync->job));
  int64_t active = 0;
  for (unsigned i = 0; i < pods->len; i++)
    active += pod_is_active(object_json(pods->pdata[i]));
  return active;
}

static bool create_pods(Sync *sync, int64_t count, GError **error)
{
  const PodControl *control = &sync->controller->workload.control;
  int64_t due_us = sync->state->lost ? 0 : job_backoff_due_us(sync->state->backoff);
  g_autoptr(GArray) indexes = NULL;
  if (due_us > sync->now_us) {
    wake(sync, due_us);
    return true;
  }
  if (sync->state->done) {
    indexes = job_pending_indexes(sync->state, count, sync->now_us, &due_us);
    wake(sync, due_us);
    count = indexes->len;
  }
  bool created = job_pods_create(control, sync->job, sync->state, count, indexes, error);
  sync->active = count_active(sync);
  return created;
}

/* Brings the number of active pods to what is wanted: either fewer or more at a time. */
static bool adjust_pods(Sync *sync, GError **error)
{
  const PodControl *control = &sync->controller->workload.control;
  int64_t wanted = job_wanted(sync->state), active = sync->state->active->len;
  g_autoptr(GPtrArray) surplus = job_surplus(sync->state, MAX(active - wanted, 0), sync->now_us);
  if (surplus->len > BURST_MAX)
    g_ptr_array_set_size(surplus, BURST_MAX);
  if (surplus->len > 0) {
    if (!job_pods_give_up(control, sync->job, surplus, error))
      return false;
    note_leaving(sync, surplus);
    return true;
  }
  int64_t leaving = job_replaces_only_failed(object_json(sync->job)) ? sync->state->terminating : 0;
  int64_t missing = wanted - active - leaving;
  return missing <= 0 || create_pods(sync, MIN(missing, BURST_MAX), error);
}

/* --- status ----------------------------------------------------------------------------------------------------- */

static void note_suspension(const Sync *sync, JobTracking *tracking)
{
  Recorder *recorder = sync->controller->workload.recorder;
  const json_t *job = object_json(sync->job);
  if (job_is_suspended(job)) {
    if (job_tracking_condition(tracking, "Suspended", "True", "JobSuspended", "Job suspended"))
      recorder_event(recorder, job, NULL, "Normal", "Suspended", "Job suspended");
  } else if (job_tracking_condition(tracking, "Suspended", "False", "JobResumed", "Job resumed")) {
    g_autofree char *now = timestamp_text(sync->now_us);
    recorder_event(recorder, job, NULL, "Normal", "Resumed", "Job resumed");
    /* The time of a deadline is what the job has been active without a break. */
    json_object_set_new(tracking->status, "startTime", json_string(now));
  }
}

static void note_presence(const Sync *sync, json_t *status)
{
  if (sync->active > 0)
    json_object_set_new(status, "active", json_integer(sync->active));
  else
    json_object_del(status, "active");
  json_object_set_new(status, "ready", json_integer(sync->ready));
  json_object_set_new(status, "terminating", json_integer(sync->terminating));
}

static void announce_end(const Sync *sync)
{
  Recorder *recorder = sync->controller->workload.recorder;
  const json_t *job = object_json(sync->job);
  const JobVerdict *verdict = &sync->state->verdict;
  int64_t completions = job_completions(job);
  if (verdict->end == JOB_FAILS) {
    recorder_event(recorder, job, NULL, "Warning", verdict->reason, "%s", verdict->message);
    return;
  }
  if (completions >= 0 && sync->state->succeeded > completions)
    recorder_event(recorder, job, NULL, "Warning", "TooManySucceededPods",
                   "Too many succeeded pods running after completion count reached");
  recorder_event(recorder, job, NULL, "Normal", "Completed", "Job completed");
}

static bool track(Sync *sync, bool managed, GError **error)
{
  Workload *workload = &sync->controller->workload;
  JobTracking tracking = { .control = &workload->control,
                           .jobs = workload->owners,
                           .job = sync->job,
                           .state = sync->state,
                           .now_us = sync->now_us };
  bool counted, ended;
  job_tracking_begin(&tracking);
  if (!json_object_get(tracking.status, "startTime") && !job_is_suspended(object_json(sync->job))) {
    g_autofree char *now = timestamp_text(sync->now_us);
    json_object_set_new(tracking.status, "startTime", json_string(now));
  }
  if (managed && sync->state->verdict.end == JOB_GOES_ON)
    note_suspension(sync, &tracking);
  note_presence(sync, tracking.status);
  bool done = job_tracking_run(&tracking, &counted, &ended, error);
  if (counted)
    remember(sync->controller, sync->key, sync->job, sync->state->backoff);
  if (done && ended)
    announce_end(sync);
  job_tracking_clear(&tracking);
  return done;
}

/* --- reconciling ------------------------------------------------------------------------------------------------ */

static bool is_complete(const Sync *sync)
{
  int64_t completions = job_completions(object_json(sync->job)), succeeded = sync->state->succeeded;
  return sync->active == 0 && (completions >= 0 ? succeeded >= completions : succeeded > 0);
}

static bool delete_active(Sync *sync, GError **error)
{
  /* They keep their finalizers until they are counted. */
  if (!pod_control_delete(&sync->controller->workload.control, sync->job, sync->state->active, error))
    return false;
  note_leaving(sync, sync->state->active);
  return true;
}

static bool sync_pods(Sync *sync, GError **error)
{
  JobVerdict *verdict = &sync->state->verdict;
  bool leaving = pod_is_deleting(object_json(sync->job)); /* the job, not a pod: the member is the same */
  GError *problem = NULL;
  bool adjusted = true, judged = verdict->end != JOB_GOES_ON;
  if (judged && !delete_active(sync, error))
    return false;
  if (!judged && !leaving)
    adjusted = adjust_pods(sync, &problem);
  if (!judged && adjusted && is_complete(sync))
    *verdict = (JobVerdict){ .end = JOB_SUCCEEDS,
                             .reason = g_strdup("CompletionsReached"),
                             .message = g_strdup("Reached expected number of succeeded pods") };
  /* What has ended is counted, also when no pod can be made. */
  bool tracked = track(sync, !judged && !leaving, problem ? NULL : error);
  if (problem)
    g_propagate_error(error, problem);
  return adjusted && tracked;
}

/* The pods of a finished job are counted: whatever still holds one back may let it go. */
static bool release_all(JobController *controller, const Object *job, GError **error)
{
  g_autoptr(GPtrArray) pods = informer_by_index(controller->workload.pods, OWNER_INDEX_UID, object_uid(job));
  return job_pods_let_go(&controller->workload.control, pods, error);
}

static bool sync_job(void *data, const char *key, Object *job, GError **error)
{
  JobController *controller = data;
  const json_t *value = object_json(job);
  JobBackoff known;
  if (job_is_managed_elsewhere(value))
    return true;
  if (job_is_finished(value)) {
    forget(controller, key);
    return release_all(controller, job, error);
  }
  g_autoptr(LabelSelector) selector = pod_routes_selector(value, false);
  if (!selector)
    return true;
  g_autoptr(GPtrArray) pods = workload_claim(&controller->workload, job, selector, error);
  if (!pods)
    return false;
  bool remembered = recall(controller, key, job, &known);
  Sync sync = { .controller = controller, .key = key, .job = job, .now_us = alarm_clock_now_us(controller->clock) };
  g_autoptr(JobState) state = job_state_new(value, pods, remembered ? &known : NULL, sync.now_us);
  sync.state = state;
  sync.active = state->active->len;
  sync.ready = state->ready;
  sync.terminating = state->terminating;
  if (state->verdict.end == JOB_GOES_ON)
    wake(&sync, job_deadline_us(value));
  return sync_pods(&sync, error);
}

/* --- orphans ---------------------------------------------------------------------------------------------------- */

static bool forget_job(void *data, const char *namespace_, const char *name, GError **error)
{
  g_autofree char *key = g_strconcat(namespace_, "/", name, NULL);
  forget(data, key);
  return true;
}

/* The job that controls POD: known by its name and uid, else NULL. *FOREIGN: something else does. */
static Object *job_of(const JobController *controller, const json_t *pod, bool *foreign)
{
  const json_t *owner = owner_of(pod);
  *foreign = owner && !owner_is(owner, "batch", "Job");
  if (!owner || *foreign)
    return NULL;
  g_autoptr(Object) job =
      informer_get(controller->workload.owners, json_str(json_object_get(pod, "metadata"), "namespace", ""),
                   json_str(owner, "name", ""));
  return job && strcmp(object_uid(job), json_str(owner, "uid", "")) == 0 ? g_steal_pointer(&job) : NULL;
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  const JobController *controller = data;
  bool foreign;
  if (!new_object || !job_pod_is_tracked(object_json(new_object)))
    return;
  g_autoptr(Object) job = job_of(controller, object_json(new_object), &foreign);
  if (job || foreign)
    return;
  g_autofree char *key = informer_key(new_object);
  work_queue_add(controller->orphans, key);
}

static void on_job(Object *old, Object *new_object, void *data)
{
  const JobController *controller = data;
  if (!old || (new_object && strcmp(object_uid(old), object_uid(new_object)) == 0))
    return;
  g_autoptr(GPtrArray) pods = informer_by_index(controller->workload.pods, OWNER_INDEX_UID, object_uid(old));
  for (unsigned i = 0; i < pods->len; i++)
    on_pod(NULL, pods->pdata[i], data);
}

/* A job that is gone counts nothing any more: its pods may go too. */
static bool release_orphan(const char *key, void *data)
{
  JobController *controller = data;
  bool foreign;
  g_autofree char *namespace_ = NULL, *name = NULL;
  g_autoptr(GError) error = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) pod = informer_get(controller->workload.pods, namespace_, name);
  if (!pod || !job_pod_is_tracked(object_json(pod)))
    return true;
  g_autoptr(Object) job = job_of(controller, object_json(pod), &foreign);
  if (job || foreign)
    return true;
  g_autoptr(GPtrArray) pods = g_ptr_array_new();
  g_ptr_array_add(pods, pod);
  bool done = job_pods_let_go(&controller->workload.control, pods, &error);
  if (!done)
    g_info("Pod %s of a job that is gone: %s", key, error->message);
  return done;
}

/* --- the controller --------------------------------------------------------------------------------------------- */

JobController *job_controller_new(const ControllerContext *context)
{
  static const WorkloadKind kind = { .component = "job-controller",
                                     .api_version = "batch/v1",
                                     .group = "batch",
                                     .plural = "jobs",
                                     .kind = "Job",
                                     .finalizer = JOB_FINALIZER,
                                     .n_workers = N_WORKERS };
  JobController *controller = g_new0(JobController, 1);
  controller->clock = context->clock;
  g_mutex_init(&controller->lock);
  controller->backoffs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, remembered_free);
  workload_init(&controller->workload, context, &kind, sync_job, forget_job, controller);
  work_queue_limit_backoff(controller->workload.queue.work, RETRY_MAX_US);
  controller->orphans = work_queue_new("job orphans", 1, release_orphan, controller);
  informer_add_handler(controller->workload.pods, on_pod, controller);
  informer_add_handler(controller->workload.owners, on_job, controller);
  workload_start(&controller->workload);
  work_queue_start(controller->orphans);
  return controller;
}

void job_controller_free(JobController *controller)
{
  work_queue_stop(controller->workload.queue.work);
  alarm_clock_forget(controller->clock, controller->workload.queue.work);
  work_queue_free(controller->orphans);
  workload_clear(&controller->workload);
  g_hash_table_unref(controller->backoffs);
  g_mutex_clear(&controller->lock);
  g_free(controller);
}
