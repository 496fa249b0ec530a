/* ReplicaSets, and ReplicationControllers where they differ by name alone: test-replication-controller.c. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/recorder.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/pods/pod_control.h"
#include "clusterd/controllers/pods/pod_routes.h"
#include "workload.h"

#define SET(replicas, more)                                                                                            \
  "{metadata: {name: web}, spec: {replicas: " #replicas                                                                \
  ", selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web, tier: front}, annotations: "        \
  "{note: hello}}, spec: {containers: [{name: c, image: i}]" more "}}}}"

static void add_set(Cluster *cluster, const char *yaml)
{
  cluster_create(cluster, "apps/v1", "replicasets", true, yaml);
}

static void scale(Cluster *cluster, int replicas)
{
  g_autofree char *yaml = g_strdup_printf("{spec: {replicas: %d}}", replicas);
  cluster_patch(cluster, "apps/v1", "replicasets", "web", yaml);
}

static bool has(Cluster *cluster, const char *member, int64_t count)
{
  return workload_has(cluster, "replicasets", "web", member, count);
}

static bool owns(Cluster *cluster, const char *pod)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "pods", true, pod);
  const json_t *owner = json_array_get(json_at(value, "metadata", "ownerReferences", NULL), 0);
  return strcmp(json_str(owner, "kind", ""), "ReplicaSet") == 0 && json_flag(owner, "controller", false) &&
         json_flag(owner, "blockOwnerDeletion", false);
}

static void test_status(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_hold_kubelet(cluster, true);
  add_set(cluster, SET(3, ""));
  cluster_wait(has(cluster, "replicas", 3) && has(cluster, "fullyLabeledReplicas", 3));
  g_autofree char *names = workload_pods(cluster, "web");
  g_auto(GStrv) pods = g_strsplit(names, " ", -1);
  g_assert_true(g_str_has_prefix(pods[0], "web-") && strlen(pods[0]) == strlen("web-") + 5);
  g_assert_true(owns(cluster, pods[0]));
  g_autofree char *note = workload_note(cluster, "v1", "pods", pods[0], "annotations", "note");
  g_assert_cmpstr(note, ==, "hello");
  g_autofree char *text = g_strconcat("Created pod: ", pods[0], NULL);
  cluster_wait(cluster_has_event(cluster, "web", "SuccessfulCreate", text));
  workload_run_pod(cluster, pods[0], 0);
  workload_run_pod(cluster, pods[1], 0);
  cluster_wait(has(cluster, "readyReplicas", 2) && has(cluster, "availableReplicas", 2));
  /* A label of the template's that is not in the selector. */
  cluster_patch(cluster, "v1", "pods", pods[0], "{metadata: {labels: {tier: null}}}");
  cluster_wait(has(cluster, "fullyLabeledReplicas", 2) && has(cluster, "replicas", 3));
  workload_end_pod(cluster, pods[1], "Pending");
  cluster_wait(has(cluster, "readyReplicas", 1) && has(cluster, "availableReplicas", 1));
}

static void test_adoption(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "pods", true,
                 "{metadata: {name: stray, labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}");
  cluster_create(cluster, "v1", "configmaps", true, "{metadata: {name: x}}");
  g_autoptr(json_t) map = cluster_get(cluster, "v1", "configmaps", true, "x");
  g_autofree char *owned = g_strdup_printf(
      "{metadata: {name: owned, labels: {app: web}, ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: x, uid: "
      "%s, controller: true}]}, spec: {containers: [{name: c, image: i}]}}",
      json_str(json_object_get(map, "metadata"), "uid", ""));
  cluster_create(cluster, "v1", "pods", true, owned);
  add_set(cluster, SET(2, ""));
  /* Another controller's pod is not touched, whatever its labels. */
  cluster_wait(owns(cluster, "stray") && has(cluster, "readyReplicas", 2));
  g_assert_true(cluster_exists(cluster, "v1", "pods", "owned") && !owns(cluster, "owned"));
  cluster_patch(cluster, "v1", "pods", "owned", "{metadata: {labels: {app: other}}}");
  /* A pod whose label changes is let go and replaced; when it comes back it is one too many. */
  cluster_patch(cluster, "v1", "pods", "stray", "{metadata: {labels: {app: other}}}");
  cluster_wait(!owns(cluster, "stray") && cluster_count(cluster, "v1", "pods", "web") == 2);
  g_autoptr(json_t) released = cluster_get(cluster, "v1", "pods", true, "stray");
  g_assert_null(json_at(released, "metadata", "ownerReferences", NULL));
  cluster_patch(cluster, "v1", "pods", "stray",
                "{metadata: {labels: {app: web}, annotations: {controller.kubernetes.io/pod-deletion-cost: '5'}}}");
  cluster_wait(owns(cluster, "stray") && cluster_count(cluster, "v1", "pods", "web") == 2);
  cluster_wait(cluster_has_event(cluster, "web", "SuccessfulDelete", "Deleted pod: web-"));
}

/* Terminating and failed pods do not count. */
static void test_lost_pods(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_hold_kubelet(cluster, true);
  add_set(cluster, SET(1, ""));
  cluster_wait(has(cluster, "replicas", 1));
  g_autofree char *first = workload_pods(cluster, "web");
  workload_end_pod(cluster, first, "Failed");
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 2 && has(cluster, "replicas", 1));
  workload_drop_pod(cluster, first);
  g_autofree char *second = workload_pods(cluster, "web");
  g_autoptr(json_t) pod = NULL;
  cluster_wait((json_decref(pod), pod = cluster_get(cluster, "v1", "pods", true, second), *pod_node(pod)));
  cluster_delete(cluster, "v1", "pods", true, second, NULL);
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 2 && cluster_count_pods(cluster, "web") == 1);
  g_assert_true(cluster_exists(cluster, "v1", "pods", second));
  cluster_wait(has(cluster, "replicas", 1));
}

static void test_min_ready(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_hold_kubelet(cluster, true);
  add_set(cluster, SET(2, ""));
  cluster_patch(cluster, "apps/v1", "replicasets", "web", "{spec: {minReadySeconds: 3600}}");
  cluster_wait(has(cluster, "replicas", 2));
  g_autofree char *names = workload_pods(cluster, "web");
  g_auto(GStrv) pods = g_strsplit(names, " ", -1);
  workload_run_pod(cluster, pods[0], 7200);
  workload_run_pod(cluster, pods[1], 0);
  cluster_wait(has(cluster, "readyReplicas", 2) && has(cluster, "availableReplicas", 1));
  /* Nothing but time passes. */
  cluster_patch(cluster, "apps/v1", "replicasets", "web", "{spec: {minReadySeconds: 1}}");
  cluster_wait(has(cluster, "availableReplicas", 2));
}

/* Creation fails: one attempt at a time, a condition and an event; both end with their reason. */
static void test_failure(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, SET(4, ", priorityClassName: none"));
  cluster_wait(workload_is(cluster, "replicasets", "web", "ReplicaFailure", "True", "FailedCreate",
                           "no PriorityClass with name none was found"));
  cluster_wait(cluster_has_event(cluster, "web", "FailedCreate", "Error creating: pods \"web-"));
  g_assert_cmpuint(cluster_count(cluster, "v1", "pods", "web"), ==, 0);
  cluster_create(cluster, "scheduling.k8s.io/v1", "priorityclasses", false, "{metadata: {name: none}, value: 5}");
  cluster_wait(has(cluster, "availableReplicas", 4));
  g_autoptr(json_t) value = cluster_get(cluster, "apps/v1", "replicasets", true, "web");
  g_assert_null(json_at(value, "status", "conditions", NULL));
}

/* One, then two, then four: what fails in a batch ends the whole. */
static void test_slow_start(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_hold_kubelet(cluster, true);
  add_set(cluster, SET(0, ""));
  Client *client = cluster_client(cluster);
  g_autoptr(InformerSet) informers = informer_set_new(client_registry(client));
  PodControl control = { .client = client, .pods = informer_set_get(informers, "v1", "pods") };
  control.recorder = recorder_new(client, NULL);
  g_assert_true(informer_set_start(informers, NULL));
  g_autoptr(Object) set = client_get(client, "apps/v1", "replicasets", "default", "web", NULL);
  const json_t *template = json_at(object_json(set), "spec", "template", NULL);
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
  for (int i = 0; i < 20; i++) {
    json_t *pod = pod_control_make(set, template);
    json_object_set_new(json_object_get(pod, "metadata"), "labels", json_pack("{s:s}", "app", "slow"));
    if (i == 2)
      json_object_set_new(json_object_get(pod, "spec"), "priorityClassName", json_string("none"));
    json_object_del(json_object_get(pod, "metadata"), "ownerReferences");
    g_ptr_array_add(pods, pod);
  }
  g_autoptr(GError) error = NULL;
  g_assert_false(pod_control_create_all(&control, set, pods, &error));
  g_assert_nonnull(strstr(error->message, "no PriorityClass"));
  g_assert_cmpuint(cluster_count(cluster, "v1", "pods", "slow"), ==, 2);
  recorder_free(control.recorder);
  informer_set_stop(informers);
}

static void test_deletion_cost(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, SET(3, ""));
  cluster_wait(has(cluster, "availableReplicas", 3));
  g_autofree char *names = workload_pods(cluster, "web");
  g_auto(GStrv) pods = g_strsplit(names, " ", -1);
  cluster_patch(cluster, "v1", "pods", pods[1],
                "{metadata: {annotations: {controller.kubernetes.io/pod-deletion-cost: '-10'}}}");
  scale(cluster, 2);
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 2);
  g_assert_false(cluster_exists(cluster, "v1", "pods", pods[1]));
}

/* A namespace that is being deleted takes nothing new, and nobody is told about it. */
static void test_ending_namespace(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  Client *client = cluster_client(cluster);
  cluster_create(cluster, "v1", "namespaces", false, "{metadata: {name: lab}, spec: {finalizers: [kubernetes]}}");
  g_autoptr(json_t) pod = json_pack("{s:{s:s, s:[s]}, s:{s:[{s:s, s:s}]}}", "metadata", "name", "held", "finalizers",
                                    "test.example/hold", "spec", "containers", "name", "c", "image", "i");
  g_autoptr(Object) held = NULL;
  cluster_wait((held = client_create(client, "v1", "pods", "lab", pod, NULL)) != NULL);
  cluster_delete(cluster, "v1", "namespaces", false, "lab", NULL);
  PodControl control = { .client = client };
  control.recorder = recorder_new(client, NULL);
  g_autoptr(json_t) more = json_pack("{s:{s:s}, s:{s:[{s:s, s:s}]}}", "metadata", "generateName", "p-", "spec",
                                     "containers", "name", "c", "image", "i");
  g_autoptr(GError) error = NULL;
  cluster_wait(pod_control_create(&control, held, more, 3, &error) && !error);
  g_autoptr(Object) created = pod_control_create_one(&control, held, more, &error);
  g_assert_null(created);
  g_assert_true(pod_control_is_moot(error));
  recorder_free(control.recorder);
  cluster_patch(cluster, "v1", "namespaces", "lab", "{metadata: {labels: {still: there}}}");
}

/* Who has many pods waits for more of their news before it counts them again. */
static void test_patience(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, SET(60, ""));
  cluster_wait(has(cluster, "availableReplicas", 60));
  g_autoptr(InformerSet) informers = informer_set_new(client_registry(cluster_client(cluster)));
  Informer *pods = informer_set_get(informers, "v1", "pods");
  owner_add_indexes(pods);
  g_assert_true(informer_set_start(informers, NULL));
  g_autoptr(json_t) set = cluster_get(cluster, "apps/v1", "replicasets", true, "web");
  const char *uid = json_str(json_object_get(set, "metadata"), "uid", "");
  g_assert_cmpuint(informer_count_by_index(pods, OWNER_INDEX_UID, uid), ==, 60);
  g_assert_cmpuint(informer_count_by_index(pods, OWNER_INDEX_UID, "nobody"), ==, 0);
  int64_t many_us = pod_routes_patience(pods, uid);
  g_assert_true(many_us > 0 && many_us < G_USEC_PER_SEC / 10);
  g_assert_cmpint(pod_routes_patience(pods, "nobody"), ==, 0);
  informer_set_stop(informers);
}

/* Whoever takes over finds in the store all there is to know. */
static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, SET(40, ""));
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") > 0);
  cluster_stop(cluster);
  scale(cluster, 60);
  g_autofree char *names = workload_pods(cluster, "web");
  g_auto(GStrv) pods = g_strsplit(names, " ", -1);
  workload_drop_pod(cluster, pods[0]);
  cluster_resume(cluster);
  cluster_wait(has(cluster, "availableReplicas", 60));
  g_assert_cmpuint(cluster_count(cluster, "v1", "pods", "web"), ==, 60);
  cluster_stop(cluster);
  scale(cluster, 5);
  cluster_resume(cluster);
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 5 && has(cluster, "replicas", 5));
}

/* The owner goes while its pods are being made: none is left behind. */
static void test_deleted_while_creating(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  for (int i = 0; i < 5; i++) {
    add_set(cluster, SET(60, ""));
    cluster_wait(cluster_count(cluster, "v1", "pods", "web") > 0);
    cluster_delete(cluster, "apps/v1", "replicasets", true, "web", i % 2 ? "Background" : "Foreground");
    cluster_wait(!cluster_exists(cluster, "apps/v1", "replicasets", "web") &&
                 cluster_count(cluster, "v1", "pods", "web") == 0);
  }
}

/* Others write the set all the time: the count is right, and no pod was made or ended in vain. */
static void test_conflicts(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, SET(1, ""));
  for (int i = 0; i < 200; i++) {
    g_autofree char *yaml =
        g_strdup_printf("{metadata: {annotations: {n: '%d'}}, spec: {replicas: %d}}", i, 1 + i / 10);
    cluster_patch(cluster, "apps/v1", "replicasets", "web", yaml);
  }
  cluster_wait(has(cluster, "availableReplicas", 20));
  g_assert_cmpuint(cluster_count(cluster, "v1", "pods", "web"), ==, 20);
  g_assert_false(cluster_has_event(cluster, "web", "SuccessfulDelete", ""));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/replica-set/status", test_status);
  g_test_add_func("/replica-set/adoption", test_adoption);
  g_test_add_func("/replica-set/lost-pods", test_lost_pods);
  g_test_add_func("/replica-set/min-ready", test_min_ready);
  g_test_add_func("/replica-set/failure", test_failure);
  g_test_add_func("/replica-set/slow-start", test_slow_start);
  g_test_add_func("/replica-set/deletion-cost", test_deletion_cost);
  g_test_add_func("/replica-set/ending-namespace", test_ending_namespace);
  g_test_add_func("/replica-set/patience", test_patience);
  g_test_add_func("/replica-set/restart", test_restart);
  g_test_add_func("/replica-set/deleted-while-creating", test_deleted_while_creating);
  g_test_add_func("/replica-set/conflicts", test_conflicts);
  return g_test_run();
}
