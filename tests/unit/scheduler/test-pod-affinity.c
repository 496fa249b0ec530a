/* InterPodAffinity: pods near others, or away from them; both ways. */
#include <string.h>

#include "scene.h"

#define TERM(app, more) "{topologyKey: zone, labelSelector: {matchLabels: {app: " app "}}" more "}"
#define NEAR(terms) "affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [" terms "]}}"
#define AWAY(terms) "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [" terms "]}}"

/* a1, a2 in zone a; b1 in zone b; x1 in none. Pods: web on a1, db on b1. */
static Scene *make_scene(void)
{
  Scene *scene = scene_new();
  scene_node(scene, "a1", "{zone: a, host: a1}", "");
  scene_node(scene, "a2", "{zone: a, host: a2}", "");
  scene_node(scene, "b1", "{zone: b, host: b1}", "");
  scene_node(scene, "x1", "{host: x1}", "");
  scene_add(scene, SCHEDULER_NAMESPACES, "{metadata: {name: default, labels: {team: red}}}");
  scene_add(scene, SCHEDULER_NAMESPACES, "{metadata: {name: other, labels: {team: blue}}}");
  scene_run(scene, "web", "web", "a1", "");
  scene_run(scene, "db", "db", "b1", "");
  scene_add(
      scene, SCHEDULER_PODS,
      "{metadata: {name: far, namespace: other, labels: {app: far, hash: one}}, spec: {nodeName: b1, containers: []}}");
  return scene;
}

static const struct {
  const char *app, *spec, *fits;
} cases[] = {
  { "in", NEAR(TERM("web", "")), "a1 a2" },
  { "in", NEAR(TERM("db", "")), "b1" },
  { "in", NEAR(TERM("none", "")), "" },
  { "in", AWAY(TERM("web", "")), "b1 x1" },
  { "in", AWAY(TERM("none", "")), "a1 a2 b1 x1" },
  /* All terms of one pod: no pod is both. */
  { "in", NEAR(TERM("web", "") ", " TERM("db", "")), "" },
  { "in",
    NEAR("{topologyKey: zone, labelSelector: {matchLabels: {app: web}}}, {topologyKey: host, labelSelector: "
         "{matchLabels: {app: web}}}"),
    "a1" },
  /* The first of its own group may go anywhere there is a zone; once there is one, the others follow. */
  { "group", NEAR(TERM("group", "")), "a1 a2 b1" },
  { "web", NEAR(TERM("web", "")), "a1 a2" },
  { "in", NEAR(TERM("group", "")), "" },
  /* Namespaces: one's own unless others are named or selected. */
  { "in", NEAR(TERM("far", "")), "" },
  { "in", NEAR(TERM("far", ", namespaces: [other]")), "b1" },
  { "in", NEAR(TERM("far", ", namespaceSelector: {}")), "b1" },
  { "in", NEAR(TERM("far", ", namespaceSelector: {matchLabels: {team: blue}}")), "b1" },
  { "in", NEAR(TERM("far", ", namespaceSelector: {matchLabels: {team: red}}")), "" },
  { "in", NEAR(TERM("web", ", namespaceSelector: {matchLabels: {team: red}}")), "a1 a2" },
  { "in", AWAY(TERM("far", ", namespaceSelector: {}")), "a1 a2 x1" },
  /* matchLabelKeys, mismatchLabelKeys: the pod's own values. */
  { "in, hash: one", NEAR(TERM("far", ", namespaceSelector: {}, matchLabelKeys: [hash]")), "b1" },
  { "in, hash: two", NEAR(TERM("far", ", namespaceSelector: {}, matchLabelKeys: [hash]")), "" },
  { "in, hash: two", AWAY(TERM("far", ", namespaceSelector: {}, mismatchLabelKeys: [hash]")), "a1 a2 x1" },
  { "in, hash: one", AWAY(TERM("far", ", namespaceSelector: {}, mismatchLabelKeys: [hash]")), "a1 a2 b1 x1" },
  /* No selector selects nothing, an empty one everything. */
  { "in", AWAY("{topologyKey: zone}"), "a1 a2 b1 x1" },
  { "in", AWAY("{topologyKey: zone, labelSelector: {}}"), "x1" },
};

static void test_required(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(Scene) scene = make_scene();
    g_test_message("%s: %s", cases[i].app, cases[i].spec);
    scene_expect(scene_fitting(scene, cases[i].app, cases[i].spec), cases[i].fits);
  }
}

/* Who runs and wants to be alone keeps others away. */
static void test_symmetry(void)
{
  g_autoptr(Scene) scene = make_scene();
  scene_run(scene, "lonely", "lonely", "a2", AWAY(TERM("in", "")));
  scene_expect(scene_fitting(scene, "in", ""), "b1 x1");
  scene_expect(scene_fitting(scene, "out", ""), "a1 a2 b1 x1");
  scene_run(scene, "lonely-too", "lonely", "b1", AWAY(TERM("in", "")));
  scene_expect(scene_place(scene, "in", "nodeSelector: {zone: b}"),
               "0/4 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules, 3 node(s) didn't "
               "match Pod's node affinity/selector.");
  cluster_state_remove_pod(scene->state, "lonely");
  cluster_state_remove_pod(scene->state, "lonely-too");
  scene_expect(scene_fitting(scene, "in", ""), "a1 a2 b1 x1");
}

static void test_namespace_labels(void)
{
  static const char blue[] = NEAR(TERM("far", ", namespaceSelector: {matchLabels: {team: blue}}"));
  g_autoptr(Scene) scene = make_scene();
  PodInfo *keeper = scene_pod(scene, "keeper", "in", blue);
  scene_expect(scene_fitting(scene, "in", blue), "b1");
  scene_add(scene, SCHEDULER_NAMESPACES, "{metadata: {name: other, labels: {team: green}}}");
  scene_expect(scene_fitting(scene, "in", blue), "");
  scene_add(scene, SCHEDULER_NAMESPACES, "{metadata: {name: other, labels: {team: blue}}}");
  scene_expect(scene_fitting(scene, "in", blue), "b1");
  pod_info_unref(scene->state->tally, keeper);
}

static void test_texts(void)
{
  g_autoptr(Scene) scene = make_scene();
  scene_expect(scene_place(scene, "in", NEAR(TERM("none", ""))),
               "0/4 nodes are available: 4 node(s) didn't match pod affinity rules.");
  scene_expect(
      scene_place(scene, "in",
                  AWAY("{topologyKey: host, labelSelector: {}, namespaceSelector: {}}") ", "
                                                                                        "nodeSelector: {zone: b}"),
      "0/4 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 3 node(s) didn't match Pod's "
      "node affinity/selector.");
}

#define LIKES(sort, app, weight)                                                                                       \
  "affinity: {" sort ": {preferredDuringSchedulingIgnoredDuringExecution: [{weight: " weight                           \
  ", podAffinityTerm: " TERM(app, "") "}]}}"

static void test_preferred(void)
{
  for (unsigned i = 0; i < 4; i++) {
    g_autoptr(Scene) scene = make_scene();
    scene->start = i;
    scene_expect(scene_place(scene, "in", LIKES("podAffinity", "db", "10")), "b1");
    scene_expect(scene_place(scene, "in", LIKES("podAntiAffinity", "db", "10") ", nodeSelector: {host: b1}"), "b1");
    g_autofree char *away = scene_place(scene, "in", LIKES("podAntiAffinity", "web", "100"));
    g_assert_true(strcmp(away, "b1") == 0 || strcmp(away, "x1") == 0);
    /* What those who run would like counts as well; so does what they had to have. */
    scene_run(scene, "fan", "fan", "b1", LIKES("podAffinity", "in", "50"));
    scene_expect(scene_place(scene, "in", ""), "b1");
    cluster_state_remove_pod(scene->state, "fan");
    scene_run(scene, "bound", "in2", "b1", NEAR(TERM("in", "")));
    scene_expect(scene_place(scene, "in", ""), "b1");
    scene->profile->hard_affinity_weight = 0;
    g_autofree char *indifferent = scene_place(scene, "in", "");
    g_assert_cmpstr(indifferent, !=, "b1");
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/pod-affinity/required", test_required);
  g_test_add_func("/pod-affinity/symmetry", test_symmetry);
  g_test_add_func("/pod-affinity/namespace-labels", test_namespace_labels);
  g_test_add_func("/pod-affinity/texts", test_texts);
  g_test_add_func("/pod-affinity/preferred", test_preferred);
  return g_test_run();
}
