/* Making room: who may, who must go, and what is written about it. */
#include <string.h>

#include "../controllers/cluster.h"
#include "base/json.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "scene.h"

#define CPU(amount) "containers: [{name: c, image: i, resources: {requests: {cpu: " amount "}}}]"
#define PRIORITY(value, amount) "priority: " value ", " CPU(amount)

typedef struct Running {
  const char *name, *node, *spec;
} Running;

typedef struct Case {
  const char *nodes; /* "n m" */
  Running running[5];
  const char *pod, *expected;
} Case;

static const Case cases[] = {
  /* Nobody of lower priority. */
  { "n",
    { { "x", "n", PRIORITY("10", "2000m") } },
    PRIORITY("10", "1000m"),
    "0/1 nodes are available: 1 No preemption victims found for incoming pod." },
  { "n", { { "x", "n", PRIORITY("0", "2000m") } }, PRIORITY("10", "1000m"), "n: x" },
  /* As few as needed: those that matter most are spared first. */
  { "n",
    { { "x", "n", PRIORITY("1", "1000m") }, { "y", "n", PRIORITY("2", "1000m") } },
    PRIORITY("10", "1000m"),
    "n: x" },
  { "n",
    { { "x", "n", PRIORITY("1", "500m") }, { "y", "n", PRIORITY("2", "1000m") }, { "z", "n", PRIORITY("3", "500m") } },
    PRIORITY("10", "1000m"),
    "n: y" },
  /* Not those above, though they use the room. */
  { "n",
    { { "x", "n", PRIORITY("20", "1500m") }, { "y", "n", PRIORITY("0", "500m") } },
    PRIORITY("10", "1000m"),
    "0/1 nodes are available: 1 Insufficient cpu." },
  /* The node whose most important victim is least important. */
  { "m n",
    { { "x", "m", PRIORITY("5", "2000m") }, { "y", "n", PRIORITY("3", "2000m") } },
    PRIORITY("10", "1000m"),
    "n: y" },
  /* Then the smaller sum. */
  { "m n",
    { { "x1", "m", PRIORITY("3", "1000m") },
      { "x2", "m", PRIORITY("3", "1000m") },
      { "y1", "n", PRIORITY("3", "1000m") },
      { "y2", "n", PRIORITY("2", "1000m") } },
    PRIORITY("10", "2000m"),
    "n: y1, y2" },
  /* Then fewer. */
  { "m n",
    { { "x1", "m", PRIORITY("3", "1000m") },
      { "x2", "m", PRIORITY("3", "1000m") },
      { "y", "n", PRIORITY("3", "2000m") } },
    PRIORITY("10", "2000m"),
    "n: y" },
  /* Where it would not help nobody is looked for. */
  { "m n",
    { { "x", "n", PRIORITY("0", "2000m") } },
    "nodeSelector: {no: way}, " PRIORITY("10", "1000m"),
    "0/2 nodes are available: 2 Preemption is not helpful for scheduling." },
  { "n",
    { { "x", "n", PRIORITY("0", "2000m") } },
    PRIORITY("10", "3000m"),
    "0/1 nodes are available: 1 Preemption is not helpful for scheduling." },
  { "n",
    { { "x", "n", PRIORITY("0", "2000m") } },
    "preemptionPolicy: Never, " PRIORITY("10", "1000m"),
    "not eligible due to preemptionPolicy=Never." },
  /* Anti-affinity, ports: the room is not cpu. */
  { "n",
    { { "x", "n", "priority: 0" }, { "y", "n", "priority: 0" } },
    "priority: 10, affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: host, "
    "labelSelector: {matchLabels: {app: x}}}]}}",
    "n: x" },
  { "n",
    { { "x", "n", "priority: 0, containers: [{name: c, image: i, ports: [{containerPort: 1, hostPort: 1}]}]" },
      { "y", "n", "priority: 0" } },
    "priority: 10, containers: [{name: c, image: i, ports: [{containerPort: 1, hostPort: 1}]}]",
    "n: x" },
};

static void test_victims(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(Scene) scene = scene_new();
    g_auto(GStrv) nodes = g_strsplit(cases[i].nodes, " ", -1);
    for (unsigned k = 0; nodes[k]; k++) {
      g_autofree char *labels = g_strdup_printf("{host: %s}", nodes[k]);
      scene_node(scene, nodes[k], labels, "");
    }
    for (unsigned k = 0; k < 5 && cases[i].running[k].name; k++)
      scene_run(scene, cases[i].running[k].name, cases[i].running[k].name, cases[i].running[k].node,
                cases[i].running[k].spec);
    g_test_message("%zu: %s", i, cases[i].expected);
    unsigned before = g_hash_table_size(scene->state->pods);
    scene_expect(scene_preempt(scene, "in", cases[i].pod), cases[i].expected);
    /* All on trial. */
    g_assert_cmpuint(g_hash_table_size(scene->state->pods), ==, before);
    scene_expect(scene_preempt(scene, "in", cases[i].pod), cases[i].expected);
  }
}

/* Among equals the node whose victims started last. */
static void test_start_times(void)
{
  for (unsigned late = 0; late < 2; late++) {
    g_autoptr(Scene) scene = scene_new();
    static const char *const names[] = { "m", "n" };
    for (unsigned i = 0; i < 2; i++) {
      g_autofree char *yaml = g_strdup_printf(
          "{metadata: {name: on-%s, labels: {app: x}}, spec: {nodeName: %s, " CPU("2000m") "}, status: {startTime: "
                                                                                           "'2024-01-0%dT00:00:00Z'}}",
          names[i], names[i], i == late ? 2 : 1);
      scene_node(scene, names[i], "{}", "");
      scene_add(scene, SCHEDULER_PODS, yaml);
    }
    scene_expect(scene_preempt(scene, "in", PRIORITY("10", "2000m")), late ? "n: on-n" : "m: on-m");
  }
}

/* Budgets are kept where that is possible, and broken where it is not. */
static void test_budgets(void)
{
  g_autoptr(Scene) scene = scene_new();
  scene_node(scene, "m", "{}", "");
  scene_node(scene, "n", "{}", "");
  scene_run(scene, "x", "guarded", "m", PRIORITY("0", "2000m"));
  scene_run(scene, "y", "free", "n", PRIORITY("5", "2000m"));
  scene_add(scene, SCHEDULER_BUDGETS,
            "{metadata: {name: b}, spec: {selector: {matchLabels: {app: guarded}}}, status: {disruptionsAllowed: 0}}");
  scene_expect(scene_preempt(scene, "in", PRIORITY("10", "1000m")), "n: y");
  cluster_state_remove_node(scene->state, "n");
  scene_expect(scene_preempt(scene, "in", PRIORITY("10", "1000m")), "m: x");
}

/* On one node the pods whose budget would be broken are spared first. */
static void test_spared(void)
{
  g_autoptr(Scene) scene = scene_new();
  scene_node(scene, "n", "{}", "");
  scene_run(scene, "x", "guarded", "n", PRIORITY("0", "1000m"));
  scene_run(scene, "y", "free", "n", PRIORITY("5", "1000m"));
  scene_add(scene, SCHEDULER_BUDGETS,
            "{metadata: {name: b}, spec: {selector: {matchLabels: {app: guarded}}}, status: {disruptionsAllowed: 0}}");
  scene_expect(scene_preempt(scene, "in", PRIORITY("10", "1000m")), "n: y");
  scene_add(scene, SCHEDULER_BUDGETS,
            "{metadata: {name: b}, spec: {selector: {matchLabels: {app: guarded}}}, status: {disruptionsAllowed: 1}}");
  scene_expect(scene_preempt(scene, "in", PRIORITY("10", "1000m")), "n: x");
}

/* What a pod was promised is not there for others, unless they are more important. */
static void test_promise(void)
{
  g_autoptr(Scene) scene = scene_new();
  scene_node(scene, "n", "{}", "");
  PodInfo *promised = scene_pod(scene, "promised", "in", PRIORITY("10", "1500m"));
  cluster_state_nominate(scene->state, promised, "n");
  scene_expect(scene_place(scene, "in", PRIORITY("0", "1000m")), "0/1 nodes are available: 1 Insufficient cpu.");
  scene_expect(scene_place(scene, "in", PRIORITY("0", "500m")), "n");
  scene_expect(scene_place(scene, "in", PRIORITY("20", "1000m")), "n");
  cluster_state_nominate(scene->state, promised, NULL);
  scene_expect(scene_place(scene, "in", PRIORITY("0", "1000m")), "n");
  pod_info_unref(scene->state->tally, promised);
}

/* --- with a server ---------------------------------------------------------------------------------------------- */

static json_t *pod_of(Cluster *cluster, const char *name)
{
  return cluster_get(cluster, "v1", "pods", true, name);
}

static bool is_on(Cluster *cluster, const char *name, const char *node)
{
  g_autoptr(json_t) pod = pod_of(cluster, name);
  return strcmp(pod_node(pod), node) == 0;
}

static bool is_marked(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) pod = pod_of(cluster, name);
  const json_t *condition = condition_get(json_object_get(pod, "status"), "DisruptionTarget");
  return pod_is_deleting(pod) && strcmp(json_str(condition, "reason", ""), "PreemptionByScheduler") == 0 &&
         strcmp(json_str(condition, "message", ""),
                "default-scheduler: preempting to accommodate a higher priority pod") == 0;
}

static bool is_promised(Cluster *cluster, const char *name, const char *node)
{
  g_autoptr(json_t) pod = pod_of(cluster, name);
  return strcmp(json_str(json_object_get(pod, "status"), "nominatedNodeName", ""), node) == 0;
}

static void create_pod(Cluster *cluster, const char *name, const char *class, const char *cpu)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s}, spec: {%s containers: [{name: c, image: i, resources: {requests: {cpu: "
                      "'%s'}}}]}}",
                      name, class, cpu);
  cluster_create(cluster, "v1", "pods", true, yaml);
}

static Cluster *make_cluster(void)
{
  Cluster *cluster = cluster_new();
  cluster_create(cluster, "scheduling.k8s.io/v1", "priorityclasses", false, "{metadata: {name: high}, value: 1000}");
  return cluster;
}

/* The victim is told, ends gracefully, and meanwhile its room is promised. */
static void test_graceful(void)
{
  g_autoptr(Cluster) cluster = make_cluster();
  create_pod(cluster, "victim", "", "1500m");
  cluster_wait(is_on(cluster, "victim", "node-1"));
  g_autoptr(json_t) running = NULL;
  cluster_wait((json_decref(running), running = pod_of(cluster, "victim"), strcmp(pod_phase(running), "Running") == 0));
  cluster_hold_kubelet(cluster, true);
  create_pod(cluster, "urgent", "priorityClassName: high,", "1");
  cluster_wait(is_marked(cluster, "victim") && is_promised(cluster, "urgent", "node-1"));
  cluster_wait(cluster_has_event(cluster, "victim", "Preempted", " on node node-1"));
  cluster_wait(
      cluster_has_event(cluster, "urgent", "FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu."));
  /* Another one that comes now does not get the room, and takes nobody else. */
  create_pod(cluster, "late", "", "1500m");
  cluster_wait(cluster_has_event(cluster, "late", "FailedScheduling", "1 Insufficient cpu"));
  /* Also a scheduler that begins anew knows of the promise. */
  cluster_stop(cluster);
  cluster_resume(cluster);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_on(cluster, "urgent", "node-1"));
  g_assert_true(is_on(cluster, "late", ""));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/preemption/victims", test_victims);
  g_test_add_func("/preemption/start-times", test_start_times);
  g_test_add_func("/preemption/budgets", test_budgets);
  g_test_add_func("/preemption/spared", test_spared);
  g_test_add_func("/preemption/promise", test_promise);
  g_test_add_func("/preemption/graceful", test_graceful);
  return g_test_run();
}
