#include "clusterd/node/stats/node_stats.h"

#include "clusterd/node/stats/sample_history.h"

struct NodeStats {
  NodeSource source;
  GMutex lock; /* guards what follows */
  GCond changed;
  SampleHistory history;
  bool looking;
};

NodeStats *node_stats_new(Runtime *runtime)
{
  NodeStats *stats = g_new0(NodeStats, 1);
  stats->source = (NodeSource){ .runtime = runtime, .proc = "/proc" };
  cgroup_tree_find(&stats->source.cgroups, "/sys/fs/cgroup");
  g_mutex_init(&stats->lock);
  g_cond_init(&stats->changed);
  sample_history_init(&stats->history);
  return stats;
}

void node_stats_free(NodeStats *stats)
{
  if (!stats)
    return;
  sample_history_clear(&stats->history);
  cgroup_tree_clear(&stats->source.cgroups);
  g_cond_clear(&stats->changed);
  g_mutex_clear(&stats->lock);
  g_free(stats);
}

/* All below: with the lock held, which is let go while the node is looked at. */

static bool is_fresh(const NodeStats *stats)
{
  const NodeSample *newest = stats->history.newest;
  return newest && g_get_monotonic_time() - newest->usage.clock_us < STATS_CACHE_US;
}

static void look(NodeStats *stats)
{
  while (stats->looking)
    g_cond_wait(&stats->changed, &stats->lock);
  if (is_fresh(stats)) /* somebody else just did */
    return;
  stats->looking = true;
  g_mutex_unlock(&stats->lock);
  NodeSample *sample = node_sample_take(&stats->source);
  g_mutex_lock(&stats->lock);
  sample_history_trim(&stats->history, sample->usage.clock_us);
  sample_history_add(&stats->history, sample);
  stats->looking = false;
  g_cond_broadcast(&stats->changed);
}

static NodeSample *result(const NodeStats *stats, NodeSample **base)
{
  NodeSample *older = sample_history_base(&stats->history);
  if (base)
    *base = older ? node_sample_ref(older) : NULL;
  return node_sample_ref(stats->history.newest);
}

NodeSample *node_stats_look(NodeStats *stats, NodeSample **base)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&stats->lock);
  look(stats);
  return result(stats, base);
}

NodeSample *node_stats_pair(NodeStats *stats, NodeSample **base)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&stats->lock);
  look(stats);
  while (!sample_history_base(&stats->history)) {
    gint64 until = stats->history.newest->usage.clock_us + STATS_FIRST_WINDOW_US;
    while (!sample_history_base(&stats->history) && g_cond_wait_until(&stats->changed, &stats->lock, until))
      ;
    look(stats);
  }
  return result(stats, base);
}

bool node_stats_group(const NodeStats *stats, const char *path, ResourceUsage *usage)
{
  return cgroup_read(&stats->source.cgroups, path, usage);
}
