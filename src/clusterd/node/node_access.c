/* Logs, exec, attach and port-forward for the API server. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/http/node_http.h"
#include "clusterd/node/kubelet_private.h"
#include "clusterd/node/logs/log_reader.h"
#include "clusterd/node/pod/container_plan.h"
#include "clusterd/node/stats/resource_metrics.h"

static PodWorker *find(Kubelet *kubelet, const char *namespace_, const char *pod, const char *uid, GError **error)
{
  PodWorker *worker = kubelet_worker(kubelet, namespace_, pod, uid);
  if (!worker)
    reason_set(error, REASON_NOT_FOUND, "pod \"%s\" is not on this node", pod);
  return worker;
}

/* Why a container has no log yet, as the pod's status says. */
static void set_waiting_error(Kubelet *kubelet, const PodLogRequest *request, GError **error)
{
  static const char *const lists[] = { "containerStatuses", "initContainerStatuses" };
  g_autoptr(Object) pod = informer_get(kubelet->pods, request->namespace_, request->pod);
  const char *why = "ContainerCreating";
  for (gsize i = 0; pod && i < G_N_ELEMENTS(lists); i++) {
    const json_t *status;
    size_t k;
    json_array_foreach (json_at(object_json(pod), "status", lists[i], NULL), k, status)
      if (g_str_equal(json_str(status, "name", ""), request->container))
        why = json_str(json_at(status, "state", "waiting", NULL), "reason", why);
  }
  reason_set(error, REASON_BAD_REQUEST, "container \"%s\" in pod \"%s\" is waiting to start: %s", request->container,
             request->pod, why);
}

typedef struct Follow {
  PodWorker *worker;
  char *container, *id;
} Follow;

static bool is_alive(void *data)
{
  const Follow *follow = data;
  bool running;
  g_autofree char *id = pod_worker_container(follow->worker, follow->container, &running);
  return running && g_strcmp0(id, follow->id) == 0;
}

static void follow_free(void *data)
{
  Follow *follow = data;
  pod_worker_unref(follow->worker);
  g_free(follow->container);
  g_free(follow->id);
  g_free(follow);
}

/* The number of the attempt asked for; false with the error. */
static bool find_attempt(Kubelet *kubelet, PodWorker *worker, const PodLogRequest *request, char **id,
                         unsigned *attempt, GError **error)
{
  Runtime *runtime = kubelet->runtime;
  *id = pod_worker_container(worker, request->container, NULL);
  g_autoptr(ContainerStatus) status = *id ? runtime->container_status(runtime, *id, NULL) : NULL;
  if (!status) {
    set_waiting_error(kubelet, request, error);
    return false;
  }
  *attempt = status->attempt;
  if (!request->previous || pod_worker_container_waits(worker, request->container))
    return true;
  if (status->attempt == 0)
    return reason_set(error, REASON_BAD_REQUEST, "previous terminated container \"%s\" in pod \"%s\" not found",
                      request->container, request->pod);
  (*attempt)--;
  return true;
}

static int get_logs(void *node, const PodLogRequest *request, GError **error)
{
  Kubelet *kubelet = node;
  g_autoptr(PodWorker) worker = find(kubelet, request->namespace_, request->pod, request->uid, error);
  g_autofree char *id = NULL;
  unsigned attempt;
  if (!worker || !find_attempt(kubelet, worker, request, &id, &attempt, error))
    return -1;
  g_autofree char *dir =
      g_strdup_printf("%s/%s_%s_%s", kubelet->logs_dir, request->namespace_, request->pod, pod_worker_uid(worker));
  g_autofree char *path = container_plan_log_path(dir, request->container, attempt);
  LogOptions options = { .follow = request->follow && !request->previous,
                         .timestamps = request->timestamps,
                         .tail_lines = request->tail_lines,
                         .limit_bytes = request->limit_bytes,
                         .since_us = request->since_us };
  Follow *follow = g_new(Follow, 1);
  *follow = (Follow){ g_steal_pointer(&worker), g_strdup(request->container), g_steal_pointer(&id) };
  return log_reader_open(path, &options, is_alive, follow, follow_free, error);
}

/* The id of a container that runs. The caller frees. */
static char *running_container(Kubelet *kubelet, const char *namespace_, const char *pod, const char *container,
                               GError **error)
{
  g_autoptr(PodWorker) worker = find(kubelet, namespace_, pod, NULL, error);
  bool running = false;
  if (!worker)
    return NULL;
  g_autofree char *id = pod_worker_container(worker, container, &running);
  if (id && running)
    return g_steal_pointer(&id);
  reason_set(error, REASON_INTERNAL, "container not found (\"%s\")", container);
  return NULL;
}

static NodeProcess *run_exec(void *node, const char *namespace_, const char *pod, const char *container,
                             const char *const *argv, bool with_stdin, bool with_tty, GError **error)
{
  Kubelet *kubelet = node;
  g_autofree char *id = running_container(kubelet, namespace_, pod, container, error);
  return id ? kubelet->runtime->exec(kubelet->runtime, id, argv, with_stdin, with_tty, error) : NULL;
}

static NodeProcess *run_attach(void *node, const char *namespace_, const char *pod, const char *container,
                               bool with_stdin, bool with_tty, GError **error)
{
  Kubelet *kubelet = node;
  g_autofree char *id = running_container(kubelet, namespace_, pod, container, error);
  return id ? kubelet->runtime->attach(kubelet->runtime, id, with_stdin, with_tty, error) : NULL;
}

static int connect_port(void *node, const char *namespace_, const char *pod, uint16_t port, GError **error)
{
  Kubelet *kubelet = node;
  g_autoptr(PodWorker) worker = find(kubelet, namespace_, pod, NULL, error);
  if (!worker)
    return -1;
  g_autofree char *sandbox = pod_worker_sandbox(worker);
  if (!sandbox) {
    reason_set(error, REASON_INTERNAL, "pod \"%s\" has no sandbox yet", pod);
    return -1;
  }
  return kubelet->runtime->connect(kubelet->runtime, sandbox, port, error);
}

static json_t *get_usage(void *node)
{
  const Kubelet *kubelet = node;
  NodeSample *base = NULL;
  g_autoptr(NodeSample) newest = node_stats_pair(kubelet->stats, &base);
  g_autoptr(NodeSample) compared = base;
  json_t *usage = resource_metrics_make(compared, newest);
  json_object_set_new(usage, "name", json_string(kubelet->node_name));
  return usage;
}

void kubelet_access_init(Kubelet *kubelet)
{
  kubelet->access = (NodeAccess){ .node = kubelet,
                                  .name = kubelet->node_name,
                                  .logs = get_logs,
                                  .exec = run_exec,
                                  .attach = run_attach,
                                  .connect = connect_port,
                                  .usage = get_usage,
                                  .http = node_http_answer };
}
