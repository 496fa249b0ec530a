/* PodTopologySpread: pods of one sort in different zones, nodes, … in like numbers. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/client/node_match.h"
#include "clusterd/scheduler/plugins/plugin.h"
#include "clusterd/scheduler/plugins/spread_defaults.h"

#define HOSTNAME "kubernetes.io/hostname"
#define UNSEEN (-1) /* no node that takes part is in the domain */

/* One constraint, counted. */
typedef struct Count {
  const SpreadRule *rule;
  int32_t *pods; /* of each domain; UNSEEN */
  int64_t least; /* in the emptiest domain */
  bool itself;   /* the pod is one of those it counts */
  bool per_node; /* scoring: nodes are the domains */
  double weight;
} Count;

struct SpreadCount {
  GArray *own;         /* SpreadRule from defaults; NULL: the pod's own are used */
  GArray *hard, *soft; /* Count */
  bool needs_all_keys; /* a node without the keys of all constraints takes no part */
  bool *ignored;       /* scoring: of each slot; NULL until then */
};

static void clear_counts(GArray *counts)
{
  for (unsigned i = 0; i < counts->len; i++)
    g_free(g_array_index(counts, Count, i).pods);
  g_array_unref(counts);
}

void spread_count_free(SpreadCount *count, ClusterState *state)
{
  if (!count)
    return;
  for (unsigned i = 0; count->own && i < count->own->len; i++)
    cluster_state_retire(state, g_array_index(count->own, SpreadRule, i).term);
  g_clear_pointer(&count->own, g_array_unref);
  clear_counts(count->hard);
  clear_counts(count->soft);
  g_free(count->ignored);
  g_free(count);
}

/* Whether NODE takes part in RULE by its policies. */
static bool is_included(const Cycle *cycle, const SpreadRule *rule, const NodeInfo *node)
{
  static const char *const effects[] = { "NoSchedule", "NoExecute", NULL };
  if (rule->honors_affinity && cycle->pod->has_node_rules &&
      !node_match_required(cycle_pod(cycle), object_json(node->node)))
    return false;
  return !rule->honors_taints || !node->has_hard_taints ||
         !node_match_untolerated(cycle_pod(cycle), object_json(node->node), effects);
}

static bool has_all_keys(const GArray *counts, const NodeInfo *node)
{
  for (unsigned i = 0; i < counts->len; i++)
    if (topology_domain(g_array_index(counts, Count, i).rule->term->topology, node) < 0)
      return false;
  return true;
}

static int32_t *unseen_domains(const Topology *topology)
{
  int32_t *pods = g_new(int32_t, MAX(topology->n_domains, 1));
  for (unsigned i = 0; i < topology->n_domains; i++)
    pods[i] = UNSEEN;
  return pods;
}

static void count_hard(const Cycle *cycle, Count *count, const GArray *all, const GPtrArray *nodes)
{
  const Term *term = count->rule->term;
  count->pods = unseen_domains(term->topology);
  for (unsigned i = 0; i < nodes->len; i++) {
    const NodeInfo *node = g_ptr_array_index(nodes, i);
    if (!has_all_keys(all, node) || !is_included(cycle, count->rule, node))
      continue;
    int32_t *pods = &count->pods[topology_domain(term->topology, node)];
    *pods = MAX(*pods, 0) + term->matches[node->slot];
  }
  int64_t least = INT64_MAX, n_domains = 0;
  for (unsigned i = 0; i < term->topology->n_domains; i++)
    if (count->pods[i] != UNSEEN) {
      least = MIN(least, count->pods[i]);
      n_domains++;
    }
  count->least = n_domains < count->rule->min_domains ? 0 : least;
  count->itself = tally_selects(cycle->state->tally, term, cycle->pod->pod_class);
}

static bool prepare_filter(Cycle *cycle, Refusal *refusal)
{
  if (cycle->spread)
    spread_count_free(cycle->spread, cycle->state);
  SpreadCount *spread = cycle->spread = g_new0(SpreadCount, 1);
  spread->hard = g_array_new(FALSE, TRUE, sizeof(Count));
  spread->soft = g_array_new(FALSE, TRUE, sizeof(Count));
  bool of_system = false;
  if (!cycle->pod->spread)
    spread->own = spread_defaults(cycle, &of_system);
  spread->needs_all_keys = !of_system;
  const GArray *rules = cycle->pod->spread ? cycle->pod->spread : spread->own;
  for (unsigned i = 0; rules && i < rules->len; i++) {
    Count count = { .rule = &g_array_index(rules, SpreadRule, i) };
    g_array_append_val(count.rule->hard ? spread->hard : spread->soft, count);
  }
  const GPtrArray *nodes = cluster_state_nodes(cycle->state);
  for (unsigned i = 0; i < spread->hard->len; i++)
    count_hard(cycle, &g_array_index(spread->hard, Count, i), spread->hard, nodes);
  cycle->skips[PLUGIN_TOPOLOGY_SPREAD] = spread->hard->len == 0;
  return true;
}

static bool keeps_spread(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  for (unsigned i = 0; i < cycle->spread->hard->len; i++) {
    const Count *count = &g_array_index(cycle->spread->hard, Count, i);
    int32_t domain = topology_domain(count->rule->term->topology, node);
    if (domain < 0)
      return cycle_refuse(cycle, refusal, true,
                          "node(s) didn't match pod topology spread constraints (missing required label)");
    int64_t there = MAX(count->pods[domain], 0);
    if (there + count->itself - count->least > count->rule->max_skew)
      return cycle_refuse(cycle, refusal, false, "node(s) didn't match pod topology spread constraints");
  }
  return true;
}

/* --- scoring ---------------------------------------------------------------------------------------------------- */

/* Which domains the nodes to choose from are in, and how much a pod more or less in one of them matters: the more
 * domains, the more. */
static void open_domains(const SpreadCount *spread, Count *count, GPtrArray *nodes)
{
  const Topology *topology = count->rule->term->topology;
  count->per_node = strcmp(topology->key, HOSTNAME) == 0;
  count->pods = unseen_domains(topology);
  unsigned n_domains = 0, n_nodes = 0;
  for (unsigned i = 0; i < nodes->len; i++) {
    const NodeInfo *node = g_ptr_array_index(nodes, i);
    int32_t domain = topology_domain(topology, node);
    if (spread->ignored[node->slot])
      continue;
    n_nodes++;
    if (domain >= 0 && count->pods[domain] == UNSEEN) {
      count->pods[domain] = 0;
      n_domains++;
    }
  }
  count->weight = log((double)(count->per_node ? n_nodes : n_domains) + 2);
}

static void count_soft(const Cycle *cycle, Count *count, const GPtrArray *all)
{
  const SpreadCount *spread = cycle->spread;
  const Term *term = count->rule->term;
  for (unsigned i = 0; i < all->len; i++) {
    const NodeInfo *node = g_ptr_array_index(all, i);
    int32_t domain = topology_domain(term->topology, node);
    if (domain < 0 || count->pods[domain] == UNSEEN || !is_included(cycle, count->rule, node) ||
        (spread->needs_all_keys && !has_all_keys(spread->soft, node)))
      continue;
    count->pods[domain] += term->matches[node->slot];
  }
}

static bool prepare_score(Cycle *cycle, GPtrArray *nodes)
{
  SpreadCount *spread = cycle->spread;
  if (!spread || spread->soft->len == 0)
    return false;
  spread->ignored = g_new0(bool, cycle->state->n_slots);
  for (unsigned i = 0; spread->needs_all_keys && i < nodes->len; i++) {
    const NodeInfo *node = g_ptr_array_index(nodes, i);
    spread->ignored[node->slot] = !has_all_keys(spread->soft, node);
  }
  for (unsigned i = 0; i < spread->soft->len; i++) {
    Count *count = &g_array_index(spread->soft, Count, i);
    open_domains(spread, count, nodes);
    if (!count->per_node)
      count_soft(cycle, count, cluster_state_nodes(cycle->state));
  }
  return true;
}

/* How crowded the node's domains are. */
static int64_t rate_crowd(Cycle *cycle, const NodeInfo *node)
{
  const SpreadCount *spread = cycle->spread;
  double score = 0;
  for (unsigned i = 0; i < spread->soft->len && !spread->ignored[node->slot]; i++) {
    const Count *count = &g_array_index(spread->soft, Count, i);
    const Term *term = count->rule->term;
    int32_t domain = topology_domain(term->topology, node);
    if (domain < 0)
      continue;
    int32_t pods = count->per_node ? term->matches[node->slot] : count->pods[domain];
    score += pods * count->weight + (double)(count->rule->max_skew - 1);
  }
  return (int64_t)lround(score);
}

static void normalize(Cycle *cycle, GPtrArray *nodes, int64_t *scores)
{
  const bool *ignored = cycle->spread->ignored;
  int64_t least = INT64_MAX, most = INT64_MIN;
  for (unsigned i = 0; i < nodes->len; i++) {
    if (ignored[((const NodeInfo *)g_ptr_array_index(nodes, i))->slot])
      continue;
    least = MIN(least, scores[i]);
    most = MAX(most, scores[i]);
  }
  for (unsigned i = 0; i < nodes->len; i++) {
    if (ignored[((const NodeInfo *)g_ptr_array_index(nodes, i))->slot])
      scores[i] = 0;
    else
      scores[i] = most == 0 ? SCORE_MAX : SCORE_MAX * (most + least - scores[i]) / most;
  }
}

const Plugin topology_spread_plugin = { .pre_filter = prepare_filter,
                                        .filter = keeps_spread,
                                        .pre_score = prepare_score,
                                        .score = rate_crowd,
                                        .normalize = NORMALIZE_OWN,
                                        .normalize_own = normalize };
