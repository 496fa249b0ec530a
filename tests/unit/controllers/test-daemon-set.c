#include <glib.h>

#include "base/json.h"
#include "cluster.h"

static bool is_daemon_status(Cluster *cluster, int64_t desired, int64_t available, int64_t updated)
{
  g_autoptr(json_t) set = cluster_get(cluster, "apps/v1", "daemonsets", true, "agent");
  const json_t *status = json_object_get(set, "status");
  return json_int(status, "desiredNumberScheduled", 0) == desired &&
         json_int(status, "numberAvailable", 0) == available &&
         json_int(status, "updatedNumberScheduled", 0) == updated;
}

static void test_daemon_set(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(
      cluster, "apps/v1", "daemonsets", true,
      "{metadata: {name: agent}, spec: {selector: {matchLabels: {app: agent}}, template: {metadata: {labels: "
      "{app: agent}}, spec: {containers: [{name: c, image: one}]}}}}");
  cluster_wait(is_daemon_status(cluster, 1, 1, 1));
  /* A cordoned node keeps its daemon, and gets one when it is new. */
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {unschedulable: true}}");
  cluster_add_node(cluster, "node-2", "2", "{kubernetes.io/hostname: node-2}");
  cluster_wait(is_daemon_status(cluster, 2, 2, 2));
  cluster_patch(cluster, "apps/v1", "daemonsets", "agent",
                "{spec: {template: {spec: {containers: [{name: c, image: two}]}}}}");
  cluster_wait(is_daemon_status(cluster, 2, 2, 2) &&
               cluster_count(cluster, "apps/v1", "controllerrevisions", NULL) == 2 &&
               cluster_count(cluster, "v1", "pods", "agent") == 2);
  cluster_delete(cluster, "apps/v1", "daemonsets", true, "agent", "Background");
  cluster_wait(cluster_count(cluster, "v1", "pods", "agent") == 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/daemon-set/life", test_daemon_set);
  return g_test_run();
}
