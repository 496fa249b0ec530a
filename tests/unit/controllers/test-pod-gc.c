/* Pods nobody will miss. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"

static Cluster *make(void)
{
  ControllersConfig config = {
    .root_ca_pem = "-",
    .times = { .pod_quarantine_us = G_USEC_PER_SEC / 2, .ended_pods_max = 2 },
  };
  return cluster_new_with(&config);
}

static void add(Cluster *cluster, const char *name, const char *node, const char *metadata)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s%s}, spec: {%s containers: [{name: c, image: i}]}}", name, metadata, node);
  cluster_create(cluster, "v1", "pods", true, yaml);
}

static bool is_phase(Cluster *cluster, const char *name, const char *phase)
{
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  return pod && strcmp(pod_phase(pod), phase) == 0;
}

static void test_orphans(void)
{
  g_autoptr(Cluster) cluster = make();
  cluster_add_node(cluster, "node-2", "2", "{}");
  cluster_add_node(cluster, "node-3", "2", "{}");
  add(cluster, "gone", "nodeName: node-2,", "");
  add(cluster, "told", "nodeName: node-2,", ", finalizers: [example.com/wait]");
  add(cluster, "stays", "nodeName: node-3,", "");
  cluster_wait(is_phase(cluster, "gone", "Running") && is_phase(cluster, "told", "Running") &&
               is_phase(cluster, "stays", "Running"));
  cluster_hold_kubelet(cluster, true);
  /* a node that comes back under its name in time keeps its pods */
  cluster_delete(cluster, "v1", "nodes", false, "node-3", NULL);
  cluster_add_node(cluster, "node-3", "2", "{}");
  cluster_delete(cluster, "v1", "nodes", false, "node-2", NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "pods", "gone"));
  cluster_wait(is_phase(cluster, "told", "Failed"));
  g_autoptr(json_t) told = cluster_get(cluster, "v1", "pods", true, "told");
  const json_t *condition = condition_get(json_object_get(told, "status"), "DisruptionTarget");
  g_assert_cmpstr(json_str(condition, "status", ""), ==, "True");
  g_assert_cmpstr(json_str(condition, "reason", ""), ==, "DeletionByPodGC");
  g_assert_cmpstr(json_str(condition, "message", ""), ==, "PodGC: node no longer exists");
  g_assert_true(is_phase(cluster, "stays", "Running"));
}

/* Also when nobody looked while it happened, and for a node that never was. */
static void test_orphans_after_restart(void)
{
  g_autoptr(Cluster) cluster = make();
  cluster_stop(cluster);
  add(cluster, "lost", "nodeName: nowhere,", "");
  cluster_resume(cluster);
  cluster_wait(!cluster_exists(cluster, "v1", "pods", "lost"));
}

static void test_ended(void)
{
  static const char *const names[] = { "a", "b", "c", "d" };
  g_autoptr(Cluster) cluster = make();
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    add(cluster, names[i], "", "");
    cluster_wait(is_phase(cluster, names[i], "Running"));
  }
  cluster_set_status(cluster, "v1", "pods", "a", "{phase: Succeeded}");
  cluster_set_status(cluster, "v1", "pods", "b", "{phase: Failed}");
  /* two may stay; of three the evicted one goes first, then the oldest */
  cluster_set_status(cluster, "v1", "pods", "d", "{phase: Failed, reason: Evicted}");
  cluster_wait(!cluster_exists(cluster, "v1", "pods", "d"));
  g_assert_true(cluster_exists(cluster, "v1", "pods", "a") && cluster_exists(cluster, "v1", "pods", "b"));
  cluster_set_status(cluster, "v1", "pods", "c", "{phase: Succeeded}");
  cluster_wait(!cluster_exists(cluster, "v1", "pods", "a"));
  g_assert_true(cluster_exists(cluster, "v1", "pods", "b") && cluster_exists(cluster, "v1", "pods", "c"));
}

/* A pod without a node that is to go has nobody else who would end it. */
static void test_unplaced(void)
{
  g_autoptr(Cluster) cluster = make();
  add(cluster, "p", "nodeSelector: {no: where},", ", finalizers: [example.com/wait]");
  cluster_delete(cluster, "v1", "pods", true, "p", NULL);
  cluster_wait(is_phase(cluster, "p", "Failed"));
  cluster_patch(cluster, "v1", "pods", "p", "{metadata: {finalizers: null}}");
  cluster_wait(!cluster_exists(cluster, "v1", "pods", "p"));
}

/* Where people say that a node is out of service, what was told to go has gone. */
static void test_out_of_service(void)
{
  g_autoptr(Cluster) cluster = make();
  cluster_add_node(cluster, "node-2", "2", "{}");
  add(cluster, "going", "nodeName: node-2, tolerations: [{operator: Exists}],", "");
  add(cluster, "staying", "nodeName: node-2, tolerations: [{operator: Exists}],", "");
  cluster_wait(is_phase(cluster, "going", "Running") && is_phase(cluster, "staying", "Running"));
  cluster_hold_kubelet(cluster, true);
  cluster_delete(cluster, "v1", "pods", true, "going", NULL);
  cluster_set_status(cluster, "v1", "nodes", "node-2", "{conditions: [{type: Ready, status: 'False'}]}");
  g_assert_true(cluster_exists(cluster, "v1", "pods", "going"));
  cluster_patch(cluster, "v1", "nodes", "node-2",
                "{spec: {taints: [{key: node.kubernetes.io/out-of-service, value: x, effect: NoExecute}]}}");
  cluster_wait(!cluster_exists(cluster, "v1", "pods", "going"));
  g_assert_true(is_phase(cluster, "staying", "Running"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/pod-gc/orphans", test_orphans);
  g_test_add_func("/pod-gc/orphans-after-restart", test_orphans_after_restart);
  g_test_add_func("/pod-gc/ended", test_ended);
  g_test_add_func("/pod-gc/unplaced", test_unplaced);
  g_test_add_func("/pod-gc/out-of-service", test_out_of_service);
  return g_test_run();
}
