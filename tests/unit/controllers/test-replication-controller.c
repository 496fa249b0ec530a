/* What a ReplicationController does as a ReplicaSet does, under its own name and with a plain selector. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "workload.h"

#define WEB(more)                                                                                                      \
  "{metadata: {name: web}, spec: {replicas: 2, selector: {app: web}, template: {metadata: {labels: {app: web}}, "      \
  "spec: {containers: [{name: c, image: i}]" more "}}}}"

static bool has(Cluster *cluster, const char *member, int64_t count)
{
  return workload_has(cluster, "replicationcontrollers", "web", member, count);
}

static bool is_owned(Cluster *cluster, const char *pod)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "pods", true, pod);
  const json_t *owner = json_array_get(json_at(value, "metadata", "ownerReferences", NULL), 0);
  return strcmp(json_str(owner, "kind", ""), "ReplicationController") == 0 &&
         strcmp(json_str(owner, "apiVersion", ""), "v1") == 0;
}

static void test_life(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "pods", true,
                 "{metadata: {name: stray, labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}");
  cluster_create(cluster, "v1", "replicationcontrollers", true, WEB(""));
  cluster_wait(has(cluster, "availableReplicas", 2) && is_owned(cluster, "stray"));
  cluster_wait(cluster_has_event(cluster, "web", "SuccessfulCreate", "Created pod: web-"));
  cluster_patch(cluster, "v1", "pods", "stray", "{metadata: {labels: {app: other}}}");
  cluster_wait(!is_owned(cluster, "stray") && cluster_count(cluster, "v1", "pods", "web") == 2);
  cluster_patch(cluster, "v1", "replicationcontrollers", "web", "{spec: {replicas: 4}}");
  cluster_wait(has(cluster, "availableReplicas", 4) && has(cluster, "fullyLabeledReplicas", 4));
  cluster_patch(cluster, "v1", "replicationcontrollers", "web", "{spec: {replicas: 0}}");
  cluster_wait(has(cluster, "replicas", 0) && cluster_count(cluster, "v1", "pods", "web") == 0);
  cluster_wait(cluster_has_event(cluster, "web", "SuccessfulDelete", "Deleted pod: "));
}

/* A template that changes is that of later pods alone. */
static void test_template(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "replicationcontrollers", true, WEB(""));
  cluster_wait(has(cluster, "availableReplicas", 2));
  cluster_patch(cluster, "v1", "replicationcontrollers", "web",
                "{spec: {replicas: 3, template: {spec: {containers: [{name: c, image: two}]}}}}");
  cluster_wait(has(cluster, "availableReplicas", 3));
  g_assert_cmpuint(workload_images(cluster, "web", "i"), ==, 2);
  g_assert_cmpuint(workload_images(cluster, "web", "two"), ==, 1);
}

static void test_failure(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "replicationcontrollers", true, WEB(", priorityClassName: none"));
  cluster_wait(workload_is(cluster, "replicationcontrollers", "web", "ReplicaFailure", "True", "FailedCreate",
                           "no PriorityClass with name none was found"));
  cluster_create(cluster, "scheduling.k8s.io/v1", "priorityclasses", false, "{metadata: {name: none}, value: 5}");
  cluster_wait(has(cluster, "availableReplicas", 2));
}

/* Orphans stay, and whoever comes with their selector takes them over. */
static void test_handover(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "replicationcontrollers", true, WEB(""));
  cluster_wait(has(cluster, "availableReplicas", 2));
  g_autofree char *before = workload_pods(cluster, "web");
  cluster_delete(cluster, "v1", "replicationcontrollers", true, "web", "Orphan");
  cluster_wait(!cluster_exists(cluster, "v1", "replicationcontrollers", "web"));
  cluster_create(cluster, "v1", "replicationcontrollers", true, WEB(""));
  cluster_wait(has(cluster, "availableReplicas", 2));
  g_assert_true(workload_pods_are(cluster, "web", before));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/replication-controller/life", test_life);
  g_test_add_func("/replication-controller/template", test_template);
  g_test_add_func("/replication-controller/failure", test_failure);
  g_test_add_func("/replication-controller/handover", test_handover);
  return g_test_run();
}
