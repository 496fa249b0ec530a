/* A pod that should run: volumes, sandbox, init containers in order, then the others. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/pod/apparmor.h"
#include "clusterd/node/pod/pod_conditions.h"
#include "clusterd/node/pod/pod_files.h"
#include "clusterd/node/pod/pod_worker_private.h"
#include "clusterd/node/pod_spec.h"
#include "clusterd/node/resources.h"

#define RETRY_FIRST_US ((int64_t)G_USEC_PER_SEC / 2)
#define RETRY_MAX_US (60 * (int64_t)G_USEC_PER_SEC)
#define HOST_FILE_MAX 65536

/* When to try again after N failures in a row. */
static int64_t retry_time(unsigned failures)
{
  int64_t delay = RETRY_FIRST_US << MIN(failures, 10u);
  return timestamp_now_us() + MIN(delay, RETRY_MAX_US);
}

static bool take_volumes_dirty(PodWorker *worker)
{
  g_mutex_lock(&worker->lock);
  bool dirty = worker->volumes_dirty;
  worker->volumes_dirty = false;
  g_mutex_unlock(&worker->lock);
  return dirty;
}

/* True when every volume is there. */
static bool ensure_volumes(PodWorker *worker)
{
  int64_t now = timestamp_now_us();
  bool dirty = take_volumes_dirty(worker);
  if (worker->volumes_ready && !dirty && now < pod_volumes_refresh_us(worker->volumes)) {
    pod_worker_wake_at(worker, pod_volumes_refresh_us(worker->volumes));
    return true;
  }
  if (!dirty && now < worker->volume_retry_us) {
    pod_worker_wake_at(worker, worker->volume_retry_us);
    return worker->volumes_ready;
  }
  VolumeContext context = { .pod = worker->state.pod,
                            .view = &worker->host->view,
                            .node = &worker->host->node,
                            .pod_ips = pod_state_ips(&worker->state),
                            .started = worker->state.sandbox_id != NULL };
  g_autoptr(GError) error = NULL;
  if (pod_volumes_set_up(worker->volumes, &context, &error)) {
    worker->volumes_ready = true;
    worker->volume_failures = 0;
    worker->volume_retry_us = 0;
    pod_worker_wake_at(worker, pod_volumes_refresh_us(worker->volumes));
    return true;
  }
  worker->volume_retry_us = retry_time(worker->volume_failures++);
  pod_worker_wake_at(worker, worker->volume_retry_us);
  pod_worker_event(worker, NULL, "Warning", pod_volumes_event(worker->volumes), "%s", error->message);
  return worker->volumes_ready;
}

static bool write_text(const char *dir, const char *name, const char *text, GError **error)
{
  g_autofree char *path = g_build_filename(dir, name, NULL);
  /* In place, not replaced: running containers have the file mounted. */
  g_autofree char *there = NULL;
  if (g_file_get_contents(path, &there, NULL, NULL) && g_str_equal(there, text))
    return true;
  return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, error);
}

/* The files under /etc that need the pod's address. */
static bool write_pod_files(PodWorker *worker, GError **error)
{
  const json_t *pod = worker->state.pod;
  const NodeFacts *node = &worker->host->node;
  g_autofree char *host_hosts = NULL;
  g_autofree char *host_resolv = NULL;
  if (!g_file_get_contents("/etc/hosts", &host_hosts, NULL, NULL))
    host_hosts = g_strdup("");
  if (!g_file_get_contents("/etc/resolv.conf", &host_resolv, NULL, NULL))
    host_resolv = g_strdup("");
  g_autofree char *hosts = pod_files_hosts(pod, node, pod_state_ips(&worker->state), host_hosts);
  g_autofree char *resolv = pod_files_resolv_conf(pod, node, host_resolv);
  g_autofree char *name = pod_files_hostname(pod, node);
  g_autofree char *hostname = g_strconcat(name, "\n", NULL);
  return file_make_dirs(worker->dir, 0755, error) && write_text(worker->dir, "hosts", hosts, error) &&
         write_text(worker->dir, "resolv.conf", resolv, error) && write_text(worker->dir, "hostname", hostname, error);
}

/* The kernel's bound on a host name. */
static bool check_hostname(const char *hostname, GError **error)
{
  return strlen(hostname) <= HOST_NAME_MAX ||
         reason_set(error, REASON_INVALID,
                    "Failed to construct FQDN from pod hostname and cluster domain, FQDN %s is too long (%d characters "
                    "is the max, %zu characters requested)",
                    hostname, HOST_NAME_MAX, strlen(hostname));
}

/* What the pod's RuntimeClass names; the caller frees *HANDLER, NULL where the pod names none. */
static bool find_handler(const PodWorker *worker, char **handler, GError **error)
{
  const ClusterView *view = &worker->host->view;
  const char *name = json_str(json_object_get(worker->state.pod, "spec"), "runtimeClassName", "");
  if (!*name)
    return true;
  g_autoptr(json_t) class = view->object(view->data, "runtimeclasses", NULL, name);
  if (!class)
    return reason_set(error, REASON_NOT_FOUND, "runtimeclass.node.k8s.io \"%s\" not found", name);
  *handler = g_strdup(json_str(class, "handler", ""));
  return true;
}

static char *run_sandbox(PodWorker *worker, GError **error)
{
  Runtime *runtime = worker->host->runtime;
  const json_t *spec = json_object_get(worker->state.pod, "spec");
  bool host_network = json_flag(spec, "hostNetwork", false);
  g_autofree char *cgroup = resources_cgroup_parent(worker->state.pod);
  g_autofree char *hostname = pod_files_hostname(worker->state.pod, &worker->host->node);
  ContainerLimits limits = resources_pod_limits(worker->state.pod);
  g_autofree char *handler = NULL;
  if (!find_handler(worker, &handler, error))
    return NULL;
  SandboxSpec sandbox = { .namespace_ = worker->namespace_,
                          .name = worker->name,
                          .uid = worker->uid,
                          .attempt = worker->state.sandbox_attempt,
                          .hostname = host_network ? worker->host->node.name : hostname,
                          .host_network = host_network,
                          .host_pid = json_flag(spec, "hostPID", false),
                          .host_ipc = json_flag(spec, "hostIPC", false),
                          .share_process_namespace = json_flag(spec, "shareProcessNamespace", false),
                          .log_directory = worker->log_dir,
                          .cgroup_parent = cgroup,
                          .cpu_shares = limits.cpu_shares,
                          .cpu_quota_us = limits.cpu_quota_us,
                          .cpu_period_us = limits.cpu_period_us,
                          .memory_limit_bytes = limits.memory_bytes,
                          .runtime_handler = handler,
                          .sysctls = json_at(spec, "securityContext", "sysctls", NULL) };
  return check_hostname(sandbox.hostname, error) ? runtime->run_sandbox(runtime, &sandbox, error) : NULL;
}

/* Ends the sandbox that does not work any more; of older ones only the one before keeps its logs. */
static void leave_sandbox(PodWorker *worker)
{
  Runtime *runtime = worker->host->runtime;
  if (!worker->state.sandbox_id)
    return;
  pod_worker_event(worker, NULL, "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
  runtime->stop_sandbox(runtime, worker->state.sandbox_id, NULL);
  while (worker->sandboxes->len > 1) {
    g_autofree char *oldest = NULL;
    g_mutex_lock(&worker->lock);
    oldest = g_ptr_array_steal_index(worker->sandboxes, 0);
    g_mutex_unlock(&worker->lock);
    runtime->remove_sandbox(runtime, oldest, NULL);
  }
  worker->state.sandbox_attempt++;
  g_clear_pointer(&worker->state.sandbox_id, g_free);
  g_clear_pointer(&worker->state.ip, g_free);
  g_clear_pointer(&worker->state.other_ip, g_free);
}

/* They are written after the sandbox was made: a clusterd that was killed in between has left it without. */
static bool has_pod_files(PodWorker *worker)
{
  static const char *const names[] = { "hosts", "resolv.conf", "hostname" };
  for (gsize i = 0; i < G_N_ELEMENTS(names) && !worker->has_files; i++) {
    g_autofree char *path = g_build_filename(worker->dir, names[i], NULL);
    if (access(path, F_OK) < 0)
      return false;
  }
  worker->has_files = true;
  return true;
}

static bool begin_sandbox(PodWorker *worker, GError **error)
{
  leave_sandbox(worker);
  char *id = run_sandbox(worker, error);
  if (!id)
    return false;
  g_mutex_lock(&worker->lock);
  g_ptr_array_add(worker->sandboxes, g_strdup(id));
  g_mutex_unlock(&worker->lock);
  worker->state.sandbox_id = id;
  worker->state.restartable_init_done = false;
  worker->has_files = false;
  pod_worker_observe(worker);
  return true;
}

static bool ensure_sandbox(PodWorker *worker)
{
  PodState *state = &worker->state;
  g_autoptr(GError) error = NULL;
  if (state->sandbox_ready && has_pod_files(worker))
    return true;
  if (timestamp_now_us() < worker->sandbox_retry_us) {
    pod_worker_wake_at(worker, worker->sandbox_retry_us);
    return false;
  }
  if ((state->sandbox_ready || begin_sandbox(worker, &error)) && write_pod_files(worker, &error)) {
    worker->sandbox_failures = 0;
    worker->sandbox_retry_us = 0;
    return true;
  }
  worker->sandbox_retry_us = retry_time(worker->sandbox_failures++);
  pod_worker_wake_at(worker, worker->sandbox_retry_us);
  pod_worker_event(worker, NULL, "Warning", "FailedCreatePodSandBox", "Failed to create pod sandbox: %s",
                   error->message);
  return false;
}

static bool is_ending(PodWorker *worker, const ContainerRecord *record)
{
  g_mutex_lock(&worker->lock);
  bool ending = record->current && g_hash_table_contains(worker->ending, record->current->id);
  g_mutex_unlock(&worker->lock);
  return ending;
}

bool pod_sync_restarts(const PodWorker *worker, const ContainerRecord *record)
{
  const char *policy = pod_spec_restart_policy(worker->state.pod);
  int exit_code = record->current->exit_code;
  switch (record->role) {
  case ROLE_SIDECAR:
    return true;
  case ROLE_EPHEMERAL:
    return false;
  case ROLE_INIT: /* one that ended well has done its part, unless the sandbox is a new one */
    return !record_is_current(&worker->state, record) || (exit_code != 0 && !g_str_equal(policy, "Never"));
  case ROLE_MAIN:
    break;
  }
  return g_str_equal(policy, "Always") || (exit_code != 0 && !g_str_equal(policy, "Never"));
}

/* True when the container has waited long enough since its end; else it shows CrashLoopBackOff. */
static bool back_off_is_over(PodWorker *worker, ContainerRecord *record)
{
  const ContainerStatus *ended = record->current;
  int64_t now = timestamp_now_us();
  if (!record_is_current(&worker->state, record))
    return true;
  int64_t until = back_off_until(&record->back_off, ended->finished_us);
  if (record->back_off.delay_us != 0 && now < until) {
    g_autofree char *title = pod_spec_title(worker->state.pod), *delay = back_off_text(&record->back_off);
    g_autofree char *message =
        g_strdup_printf("back-off %s restarting failed container=%s pod=%s", delay, record->name, title);
    if (g_strcmp0(record->waiting_reason, "CrashLoopBackOff") != 0)
      pod_worker_event(worker, record, "Warning", "BackOff", "Back-off restarting failed container %s in pod %s",
                       record->name, title);
    record_set_waiting(record, "CrashLoopBackOff", message);
    pod_worker_wake_at(worker, until);
    return false;
  }
  back_off_grow(&record->back_off, now);
  return true;
}

/* How long a container may take to end that a probe has given up: the probe may say so itself. */
static int64_t unhealthy_grace(const PodWorker *worker, const ContainerRecord *record)
{
  const json_t *probe = json_object_get(record->spec, record->started ? "livenessProbe" : "startupProbe");
  return json_int(probe, "terminationGracePeriodSeconds", pod_spec_grace_seconds(worker->state.pod));
}

/* Brings one container to run. */
static void ensure_container(PodWorker *worker, ContainerRecord *record)
{
  if (is_ending(worker, record))
    return;
  if (record_is_running(record) && record_is_current(&worker->state, record)) {
    record_set_waiting(record, NULL, NULL);
    if (record->unhealthy) {
      pod_worker_event(worker, record, "Normal", "Killing", "Container %s failed %s probe, will be restarted",
                       record->name, record->started ? "liveness" : "startup");
      pod_stop_container(worker, record, unhealthy_grace(worker, record));
    } else {
      pod_container_watch(worker, record);
    }
    return;
  }
  if (record_has_exited(record)) {
    if (!pod_sync_restarts(worker, record))
      return;
    record->let_through = record->let_through || back_off_is_over(worker, record);
    if (!record->let_through)
      return;
  }
  pod_container_start(worker, record);
}

/* True when the containers proper may start. */
static bool ensure_init(PodWorker *worker)
{
  PodState *state = &worker->state;
  bool done = state->restartable_init_done || pod_conditions_initialized(state);
  for (guint i = 0; i < state->records->len; i++) {
    ContainerRecord *record = state->records->pdata[i];
    if (record->role != ROLE_INIT && record->role != ROLE_SIDECAR)
      continue;
    if (record->role == ROLE_INIT) {
      bool passed = record_is_current(state, record) && record_has_exited(record) && record->current->exit_code == 0;
      if (done || passed)
        continue;
      ensure_container(worker, record);
      return false;
    }
    ensure_container(worker, record);
    if (!done && !(record_is_running(record) && record->started))
      return false;
  }
  state->restartable_init_done = true;
  return true;
}

/* Whether there is anything left to run in a sandbox. */
static bool needs_sandbox(const PodWorker *worker)
{
  const PodState *state = &worker->state;
  for (guint i = 0; i < state->records->len; i++) {
    const ContainerRecord *record = state->records->pdata[i];
    if (record->role == ROLE_MAIN && (!record_has_exited(record) || pod_sync_restarts(worker, record)))
      return true;
  }
  return false;
}

/* True when the pod wants what this node cannot do: it waits for its end. */
static bool is_blocked(PodWorker *worker)
{
  PodState *state = &worker->state;
  if (!apparmor_is_wanted(state->pod))
    return false;
  if (!state->blocked)
    pod_worker_event(worker, NULL, "Warning", APPARMOR_REASON, "%s", APPARMOR_MESSAGE);
  state->blocked = APPARMOR_REASON;
  state->blocked_message = APPARMOR_MESSAGE;
  for (guint i = 0; i < state->records->len; i++)
    record_set_waiting(state->records->pdata[i], "Blocked", NULL);
  return true;
}

void pod_sync(PodWorker *worker)
{
  PodState *state = &worker->state;
  if (is_blocked(worker) || !needs_sandbox(worker) || !ensure_volumes(worker) || !ensure_sandbox(worker))
    return;
  bool initialized = ensure_init(worker);
  for (guint i = 0; i < state->records->len; i++) {
    ContainerRecord *record = state->records->pdata[i];
    if (record->role == ROLE_EPHEMERAL || (record->role == ROLE_MAIN && initialized))
      ensure_container(worker, record);
  }
}
