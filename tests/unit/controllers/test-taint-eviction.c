#include <glib.h>

#include "base/json.h"
#include "cluster.h"
#include "clusterd/client/pod.h"

static unsigned count_placed(Cluster *cluster)
{
  g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", "web");
  unsigned count = 0;
  for (unsigned i = 0; i < pods->len; i++)
    count += *pod_node(object_json(g_ptr_array_index(pods, i))) != '\0';
  return count;
}

static void test_taints(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {unschedulable: true}}");
  g_autoptr(json_t) node = NULL;
  cluster_wait((json_decref(node), node = cluster_get(cluster, "v1", "nodes", false, "node-1"),
                json_array_size(json_at(node, "spec", "taints", NULL)) == 1));
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {unschedulable: null}}");
  cluster_wait((json_decref(node), node = cluster_get(cluster, "v1", "nodes", false, "node-1"),
                json_array_size(json_at(node, "spec", "taints", NULL)) == 0));
  /* A NoExecute taint drives out what does not tolerate it. */
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {taints: [{key: away, effect: NoExecute}]}}");
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 2 && count_placed(cluster) == 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/taint-eviction/life", test_taints);
  return g_test_run();
}
