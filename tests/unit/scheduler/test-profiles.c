/* KubeSchedulerConfiguration: what it may say, what is wrong with it, and what it changes. */
#include <string.h>

#include "../controllers/cluster.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "clusterd/client/pod.h"
#include "clusterd/scheduler/scheduler_config.h"
#include "scene.h"

#define HEAD "apiVersion: kubescheduler.config.k8s.io/v1, kind: KubeSchedulerConfiguration"
#define PROFILE(members) "{" HEAD ", profiles: [{schedulerName: x, " members "}]}"
#define ARGS(plugin, args) PROFILE("pluginConfig: [{name: " plugin ", args: {" args "}}]")

static SchedulerConfig *read_config(const char *yaml, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) value = yaml_parse(yaml, strlen(yaml), &problem);
  g_assert_no_error(problem);
  return scheduler_config_from_json(value, error);
}

static const struct {
  const char *yaml, *problem; /* part of the message */
} wrong[] = {
  { "[]", "must be a KubeSchedulerConfiguration" },
  { "{apiVersion: kubescheduler.config.k8s.io/v1beta3, kind: KubeSchedulerConfiguration}",
    "apiVersion: Unsupported value: \"kubescheduler.config.k8s.io/v1beta3\"" },
  { "{apiVersion: kubescheduler.config.k8s.io/v1, kind: Other}", "kind: Unsupported value: \"Other\"" },
  { "{" HEAD ", profile: []}", "unknown field \"profile\"" },
  { "{" HEAD ", percentageOfNodesToScore: 101}",
    "percentageOfNodesToScore: Invalid value: 101: must be a number from 0 to 100" },
  { "{" HEAD ", podInitialBackoffSeconds: 5, podMaxBackoffSeconds: 2}", "podMaxBackoffSeconds: Invalid value: 2" },
  { "{" HEAD ", extenders: [{urlPrefix: 'http://x'}]}", "extenders: Forbidden" },
  { "{" HEAD ", profiles: [{schedulerName: a}, {schedulerName: a}]}",
    "profiles[1].schedulerName: Duplicate value: \"a\"" },
  { "{" HEAD ", profiles: [{schedulerName: 7}]}", "profiles[0].schedulerName" },
  { PROFILE("plugin: {}"), "profiles[0]: unknown field \"plugin\"" },
  { PROFILE("plugins: {filters: {}}"), "profiles[0].plugins: unknown field \"filters\"" },
  { PROFILE("plugins: {score: {disabled: [{name: Nothing}]}}"),
    "profiles[0].plugins.score.disabled[0]: Invalid value: \"Nothing\": there is no such plugin" },
  { PROFILE("plugins: {score: {enabled: [{name: NodeAffinity, weight: -1}]}}"),
    "profiles[0].plugins.score.enabled[0].weight: Invalid value: -1" },
  { PROFILE("pluginConfig: [{name: NodeName, args: {}}]"), "profiles[0].pluginConfig[0]: Invalid value: \"NodeName\"" },
  { PROFILE("pluginConfig: [{name: NodeResourcesFit}, {name: NodeResourcesFit}]"),
    "profiles[0].pluginConfig[1]: Duplicate value" },
  { ARGS("NodeResourcesFit", "scoringStrategies: {}"),
    "profiles[0].pluginConfig[0].args: unknown field \"scoringStrategies\"" },
  { ARGS("NodeResourcesFit", "kind: OtherArgs"), "kind: Invalid value: \"OtherArgs\": must be NodeResourcesFitArgs" },
  { ARGS("NodeResourcesFit", "scoringStrategy: {type: Best}"),
    "args.scoringStrategy.type: Unsupported value: \"Best\": supported values: \"LeastAllocated\", \"MostAllocated\", "
    "\"RequestedToCapacityRatio\"" },
  { ARGS("NodeResourcesFit", "scoringStrategy: {resources: [{name: cpu, weight: 101}]}"),
    "args.scoringStrategy.resources[0].weight: Invalid value: 101" },
  { ARGS("NodeResourcesFit", "scoringStrategy: {resources: [{name: cpu}, {name: cpu}]}"),
    "resources[1]: Duplicate value: \"cpu\"" },
  { ARGS("NodeResourcesFit", "scoringStrategy: {type: RequestedToCapacityRatio}"), "shape: Required value" },
  { ARGS(
        "NodeResourcesFit",
        "scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 50, score: "
        "1}, {utilization: 40, score: 2}]}}"),
    "shape[1]: Invalid value: 40: utilization values must be sorted in increasing order" },
  { ARGS("NodeResourcesFit", "scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: "
                             "[{utilization: 0, score: 11}]}}"),
    "shape[0].score: Invalid value: 11: must be a number from 0 to 10" },
  { ARGS("InterPodAffinity", "hardPodAffinityWeight: 101"), "hardPodAffinityWeight: Invalid value: 101" },
  { ARGS("PodTopologySpread", "defaultingType: Any"), "defaultingType: Unsupported value: \"Any\"" },
  { ARGS("PodTopologySpread",
         "defaultConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]"),
    "defaultingType: Invalid value: \"System\": when .defaultConstraints are specified" },
  { ARGS("PodTopologySpread",
         "defaultingType: List, defaultConstraints: [{maxSkew: 0, topologyKey: zone, whenUnsatisfiable: Sometimes}]"),
    "defaultConstraints[0].maxSkew: Invalid value: 0" },
  { ARGS("PodTopologySpread",
         "defaultingType: List, defaultConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, "
         "labelSelector: {}}]"),
    "defaultConstraints[0]: labelSelector: Forbidden" },
  { ARGS("DefaultPreemption", "minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0"), "must not both be 0" },
  { ARGS("VolumeBinding", "bindTimeoutSeconds: soon"), "bindTimeoutSeconds: Invalid value: \"soon\"" },
};

static void test_wrong(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(SchedulerConfig) config = read_config(wrong[i].yaml, &error);
    g_test_message("%s", wrong[i].yaml);
    g_assert_null(config);
    g_assert_true(reason_is(error, REASON_CONFIG));
    if (!strstr(error->message, wrong[i].problem))
      g_error("\"%s\" does not say \"%s\"", error->message, wrong[i].problem);
  }
}

/* Everything wrong is said at once. */
static void test_all_problems(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(SchedulerConfig) config =
      read_config("{" HEAD ", percentageOfNodesToScore: -1, podMaxBackoffSeconds: 0, what: 1}", &error);
  g_assert_null(config);
  g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
  g_assert_cmpuint(g_strv_length(lines), ==, 3);
}

static void test_defaults(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(SchedulerConfig) config =
      read_config("{" HEAD ", leaderElection: {leaderElect: true}, clientConnection: {kubeconfig: x}, parallelism: 8, "
                  "percentageOfNodesToScore: 30, podInitialBackoffSeconds: 2, podMaxBackoffSeconds: 20}",
                  &error);
  g_assert_no_error(error);
  g_assert_cmpuint(config->profiles->len, ==, 1);
  const SchedulerProfile *profile = scheduler_config_find(config, "default-scheduler");
  g_assert_nonnull(profile);
  g_assert_cmpint(profile->percentage, ==, 30);
  g_assert_cmpint(config->backoff_first_us, ==, 2 * G_USEC_PER_SEC);
  g_assert_cmpint(config->backoff_most_us, ==, 20 * G_USEC_PER_SEC);
  /* Upstream's weights. */
  static const struct {
    const char *name;
    int64_t weight;
  } weights[] = { { "TaintToleration", 3 },  { "NodeAffinity", 2 },     { "PodTopologySpread", 2 },
                  { "InterPodAffinity", 2 }, { "NodeResourcesFit", 1 }, { "NodeResourcesBalancedAllocation", 1 },
                  { "ImageLocality", 1 },    { "NodePorts", 0 } };
  for (size_t i = 0; i < G_N_ELEMENTS(weights); i++)
    g_assert_cmpint(profile->score_weights[plugin_find(weights[i].name)], ==, weights[i].weight);
  g_assert_null(scheduler_config_find(config, "other"));
}

static void test_plugins(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(SchedulerConfig) config = read_config(
      "{" HEAD ", profiles: [{schedulerName: none, plugins: {score: {disabled: [{name: '*'}]}}}, {schedulerName: one, "
      "plugins: {score: {disabled: [{name: '*'}], enabled: [{name: ImageLocality, weight: 7}]}}}, {schedulerName: "
      "gone, plugins: {multiPoint: {disabled: [{name: TaintToleration}]}}}, {schedulerName: back, plugins: "
      "{multiPoint: {disabled: [{name: TaintToleration}]}, filter: {enabled: [{name: TaintToleration}]}}}, "
      "{schedulerName: kind, plugins: {postFilter: {disabled: [{name: DefaultPreemption}]}}}]}",
      &error);
  g_assert_no_error(error);
  g_assert_cmpint(scheduler_config_find(config, "none")->score_weights[PLUGIN_IMAGE_LOCALITY], ==, 0);
  g_assert_true(scheduler_config_find(config, "none")->filters[PLUGIN_TAINT_TOLERATION]);
  g_assert_cmpint(scheduler_config_find(config, "one")->score_weights[PLUGIN_IMAGE_LOCALITY], ==, 7);
  g_assert_cmpint(scheduler_config_find(config, "one")->score_weights[PLUGIN_NODE_AFFINITY], ==, 0);
  g_assert_false(scheduler_config_find(config, "gone")->filters[PLUGIN_TAINT_TOLERATION]);
  g_assert_cmpint(scheduler_config_find(config, "gone")->score_weights[PLUGIN_TAINT_TOLERATION], ==, 0);
  g_assert_true(scheduler_config_find(config, "back")->filters[PLUGIN_TAINT_TOLERATION]);
  g_assert_cmpint(scheduler_config_find(config, "back")->score_weights[PLUGIN_TAINT_TOLERATION], ==, 0);
  g_assert_false(scheduler_config_find(config, "kind")->filters[PLUGIN_PREEMPTION]);
}

/* --- what it changes -------------------------------------------------------------------------------------------- */

/* The scene places by the only profile of CONFIG, which stays with it. */
static void use(Scene *scene, const char *yaml)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(SchedulerConfig) config = read_config(yaml, &error);
  g_assert_no_error(error);
  scheduler_profile_free(scene->profile);
  scene->profile = g_ptr_array_steal_index(config->profiles, 0);
}

#define CPU(amount) "containers: [{name: c, image: i, resources: {requests: {cpu: " amount ", memory: 1Mi}}}]"

/* Bin packing: nodes are filled one after the other. */
static void test_packing(void)
{
  static const char *const configs[] = {
    ARGS("NodeResourcesFit", "scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 1}]}"),
    ARGS("NodeResourcesFit",
         "scoringStrategy: {type: RequestedToCapacityRatio, resources: [{name: cpu, weight: 3}], "
         "requestedToCapacityRatio: {shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]}}"),
  };
  for (size_t i = 0; i < G_N_ELEMENTS(configs); i++) {
    g_autoptr(Scene) scene = scene_new();
    use(scene, configs[i]);
    scene->profile->score_weights[PLUGIN_BALANCED_ALLOCATION] = 0;
    scene_node(scene, "a", "{}", "");
    scene_node(scene, "b", "{}", "");
    scene_run(scene, "x", "x", "b", CPU("500m"));
    for (unsigned k = 0; k < 3; k++) {
      g_autofree char *name = g_strdup_printf("pod-%u", k);
      scene_expect(scene_put(scene, name, "a", CPU("500m")), "b");
    }
    scene_expect(scene_put(scene, "last", "a", CPU("500m")), "a");
  }
  /* Without it they are spread. */
  g_autoptr(Scene) scene = scene_new();
  scene_node(scene, "a", "{}", "");
  scene_node(scene, "b", "{}", "");
  scene_run(scene, "x", "x", "b", CPU("500m"));
  scene_expect(scene_place(scene, "a", CPU("500m")), "a");
}

static void test_arguments(void)
{
  g_autoptr(Scene) scene = scene_new();
  scene_node(scene, "a", "{zone: a}", "taints: [{key: t, effect: NoSchedule}]");
  scene_node(scene, "b", "{zone: b}", "");
  use(scene, PROFILE("plugins: {filter: {disabled: [{name: TaintToleration}]}}"));
  scene_expect(scene_fitting(scene, "a", ""), "a b");
  use(scene, ARGS("NodeAffinity", "addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
                                  "[{matchExpressions: [{key: zone, operator: In, values: [c]}]}]}}"));
  scene_expect(scene_place(scene, "a", "tolerations: [{operator: Exists}]"),
               "0/2 nodes are available: 2 node(s) didn't match scheduler-enforced node affinity.");
  /* Default constraints of the profile, for what services select. */
  scene_add(scene, SCHEDULER_SERVICES, "{metadata: {name: web}, spec: {selector: {app: a}}}");
  use(scene, ARGS("PodTopologySpread",
                  "defaultingType: List, defaultConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: "
                  "DoNotSchedule}]"));
  scene_run(scene, "first", "a", "b", "");
  scene_expect(scene_fitting(scene, "a", "tolerations: [{operator: Exists}]"), "a");
  use(scene, ARGS("NodeResourcesFit", "ignoredResourceGroups: [example.com]"));
  scene_expect(
      scene_place(scene, "z", "containers: [{name: c, image: i, resources: {requests: {example.com/gpu: 1}}}]"), "b");
}

static void test_percentage(void)
{
  g_assert_cmpuint(placement_enough(99, 10), ==, 99);
  g_assert_cmpuint(placement_enough(1000, 0), ==, 420);
  g_assert_cmpuint(placement_enough(6000, 0), ==, 300);
  g_assert_cmpuint(placement_enough(1000, 5), ==, 100);
  g_assert_cmpuint(placement_enough(1000, 70), ==, 700);
  g_assert_cmpuint(placement_enough(1000, 100), ==, 1000);
}

/* --- several schedulers in one ---------------------------------------------------------------------------------- */

static bool is_on(Cluster *cluster, const char *name, const char *node)
{
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  return strcmp(pod_node(pod), node) == 0;
}

static void create_pod(Cluster *cluster, const char *name, const char *scheduler)
{
  g_autofree char *yaml = g_strdup_printf(
      "{metadata: {name: %s}, spec: {schedulerName: %s, containers: [{name: c, image: i}]}}", name, scheduler);
  cluster_create(cluster, "v1", "pods", true, yaml);
}

/* Pods of a scheduler that is not there are left alone. */
static void test_unknown_scheduler(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  create_pod(cluster, "foreign", "somebody-else");
  create_pod(cluster, "own", "default-scheduler");
  cluster_wait(is_on(cluster, "own", "node-1"));
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, "foreign");
  g_assert_cmpstr(pod_node(pod), ==, "");
  g_assert_null(json_at(pod, "status", "conditions", NULL));
  g_assert_false(cluster_has_event(cluster, "foreign", "FailedScheduling", ""));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/profiles/wrong", test_wrong);
  g_test_add_func("/profiles/all-problems", test_all_problems);
  g_test_add_func("/profiles/defaults", test_defaults);
  g_test_add_func("/profiles/plugins", test_plugins);
  g_test_add_func("/profiles/packing", test_packing);
  g_test_add_func("/profiles/arguments", test_arguments);
  g_test_add_func("/profiles/percentage", test_percentage);
  g_test_add_func("/profiles/unknown-scheduler", test_unknown_scheduler);
  return g_test_run();
}
