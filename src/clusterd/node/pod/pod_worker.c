#include "clusterd/node/pod/pod_worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/logs/log_files.h"
#include "clusterd/node/logs/log_reader.h"
#include "clusterd/node/pod/container_state.h"
#include "clusterd/node/pod/pod_status.h"
#include "clusterd/node/pod/pod_worker_private.h"
#include "clusterd/node/pod_spec.h"
#include "clusterd/node/static_manifest.h"

#define RUNTIME_RETRY_US G_USEC_PER_SEC /* while the runtime does not answer */
#define TERMINATION_MESSAGE_MAX 4096
#define TERMINATION_LOG_LINES 80
#define TERMINATION_LOG_MAX 2048
#define WORKER_STATUS_RETRY_US G_USEC_PER_SEC

static void verdict_free(ProbeVerdict *verdict)
{
  g_free(verdict->container_id);
  g_free(verdict);
}

PodWorker *pod_worker_ref(PodWorker *worker)
{
  g_atomic_int_inc(&worker->refs);
  return worker;
}

void pod_worker_unref(PodWorker *worker)
{
  if (!worker || !g_atomic_int_dec_and_test(&worker->refs))
    return;
  pod_state_clear(&worker->state);
  pod_volumes_free(worker->volumes);
  object_unref(worker->latest);
  g_ptr_array_unref(worker->verdicts);
  g_hash_table_unref(worker->published);
  g_hash_table_unref(worker->running);
  g_hash_table_unref(worker->waiting);
  g_ptr_array_unref(worker->sandboxes);
  g_hash_table_unref(worker->ending);
  g_free(worker->evict_message);
  g_free(worker->end_message);
  g_cond_clear(&worker->released);
  g_free(worker->namespace_);
  g_free(worker->name);
  g_free(worker->uid);
  g_free(worker->dir);
  g_free(worker->log_dir);
  g_cond_clear(&worker->wake);
  g_mutex_clear(&worker->lock);
  g_free(worker);
}

const char *pod_worker_uid(const PodWorker *worker)
{
  return worker->uid;
}

bool pod_worker_is_static(const PodWorker *worker)
{
  return worker->is_static;
}

Object *pod_worker_pod(PodWorker *worker)
{
  g_mutex_lock(&worker->lock);
  Object *pod = object_ref(worker->latest);
  g_mutex_unlock(&worker->lock);
  return pod;
}

void pod_worker_set_pod(PodWorker *worker, Object *pod)
{
  g_mutex_lock(&worker->lock);
  Object *old = worker->latest;
  worker->latest = object_ref(pod);
  /* Our own status writes come back as changes; only what we did not write is news. */
  json_t *before = object_json(old), *after = object_json(pod);
  if (!json_same(json_object_get(before, "spec"), json_object_get(after, "spec")) ||
      !json_same(json_at(before, "metadata", "deletionTimestamp", NULL),
                 json_at(after, "metadata", "deletionTimestamp", NULL)) ||
      !json_same(json_at(before, "metadata", "deletionGracePeriodSeconds", NULL),
                 json_at(after, "metadata", "deletionGracePeriodSeconds", NULL)) ||
      !json_same(json_at(before, "status", "conditions", NULL), json_at(after, "status", "conditions", NULL)))
    worker->dirty = true;
  /* a container that was added may use a volume that nobody did */
  if (!json_same(json_at(before, "spec", "ephemeralContainers", NULL),
                 json_at(after, "spec", "ephemeralContainers", NULL)))
    worker->volumes_dirty = true;
  if (!json_same(json_at(before, "metadata", "labels", NULL), json_at(after, "metadata", "labels", NULL)) ||
      !json_same(json_at(before, "metadata", "annotations", NULL), json_at(after, "metadata", "annotations", NULL)))
    worker->dirty = worker->volumes_dirty = true;
  g_cond_signal(&worker->wake);
  g_mutex_unlock(&worker->lock);
  object_unref(old);
}

void pod_worker_set_gone(PodWorker *worker)
{
  g_mutex_lock(&worker->lock);
  worker->gone = worker->dirty = true;
  g_cond_signal(&worker->wake);
  g_mutex_unlock(&worker->lock);
}

void pod_worker_wake(PodWorker *worker)
{
  g_mutex_lock(&worker->lock);
  worker->dirty = true;
  g_cond_signal(&worker->wake);
  g_mutex_unlock(&worker->lock);
}

void pod_worker_object_changed(PodWorker *worker, const char *plural, const char *namespace_, const char *name)
{
  if (!g_str_equal(namespace_, worker->namespace_))
    return;
  g_mutex_lock(&worker->lock);
  bool depends = pod_volumes_depend_on(object_json(worker->latest), plural, name);
  worker->volumes_dirty = worker->volumes_dirty || depends;
  worker->dirty = true; /* an environment variable may wait for it as well */
  g_cond_signal(&worker->wake);
  g_mutex_unlock(&worker->lock);
}

void pod_worker_report_probe(PodWorker *worker, const char *container_id, ProbeKind kind, bool failed, bool changed,
                             bool healthy, const char *output)
{
  static const char *const names[] = { "Startup", "Readiness", "Liveness" };
  g_mutex_lock(&worker->lock);
  if (changed) {
    ProbeVerdict *verdict = g_new(ProbeVerdict, 1);
    *verdict = (ProbeVerdict){ g_strdup(container_id), kind, healthy };
    g_ptr_array_add(worker->verdicts, verdict);
    worker->dirty = true;
    g_cond_signal(&worker->wake);
  }
  g_autofree char *container = NULL;
  GHashTableIter iter;
  gpointer name, id;
  g_hash_table_iter_init(&iter, worker->published);
  while (!container && g_hash_table_iter_next(&iter, &name, &id))
    if (g_str_equal(id, container_id))
      container = g_strdup_printf("spec.containers{%s}", (char *)name);
  g_autoptr(Object) pod = object_ref(worker->latest);
  g_mutex_unlock(&worker->lock);
  if (failed)
    recorder_event(worker->host->recorder, object_json(pod), container, "Warning", "Unhealthy", "%s probe failed: %s",
                   names[kind], output);
}

bool pod_worker_has_sandbox(PodWorker *worker, const char *sandbox_id)
{
  g_mutex_lock(&worker->lock);
  bool has = g_ptr_array_find_with_equal_func(worker->sandboxes, sandbox_id, g_str_equal, NULL);
  g_mutex_unlock(&worker->lock);
  return has;
}

char *pod_worker_sandbox(PodWorker *worker)
{
  g_mutex_lock(&worker->lock);
  guint n = worker->sandboxes->len;
  char *id = n > 0 ? g_strdup(worker->sandboxes->pdata[n - 1]) : NULL;
  g_mutex_unlock(&worker->lock);
  return id;
}

char *pod_worker_container(PodWorker *worker, const char *name, bool *running)
{
  g_mutex_lock(&worker->lock);
  char *id = g_strdup(g_hash_table_lookup(worker->published, name));
  if (running)
    *running = g_hash_table_contains(worker->running, name);
  g_mutex_unlock(&worker->lock);
  return id;
}

bool pod_worker_container_waits(PodWorker *worker, const char *name)
{
  g_mutex_lock(&worker->lock);
  bool waits = g_hash_table_contains(worker->waiting, name);
  g_mutex_unlock(&worker->lock);
  return waits;
}

void pod_worker_stop(PodWorker *worker)
{
  g_mutex_lock(&worker->lock);
  worker->stopping = true;
  g_cond_signal(&worker->wake);
  g_mutex_unlock(&worker->lock);
}

void pod_worker_wake_at(PodWorker *worker, int64_t time_us)
{
  worker->next_wake_us = MIN(worker->next_wake_us, time_us);
}

void pod_worker_event(PodWorker *worker, const ContainerRecord *record, const char *type, const char *reason,
                      const char *format, ...)
{
  static const char *const lists[] = { "initContainers", "initContainers", "containers", "ephemeralContainers" };
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  g_autofree char *field = record ? g_strdup_printf("spec.%s{%s}", lists[record->role], record->name) : NULL;
  recorder_event(worker->host->recorder, worker->state.pod, field, type, reason, "%s", message);
}

/* The beginning of the file PATH, which a container may have made as large as it liked; the caller frees. NULL: it is
 * empty or not there. */
static char *read_message(const char *path)
{
  char text[TERMINATION_MESSAGE_MAX];
  file_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  ssize_t length = fd >= 0 ? pread(fd, text, sizeof text, 0) : -1;
  return length > 0 ? g_utf8_make_valid(text, length) : NULL;
}

/* What a container left as its last words; the caller frees. */
static char *termination_message(PodWorker *worker, const ContainerRecord *record)
{
  unsigned attempt = record->current->attempt;
  g_autofree char *path = container_plan_termination_path(worker->dir, record->name, attempt);
  g_autofree char *log = container_plan_log_path(worker->log_dir, record->name, attempt);
  char *text = read_message(path);
  if (text)
    return text;
  bool from_log = g_str_equal(json_str(record->spec, "terminationMessagePolicy", "File"), "FallbackToLogsOnError") &&
                  record->current->exit_code != 0;
  return from_log ? log_reader_tail(log, TERMINATION_LOG_LINES, TERMINATION_LOG_MAX) : g_strdup("");
}

/* Removes attempts that nobody can ask for any more, and their logs. */
static void remove_surplus(PodWorker *worker, const GPtrArray *surplus)
{
  Runtime *runtime = worker->host->runtime;
  for (guint i = 0; i < surplus->len; i++) {
    const ContainerStatus *status = surplus->pdata[i];
    g_autofree char *log = container_plan_log_path(worker->log_dir, status->name, status->attempt);
    g_autofree char *message = container_plan_termination_path(worker->dir, status->name, status->attempt);
    g_autoptr(GError) error = NULL;
    if (!runtime->remove_container(runtime, status->id, &error)) {
      g_warning("Container %s: %s", status->id, error->message);
      continue;
    }
    log_files_remove(log);
    unlink(message);
  }
}

/* The logs of what runs are kept bounded. */
static void watch_logs(PodWorker *worker)
{
  LogRotation *logs = worker->host->logs;
  if (worker->host->runtime->rotates_logs)
    return;
  for (guint i = 0; i < worker->state.records->len; i++) {
    const ContainerRecord *record = worker->state.records->pdata[i];
    if (!record->current)
      continue;
    g_autofree char *path = container_plan_log_path(worker->log_dir, record->name, record->current->attempt);
    if (record_is_running(record))
      log_rotation_watch(logs, record->current->id, path);
    else if (record_has_exited(record))
      log_rotation_forget(logs, record->current->id);
  }
}

static void publish(PodWorker *worker)
{
  g_mutex_lock(&worker->lock);
  g_hash_table_remove_all(worker->published);
  g_hash_table_remove_all(worker->running);
  g_hash_table_remove_all(worker->waiting);
  for (guint i = 0; i < worker->state.records->len; i++) {
    const ContainerRecord *record = worker->state.records->pdata[i];
    if (record->current)
      g_hash_table_insert(worker->published, g_strdup(record->name), g_strdup(record->current->id));
    if (record_is_running(record))
      g_hash_table_add(worker->running, g_strdup(record->name));
    if (record_has_exited(record) && container_state_waits(record))
      g_hash_table_add(worker->waiting, g_strdup(record->name));
  }
  g_mutex_unlock(&worker->lock);
  watch_logs(worker);
}

/* False when the runtime does not say. */
static bool observe_sandbox(PodWorker *worker)
{
  Runtime *runtime = worker->host->runtime;
  PodState *state = &worker->state;
  SandboxStatus status = { 0 };
  g_autoptr(GError) error = NULL;
  if (state->sandbox_id && !runtime->sandbox_status(runtime, state->sandbox_id, &status, &error) &&
      !reason_is(error, REASON_RUNTIME_NOT_FOUND))
    return false;
  state->sandbox_ready = status.ready;
  if (status.ip) {
    g_free(state->ip);
    g_free(state->other_ip);
    state->ip = g_steal_pointer(&status.ip);
    state->other_ip = g_steal_pointer(&status.other_ip);
  }
  sandbox_status_clear(&status);
  return true;
}

bool pod_worker_observe(PodWorker *worker)
{
  Runtime *runtime = worker->host->runtime;
  PodState *state = &worker->state;
  g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)container_status_free);
  if (!observe_sandbox(worker))
    return false;
  for (guint i = 0; i < worker->sandboxes->len; i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) found = runtime->list_containers(runtime, worker->sandboxes->pdata[i], &error);
    if (!found && !reason_is(error, REASON_RUNTIME_NOT_FOUND))
      return false;
    while (found && found->len > 0)
      g_ptr_array_add(all, g_ptr_array_steal_index_fast(found, found->len - 1));
  }
  g_autoptr(GPtrArray) surplus = pod_state_observe(state, all);
  remove_surplus(worker, surplus);
  for (guint i = 0; i < state->records->len; i++) {
    ContainerRecord *record = state->records->pdata[i];
    if (!record_has_exited(record))
      continue;
    record->started = record->ready = record->unhealthy = false;
    prober_remove(worker->host->prober, record->current->id);
    if (!record->current_message)
      record->current_message =
          record->current->message ? g_strdup(record->current->message) : termination_message(worker, record);
  }
  publish(worker);
  return true;
}

static gint compare_attempts(gconstpointer a, gconstpointer b)
{
  return (gint)(json_int(*(json_t *const *)a, "attempt", 0) - json_int(*(json_t *const *)b, "attempt", 0));
}

/* Verdicts of probes from before a restart of ours, so that a ready pod does not leave its services for it. */
static void recall_probes(PodWorker *worker, GHashTable *told)
{
  static const char *const lists[] = { "containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses" };
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    const json_t *status;
    size_t k;
    json_array_foreach (json_at(worker->state.pod, "status", lists[i], NULL), k, status) {
      ContainerRecord *record = pod_state_record(&worker->state, json_str(status, "name", ""));
      if (!record || !record_is_running(record) ||
          !g_str_has_suffix(json_str(status, "containerID", ""), record->current->id))
        continue;
      record->started = json_flag(status, "started", false);
      record->ready = json_flag(status, "ready", false);
      g_hash_table_add(told, record);
    }
  }
}

/* Of those that run some may have been started in the last moment: nobody knows yet, and nothing of what follows a
 * start has been done. A static pod has no status from before that could tell. */
static void recall_containers(PodWorker *worker)
{
  g_autoptr(GHashTable) told = g_hash_table_new(NULL, NULL);
  recall_probes(worker, told);
  for (guint i = 0; i < worker->state.records->len; i++) {
    ContainerRecord *record = worker->state.records->pdata[i];
    if (record_is_running(record) && !g_hash_table_contains(told, record))
      pod_container_begin(worker, record, !worker->is_static);
  }
}

/* Finds the sandboxes the runtime has of this pod from before. False when it does not say. */
static bool adopt_sandboxes(PodWorker *worker)
{
  Runtime *runtime = worker->host->runtime;
  g_autoptr(json_t) list = runtime->list_sandboxes(runtime, NULL);
  g_autoptr(GPtrArray) own = g_ptr_array_new();
  json_t *item;
  size_t i;
  json_array_foreach (list, i, item)
    if (g_str_equal(json_str(item, "uid", ""), worker->uid))
      g_ptr_array_add(own, item);
  g_ptr_array_sort(own, compare_attempts);
  g_mutex_lock(&worker->lock);
  for (guint k = 0; k < own->len; k++)
    g_ptr_array_add(worker->sandboxes, g_strdup(json_str(own->pdata[k], "id", "")));
  g_mutex_unlock(&worker->lock);
  if (own->len > 0) {
    worker->state.sandbox_id = g_strdup(json_str(own->pdata[own->len - 1], "id", ""));
    worker->state.sandbox_attempt = (unsigned)json_int(own->pdata[own->len - 1], "attempt", 0);
  }
  return list != NULL;
}

/* A daemon that is away says nothing: that must not be taken for a pod that has nothing. False when the worker is to
 * stop. */
static bool wait_for_runtime(PodWorker *worker)
{
  int64_t until = g_get_monotonic_time() + RUNTIME_RETRY_US;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&worker->lock);
  while (!worker->stopping && g_cond_wait_until(&worker->wake, &worker->lock, until))
    ;
  return !worker->stopping;
}

/* Takes up what the runtime has of this pod from before. */
static void adopt(PodWorker *worker)
{
  bool found = false;
  do
    found = found || adopt_sandboxes(worker);
  while ((!found || !pod_worker_observe(worker)) && wait_for_runtime(worker));
  recall_containers(worker);
}

static bool change_mirror_status(json_t *value, void *data)
{
  PodWorker *worker = data;
  json_t *status = json_object_get(worker->state.pod, "status");
  if (!g_str_equal(json_str(json_at(value, "metadata", "annotations", NULL), STATIC_MIRROR, ""), worker->uid) ||
      json_equal(status, json_object_get(value, "status")))
    return false;
  json_object_set(value, "status", status);
  return true;
}

/* A static pod's status is the node's own; its mirror shows it once there is one. */
static bool write_mirror_status(PodWorker *worker)
{
  g_autoptr(GError) error = NULL;
  const json_t *old = json_object_get(worker->state.pod, "status");
  g_autoptr(json_t) status = pod_status_build(&worker->state, old, timestamp_now_us());
  if (!json_equal(status, old)) {
    g_autoptr(json_t) pod = json_copy(worker->state.pod);
    json_object_set(pod, "status", status);
    pod_state_set_pod(&worker->state, pod);
  }
  g_autoptr(Object) written = client_modify(worker->host->client, "v1", "pods", worker->namespace_, worker->name,
                                            "status", change_mirror_status, worker, &error);
  if (written || reason_is(error, REASON_NOT_FOUND))
    return true;
  g_warning("Status of static pod %s/%s: %s", worker->namespace_, worker->name, error->message);
  pod_worker_wake_at(worker, timestamp_now_us() + WORKER_STATUS_RETRY_US);
  return false;
}

static bool change_status(json_t *value, void *data)
{
  PodWorker *worker = data;
  if (!g_str_equal(json_str(json_object_get(value, "metadata"), "uid", ""), worker->uid))
    return false;
  const json_t *old = json_object_get(value, "status");
  g_autoptr(json_t) status = pod_status_build(&worker->state, old, timestamp_now_us());
  if (json_equal(status, old))
    return false;
  json_object_set(value, "status", status);
  return true;
}

bool pod_worker_write_status(PodWorker *worker)
{
  if (worker->is_static)
    return write_mirror_status(worker);
  g_autoptr(GError) error = NULL;
  const json_t *old = json_object_get(worker->state.pod, "status");
  g_autoptr(json_t) status = pod_status_build(&worker->state, old, timestamp_now_us());
  if (json_equal(status, old))
    return true;
  g_autoptr(Object) written = client_modify(worker->host->client, "v1", "pods", worker->namespace_, worker->name,
                                            "status", change_status, worker, &error);
  if (!written && !reason_is(error, REASON_NOT_FOUND)) {
    g_warning("Status of pod %s/%s: %s", worker->namespace_, worker->name, error->message);
    pod_worker_wake_at(worker, timestamp_now_us() + WORKER_STATUS_RETRY_US);
    return false;
  }
  if (written)
    pod_state_set_pod(&worker->state, object_json(written));
  return true;
}

static void apply_verdicts(PodWorker *worker, const GPtrArray *verdicts)
{
  for (guint i = 0; i < verdicts->len; i++) {
    const ProbeVerdict *verdict = verdicts->pdata[i];
    for (guint k = 0; k < worker->state.records->len; k++) {
      ContainerRecord *record = worker->state.records->pdata[k];
      if (!record_is_running(record) || !g_str_equal(record->current->id, verdict->container_id))
        continue;
      if (verdict->kind == PROBE_READINESS)
        record->ready = verdict->healthy && record->started;
      else if (verdict->kind == PROBE_STARTUP && verdict->healthy)
        record->started = true;
      else
        record->unhealthy = !verdict->healthy;
      if (verdict->kind == PROBE_STARTUP && verdict->healthy && !json_object_get(record->spec, "readinessProbe"))
        record->ready = true;
    }
  }
}

static bool is_final(const char *phase)
{
  return g_str_equal(phase, "Succeeded") || g_str_equal(phase, "Failed");
}

static void check_deadline(PodWorker *worker)
{
  PodState *state = &worker->state;
  int64_t seconds = json_int(json_object_get(state->pod, "spec"), "activeDeadlineSeconds", -1), start;
  if (seconds < 0 || state->reason ||
      !timestamp_parse(json_str(json_object_get(state->pod, "status"), "startTime", NULL), &start))
    return;
  int64_t end = start + seconds * G_USEC_PER_SEC;
  if (timestamp_now_us() < end) {
    pod_worker_wake_at(worker, end);
    return;
  }
  state->reason = "DeadlineExceeded";
  state->message = "Pod was active on the node longer than the specified deadline";
  pod_worker_event(worker, NULL, "Normal", state->reason, "%s", state->message);
}

/* A pod that has ended gives back its address and its volumes, and keeps its containers for their logs. */
static void finish(PodWorker *worker)
{
  Runtime *runtime = worker->host->runtime;
  g_autoptr(GError) error = NULL;
  if (worker->finished)
    return;
  if (worker->state.sandbox_id && !runtime->stop_sandbox(runtime, worker->state.sandbox_id, &error) &&
      !reason_is(error, REASON_INTERRUPTED))
    g_warning("Sandbox of pod %s/%s: %s", worker->namespace_, worker->name, error->message);
  g_clear_error(&error);
  if (!pod_volumes_tear_down(worker->volumes, &error))
    g_warning("Volumes of pod %s/%s: %s", worker->namespace_, worker->name, error->message);
  worker->state.sandbox_ready = false;
  worker->finished = true;
}

/* One look at the pod. True when nothing is left of it. */
static bool pass(PodWorker *worker, bool gone, const GPtrArray *verdicts)
{
  PodState *state = &worker->state;
  bool known = pod_worker_observe(worker);
  apply_verdicts(worker, verdicts);
  if (!known) {
    pod_worker_wake_at(worker, timestamp_now_us() + RUNTIME_RETRY_US);
    return false;
  }
  pod_evict_take(worker);
  if (gone || pod_spec_is_terminating(state->pod))
    return pod_stop_remove(worker, gone);
  if (is_final(json_str(json_object_get(state->pod, "status"), "phase", ""))) {
    if (pod_stop_all(worker, pod_worker_grace(worker)))
      finish(worker);
    return false;
  }
  check_deadline(worker);
  pod_evict_admit(worker);
  if (!state->reason)
    pod_sync(worker);
  if (is_final(pod_status_phase(state))) {
    if (!pod_stop_all(worker, pod_worker_grace(worker)))
      return false; /* the end is told when it is there */
    finish(worker);
  }
  publish(worker); /* first: who reads the status may ask for what it tells of */
  pod_worker_write_status(worker);
  return false;
}

/* Waits for news; false when the worker is to stop. */
static bool wait_for_news(PodWorker *worker, bool *gone, GPtrArray **verdicts)
{
  g_mutex_lock(&worker->lock);
  while (!worker->dirty && !worker->stopping) {
    if (worker->next_wake_us == INT64_MAX) {
      g_cond_wait(&worker->wake, &worker->lock);
      continue;
    }
    int64_t left = worker->next_wake_us - timestamp_now_us();
    if (left <= 0 || !g_cond_wait_until(&worker->wake, &worker->lock, g_get_monotonic_time() + left))
      break;
  }
  bool go_on = !worker->stopping;
  worker->dirty = false;
  worker->next_wake_us = INT64_MAX;
  *gone = worker->gone;
  *verdicts = g_steal_pointer(&worker->verdicts);
  worker->verdicts = g_ptr_array_new_with_free_func((GDestroyNotify)verdict_free);
  g_autoptr(Object) latest = object_ref(worker->latest);
  g_mutex_unlock(&worker->lock);
  int64_t have =
      g_ascii_strtoll(json_str(json_object_get(worker->state.pod, "metadata"), "resourceVersion", "0"), NULL, 10);
  if (object_revision(latest) > have) /* our own write may be newer than what the informer has told yet */
    pod_state_set_pod(&worker->state, object_json(latest));
  return go_on;
}

static void *run(void *data)
{
  PodWorker *worker = data;
  bool removed = false, gone;
  GPtrArray *verdicts;
  adopt(worker);
  while (!removed && wait_for_news(worker, &gone, &verdicts)) {
    removed = pass(worker, gone, verdicts);
    pod_evict_release(worker);
    g_ptr_array_unref(verdicts);
  }
  if (!removed)
    g_ptr_array_unref(verdicts);
  worker->host->ended(worker, removed, worker->host->data);
  pod_worker_unref(worker);
  return NULL;
}

PodWorker *pod_worker_new(const PodWorkerHost *host, Object *pod, bool is_static)
{
  PodWorker *worker = g_new0(PodWorker, 1);
  worker->host = host;
  worker->refs = 2; /* the caller's and the thread's */
  worker->namespace_ = g_strdup(object_namespace(pod));
  worker->name = g_strdup(object_name(pod));
  worker->uid = g_strdup(object_uid(pod));
  worker->is_static = is_static;
  worker->dir = g_build_filename(host->pods_dir, worker->uid, NULL);
  worker->log_dir = g_strdup_printf("%s/%s_%s_%s", host->logs_dir, worker->namespace_, worker->name, worker->uid);
  g_mutex_init(&worker->lock);
  g_cond_init(&worker->wake);
  g_cond_init(&worker->released);
  worker->latest = object_ref(pod);
  worker->dirty = true;
  worker->verdicts = g_ptr_array_new_with_free_func((GDestroyNotify)verdict_free);
  worker->published = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  worker->running = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  worker->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  worker->sandboxes = g_ptr_array_new_with_free_func(g_free);
  worker->ending = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  worker->volumes = pod_volumes_new(worker->dir);
  worker->stop_grace = worker->grace_limit = -1;
  worker->next_wake_us = INT64_MAX;
  pod_state_init(&worker->state);
  worker->state.host_ips = (AddressPair){ host->node.ip, host->node.other_ip };
  worker->state.runtime_scheme = runtime_scheme(host->runtime);
  worker->state.mounts_read_only_below = host->runtime->mounts_read_only_below;
  pod_state_set_pod(&worker->state, object_json(pod));
  g_thread_unref(g_thread_new("pod", run, worker));
  return worker;
}
