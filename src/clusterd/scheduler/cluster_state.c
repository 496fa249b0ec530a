#include "clusterd/scheduler/cluster_state.h"

#include <string.h>

#include "base/json.h"

/* What a pod that asks for nothing is taken to use when nodes are compared. Source: scheduler/util/pod_resources.go. */
#define USUAL_CPU_MILLI 100
#define USUAL_MEMORY ((int64_t)200 << 20)

static void node_free(void *pointer)
{
  NodeState *node = pointer;
  if (node->node)
    object_unref(node->node);
  resources_clear(&node->allocatable);
  resources_clear(&node->requested);
  g_hash_table_destroy(node->pods);
  g_hash_table_destroy(node->owners);
  g_free(node->name);
  g_free(node);
}

ClusterState *cluster_state_new(void)
{
  ClusterState *state = g_new0(ClusterState, 1);
  state->nodes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, node_free);
  state->present = g_ptr_array_new();
  state->pods = g_hash_table_new(g_str_hash, g_str_equal);
  state->anti_affine = g_hash_table_new(NULL, NULL);
  return state;
}

void cluster_state_free(ClusterState *state)
{
  if (!state)
    return;
  g_hash_table_destroy(state->anti_affine);
  g_hash_table_destroy(state->pods);
  g_ptr_array_free(state->present, TRUE);
  g_hash_table_destroy(state->nodes);
  g_free(state);
}

PodInfo *pod_info_new(Object *pod)
{
  const json_t *spec = json_object_get(object_json(pod), "spec");
  PodInfo *info = g_new0(PodInfo, 1);
  info->object = object_ref(pod);
  info->request = resources_of_pod(object_json(pod));
  int64_t cpu = resources_get(&info->request, "cpu"), memory = resources_get(&info->request, "memory");
  info->usual_cpu = cpu ? cpu : USUAL_CPU_MILLI;
  info->usual_memory = memory ? memory : USUAL_MEMORY;
  info->priority = json_int(spec, "priority", 0);
  info->has_anti_affinity = json_array_size(json_at(spec, "affinity", "podAntiAffinity",
                                                    "requiredDuringSchedulingIgnoredDuringExecution", NULL)) > 0;
  return info;
}

void pod_info_free(PodInfo *info)
{
  object_unref(info->object);
  resources_clear(&info->request);
  g_free(info);
}

static void free_info(void *info)
{
  pod_info_free(info);
}

static NodeState *ensure_node(ClusterState *state, const char *name)
{
  NodeState *node = g_hash_table_lookup(state->nodes, name);
  if (node)
    return node;
  node = g_new0(NodeState, 1);
  node->name = g_strdup(name);
  node->pods = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_info);
  node->owners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_insert(state->nodes, node->name, node);
  return node;
}

static void drop_if_unused(ClusterState *state, NodeState *node)
{
  if (!node->node && g_hash_table_size(node->pods) == 0)
    g_hash_table_remove(state->nodes, node->name);
}

void cluster_state_set_node(ClusterState *state, Object *object)
{
  NodeState *node = ensure_node(state, object_name(object));
  if (!node->node)
    g_ptr_array_add(state->present, node);
  else
    object_unref(node->node);
  node->node = object_ref(object);
  const json_t *status = json_object_get(object_json(object), "status");
  const json_t *allocatable = json_object_get(status, "allocatable");
  resources_clear(&node->allocatable);
  node->allocatable = resources_from_json(allocatable ? allocatable : json_object_get(status, "capacity"));
}

void cluster_state_remove_node(ClusterState *state, const char *name)
{
  NodeState *node = g_hash_table_lookup(state->nodes, name);
  if (!node || !node->node)
    return;
  object_unref(g_steal_pointer(&node->node));
  g_ptr_array_remove(state->present, node);
  drop_if_unused(state, node);
}

static const char *owner_uid(const Object *pod)
{
  size_t i;
  json_t *reference;
  json_array_foreach (json_at(object_json(pod), "metadata", "ownerReferences", NULL), i, reference)
    if (json_flag(reference, "controller", false))
      return json_str(reference, "uid", NULL);
  return NULL;
}

static void count_pod(NodeState *node, const PodInfo *info, int sign)
{
  resources_add(&node->requested, &info->request, sign);
  node->usual_cpu += sign * info->usual_cpu;
  node->usual_memory += sign * info->usual_memory;
  const char *owner = owner_uid(info->object);
  if (!owner)
    return;
  int count = GPOINTER_TO_INT(g_hash_table_lookup(node->owners, owner)) + sign;
  if (count > 0)
    g_hash_table_insert(node->owners, g_strdup(owner), GINT_TO_POINTER(count));
  else
    g_hash_table_remove(node->owners, owner);
}

void cluster_state_set_pod(ClusterState *state, Object *pod, const char *name)
{
  cluster_state_remove_pod(state, object_uid(pod));
  NodeState *node = ensure_node(state, name);
  PodInfo *info = pod_info_new(pod);
  const char *uid = object_uid(info->object);
  info->node = node;
  g_hash_table_insert(node->pods, (char *)(uintptr_t)uid, info);
  g_hash_table_insert(state->pods, (char *)(uintptr_t)uid, info);
  if (info->has_anti_affinity)
    g_hash_table_add(state->anti_affine, info);
  count_pod(node, info, 1);
}

void cluster_state_remove_pod(ClusterState *state, const char *uid)
{
  PodInfo *info = g_hash_table_lookup(state->pods, uid);
  if (!info)
    return;
  NodeState *node = info->node;
  count_pod(node, info, -1);
  g_hash_table_remove(state->anti_affine, info);
  g_hash_table_remove(state->pods, uid);
  /* Frees INFO, and with it the key; UID may be that very text. */
  g_hash_table_steal(node->pods, uid);
  pod_info_free(info);
  drop_if_unused(state, node);
}
