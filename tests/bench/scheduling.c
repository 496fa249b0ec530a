/* How long the scheduler takes to place 10 000 pods on 1000 nodes: the decisions alone, and with the bindings stored
 * and seen, for pods without rules and with rules about other pods. Prints a line "NAME SECONDS" each. */
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"
#include "clusterd/client/pod.h"
#include "clusterd/scheduler/placement.h"
#include "clusterd/scheduler/scheduler.h"

#define NODES 1000
#define ZONES 10
#define PODS 10000
#define WRITERS 32
#define APPS 20 /* pods of one app have one set of labels and one set of rules */

static const struct {
  const char *name, *spec; /* %1$u: the app */
  bool services;           /* each app has one: its pods are spread by default */
} sorts[] = {
  { "plain", "", false },
  { "service", "", true },
  { "spread",
    "topologySpreadConstraints: [{maxSkew: 2, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: "
    "DoNotSchedule, labelSelector: {matchLabels: {app: app-%1$u}}}, {maxSkew: 1, topologyKey: kubernetes.io/hostname, "
    "whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: app-%1$u}}}],",
    false },
  { "affinity",
    "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: "
    "kubernetes.io/hostname, labelSelector: {matchLabels: {app: app-%1$u}}}]}, podAffinity: "
    "{preferredDuringSchedulingIgnoredDuringExecution: [{weight: 10, podAffinityTerm: {topologyKey: "
    "topology.kubernetes.io/zone, labelSelector: {matchLabels: {app: app-%1$u}}}}]}},",
    false },
};

static json_t *parse(const char *yaml)
{
  g_autoptr(GError) error = NULL;
  json_t *value = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  return value;
}

static json_t *make_node(unsigned number)
{
  g_autofree char *yaml = g_strdup_printf(
      "{metadata: {name: node-%u, labels: {kubernetes.io/hostname: node-%u, topology.kubernetes.io/zone: zone-%u}}, "
      "status: {allocatable: {cpu: '16', memory: 64Gi, pods: '110'}}}",
      number, number, number % ZONES);
  return parse(yaml);
}

/* One of PODS values; those of an app differ in the name alone. */
static json_t *make_pod(unsigned sort, unsigned number)
{
  static json_t *templates[G_N_ELEMENTS(sorts)][APPS];
  unsigned app = number % APPS;
  if (!templates[sort][app]) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    g_autofree char *spec = g_strdup_printf(sorts[sort].spec, app);
#pragma GCC diagnostic pop
    g_autofree char *yaml =
        g_strdup_printf("{metadata: {namespace: default, labels: {app: app-%u}}, spec: {%s containers: [{name: c, "
                        "image: i, resources: {requests: {cpu: 100m, memory: 128Mi}}}]}}",
                        app, spec);
    templates[sort][app] = parse(yaml);
  }
  json_t *pod = json_deep_copy(templates[sort][app]);
  json_t *metadata = json_object_get(pod, "metadata");
  json_object_set_new(metadata, "name", json_sprintf("pod-%u", number));
  return pod;
}

static json_t *make_service(unsigned app)
{
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: app-%u, namespace: default}, spec: {clusterIP: None, "
                                          "selector: {app: app-%u}}}",
                                          app, app);
  return parse(yaml);
}

/* --- decisions alone -------------------------------------------------------------------------------------------- */

static Object *as_object(const ApiKind *kind, json_t *value)
{
  json_t *metadata = json_object_get(value, "metadata");
  json_object_set_new(value, "kind", json_string(kind->kind));
  json_object_set_new(value, "apiVersion", json_string("v1"));
  json_object_set(metadata, "uid", json_object_get(metadata, "name"));
  json_object_set_new(metadata, "resourceVersion", json_string("1"));
  return object_new(kind, value);
}

static void unref_object(void *object)
{
  object_unref(object);
}

static void decide(unsigned sort, unsigned n_pods)
{
  g_autoptr(ApiScheme) scheme = api_scheme_new();
  ClusterState *state = cluster_state_new();
  g_autoptr(SchedulerProfile) profile = scheduler_profile_new(DEFAULT_SCHEDULER_NAME);
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  for (unsigned i = 0; i < NODES; i++) {
    g_autoptr(Object) node = as_object(api_scheme_kind(scheme, "", "v1", "Node"), make_node(i));
    cluster_state_set_node(state, node);
  }
  for (unsigned i = 0; sorts[sort].services && i < APPS; i++) {
    g_autoptr(Object) service = as_object(api_scheme_kind(scheme, "", "v1", "Service"), make_service(i));
    cluster_state_set_object(state, SCHEDULER_SERVICES, service);
  }
  for (unsigned i = 0; i < n_pods; i++)
    g_ptr_array_add(pods, as_object(api_scheme_kind(scheme, "", "v1", "Pod"), make_pod(sort, i)));
  int64_t began_us = g_get_monotonic_time();
  unsigned start = 0, placed = 0;
  for (unsigned i = 0; i < n_pods; i++) {
    PodInfo *pod = pod_info_new(state->tally, g_ptr_array_index(pods, i));
    Cycle *cycle = cycle_new(state, profile, pod);
    g_auto(Placement) placement = { 0 };
    placement_find(cycle, &start, &placement);
    if (placement.node) {
      cluster_state_add_pod(state, pod, placement.node->name);
      placed++;
    }
    cycle_free(cycle);
    pod_info_unref(state->tally, pod);
  }
  double seconds = (double)(g_get_monotonic_time() - began_us) / G_USEC_PER_SEC;
  if (placed != n_pods)
    g_error("%s: %u of %u pods placed", sorts[sort].name, placed, n_pods);
  printf("decide-%s-%u %.4f\n", sorts[sort].name, n_pods, seconds);
  cluster_state_free(state);
}

/* --- whole ------------------------------------------------------------------------------------------------------ */

typedef struct Count {
  GMutex lock;
  GCond changed;
  unsigned n_bound;
} Count;

static void on_pod(Object *old, Object *now, void *data)
{
  Count *count = data;
  if (!now || !*pod_node(object_json(now)) || (old && *pod_node(object_json(old))))
    return;
  g_mutex_lock(&count->lock);
  count->n_bound++;
  g_cond_signal(&count->changed);
  g_mutex_unlock(&count->lock);
}

static void create(Client *client, const char *plural, const char *namespace_, json_t *value)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) own = value;
  g_autoptr(Object) stored = client_create(client, "v1", plural, namespace_, own, &error);
  g_assert_no_error(error);
}

static bool set_status(json_t *value, void *data)
{
  json_object_set(value, "status", json_object_get(data, "status"));
  return true;
}

/* The node is ready from the beginning. */
static bool drop_taints(json_t *value, void *data)
{
  return json_object_del(json_object_get(value, "spec"), "taints") == 0;
}

static void create_node(Client *client, unsigned number)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) node = make_node(number);
  create(client, "nodes", NULL, json_incref(node));
  g_autoptr(Object) stored =
      client_modify(client, "v1", "nodes", NULL, json_str(json_object_get(node, "metadata"), "name", ""), "status",
                    set_status, node, &error);
  g_assert_no_error(error);
  g_autoptr(Object) ready =
      client_modify(client, "v1", "nodes", NULL, object_name(stored), NULL, drop_taints, NULL, &error);
  g_assert_no_error(error);
}

typedef struct Filling {
  Client *client;
  unsigned sort;
} Filling;

/* Nodes have the first numbers, then pods. */
static void create_one(void *number, void *data)
{
  const Filling *filling = data;
  unsigned i = GPOINTER_TO_UINT(number) - 1;
  if (i < NODES)
    create_node(filling->client, i);
  else
    create(filling->client, "pods", "default", make_pod(filling->sort, i - NODES));
}

/* By many at a time: they share commits. */
static void fill(Client *client, unsigned sort)
{
  create(client, "namespaces", NULL, parse("{metadata: {name: default}}"));
  create(client, "serviceaccounts", "default", parse("{metadata: {name: default}}"));
  for (unsigned i = 0; sorts[sort].services && i < APPS; i++)
    create(client, "services", "default", make_service(i));
  Filling filling = { .client = client, .sort = sort };
  GThreadPool *pool = g_thread_pool_new(create_one, &filling, WRITERS, TRUE, NULL);
  for (unsigned i = 0; i < NODES + PODS; i++)
    g_thread_pool_push(pool, GUINT_TO_POINTER(i + 1), NULL);
  g_thread_pool_free(pool, FALSE, TRUE);
}

static void bind(unsigned sort)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp("scheduling-XXXXXX", &error);
  g_autofree char *path = g_build_filename(folder, "cluster.db", NULL);
  Store *store = store_open_sqlite(path, &error);
  ApiScheme *scheme = api_scheme_new();
  Registry *registry = registry_new(store, scheme, &error);
  g_assert_no_error(error);
  g_autoptr(Client) client = client_new(registry, "bench");
  fill(client, sort);
  Count count = { 0 };
  g_mutex_init(&count.lock);
  g_cond_init(&count.changed);
  InformerSet *informers = informer_set_new(registry);
  int64_t began_us = g_get_monotonic_time();
  Scheduler *scheduler = scheduler_start(registry, informers, NULL);
  informer_add_handler(informer_set_get(informers, "v1", "pods"), on_pod, &count);
  informer_set_start(informers, &error);
  g_assert_no_error(error);
  g_mutex_lock(&count.lock);
  while (count.n_bound < PODS)
    g_cond_wait(&count.changed, &count.lock);
  g_mutex_unlock(&count.lock);
  printf("bind-%s-%u %.4f\n", sorts[sort].name, PODS, (double)(g_get_monotonic_time() - began_us) / G_USEC_PER_SEC);
  informer_set_stop(informers);
  scheduler_stop(scheduler);
  informer_set_free(informers);
  g_clear_pointer(&client, client_free);
  registry_free(registry);
  api_scheme_free(scheme);
  store_close(store);
  file_remove_tree(folder, NULL);
}

int main(void)
{
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (unsigned sort = 0; sort < G_N_ELEMENTS(sorts); sort++) {
    /* The cost of a pod must not depend on how many there are: a tenth of them first. */
    decide(sort, PODS / 10);
    decide(sort, PODS);
    bind(sort);
  }
  return 0;
}
