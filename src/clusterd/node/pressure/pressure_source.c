#include "clusterd/node/pressure/pressure_source.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "clusterd/node/machine.h"
#include "clusterd/node/stats/disk.h"
#include "clusterd/node/stats/node_totals.h"

#define PODS_GROUP "/kubepods"
#define STALLS_PATH "/proc/pressure/memory"
/* Some task lost a tenth of a second within two; a window of whole two seconds is what the kernel gives to anybody. */
#define STALLS_TRIGGER "some 100000 2000000"

typedef struct KernelSource {
  PressureSource table; /* first: what is given out */
  Runtime *runtime;
  NodeStats *stats;
  CgroupTree cgroups;
  char *pods_dir, *logs_dir;
} KernelSource;

static int64_t kernel_now(void *data)
{
  return g_get_monotonic_time();
}

static int64_t bounded(uint64_t value)
{
  return (int64_t)MIN(value, (uint64_t)G_MAXINT64);
}

/* What is left of CAPACITY. */
static Observation left_of(uint64_t capacity, uint64_t used)
{
  return (Observation){ true, bounded(capacity > used ? capacity - used : 0), bounded(capacity) };
}

static void look_at_memory(const KernelSource *source, Observations *seen)
{
  ResourceUsage usage = { 0 };
  int64_t boot_seconds;
  node_totals_read(&source->cgroups, "/proc", &usage, &boot_seconds);
  if (usage.has_memory)
    seen->of[SIGNAL_MEMORY] = left_of((uint64_t)machine_memory_bytes(), usage.working_set_bytes);
  ResourceUsage pods = { 0 };
  if (node_stats_group(source->stats, PODS_GROUP, &pods) && pods.has_memory && pods.limit_bytes > 0)
    seen->of[SIGNAL_ALLOCATABLE_MEMORY] = left_of(pods.limit_bytes, pods.working_set_bytes);
}

static void look_at_disk(const char *path, Observation *space, Observation *inodes)
{
  FileSystemUsage usage;
  if (!disk_file_system(path, &usage))
    return;
  *space = (Observation){ true, bounded(usage.available_bytes), bounded(usage.capacity_bytes) };
  if (usage.inodes > 0) /* some file systems do not count them */
    *inodes = (Observation){ true, bounded(usage.inodes_free), bounded(usage.inodes) };
}

static void kernel_look(void *data, Observations *seen)
{
  const KernelSource *source = data;
  Runtime *runtime = source->runtime;
  g_autofree char *place = runtime->image_place ? runtime->image_place(runtime) : NULL;
  const char *images = place ? place : source->pods_dir;
  struct stat pods_info, images_info;
  uint64_t most, now;
  look_at_memory(source, seen);
  look_at_disk(source->pods_dir, &seen->of[SIGNAL_NODE_SPACE], &seen->of[SIGNAL_NODE_INODES]);
  look_at_disk(images, &seen->of[SIGNAL_IMAGE_SPACE], &seen->of[SIGNAL_IMAGE_INODES]);
  seen->images_apart = stat(source->pods_dir, &pods_info) == 0 && stat(images, &images_info) == 0 &&
                       pods_info.st_dev != images_info.st_dev;
  node_totals_processes("/proc", &most, &now);
  if (most > 0 && now > 0)
    seen->of[SIGNAL_PROCESSES] = left_of(most, now);
}

/* --- pods ----------------------------------------------------------------------------------------------------------
 */

static bool measure_tree(const char *path, DiskUse *use)
{
  FileSystemUsage usage;
  if (!path || !disk_tree(path, &usage))
    return false;
  *use = (DiskUse){ bounded(usage.used_bytes), bounded(usage.inodes_used) };
  return true;
}

static void measure_container(const KernelSource *source, const PodSample *pod, const ContainerSample *sample,
                              PodUse *use, bool with_disk)
{
  Runtime *runtime = source->runtime;
  ContainerUse *container = pod_use_add_container(use, sample->name);
  container->has_memory = sample->usage.has_memory;
  container->memory_bytes = bounded(sample->usage.working_set_bytes);
  if (!with_disk)
    return;
  g_autofree char *layer = runtime->container_layer ? runtime->container_layer(runtime, sample->id) : NULL;
  g_autofree char *logs =
      g_strdup_printf("%s/%s_%s_%s/%s", source->logs_dir, pod->namespace_, pod->name, pod->uid, sample->name);
  container->has_disk = measure_tree(layer, &container->layer);
  container->has_disk = measure_tree(logs, &container->logs) && container->has_disk;
}

/* The volumes that count as the pod's own: what it keeps in memory does not. */
static void measure_volumes(const KernelSource *source, const char *uid, PodUse *use)
{
  const json_t *volume;
  size_t i;
  json_array_foreach (json_at(use->pod, "spec", "volumes", NULL), i, volume) {
    const json_t *empty = json_object_get(volume, "emptyDir");
    bool on_disk = empty && !*json_str(empty, "medium", "");
    const char *name = json_str(volume, "name", "");
    if (!on_disk && !json_object_get(volume, "configMap"))
      continue;
    g_autofree char *path =
        g_build_filename(source->pods_dir, uid, "volumes", on_disk ? "empty-dir" : "files", name, NULL);
    DiskUse disk;
    if (measure_tree(path, &disk))
      pod_use_add_volume(use, name)->disk = disk;
  }
}

static void kernel_measure(void *data, PodUse *use, bool with_disk)
{
  const KernelSource *source = data;
  const char *uid = json_str(json_object_get(use->pod, "metadata"), "uid", "");
  g_autoptr(NodeSample) sample = node_stats_look(source->stats, NULL);
  for (guint i = 0; i < sample->pods->len; i++) {
    const PodSample *pod = sample->pods->pdata[i];
    if (!g_str_equal(pod->uid, uid))
      continue;
    use->known = true;
    use->memory_bytes = bounded(pod->usage.working_set_bytes);
    use->processes = bounded(pod->usage.processes);
    for (guint k = 0; k < pod->containers->len; k++)
      measure_container(source, pod, pod->containers->pdata[k], use, with_disk);
  }
  if (with_disk && use->known)
    measure_volumes(source, uid, use);
}

PressureSource *pressure_source_new(Runtime *runtime, NodeStats *stats, const char *pods_dir, const char *logs_dir)
{
  KernelSource *source = g_new0(KernelSource, 1);
  source->table =
      (PressureSource){ .data = source, .now_us = kernel_now, .look = kernel_look, .measure = kernel_measure };
  source->runtime = runtime;
  source->stats = stats;
  source->pods_dir = g_strdup(pods_dir);
  source->logs_dir = g_strdup(logs_dir);
  cgroup_tree_find(&source->cgroups, "/sys/fs/cgroup");
  return &source->table;
}

void pressure_source_free(PressureSource *source)
{
  if (!source)
    return;
  KernelSource *kernel = source->data;
  cgroup_tree_clear(&kernel->cgroups);
  g_free(kernel->pods_dir);
  g_free(kernel->logs_dir);
  g_free(kernel);
}

int pressure_source_open_stalls(void)
{
  file_autofd int fd = open(STALLS_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || write(fd, STALLS_TRIGGER, strlen(STALLS_TRIGGER) + 1) < 0)
    return -1;
  int opened = fd;
  fd = -1;
  return opened;
}
