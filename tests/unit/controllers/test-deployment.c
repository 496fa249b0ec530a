#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "workload.h"

#define WEB                                                                                                            \
  "{metadata: {name: web}, spec: {replicas: 3, progressDeadlineSeconds: 600, strategy: {type: RollingUpdate, "         \
  "rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}, selector: {matchLabels: {app: web}}, template: {metadata: "   \
  "{labels: {app: web}}, spec: {containers: [{name: web, image: 'nginx:1'}]}}}}"

static int64_t status_of(Cluster *cluster, const char *name, const char *member)
{
  g_autoptr(json_t) value = cluster_get(cluster, "apps/v1", "deployments", true, name);
  return json_int(json_object_get(value, "status"), member, 0);
}

/* What `kubectl rollout status` waits for. */
static bool is_rolled_out(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) value = cluster_get(cluster, "apps/v1", "deployments", true, name);
  const json_t *status = json_object_get(value, "status");
  int64_t replicas = json_int(json_object_get(value, "spec"), "replicas", 1);
  return json_int(status, "observedGeneration", 0) == json_int(json_object_get(value, "metadata"), "generation", -1) &&
         json_int(status, "replicas", 0) == replicas && json_int(status, "updatedReplicas", 0) == replicas &&
         json_int(status, "availableReplicas", 0) == replicas;
}

static char *revision_of(Cluster *cluster, const char *name)
{
  return workload_note(cluster, "apps/v1", "deployments", name, "annotations", "deployment.kubernetes.io/revision");
}

#define IMAGE(name) "{spec: {template: {spec: {containers: [{name: web, image: '" name "'}]}}}}"

static void patch(Cluster *cluster, const char *yaml)
{
  cluster_patch(cluster, "apps/v1", "deployments", "web", yaml);
}

static bool progress_is(Cluster *cluster, const char *status, const char *reason, const char *text)
{
  return workload_is(cluster, "deployments", "web", "Progressing", status, reason, text);
}

/* The value of the set whose pods run IMAGE, new reference, or NULL. */
static json_t *set_of(Cluster *cluster, const char *image)
{
  g_autoptr(GPtrArray) sets = cluster_list(cluster, "apps/v1", "replicasets", "web");
  for (unsigned i = 0; i < sets->len; i++) {
    json_t *set = object_json(g_ptr_array_index(sets, i));
    const json_t *container = json_array_get(json_at(set, "spec", "template", "spec", "containers", NULL), 0);
    if (strcmp(json_str(container, "image", ""), image) == 0)
      return json_incref(set);
  }
  return NULL;
}

/* spec.replicas of that set, -1 when there is none. */
static int64_t size_of(Cluster *cluster, const char *image)
{
  g_autoptr(json_t) set = set_of(cluster, image);
  return json_int(json_object_get(set, "spec"), "replicas", set ? 0 : -1);
}

static const char *set_note(const json_t *set, const char *key)
{
  return json_str(json_at(set, "metadata", "annotations", NULL), key, "");
}

static void test_life(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  gint64 start = g_get_monotonic_time();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  g_test_message("3 replicas available after %" G_GINT64_FORMAT " us", g_get_monotonic_time() - start);
  g_assert_cmpuint(cluster_count_pods(cluster, "web"), ==, 3);
  g_autofree char *first = revision_of(cluster, "web");
  g_assert_cmpstr(first, ==, "1");
  cluster_wait(cluster_has_event(cluster, "web", "ScalingReplicaSet", "from 0 to 3"));

  /* scale */
  g_autoptr(json_t) eight = json_pack("{s:{s:i}}", "spec", "replicas", 8);
  g_autoptr(Object) scaled = client_patch(cluster_client(cluster), "apps/v1", "deployments", "default", "web", "scale",
                                          PATCH_MERGE, eight, NULL);
  g_assert_nonnull(scaled);
  cluster_wait(is_rolled_out(cluster, "web"));
  g_assert_cmpuint(cluster_count_pods(cluster, "web"), ==, 8);
  cluster_wait(cluster_has_event(cluster, "web", "ScalingReplicaSet", "from 3 to 8"));
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 2}}");
  cluster_wait(is_rolled_out(cluster, "web"));
  g_assert_cmpuint(cluster_count_pods(cluster, "web"), ==, 2);

  /* roll to another image and back: the old replica set gets a new revision */
  cluster_patch(cluster, "apps/v1", "deployments", "web",
                "{spec: {template: {spec: {containers: [{name: web, image: 'nginx:2'}]}}}}");
  cluster_wait(is_rolled_out(cluster, "web"));
  cluster_wait(workload_images(cluster, "web", "nginx:1") == 0);
  g_assert_cmpuint(workload_images(cluster, "web", "nginx:2"), ==, 2);
  g_autofree char *second = revision_of(cluster, "web");
  g_assert_cmpstr(second, ==, "2");
  cluster_patch(cluster, "apps/v1", "deployments", "web",
                "{spec: {template: {spec: {containers: [{name: web, image: 'nginx:1'}]}}}}");
  cluster_wait(is_rolled_out(cluster, "web"));
  cluster_wait(workload_images(cluster, "web", "nginx:2") == 0);
  g_autofree char *third = revision_of(cluster, "web");
  g_assert_cmpstr(third, ==, "3");
  g_autoptr(GPtrArray) sets = cluster_list(cluster, "apps/v1", "replicasets", "web");
  g_assert_cmpuint(sets->len, ==, 2);
  g_autoptr(json_t) web = cluster_get(cluster, "apps/v1", "deployments", true, "web");
  size_t i;
  json_t *condition;
  json_array_foreach (json_at(web, "status", "conditions", NULL), i, condition)
    g_assert_cmpstr(json_str(condition, "status", ""), ==, "True");
  g_assert_cmpuint(json_array_size(json_at(web, "status", "conditions", NULL)), ==, 2);
}

/* A rollout whose pods never become ready stops at the strategy's bounds and leaves the old pods serving. */
static void test_stuck(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  cluster_hold_kubelet(cluster, true);
  cluster_patch(cluster, "apps/v1", "deployments", "web",
                "{spec: {template: {spec: {containers: [{name: web, image: 'nginx:2'}]}}}}");
  cluster_wait(status_of(cluster, "web", "updatedReplicas") == 1);
  g_usleep(50000);
  g_assert_cmpuint(workload_images(cluster, "web", "nginx:1"), ==, 3);
  g_assert_cmpuint(workload_images(cluster, "web", "nginx:2"), ==, 1);
  g_assert_cmpint(status_of(cluster, "web", "availableReplicas"), ==, 3);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_rolled_out(cluster, "web"));
}

static void test_recreate_and_pause(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  cluster_patch(cluster, "apps/v1", "deployments", "web",
                "{spec: {paused: true, strategy: {type: Recreate, rollingUpdate: null}, template: {spec: {containers: "
                "[{name: web, image: 'nginx:2'}]}}}}");
  /* Paused: scaling works, the new template waits. */
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 5}}");
  cluster_wait(workload_images(cluster, "web", "nginx:1") == 5);
  g_assert_cmpuint(workload_images(cluster, "web", "nginx:2"), ==, 0);
  cluster_hold_kubelet(cluster, true);
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {paused: false}}");
  /* Recreate: nothing new while old pods are still ending. */
  cluster_wait(cluster_count_pods(cluster, "web") == 0);
  g_usleep(50000);
  g_assert_cmpuint(workload_images(cluster, "web", "nginx:2"), ==, 0);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_rolled_out(cluster, "web"));
  g_assert_cmpuint(workload_images(cluster, "web", "nginx:2"), ==, 5);
  g_assert_cmpuint(workload_images(cluster, "web", "nginx:1"), ==, 0);
}

/* Names, labels and notes of what a deployment makes. */
static void test_sets(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  patch(cluster, "{metadata: {annotations: {kubernetes.io/change-cause: because, "
                 "kubectl.kubernetes.io/last-applied-configuration: x}}, spec: {minReadySeconds: 1}}");
  cluster_wait(is_rolled_out(cluster, "web"));
  g_autoptr(json_t) set = set_of(cluster, "nginx:1");
  const json_t *labels = json_at(set, "metadata", "labels", NULL);
  const char *hash = json_str(labels, "pod-template-hash", "");
  g_autofree char *name = g_strconcat("web-", hash, NULL), *names = workload_pods(cluster, "web");
  g_auto(GStrv) pods = g_strsplit(names, " ", -1);
  g_assert_cmpstr(json_str(json_object_get(set, "metadata"), "name", ""), ==, name);
  g_assert_cmpstr(json_str(json_at(set, "spec", "selector", "matchLabels", NULL), "pod-template-hash", ""), ==, hash);
  g_autofree char *label = workload_note(cluster, "v1", "pods", pods[0], "labels", "pod-template-hash");
  g_assert_cmpstr(label, ==, hash);
  g_assert_true(g_str_has_prefix(pods[0], name));
  g_assert_cmpstr(set_note(set, "deployment.kubernetes.io/revision"), ==, "1");
  g_assert_cmpstr(set_note(set, "deployment.kubernetes.io/desired-replicas"), ==, "3");
  g_assert_cmpstr(set_note(set, "deployment.kubernetes.io/max-replicas"), ==, "4");
  g_assert_cmpstr(set_note(set, "kubernetes.io/change-cause"), ==, "because");
  g_assert_cmpstr(set_note(set, "kubectl.kubernetes.io/last-applied-configuration"), ==, "");
  g_assert_cmpint(json_int(json_object_get(set, "spec"), "minReadySeconds", 0), ==, 1);
  g_assert_true(workload_is(cluster, "deployments", "web", "Available", "True", "MinimumReplicasAvailable",
                            "Deployment has minimum availability."));
  g_assert_true(progress_is(cluster, "True", "NewReplicaSetAvailable", "has successfully progressed."));
}

/* A set that comes back gets the next revision and remembers those it had; beyond the limit the oldest are forgotten.
 */
static void test_history(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  static const char *const images[] = { "nginx:2", "nginx:1", "nginx:2", "nginx:3", "nginx:4" };
  for (size_t i = 0; i < G_N_ELEMENTS(images); i++) {
    g_autofree char *yaml = g_strdup_printf(IMAGE("%s"), images[i]), *wanted = g_strdup_printf("%zu", i + 2);
    patch(cluster, yaml);
    cluster_wait(is_rolled_out(cluster, "web") && workload_images(cluster, "web", images[i]) == 3);
    g_autofree char *revision = revision_of(cluster, "web");
    g_assert_cmpstr(revision, ==, wanted);
  }
  g_autoptr(json_t) second = set_of(cluster, "nginx:2");
  g_assert_cmpstr(set_note(second, "deployment.kubernetes.io/revision"), ==, "4");
  g_assert_cmpstr(set_note(second, "deployment.kubernetes.io/revision-history"), ==, "2");
  g_assert_cmpuint(cluster_count(cluster, "apps/v1", "replicasets", "web"), ==, 4);
  /* Paused or not, whatever the age of the set: by revision. */
  patch(cluster, "{spec: {paused: true, revisionHistoryLimit: 1}}");
  cluster_wait(cluster_count(cluster, "apps/v1", "replicasets", "web") == 2);
  g_assert_cmpint(size_of(cluster, "nginx:3"), ==, 0);
  patch(cluster, "{spec: {paused: false, revisionHistoryLimit: 0}}");
  cluster_wait(cluster_count(cluster, "apps/v1", "replicasets", "web") == 1);
}

#define STUCK                                                                                                          \
  "{spec: {replicas: 10, strategy: {rollingUpdate: {maxSurge: 3, maxUnavailable: 2}}, template: {spec: {containers: "  \
  "[{name: web, image: 'nginx:2'}]}}}}"

/* In the middle of a rollout a new size is shared by all sets. */
static void test_proportional(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  patch(cluster, "{spec: {replicas: 10}}");
  cluster_wait(is_rolled_out(cluster, "web"));
  cluster_hold_kubelet(cluster, true);
  patch(cluster, STUCK);
  cluster_wait(size_of(cluster, "nginx:1") == 8 && size_of(cluster, "nginx:2") == 5);
  patch(cluster, "{spec: {replicas: 15}}");
  cluster_wait(size_of(cluster, "nginx:1") == 11 && size_of(cluster, "nginx:2") == 7);
  g_autoptr(json_t) set = set_of(cluster, "nginx:1");
  g_assert_cmpstr(set_note(set, "deployment.kubernetes.io/max-replicas"), ==, "18");
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_rolled_out(cluster, "web"));
}

/* To nothing, which percentages are nothing of. */
static void test_zero(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  cluster_hold_kubelet(cluster, true);
  patch(cluster, IMAGE("nginx:2"));
  cluster_wait(size_of(cluster, "nginx:2") == 1);
  patch(cluster, "{spec: {replicas: 0}}");
  cluster_wait(size_of(cluster, "nginx:1") == 0 && size_of(cluster, "nginx:2") == 0);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_rolled_out(cluster, "web") && cluster_count(cluster, "v1", "pods", "web") == 0);
  patch(cluster, "{spec: {replicas: 2}}");
  cluster_wait(is_rolled_out(cluster, "web") && workload_images(cluster, "web", "nginx:2") == 2);
}

/* The deadline is told and stops nothing. */
static void test_deadline(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  cluster_hold_kubelet(cluster, true);
  patch(cluster,
        "{spec: {progressDeadlineSeconds: 1, template: {spec: {containers: [{name: web, image: 'nginx:2'}]}}}}");
  cluster_wait(progress_is(cluster, "False", "ProgressDeadlineExceeded", "has timed out progressing."));
  g_assert_true(workload_is(cluster, "deployments", "web", "Available", "True", "MinimumReplicasAvailable", ""));
  cluster_stop(cluster);
  cluster_resume(cluster);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(progress_is(cluster, "True", "NewReplicaSetAvailable", "has successfully progressed."));
  /* A stopped server does not stop the clock. */
  cluster_hold_kubelet(cluster, true);
  patch(cluster, IMAGE("nginx:3"));
  cluster_wait(size_of(cluster, "nginx:3") == 1);
  cluster_stop(cluster);
  cluster_resume(cluster);
  cluster_wait(progress_is(cluster, "False", "ProgressDeadlineExceeded", "has timed out progressing."));
}

static void test_pause_conditions(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  patch(cluster, "{spec: {paused: true}}");
  cluster_wait(progress_is(cluster, "Unknown", "DeploymentPaused", "Deployment is paused"));
  patch(cluster, "{spec: {paused: false}}");
  cluster_wait(progress_is(cluster, "True", "NewReplicaSetAvailable", ""));
}

/* Too few are available: the condition says so, by the strategy's bounds. */
static void test_availability(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_hold_kubelet(cluster, true);
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  patch(cluster, "{spec: {replicas: 4, minReadySeconds: 100}}");
  cluster_wait(workload_is(cluster, "deployments", "web", "Available", "False", "MinimumReplicasUnavailable",
                           "Deployment does not have minimum availability.") &&
               cluster_count_pods(cluster, "web") == 4);
  g_autofree char *names = workload_pods(cluster, "web");
  g_auto(GStrv) pods = g_strsplit(names, " ", -1);
  for (int i = 0; i < 4; i++)
    workload_run_pod(cluster, pods[i], i < 3 ? 200 : 0);
  cluster_wait(workload_is(cluster, "deployments", "web", "Available", "True", "MinimumReplicasAvailable", ""));
  cluster_wait(workload_has(cluster, "deployments", "web", "readyReplicas", 4) &&
               workload_has(cluster, "deployments", "web", "availableReplicas", 3) &&
               workload_has(cluster, "deployments", "web", "unavailableReplicas", 1));
}

/* The name a template's hash leads to is another's. */
static void test_collision(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  g_autoptr(json_t) set = set_of(cluster, "nginx:1");
  g_autofree char *name = g_strdup(json_str(json_object_get(set, "metadata"), "name", ""));
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Foreground");
  cluster_wait(!cluster_exists(cluster, "apps/v1", "deployments", "web"));
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s}, spec: {replicas: 0, selector: {matchLabels: {app: x}}, "
                      "template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: "
                      "i}]}}}}",
                      name);
  cluster_create(cluster, "apps/v1", "replicasets", true, yaml);
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  g_assert_cmpint(status_of(cluster, "web", "collisionCount"), ==, 1);
  g_autoptr(json_t) other = set_of(cluster, "nginx:1");
  g_assert_cmpstr(json_str(json_object_get(other, "metadata"), "name", ""), !=, name);
}

/* What a set cannot do, its deployment tells. */
static void test_failure(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  patch(cluster, "{spec: {template: {spec: {priorityClassName: none}}}}");
  cluster_wait(workload_is(cluster, "deployments", "web", "ReplicaFailure", "True", "FailedCreate",
                           "no PriorityClass with name none was found"));
  cluster_create(cluster, "scheduling.k8s.io/v1", "priorityclasses", false, "{metadata: {name: none}, value: 5}");
  cluster_wait(is_rolled_out(cluster, "web") &&
               workload_is(cluster, "deployments", "web", "ReplicaFailure", "", "", ""));
}

/* Sets without an owner are adopted with their pods; one that is taken away comes back. */
static void test_adoption(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  g_autofree char *before = workload_pods(cluster, "web");
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Orphan");
  cluster_wait(!cluster_exists(cluster, "apps/v1", "deployments", "web"));
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  g_assert_true(workload_pods_are(cluster, "web", before));
  g_assert_cmpuint(cluster_count(cluster, "apps/v1", "replicasets", "web"), ==, 1);
  g_autoptr(json_t) set = set_of(cluster, "nginx:1");
  cluster_delete(cluster, "apps/v1", "replicasets", true, json_str(json_object_get(set, "metadata"), "name", ""),
                 "Background");
  cluster_wait(!workload_pods_are(cluster, "web", before) && is_rolled_out(cluster, "web"));
}

/* Another template before the first is there: the first is given up at once. */
static void test_rollover(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  cluster_hold_kubelet(cluster, true);
  patch(cluster, IMAGE("nginx:2"));
  cluster_wait(size_of(cluster, "nginx:2") == 1);
  patch(cluster, IMAGE("nginx:3"));
  cluster_wait(size_of(cluster, "nginx:3") == 1 && size_of(cluster, "nginx:2") == 0);
  g_assert_cmpint(size_of(cluster, "nginx:1"), ==, 3);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_rolled_out(cluster, "web") && workload_images(cluster, "web", "nginx:3") == 3);
}

/* What comes back is a rollout like any other, whose deadline begins anew. */
static void test_return(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  patch(cluster, IMAGE("nginx:2"));
  cluster_wait(is_rolled_out(cluster, "web") && progress_is(cluster, "True", "NewReplicaSetAvailable", ""));
  cluster_hold_kubelet(cluster, true);
  patch(cluster, IMAGE("nginx:1"));
  cluster_wait(progress_is(cluster, "True", "FoundNewReplicaSet", "Found new replica set \"web-") ||
               progress_is(cluster, "True", "ReplicaSetUpdated", "is progressing."));
  patch(cluster, "{spec: {progressDeadlineSeconds: 1}}");
  cluster_wait(progress_is(cluster, "False", "ProgressDeadlineExceeded", "has timed out progressing."));
  patch(cluster, "{spec: {progressDeadlineSeconds: 600}}");
  patch(cluster, IMAGE("nginx:2"));
  cluster_hold_kubelet(cluster, false);
  cluster_wait(progress_is(cluster, "True", "NewReplicaSetAvailable", "has successfully progressed."));
}

static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  patch(cluster, "{spec: {replicas: 12}}");
  for (int i = 0; i < 8; i++) {
    g_autofree char *image = g_strdup_printf("n:%d", i), *yaml = g_strdup_printf(IMAGE("n:%d"), i);
    patch(cluster, yaml);
    cluster_wait(workload_images(cluster, "web", image) > (unsigned)i);
    cluster_stop(cluster);
    cluster_resume(cluster);
  }
  cluster_wait(is_rolled_out(cluster, "web") && workload_images(cluster, "web", "n:7") == 12 &&
               cluster_count(cluster, "v1", "pods", "web") == 12);
}

static void test_deleted_while_rolling(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  for (int i = 0; i < 4; i++) {
    cluster_create(cluster, "apps/v1", "deployments", true, WEB);
    cluster_wait(cluster_count(cluster, "v1", "pods", "web") > 0);
    patch(cluster, IMAGE("nginx:2"));
    cluster_delete(cluster, "apps/v1", "deployments", true, "web", i % 2 ? "Background" : "Foreground");
    cluster_wait(!cluster_exists(cluster, "apps/v1", "deployments", "web") &&
                 cluster_count(cluster, "apps/v1", "replicasets", "web") == 0 &&
                 cluster_count(cluster, "v1", "pods", "web") == 0);
  }
}

static void test_conflicts(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  for (int i = 0; i < 60; i++) {
    g_autofree char *yaml =
        g_strdup_printf("{metadata: {annotations: {n: '%d'}}, spec: {replicas: %d, template: {spec: "
                        "{containers: [{name: web, image: 'n:%d'}]}}}}",
                        i, 1 + i % 6, i / 10);
    patch(cluster, yaml);
  }
  cluster_wait(is_rolled_out(cluster, "web") && workload_images(cluster, "web", "n:5") == 6 &&
               cluster_count(cluster, "v1", "pods", "web") == 6);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/deployment/life", test_life);
  g_test_add_func("/deployment/stuck", test_stuck);
  g_test_add_func("/deployment/recreate-and-pause", test_recreate_and_pause);
  g_test_add_func("/deployment/sets", test_sets);
  g_test_add_func("/deployment/history", test_history);
  g_test_add_func("/deployment/proportional", test_proportional);
  g_test_add_func("/deployment/zero", test_zero);
  g_test_add_func("/deployment/deadline", test_deadline);
  g_test_add_func("/deployment/pause-conditions", test_pause_conditions);
  g_test_add_func("/deployment/availability", test_availability);
  g_test_add_func("/deployment/collision", test_collision);
  g_test_add_func("/deployment/failure", test_failure);
  g_test_add_func("/deployment/adoption", test_adoption);
  g_test_add_func("/deployment/rollover", test_rollover);
  g_test_add_func("/deployment/return", test_return);
  g_test_add_func("/deployment/restart", test_restart);
  g_test_add_func("/deployment/deleted-while-rolling", test_deleted_while_rolling);
  g_test_add_func("/deployment/conflicts", test_conflicts);
  return g_test_run();
}
