#include <glib.h>

#include "cluster.h"

static void test_garbage(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Background");
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 0);
  cluster_wait(cluster_count(cluster, "apps/v1", "replicasets", "web") == 0);

  /* Foreground: the owner is the last to go. */
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_hold_kubelet(cluster, true);
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Foreground");
  cluster_wait(cluster_count_pods(cluster, "web") == 0);
  g_assert_true(cluster_exists(cluster, "apps/v1", "deployments", "web"));
  cluster_hold_kubelet(cluster, false);
  cluster_wait(!cluster_exists(cluster, "apps/v1", "deployments", "web"));

  /* Orphan: what belonged to it stays. */
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Orphan");
  cluster_wait(!cluster_exists(cluster, "apps/v1", "deployments", "web"));
  g_usleep(20000);
  g_assert_cmpuint(cluster_count_pods(cluster, "web"), ==, 2);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/garbage-collector/propagation", test_garbage);
  return g_test_run();
}
