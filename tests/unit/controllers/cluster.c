#include "cluster.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/controllers/controllers.h"
#include "clusterd/scheduler/scheduler.h"

struct Cluster {
  char *folder;
  Store *store;
  ApiScheme *scheme;
  Registry *registry;
  InformerSet *informers;
  Informer *pods;
  Controllers *controllers;
  Scheduler *scheduler;
  WorkQueue *kubelet;
  Client *client, *kubelet_client;
  ControllersConfig config;
  int hold;         /* atomic */
  int next_address; /* the kubelet's thread alone */
};

static void on_pod(Object *old, Object *new_object, void *data)
{
  Cluster *cluster = data;
  if (!new_object || !*pod_node(object_json(new_object)))
    return;
  g_autofree char *key = informer_key(new_object);
  work_queue_add(cluster->kubelet, key);
}

static bool run_pod(json_t *value, void *data)
{
  Cluster *cluster = data;
  const char *phase = pod_phase(value);
  if (*phase && strcmp(phase, "Pending") != 0)
    return false;
  g_autofree char *now = timestamp_now(), *ip = g_strdup_printf("10.244.0.%d", ++cluster->next_address);
  json_t *status = json_ensure_object(value, "status", NULL);
  json_object_set_new(status, "phase", json_string("Running"));
  json_object_set_new(status, "podIP", json_string(ip));
  json_object_set_new(status, "startTime", json_string(now));
  json_t *conditions = json_object_get(status, "conditions");
  if (!conditions)
    json_object_set_new(status, "conditions", conditions = json_array());
  json_array_append_new(conditions,
                        json_pack("{s:s, s:s, s:s}", "type", "Ready", "status", "True", "lastTransitionTime", now));
  return true;
}

static bool reconcile_pod(const char *key, void *data)
{
  Cluster *cluster = data;
  g_autofree char *namespace_ = NULL, *name = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) pod = informer_get(cluster->pods, namespace_, name);
  if (!pod || g_atomic_int_get(&cluster->hold))
    return true;
  g_autoptr(GError) error = NULL;
  if (pod_is_deleting(object_json(pod))) {
    DeleteOptions now = { .grace_period_seconds = 0, .precondition_uid = object_uid(pod) };
    client_delete(cluster->kubelet_client, "v1", "pods", namespace_, name, &now, &error);
  } else {
    g_autoptr(Object) stored =
        client_modify(cluster->kubelet_client, "v1", "pods", namespace_, name, "status", run_pod, cluster, &error);
  }
  if (error && !reason_is(error, REASON_NOT_FOUND))
    g_test_message("kubelet: %s", error->message);
  return true;
}

static void create(Cluster *cluster, const char *api_version, const char *plural, const char *namespace_,
                   const char *yaml)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  g_autoptr(Object) stored = client_create(cluster->client, api_version, plural, namespace_, value, &error);
  g_assert_no_error(error);
  g_assert_nonnull(stored);
}

void cluster_create(Cluster *cluster, const char *api_version, const char *plural, bool namespaced, const char *yaml)
{
  create(cluster, api_version, plural, namespaced ? "default" : NULL, yaml);
}

static bool set_node_status(json_t *value, void *data)
{
  const char *cpu = data;
  json_object_set_new(value, "status",
                      json_pack("{s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}, s:[{s:s, s:s}]}", "capacity", "cpu", cpu,
                                "memory", "2Gi", "pods", "110", "allocatable", "cpu", cpu, "memory", "2Gi", "pods",
                                "110", "conditions", "type", "Ready", "status", "True"));
  return true;
}

void cluster_add_node(Cluster *cluster, const char *name, const char *cpu, const char *labels_json)
{
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: %s, labels: %s}}", name, labels_json);
  create(cluster, "v1", "nodes", NULL, yaml);
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) stored = client_modify(cluster->client, "v1", "nodes", NULL, name, "status", set_node_status,
                                           (void *)(uintptr_t)cpu, &error);
  g_assert_no_error(error);
}

/* Everything but the API: begins when the informers are started. */
static void make_components(Cluster *cluster)
{
  cluster->informers = informer_set_new(cluster->registry);
  cluster->controllers = controllers_start(cluster->registry, cluster->informers, &cluster->config);
  cluster->scheduler = scheduler_start(cluster->registry, cluster->informers, NULL);
  cluster->pods = informer_set_get(cluster->informers, "v1", "pods");
  cluster->kubelet = work_queue_new("kubelet", 1, reconcile_pod, cluster);
  informer_add_handler(cluster->pods, on_pod, cluster);
  work_queue_start(cluster->kubelet);
}

void cluster_stop(Cluster *cluster)
{
  if (!cluster->informers)
    return;
  informer_set_stop(cluster->informers);
  g_clear_pointer(&cluster->kubelet, work_queue_free);
  g_clear_pointer(&cluster->scheduler, scheduler_stop);
  g_clear_pointer(&cluster->controllers, controllers_stop);
  g_clear_pointer(&cluster->informers, informer_set_free);
}

void cluster_resume(Cluster *cluster)
{
  g_autoptr(GError) error = NULL;
  make_components(cluster);
  informer_set_start(cluster->informers, &error);
  g_assert_no_error(error);
}

Cluster *cluster_new(void)
{
  ControllersConfig config = { .root_ca_pem = "the certificate" };
  return cluster_new_with(&config);
}

Cluster *cluster_new_with(const ControllersConfig *config)
{
  g_autoptr(GError) error = NULL;
  Cluster *cluster = g_new0(Cluster, 1);
  cluster->folder = g_dir_make_tmp("cluster-XXXXXX", &error);
  g_assert_no_error(error);
  g_autofree char *path = g_build_filename(cluster->folder, "cluster.db", NULL);
  cluster->store = store_open_sqlite(path, &error);
  g_assert_no_error(error);
  cluster->scheme = api_scheme_new();
  cluster->registry = registry_new(cluster->store, cluster->scheme, &error);
  g_assert_no_error(error);
  cluster->client = client_new(cluster->registry, "test");
  cluster->kubelet_client = client_new(cluster->registry, "kubelet");
  cluster->config = *config;
  make_components(cluster);
  create(cluster, "v1", "namespaces", NULL, "{metadata: {name: default}}");
  cluster_add_node(cluster, "node-1", "2", "{kubernetes.io/hostname: node-1}");
  informer_set_start(cluster->informers, &error);
  g_assert_no_error(error);
  /* Service accounts come first: pods need one. */
  cluster_wait(cluster_exists(cluster, "v1", "serviceaccounts", "default"));
  return cluster;
}

void cluster_free(Cluster *cluster)
{
  cluster_stop(cluster);
  client_free(cluster->kubelet_client);
  client_free(cluster->client);
  registry_free(cluster->registry);
  api_scheme_free(cluster->scheme);
  store_close(cluster->store);
  g_autoptr(GError) error = NULL;
  file_remove_tree(cluster->folder, &error);
  g_assert_no_error(error);
  g_free(cluster->folder);
  g_free(cluster);
}

Client *cluster_client(Cluster *cluster)
{
  return cluster->client;
}

void cluster_hold_kubelet(Cluster *cluster, bool hold)
{
  g_atomic_int_set(&cluster->hold, hold);
  if (hold)
    return;
  g_autoptr(GPtrArray) pods = informer_list(cluster->pods);
  for (unsigned i = 0; i < pods->len; i++)
    on_pod(NULL, g_ptr_array_index(pods, i), cluster);
}

void cluster_patch(Cluster *cluster, const char *api_version, const char *plural, const char *name, const char *yaml)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) patch = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  const char *namespace_ = client_kind(cluster->client, api_version, plural)->namespaced ? "default" : NULL;
  g_autoptr(Object) stored =
      client_patch(cluster->client, api_version, plural, namespace_, name, NULL, PATCH_MERGE, patch, &error);
  g_assert_no_error(error);
}

void cluster_set_status(Cluster *cluster, const char *api_version, const char *plural, const char *name,
                        const char *yaml)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) status = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  g_autoptr(json_t) patch = json_pack("{s:O}", "status", status);
  const char *namespace_ = client_kind(cluster->client, api_version, plural)->namespaced ? "default" : NULL;
  g_autoptr(Object) stored =
      client_patch(cluster->client, api_version, plural, namespace_, name, "status", PATCH_MERGE, patch, &error);
  g_assert_no_error(error);
}

void cluster_delete(Cluster *cluster, const char *api_version, const char *plural, bool namespaced, const char *name,
                    const char *propagation)
{
  g_autoptr(GError) error = NULL;
  DeleteOptions options = { .grace_period_seconds = -1, .propagation = propagation };
  client_delete(cluster->client, api_version, plural, namespaced ? "default" : NULL, name, &options, &error);
  g_assert_no_error(error);
}

json_t *cluster_get(Cluster *cluster, const char *api_version, const char *plural, bool namespaced, const char *name)
{
  g_autoptr(Object) object =
      client_get(cluster->client, api_version, plural, namespaced ? "default" : NULL, name, NULL);
  return object ? json_incref(object_json(object)) : NULL;
}

bool cluster_exists(Cluster *cluster, const char *api_version, const char *plural, const char *name)
{
  bool namespaced = client_kind(cluster->client, api_version, plural)->namespaced;
  g_autoptr(json_t) value = cluster_get(cluster, api_version, plural, namespaced, name);
  return value != NULL;
}

static void unref_object(void *object)
{
  object_unref(object);
}

GPtrArray *cluster_list(Cluster *cluster, const char *api_version, const char *plural, const char *app)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ObjectList) list = client_list(cluster->client, api_version, plural, "default", NULL, &error);
  g_assert_no_error(error);
  GPtrArray *result = g_ptr_array_new_with_free_func(unref_object);
  for (unsigned i = 0; i < list->objects->len; i++) {
    Object *object = g_ptr_array_index(list->objects, i);
    const char *label = json_str(json_at(object_json(object), "metadata", "labels", NULL), "app", "");
    if (!app || strcmp(label, app) == 0)
      g_ptr_array_add(result, object_ref(object));
  }
  return result;
}

unsigned cluster_count(Cluster *cluster, const char *api_version, const char *plural, const char *app)
{
  g_autoptr(GPtrArray) objects = cluster_list(cluster, api_version, plural, app);
  return objects->len;
}

unsigned cluster_count_pods(Cluster *cluster, const char *app)
{
  g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", app);
  unsigned count = 0;
  for (unsigned i = 0; i < pods->len; i++)
    count += !pod_is_deleting(object_json(g_ptr_array_index(pods, i)));
  return count;
}

bool cluster_has_event(Cluster *cluster, const char *name, const char *reason, const char *text)
{
  g_autoptr(GPtrArray) events = cluster_list(cluster, "v1", "events", NULL);
  for (unsigned i = 0; i < events->len; i++) {
    const json_t *event = object_json(g_ptr_array_index(events, i));
    if (strcmp(json_str(json_object_get(event, "involvedObject"), "name", ""), name) == 0 &&
        strcmp(json_str(event, "reason", ""), reason) == 0 && strstr(json_str(event, "message", ""), text))
      return true;
  }
  return false;
}
