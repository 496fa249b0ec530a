/* What the eviction manager asks of the kubelet, and the kubelet of it. */
#include "base/json.h"
#include "clusterd/client/pod.h"
#include "clusterd/node/kubelet_private.h"
#include "clusterd/node/pod/pod_fit.h"
#include "clusterd/node/sandbox/sysctls.h"

static void unref_pod(gpointer pod)
{
  json_decref(pod);
}

/* New references to all workers. */
static GPtrArray *workers(Kubelet *kubelet)
{
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)pod_worker_unref);
  GHashTableIter iter;
  gpointer worker;
  g_mutex_lock(&kubelet->lock);
  g_hash_table_iter_init(&iter, kubelet->workers);
  while (g_hash_table_iter_next(&iter, NULL, &worker))
    g_ptr_array_add(list, pod_worker_ref(worker));
  g_mutex_unlock(&kubelet->lock);
  return list;
}

static GPtrArray *active_pods(void *data)
{
  GPtrArray *pods = g_ptr_array_new_with_free_func(unref_pod);
  g_autoptr(GPtrArray) all = workers(data);
  for (guint i = 0; i < all->len; i++) {
    g_autoptr(Object) pod = pod_worker_pod(all->pdata[i]);
    if (!pod_is_finished(object_json(pod)))
      g_ptr_array_add(pods, json_incref(object_json(pod)));
  }
  return pods;
}

static bool evict(void *data, const char *uid, int64_t grace_seconds, const char *message, bool disruption)
{
  g_autoptr(PodWorker) worker = kubelet_worker_by_uid(data, uid);
  if (worker)
    pod_worker_evict(worker, grace_seconds, message, disruption);
  return worker != NULL;
}

static void free_containers(void *data)
{
  g_autoptr(GPtrArray) all = workers(data);
  for (guint i = 0; i < all->len; i++) {
    g_autoptr(Object) pod = pod_worker_pod(all->pdata[i]);
    if (pod_is_finished(object_json(pod)))
      pod_worker_release(all->pdata[i]);
  }
}

static void shown(void *data)
{
  Kubelet *kubelet = data;
  if (kubelet->node_status) /* else it is about to look */
    node_status_wake(kubelet->node_status);
}

/* The pods that have begun here, or were let in, without the one called UID: json_t*, references. As the API has them,
 * since that is what the scheduler counts: a pod is gone when its object is, though its worker may still be about to
 * end. With the admission lock held. */
static GPtrArray *other_pods(Kubelet *kubelet, const char *uid)
{
  GPtrArray *others = g_ptr_array_new_with_free_func(unref_pod);
  g_autoptr(GPtrArray) pods = kubelet_pods(kubelet);
  for (guint i = 0; i < pods->len; i++) {
    json_t *pod = object_json(pods->pdata[i]);
    const char *other = object_uid(pods->pdata[i]);
    bool begun = json_at(pod, "status", "startTime", NULL) || g_hash_table_contains(kubelet->admitted, other) ||
                 pod_use_is_critical(pod); /* a static pod keeps its status to itself */
    if (begun && !pod_is_finished(pod) && !g_str_equal(other, uid))
      g_ptr_array_add(others, json_incref(pod));
  }
  return others;
}

/* What the system itself needs is let in: nothing would make room for it. */
static char *fit(Kubelet *kubelet, const json_t *pod, const char **reason)
{
  const char *uid = json_str(json_object_get(pod, "metadata"), "uid", "");
  g_autoptr(Object) node = informer_get(kubelet->nodes, NULL, kubelet->node_name);
  char *message = NULL;
  g_mutex_lock(&kubelet->admission);
  if (!pod_use_is_critical(pod)) {
    g_autoptr(GPtrArray) others = other_pods(kubelet, uid);
    message = pod_fit_refusal(pod, node ? object_json(node) : NULL, kubelet->allocatable, others, reason);
  }
  if (!message)
    g_hash_table_add(kubelet->admitted, g_strdup(uid));
  g_mutex_unlock(&kubelet->admission);
  return message;
}

char *kubelet_refuses(const json_t *pod, const char **reason, void *data)
{
  Kubelet *kubelet = data;
  char *why = kubelet->eviction ? eviction_refuses(kubelet->eviction, pod) : NULL;
  *reason = why ? EVICTION_REASON : SYSCTLS_REASON;
  if (!why)
    why = sysctls_refusal(pod, (const char *const *)kubelet->unsafe_sysctls);
  return why || !kubelet->eviction ? why : fit(kubelet, pod, reason);
}

void kubelet_eviction_init(Kubelet *kubelet, const KubeletConfig *config)
{
  if (!config->pressure)
    return;
  kubelet->pressure = config->pressure;
  if (!config->pressure_source)
    kubelet->own_source = pressure_source_new(kubelet->runtime, kubelet->stats, kubelet->pods_dir, kubelet->logs_dir);
  EvictionParts parts = { .runtime = kubelet->runtime,
                          .source = config->pressure_source ? config->pressure_source : kubelet->own_source,
                          .recorder = kubelet->recorder,
                          .node_name = kubelet->node_name,
                          .image_records = config->image_records };
  EvictionHost host = {
    .data = kubelet, .pods = active_pods, .evict = evict, .free_containers = free_containers, .shown = shown
  };
  kubelet->eviction = eviction_new(config->pressure, &parts, &host);
}

void kubelet_eviction_free(Kubelet *kubelet)
{
  eviction_free(kubelet->eviction);
  pressure_source_free(kubelet->own_source);
}
