/* One container: its image, its configuration, its start, and the probes that follow. */
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/pod/pod_image.h"
#include "clusterd/node/pod/pod_worker_private.h"
#include "clusterd/node/pod_spec.h"
#include "clusterd/node/probe/probe.h"

#define CONFIG_RETRY_US (10 * (int64_t)G_USEC_PER_SEC) /* when nothing that is waited for changes before */
#define HOOK_TIMEOUT_SECONDS 3600 /* a postStart hook has no limit of its own; this one keeps a thread from staying */

/* Shows REASON; the same reason again is not told again. */
static void hold(PodWorker *worker, ContainerRecord *record, const char *reason, const char *message, int64_t retry_us)
{
  if (g_strcmp0(record->waiting_reason, reason) != 0)
    pod_worker_event(worker, record, "Warning", "Failed", "Error: %s", message);
  record_set_waiting(record, reason, message);
  pod_worker_wake_at(worker, retry_us);
}

static void tell_skipped(PodWorker *worker, const ContainerRecord *record, const GPtrArray *skipped)
{
  for (guint i = 0; skipped && i < skipped->len; i++)
    pod_worker_event(worker, record, "Warning", "InvalidEnvironmentVariableNames",
                     "Keys [%s] were skipped since they are considered invalid environment variable names.",
                     (char *)skipped->pdata[i]);
}

/* A lifecycle hook on its way. */
typedef struct Hook {
  PodWorker *worker;
  char *container_id, *name, *ip;
  json_t *handler, *container;
  json_t *pod;
  int64_t grace;
} Hook;

static void hook_free(Hook *hook)
{
  g_free(hook->container_id);
  g_free(hook->name);
  g_free(hook->ip);
  json_decref(hook->handler);
  json_decref(hook->container);
  json_decref(hook->pod);
  pod_worker_unref(hook->worker);
  g_free(hook);
}

/* A failed postStart hook ends its container. */
static void *run_post_start(void *data)
{
  Hook *hook = data;
  const PodWorkerHost *host = hook->worker->host;
  ProbeTarget target = { .runtime = host->runtime,
                         .container_id = hook->container_id,
                         .container = hook->container,
                         .pod_ip = hook->ip,
                         .background = host->background };
  g_autofree char *output = NULL;
  bool good = probe_run(&target, hook->handler, HOOK_TIMEOUT_SECONDS, &output);
  if (!good && !background_is_called_off(host->background)) {
    g_autofree char *field = g_strdup_printf("spec.containers{%s}", hook->name);
    recorder_event(host->recorder, hook->pod, field, "Warning", "FailedPostStartHook", "PostStartHook failed: %s",
                   output);
    recorder_event(host->recorder, hook->pod, field, "Normal", "Killing", "FailedPostStartHook");
    host->runtime->stop_container(host->runtime, hook->container_id, hook->grace, NULL);
    pod_worker_wake(hook->worker);
  }
  hook_free(hook);
  return NULL;
}

static void begin_post_start(PodWorker *worker, const ContainerRecord *record)
{
  json_t *handler = json_at(record->spec, "lifecycle", "postStart", NULL);
  if (!handler)
    return;
  Hook *hook = g_new(Hook, 1);
  *hook = (Hook){ .worker = pod_worker_ref(worker),
                  .container_id = g_strdup(record->current->id),
                  .name = g_strdup(record->name),
                  .ip = g_strdup(worker->state.ip ? worker->state.ip : worker->host->node.ip),
                  .handler = json_deep_copy(handler),
                  .container = json_deep_copy(record->spec),
                  .pod = json_incref(worker->state.pod),
                  .grace = pod_spec_grace_seconds(worker->state.pod) };
  background_run(worker->host->background, "post-start", run_post_start, hook);
}

/* The attempt that has just been made becomes the newest. */
static void take_status(PodWorker *worker, const char *id)
{
  Runtime *runtime = worker->host->runtime;
  ContainerStatus *status = runtime->container_status(runtime, id, NULL);
  if (!status)
    return;
  ContainerRecord *record = pod_state_record(&worker->state, status->name);
  g_clear_pointer(&record->last, container_status_free);
  g_free(record->last_message);
  record->last = record->current;
  record->last_message = g_steal_pointer(&record->current_message);
  record->current = status;
  record->next_attempt = status->attempt + 1;
  record->let_through = false;
}

void pod_container_begin(PodWorker *worker, ContainerRecord *record, bool with_hook)
{
  record_set_waiting(record, NULL, NULL);
  record->unhealthy = false;
  record->started = !json_object_get(record->spec, "startupProbe");
  record->ready = record->started && !json_object_get(record->spec, "readinessProbe");
  if (with_hook)
    begin_post_start(worker, record);
  pod_container_watch(worker, record);
}

static bool create_and_start(PodWorker *worker, ContainerRecord *record, const ContainerPlan *plan)
{
  Runtime *runtime = worker->host->runtime;
  g_autoptr(GError) error = NULL;
  int64_t retry_us = timestamp_now_us() + CONFIG_RETRY_US;
  g_autofree char *id = runtime->create_container(runtime, worker->state.sandbox_id, &plan->spec, &error);
  if (!id) {
    hold(worker, record, "CreateContainerError", error->message, retry_us);
    return false;
  }
  pod_worker_event(worker, record, "Normal", "Created", "Created container: %s", record->name);
  if (runtime->start_container(runtime, id, &error)) {
    pod_worker_event(worker, record, "Normal", "Started", "Started container %s", record->name);
    take_status(worker, id);
    return record->current && g_str_equal(record->current->id, id);
  }
  take_status(worker, id);
  if (record_has_exited(record)) { /* its end is on record: back-off and restart policy decide */
    pod_worker_event(worker, record, "Warning", "Failed", "Error: %s", error->message);
    g_free(record->current_message);
    record->current_message = g_strdup(record->current->message ? record->current->message : error->message);
    bool again = pod_sync_restarts(worker, record);
    record_set_waiting(record, again ? "RunContainerError" : NULL, again ? error->message : NULL);
    pod_worker_wake(worker);
    return false;
  }
  runtime->remove_container(runtime, id, NULL);
  hold(worker, record, "RunContainerError", error->message, retry_us);
  return false;
}

void pod_container_start(PodWorker *worker, ContainerRecord *record)
{
  PlanContext context = { .state = &worker->state,
                          .view = &worker->host->view,
                          .node = &worker->host->node,
                          .volumes = worker->volumes,
                          .recursive_read_only = worker->host->runtime->mounts_read_only_below,
                          .pod_dir = worker->dir,
                          .log_dir = worker->log_dir };
  g_autoptr(GError) error = NULL;
  g_autoptr(ImageStatus) image = pod_image_ensure(worker, record);
  bool has_volumes = pod_image_ensure_volumes(worker, record); /* also while the container's own is on its way */
  if (!image || !has_volumes)
    return;
  g_autoptr(ContainerPlan) plan = container_plan_new(&context, record, image, &error);
  if (!plan) {
    hold(worker, record, "CreateContainerConfigError", error->message, timestamp_now_us() + CONFIG_RETRY_US);
    return;
  }
  tell_skipped(worker, record, plan->skipped_env);
  if (create_and_start(worker, record, plan) && record_is_running(record))
    pod_container_begin(worker, record, true);
}

static void release_worker(gpointer worker)
{
  pod_worker_unref(worker);
}

void pod_container_watch(PodWorker *worker, ContainerRecord *record)
{
  static const struct {
    const char *key;
    ProbeKind kind;
  } probes[] = { { "startupProbe", PROBE_STARTUP },
                 { "readinessProbe", PROBE_READINESS },
                 { "livenessProbe", PROBE_LIVENESS } };
  const char *ip = worker->state.ip ? worker->state.ip : worker->host->node.ip;
  for (gsize i = 0; i < G_N_ELEMENTS(probes); i++) {
    const json_t *probe = json_object_get(record->spec, probes[i].key);
    bool due = probes[i].kind == PROBE_STARTUP ? !record->started : record->started;
    bool healthy = probes[i].kind == PROBE_LIVENESS || (probes[i].kind == PROBE_READINESS && record->ready);
    if (probe && due)
      prober_add(worker->host->prober, record->current->id, probes[i].kind, probe, record->spec, ip, healthy,
                 pod_worker_ref(worker), release_worker);
  }
}
