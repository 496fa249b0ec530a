/* Whether a node's pods can be reached by others. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"
#include "clusterd/client/conditions.h"

#define TAINT "node.kubernetes.io/network-unavailable"

static json_t *condition_of(const json_t *node)
{
  return condition_get(json_object_get(node, "status"), "NetworkUnavailable");
}

static bool is_available(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) node = cluster_get(cluster, "v1", "nodes", false, name);
  return strcmp(json_str(condition_of(node), "status", ""), "False") == 0;
}

static bool is_tainted(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) node = cluster_get(cluster, "v1", "nodes", false, name);
  return json_find(json_at(node, "spec", "taints", NULL), "key", TAINT) != NULL;
}

static void add(Cluster *cluster, const char *name, const char *range)
{
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: %s}, spec: {%s}}", name, range);
  cluster_create(cluster, "v1", "nodes", false, yaml);
}

#define UNAVAILABLE                                                                                                    \
  "{type: Ready, status: 'True'}, {type: NetworkUnavailable, status: 'True', reason: NoRouteCreated, message: m}"
#define ADDRESS "{type: InternalIP, address: 192.0.2.1}"

/* A second node that begins unavailable does not stay so; and what is written says who wrote it, once. */
static void test_second_node(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add(cluster, "second", "podCIDR: 10.244.1.0/24");
  cluster_set_status(cluster, "v1", "nodes", "second", "{conditions: [" UNAVAILABLE "]}");
  cluster_wait(is_tainted(cluster, "second"));
  cluster_set_status(cluster, "v1", "nodes", "second", "{addresses: [" ADDRESS "]}");
  cluster_wait(is_available(cluster, "second") && !is_tainted(cluster, "second"));
  g_autoptr(json_t) node = cluster_get(cluster, "v1", "nodes", false, "second");
  const json_t *condition = condition_of(node);
  g_assert_cmpstr(json_str(condition, "reason", ""), ==, "RouteCreated");
  g_assert_cmpstr(json_str(condition, "message", ""), ==, "RouteController created a route");
  g_assert_cmpstr(json_str(condition, "lastHeartbeatTime", ""), !=, "");
  g_assert_cmpstr(json_str(condition, "lastTransitionTime", ""), !=, "");
}

/* Without a range or without an address there is no route; a node that gets both later has one then. */
static void test_needs_both(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add(cluster, "rangeless", "");
  add(cluster, "homeless", "podCIDR: 10.244.2.0/24");
  add(cluster, "whole", "podCIDR: 10.244.3.0/24");
  cluster_set_status(cluster, "v1", "nodes", "rangeless", "{addresses: [" ADDRESS "]}");
  cluster_set_status(cluster, "v1", "nodes", "homeless", "{addresses: [{type: Hostname, address: homeless}]}");
  cluster_set_status(cluster, "v1", "nodes", "whole", "{addresses: [" ADDRESS "]}");
  cluster_wait(is_available(cluster, "whole")); /* there is one worker: the others have been looked at */
  g_assert_false(is_available(cluster, "rangeless") || is_available(cluster, "homeless"));
  cluster_patch(cluster, "v1", "nodes", "rangeless", "{spec: {podCIDR: 10.244.4.0/24}}");
  cluster_wait(is_available(cluster, "rangeless"));
}

/* What happened while nobody looked is seen at the start, and what somebody says later is put right. */
static void test_again(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_stop(cluster);
  add(cluster, "second", "podCIDR: 10.244.1.0/24");
  cluster_set_status(cluster, "v1", "nodes", "second", "{addresses: [" ADDRESS "]}");
  cluster_resume(cluster);
  cluster_wait(is_available(cluster, "second"));
  cluster_set_status(cluster, "v1", "nodes", "second", "{conditions: [" UNAVAILABLE "]}");
  cluster_wait(is_available(cluster, "second"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/node-routes/second-node", test_second_node);
  g_test_add_func("/node-routes/needs-both", test_needs_both);
  g_test_add_func("/node-routes/again", test_again);
  return g_test_run();
}
