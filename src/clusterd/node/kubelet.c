#include "clusterd/node/kubelet.h"

#include "base/file.h"
#include "base/json.h"
#include "clusterd/client/pod.h"
#include "clusterd/node/kubelet_private.h"
#include "clusterd/node/machine.h"
#include "clusterd/node/static_manifest.h"
#include "clusterd/node/status/node_resources.h"

PodWorker *kubelet_worker(Kubelet *kubelet, const char *namespace_, const char *name, const char *uid)
{
  g_autoptr(Object) pod = informer_get(kubelet->pods, namespace_, name);
  bool named = !uid || !*uid;
  if (named && !pod)
    return NULL;
  /* who asks for a mirror means the static pod */
  if (pod && (named || g_str_equal(uid, object_uid(pod))))
    uid = static_manifest_mirrored(pod) ? static_manifest_mirrored(pod) : object_uid(pod);
  return kubelet_worker_by_uid(kubelet, uid);
}

PodWorker *kubelet_worker_by_uid(Kubelet *kubelet, const char *uid)
{
  g_mutex_lock(&kubelet->lock);
  PodWorker *worker = g_hash_table_lookup(kubelet->workers, uid);
  if (worker)
    pod_worker_ref(worker);
  g_mutex_unlock(&kubelet->lock);
  return worker;
}

static void on_ended(PodWorker *worker, bool removed, void *data)
{
  Kubelet *kubelet = data;
  const char *uid = pod_worker_uid(worker);
  PodWorker *held = NULL;
  g_mutex_lock(&kubelet->admission);
  g_hash_table_remove(kubelet->admitted, uid);
  g_mutex_unlock(&kubelet->admission);
  g_mutex_lock(&kubelet->lock);
  if (removed) {
    if (!pod_worker_is_static(worker))
      g_hash_table_add(kubelet->removed, g_strdup(uid));
    held = g_hash_table_lookup(kubelet->workers, uid);
    if (held)
      pod_worker_ref(held);
    g_hash_table_remove(kubelet->workers, uid);
  }
  if (removed && pod_worker_is_static(worker))
    static_pods_ended(kubelet->static_pods, uid);
  kubelet->n_threads--;
  g_cond_signal(&kubelet->all_ended);
  g_mutex_unlock(&kubelet->lock);
  pod_worker_unref(held);
}

static bool is_ours(const Kubelet *kubelet, const Object *pod)
{
  return pod &&
         g_strcmp0(json_str(json_object_get(object_json(pod), "spec"), "nodeName", NULL), kubelet->node_name) == 0;
}

GPtrArray *kubelet_pods(Kubelet *kubelet)
{
  GPtrArray *pods = informer_list(kubelet->pods);
  for (guint i = pods->len; i-- > 0;)
    if (!is_ours(kubelet, pods->pdata[i]))
      g_ptr_array_remove_index_fast(pods, i);
  return pods;
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  Kubelet *kubelet = data;
  const Object *pod = new_object ? new_object : old;
  if (!is_ours(kubelet, pod))
    return;
  if (static_manifest_mirrored(pod)) {
    if (kubelet->static_pods)
      static_pods_mirror_changed(kubelet->static_pods, old, new_object);
    return;
  }
  const char *uid = object_uid(pod);
  if (kubelet->eviction && (!new_object || pod_is_finished(object_json(pod))))
    eviction_pod_over(kubelet->eviction);
  g_mutex_lock(&kubelet->lock);
  PodWorker *worker = g_hash_table_lookup(kubelet->workers, uid);
  if (!new_object) {
    g_hash_table_remove(kubelet->removed, uid);
    if (worker)
      pod_worker_set_gone(worker);
  } else if (worker) {
    pod_worker_set_pod(worker, new_object);
  } else if (!g_hash_table_contains(kubelet->removed, uid)) {
    kubelet->n_threads++;
    g_hash_table_insert(kubelet->workers, g_strdup(uid), pod_worker_new(&kubelet->host, new_object, false));
  }
  g_mutex_unlock(&kubelet->lock);
}

void kubelet_start_static(Kubelet *kubelet, Object *pod)
{
  g_mutex_lock(&kubelet->lock);
  kubelet->n_threads++;
  g_hash_table_insert(kubelet->workers, g_strdup(object_uid(pod)), pod_worker_new(&kubelet->host, pod, true));
  g_mutex_unlock(&kubelet->lock);
}

/* Tells the workers; those of other namespaces take no notice. */
static void object_changed(Kubelet *kubelet, const char *plural, const Object *object)
{
  GHashTableIter iter;
  gpointer worker;
  g_mutex_lock(&kubelet->lock);
  g_hash_table_iter_init(&iter, kubelet->workers);
  while (g_hash_table_iter_next(&iter, NULL, &worker))
    pod_worker_object_changed(worker, plural, object_namespace(object), object_name(object));
  g_mutex_unlock(&kubelet->lock);
}

static void on_config_map(Object *old, Object *new_object, void *data)
{
  object_changed(data, "configmaps", new_object ? new_object : old);
}

static void on_secret(Object *old, Object *new_object, void *data)
{
  object_changed(data, "secrets", new_object ? new_object : old);
}

static void on_claim(Object *old, Object *new_object, void *data)
{
  Kubelet *kubelet = data;
  object_changed(kubelet, "persistentvolumeclaims", new_object ? new_object : old);
  if (new_object)
    return;
  g_mutex_lock(&kubelet->lock);
  g_hash_table_remove(kubelet->claim_holders, object_uid(old));
  g_mutex_unlock(&kubelet->lock);
}

static void on_node(Object *old, Object *new_object, void *data)
{
  Kubelet *kubelet = data;
  if (!new_object || !g_str_equal(object_name(new_object), kubelet->node_name) ||
      !node_status_lacks(object_json(new_object)))
    return;
  g_mutex_lock(&kubelet->lock);
  if (kubelet->node_status)
    node_status_wake(kubelet->node_status);
  g_mutex_unlock(&kubelet->lock);
}

static void on_runtime_event(const char *sandbox_id, const char *container_id, void *data)
{
  Kubelet *kubelet = data;
  GHashTableIter iter;
  gpointer worker;
  g_mutex_lock(&kubelet->lock);
  g_hash_table_iter_init(&iter, kubelet->workers);
  while (g_hash_table_iter_next(&iter, NULL, &worker))
    if (pod_worker_has_sandbox(worker, sandbox_id))
      pod_worker_wake(worker);
  g_mutex_unlock(&kubelet->lock);
}

static void on_probe(const char *container_id, ProbeKind kind, bool failed, bool changed, bool healthy,
                     const char *output, void *data)
{
  pod_worker_report_probe(data, container_id, kind, failed, changed, healthy, output);
}

static void copy_config(Kubelet *kubelet, const KubeletConfig *config)
{
  kubelet->node_name = g_strdup(config->node_name);
  kubelet->node_ip = g_strdup(config->node_ip);
  kubelet->node_other_ip = g_strdup(config->node_other_ip);
  kubelet->pod_cidr = g_strdup(config->pod_cidr);
  kubelet->dns_ip = g_strdup(config->dns_ip);
  kubelet->dns_domain = g_strdup(config->dns_domain);
  kubelet->version = g_strdup(config->kubernetes_version);
  kubelet->pods_dir = g_strdup(config->pods_dir);
  kubelet->logs_dir = g_strdup(config->logs_dir);
  kubelet->issue_token = config->issue_token;
  kubelet->unsafe_sysctls = g_strdupv((char **)(uintptr_t)config->unsafe_sysctls);
  kubelet->issuer = config->issuer;
  kubelet->log_limits =
      config->log_limits ? *config->log_limits : (LogLimits){ LOG_SIZE_MAX, LOG_FILES_MAX, LOG_INTERVAL_US };
}

static void init_host(Kubelet *kubelet)
{
  kubelet->host = (PodWorkerHost){ .client = kubelet->client,
                                   .runtime = kubelet->runtime,
                                   .recorder = kubelet->recorder,
                                   .pulls = image_pulls_new(kubelet->runtime),
                                   .prober = prober_new(kubelet->runtime, kubelet->background, on_probe),
                                   .background = kubelet->background,
                                   .logs = log_rotation_new(kubelet->runtime, &kubelet->log_limits),
                                   .view = kubelet_view(kubelet),
                                   .node = { .name = kubelet->node_name,
                                             .ip = kubelet->node_ip,
                                             .other_ip = kubelet->node_other_ip,
                                             .dns_ip = kubelet->dns_ip,
                                             .dns_domain = kubelet->dns_domain,
                                             .cpu_milli = machine_cpu_milli(),
                                             .memory_bytes = machine_memory_bytes(),
                                             .allocatable = kubelet->allocatable },
                                   .pods_dir = kubelet->pods_dir,
                                   .logs_dir = kubelet->logs_dir,
                                   .refuses = kubelet_refuses,
                                   .ended = on_ended,
                                   .data = kubelet };
}

Kubelet *kubelet_new(Client *client, InformerSet *informers, Runtime *runtime, const KubeletConfig *config)
{
  Kubelet *kubelet = g_new0(Kubelet, 1);
  kubelet->client = client;
  kubelet->runtime = runtime;
  copy_config(kubelet, config);
  g_mutex_init(&kubelet->lock);
  g_mutex_init(&kubelet->admission);
  g_cond_init(&kubelet->all_ended);
  kubelet->workers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)pod_worker_unref);
  kubelet->removed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  kubelet->admitted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  kubelet->claim_holders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  kubelet->recorder = recorder_new(client, kubelet->node_name);
  kubelet_view_register(kubelet, informers);
  kubelet->pods = informer_set_get(informers, "v1", "pods");
  kubelet->background = background_new();
  file_make_dirs(kubelet->pods_dir, 0755, NULL); /* its disk is looked at; kubelet_start tells of an error */
  g_autoptr(json_t) capacity = node_resources_capacity(kubelet->pods_dir);
  kubelet->allocatable = node_resources_allocatable(capacity, config->pressure);
  init_host(kubelet);
  kubelet->stats = node_stats_new(runtime);
  kubelet_eviction_init(kubelet, config);
  kubelet_access_init(kubelet);
  if (config->static_pods_dir)
    kubelet->static_pods = static_pods_new(kubelet, config->static_pods_dir);
  informer_add_handler(kubelet->pods, on_pod, kubelet);
  informer_add_handler(kubelet->config_maps, on_config_map, kubelet);
  informer_add_handler(kubelet->secrets, on_secret, kubelet);
  informer_add_handler(kubelet->claims, on_claim, kubelet);
  informer_add_handler(kubelet->nodes, on_node, kubelet);
  runtime->set_event_handler(runtime, on_runtime_event, kubelet);
  return kubelet;
}

bool kubelet_start(Kubelet *kubelet, GError **error)
{
  NodeStatusConfig config = { .name = kubelet->node_name,
                              .ip = kubelet->node_ip,
                              .other_ip = kubelet->node_other_ip,
                              .pod_cidr = kubelet->pod_cidr,
                              .version = kubelet->version,
                              .data_dir = kubelet->pods_dir,
                              .pressure = kubelet->pressure,
                              .eviction = kubelet->eviction };
  if (!file_make_dirs(kubelet->pods_dir, 0755, error) || !file_make_dirs(kubelet->logs_dir, 0755, error))
    return false;
  if (kubelet->eviction)
    eviction_look(kubelet->eviction);
  NodeStatus *status = node_status_start(kubelet->client, kubelet->runtime, kubelet->recorder, &config, error);
  g_mutex_lock(&kubelet->lock);
  kubelet->node_status = status;
  g_mutex_unlock(&kubelet->lock);
  if (!status)
    return false;
  if (kubelet->eviction)
    eviction_start(kubelet->eviction);
  if (kubelet->static_pods)
    static_pods_load(kubelet->static_pods);
  kubelet_remove_orphans(kubelet);
  if (kubelet->static_pods)
    static_pods_start(kubelet->static_pods);
  return true;
}

const NodeAccess *kubelet_node_access(Kubelet *kubelet)
{
  return &kubelet->access;
}

static void stop_workers(Kubelet *kubelet)
{
  GHashTableIter iter;
  gpointer worker;
  g_mutex_lock(&kubelet->lock);
  g_hash_table_iter_init(&iter, kubelet->workers);
  while (g_hash_table_iter_next(&iter, NULL, &worker))
    pod_worker_stop(worker);
  background_call_off(kubelet->background); /* first: a stop that fails now is no failure */
  kubelet->runtime->interrupt(kubelet->runtime);
  while (kubelet->n_threads > 0)
    g_cond_wait(&kubelet->all_ended, &kubelet->lock);
  g_mutex_unlock(&kubelet->lock);
}

void kubelet_free(Kubelet *kubelet)
{
  if (!kubelet)
    return;
  if (kubelet->eviction)
    eviction_stop(kubelet->eviction);
  node_status_stop(kubelet->node_status);
  kubelet->runtime->set_event_handler(kubelet->runtime, NULL, NULL);
  static_pods_stop(kubelet->static_pods);
  stop_workers(kubelet);
  prober_free(kubelet->host.prober);
  log_rotation_free(kubelet->host.logs);
  image_pulls_free(kubelet->host.pulls);
  background_free(kubelet->background);
  kubelet_eviction_free(kubelet);
  node_stats_free(kubelet->stats);
  g_hash_table_unref(kubelet->workers);
  g_hash_table_unref(kubelet->removed);
  g_hash_table_unref(kubelet->claim_holders);
  g_hash_table_unref(kubelet->admitted);
  static_pods_free(kubelet->static_pods);
  json_decref(kubelet->allocatable);
  recorder_free(kubelet->recorder);
  char *texts[] = { kubelet->node_name,  kubelet->node_ip, kubelet->node_other_ip, kubelet->pod_cidr, kubelet->dns_ip,
                    kubelet->dns_domain, kubelet->version, kubelet->pods_dir,      kubelet->logs_dir };
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(texts[i]);
  g_strfreev(kubelet->unsafe_sysctls);
  g_cond_clear(&kubelet->all_ended);
  g_mutex_clear(&kubelet->admission);
  g_mutex_clear(&kubelet->lock);
  g_free(kubelet);
}
