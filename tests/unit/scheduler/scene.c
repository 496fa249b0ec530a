#include "scene.h"

#include <string.h>

#include "base/json.h"
#include "base/yaml.h"
#include "clusterd/client/pod.h"

static const ApiKind kinds[SCHEDULER_KINDS] = {
  [SCHEDULER_NODES] = { .group = "", .version = "v1", .kind = "Node", .plural = "nodes" },
  [SCHEDULER_PODS] = { .group = "", .version = "v1", .kind = "Pod", .plural = "pods", .namespaced = true },
  [SCHEDULER_NAMESPACES] = { .group = "", .version = "v1", .kind = "Namespace", .plural = "namespaces" },
  [SCHEDULER_CLAIMS] = { .group = "",
                         .version = "v1",
                         .kind = "PersistentVolumeClaim",
                         .plural = "persistentvolumeclaims",
                         .namespaced = true },
  [SCHEDULER_VOLUMES] = { .group = "", .version = "v1", .kind = "PersistentVolume", .plural = "persistentvolumes" },
  [SCHEDULER_CLASSES] = { .group = "", .version = "v1", .kind = "StorageClass", .plural = "storageclasses" },
  [SCHEDULER_CSI_NODES] = { .group = "", .version = "v1", .kind = "CSINode", .plural = "csinodes" },
  [SCHEDULER_SERVICES] = { .group = "", .version = "v1", .kind = "Service", .plural = "services", .namespaced = true },
  [SCHEDULER_CONTROLLERS] = { .group = "",
                              .version = "v1",
                              .kind = "ReplicationController",
                              .plural = "rc",
                              .namespaced = true },
  [SCHEDULER_REPLICA_SETS] = { .group = "",
                               .version = "v1",
                               .kind = "ReplicaSet",
                               .plural = "replicasets",
                               .namespaced = true },
  [SCHEDULER_STATEFUL_SETS] = { .group = "",
                                .version = "v1",
                                .kind = "StatefulSet",
                                .plural = "statefulsets",
                                .namespaced = true },
  [SCHEDULER_BUDGETS] = { .group = "",
                          .version = "v1",
                          .kind = "PodDisruptionBudget",
                          .plural = "poddisruptionbudgets",
                          .namespaced = true },
};

Scene *scene_new(void)
{
  Scene *scene = g_new0(Scene, 1);
  scene->state = cluster_state_new();
  scene->profile = scheduler_profile_new(DEFAULT_SCHEDULER_NAME);
  return scene;
}

void scene_free(Scene *scene)
{
  cluster_state_free(scene->state);
  scheduler_profile_free(scene->profile);
  g_free(scene);
}

Object *scene_object(Scene *scene, SchedulerKind kind, const char *yaml)
{
  g_autoptr(GError) error = NULL;
  json_t *value = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  json_t *metadata = json_ensure_object(value, "metadata", NULL);
  const char *name = json_str(metadata, "name", "");
  if (!json_object_get(metadata, "uid"))
    json_object_set_new(metadata, "uid", json_string(name));
  if (!json_object_get(metadata, "namespace") && kinds[kind].namespaced)
    json_object_set_new(metadata, "namespace", json_string("default"));
  json_object_set_new(metadata, "resourceVersion", json_sprintf("%" G_GINT64_FORMAT, ++scene->revision));
  json_object_set_new(value, "kind", json_string(kinds[kind].kind));
  json_object_set_new(value, "apiVersion", json_string(kinds[kind].version));
  return object_new(&kinds[kind], value);
}

void scene_add(Scene *scene, SchedulerKind kind, const char *yaml)
{
  g_autoptr(Object) object = scene_object(scene, kind, yaml);
  if (kind == SCHEDULER_NODES) {
    cluster_state_set_node(scene->state, object);
  } else if (kind == SCHEDULER_PODS) {
    PodInfo *info = pod_info_new(scene->state->tally, object);
    cluster_state_add_pod(scene->state, info, pod_node(object_json(object)));
    pod_info_unref(scene->state->tally, info);
  } else {
    cluster_state_set_object(scene->state, kind, object);
  }
}

void scene_node(Scene *scene, const char *name, const char *labels, const char *spec)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s, labels: %s}, spec: {%s}, status: {allocatable: {cpu: '2', memory: 2Gi, "
                      "ephemeral-storage: 10Gi, pods: '10'}}}",
                      name, labels, spec);
  scene_add(scene, SCHEDULER_NODES, yaml);
}

static char *pod_yaml(const char *name, const char *app, const char *node, const char *spec)
{
  /* Containers may be given; else there is one that asks for nothing. */
  const char *containers = strstr(spec, "containers:") ? "" : "containers: [{name: c, image: i}],";
  g_autofree char *place = node ? g_strdup_printf("nodeName: %s,", node) : g_strdup("");
  return g_strdup_printf("{metadata: {name: %s, labels: {app: %s}}, spec: {%s %s %s}}", name, app, place, containers,
                         spec);
}

void scene_run(Scene *scene, const char *name, const char *app, const char *node, const char *spec)
{
  g_autofree char *yaml = pod_yaml(name, app, node, spec);
  scene_add(scene, SCHEDULER_PODS, yaml);
}

PodInfo *scene_pod(Scene *scene, const char *name, const char *app, const char *spec)
{
  g_autofree char *yaml = pod_yaml(name, app, NULL, spec);
  g_autoptr(Object) object = scene_object(scene, SCHEDULER_PODS, yaml);
  return pod_info_new(scene->state->tally, object);
}

static char *place(Scene *scene, PodInfo *pod)
{
  g_autoptr(Cycle) cycle = cycle_new(scene->state, scene->profile, pod);
  g_auto(Placement) placement = { 0 };
  placement_find(cycle, &scene->start, &placement);
  return g_strdup(placement.node ? placement.node->name : placement.message);
}

char *scene_place(Scene *scene, const char *app, const char *spec)
{
  PodInfo *pod = scene_pod(scene, "incoming", app, spec);
  char *result = place(scene, pod);
  pod_info_unref(scene->state->tally, pod);
  return result;
}

static int by_name(const void *left, const void *right)
{
  return strcmp((*(NodeInfo *const *)left)->name, (*(NodeInfo *const *)right)->name);
}

char *scene_fitting(Scene *scene, const char *app, const char *spec)
{
  PodInfo *pod = scene_pod(scene, "incoming", app, spec);
  g_autoptr(Cycle) cycle = cycle_new(scene->state, scene->profile, pod);
  g_autoptr(GPtrArray) nodes = g_ptr_array_copy(cluster_state_nodes(scene->state), NULL, NULL);
  GString *names = g_string_new(NULL);
  Refusal refusal = { 0 };
  g_ptr_array_sort(nodes, by_name);
  g_assert_true(cycle_prepare(cycle, &refusal));
  for (unsigned i = 0; i < nodes->len; i++) {
    NodeInfo *node = g_ptr_array_index(nodes, i);
    if (cycle_fits(cycle, node, &refusal))
      g_string_append_printf(names, "%s%s", names->len ? " " : "", node->name);
  }
  pod_info_unref(scene->state->tally, pod);
  return g_string_free(names, FALSE);
}

char *scene_put(Scene *scene, const char *name, const char *app, const char *spec)
{
  PodInfo *pod = scene_pod(scene, name, app, spec);
  char *result = place(scene, pod);
  if (cluster_state_node(scene->state, result))
    cluster_state_add_pod(scene->state, pod, result);
  pod_info_unref(scene->state->tally, pod);
  return result;
}

static char *preemption_text(const Preemption *preemption)
{
  if (!preemption->node)
    return g_strdup(preemption->message);
  GString *text = g_string_new(preemption->node);
  for (unsigned i = 0; i < preemption->victims->len; i++)
    g_string_append_printf(text, "%s %s", i ? "," : ":", object_name(g_ptr_array_index(preemption->victims, i)));
  return g_string_free(text, FALSE);
}

char *scene_preempt(Scene *scene, const char *app, const char *spec)
{
  PodInfo *pod = scene_pod(scene, "incoming", app, spec);
  g_autoptr(Cycle) cycle = cycle_new(scene->state, scene->profile, pod);
  g_auto(Placement) placement = { 0 };
  g_auto(Preemption) preemption = { 0 };
  unsigned start = 0;
  placement_find(cycle, &scene->start, &placement);
  g_assert_null(placement.node);
  preemption_find(cycle, &placement, &start, &preemption);
  pod_info_unref(scene->state->tally, pod);
  return preemption_text(&preemption);
}
