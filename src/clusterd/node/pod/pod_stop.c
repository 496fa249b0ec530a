/* The end of a pod: hooks, signals, time to go, and what is left to clear away. */
#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/pod/pod_worker_private.h"
#include "clusterd/node/pod_spec.h"
#include "clusterd/node/probe/probe.h"

#define GRACE_MIN_SECONDS 2      /* what a container has after its hook used up everything; upstream's minimum */
#define GONE_GRACE_SECONDS 1     /* the API does not wait for this pod any more */
#define STOP_GRACE_MIN_SECONDS 1 /* what the containers of a pod that ends have at the least; upstream's */
#define DELETE_RETRY_US ((int64_t)G_USEC_PER_SEC)

/* One container on its way out, on a thread of its own. */
typedef struct Ending {
  PodWorker *worker;
  char *container_id, *name, *ip;
  json_t *pre_stop, *container; /* NULL: no hook */
  json_t *pod;
  int64_t grace;
} Ending;

static void ending_free(Ending *ending)
{
  g_free(ending->container_id);
  g_free(ending->name);
  g_free(ending->ip);
  if (ending->pre_stop)
    json_decref(ending->pre_stop);
  json_decref(ending->container);
  json_decref(ending->pod);
  pod_worker_unref(ending->worker);
  g_free(ending);
}

/* Runs the preStop hook within the grace period, if the pod has one; the seconds left after it. */
static int64_t run_pre_stop(const Ending *ending)
{
  const PodWorkerHost *host = ending->worker->host;
  ProbeTarget target = { .runtime = host->runtime,
                         .container_id = ending->container_id,
                         .container = ending->container,
                         .pod_ip = ending->ip,
                         .background = host->background };
  g_autofree char *output = NULL;
  gint64 start = g_get_monotonic_time();
  if (!ending->pre_stop || ending->grace <= 0 || pod_spec_grace_seconds(ending->pod) <= 0)
    return ending->grace;
  bool good = probe_run(&target, ending->pre_stop, ending->grace, &output);
  if (!good && !background_is_called_off(host->background)) {
    g_autofree char *field = g_strdup_printf("spec.containers{%s}", ending->name);
    recorder_event(host->recorder, ending->pod, field, "Warning", "FailedPreStopHook", "PreStopHook failed: %s",
                   output);
  }
  int64_t used = (g_get_monotonic_time() - start) / G_USEC_PER_SEC;
  return MAX(ending->grace - used, GRACE_MIN_SECONDS);
}

/* Called off, the container runs on: who looks after it next begins anew. */
static void *run_ending(void *data)
{
  Ending *ending = data;
  const PodWorkerHost *host = ending->worker->host;
  Runtime *runtime = host->runtime;
  g_autoptr(GError) error = NULL;
  int64_t grace = run_pre_stop(ending);
  if (!background_is_called_off(host->background) &&
      !runtime->stop_container(runtime, ending->container_id, grace, &error) && !reason_is(error, REASON_INTERRUPTED))
    g_warning("Stopping container %s: %s", ending->container_id, error->message);
  g_mutex_lock(&ending->worker->lock);
  g_hash_table_remove(ending->worker->ending, ending->container_id);
  g_mutex_unlock(&ending->worker->lock);
  pod_worker_wake(ending->worker);
  ending_free(ending);
  return NULL;
}

static void begin_ending(PodWorker *worker, ContainerRecord *record, int64_t grace, bool with_hook)
{
  json_t *hook = with_hook ? json_at(record->spec, "lifecycle", "preStop", NULL) : NULL;
  Ending *ending = g_new(Ending, 1);
  *ending = (Ending){ .worker = pod_worker_ref(worker),
                      .container_id = g_strdup(record->current->id),
                      .name = g_strdup(record->name),
                      .ip = g_strdup(worker->state.ip ? worker->state.ip : worker->host->node.ip),
                      .pre_stop = hook ? json_deep_copy(hook) : NULL,
                      .container = json_deep_copy(record->spec),
                      .pod = json_incref(worker->state.pod),
                      .grace = grace };
  background_run(worker->host->background, "stop", run_ending, ending);
}

void pod_stop_container(PodWorker *worker, ContainerRecord *record, int64_t grace_seconds)
{
  g_mutex_lock(&worker->lock);
  bool first = g_hash_table_add(worker->ending, g_strdup(record->current->id));
  g_mutex_unlock(&worker->lock);
  prober_remove(worker->host->prober, record->current->id);
  record->ready = false;
  if (first)
    begin_ending(worker, record, grace_seconds, true);
}

/* Begins to stop RECORD, or hurries when there is less time than it was given. */
static void stop_or_hurry(PodWorker *worker, ContainerRecord *record, int64_t grace, bool hurry)
{
  g_mutex_lock(&worker->lock);
  bool is_ending = g_hash_table_contains(worker->ending, record->current->id);
  g_mutex_unlock(&worker->lock);
  if (is_ending && hurry)
    begin_ending(worker, record, grace, false);
  if (is_ending)
    return;
  pod_worker_event(worker, record, "Normal", "Killing", "Stopping container %s", record->name);
  pod_stop_container(worker, record, grace);
}

/* Sidecars end after everything else, the last first, one after the other. */
static bool stop_sidecars(PodWorker *worker, int64_t grace, bool hurry)
{
  for (guint i = worker->state.records->len; i > 0; i--) {
    ContainerRecord *record = worker->state.records->pdata[i - 1];
    if (record->role != ROLE_SIDECAR || !record_is_running(record))
      continue;
    stop_or_hurry(worker, record, grace, hurry);
    return false;
  }
  return true;
}

int64_t pod_worker_grace(const PodWorker *worker)
{
  int64_t grace = pod_spec_grace_seconds(worker->state.pod);
  return MAX(worker->grace_limit >= 0 ? MIN(grace, worker->grace_limit) : grace, STOP_GRACE_MIN_SECONDS);
}

bool pod_stop_all(PodWorker *worker, int64_t grace_seconds)
{
  bool hurry = worker->stop_grace >= 0 && grace_seconds < worker->stop_grace, any = false;
  worker->stop_grace = grace_seconds;
  for (guint i = 0; i < worker->state.records->len; i++) {
    ContainerRecord *record = worker->state.records->pdata[i];
    if (record->role == ROLE_SIDECAR || !record_is_running(record))
      continue;
    any = true;
    stop_or_hurry(worker, record, grace_seconds, hurry);
  }
  return !any && stop_sidecars(worker, grace_seconds, hurry);
}

/* Takes everything the pod had on this node away; its logs as well. */
static bool clear_away(PodWorker *worker, GError **error)
{
  Runtime *runtime = worker->host->runtime;
  for (guint i = 0; i < worker->sandboxes->len; i++)
    if (!runtime->stop_sandbox(runtime, worker->sandboxes->pdata[i], error) ||
        !runtime->remove_sandbox(runtime, worker->sandboxes->pdata[i], error))
      return false;
  return pod_volumes_tear_down(worker->volumes, error) && file_remove_tree(worker->dir, error) &&
         file_remove_tree(worker->log_dir, error);
}

/* The API's object goes last: whoever waits for it may count on the node being clean. */
static bool delete_object(PodWorker *worker, GError **error)
{
  DeleteOptions options = { .grace_period_seconds = 0, .precondition_uid = worker->uid };
  g_autoptr(GError) inner = NULL;
  if (client_delete(worker->host->client, "v1", "pods", worker->namespace_, worker->name, &options, &inner) ||
      reason_is(inner, REASON_NOT_FOUND) || reason_is(inner, REASON_CONFLICT)) /* conflict: another of this name */
    return true;
  g_propagate_error(error, g_steal_pointer(&inner));
  return false;
}

bool pod_stop_remove(PodWorker *worker, bool gone)
{
  g_autoptr(GError) error = NULL;
  int64_t grace = pod_worker_grace(worker);
  image_pulls_forget(worker->host->pulls, worker->uid);
  /* of a static pod nobody but its file can say that it is to go: it gets its time */
  if (!pod_stop_all(worker, gone && !worker->is_static ? MIN(grace, GONE_GRACE_SECONDS) : grace))
    return false;
  bool known = !worker->finished || worker->sandboxes->len > 0; /* else the status says more than is here */
  if ((!gone || worker->is_static) && known)
    pod_worker_write_status(worker);
  if (clear_away(worker, &error) && (gone || delete_object(worker, &error)))
    return true;
  if (!reason_is(error, REASON_INTERRUPTED))
    g_warning("Removing pod %s/%s: %s", worker->namespace_, worker->name, error->message);
  pod_worker_wake_at(worker, timestamp_now_us() + DELETE_RETRY_US);
  return false;
}
