/* Nodes that stop reporting, their taints, and how fast they are given up. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "cluster.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/taint.h"
#include "clusterd/controllers/nodes/node_zones.h"

#define GRACE_US (2 * G_USEC_PER_SEC)
#define PREFIX "node.kubernetes.io/"

static Cluster *make(void)
{
  ControllersConfig config = { .root_ca_pem = "-", .times = { .node_grace_us = GRACE_US } };
  return cluster_new_with(&config);
}

static bool has_taint(Cluster *cluster, const char *node, const char *key, const char *effect)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "nodes", false, node);
  g_autofree char *full = g_strconcat(PREFIX, key, NULL);
  return taint_find(value, full, effect) != NULL;
}

static size_t count_taints(Cluster *cluster, const char *node)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "nodes", false, node);
  return json_array_size(json_at(value, "spec", "taints", NULL));
}

/* What a kubelet says in its heartbeat. */
static void say(Cluster *cluster, const char *node, const char *type, const char *value)
{
  g_autofree char *now = timestamp_text_micro(timestamp_now_us());
  g_autoptr(json_t) old = cluster_get(cluster, "v1", "nodes", false, node);
  g_autoptr(json_t) status = json_deep_copy(json_object_get(old, "status"));
  condition_set(status, type, value, "KubeletSays", "so");
  json_object_set_new(condition_get(status, type), "lastHeartbeatTime", json_string(now));
  g_autofree char *text = json_dumps(status, 0);
  cluster_set_status(cluster, "v1", "nodes", node, text);
}

/* One node that always answers, whatever the others do. True, so that it can stand in a condition. */
static bool pulse(Cluster *cluster)
{
  say(cluster, "node-1", "Ready", "True");
  return true;
}

static bool is_unknown(Cluster *cluster, const char *node, const char *type, const char *reason, const char *message)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "nodes", false, node);
  const json_t *condition = condition_get(json_object_get(value, "status"), type);
  return strcmp(json_str(condition, "status", ""), "Unknown") == 0 &&
         strcmp(json_str(condition, "reason", ""), reason) == 0 &&
         strcmp(json_str(condition, "message", ""), message) == 0;
}

static bool is_pod_ready(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  return pod && pod_is_ready(pod);
}

/* --- silence ------------------------------------------------------------------------------------------------------ */

static void test_silence(void)
{
  g_autoptr(Cluster) cluster = make();
  cluster_wait(cluster_has_event(cluster, "node-1", "RegisteredNode",
                                 "Node node-1 event: Registered Node node-1 in Controller"));
  cluster_add_node(cluster, "node-2", "2", "{}");
  cluster_create(cluster, "v1", "pods", true,
                 "{metadata: {name: p}, spec: {nodeName: node-2, containers: [{name: c, image: i}]}}");
  cluster_wait(pulse(cluster) && is_pod_ready(cluster, "p"));
  cluster_wait(pulse(cluster) &&
               is_unknown(cluster, "node-2", "Ready", "NodeStatusUnknown", "Kubelet stopped posting node status."));
  g_assert_true(
      is_unknown(cluster, "node-2", "DiskPressure", "NodeStatusNeverUpdated", "Kubelet never posted node status."));
  cluster_wait(pulse(cluster) && has_taint(cluster, "node-2", "unreachable", "NoSchedule") &&
               has_taint(cluster, "node-2", "unreachable", "NoExecute"));
  /* its pods serve nobody from now on, and stay for their tolerations' 300 seconds */
  cluster_wait(pulse(cluster) && !is_pod_ready(cluster, "p"));
  cluster_wait(cluster_has_event(cluster, "p", "NodeNotReady", "Node is not ready"));
  cluster_wait(cluster_has_event(cluster, "node-2", "NodeNotReady", "Node node-2 status is now: NodeNotReady"));
  g_assert_true(cluster_exists(cluster, "v1", "pods", "p"));
  /* it comes back */
  say(cluster, "node-2", "Ready", "True");
  cluster_wait(pulse(cluster) && !has_taint(cluster, "node-2", "unreachable", "NoSchedule") &&
               !has_taint(cluster, "node-2", "unreachable", "NoExecute"));
  cluster_delete(cluster, "v1", "nodes", false, "node-2", NULL);
  cluster_wait(
      cluster_has_event(cluster, "node-2", "RemovingNode", "Node node-2 event: Removing Node node-2 from Controller"));
}

static bool renew(json_t *lease, void *data)
{
  g_autofree char *now = timestamp_text_micro(timestamp_now_us());
  json_object_set_new(json_ensure_object(lease, "spec", NULL), "renewTime", json_string(now));
  return true;
}

/* A renewed lease is a sign of life, and its end is not missed. */
static void test_lease(void)
{
  g_autoptr(Cluster) cluster = make();
  Client *client = cluster_client(cluster);
  cluster_create(cluster, "v1", "namespaces", false, "{metadata: {name: kube-node-lease}}");
  cluster_add_node(cluster, "node-2", "2", "{}");
  g_autoptr(json_t) value =
      json_pack("{s:{s:s}, s:{s:s}}", "metadata", "name", "node-2", "spec", "holderIdentity", "x");
  g_autoptr(Object) lease = client_create(client, "coordination.k8s.io/v1", "leases", "kube-node-lease", value, NULL);
  g_assert_nonnull(lease);
  int64_t end_us = g_get_monotonic_time() + 2 * GRACE_US, last_us = g_get_monotonic_time(), gap_us = 0;
  while (g_get_monotonic_time() < end_us) {
    g_autoptr(Object) renewed =
        client_modify(client, "coordination.k8s.io/v1", "leases", "kube-node-lease", "node-2", NULL, renew, NULL, NULL);
    gap_us = MAX(gap_us, g_get_monotonic_time() - last_us);
    last_us = g_get_monotonic_time();
    pulse(cluster);
    g_usleep(20000);
  }
  if (gap_us < GRACE_US / 2) /* else this machine was too busy to tell */
    g_assert_cmpuint(count_taints(cluster, "node-2"), ==, 0);
  cluster_wait(pulse(cluster) && has_taint(cluster, "node-2", "unreachable", "NoExecute"));
}

/* --- taints by conditions ----------------------------------------------------------------------------------------- */

static void test_conditions(void)
{
  static const char *const rows[][2] = {
    { "MemoryPressure", "memory-pressure" },
    { "DiskPressure", "disk-pressure" },
    { "PIDPressure", "pid-pressure" },
    { "NetworkUnavailable", "network-unavailable" },
  };
  g_autoptr(Cluster) cluster = cluster_new();
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    say(cluster, "node-1", rows[i][0], "True");
    cluster_wait(has_taint(cluster, "node-1", rows[i][1], "NoSchedule"));
    say(cluster, "node-1", rows[i][0], "False");
    cluster_wait(count_taints(cluster, "node-1") == 0);
  }
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {unschedulable: true}}");
  cluster_wait(has_taint(cluster, "node-1", "unschedulable", "NoSchedule"));
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {unschedulable: false}}");
  cluster_wait(count_taints(cluster, "node-1") == 0);
  /* what people taint stays */
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {taints: [{key: mine, effect: NoSchedule}]}}");
  say(cluster, "node-1", "DiskPressure", "True");
  cluster_wait(count_taints(cluster, "node-1") == 2);
  say(cluster, "node-1", "DiskPressure", "False");
  cluster_wait(count_taints(cluster, "node-1") == 1);
}

/* A new node is tainted until its kubelet says that it is ready; the kubelet may also take that back. */
static void test_not_ready(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "nodes", false, "{metadata: {name: new}}");
  g_assert_true(has_taint(cluster, "new", "not-ready", "NoSchedule"));
  say(cluster, "new", "Ready", "True");
  cluster_wait(count_taints(cluster, "new") == 0);
  say(cluster, "new", "Ready", "False");
  cluster_wait(has_taint(cluster, "new", "not-ready", "NoSchedule") &&
               has_taint(cluster, "new", "not-ready", "NoExecute"));
  g_autoptr(json_t) node = cluster_get(cluster, "v1", "nodes", false, "new");
  g_assert_nonnull(json_object_get(taint_find(node, PREFIX "not-ready", "NoExecute"), "timeAdded"));
  say(cluster, "new", "Ready", "True");
  cluster_wait(count_taints(cluster, "new") == 0);
}

/* --- how fast ----------------------------------------------------------------------------------------------------- */

static void test_zone_math(void)
{
  static const struct {
    unsigned ready, not_ready;
    ZoneState state;
    int64_t seconds; /* between two nodes */
  } rows[] = {
    { 1, 0, ZONE_NORMAL, 10 },     { 0, 1, ZONE_FULL, 10 },     { 0, 0, ZONE_NORMAL, 10 },
    { 1, 2, ZONE_NORMAL, 10 },     { 1, 3, ZONE_PARTIAL, 0 },   { 3, 3, ZONE_NORMAL, 10 },
    { 45, 55, ZONE_PARTIAL, 100 }, { 46, 54, ZONE_NORMAL, 10 }, { 20, 30, ZONE_PARTIAL, 0 },
    { 20, 31, ZONE_PARTIAL, 100 }, { 0, 500, ZONE_FULL, 10 },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_assert_cmpint(zone_state(rows[i].ready, rows[i].not_ready), ==, rows[i].state);
    g_assert_cmpint(zone_interval_us(rows[i].state, rows[i].ready + rows[i].not_ready), ==,
                    rows[i].seconds * G_USEC_PER_SEC);
  }
}

/* While no node answers it is rather the network: nobody is given up, and who was gets his pods back. */
static void test_all_silent(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_add_node(cluster, "node-2", "2", "{}");
  say(cluster, "node-2", "Ready", "False");
  cluster_wait(has_taint(cluster, "node-2", "not-ready", "NoExecute"));
  say(cluster, "node-1", "Ready", "False");
  cluster_wait(!has_taint(cluster, "node-2", "not-ready", "NoExecute"));
  cluster_wait(has_taint(cluster, "node-1", "not-ready", "NoSchedule"));
  g_assert_false(has_taint(cluster, "node-1", "not-ready", "NoExecute"));
  g_assert_true(has_taint(cluster, "node-2", "not-ready", "NoSchedule"));
}

/* One after the other in a zone; another zone does not wait for it. */
static void test_turns(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_add_node(cluster, "a-1", "2", "{topology.kubernetes.io/zone: a}");
  cluster_add_node(cluster, "a-2", "2", "{topology.kubernetes.io/zone: a}");
  cluster_add_node(cluster, "b-1", "2", "{topology.kubernetes.io/zone: b}");
  say(cluster, "a-1", "Ready", "False");
  cluster_wait(has_taint(cluster, "a-1", "not-ready", "NoExecute"));
  say(cluster, "a-2", "Ready", "False");
  say(cluster, "b-1", "Ready", "False");
  cluster_wait(has_taint(cluster, "b-1", "not-ready", "NoExecute"));
  cluster_wait(has_taint(cluster, "a-2", "not-ready", "NoSchedule"));
  g_assert_false(has_taint(cluster, "a-2", "not-ready", "NoExecute"));
}

/* A node that is given up already changes its taint at once when its kubelet speaks or falls silent. */
static void test_swap(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_add_node(cluster, "node-2", "2", "{}");
  say(cluster, "node-2", "Ready", "False");
  cluster_wait(has_taint(cluster, "node-2", "not-ready", "NoExecute"));
  say(cluster, "node-2", "Ready", "Unknown");
  cluster_wait(has_taint(cluster, "node-2", "unreachable", "NoExecute") &&
               !has_taint(cluster, "node-2", "not-ready", "NoExecute") &&
               !has_taint(cluster, "node-2", "not-ready", "NoSchedule"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/node-lifecycle/silence", test_silence);
  g_test_add_func("/node-lifecycle/lease", test_lease);
  g_test_add_func("/node-lifecycle/conditions", test_conditions);
  g_test_add_func("/node-lifecycle/not-ready", test_not_ready);
  g_test_add_func("/node-lifecycle/zone-math", test_zone_math);
  g_test_add_func("/node-lifecycle/all-silent", test_all_silent);
  g_test_add_func("/node-lifecycle/turns", test_turns);
  g_test_add_func("/node-lifecycle/swap", test_swap);
  return g_test_run();
}
