/* Room on nodes: whether it is enough, and which share used is best. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/scheduler/plugins/plugin.h"

/* --- NodeResourcesFit: whether ---------------------------------------------------------------------------------- */

static bool check(Cycle *cycle, Refusal *refusal, const char *name, int64_t want, int64_t total, int64_t used)
{
  if (want <= 0 || want <= total - used)
    return true;
  return cycle_refuse(cycle, refusal, want > total, "Insufficient %s", name);
}

/* Extended resources, which have a domain, may be left to others to look after. */
static bool is_ignored(const SchedulerProfile *profile, const char *name)
{
  if (json_has_text(profile->ignored_resources, name))
    return true;
  const char *slash = strchr(name, '/');
  g_autofree char *group = slash && profile->ignored_groups ? g_strndup(name, (gsize)(slash - name)) : NULL;
  return group && json_has_text(profile->ignored_groups, group);
}

static bool has_room(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  const Resources *want = &cycle->pod->request, *total = &node->allocatable, *used = &node->requested;
  bool fits = true;
  if ((int64_t)g_hash_table_size(node->pods) + 1 > total->pods)
    fits = cycle_refuse(cycle, refusal, false, "Too many pods");
  fits &= check(cycle, refusal, "cpu", want->cpu, total->cpu, used->cpu);
  fits &= check(cycle, refusal, "memory", want->memory, total->memory, used->memory);
  fits &= check(cycle, refusal, "ephemeral-storage", want->storage, total->storage, used->storage);
  for (unsigned i = 0; want->others && i < want->others->len; i++) {
    const ResourceAmount *other = &g_array_index(want->others, ResourceAmount, i);
    if (!is_ignored(cycle->profile, other->name))
      fits &= check(cycle, refusal, other->name, other->amount, resources_get(total, other->name),
                    resources_get(used, other->name));
  }
  return fits;
}

/* --- NodeResourcesFit: how well --------------------------------------------------------------------------------- */

/* What would be used of NAME with the pod; cpu and memory as pods that say nothing are taken to use them. */
static int64_t would_use(const Cycle *cycle, const NodeInfo *node, const char *name, bool usual)
{
  if (usual && strcmp(name, "cpu") == 0)
    return node->usual_cpu + cycle->pod->usual_cpu;
  if (usual && strcmp(name, "memory") == 0)
    return node->usual_memory + cycle->pod->usual_memory;
  return resources_get(&node->requested, name) + resources_get(&cycle->pod->request, name);
}

static bool is_common(const char *name)
{
  static const char *const common[] = { "cpu", "memory", "ephemeral-storage", NULL };
  return g_strv_contains(common, name);
}

/* The broken line through the shape's points. Source: plugins/helper/shape_score.go. */
static int64_t on_shape(const GArray *shape, int64_t utilization)
{
  const ShapePoint *points = (const ShapePoint *)(const void *)shape->data;
  for (unsigned i = 0; i < shape->len; i++) {
    if (utilization > points[i].utilization)
      continue;
    if (i == 0)
      return points[0].score;
    const ShapePoint *a = &points[i - 1], *b = &points[i];
    return a->score + (b->score - a->score) * (utilization - a->utilization) / (b->utilization - a->utilization);
  }
  return points[shape->len - 1].score;
}

static int64_t rate(const SchedulerProfile *profile, int64_t used, int64_t total)
{
  switch (profile->strategy) {
  case FIT_MOST_ALLOCATED:
    return MIN(used, total) * SCORE_MAX / total;
  case FIT_RATIO:
    return on_shape(profile->shape, used > total ? SCORE_MAX : used * SCORE_MAX / total);
  default:
    return used > total ? 0 : (total - used) * SCORE_MAX / total;
  }
}

static int64_t rate_room(Cycle *cycle, const NodeInfo *node)
{
  const SchedulerProfile *profile = cycle->profile;
  bool is_ratio = profile->strategy == FIT_RATIO;
  int64_t sum = 0, weights = 0;
  for (unsigned i = 0; i < profile->fit_resources->len; i++) {
    const WeightedResource *resource = &g_array_index(profile->fit_resources, WeightedResource, i);
    int64_t total = resources_get(&node->allocatable, resource->name);
    /* A resource the pod does not ask for says nothing about the node. */
    if (total <= 0 || (!is_common(resource->name) && resources_get(&cycle->pod->request, resource->name) == 0))
      continue;
    int64_t score = rate(profile, would_use(cycle, node, resource->name, true), total);
    /* Of a shape only what counts for something is weighed. */
    if (is_ratio && score <= 0)
      continue;
    sum += score * resource->weight;
    weights += resource->weight;
  }
  if (weights == 0)
    return 0;
  return is_ratio ? (int64_t)lround((double)sum / (double)weights) : sum / weights;
}

const Plugin resources_fit_plugin = { .filter = has_room, .score = rate_room };

/* --- NodeResourcesBalancedAllocation ---------------------------------------------------------------------------- */

/* Resources used in like proportion are better than one exhausted before the others: 100 less the standard deviation
 * of the shares. */
static int64_t rate_balance(Cycle *cycle, const NodeInfo *node)
{
  const GArray *resources = cycle->profile->balanced_resources;
  double sum = 0, squares = 0;
  unsigned n = 0;
  for (unsigned i = 0; i < resources->len; i++) {
    const char *name = g_array_index(resources, WeightedResource, i).name;
    int64_t total = resources_get(&node->allocatable, name);
    if (total <= 0 || (!is_common(name) && resources_get(&cycle->pod->request, name) == 0))
      continue;
    double share = MIN((double)would_use(cycle, node, name, false) / (double)total, 1);
    sum += share;
    squares += share * share;
    n++;
  }
  if (n < 2)
    return SCORE_MAX;
  double mean = sum / n, variance = MAX(squares / n - mean * mean, 0);
  return (int64_t)((1 - sqrt(variance)) * SCORE_MAX);
}

/* Pods that ask for nothing change no balance. */
static bool prepare_balance(Cycle *cycle, GPtrArray *nodes)
{
  return !resources_is_nothing(&cycle->pod->request);
}

const Plugin balanced_allocation_plugin = { .pre_score = prepare_balance, .score = rate_balance };
