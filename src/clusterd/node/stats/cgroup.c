#include "clusterd/node/stats/cgroup.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "clusterd/node/stats/stat_file.h"
#include "clusterd/node/stats/stat_text.h"

/* What v1 shows where there is no limit: the largest number of bytes, in whole pages. */
#define V1_UNLIMITED (INT64_MAX / 65536 * 65536)

static bool is_folder(const char *path)
{
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The folder of one controller, which may be mounted together with another. */
static char *find_controller(const char *root, const char *const *names)
{
  for (; *names; names++) {
    g_autofree char *path = g_build_filename(root, *names, NULL);
    if (is_folder(path))
      return g_steal_pointer(&path);
  }
  return NULL;
}

void cgroup_tree_find(CgroupTree *tree, const char *root)
{
  g_autofree char *mark = g_build_filename(root, "cgroup.controllers", NULL);
  *tree = (CgroupTree){ .root = g_strdup(root), .v2 = access(mark, F_OK) == 0 };
  if (tree->v2)
    return;
  tree->cpu = find_controller(root, (const char *const[]){ "cpuacct", "cpu,cpuacct", "cpuacct,cpu", NULL });
  tree->memory = find_controller(root, (const char *const[]){ "memory", NULL });
  tree->pids = find_controller(root, (const char *const[]){ "pids", NULL });
}

void cgroup_tree_clear(CgroupTree *tree)
{
  g_clear_pointer(&tree->root, g_free);
  g_clear_pointer(&tree->cpu, g_free);
  g_clear_pointer(&tree->memory, g_free);
  g_clear_pointer(&tree->pids, g_free);
}

static bool read_number(const char *top, const char *path, const char *file, uint64_t *value)
{
  char text[STAT_FILE_MAX];
  return stat_file_read(top, path, file, text) && stat_text_number(text, value);
}

static void read_limit(const char *top, const char *path, const char *file, ResourceUsage *usage)
{
  uint64_t limit;
  if (read_number(top, path, file, &limit) && limit < V1_UNLIMITED)
    usage->limit_bytes = limit;
}

static bool read_v1(const CgroupTree *tree, const char *path, ResourceUsage *usage)
{
  char text[STAT_FILE_MAX];
  usage->has_cpu = tree->cpu && read_number(tree->cpu, path, "cpuacct.usage", &usage->cpu_ns);
  usage->has_memory = tree->memory && read_number(tree->memory, path, "memory.usage_in_bytes", &usage->memory_bytes);
  if (usage->has_memory) {
    usage->working_set_bytes = usage->memory_bytes;
    if (stat_file_read(tree->memory, path, "memory.stat", text))
      stat_text_memory_v1(text, usage);
    read_limit(tree->memory, path, "memory.limit_in_bytes", usage);
  }
  if (tree->pids)
    read_number(tree->pids, path, "pids.current", &usage->processes);
  return usage->has_cpu || usage->has_memory;
}

static bool read_v2(const CgroupTree *tree, const char *path, ResourceUsage *usage)
{
  char text[STAT_FILE_MAX];
  if (stat_file_read(tree->root, path, "cpu.stat", text))
    stat_text_cpu_v2(text, usage);
  usage->has_memory = read_number(tree->root, path, "memory.current", &usage->memory_bytes);
  if (usage->has_memory) {
    usage->working_set_bytes = usage->memory_bytes;
    if (stat_file_read(tree->root, path, "memory.stat", text))
      stat_text_memory_v2(text, usage);
    read_limit(tree->root, path, "memory.max", usage);
    read_number(tree->root, path, "memory.swap.current", &usage->swap_bytes);
  }
  read_number(tree->root, path, "pids.current", &usage->processes);
  return usage->has_cpu || usage->has_memory;
}

bool cgroup_read(const CgroupTree *tree, const char *path, ResourceUsage *usage)
{
  *usage = (ResourceUsage){ .time_us = timestamp_now_us(), .clock_us = g_get_monotonic_time() };
  return tree->v2 ? read_v2(tree, path, usage) : read_v1(tree, path, usage);
}
