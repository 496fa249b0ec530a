/* Which nodes a pod may use by its own words and its requests, and the texts when it may use none. */
#include "scene.h"

typedef struct Case {
  const char *node_labels, *node_spec, *pod_spec, *expected; /* the node "n", or the reason */
} Case;

#define NONE(reason) "0/1 nodes are available: 1 " reason "."
#define CPU(amount) "resources: {requests: {cpu: '" amount "'}}"
#define MATCH(terms)                                                                                                   \
  "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [" terms "]}}}"
#define NOT_SELECTED NONE("node(s) didn't match Pod's node affinity/selector")

static const Case cases[] = {
  { "{}", "", "", "n" },
  /* NodeUnschedulable */
  { "{}", "unschedulable: true", "", NONE("node(s) were unschedulable") },
  { "{}", "unschedulable: true",
    "tolerations: [{key: node.kubernetes.io/unschedulable, operator: Exists, effect: NoSchedule}]", "n" },
  /* TaintToleration */
  { "{}", "taints: [{key: a, value: b, effect: NoSchedule}]", "", NONE("node(s) had untolerated taint {a: b}") },
  { "{}", "taints: [{key: a, effect: NoExecute}]", "", NONE("node(s) had untolerated taint {a: }") },
  { "{}", "taints: [{key: a, value: b, effect: PreferNoSchedule}]", "", "n" },
  { "{}", "taints: [{key: a, value: b, effect: NoSchedule}]",
    "tolerations: [{key: a, operator: Equal, value: b, effect: NoSchedule}]", "n" },
  { "{}", "taints: [{key: a, value: b, effect: NoExecute}]",
    "tolerations: [{key: a, operator: Equal, value: b, effect: NoSchedule}]",
    NONE("node(s) had untolerated taint {a: b}") },
  { "{}", "taints: [{key: a, value: b, effect: NoSchedule}]", "tolerations: [{key: a, operator: Equal, value: c}]",
    NONE("node(s) had untolerated taint {a: b}") },
  { "{}", "taints: [{key: a, value: b, effect: NoSchedule}]", "tolerations: [{operator: Exists}]", "n" },
  /* NodeAffinity: the selector and one of the terms; in a term all expressions */
  { "{disk: ssd}", "", "nodeSelector: {disk: ssd}", "n" },
  { "{disk: hdd}", "", "nodeSelector: {disk: ssd}", NOT_SELECTED },
  { "{disk: ssd}", "", MATCH("{matchExpressions: [{key: disk, operator: In, values: [ssd, nvme]}]}"), "n" },
  { "{disk: ssd}", "", MATCH("{matchExpressions: [{key: disk, operator: NotIn, values: [ssd]}]}"), NOT_SELECTED },
  { "{}", "", MATCH("{matchExpressions: [{key: disk, operator: NotIn, values: [ssd]}]}"), "n" },
  { "{disk: ssd}", "", MATCH("{matchExpressions: [{key: disk, operator: Exists}]}"), "n" },
  { "{disk: ssd}", "", MATCH("{matchExpressions: [{key: disk, operator: DoesNotExist}]}"), NOT_SELECTED },
  { "{cores: '8'}", "", MATCH("{matchExpressions: [{key: cores, operator: Gt, values: ['4']}]}"), "n" },
  { "{cores: '8'}", "", MATCH("{matchExpressions: [{key: cores, operator: Lt, values: ['4']}]}"), NOT_SELECTED },
  { "{cores: many}", "", MATCH("{matchExpressions: [{key: cores, operator: Gt, values: ['4']}]}"), NOT_SELECTED },
  { "{disk: ssd}", "",
    MATCH("{matchExpressions: [{key: no, operator: Exists}]}, {matchExpressions: [{key: disk, operator: Exists}]}"),
    "n" },
  { "{disk: ssd}", "", MATCH("{matchExpressions: [{key: no, operator: Exists}, {key: disk, operator: Exists}]}"),
    NOT_SELECTED },
  { "{disk: ssd}", "", "nodeSelector: {no: way}, " MATCH("{matchExpressions: [{key: disk, operator: Exists}]}"),
    NOT_SELECTED },
  { "{}", "", MATCH("{}"), NOT_SELECTED },
  { "{}", "", MATCH("{matchFields: [{key: metadata.name, operator: In, values: [n]}]}"), "n" },
  { "{}", "", MATCH("{matchFields: [{key: metadata.name, operator: NotIn, values: [n]}]}"), NOT_SELECTED },
  { "{}", "", MATCH("{matchFields: [{key: metadata.name, operator: In, values: [m]}]}"),
    NONE("node(s) didn't satisfy plugin(s) [NodeAffinity]") },
  /* NodeResourcesFit */
  { "{}", "", "containers: [{name: c, image: i, " CPU("2") "}]", "n" },
  { "{}", "", "containers: [{name: c, image: i, " CPU("2001m") "}]", NONE("Insufficient cpu") },
  { "{}", "", "containers: [{name: a, image: i, " CPU("1500m") "}, {name: b, image: i, " CPU("600m") "}]",
    NONE("Insufficient cpu") },
  /* One init container after the other, beside nothing else */
  { "{}", "",
    "containers: [{name: c, image: i, " CPU("1") "}], initContainers: [{name: a, image: i, " CPU(
        "2") "}, {name: b, image: i, " CPU("2") "}]",
    "n" },
  { "{}", "", "containers: [{name: c, image: i, " CPU("1") "}], initContainers: [{name: a, image: i, " CPU("3") "}]",
    NONE("Insufficient cpu") },
  /* A sidecar runs beside the init containers after it and all containers */
  { "{}", "",
    "containers: [{name: c, image: i, " CPU(
        "1500m") "}], initContainers: [{name: s, image: i, restartPolicy: Always, " CPU("1") "}]",
    NONE("Insufficient cpu") },
  { "{}", "",
    "containers: [{name: c, image: i}], initContainers: [{name: s, image: i, restartPolicy: Always, " CPU(
        "1") "}, {name: a, image: i, " CPU("1500m") "}]",
    NONE("Insufficient cpu") },
  { "{}", "",
    "containers: [{name: c, image: i}], initContainers: [{name: a, image: i, " CPU(
        "1500m") "}, {name: s, image: i, restartPolicy: Always, " CPU("1") "}]",
    "n" },
  { "{}", "", "overhead: {cpu: 600m}, containers: [{name: c, image: i, " CPU("1500m") "}]", NONE("Insufficient cpu") },
  { "{}", "", "containers: [{name: c, image: i, resources: {requests: {memory: 3Gi, cpu: '5'}}}]",
    "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory." },
  { "{}", "", "containers: [{name: c, image: i, resources: {requests: {ephemeral-storage: 11Gi}}}]",
    NONE("Insufficient ephemeral-storage") },
  { "{}", "", "containers: [{name: c, image: i, resources: {requests: {example.com/gpu: 1}}}]",
    NONE("Insufficient example.com/gpu") },
};

static void test_one_node(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(Scene) scene = scene_new();
    scene_node(scene, "n", cases[i].node_labels, cases[i].node_spec);
    g_test_message("%s", cases[i].pod_spec);
    scene_expect(scene_place(scene, "a", cases[i].pod_spec), cases[i].expected);
  }
}

static void test_no_nodes(void)
{
  g_autoptr(Scene) scene = scene_new();
  scene_expect(scene_place(scene, "a", ""), "no nodes available to schedule pods");
}

/* The first reason of each node counts, in byte order of the texts. */
static void test_several_reasons(void)
{
  g_autoptr(Scene) scene = scene_new();
  scene_node(scene, "a", "{}", "unschedulable: true, taints: [{key: x, effect: NoSchedule}]");
  scene_node(scene, "b", "{}", "taints: [{key: a, value: b, effect: NoSchedule}]");
  scene_node(scene, "c", "{}", "");
  scene_expect(scene_place(scene, "a", "containers: [{name: c, image: i, " CPU("3") "}]"),
               "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {a: b}, 1 node(s) were "
               "unschedulable.");
}

static void test_room_of_others(void)
{
  g_autoptr(Scene) scene = scene_new();
  scene_node(scene, "n", "{}", "");
  scene_run(scene, "first", "a", "n", "containers: [{name: c, image: i, " CPU("1500m") "}]");
  scene_expect(scene_place(scene, "a", "containers: [{name: c, image: i, " CPU("501m") "}]"), NONE("Insufficient cpu"));
  scene_expect(scene_place(scene, "a", "containers: [{name: c, image: i, " CPU("500m") "}]"), "n");
  /* A pod that asks for nothing fits where nothing is left, while the node takes pods at all. */
  scene_run(scene, "second", "a", "n", "containers: [{name: c, image: i, " CPU("500m") "}]");
  scene_expect(scene_place(scene, "a", ""), "n");
  for (unsigned i = 0; i < 8; i++) {
    g_autofree char *name = g_strdup_printf("more-%u", i);
    scene_run(scene, name, "a", "n", "");
  }
  scene_expect(scene_place(scene, "a", ""), NONE("Too many pods"));
  cluster_state_remove_pod(scene->state, "more-0");
  scene_expect(scene_place(scene, "a", ""), "n");
}

static void test_ports(void)
{
#define PORT(members) "containers: [{name: c, image: i, ports: [{containerPort: 80, " members "}]}]"
  static const struct {
    const char *used, *wanted;
    bool fits;
  } ports[] = {
    { PORT("hostPort: 80"), PORT("hostPort: 80"), false },
    { PORT("hostPort: 80"), PORT("hostPort: 81"), true },
    { PORT("hostPort: 80"), PORT("hostPort: 80, protocol: UDP"), true },
    { PORT("hostPort: 80, hostIP: 127.0.0.1"), PORT("hostPort: 80, hostIP: 127.0.0.2"), true },
    { PORT("hostPort: 80, hostIP: 127.0.0.1"), PORT("hostPort: 80, hostIP: 127.0.0.1"), false },
    { PORT("hostPort: 80, hostIP: 127.0.0.1"), PORT("hostPort: 80, hostIP: 0.0.0.0"), false },
    { PORT("hostPort: 80, hostIP: 0.0.0.0"), PORT("hostPort: 80, hostIP: 127.0.0.1"), false },
    { PORT("name: web"), PORT("hostPort: 80"), true },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(ports); i++) {
    g_autoptr(Scene) scene = scene_new();
    scene_node(scene, "n", "{}", "");
    scene_run(scene, "first", "a", "n", ports[i].used);
    scene_expect(scene_place(scene, "a", ports[i].wanted),
                 ports[i].fits ? "n" : NONE("node(s) didn't have free ports for the requested pod ports"));
    cluster_state_remove_pod(scene->state, "first");
    scene_expect(scene_place(scene, "a", ports[i].wanted), "n");
  }
}

/* --- which of those that will do -------------------------------------------------------------------------------- */

static void test_scores(void)
{
  g_autoptr(Scene) scene = scene_new();
  scene_node(scene, "busy", "{disk: ssd}", "");
  scene_node(scene, "idle", "{}", "");
  scene_run(scene, "x", "x", "busy", "containers: [{name: c, image: i, " CPU("1") "}]");
  /* LeastAllocated */
  scene_expect(scene_place(scene, "a", ""), "idle");
  /* A preference of the pod weighs more. */
  scene_expect(scene_place(scene, "a",
                           "affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, "
                           "preference: {matchExpressions: [{key: disk, operator: In, values: [ssd]}]}}]}}"),
               "busy");
  /* PreferNoSchedule scores, and tolerating it makes all alike. */
  scene_node(scene, "idle", "{}", "taints: [{key: a, value: b, effect: PreferNoSchedule}]");
  scene_expect(scene_place(scene, "a", ""), "busy");
  scene_expect(scene_place(scene, "a", "tolerations: [{operator: Exists}]"), "idle");
}

static void test_balance(void)
{
  g_autoptr(Scene) scene = scene_new();
  scene_node(scene, "cpu", "{}", "");
  scene_node(scene, "memory", "{}", "");
  scene_run(scene, "x", "x", "cpu", "containers: [{name: c, image: i, resources: {requests: {cpu: '1', memory: 0}}}]");
  scene_run(scene, "y", "x", "memory",
            "containers: [{name: c, image: i, resources: {requests: {cpu: 1m, memory: 824Mi}}}]");
  /* What uses memory goes where the CPU is used. */
  scene_expect(
      scene_place(scene, "a", "containers: [{name: c, image: i, resources: {requests: {cpu: 1m, memory: 1Gi}}}]"),
      "cpu");
}

static void test_images(void)
{
  g_autoptr(Scene) scene = scene_new();
  scene_node(scene, "a", "{}", "");
  scene_add(scene, SCHEDULER_NODES,
            "{metadata: {name: b}, status: {allocatable: {cpu: '2', memory: 2Gi, pods: '10'}, images: [{names: "
            "['docker.io/library/large:latest', 'large:latest'], sizeBytes: 1000000000}]}}");
  scene_node(scene, "c", "{}", "");
  for (unsigned i = 0; i < 3; i++)
    scene_expect(scene_place(scene, "a", "containers: [{name: c, image: large}]"), "b");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/filters/one-node", test_one_node);
  g_test_add_func("/filters/no-nodes", test_no_nodes);
  g_test_add_func("/filters/several-reasons", test_several_reasons);
  g_test_add_func("/filters/room-of-others", test_room_of_others);
  g_test_add_func("/filters/ports", test_ports);
  g_test_add_func("/scores/preferences", test_scores);
  g_test_add_func("/scores/balance", test_balance);
  g_test_add_func("/scores/images", test_images);
  return g_test_run();
}
