/* /metrics/cadvisor: what every container, pod and the node as a whole use, by cAdvisor's names. */
#include "base/timestamp.h"
#include "clusterd/node/http/node_http_private.h"
#include "clusterd/node/http/prometheus.h"
#include "clusterd/node/machine.h"

typedef double (*UsageNumber)(const ResourceUsage *usage);

static double cpu_seconds(const ResourceUsage *usage)
{
  return (double)usage->cpu_ns / 1e9;
}

#define NUMBER(function, member)                                                                                       \
  static double function(const ResourceUsage *usage)                                                                   \
  {                                                                                                                    \
    return (double)usage->member;                                                                                      \
  }
NUMBER(memory_usage, memory_bytes)
NUMBER(working_set, working_set_bytes)
NUMBER(rss, rss_bytes)
NUMBER(cache, cache_bytes)
NUMBER(mapped, mapped_bytes)
NUMBER(swap, swap_bytes)
NUMBER(limit, limit_bytes)
NUMBER(processes, processes)
NUMBER(page_faults, page_faults)
NUMBER(major_page_faults, major_page_faults)

static const struct Family {
  const char *name, *type, *help;
  UsageNumber number;
  const char *extra[5]; /* labels that all its samples have */
  bool goes_on;         /* more of the family before */
} families[] = {
  { "container_cpu_usage_seconds_total",
    "counter",
    "Processor time used, in seconds.",
    cpu_seconds,
    { "cpu", "total" },
    false },
  { "container_memory_usage_bytes", "gauge", "Memory used, all kinds together.", memory_usage, { NULL }, false },
  { "container_memory_working_set_bytes",
    "gauge",
    "Memory that cannot be had back at once.",
    working_set,
    { NULL },
    false },
  { "container_memory_rss", "gauge", "Anonymous memory.", rss, { NULL }, false },
  { "container_memory_cache", "gauge", "Memory of files.", cache, { NULL }, false },
  { "container_memory_mapped_file", "gauge", "Memory of mapped files.", mapped, { NULL }, false },
  { "container_memory_swap", "gauge", "Swap used.", swap, { NULL }, false },
  { "container_memory_failures_total",
    "counter",
    "Page faults.",
    page_faults,
    { "failure_type", "pgfault", "scope", "container" },
    false },
  { "container_memory_failures_total",
    "counter",
    "Page faults.",
    major_page_faults,
    { "failure_type", "pgmajfault", "scope", "container" },
    true },
  { "container_spec_memory_limit_bytes", "gauge", "The memory limit; 0: none.", limit, { NULL }, false },
  { "container_processes", "gauge", "Processes that run.", processes, { NULL }, false },
};

/* Whose sample it is, as labels; all but ID may be "". */
typedef struct Subject {
  const char *container, *id, *image, *name, *namespace_, *pod;
} Subject;

static void append_sample(GString *text, const struct Family *family, const Subject *subject,
                          const ResourceUsage *usage)
{
  const char *labels[20] = { "container", subject->container, "id",        subject->id,         "image", subject->image,
                             "name",      subject->name,      "namespace", subject->namespace_, "pod",   subject->pod };
  for (gsize i = 0; family->extra[i]; i++)
    labels[12 + i] = family->extra[i];
  prometheus_sample(text, family->name, labels, family->number(usage), usage->time_us);
}

static void append_pod(Kubelet *kubelet, GString *text, const struct Family *family, const PodSample *pod)
{
  Runtime *runtime = kubelet->runtime;
  g_autofree char *group = runtime->sandbox_cgroup(runtime, pod->sandbox_id);
  Subject whole = { "", group ? group : "", "", "", pod->namespace_, pod->name };
  append_sample(text, family, &whole, &pod->usage);
  for (guint i = 0; i < pod->containers->len; i++) {
    const ContainerSample *container = pod->containers->pdata[i];
    g_autofree char *own = runtime->container_cgroup(runtime, container->id);
    Subject subject = { container->name, own ? own : "",  container->image ? container->image : "",
                        container->id,   pod->namespace_, pod->name };
    append_sample(text, family, &subject, &container->usage);
  }
}

static void append_families(Kubelet *kubelet, GString *text, const NodeSample *sample)
{
  static const Subject node = { "", "/", "", "", "", "" };
  for (gsize i = 0; i < G_N_ELEMENTS(families); i++) {
    if (!families[i].goes_on)
      prometheus_family(text, families[i].name, families[i].type, families[i].help);
    append_sample(text, &families[i], &node, &sample->usage);
    for (guint k = 0; k < sample->pods->len; k++)
      append_pod(kubelet, text, &families[i], sample->pods->pdata[k]);
  }
}

static void append_starts(GString *text, const NodeSample *sample)
{
  prometheus_family(text, "container_start_time_seconds", "gauge", "When the container started, since 1970.");
  for (guint i = 0; i < sample->pods->len; i++) {
    const PodSample *pod = sample->pods->pdata[i];
    for (guint k = 0; k < pod->containers->len; k++) {
      const ContainerSample *container = pod->containers->pdata[k];
      const char *const labels[] = {
        "container", container->name, "image",     container->image ? container->image : "",
        "name",      container->id,   "namespace", pod->namespace_,
        "pod",       pod->name,       NULL
      };
      prometheus_sample(text, "container_start_time_seconds", labels, (double)container->started_us / 1e6,
                        container->usage.time_us);
    }
  }
}

/* --- networks ------------------------------------------------------------------------------------------------------
 */

static const struct NetworkFamily {
  const char *name, *help;
  gsize offset; /* of a uint64_t in InterfaceUsage */
} network_families[] = {
  { "container_network_receive_bytes_total", "Bytes received.", G_STRUCT_OFFSET(InterfaceUsage, rx_bytes) },
  { "container_network_receive_packets_total", "Packets received.", G_STRUCT_OFFSET(InterfaceUsage, rx_packets) },
  { "container_network_receive_errors_total", "Errors while receiving.", G_STRUCT_OFFSET(InterfaceUsage, rx_errors) },
  { "container_network_receive_packets_dropped_total", "Packets dropped while receiving.",
    G_STRUCT_OFFSET(InterfaceUsage, rx_dropped) },
  { "container_network_transmit_bytes_total", "Bytes sent.", G_STRUCT_OFFSET(InterfaceUsage, tx_bytes) },
  { "container_network_transmit_packets_total", "Packets sent.", G_STRUCT_OFFSET(InterfaceUsage, tx_packets) },
  { "container_network_transmit_errors_total", "Errors while sending.", G_STRUCT_OFFSET(InterfaceUsage, tx_errors) },
  { "container_network_transmit_packets_dropped_total", "Packets dropped while sending.",
    G_STRUCT_OFFSET(InterfaceUsage, tx_dropped) },
};

static void append_networks(Kubelet *kubelet, GString *text, const NodeSample *sample)
{
  Runtime *runtime = kubelet->runtime;
  g_autoptr(GPtrArray) networks = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
  for (guint i = 0; i < sample->pods->len; i++) {
    GArray *interfaces = runtime->sandbox_interfaces(runtime, ((PodSample *)sample->pods->pdata[i])->sandbox_id);
    g_ptr_array_add(networks, interfaces ? interfaces : g_array_new(FALSE, FALSE, sizeof(InterfaceUsage)));
  }
  for (gsize i = 0; i < G_N_ELEMENTS(network_families); i++) {
    const struct NetworkFamily *family = &network_families[i];
    prometheus_family(text, family->name, "counter", family->help);
    for (guint k = 0; k < networks->len; k++) {
      const PodSample *pod = sample->pods->pdata[k];
      const GArray *interfaces = networks->pdata[k];
      for (guint n = 0; n < interfaces->len; n++) {
        InterfaceUsage *usage = &g_array_index(interfaces, InterfaceUsage, n);
        const char *const labels[] = { "interface", usage->name, "namespace", pod->namespace_, "pod", pod->name, NULL };
        prometheus_sample(text, family->name, labels, (double)*(uint64_t *)G_STRUCT_MEMBER_P(usage, family->offset),
                          pod->usage.time_us);
      }
    }
  }
}

void cadvisor_append(Kubelet *kubelet, GString *text)
{
  g_autoptr(NodeSample) sample = node_stats_look(kubelet->stats, NULL);
  append_families(kubelet, text, sample);
  append_starts(text, sample);
  append_networks(kubelet, text, sample);
  prometheus_family(text, "machine_cpu_cores", "gauge", "Logical processors.");
  prometheus_sample(text, "machine_cpu_cores", NULL, g_get_num_processors(), 0);
  prometheus_family(text, "machine_memory_bytes", "gauge", "Memory of the machine.");
  prometheus_sample(text, "machine_memory_bytes", NULL, (double)machine_memory_bytes(), 0);
}
