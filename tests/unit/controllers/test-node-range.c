/* The ranges nodes get their pods' addresses from. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"

static bool has_range(Cluster *cluster, const char *node, const char *range)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "nodes", false, node);
  const json_t *spec = json_object_get(value, "spec"), *list = json_object_get(spec, "podCIDRs");
  g_autoptr(GString) joined = g_string_new(NULL);
  size_t i;
  json_t *item;
  json_array_foreach (list, i, item)
    g_string_append_printf(joined, "%s%s", i > 0 ? "," : "", json_string_value(item));
  return g_str_equal(joined->str, range) && json_same(json_object_get(spec, "podCIDR"), json_array_get(list, 0));
}

static void add(Cluster *cluster, const char *name, const char *spec)
{
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: %s}, spec: {%s}}", name, spec);
  cluster_create(cluster, "v1", "nodes", false, yaml);
}

static Cluster *make(const char *range, unsigned bits, const char *taken)
{
  ControllersConfig config = {
    .root_ca_pem = "-", .node_range = { .ranges = range, .node_bits = { [IP_V4] = bits, [IP_V6] = 64 }, .taken = taken }
  };
  return cluster_new_with(&config);
}

static void test_life(void)
{
  g_autoptr(Cluster) cluster = make("10.244.0.0/16", 24, "10.96.0.0/12");
  cluster_wait(has_range(cluster, "node-1", "10.244.0.0/24"));
  add(cluster, "own", "podCIDR: 10.244.1.0/24");
  add(cluster, "elsewhere", "podCIDR: 192.168.7.0/24");
  add(cluster, "next", "");
  cluster_wait(has_range(cluster, "next", "10.244.2.0/24"));
  g_assert_true(has_range(cluster, "own", "10.244.1.0/24") && has_range(cluster, "elsewhere", "192.168.7.0/24"));
  /* what a node had is free when it has gone */
  cluster_delete(cluster, "v1", "nodes", false, "own", NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "nodes", "own"));
  cluster_stop(cluster);
  add(cluster, "again", "");
  cluster_resume(cluster); /* and what others have is known from the beginning */
  cluster_wait(has_range(cluster, "again", "10.244.1.0/24"));
}

static void test_none_left(void)
{
  g_autoptr(Cluster) cluster = make("10.0.0.0/24", 26, "10.0.0.0/26");
  cluster_wait(has_range(cluster, "node-1", "10.0.0.64/26"));
  add(cluster, "node-2", "");
  cluster_wait(has_range(cluster, "node-2", "10.0.0.128/26"));
  add(cluster, "node-3", "podCIDR: 10.0.0.192/27"); /* less than a range takes it all */
  add(cluster, "node-4", "");
  cluster_wait(cluster_has_event(cluster, "node-4", "CIDRNotAvailable", "Node node-4 status is now: CIDRNotAvailable"));
  g_assert_true(has_range(cluster, "node-4", ""));
  cluster_delete(cluster, "v1", "nodes", false, "node-2", NULL);
  cluster_wait(has_range(cluster, "node-4", "10.0.0.128/26"));
}

/* A node gets one of each family, or none. */
static void test_both(void)
{
  g_autoptr(Cluster) cluster = make("10.0.0.0/24,fd00:10::/48", 26, "fd00:10:0:2::/112");
  cluster_wait(has_range(cluster, "node-1", "10.0.0.0/26,fd00:10::/64"));
  add(cluster, "own", "podCIDRs: ['10.0.0.64/26', 'fd00:10:0:1::/64']");
  add(cluster, "next", "");
  cluster_wait(has_range(cluster, "next", "10.0.0.128/26,fd00:10:0:3::/64"));
  add(cluster, "four", "podCIDR: 10.0.0.192/26");
  add(cluster, "late", "");
  cluster_wait(cluster_has_event(cluster, "late", "CIDRNotAvailable", "Node late status is now: CIDRNotAvailable"));
  cluster_delete(cluster, "v1", "nodes", false, "four", NULL);
  cluster_wait(has_range(cluster, "late", "10.0.0.192/26,fd00:10:0:4::/64"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/node-range/life", test_life);
  g_test_add_func("/node-range/none-left", test_none_left);
  g_test_add_func("/node-range/both", test_both);
  return g_test_run();
}
