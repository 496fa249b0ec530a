/* PodTopologySpread: which nodes a pod may use so that its like stay spread, and which are better. */
#include <string.h>

#include "scene.h"

#define RULE(key, more)                                                                                                \
  "topologySpreadConstraints: [{maxSkew: 1, topologyKey: " key ", whenUnsatisfiable: DoNotSchedule, labelSelector: "   \
  "{matchLabels: {app: a}}" more "}]"
#define SKEW(reason) "node(s) didn't match pod topology spread constraints" reason

/* Nodes a1, a2 in zone a, b1 in zone b, c1 in zone c, and x1 in none. */
static Scene *make_scene(void)
{
  Scene *scene = scene_new();
  scene_node(scene, "a1", "{zone: a, host: a1, tier: fast}", "");
  scene_node(scene, "a2", "{zone: a, host: a2}", "");
  scene_node(scene, "b1", "{zone: b, host: b1, tier: fast}", "");
  scene_node(scene, "c1", "{zone: c, host: c1}", "taints: [{key: t, effect: NoSchedule}]");
  scene_node(scene, "x1", "{host: x1}", "");
  return scene;
}

typedef struct Case {
  const char *running; /* "node node …": pods of app a */
  const char *spec;
  const char *fits; /* names of the nodes that will do */
} Case;

#define TOLERANT ", tolerations: [{operator: Exists}]"

static const Case cases[] = {
  /* A node without the key takes no part. */
  { "", RULE("zone", "") TOLERANT, "a1 a2 b1 c1" },
  { "a1", RULE("zone", "") TOLERANT, "b1 c1" },
  { "a1 b1", RULE("zone", "") TOLERANT, "c1" },
  { "a1 b1 c1", RULE("zone", "") TOLERANT, "a1 a2 b1 c1" },
  /* Taints do not take a zone out of the count, unless asked to: zone c is empty, and nothing may go there. */
  { "a1 b1", RULE("zone", ""), "" },
  { "a1 b1", RULE("zone", ", nodeTaintsPolicy: Honor"), "a1 a2 b1" },
  /* Where the pod may not go by its own node rules does not count, unless asked to. */
  { "a1 b1", RULE("zone", "") ", nodeSelector: {tier: fast}", "a1 b1" },
  { "a1 b1", RULE("zone", ", nodeAffinityPolicy: Ignore") ", nodeSelector: {tier: fast}", "" },
  { "a1", RULE("zone", "") ", nodeSelector: {tier: fast}", "b1" },
  /* Fewer domains than asked for: the least is zero. */
  { "a1 b1 c1", RULE("zone", ", minDomains: 4") TOLERANT, "" },
  { "a1 b1 c1", RULE("zone", ", minDomains: 3") TOLERANT, "a1 a2 b1 c1" },
  { "", RULE("zone", ", minDomains: 4") TOLERANT, "a1 a2 b1 c1" },
  /* Hosts. */
  { "a1 a2 b1 c1", RULE("host", "") TOLERANT, "x1" },
  { "a1 a1", RULE("host", "") TOLERANT, "a2 b1 c1 x1" },
  /* Both at once. */
  { "a1",
    "topologySpreadConstraints: [{maxSkew: 2, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: "
    "{matchLabels: {app: a}}}, {maxSkew: 1, topologyKey: host, whenUnsatisfiable: DoNotSchedule, labelSelector: "
    "{matchLabels: {app: a}}}]" TOLERANT,
    "a2 b1 c1" },
  /* A wider skew; other pods than its own kind; itself not counted. */
  { "a1 a1",
    "topologySpreadConstraints: [{maxSkew: 3, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: "
    "{matchLabels: {app: a}}}]" TOLERANT,
    "a1 a2 b1 c1" },
  { "a1 a1",
    "topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: "
    "{matchLabels: {app: b}}}]" TOLERANT,
    "a1 a2 b1 c1" },
  /* Only a preference. */
  { "a1 a1 a1",
    "topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: "
    "{matchLabels: {app: a}}}]" TOLERANT,
    "a1 a2 b1 c1 x1" },
  /* A selector that is not there selects nothing. */
  { "a1 a1", "topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]" TOLERANT,
    "a1 a2 b1 c1" },
};

static void run_all(Scene *scene, const char *nodes)
{
  g_auto(GStrv) names = g_strsplit(nodes, " ", -1);
  for (unsigned i = 0; *nodes && names[i]; i++) {
    g_autofree char *name = g_strdup_printf("pod-%u", i);
    scene_run(scene, name, "a", names[i], "");
  }
}

static void test_hard(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(Scene) scene = make_scene();
    run_all(scene, cases[i].running);
    g_test_message("%s | %s", cases[i].running, cases[i].spec);
    scene_expect(scene_fitting(scene, "a", cases[i].spec), cases[i].fits);
  }
}

/* A term that is new counts the pods that run already; one that is known follows them. */
static void test_incremental(void)
{
  g_autoptr(Scene) scene = make_scene();
  PodInfo *keeper = scene_pod(scene, "keeper", "a", RULE("zone", ""));
  run_all(scene, "a1 b1");
  scene_expect(scene_fitting(scene, "a", RULE("zone", "") TOLERANT), "c1");
  cluster_state_remove_pod(scene->state, "pod-0");
  scene_expect(scene_fitting(scene, "a", RULE("zone", "") TOLERANT), "a1 a2 c1");
  /* Pods that are being deleted do not count. */
  scene_add(scene, SCHEDULER_PODS,
            "{metadata: {name: pod-1, labels: {app: a}, deletionTimestamp: '2024-01-01T00:00:00Z'}, spec: {nodeName: "
            "b1, containers: []}}");
  scene_expect(scene_fitting(scene, "a", RULE("zone", "") TOLERANT), "a1 a2 b1 c1");
  /* A node moves to another zone, another goes. */
  run_all(scene, "a1 b1");
  scene_node(scene, "b1", "{zone: a, host: b1}", "");
  scene_expect(scene_fitting(scene, "a", RULE("zone", "") TOLERANT), "c1");
  cluster_state_remove_node(scene->state, "c1");
  scene_expect(scene_fitting(scene, "a", RULE("zone", "") TOLERANT), "a1 a2 b1");
  pod_info_unref(scene->state->tally, keeper);
}

static void test_label_keys(void)
{
  g_autoptr(Scene) scene = make_scene();
  scene_add(scene, SCHEDULER_PODS,
            "{metadata: {name: old, labels: {app: a, hash: one}}, spec: {nodeName: a1, containers: []}}");
  /* Only pods of the same revision count; the incoming one has no label hash, then the key says nothing. */
  scene_expect(scene_fitting(scene, "a", RULE("zone", ", matchLabelKeys: [hash]") TOLERANT), "b1 c1");
  scene_expect(scene_fitting(scene, "a, hash: two", RULE("zone", ", matchLabelKeys: [hash]") TOLERANT), "a1 a2 b1 c1");
  scene_expect(scene_fitting(scene, "a, hash: one", RULE("zone", ", matchLabelKeys: [hash]") TOLERANT), "b1 c1");
}

static void test_other_namespaces(void)
{
  g_autoptr(Scene) scene = make_scene();
  scene_add(scene, SCHEDULER_PODS,
            "{metadata: {name: far, namespace: other, labels: {app: a}}, spec: {nodeName: a1, containers: []}}");
  scene_expect(scene_fitting(scene, "a", RULE("zone", "") TOLERANT), "a1 a2 b1 c1");
}

static void test_texts(void)
{
  g_autoptr(Scene) scene = make_scene();
  run_all(scene, "a1 b1");
  scene_expect(scene_place(scene, "a", RULE("zone", "")),
               "0/5 nodes are available: 1 " SKEW(" (missing required label)") ", 1 node(s) had untolerated taint {t: "
                                                                               "}, 3 " SKEW("") ".");
}

/* ScheduleAnyway prefers the emptier domains. */
static void test_soft(void)
{
  static const char soft[] =
      "topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: "
      "{matchLabels: {app: a}}}]" TOLERANT;
  g_autoptr(Scene) scene = make_scene();
  run_all(scene, "a1 a2 b1");
  for (unsigned i = 0; i < 5; i++)
    scene_expect(scene_place(scene, "a", soft), "c1");
}

/* Pods of one service, or of one owner, are spread although they do not ask for it; others are not. */
static void test_defaults(void)
{
  static const char *const services[] = { "{metadata: {name: web}, spec: {selector: {app: a}}}", NULL };
  for (unsigned with = 0; with < 2; with++) {
    g_autoptr(Scene) scene = scene_new();
    scene_node(scene, "n1", "{kubernetes.io/hostname: n1}", "");
    scene_node(scene, "n2", "{kubernetes.io/hostname: n2}", "");
    scene_node(scene, "n3", "{kubernetes.io/hostname: n3}", "");
    if (with)
      scene_add(scene, SCHEDULER_SERVICES, services[0]);
    run_all(scene, "n1 n1 n3");
    /* All are equally free otherwise: n2 has a larger pod of another sort. */
    scene_run(scene, "other", "b", "n2",
              "containers: [{name: c, image: i, resources: {requests: {cpu: 300m, memory: 600Mi}}}]");
    g_autofree char *place = scene_place(scene, "a", "");
    g_assert_true((strcmp(place, "n2") == 0) == (with == 1));
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/spread/hard", test_hard);
  g_test_add_func("/spread/incremental", test_incremental);
  g_test_add_func("/spread/label-keys", test_label_keys);
  g_test_add_func("/spread/other-namespaces", test_other_namespaces);
  g_test_add_func("/spread/texts", test_texts);
  g_test_add_func("/spread/soft", test_soft);
  g_test_add_func("/spread/defaults", test_defaults);
  return g_test_run();
}
