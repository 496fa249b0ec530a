#include "clusterd/scheduler/scores.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/client/node_match.h"

#define SCORE_MAX 100

/* Raw scores of any range, made 0..SCORE_MAX over all nodes when NORMALIZED. */
typedef struct Score {
  int64_t (*rate)(const Cycle *cycle, const NodeState *node);
  int weight;
  bool normalized;
} Score;

static int64_t share_free(int64_t total, int64_t used)
{
  return total <= 0 || used > total ? 0 : (total - used) * SCORE_MAX / total;
}

static int64_t least_allocated(const Cycle *cycle, const NodeState *node)
{
  int64_t cpu = share_free(resources_get(&node->allocatable, "cpu"), node->usual_cpu + cycle->pod->usual_cpu);
  int64_t memory =
      share_free(resources_get(&node->allocatable, "memory"), node->usual_memory + cycle->pod->usual_memory);
  return (cpu + memory) / 2;
}

/* Cpu and memory used in like proportion are better than one exhausted before the other. */
static int64_t balanced(const Cycle *cycle, const NodeState *node)
{
  int64_t cpu = share_free(resources_get(&node->allocatable, "cpu"),
                           resources_get(&node->requested, "cpu") + resources_get(&cycle->pod->request, "cpu"));
  int64_t memory =
      share_free(resources_get(&node->allocatable, "memory"),
                 resources_get(&node->requested, "memory") + resources_get(&cycle->pod->request, "memory"));
  return SCORE_MAX - ABS(cpu - memory) / 2;
}

static int64_t tolerated(const Cycle *cycle, const NodeState *node)
{
  return -node_match_count_disliked(object_json(cycle->pod->object), object_json(node->node));
}

static int64_t preferred(const Cycle *cycle, const NodeState *node)
{
  return node_match_preferred(object_json(cycle->pod->object), object_json(node->node));
}

static int64_t company(const Cycle *cycle, const NodeState *node)
{
  return cycle->terms ? pod_terms_score(cycle->terms, node) : 0;
}

/* Pods of one controller go to different nodes. */
static int64_t spread(const Cycle *cycle, const NodeState *node)
{
  size_t i;
  json_t *owner;
  json_array_foreach (json_at(object_json(cycle->pod->object), "metadata", "ownerReferences", NULL), i, owner)
    if (json_flag(owner, "controller", false))
      return -GPOINTER_TO_INT(g_hash_table_lookup(node->owners, json_str(owner, "uid", "")));
  return 0;
}

static const Score scores[] = {
  { least_allocated, 1, false }, { balanced, 1, false }, { tolerated, 3, true },
  { preferred, 2, true },        { company, 2, true },   { spread, 2, true },
};

static void add_scores(const Cycle *cycle, GPtrArray *nodes, const Score *score, int64_t *totals)
{
  g_autofree int64_t *raw = g_new(int64_t, nodes->len);
  int64_t least = INT64_MAX, most = INT64_MIN;
  for (unsigned i = 0; i < nodes->len; i++) {
    raw[i] = score->rate(cycle, g_ptr_array_index(nodes, i));
    least = MIN(least, raw[i]);
    most = MAX(most, raw[i]);
  }
  for (unsigned i = 0; i < nodes->len; i++) {
    int64_t value = raw[i];
    if (score->normalized)
      value = most == least ? 0 : (raw[i] - least) * SCORE_MAX / (most - least);
    totals[i] += score->weight * value;
  }
}

NodeState *scores_best(const Cycle *cycle, GPtrArray *nodes)
{
  NodeState *best = g_ptr_array_index(nodes, 0);
  if (nodes->len == 1)
    return best;
  g_autofree int64_t *totals = g_new0(int64_t, nodes->len);
  for (size_t i = 0; i < G_N_ELEMENTS(scores); i++)
    add_scores(cycle, nodes, &scores[i], totals);
  int64_t highest = totals[0];
  for (unsigned i = 1; i < nodes->len; i++) {
    NodeState *node = g_ptr_array_index(nodes, i);
    if (totals[i] < highest || (totals[i] == highest && strcmp(node->name, best->name) > 0))
      continue;
    best = node;
    highest = totals[i];
  }
  return best;
}
