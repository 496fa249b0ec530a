/* /stats/summary, in the shape of k8s.io/kubelet/pkg/apis/stats/v1alpha1. */
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/node/http/node_http_private.h"
#include "clusterd/node/machine.h"
#include "clusterd/node/stats/disk.h"
#include "clusterd/node/stats/node_totals.h"
#include "clusterd/node/stats/stat_file.h"
#include "clusterd/node/stats/stat_text.h"

#define PODS_GROUP "/kubepods"
#define DEFAULT_INTERFACE "eth0" /* the one whose numbers stand for a pod's, or the node's */

typedef struct Summary {
  Kubelet *kubelet;
  const NodeSample *base, *now;
  bool brief; /* processor and memory alone */
} Summary;

static void set_time(json_t *object, const char *key, int64_t time_us)
{
  g_autofree char *text = timestamp_text(time_us);
  json_object_set_new(object, key, json_string(text));
}

static void set_number(json_t *object, const char *key, uint64_t value)
{
  json_object_set_new(object, key, json_integer((json_int_t)MIN(value, (uint64_t)G_MAXINT64)));
}

/* --- processor and memory ------------------------------------------------------------------------------------------
 */

static json_t *cpu_of(const ResourceUsage *before, const ResourceUsage *now)
{
  json_t *cpu = json_object();
  CpuRate rate;
  set_time(cpu, "time", now->time_us);
  if (before && cpu_rate(before, now, &rate))
    set_number(cpu, "usageNanoCores", rate.nano_cores);
  set_number(cpu, "usageCoreNanoSeconds", now->cpu_ns);
  return cpu;
}

/* LIMIT 0: none. */
static json_t *memory_of(const ResourceUsage *now, uint64_t limit)
{
  json_t *memory = json_object();
  set_time(memory, "time", now->time_us);
  if (limit > 0)
    set_number(memory, "availableBytes", limit > now->working_set_bytes ? limit - now->working_set_bytes : 0);
  set_number(memory, "usageBytes", now->memory_bytes);
  set_number(memory, "workingSetBytes", now->working_set_bytes);
  set_number(memory, "rssBytes", now->rss_bytes);
  set_number(memory, "pageFaults", now->page_faults);
  set_number(memory, "majorPageFaults", now->major_page_faults);
  return memory;
}

static void add_usage(json_t *object, const ResourceUsage *before, const ResourceUsage *now, uint64_t limit)
{
  if (now->has_cpu)
    json_object_set_new(object, "cpu", cpu_of(before, now));
  if (!now->has_memory)
    return;
  json_t *swap = json_object();
  json_object_set_new(object, "memory", memory_of(now, limit));
  set_time(swap, "time", now->time_us);
  set_number(swap, "swapUsageBytes", now->swap_bytes);
  json_object_set_new(object, "swap", swap);
}

/* --- networks and file systems -------------------------------------------------------------------------------------
 */

static json_t *interface_of(const InterfaceUsage *usage)
{
  json_t *interface = json_pack("{s:s}", "name", usage->name);
  set_number(interface, "rxBytes", usage->rx_bytes);
  set_number(interface, "rxErrors", usage->rx_errors);
  set_number(interface, "txBytes", usage->tx_bytes);
  set_number(interface, "txErrors", usage->tx_errors);
  return interface;
}

/* Takes the reference to INTERFACES, which may be NULL. */
static void add_network(json_t *object, GArray *interfaces, int64_t time_us)
{
  json_t *network = json_object(), *list = json_array();
  set_time(network, "time", time_us);
  for (guint i = 0; interfaces && i < interfaces->len; i++) {
    json_t *interface = interface_of(&g_array_index(interfaces, InterfaceUsage, i));
    if (g_str_equal(json_str(interface, "name", ""), DEFAULT_INTERFACE))
      json_object_update(network, interface);
    json_array_append_new(list, interface);
  }
  json_object_set_new(network, "interfaces", list);
  if (interfaces)
    json_object_set(object, "network", network);
  json_decref(network);
  if (interfaces)
    g_array_unref(interfaces);
}

static json_t *file_system_of(const FileSystemUsage *usage)
{
  json_t *value = json_object();
  set_time(value, "time", timestamp_now_us());
  set_number(value, "availableBytes", usage->available_bytes);
  set_number(value, "capacityBytes", usage->capacity_bytes);
  set_number(value, "usedBytes", usage->used_bytes);
  set_number(value, "inodesFree", usage->inodes_free);
  set_number(value, "inodes", usage->inodes);
  set_number(value, "inodesUsed", usage->inodes_used);
  return value;
}

static GArray *node_interfaces(void)
{
  char text[STAT_FILE_MAX];
  return stat_file_read("/proc", "thread-self/net", "dev", text) ? stat_text_interfaces(text) : NULL;
}

/* What the files at PATH use, into VALUE's KEY, and into TOTAL (may be NULL). */
static void add_tree(json_t *value, const char *key, const char *path, FileSystemUsage *total)
{
  FileSystemUsage usage;
  if (!path || !disk_tree(path, &usage))
    return;
  json_object_set_new(value, key, file_system_of(&usage));
  if (!total)
    return;
  total->used_bytes += usage.used_bytes;
  total->inodes_used += usage.inodes_used;
}

/* --- pods ----------------------------------------------------------------------------------------------------------
 */

static json_t *container_of(const Summary *summary, const PodSample *pod, const ContainerSample *container,
                            FileSystemUsage *total)
{
  Runtime *runtime = summary->kubelet->runtime;
  json_t *value = json_pack("{s:s}", "name", container->name);
  set_time(value, "startTime", container->started_us);
  add_usage(value, node_sample_container(summary->base, container->id), &container->usage,
            container->usage.limit_bytes);
  if (summary->brief)
    return value;
  g_autofree char *layer = runtime->container_layer ? runtime->container_layer(runtime, container->id) : NULL;
  g_autofree char *logs = g_strdup_printf("%s/%s_%s_%s/%s", summary->kubelet->logs_dir, pod->namespace_, pod->name,
                                          pod->uid, container->name);
  add_tree(value, "rootfs", layer, total);
  add_tree(value, "logs", logs, total);
  return value;
}

/* Volumes that lie in the pod's own folder; what is in them counts as the pod's. */
static void add_volumes(const Summary *summary, const PodSample *pod, json_t *value, FileSystemUsage *total)
{
  static const char *const kinds[] = { "empty-dir", "files" };
  json_t *volumes = json_array();
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autofree char *path = g_build_filename(summary->kubelet->pods_dir, pod->uid, "volumes", kinds[i], NULL);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;
    while (folder && (name = g_dir_read_name(folder))) {
      g_autofree char *place = g_build_filename(path, name, NULL);
      FileSystemUsage usage;
      if (!disk_tree(place, &usage))
        continue;
      json_t *volume = file_system_of(&usage);
      json_object_set_new(volume, "name", json_string(name));
      json_array_append_new(volumes, volume);
      total->used_bytes += usage.used_bytes;
      total->inodes_used += usage.inodes_used;
    }
  }
  if (json_array_size(volumes) > 0)
    json_object_set(value, "volume", volumes);
  json_decref(volumes);
}

static json_t *pod_start(const Summary *summary, const PodSample *pod)
{
  g_autoptr(Object) object = informer_get(summary->kubelet->pods, pod->namespace_, pod->name);
  const json_t *start = object ? json_at(object_json(object), "status", "startTime", NULL) : NULL;
  return start ? json_incref((json_t *)(uintptr_t)start) : json_null();
}

static json_t *pod_of(const Summary *summary, const PodSample *pod)
{
  Runtime *runtime = summary->kubelet->runtime;
  json_t *containers = json_array();
  json_t *value = json_pack("{s:{s:s, s:s, s:s}, s:o, s:o}", "podRef", "name", pod->name, "namespace", pod->namespace_,
                            "uid", pod->uid, "startTime", pod_start(summary, pod), "containers", containers);
  FileSystemUsage total = { 0 };
  disk_file_system(summary->kubelet->pods_dir, &total);
  total.used_bytes = total.inodes_used = 0;
  for (guint i = 0; i < pod->containers->len; i++)
    json_array_append_new(containers, container_of(summary, pod, pod->containers->pdata[i], &total));
  add_usage(value, node_sample_pod(summary->base, pod->uid), &pod->usage, pod->usage.limit_bytes);
  if (summary->brief)
    return value;
  if (runtime->sandbox_interfaces)
    add_network(value, runtime->sandbox_interfaces(runtime, pod->sandbox_id), pod->usage.time_us);
  add_volumes(summary, pod, value, &total);
  json_object_set_new(value, "ephemeral-storage", file_system_of(&total));
  json_t *processes = json_object();
  set_number(processes, "process_count", pod->usage.processes);
  json_object_set_new(value, "process_stats", processes);
  return value;
}

/* --- the node ------------------------------------------------------------------------------------------------------
 */

/* What this program itself uses. */
static json_t *own_usage(const NodeSample *sample)
{
  struct rusage own;
  char text[STAT_FILE_MAX];
  uint64_t total_pages = 0, pages = 0;
  json_t *value = json_pack("{s:s}", "name", "kubelet");
  getrusage(RUSAGE_SELF, &own);
  if (stat_file_read("/proc", "self", "statm", text)) {
    g_auto(GStrv) words = g_strsplit(text, " ", 3);
    if (words[0] && words[1] && stat_text_number(words[0], &total_pages))
      stat_text_number(words[1], &pages);
  }
  uint64_t bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
  ResourceUsage usage = { .time_us = timestamp_now_us(),
                          .has_cpu = true,
                          .has_memory = true,
                          .cpu_ns = ((uint64_t)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) * G_USEC_PER_SEC +
                                     (uint64_t)(own.ru_utime.tv_usec + own.ru_stime.tv_usec)) *
                                    1000,
                          .memory_bytes = bytes,
                          .working_set_bytes = bytes,
                          .rss_bytes = bytes,
                          .page_faults = (uint64_t)own.ru_minflt,
                          .major_page_faults = (uint64_t)own.ru_majflt };
  set_time(value, "startTime", sample->boot_us);
  add_usage(value, NULL, &usage, 0);
  return value;
}

static json_t *system_containers(const Summary *summary)
{
  json_t *list = json_array(), *pods = json_pack("{s:s}", "name", "pods");
  ResourceUsage usage;
  if (!summary->brief)
    json_array_append_new(list, own_usage(summary->now));
  set_time(pods, "startTime", summary->now->boot_us);
  if (node_stats_group(summary->kubelet->stats, PODS_GROUP, &usage)) {
    add_usage(pods, NULL, &usage, usage.limit_bytes);
    json_array_append(list, pods);
  }
  json_decref(pods);
  return list;
}

static void add_file_systems(const Summary *summary, json_t *node)
{
  Runtime *runtime = summary->kubelet->runtime;
  FileSystemUsage usage;
  if (!disk_file_system(summary->kubelet->pods_dir, &usage))
    return;
  json_object_set_new(node, "fs", file_system_of(&usage));
  g_autofree char *place = runtime->image_place ? runtime->image_place(runtime) : NULL;
  if (place)
    disk_file_system(place, &usage);
  g_autoptr(GPtrArray) images = runtime->list_images(runtime, NULL);
  usage.used_bytes = 0;
  usage.inodes_used = 0;
  for (guint i = 0; images && i < images->len; i++)
    usage.used_bytes += (uint64_t)((const ImageStatus *)images->pdata[i])->size_bytes;
  json_object_set_new(node, "runtime", json_pack("{s:o}", "imageFs", file_system_of(&usage)));
}

static void add_processes(json_t *node)
{
  uint64_t most, now;
  json_t *limits = json_object();
  node_totals_processes("/proc", &most, &now);
  set_time(limits, "time", timestamp_now_us());
  set_number(limits, "maxpid", most);
  set_number(limits, "curproc", now);
  json_object_set_new(node, "rlimit", limits);
}

static json_t *node_of(const Summary *summary)
{
  const NodeSample *now = summary->now;
  json_t *node =
      json_pack("{s:s, s:o}", "nodeName", summary->kubelet->node_name, "systemContainers", system_containers(summary));
  set_time(node, "startTime", now->boot_us);
  add_usage(node, &summary->base->usage, &now->usage, (uint64_t)machine_memory_bytes());
  if (summary->brief)
    return node;
  add_network(node, node_interfaces(), now->usage.time_us);
  add_file_systems(summary, node);
  add_processes(node);
  return node;
}

void node_answer_stats(NodeCall *call)
{
  if (g_strcmp0(call->parts[0], "summary") != 0 || call->parts[1]) {
    node_reply_absent(call);
    return;
  }
  NodeSample *base = NULL;
  g_autoptr(NodeSample) now = node_stats_pair(call->kubelet->stats, &base);
  g_autoptr(NodeSample) compared = base;
  Summary summary = { call->kubelet, compared, now, query_flag(call->query, "only_cpu_and_memory") };
  json_t *pods = json_array();
  for (guint i = 0; i < now->pods->len; i++)
    json_array_append_new(pods, pod_of(&summary, now->pods->pdata[i]));
  node_reply_json(call, json_pack("{s:o, s:o}", "node", node_of(&summary), "pods", pods));
}
