#include "clusterd/node/stats/usage.h"

static bool rate_of(uint64_t used_ns, int64_t window_us, CpuRate *rate)
{
  if (window_us <= 0)
    return false;
  /* the product of a year's nanoseconds on a hundred cores and a million does not fit into 64 bits */
  rate->nano_cores = (uint64_t)((unsigned __int128)used_ns * G_USEC_PER_SEC / (uint64_t)window_us);
  rate->window_us = window_us;
  return true;
}

bool cpu_rate(const ResourceUsage *before, const ResourceUsage *now, CpuRate *rate)
{
  if (!before->has_cpu || !now->has_cpu || now->cpu_ns < before->cpu_ns)
    return false;
  return rate_of(now->cpu_ns - before->cpu_ns, now->clock_us - before->clock_us, rate);
}

bool cpu_rate_since(int64_t started_us, const ResourceUsage *now, CpuRate *rate)
{
  return now->has_cpu && started_us > 0 && rate_of(now->cpu_ns, now->time_us - started_us, rate);
}
