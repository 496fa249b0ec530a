/* The annotation that tells kubelets how long they may believe what they read. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"
#include "clusterd/controllers/nodes/node_ttl.h"

/* Up late and down late: the ranges overlap. */
static void test_steps(void)
{
  static const struct {
    unsigned n_nodes;
    int before, after;
  } rows[] = {
    { 0, 0, 0 },       { 100, 0, 0 },      { 101, 0, 15 },    { 90, 15, 15 },    { 89, 15, 0 },   { 500, 15, 15 },
    { 501, 15, 30 },   { 450, 30, 30 },    { 449, 30, 15 },   { 1001, 30, 60 },  { 900, 60, 60 }, { 899, 60, 30 },
    { 2001, 60, 300 }, { 1800, 300, 300 }, { 1799, 300, 60 }, { 99999, 0, 300 }, { 1, 300, 0 },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    g_assert_cmpint(node_ttl_seconds(rows[i].n_nodes, rows[i].before), ==, rows[i].after);
}

static bool has_ttl(Cluster *cluster, const char *node, const char *ttl)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "nodes", false, node);
  return strcmp(json_str(json_at(value, "metadata", "annotations", NULL), "node.alpha.kubernetes.io/ttl", ""), ttl) ==
         0;
}

static void test_nodes(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_wait(has_ttl(cluster, "node-1", "0"));
  cluster_patch(cluster, "v1", "nodes", "node-1", "{metadata: {annotations: {node.alpha.kubernetes.io/ttl: '77'}}}");
  cluster_wait(has_ttl(cluster, "node-1", "0"));
  for (int i = 2; i <= 101; i++) {
    g_autofree char *yaml = g_strdup_printf("{metadata: {name: node-%d}}", i);
    cluster_create(cluster, "v1", "nodes", false, yaml);
  }
  cluster_wait(has_ttl(cluster, "node-1", "15") && has_ttl(cluster, "node-101", "15"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/ttl/steps", test_steps);
  g_test_add_func("/ttl/nodes", test_nodes);
  return g_test_run();
}
