#include <glib.h>
#include <string.h>

#include "../controllers/cluster.h"
#include "base/json.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"

static void create_pod(Cluster *cluster, const char *name, const char *spec)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s, labels: {app: %s}}, spec: {%s%s containers: [{name: c, image: i}]}}", name,
                      name, spec, *spec ? "," : "");
  cluster_create(cluster, "v1", "pods", true, yaml);
}

static void create_pod_with_cpu(Cluster *cluster, const char *name, const char *cpu, const char *spec)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s}, spec: {%s%s containers: [{name: c, image: i, resources: "
                      "{requests: {cpu: '%s'}}}]}}",
                      name, spec, *spec ? "," : "", cpu);
  cluster_create(cluster, "v1", "pods", true, yaml);
}

static bool is_on(Cluster *cluster, const char *name, const char *node)
{
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  return strcmp(pod_node(pod), node) == 0;
}

static bool is_refused(Cluster *cluster, const char *name, const char *message)
{
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  const json_t *condition = condition_get(json_object_get(pod, "status"), "PodScheduled");
  return strcmp(json_str(condition, "reason", ""), "Unschedulable") == 0 &&
         strcmp(json_str(condition, "message", ""), message) == 0;
}

static void test_bind(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  gint64 start = g_get_monotonic_time();
  create_pod(cluster, "a", "");
  while (!is_on(cluster, "a", "node-1"))
    g_thread_yield();
  g_test_message("create to bind: %" G_GINT64_FORMAT " us", g_get_monotonic_time() - start);
  cluster_wait(cluster_has_event(cluster, "a", "Scheduled", "Successfully assigned default/a to node-1"));
}

static void test_resources(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  static const char message[] =
      "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No "
      "preemption victims found for incoming pod.";
  create_pod_with_cpu(cluster, "first", "1500m", "");
  cluster_wait(is_on(cluster, "first", "node-1"));
  create_pod_with_cpu(cluster, "second", "1", "");
  cluster_wait(is_refused(cluster, "second", message));
  cluster_wait(cluster_has_event(cluster, "second", "FailedScheduling", message));
  /* Room is made: the waiting pod is placed by that event, after its backoff. */
  cluster_delete(cluster, "v1", "pods", true, "first", NULL);
  cluster_wait(is_on(cluster, "second", "node-1"));
}

static void test_selector_and_taints(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  create_pod(cluster, "picky", "nodeSelector: {disk: ssd}");
  cluster_wait(
      is_refused(cluster, "picky",
                 "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 "
                 "nodes are available: 1 Preemption is not helpful for scheduling."));
  cluster_add_node(cluster, "node-2", "2", "{disk: ssd}");
  cluster_wait(is_on(cluster, "picky", "node-2"));
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {taints: [{key: a, value: b, effect: NoSchedule}]}}");
  cluster_patch(cluster, "v1", "nodes", "node-2", "{spec: {unschedulable: true}}");
  create_pod(cluster, "plain", "");
  cluster_wait(cluster_has_event(cluster, "plain", "FailedScheduling", "1 node(s) had untolerated taint {a: b}"));
  create_pod(cluster, "tolerant", "tolerations: [{key: a, operator: Equal, value: b, effect: NoSchedule}]");
  cluster_wait(is_on(cluster, "tolerant", "node-1"));
  create_pod(cluster, "bound", "nodeName: node-2");
  cluster_wait(is_on(cluster, "bound", "node-2"));
}

static void test_gates(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  create_pod(cluster, "gated", "schedulingGates: [{name: example.com/wait}]");
  create_pod(cluster, "free", "");
  cluster_wait(is_on(cluster, "free", "node-1"));
  g_assert_true(is_on(cluster, "gated", ""));
  g_autoptr(json_t) gated = cluster_get(cluster, "v1", "pods", true, "gated");
  const json_t *condition = condition_get(json_object_get(gated, "status"), "PodScheduled");
  g_assert_cmpstr(json_str(condition, "status", ""), ==, "False");
  g_assert_cmpstr(json_str(condition, "reason", ""), ==, "SchedulingGated");
  g_assert_false(cluster_has_event(cluster, "gated", "FailedScheduling", ""));
  cluster_patch(cluster, "v1", "pods", "gated", "{spec: {schedulingGates: null}}");
  cluster_wait(is_on(cluster, "gated", "node-1"));
}

/* A pod that already waits is tried again when it is changed so that it fits. */
static void test_changed(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {taints: [{key: a, value: b, effect: NoSchedule}]}}");
  create_pod(cluster, "waits", "");
  cluster_wait(is_refused(cluster, "waits",
                          "0/1 nodes are available: 1 node(s) had untolerated taint {a: b}. preemption: 0/1 nodes are "
                          "available: 1 Preemption is not helpful for scheduling."));
  /* Tolerations may be added to those it has. */
  cluster_patch(cluster, "v1", "pods", "waits",
                "{spec: {tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, "
                "tolerationSeconds: 300}, {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, "
                "tolerationSeconds: 300}, {operator: Exists}]}}");
  cluster_wait(is_on(cluster, "waits", "node-1"));
}

/* Whatever else happens to nodes, a pod that waits for a label is brought back by that label alone. */
static void test_event_that_helps(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  create_pod(cluster, "picky", "nodeSelector: {disk: ssd}");
  cluster_wait(cluster_has_event(cluster, "picky", "FailedScheduling", "node affinity/selector"));
  cluster_patch(cluster, "v1", "nodes", "node-1", "{metadata: {labels: {disk: hdd}}}");
  create_pod(cluster, "other", "");
  cluster_wait(is_on(cluster, "other", "node-1"));
  cluster_delete(cluster, "v1", "pods", true, "other", NULL);
  cluster_patch(cluster, "v1", "nodes", "node-1", "{metadata: {labels: {disk: ssd}}}");
  cluster_wait(is_on(cluster, "picky", "node-1"));
}

static void test_preemption(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "scheduling.k8s.io/v1", "priorityclasses", false, "{metadata: {name: high}, value: 1000}");
  create_pod_with_cpu(cluster, "small", "500m", "");
  create_pod_with_cpu(cluster, "large", "1500m", "");
  cluster_wait(is_on(cluster, "small", "node-1") && is_on(cluster, "large", "node-1"));
  create_pod_with_cpu(cluster, "urgent", "1", "priorityClassName: high, priority: 1000");
  cluster_wait(is_on(cluster, "urgent", "node-1"));
  /* One victim was enough. */
  g_assert_false(cluster_exists(cluster, "v1", "pods", "large"));
  g_assert_true(cluster_exists(cluster, "v1", "pods", "small"));
  cluster_wait(cluster_has_event(cluster, "large", "Preempted", "Preempted by pod"));
}

static void test_company(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_add_node(cluster, "node-2", "2", "{kubernetes.io/hostname: node-2}");
  static const char alone[] =
      "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: "
      "kubernetes.io/hostname, labelSelector: {matchExpressions: [{key: app, operator: In, values: [a, b, c]}]}}]}}";
  create_pod(cluster, "a", alone);
  create_pod(cluster, "b", alone);
  cluster_wait(!is_on(cluster, "a", "") && !is_on(cluster, "b", ""));
  g_assert_true(is_on(cluster, "a", "node-1") != is_on(cluster, "b", "node-1"));
  create_pod(cluster, "c", alone);
  cluster_wait(cluster_has_event(cluster, "c", "FailedScheduling", "2 node(s) didn't match pod anti-affinity rules"));
  create_pod(cluster, "friend",
             "affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: "
             "kubernetes.io/hostname, labelSelector: {matchLabels: {app: b}}}]}}");
  cluster_wait(!is_on(cluster, "friend", ""));
  g_assert_true(is_on(cluster, "friend", "node-1") == is_on(cluster, "b", "node-1"));
}

static void test_spread(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_add_node(cluster, "node-2", "2", "{kubernetes.io/hostname: node-2}");
  cluster_create(
      cluster, "apps/v1", "replicasets", true,
      "{metadata: {name: web}, spec: {replicas: 6, selector: {matchLabels: {app: web}}, template: {metadata: "
      "{labels: {app: web}}, spec: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: "
      "kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}], "
      "containers: [{name: c, image: i}]}}}}");
  unsigned first = 0, second = 0;
  for (unsigned tries = 0; first + second < 6 && tries < WAIT_SECONDS * 1000; tries++) {
    g_usleep(1000);
    g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", "web");
    first = second = 0;
    for (unsigned i = 0; i < pods->len; i++) {
      const char *node = pod_node(object_json(g_ptr_array_index(pods, i)));
      first += strcmp(node, "node-1") == 0;
      second += strcmp(node, "node-2") == 0;
    }
  }
  g_assert_cmpuint(first, ==, 3);
  g_assert_cmpuint(second, ==, 3);
}

/* Many pods at once: all are placed, none beyond what the node takes. */
static void test_many(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  gint64 start = g_get_monotonic_time();
  cluster_create(
      cluster, "apps/v1", "replicasets", true,
      "{metadata: {name: web}, spec: {replicas: 120, selector: {matchLabels: {app: web}}, template: {metadata: "
      "{labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}}}");
  g_autoptr(json_t) set = NULL;
  cluster_wait((json_decref(set), set = cluster_get(cluster, "apps/v1", "replicasets", true, "web"),
                json_int(json_object_get(set, "status"), "readyReplicas", 0) == 110));
  g_test_message("110 of 120 pods ready after %" G_GINT64_FORMAT " us", g_get_monotonic_time() - start);
  g_assert_cmpuint(cluster_count_pods(cluster, "web"), ==, 120);
}

/* --- hundreds of nodes ------------------------------------------------------------------------------------------ */

#define NODES 300
#define REPLICAS 600
#define STEP 50
#define ZONES 3

static void add_nodes(Cluster *cluster)
{
  for (unsigned i = 0; i < NODES; i++) {
    g_autofree char *name = g_strdup_printf("many-%u", i);
    g_autofree char *labels =
        g_strdup_printf("{kubernetes.io/hostname: %s, topology.kubernetes.io/zone: zone-%u}", name, i % ZONES);
    cluster_add_node(cluster, name, "2", labels);
  }
}

/* How many pods of the app web are placed; IN_ZONE gets how many in each, MOST the most on one node. */
static unsigned count_placed(Cluster *cluster, unsigned in_zone[ZONES], unsigned *most)
{
  g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", "web");
  g_autofree unsigned *on_node = g_new0(unsigned, NODES);
  unsigned placed = 0;
  memset(in_zone, 0, ZONES * sizeof *in_zone);
  *most = 0;
  for (unsigned i = 0; i < pods->len; i++) {
    const char *node = pod_node(object_json(g_ptr_array_index(pods, i)));
    if (!*node)
      continue;
    g_assert_true(g_str_has_prefix(node, "many-"));
    unsigned number = (unsigned)g_ascii_strtoull(node + strlen("many-"), NULL, 10);
    placed++;
    in_zone[number % ZONES]++;
    on_node[number]++;
    *most = MAX(*most, on_node[number]);
  }
  return placed;
}

static bool has_placed(Cluster *cluster, unsigned n)
{
  unsigned in_zone[ZONES], most;
  return count_placed(cluster, in_zone, &most) >= n;
}

/* The scheduler ends in the middle and begins anew: every pod is placed, once, and no rule is broken. */
static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_nodes(cluster);
  g_autofree char *yaml = g_strdup_printf(
      "{metadata: {name: web}, spec: {replicas: %u, selector: {matchLabels: {app: web}}, template: {metadata: {labels: "
      "{app: web}}, spec: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, "
      "whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}], containers: [{name: c, image: i, "
      "resources: {requests: {cpu: 900m}}}]}}}}",
      REPLICAS);
  cluster_create(cluster, "apps/v1", "replicasets", true, yaml);
  cluster_wait(has_placed(cluster, REPLICAS / 4));
  cluster_stop(cluster);
  cluster_resume(cluster);
  /* In steps: each may take its time on a slow machine. */
  for (unsigned n = REPLICAS / 4; n <= REPLICAS; n += STEP)
    cluster_wait(has_placed(cluster, n));
  unsigned in_zone[ZONES], most;
  g_assert_cmpuint(count_placed(cluster, in_zone, &most), ==, REPLICAS);
  for (unsigned i = 0; i < ZONES; i++)
    g_assert_cmpuint(in_zone[i], ==, REPLICAS / ZONES);
  /* 900m twice, not three times. */
  g_assert_cmpuint(most, ==, 2);
}

/* --- what happens while a pod is being bound ------------------------------------------------------------------------
 */

static int failed_bindings; /* atomic */

static GLogWriterOutput count_failures(GLogLevelFlags level, const GLogField *fields, gsize n_fields, void *data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp(fields[i].key, "MESSAGE") == 0 && g_str_has_prefix(fields[i].value, "Cannot bind pod"))
      g_atomic_int_inc(&failed_bindings);
  return g_log_writer_default(level, fields, n_fields, data);
}

static void delete_now(Cluster *cluster, const char *pod)
{
  DeleteOptions now = { .grace_period_seconds = 0 };
  g_autoptr(GError) error = NULL;
  client_delete(cluster_client(cluster), "v1", "pods", "default", pod, &now, &error);
  g_assert_no_error(error);
}

/* A pod that goes while it is being bound leaves its room to others at once; one that takes its name is not taken for
 * it. The pods want the whole node each, so any that is still counted keeps the last one out. */
static void test_pod_gone_while_binding(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  int before = g_atomic_int_get(&failed_bindings);
  gint64 end = g_get_monotonic_time() + (gint64)WAIT_SECONDS * G_USEC_PER_SEC;
  for (int i = 0; i < 10 || g_atomic_int_get(&failed_bindings) == before; i++) {
    create_pod_with_cpu(cluster, "brief", "2", "");
    g_usleep((gulong)(i % 5) * 100); /* somewhere between the decision and the binding */
    delete_now(cluster, "brief");
    g_assert_cmpint(g_get_monotonic_time(), <, end);
  }
  create_pod_with_cpu(cluster, "lasting", "2", "");
  cluster_wait(is_on(cluster, "lasting", "node-1"));
}

/* A node that goes while a pod is being bound to it: the pod is there or waits. When the node is back, it is there and
 * counts, once. */
static void test_node_gone_while_binding(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_hold_kubelet(cluster, true);
  for (int i = 0; i < 6; i++) {
    create_pod_with_cpu(cluster, "p", "1500m", "");
    g_usleep((gulong)(i % 5) * 100);
    cluster_delete(cluster, "v1", "nodes", false, "node-1", NULL);
    cluster_wait(!cluster_exists(cluster, "v1", "nodes", "node-1"));
    cluster_add_node(cluster, "node-1", "2", "{kubernetes.io/hostname: node-1}");
    cluster_wait(is_on(cluster, "p", "node-1"));
    create_pod_with_cpu(cluster, "q", "1", "");
    cluster_wait(is_refused(cluster, "q",
                            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No "
                            "preemption victims found for incoming pod."));
    delete_now(cluster, "p");
    delete_now(cluster, "q");
    cluster_wait(!cluster_exists(cluster, "v1", "pods", "p") && !cluster_exists(cluster, "v1", "pods", "q"));
  }
  create_pod_with_cpu(cluster, "lasting", "2", "");
  cluster_wait(is_on(cluster, "lasting", "node-1"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_log_set_writer_func(count_failures, NULL, NULL);
  g_test_add_func("/scheduler/bind", test_bind);
  g_test_add_func("/scheduler/resources", test_resources);
  g_test_add_func("/scheduler/selector-and-taints", test_selector_and_taints);
  g_test_add_func("/scheduler/gates", test_gates);
  g_test_add_func("/scheduler/changed", test_changed);
  g_test_add_func("/scheduler/event-that-helps", test_event_that_helps);
  g_test_add_func("/scheduler/preemption", test_preemption);
  g_test_add_func("/scheduler/company", test_company);
  g_test_add_func("/scheduler/spread", test_spread);
  g_test_add_func("/scheduler/many", test_many);
  g_test_add_func("/scheduler/restart", test_restart);
  g_test_add_func("/scheduler/binding/pod-gone", test_pod_gone_while_binding);
  g_test_add_func("/scheduler/binding/node-gone", test_node_gone_while_binding);
  return g_test_run();
}
