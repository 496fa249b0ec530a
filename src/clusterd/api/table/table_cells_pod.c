#include <string.h>

#include "base/timestamp.h"
#include "clusterd/api/table/cell_text.h"

/* What one walk over a pod's containers tells; the rules are those of kubectl's printer, in its order. */
typedef struct PodSummary {
  char *reason;
  unsigned ready, total;
  int64_t restarts, last_restart_us; /* 0: no restart is known */
} PodSummary;

typedef struct Restarts {
  int64_t count, last_us;
} Restarts;

static void set_reason(PodSummary *summary, char *reason)
{
  g_free(summary->reason);
  summary->reason = reason;
}

static void pod_summary_clear(PodSummary *summary)
{
  g_free(summary->reason);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PodSummary, pod_summary_clear)

static void count_restarts(Restarts *restarts, const json_t *status)
{
  int64_t finished_us;
  restarts->count += json_int(status, "restartCount", 0);
  if (timestamp_parse(json_str(json_at(status, "lastState", "terminated", NULL), "finishedAt", NULL), &finished_us))
    restarts->last_us = MAX(restarts->last_us, finished_us);
}

/* The spec of the init container NAME says that it keeps running beside the others. */
static bool is_sidecar(const json_t *pod, const char *name)
{
  const json_t *container = json_find(json_at(pod, "spec", "initContainers", NULL), "name", name);
  return strcmp(json_str(container, "restartPolicy", ""), "Always") == 0;
}

/* How a container ended: "PREFIXreason", "PREFIXSignal:N" or "PREFIXExitCode:N". */
static char *ended_text(const json_t *terminated, const char *prefix)
{
  const char *reason = json_str(terminated, "reason", "");
  int64_t signal = json_int(terminated, "signal", 0);
  if (*reason)
    return g_strconcat(prefix, reason, NULL);
  return signal ? g_strdup_printf("%sSignal:%" G_GINT64_FORMAT, prefix, signal)
                : g_strdup_printf("%sExitCode:%" G_GINT64_FORMAT, prefix, json_int(terminated, "exitCode", 0));
}

/* Walks the init containers up to the first that is not done. True when there is such a one. */
static bool summarize_init(PodSummary *summary, const json_t *pod, Restarts *all, Restarts *sidecars)
{
  size_t n_init = json_array_size(json_at(pod, "spec", "initContainers", NULL)), i;
  json_t *status;
  json_array_foreach (json_at(pod, "status", "initContainerStatuses", NULL), i, status) {
    bool sidecar = is_sidecar(pod, json_str(status, "name", ""));
    const json_t *terminated = json_at(status, "state", "terminated", NULL);
    const char *waiting = json_str(json_at(status, "state", "waiting", NULL), "reason", "");
    count_restarts(all, status);
    if (sidecar)
      count_restarts(sidecars, status);
    if (terminated && json_int(terminated, "exitCode", 0) == 0)
      continue;
    if (sidecar && json_flag(status, "started", false)) {
      summary->ready += json_flag(status, "ready", false);
      continue;
    }
    if (terminated)
      set_reason(summary, ended_text(terminated, "Init:"));
    else if (*waiting && strcmp(waiting, "PodInitializing") != 0)
      set_reason(summary, g_strconcat("Init:", waiting, NULL));
    else
      set_reason(summary, g_strdup_printf("Init:%zu/%zu", i, n_init));
    return true;
  }
  return false;
}

/* Walks the containers from the last to the first, so that the first one's reason wins. */
static void summarize_containers(PodSummary *summary, const json_t *pod, Restarts *restarts)
{
  const json_t *statuses = json_at(pod, "status", "containerStatuses", NULL);
  bool has_running = false;
  for (size_t i = json_array_size(statuses); i-- > 0;) {
    const json_t *status = json_array_get(statuses, i);
    const json_t *terminated = json_at(status, "state", "terminated", NULL);
    const char *waiting = json_str(json_at(status, "state", "waiting", NULL), "reason", "");
    count_restarts(restarts, status);
    if (*waiting) {
      set_reason(summary, g_strdup(waiting));
    } else if (terminated) {
      set_reason(summary, ended_text(terminated, ""));
    } else if (json_flag(status, "ready", false) && json_at(status, "state", "running", NULL)) {
      has_running = true;
      summary->ready++;
    }
  }
  if (has_running && strcmp(summary->reason, "Completed") == 0)
    set_reason(
        summary,
        g_strdup(cell_condition_true(json_at(pod, "status", "conditions", NULL), "Ready") ? "Running" : "NotReady"));
}

static bool is_gated(const json_t *conditions)
{
  size_t i;
  json_t *condition;
  json_array_foreach (conditions, i, condition)
    if (strcmp(json_str(condition, "type", ""), "PodScheduled") == 0 &&
        strcmp(json_str(condition, "reason", ""), "SchedulingGated") == 0)
      return true;
  return false;
}

static unsigned count_containers(const json_t *pod)
{
  size_t total = json_array_size(json_at(pod, "spec", "containers", NULL)), i;
  json_t *container;
  json_array_foreach (json_at(pod, "spec", "initContainers", NULL), i, container)
    total += strcmp(json_str(container, "restartPolicy", ""), "Always") == 0;
  return (unsigned)total;
}

static void summarize(PodSummary *summary, const json_t *pod)
{
  const json_t *status = json_object_get(pod, "status"), *conditions = json_object_get(status, "conditions");
  const char *phase = json_str(status, "phase", ""), *reason = json_str(status, "reason", "");
  Restarts all = { 0 }, sidecars = { 0 };
  summary->total = count_containers(pod);
  set_reason(summary, g_strdup(*reason ? reason : phase));
  if (is_gated(conditions))
    set_reason(summary, g_strdup("SchedulingGated"));
  bool initializing = summarize_init(summary, pod, &all, &sidecars);
  if (!initializing || cell_condition_true(conditions, "Initialized")) {
    all = sidecars;
    summarize_containers(summary, pod, &all);
  }
  summary->restarts = all.count;
  summary->last_restart_us = all.last_us;
  if (json_at(pod, "metadata", "deletionTimestamp", NULL)) {
    if (strcmp(reason, "NodeLost") == 0)
      set_reason(summary, g_strdup("Unknown"));
    else if (strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0)
      set_reason(summary, g_strdup("Terminating"));
  }
}

json_t *cell_pod_ready(const json_t *object, int64_t now_us)
{
  g_auto(PodSummary) summary = { 0 };
  summarize(&summary, object);
  return cell_take(g_strdup_printf("%u/%u", summary.ready, summary.total), "");
}

json_t *cell_pod_status(const json_t *object, int64_t now_us)
{
  g_auto(PodSummary) summary = { 0 };
  summarize(&summary, object);
  return json_string(summary.reason);
}

json_t *cell_pod_restarts(const json_t *object, int64_t now_us)
{
  g_auto(PodSummary) summary = { 0 };
  summarize(&summary, object);
  if (summary.restarts == 0 || summary.last_restart_us == 0)
    return cell_take(g_strdup_printf("%" G_GINT64_FORMAT, summary.restarts), "");
  g_autofree char *since = timestamp_human_duration(now_us - summary.last_restart_us);
  return cell_take(g_strdup_printf("%" G_GINT64_FORMAT " (%s ago)", summary.restarts, since), "");
}

json_t *cell_pod_ip(const json_t *object, int64_t now_us)
{
  const json_t *first = json_array_get(json_at(object, "status", "podIPs", NULL), 0);
  return cell_string(first ? json_object_get(first, "ip") : json_at(object, "status", "podIP", NULL), "<none>");
}

json_t *cell_pod_node(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "spec", "nodeName", NULL), "<none>");
}

json_t *cell_pod_nominated_node(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "status", "nominatedNodeName", NULL), "<none>");
}

json_t *cell_pod_readiness_gates(const json_t *object, int64_t now_us)
{
  const json_t *gates = json_at(object, "spec", "readinessGates", NULL);
  unsigned open = 0;
  size_t i;
  json_t *gate;
  if (json_array_size(gates) == 0)
    return json_string("<none>");
  json_array_foreach (gates, i, gate)
    open += cell_condition_true(json_at(object, "status", "conditions", NULL), json_str(gate, "conditionType", ""));
  return cell_take(g_strdup_printf("%u/%zu", open, json_array_size(gates)), "");
}
