#include "clusterd/scheduler/placement.h"

#include <string.h>

#include "base/json.h"

/* Source: schedule_one.go, numFeasibleNodesToFind. */
#define NODES_ENOUGH 100 /* fewer nodes than this are all looked at */
#define PERCENTAGE_FIRST 50
#define PERCENTAGE_LEAST 5
#define NODES_PER_PERCENT 125

static const Plugin *const plugins[PLUGINS_MAX] = {
  [PLUGIN_NODE_UNSCHEDULABLE] = &node_unschedulable_plugin,
  [PLUGIN_NODE_NAME] = &node_name_plugin,
  [PLUGIN_TAINT_TOLERATION] = &taint_toleration_plugin,
  [PLUGIN_NODE_AFFINITY] = &node_affinity_plugin,
  [PLUGIN_NODE_PORTS] = &node_ports_plugin,
  [PLUGIN_RESOURCES_FIT] = &resources_fit_plugin,
  [PLUGIN_VOLUME_RESTRICTIONS] = &volume_restrictions_plugin,
  [PLUGIN_VOLUME_LIMITS] = &volume_limits_plugin,
  [PLUGIN_VOLUME_BINDING] = &volume_binding_plugin,
  [PLUGIN_VOLUME_ZONE] = &volume_zone_plugin,
  [PLUGIN_TOPOLOGY_SPREAD] = &topology_spread_plugin,
  [PLUGIN_POD_AFFINITY] = &pod_affinity_plugin,
  [PLUGIN_BALANCED_ALLOCATION] = &balanced_allocation_plugin,
  [PLUGIN_IMAGE_LOCALITY] = &image_locality_plugin,
};

/* --- the cycle -------------------------------------------------------------------------------------------------- */

bool cycle_refuse(Cycle *cycle, Refusal *refusal, bool final, const char *format, ...)
{
  refusal->final |= final;
  if (refusal->n_reasons == REASONS_MAX)
    return false;
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  if (!cycle->texts)
    cycle->texts = g_string_chunk_new(256);
  refusal->reasons[refusal->n_reasons++] = g_string_chunk_insert_const(cycle->texts, text);
  return false;
}

const json_t *cycle_pod(const Cycle *cycle)
{
  return object_json(cycle->pod->object);
}

int32_t topology_domain(const Topology *topology, const NodeInfo *node)
{
  return topology->domain[node->slot];
}

int32_t *topology_sums(const Topology *topology, const int32_t *per_slot, const GPtrArray *nodes)
{
  int32_t *sums = g_new0(int32_t, MAX(topology->n_domains, 1));
  for (unsigned i = 0; i < nodes->len; i++) {
    unsigned slot = ((const NodeInfo *)g_ptr_array_index(nodes, i))->slot;
    if (topology->domain[slot] >= 0)
      sums[topology->domain[slot]] += per_slot[slot];
  }
  return sums;
}

Cycle *cycle_new(ClusterState *state, const SchedulerProfile *profile, PodInfo *pod)
{
  Cycle *cycle = g_new0(Cycle, 1);
  cycle->state = state;
  cycle->profile = profile;
  cycle->pod = pod_info_ref(pod);
  return cycle;
}

void cycle_free(Cycle *cycle)
{
  if (!cycle)
    return;
  spread_count_free(cycle->spread, cycle->state);
  affinity_count_free(cycle->affinity);
  volume_plan_free(cycle->volumes);
  g_clear_pointer(&cycle->only, g_ptr_array_unref);
  g_clear_pointer(&cycle->texts, g_string_chunk_free);
  pod_info_unref(cycle->state->tally, cycle->pod);
  g_free(cycle);
}

static bool takes_part(const Cycle *cycle, unsigned id)
{
  return plugins[id] && cycle->profile->filters[id];
}

bool cycle_prepare(Cycle *cycle, Refusal *refusal)
{
  for (unsigned id = 0; id < PLUGINS_MAX; id++) {
    if (!takes_part(cycle, id) || !plugins[id]->pre_filter)
      continue;
    refusal->plugin = id;
    if (!plugins[id]->pre_filter(cycle, refusal))
      return false;
  }
  return true;
}

void cycle_recount(Cycle *cycle)
{
  static const PluginId about_pods[] = { PLUGIN_VOLUME_RESTRICTIONS, PLUGIN_TOPOLOGY_SPREAD, PLUGIN_POD_AFFINITY };
  Refusal none = { 0 };
  for (size_t i = 0; i < G_N_ELEMENTS(about_pods); i++) {
    PluginId id = about_pods[i];
    /* Whether there are rules of spreading does not depend on pods. */
    if (takes_part(cycle, id) && !(id == PLUGIN_TOPOLOGY_SPREAD && cycle->skips[id]))
      plugins[id]->pre_filter(cycle, &none);
  }
}

static bool filter(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  for (unsigned id = 0; id < PLUGINS_MAX; id++) {
    if (!takes_part(cycle, id) || !plugins[id]->filter || cycle->skips[id])
      continue;
    refusal->plugin = id;
    if (!plugins[id]->filter(cycle, node, refusal))
      return false;
  }
  return true;
}

/* The pods promised room on NODE that this one must leave it to. */
static GPtrArray *promised(const Cycle *cycle, const NodeInfo *node)
{
  GPtrArray *pods = g_ptr_array_new();
  for (unsigned i = 0; i < node->nominated->len; i++) {
    PodInfo *other = g_ptr_array_index(node->nominated, i);
    if (other->priority >= cycle->pod->priority && other != cycle->pod && !other->node &&
        strcmp(object_uid(other->object), object_uid(cycle->pod->object)) != 0)
      g_ptr_array_add(pods, other);
  }
  return pods;
}

bool cycle_fits(Cycle *cycle, NodeInfo *node, Refusal *refusal)
{
  if (node->nominated->len == 0)
    return filter(cycle, node, refusal);
  g_autoptr(GPtrArray) others = promised(cycle, node);
  bool fits = true;
  if (others->len > 0) {
    for (unsigned i = 0; i < others->len; i++)
      cluster_state_add_pod(cycle->state, g_ptr_array_index(others, i), node->name);
    cycle_recount(cycle);
    fits = filter(cycle, node, refusal);
    for (unsigned i = 0; i < others->len; i++)
      cluster_state_remove_pod(cycle->state, object_uid(((PodInfo *)g_ptr_array_index(others, i))->object));
    cycle_recount(cycle);
  }
  /* They may not come after all: the pod must not depend on them. */
  return fits && filter(cycle, node, refusal);
}

/* --- scores ----------------------------------------------------------------------------------------------------- */

static void normalize(const Plugin *plugin, int64_t *scores, unsigned n)
{
  int64_t most = 0;
  for (unsigned i = 0; i < n; i++)
    most = MAX(most, scores[i]);
  bool reversed = plugin->normalize == NORMALIZE_REVERSED;
  for (unsigned i = 0; i < n; i++) {
    int64_t share = most > 0 ? scores[i] * SCORE_MAX / most : 0;
    scores[i] = reversed ? SCORE_MAX - share : share;
  }
}

static void add_scores(Cycle *cycle, PluginId id, GPtrArray *nodes, int64_t *totals)
{
  const Plugin *plugin = plugins[id];
  if (plugin->pre_score && !plugin->pre_score(cycle, nodes))
    return;
  g_autofree int64_t *scores = g_new(int64_t, nodes->len);
  for (unsigned i = 0; i < nodes->len; i++)
    scores[i] = plugin->score(cycle, g_ptr_array_index(nodes, i));
  if (plugin->normalize == NORMALIZE_OWN)
    plugin->normalize_own(cycle, nodes, scores);
  else if (plugin->normalize != NORMALIZE_NOT)
    normalize(plugin, scores, nodes->len);
  for (unsigned i = 0; i < nodes->len; i++)
    totals[i] += cycle->profile->score_weights[id] * scores[i];
}

/* The first of the best: NODES begins elsewhere every time. */
static NodeInfo *best_of(Cycle *cycle, GPtrArray *nodes)
{
  if (nodes->len == 1)
    return g_ptr_array_index(nodes, 0);
  g_autofree int64_t *totals = g_new0(int64_t, nodes->len);
  for (unsigned id = 0; id < PLUGINS_MAX; id++)
    if (plugins[id] && plugins[id]->score && cycle->profile->score_weights[id] > 0)
      add_scores(cycle, id, nodes, totals);
  unsigned best = 0;
  for (unsigned i = 1; i < nodes->len; i++)
    if (totals[i] > totals[best])
      best = i;
  return g_ptr_array_index(nodes, best);
}

/* --- texts ------------------------------------------------------------------------------------------------------ */

static int by_text(const void *left, const void *right)
{
  return strcmp(*(char *const *)left, *(char *const *)right);
}

char *reasons_text(GHashTable *reasons)
{
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  GHashTableIter iter;
  void *reason, *count;
  g_hash_table_iter_init(&iter, reasons);
  while (g_hash_table_iter_next(&iter, &reason, &count))
    g_ptr_array_add(texts, g_strdup_printf("%d %s", GPOINTER_TO_INT(count), (const char *)reason));
  g_ptr_array_sort(texts, by_text);
  g_ptr_array_add(texts, NULL);
  return g_strjoinv(", ", (char **)texts->pdata);
}

void reasons_count(GHashTable *reasons, const char *reason, int n)
{
  int known = GPOINTER_TO_INT(g_hash_table_lookup(reasons, reason));
  g_hash_table_insert(reasons, g_strdup(reason), GINT_TO_POINTER(known + n));
}

/* --- placing ---------------------------------------------------------------------------------------------------- */

void placement_clear(Placement *placement)
{
  g_clear_pointer(&placement->message, g_free);
  g_clear_pointer(&placement->hopeful, g_ptr_array_unref);
}

unsigned placement_enough(unsigned n, int64_t percentage)
{
  if (n < NODES_ENOUGH || percentage >= 100)
    return n;
  if (percentage == 0)
    percentage = MAX(PERCENTAGE_FIRST - (int64_t)n / NODES_PER_PERCENT, PERCENTAGE_LEAST);
  return MAX((unsigned)(n * percentage / 100), NODES_ENOUGH);
}

/* The node a pod was promised is looked at before any other. */
static NodeInfo *promised_node(Cycle *cycle)
{
  const char *name = cluster_state_nomination(cycle->state, object_uid(cycle->pod->object));
  NodeInfo *node = name ? cluster_state_node(cycle->state, name) : NULL;
  Refusal refusal = { 0 };
  bool is_open = node && node->node && (!cycle->only || g_ptr_array_find(cycle->only, node, NULL));
  return is_open && cycle_fits(cycle, node, &refusal) ? node : NULL;
}

static void note_refusal(Placement *placement, GHashTable *reasons, NodeInfo *node, const Refusal *refusal)
{
  placement->refused_by[refusal->plugin] = true;
  for (unsigned i = 0; i < refusal->n_reasons; i++)
    reasons_count(reasons, refusal->reasons[i], 1);
  if (!refusal->final)
    g_ptr_array_add(placement->hopeful, node);
}

/* The nodes that will do, as many as are enough. */
static GPtrArray *find_fitting(Cycle *cycle, GPtrArray *nodes, unsigned *start, Placement *placement,
                               GHashTable *reasons)
{
  GPtrArray *fitting = g_ptr_array_new();
  unsigned enough = placement_enough(nodes->len, cycle->profile->percentage), i;
  for (i = 0; i < nodes->len && fitting->len < enough; i++) {
    NodeInfo *node = g_ptr_array_index(nodes, (*start + i) % nodes->len);
    Refusal refusal = { 0 };
    if (cycle_fits(cycle, node, &refusal))
      g_ptr_array_add(fitting, node);
    else
      note_refusal(placement, reasons, node, &refusal);
  }
  if (!cycle->only && nodes->len > 0)
    *start = (*start + i) % nodes->len;
  return fitting;
}

void placement_find(Cycle *cycle, unsigned *start, Placement *placement)
{
  GPtrArray *all = cluster_state_nodes(cycle->state);
  placement->hopeful = g_ptr_array_new();
  if (all->len == 0) {
    placement->has_no_nodes = true;
    placement->message = g_strdup("no nodes available to schedule pods");
    return;
  }
  Refusal refusal = { 0 };
  if (!cycle_prepare(cycle, &refusal)) {
    placement->refused_by[refusal.plugin] = true;
    placement->message = g_strdup_printf("0/%u nodes are available: %s.", all->len, refusal.reasons[0]);
    return;
  }
  placement->node = promised_node(cycle);
  if (placement->node)
    return;
  g_autoptr(GHashTable) reasons = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GPtrArray *nodes = cycle->only ? cycle->only : all;
  g_autoptr(GPtrArray) fitting = find_fitting(cycle, nodes, start, placement, reasons);
  if (fitting->len > 0) {
    placement->node = best_of(cycle, fitting);
    return;
  }
  if (cycle->only) {
    placement->refused_by[PLUGIN_NODE_AFFINITY] = true;
    if (cycle->only->len < all->len)
      reasons_count(reasons, "node(s) didn't satisfy plugin(s) [NodeAffinity]", (int)(all->len - cycle->only->len));
  }
  g_autofree char *text = reasons_text(reasons);
  placement->message = g_strdup_printf("0/%u nodes are available: %s.", all->len, text);
}
