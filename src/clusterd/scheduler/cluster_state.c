#include "clusterd/scheduler/cluster_state.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/scheduler/node_order.h"

typedef struct Nomination {
  ClusterState *state;
  PodInfo *info;
  NodeInfo *node;
} Nomination;

static void node_free(void *pointer)
{
  NodeInfo *node = pointer;
  g_clear_pointer(&node->node, object_unref);
  resources_clear(&node->allocatable);
  resources_clear(&node->requested);
  g_hash_table_destroy(node->pods);
  g_hash_table_destroy(node->images);
  g_array_free(node->ports, TRUE);
  g_ptr_array_free(node->nominated, TRUE);
  g_free(node->name);
  g_free(node);
}

static void nomination_free(void *pointer)
{
  Nomination *nomination = pointer;
  g_ptr_array_remove_fast(nomination->node->nominated, nomination->info);
  pod_info_unref(nomination->state->tally, nomination->info);
  g_free(nomination);
}

ClusterState *cluster_state_new(void)
{
  ClusterState *state = g_new0(ClusterState, 1);
  state->tally = tally_new();
  for (unsigned kind = 0; kind < SCHEDULER_KINDS; kind++)
    object_table_init(&state->tables[kind]);
  state->nodes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, node_free);
  state->pods = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  state->claims_used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  state->images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  state->nominations = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, nomination_free);
  state->assumed_volumes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  state->present = g_ptr_array_new();
  state->free_slots = g_array_new(FALSE, FALSE, sizeof(unsigned));
  return state;
}

void cluster_state_free(ClusterState *state)
{
  if (!state)
    return;
  g_hash_table_destroy(state->nominations);
  GHashTableIter iter;
  void *info;
  g_hash_table_iter_init(&iter, state->pods);
  while (g_hash_table_iter_next(&iter, NULL, &info))
    pod_info_unref(state->tally, info);
  g_hash_table_destroy(state->pods);
  g_hash_table_destroy(state->assumed_volumes);
  g_hash_table_destroy(state->images);
  g_hash_table_destroy(state->claims_used);
  g_ptr_array_free(state->present, TRUE);
  g_hash_table_destroy(state->nodes);
  for (unsigned kind = 0; kind < SCHEDULER_KINDS; kind++)
    object_table_clear(&state->tables[kind]);
  for (unsigned i = 0; i < TERMS_RECENT; i++)
    if (state->recent[i])
      tally_term_unref(state->tally, state->recent[i]);
  g_array_free(state->free_slots, TRUE);
  tally_free(state->tally);
  g_free(state);
}

void cluster_state_retire(ClusterState *state, Term *term)
{
  /* Others hold it, so it lives. */
  if (term->refs > 1) {
    tally_term_unref(state->tally, term);
    return;
  }
  Term **place = &state->recent[state->next_recent++ % TERMS_RECENT];
  if (*place)
    tally_term_unref(state->tally, *place);
  *place = term;
}

const json_t *node_info_labels(const NodeInfo *node)
{
  return node->node ? json_at(object_json(node->node), "metadata", "labels", NULL) : NULL;
}

/* --- nodes ------------------------------------------------------------------------------------------------------ */

NodeInfo *cluster_state_node(const ClusterState *state, const char *name)
{
  return g_hash_table_lookup(state->nodes, name);
}

GPtrArray *cluster_state_nodes(ClusterState *state)
{
  if (state->is_order_old)
    node_order_sort(state->present);
  state->is_order_old = false;
  return state->present;
}

static NodeInfo *ensure_node(ClusterState *state, const char *name)
{
  NodeInfo *node = g_hash_table_lookup(state->nodes, name);
  if (node)
    return node;
  node = g_new0(NodeInfo, 1);
  if (state->free_slots->len > 0) {
    node->slot = g_array_index(state->free_slots, unsigned, state->free_slots->len - 1);
    g_array_set_size(state->free_slots, state->free_slots->len - 1);
  } else {
    node->slot = state->n_slots++;
  }
  node->name = g_strdup(name);
  node->pods = g_hash_table_new(g_str_hash, g_str_equal);
  node->images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  node->ports = g_array_new(FALSE, FALSE, sizeof(HostPort));
  node->nominated = g_ptr_array_new();
  g_hash_table_insert(state->nodes, node->name, node);
  tally_set_node(state->tally, node->slot, NULL);
  return node;
}

static void drop_if_unused(ClusterState *state, NodeInfo *node)
{
  if (node->node || g_hash_table_size(node->pods) > 0 || node->nominated->len > 0)
    return;
  g_array_append_val(state->free_slots, node->slot);
  g_hash_table_remove(state->nodes, node->name);
}

static void count_images(ClusterState *state, const NodeInfo *node, int sign)
{
  GHashTableIter iter;
  void *name;
  g_hash_table_iter_init(&iter, node->images);
  while (g_hash_table_iter_next(&iter, &name, NULL)) {
    int count = GPOINTER_TO_INT(g_hash_table_lookup(state->images, name)) + sign;
    if (count > 0)
      g_hash_table_insert(state->images, g_strdup(name), GINT_TO_POINTER(count));
    else
      g_hash_table_remove(state->images, name);
  }
}

static void read_images(ClusterState *state, NodeInfo *node)
{
  count_images(state, node, -1);
  g_hash_table_remove_all(node->images);
  size_t i, k;
  json_t *image, *name;
  json_array_foreach (json_at(object_json(node->node), "status", "images", NULL), i, image)
    json_array_foreach (json_object_get(image, "names"), k, name) {
      int64_t *size = g_new(int64_t, 1);
      *size = json_int(image, "sizeBytes", 0);
      if (json_is_string(name))
        g_hash_table_insert(node->images, g_strdup(json_string_value(name)), size);
      else
        g_free(size);
    }
  count_images(state, node, 1);
}

static void read_taints(NodeInfo *node)
{
  const json_t *spec = json_object_get(object_json(node->node), "spec");
  node->has_hard_taints = node->has_soft_taints = false;
  node->unschedulable = json_flag(spec, "unschedulable", false);
  size_t i;
  json_t *taint;
  json_array_foreach (json_object_get(spec, "taints"), i, taint) {
    bool is_soft = strcmp(json_str(taint, "effect", ""), "PreferNoSchedule") == 0;
    node->has_soft_taints |= is_soft;
    node->has_hard_taints |= !is_soft;
  }
}

static const json_t *room_of(const json_t *node)
{
  const json_t *status = json_object_get(node, "status"), *allocatable = json_object_get(status, "allocatable");
  return allocatable ? allocatable : json_object_get(status, "capacity");
}

static bool is_changed(const json_t *old, const json_t *now, const char *section, const char *member)
{
  return !json_same(json_at(old, section, member, NULL), json_at(now, section, member, NULL));
}

static NodeChange changes_of(const json_t *old, const json_t *now)
{
  if (!old)
    return NODE_CHANGE_ADDED | NODE_CHANGE_ALLOCATABLE | NODE_CHANGE_LABELS | NODE_CHANGE_TAINTS | NODE_CHANGE_IMAGES;
  NodeChange change = NODE_CHANGE_NONE;
  if (!json_same(room_of(old), room_of(now)))
    change |= NODE_CHANGE_ALLOCATABLE;
  if (is_changed(old, now, "metadata", "labels"))
    change |= NODE_CHANGE_LABELS;
  if (is_changed(old, now, "spec", "taints") || is_changed(old, now, "spec", "unschedulable"))
    change |= NODE_CHANGE_TAINTS;
  if (is_changed(old, now, "status", "images"))
    change |= NODE_CHANGE_IMAGES;
  return change;
}

NodeChange cluster_state_set_node(ClusterState *state, Object *object)
{
  NodeInfo *node = ensure_node(state, object_name(object));
  g_autoptr(Object) old = g_steal_pointer(&node->node);
  node->node = object_ref(object);
  if (!old)
    g_ptr_array_add(state->present, node);
  NodeChange change = changes_of(old ? object_json(old) : NULL, object_json(object));
  if (change & NODE_CHANGE_ALLOCATABLE) {
    g_auto(ResourceList) room = resource_list_from_json(room_of(object_json(object)));
    resources_clear(&node->allocatable);
    node->allocatable = resources_from_list(&room);
  }
  if (change & NODE_CHANGE_LABELS) {
    tally_set_node(state->tally, node->slot, node_info_labels(node));
    state->is_order_old = true;
  }
  if (change & NODE_CHANGE_TAINTS)
    read_taints(node);
  if (change & NODE_CHANGE_IMAGES)
    read_images(state, node);
  return change;
}

void cluster_state_remove_node(ClusterState *state, const char *name)
{
  NodeInfo *node = g_hash_table_lookup(state->nodes, name);
  if (!node || !node->node)
    return;
  count_images(state, node, -1);
  g_hash_table_remove_all(node->images);
  g_clear_pointer(&node->node, object_unref);
  g_ptr_array_remove(state->present, node);
  state->is_order_old = true;
  tally_set_node(state->tally, node->slot, NULL);
  drop_if_unused(state, node);
}

/* --- other objects ---------------------------------------------------------------------------------------------- */

void cluster_state_set_object(ClusterState *state, SchedulerKind kind, Object *object)
{
  object_table_put(&state->tables[kind], object);
  if (kind != SCHEDULER_NAMESPACES)
    return;
  json_t *labels = json_at(object_json(object), "metadata", "labels", NULL);
  g_autoptr(json_t) none = json_object();
  tally_set_namespace(state->tally, object_name(object), labels ? labels : none);
}

void cluster_state_remove_object(ClusterState *state, SchedulerKind kind, const Object *object)
{
  object_table_remove(&state->tables[kind], object);
  if (kind == SCHEDULER_NAMESPACES)
    tally_set_namespace(state->tally, object_name(object), NULL);
}

/* --- pods ------------------------------------------------------------------------------------------------------- */

static void count_claims(ClusterState *state, const PodInfo *info, int sign)
{
  for (char **name = info->claims; name && *name; name++) {
    g_autofree char *key = g_strconcat(object_namespace(info->object), "/", *name, NULL);
    int count = GPOINTER_TO_INT(g_hash_table_lookup(state->claims_used, key)) + sign;
    if (count > 0)
      g_hash_table_insert(state->claims_used, g_steal_pointer(&key), GINT_TO_POINTER(count));
    else
      g_hash_table_remove(state->claims_used, key);
  }
}

static void release_port(GArray *ports, const HostPort *port)
{
  for (unsigned i = 0; i < ports->len; i++) {
    const HostPort *other = &g_array_index(ports, HostPort, i);
    if (other->port == port->port && other->protocol == port->protocol && strcmp(other->ip, port->ip) == 0) {
      g_array_remove_index_fast(ports, i);
      return;
    }
  }
}

static void count_pod(ClusterState *state, NodeInfo *node, const PodInfo *info, int sign)
{
  resources_add(&node->requested, &info->request, sign);
  node->usual_cpu += sign * info->usual_cpu;
  node->usual_memory += sign * info->usual_memory;
  for (unsigned i = 0; info->ports && i < info->ports->len; i++) {
    const HostPort *port = &g_array_index(info->ports, HostPort, i);
    if (sign > 0)
      g_array_append_val(node->ports, *port);
    else
      release_port(node->ports, port);
  }
  tally_count(state->tally, info->pod_class, node->slot, sign);
  for (unsigned i = 0; info->carried && i < info->carried->len; i++) {
    const CarriedTerm *carried = &g_array_index(info->carried, CarriedTerm, i);
    tally_carry(state->tally, carried->term, carried->sort, carried->weight, node->slot, sign);
  }
  count_claims(state, info, sign);
}

void cluster_state_add_pod(ClusterState *state, PodInfo *info, const char *name)
{
  pod_info_ref(info);
  cluster_state_remove_pod(state, object_uid(info->object));
  NodeInfo *node = ensure_node(state, name);
  info->node = node;
  g_hash_table_insert(node->pods, (char *)(uintptr_t)object_uid(info->object), info);
  g_hash_table_insert(state->pods, g_strdup(object_uid(info->object)), info);
  count_pod(state, node, info, 1);
}

void cluster_state_remove_pod(ClusterState *state, const char *uid)
{
  PodInfo *info = g_hash_table_lookup(state->pods, uid);
  if (!info)
    return;
  NodeInfo *node = info->node;
  count_pod(state, node, info, -1);
  info->node = NULL;
  g_hash_table_remove(node->pods, object_uid(info->object));
  g_hash_table_remove(state->pods, uid);
  pod_info_unref(state->tally, info);
  drop_if_unused(state, node);
}

/* --- nominations ------------------------------------------------------------------------------------------------ */

void cluster_state_nominate(ClusterState *state, PodInfo *info, const char *name)
{
  const char *uid = object_uid(info->object);
  Nomination *known = g_hash_table_lookup(state->nominations, uid);
  NodeInfo *before = known ? known->node : NULL;
  if (name) {
    Nomination *nomination = g_new(Nomination, 1);
    *nomination = (Nomination){ .state = state, .info = pod_info_ref(info), .node = ensure_node(state, name) };
    g_hash_table_replace(state->nominations, g_strdup(uid), nomination);
    g_ptr_array_add(nomination->node->nominated, info);
  } else {
    g_hash_table_remove(state->nominations, uid);
  }
  if (before)
    drop_if_unused(state, before);
}

const char *cluster_state_nomination(const ClusterState *state, const char *uid)
{
  const Nomination *nomination = g_hash_table_lookup(state->nominations, uid);
  return nomination ? nomination->node->name : NULL;
}
