#include "clusterd/node/stats/node_totals.h"

#include <unistd.h>

#include "base/timestamp.h"
#include "clusterd/node/stats/stat_file.h"
#include "clusterd/node/stats/stat_text.h"

static void take_memory(ResourceUsage *usage, const ResourceUsage *from)
{
  ResourceUsage merged = *from;
  merged.time_us = usage->time_us;
  merged.clock_us = usage->clock_us;
  merged.has_cpu = usage->has_cpu;
  merged.cpu_ns = usage->cpu_ns;
  merged.processes = usage->processes;
  *usage = merged;
}

void node_totals_read(const CgroupTree *tree, const char *proc, ResourceUsage *usage, int64_t *boot_seconds)
{
  char text[STAT_FILE_MAX];
  ResourceUsage totals = { 0 };
  cgroup_read(tree, "/", usage);
  *boot_seconds = 0;
  if (stat_file_read(proc, "", "stat", text))
    stat_text_proc_stat(text, (uint64_t)sysconf(_SC_CLK_TCK), &totals, boot_seconds);
  if (!usage->has_cpu) {
    usage->has_cpu = totals.has_cpu;
    usage->cpu_ns = totals.cpu_ns;
  }
  if (usage->has_memory)
    return;
  if (stat_file_read(proc, "", "meminfo", text))
    stat_text_meminfo(text, &totals);
  if (stat_file_read(proc, "", "vmstat", text))
    stat_text_vmstat(text, &totals);
  take_memory(usage, &totals);
}

void node_totals_processes(const char *proc, uint64_t *most, uint64_t *now)
{
  char text[STAT_FILE_MAX];
  *most = *now = 0;
  if (stat_file_read(proc, "sys/kernel", "pid_max", text))
    stat_text_number(text, most);
  if (stat_file_read(proc, "", "loadavg", text))
    stat_text_loadavg(text, now);
}
