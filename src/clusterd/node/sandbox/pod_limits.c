#include "clusterd/node/sandbox/pod_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define SHARES_MIN 2
#define SHARES_MAX 262144
#define WEIGHT_MAX 10000

/* FOLDERS are tried in turn: controllers may be mounted together. */
static void put(const char *root, const char *const *folders, const char *path, const char *file, const char *value)
{
  for (; *folders; folders++) {
    g_autofree char *full = g_build_filename(root, *folders, path, file, NULL);
    file_autofd int fd = open(full, O_WRONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
      continue;
    if (fd < 0 || write(fd, value, strlen(value)) < 0)
      g_message("%s: %s: %s", full, value, g_strerror(errno));
    return;
  }
}

static void put_number(const char *root, const char *const *folders, const char *path, const char *file, int64_t value)
{
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
  put(root, folders, path, file, text);
}

static void write_v1(const char *root, const char *path, const ContainerLimits *limits)
{
  static const char *const cpu[] = { "cpu", "cpu,cpuacct", "cpuacct,cpu", NULL }, *const memory[] = { "memory", NULL };
  if (limits->cpu_shares > 0)
    put_number(root, cpu, path, "cpu.shares", limits->cpu_shares);
  if (limits->cpu_quota_us > 0) {
    put_number(root, cpu, path, "cpu.cfs_period_us", limits->cpu_period_us);
    put_number(root, cpu, path, "cpu.cfs_quota_us", limits->cpu_quota_us);
  }
  if (limits->memory_bytes > 0)
    put_number(root, memory, path, "memory.limit_in_bytes", limits->memory_bytes);
}

/* Source: kubernetes.io "cgroup v2", the conversion of shares (2 to 262144) to weights (1 to 10000). */
static void write_v2(const char *root, const char *path, const ContainerLimits *limits)
{
  static const char *const here[] = { "", NULL };
  if (limits->cpu_shares > 0)
    put_number(root, here, path, "cpu.weight",
               1 + (limits->cpu_shares - SHARES_MIN) * (WEIGHT_MAX - 1) / (SHARES_MAX - SHARES_MIN));
  if (limits->cpu_quota_us > 0) {
    g_autofree char *text =
        g_strdup_printf("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT, limits->cpu_quota_us, limits->cpu_period_us);
    put(root, here, path, "cpu.max", text);
  }
  if (limits->memory_bytes > 0)
    put_number(root, here, path, "memory.max", limits->memory_bytes);
}

void pod_limits_write(const char *root, const char *path, const ContainerLimits *limits)
{
  g_autofree char *mark = g_build_filename(root, "cgroup.controllers", NULL);
  if (access(mark, F_OK) == 0)
    write_v2(root, path, limits);
  else
    write_v1(root, path, limits);
}
