#include "clusterd/node/stats/sample_history.h"

void sample_history_init(SampleHistory *history)
{
  *history = (SampleHistory){ 0 };
  g_queue_init(&history->older);
}

void sample_history_clear(SampleHistory *history)
{
  g_clear_pointer(&history->newest, node_sample_unref);
  g_queue_clear_full(&history->older, (GDestroyNotify)node_sample_unref);
}

static int64_t clock_of(const NodeSample *sample)
{
  return sample->usage.clock_us;
}

void sample_history_add(SampleHistory *history, NodeSample *sample)
{
  NodeSample *before = history->newest;
  const NodeSample *last = g_queue_peek_tail(&history->older);
  history->newest = sample;
  if (!before)
    return;
  if (last && clock_of(before) - clock_of(last) < SAMPLE_SPACING_US) {
    node_sample_unref(before);
    return;
  }
  g_queue_push_tail(&history->older, before);
  if (history->older.length > SAMPLE_HISTORY_MAX)
    node_sample_unref(g_queue_pop_head(&history->older));
}

void sample_history_trim(SampleHistory *history, int64_t clock_us)
{
  NodeSample *oldest;
  while ((oldest = g_queue_peek_head(&history->older)) && clock_us - clock_of(oldest) > SAMPLE_USELESS_US)
    node_sample_unref(g_queue_pop_head(&history->older));
  if (history->newest && clock_us - clock_of(history->newest) > SAMPLE_USELESS_US)
    g_clear_pointer(&history->newest, node_sample_unref);
}

NodeSample *sample_history_base(const SampleHistory *history)
{
  NodeSample *base = NULL;
  for (GList *link = history->older.tail; link && history->newest; link = link->prev) {
    base = link->data;
    if (clock_of(history->newest) - clock_of(base) >= SAMPLE_WINDOW_US)
      break;
  }
  return base;
}

bool sample_container_rate(const NodeSample *base, const ContainerSample *container, CpuRate *rate)
{
  const ResourceUsage *before = base ? node_sample_container(base, container->id) : NULL;
  if (container->usage.time_us - container->started_us < SAMPLE_FRESH_US)
    return false;
  if (before)
    return cpu_rate(before, &container->usage, rate);
  /* an old one would be there: a rate over its whole life says nothing about now */
  return container->usage.time_us - container->started_us <= SAMPLE_USELESS_US &&
         cpu_rate_since(container->started_us, &container->usage, rate);
}
