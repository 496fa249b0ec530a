/* Volumes: what claims ask of nodes, which volumes are chosen, and the way to a pod that is bound with them. */
#include <string.h>

#include "../controllers/cluster.h"
#include "base/json.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/scheduler/plugins/volume_plan.h"
#include "scene.h"

#define USES(claim) "volumes: [{name: v, persistentVolumeClaim: {claimName: " claim "}}]"
#define CLAIM(name, spec) "{metadata: {name: " name "}, spec: {accessModes: [ReadWriteOnce], " spec "}}"
#define BOUND_CLAIM(name, volume)                                                                                      \
  "{metadata: {name: " name ", annotations: {pv.kubernetes.io/bind-completed: 'yes'}}, spec: {accessModes: "           \
  "[ReadWriteOnce], volumeName: " volume "}, status: {phase: Bound}}"
#define LATE_CLAIM(name, size) CLAIM(name, "storageClassName: late, resources: {requests: {storage: " size "}}")
#define VOLUME(name, size, more)                                                                                       \
  "{metadata: {name: " name                                                                                            \
  "}, spec: {accessModes: [ReadWriteOnce], storageClassName: late, capacity: {storage: " size "}, " more               \
  "}, status: {phase: Available}}"
#define ON(node)                                                                                                       \
  "nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: host, operator: In, values: [" node "]}]}]" \
  "}}"
#define NONE(text) "0/2 nodes are available: " text "."

static Scene *make_scene(void)
{
  Scene *scene = scene_new();
  scene_node(scene, "a", "{host: a, topology.kubernetes.io/zone: za}", "");
  scene_node(scene, "b", "{host: b, topology.kubernetes.io/zone: zb}", "");
  scene_add(scene, SCHEDULER_CLASSES,
            "{metadata: {name: late}, provisioner: kubernetes.io/no-provisioner, volumeBindingMode: "
            "WaitForFirstConsumer}");
  scene_add(scene, SCHEDULER_CLASSES,
            "{metadata: {name: made}, provisioner: example.com/maker, volumeBindingMode: WaitForFirstConsumer, "
            "allowedTopologies: [{matchLabelExpressions: [{key: host, values: [b]}]}]}");
  return scene;
}

typedef struct Case {
  const char *claims[3], *volumes[3]; /* YAML */
  const char *pod, *expected;
} Case;

static const Case cases[] = {
  { { NULL }, { NULL }, USES("c"), NONE("persistentvolumeclaim \"c\" not found") },
  { { CLAIM("c", "resources: {requests: {storage: 1Gi}}") },
    { NULL },
    USES("c"),
    NONE("pod has unbound immediate PersistentVolumeClaims") },
  { { "{metadata: {name: c}, spec: {accessModes: [ReadWriteOnce], volumeName: v}, status: {phase: Lost}}" },
    { NULL },
    USES("c"),
    NONE("persistentvolumeclaim \"c\" bound to non-existent persistentvolume \"v\"") },
  { { "{metadata: {name: c, deletionTimestamp: '2024-01-01T00:00:00Z'}, spec: {accessModes: [ReadWriteOnce]}}" },
    { NULL },
    USES("c"),
    NONE("persistentvolumeclaim \"c\" is being deleted") },
  { { NULL },
    { NULL },
    "volumes: [{name: scratch, ephemeral: {volumeClaimTemplate: {}}}]",
    NONE("waiting for ephemeral volume controller to create the persistentvolumeclaim \"incoming-scratch\"") },
  /* Bound: the volume's node affinity. */
  { { BOUND_CLAIM("c", "v") }, { VOLUME("v", "1Gi", ON("b")) }, USES("c"), "b" },
  { { BOUND_CLAIM("c", "v") },
    { VOLUME("v", "1Gi", ON("z")) },
    USES("c"),
    NONE("2 node(s) had volume node affinity conflict") },
  { { BOUND_CLAIM("c", "v") },
    { NULL },
    USES("c"),
    NONE("2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)") },
  /* Not yet: a volume is looked for. */
  { { LATE_CLAIM("c", "1Gi") },
    { NULL },
    USES("c"),
    NONE("2 node(s) didn't find available persistent volumes to bind") },
  { { LATE_CLAIM("c", "1Gi") }, { VOLUME("v", "1Gi", ON("b")) }, USES("c"), "b" },
  { { LATE_CLAIM("c", "2Gi") },
    { VOLUME("v", "1Gi", ON("b")) },
    USES("c"),
    NONE("2 node(s) didn't find available persistent volumes to bind") },
  { { LATE_CLAIM("c", "1Gi") },
    { VOLUME("v", "1Gi", ON("b") ", claimRef: {namespace: default, name: another, uid: x}") },
    USES("c"),
    NONE("2 node(s) didn't find available persistent volumes to bind") },
  { { LATE_CLAIM("c", "1Gi") },
    { VOLUME("v", "1Gi", ON("b") ", claimRef: {namespace: default, name: c}") },
    USES("c"),
    "b" },
  /* Two claims need two volumes that reach one node. */
  { { LATE_CLAIM("c", "1Gi"), LATE_CLAIM("d", "1Gi") },
    { VOLUME("v", "1Gi", ON("a")), VOLUME("w", "1Gi", ON("b")) },
    "volumes: [{name: v, persistentVolumeClaim: {claimName: c}}, {name: w, persistentVolumeClaim: {claimName: d}}]",
    NONE("2 node(s) didn't find available persistent volumes to bind") },
  { { LATE_CLAIM("c", "1Gi"), LATE_CLAIM("d", "1Gi") },
    { VOLUME("v", "1Gi", ON("a")), VOLUME("w", "1Gi", ON("b")), VOLUME("x", "1Gi", ON("a")) },
    "volumes: [{name: v, persistentVolumeClaim: {claimName: c}}, {name: w, persistentVolumeClaim: {claimName: d}}]",
    "a" },
  /* Two volumes of one claim need one. */
  { { LATE_CLAIM("c", "1Gi") },
    { VOLUME("v", "1Gi", ON("b")) },
    "volumes: [{name: v, persistentVolumeClaim: {claimName: c}}, {name: w, persistentVolumeClaim: {claimName: c}}]",
    "b" },
  /* A volume can be made, where the class allows; once a node is selected, there. */
  { { CLAIM("c", "storageClassName: made, resources: {requests: {storage: 1Gi}}") }, { NULL }, USES("c"), "b" },
  { { "{metadata: {name: c, annotations: {volume.kubernetes.io/selected-node: a}}, spec: {accessModes: "
      "[ReadWriteOnce], storageClassName: made, resources: {requests: {storage: 1Gi}}}}" },
    { NULL },
    USES("c"),
    "a" },
  /* The zone of a bound volume. */
  { { BOUND_CLAIM("c", "v") },
    { "{metadata: {name: v, labels: {topology.kubernetes.io/zone: zb}}, spec: {accessModes: [ReadWriteOnce]}}" },
    USES("c"),
    "b" },
  { { BOUND_CLAIM("c", "v") },
    { "{metadata: {name: v, labels: {topology.kubernetes.io/zone: zx__zy}}, spec: {accessModes: [ReadWriteOnce]}}" },
    USES("c"),
    NONE("2 node(s) had no available volume zone") },
};

static void test_nodes(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(Scene) scene = make_scene();
    for (unsigned k = 0; k < 3 && cases[i].claims[k]; k++)
      scene_add(scene, SCHEDULER_CLAIMS, cases[i].claims[k]);
    for (unsigned k = 0; k < 3 && cases[i].volumes[k]; k++)
      scene_add(scene, SCHEDULER_VOLUMES, cases[i].volumes[k]);
    g_test_message("%zu: %s", i, cases[i].expected);
    scene_expect(scene_place(scene, "a", cases[i].pod), cases[i].expected);
  }
}

/* The smallest volume that will do; one chosen for a claim is not there for another. */
static void test_choice(void)
{
  g_autoptr(Scene) scene = make_scene();
  scene_add(scene, SCHEDULER_CLAIMS, LATE_CLAIM("c", "1Gi"));
  scene_add(scene, SCHEDULER_CLAIMS, LATE_CLAIM("d", "1Gi"));
  scene_add(scene, SCHEDULER_VOLUMES, VOLUME("large", "5Gi", ON("a")));
  scene_add(scene, SCHEDULER_VOLUMES, VOLUME("small", "1Gi", ON("a")));
  PodInfo *pod = scene_pod(scene, "incoming", "a", USES("c"));
  Cycle *cycle = cycle_new(scene->state, scene->profile, pod);
  g_auto(Placement) placement = { 0 };
  placement_find(cycle, &scene->start, &placement);
  GArray *choices = volume_plan_choose(cycle, placement.node);
  g_assert_cmpuint(choices->len, ==, 1);
  g_assert_cmpstr(object_name(g_array_index(choices, VolumeChoice, 0).volume), ==, "small");
  volume_choices_assume(scene->state, choices, true);
  g_assert_cmpstr(g_hash_table_lookup(scene->state->assumed_volumes, "small"), ==, "default/c");
  scene_add(scene, SCHEDULER_CLAIMS, LATE_CLAIM("e", "1Gi"));
  scene_expect(scene_place(scene, "a",
                           "volumes: [{name: v, persistentVolumeClaim: {claimName: d}}, {name: w, "
                           "persistentVolumeClaim: {claimName: e}}]"),
               NONE("2 node(s) didn't find available persistent volumes to bind"));
  volume_choices_assume(scene->state, choices, false);
  scene_expect(scene_place(scene, "a",
                           "volumes: [{name: v, persistentVolumeClaim: {claimName: d}}, {name: w, "
                           "persistentVolumeClaim: {claimName: e}}]"),
               "a");
  volume_choices_free(choices);
  cycle_free(cycle);
  pod_info_unref(scene->state->tally, pod);
}

static void test_one_pod_only(void)
{
  g_autoptr(Scene) scene = make_scene();
  scene_add(scene, SCHEDULER_CLAIMS,
            "{metadata: {name: c, annotations: {pv.kubernetes.io/bind-completed: 'yes'}}, spec: {accessModes: "
            "[ReadWriteOncePod], volumeName: v}}");
  scene_add(scene, SCHEDULER_VOLUMES, VOLUME("v", "1Gi", ""));
  scene_run(scene, "holder", "a", "a", USES("c"));
  scene_expect(scene_place(scene, "a", USES("c")),
               NONE("2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"));
  /* A pod of higher priority may take it over. */
  scene_expect(scene_preempt(scene, "a", "priority: 10, " USES("c")), "a: holder");
  cluster_state_remove_pod(scene->state, "holder");
  g_autofree char *place = scene_place(scene, "a", USES("c"));
  g_assert_cmpuint(strlen(place), ==, 1);
}

static void test_limits(void)
{
  g_autoptr(Scene) scene = make_scene();
  static const char *const names[] = { "c", "d" };
  for (unsigned i = 0; i < 2; i++) {
    g_autofree char *claim = g_strdup_printf(BOUND_CLAIM("%s", "v-%s"), names[i], names[i]);
    g_autofree char *volume = g_strdup_printf(
        "{metadata: {name: v-%s}, spec: {csi: {driver: d.example.com, volumeHandle: h-%s}}}", names[i], names[i]);
    scene_add(scene, SCHEDULER_CLAIMS, claim);
    scene_add(scene, SCHEDULER_VOLUMES, volume);
  }
  scene_add(scene, SCHEDULER_CSI_NODES,
            "{metadata: {name: a}, spec: {drivers: [{name: d.example.com, allocatable: {count: 1}}]}}");
  scene_run(scene, "holder", "a", "a", USES("c"));
  scene_expect(scene_place(scene, "a", "nodeSelector: {host: a}, " USES("d")),
               NONE("1 node(s) didn't match Pod's node affinity/selector, 1 node(s) exceed max volume count"));
  /* The same volume once more costs nothing. */
  scene_expect(scene_place(scene, "a", "nodeSelector: {host: a}, " USES("c")), "a");
  scene_expect(scene_place(scene, "a", USES("d")), "b");
}

static void test_disks(void)
{
#define DISK(more) "volumes: [{name: v, gcePersistentDisk: {pdName: d" more "}}]"
  g_autoptr(Scene) scene = make_scene();
  scene_run(scene, "holder", "a", "a", DISK(", readOnly: true"));
  scene_expect(scene_place(scene, "a", DISK("")), "b");
  scene_expect(scene_place(scene, "a", "nodeSelector: {host: a}, " DISK("")),
               NONE("1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had no available disk"));
  scene_expect(scene_place(scene, "a", "nodeSelector: {host: a}, " DISK(", readOnly: true")), "a");
}

/* --- with the binder -------------------------------------------------------------------------------------------- */

static bool is_on(Cluster *cluster, const char *name, const char *node)
{
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  return strcmp(pod_node(pod), node) == 0;
}

static bool claim_is(Cluster *cluster, const char *name, const char *phase)
{
  g_autoptr(json_t) claim = cluster_get(cluster, "v1", "persistentvolumeclaims", true, name);
  return strcmp(json_str(json_object_get(claim, "status"), "phase", ""), phase) == 0;
}

static const char *selected_node(const json_t *claim)
{
  return json_str(json_at(claim, "metadata", "annotations", NULL), "volume.kubernetes.io/selected-node", "");
}

static void create_late(Cluster *cluster, const char *name, const char *provisioner)
{
  g_autofree char *yaml = g_strdup_printf(
      "{metadata: {name: %s}, provisioner: %s, volumeBindingMode: WaitForFirstConsumer}", name, provisioner);
  cluster_create(cluster, "storage.k8s.io/v1", "storageclasses", false, yaml);
}

static void create_claim(Cluster *cluster, const char *name, const char *class)
{
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: %s}, spec: {accessModes: [ReadWriteOnce], "
                                          "storageClassName: %s, resources: {requests: {storage: 1Gi}}}}",
                                          name, class);
  cluster_create(cluster, "v1", "persistentvolumeclaims", true, yaml);
}

static void create_user(Cluster *cluster, const char *name, const char *claim)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s}, spec: {containers: [{name: c, image: i}], volumes: [{name: v, "
                      "persistentVolumeClaim: {claimName: %s}}]}}",
                      name, claim);
  cluster_create(cluster, "v1", "pods", true, yaml);
}

/* A volume is chosen with the node, tied to its claim, and only then the pod is bound. */
static void test_bind(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_add_node(cluster, "node-2", "2", "{kubernetes.io/hostname: node-2}");
  create_late(cluster, "late", "kubernetes.io/no-provisioner");
  create_claim(cluster, "data", "late");
  create_user(cluster, "user", "data");
  cluster_wait(cluster_has_event(cluster, "user", "FailedScheduling",
                                 "2 node(s) didn't find available persistent volumes to bind"));
  /* A volume comes: that is an event that helps. */
  cluster_create(cluster, "v1", "persistentvolumes", false,
                 "{metadata: {name: disk}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], "
                 "storageClassName: late, local: {path: /mnt}, nodeAffinity: {required: {nodeSelectorTerms: "
                 "[{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-2]}]}]}}}}");
  cluster_wait(is_on(cluster, "user", "node-2"));
  cluster_wait(claim_is(cluster, "data", "Bound"));
  g_autoptr(json_t) volume = cluster_get(cluster, "v1", "persistentvolumes", false, "disk");
  g_assert_cmpstr(json_str(json_at(volume, "spec", "claimRef", NULL), "name", ""), ==, "data");
}

static bool has_selected(Cluster *cluster, const char *name, const char *node)
{
  g_autoptr(json_t) claim = cluster_get(cluster, "v1", "persistentvolumeclaims", true, name);
  return strcmp(selected_node(claim), node) == 0;
}

static bool has_failed(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  const json_t *condition = condition_get(json_object_get(pod, "status"), "PodScheduled");
  return strcmp(json_str(condition, "status", ""), "False") == 0 &&
         strcmp(json_str(condition, "reason", ""), "SchedulerError") == 0;
}

/* A claim whose volume is to be made gets the node; the pod waits until it is bound. When the maker gives the node
 * back, the pod is placed anew; a scheduler that begins anew goes on where the claim stands. */
static void test_provision(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  create_late(cluster, "made", "example.com/maker");
  create_claim(cluster, "data", "made");
  create_user(cluster, "user", "data");
  cluster_wait(has_selected(cluster, "data", "node-1"));
  g_assert_true(is_on(cluster, "user", ""));
  cluster_patch(cluster, "v1", "persistentvolumeclaims", "data",
                "{metadata: {annotations: {volume.kubernetes.io/selected-node: null}}}");
  cluster_wait(cluster_has_event(cluster, "user", "FailedScheduling", "running PreBind plugin \"VolumeBinding\""));
  cluster_wait(has_failed(cluster, "user"));
  cluster_wait(has_selected(cluster, "data", "node-1"));
  cluster_stop(cluster);
  cluster_resume(cluster);
  g_assert_true(is_on(cluster, "user", ""));
  cluster_create(cluster, "v1", "persistentvolumes", false,
                 "{metadata: {name: made-1}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], "
                 "storageClassName: made, hostPath: {path: /mnt}, claimRef: {namespace: default, name: data}}}");
  cluster_wait(is_on(cluster, "user", "node-1"));
  cluster_wait(claim_is(cluster, "data", "Bound"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/volumes/nodes", test_nodes);
  g_test_add_func("/volumes/choice", test_choice);
  g_test_add_func("/volumes/one-pod-only", test_one_pod_only);
  g_test_add_func("/volumes/limits", test_limits);
  g_test_add_func("/volumes/disks", test_disks);
  g_test_add_func("/volumes/bind", test_bind);
  g_test_add_func("/volumes/provision", test_provision);
  return g_test_run();
}
