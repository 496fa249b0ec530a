/* /metrics of the node agent itself, /metrics/resource, /metrics/cadvisor and /metrics/probes. */
#include <string.h>

#include "base/json.h"
#include "clusterd/node/http/node_http_private.h"
#include "clusterd/node/http/prometheus.h"
#include "clusterd/server/metrics.h"
#include "config.h"

/* --- resource ------------------------------------------------------------------------------------------------------
 */

typedef void (*Append)(GString *text, const char *name, const char *const *labels, const ResourceUsage *usage);

static void append_cpu(GString *text, const char *name, const char *const *labels, const ResourceUsage *usage)
{
  if (usage->has_cpu)
    prometheus_sample(text, name, labels, (double)usage->cpu_ns / 1e9, usage->time_us);
}

static void append_memory(GString *text, const char *name, const char *const *labels, const ResourceUsage *usage)
{
  if (usage->has_memory)
    prometheus_sample(text, name, labels, (double)usage->working_set_bytes, usage->time_us);
}

static void append_swap(GString *text, const char *name, const char *const *labels, const ResourceUsage *usage)
{
  if (usage->has_memory)
    prometheus_sample(text, name, labels, (double)usage->swap_bytes, usage->time_us);
}

static const struct Measure {
  const char *name, *type, *help;
  Append append;
} measures[] = {
  { "cpu_usage_seconds_total", "counter", "Processor time used, in seconds.", append_cpu },
  { "memory_working_set_bytes", "gauge", "Memory that cannot be had back at once.", append_memory },
  { "swap_usage_bytes", "gauge", "Swap used.", append_swap },
};

static void append_containers(GString *text, const struct Measure *measure, const NodeSample *sample)
{
  g_autofree char *name = g_strconcat("container_", measure->name, NULL);
  prometheus_family(text, name, measure->type, measure->help);
  for (guint i = 0; i < sample->pods->len; i++) {
    const PodSample *pod = sample->pods->pdata[i];
    for (guint k = 0; k < pod->containers->len; k++) {
      const ContainerSample *container = pod->containers->pdata[k];
      const char *const labels[] = {
        "container", container->name, "namespace", pod->namespace_, "pod", pod->name, NULL
      };
      measure->append(text, name, labels, &container->usage);
    }
  }
}

static void append_pods(GString *text, const struct Measure *measure, const NodeSample *sample)
{
  g_autofree char *name = g_strconcat("pod_", measure->name, NULL);
  prometheus_family(text, name, measure->type, measure->help);
  for (guint i = 0; i < sample->pods->len; i++) {
    const PodSample *pod = sample->pods->pdata[i];
    const char *const labels[] = { "namespace", pod->namespace_, "pod", pod->name, NULL };
    measure->append(text, name, labels, &pod->usage);
  }
}

static void append_starts(GString *text, const NodeSample *sample)
{
  static const char name[] = "container_start_time_seconds";
  prometheus_family(text, name, "gauge", "When the container started, since 1970.");
  for (guint i = 0; i < sample->pods->len; i++) {
    const PodSample *pod = sample->pods->pdata[i];
    for (guint k = 0; k < pod->containers->len; k++) {
      const ContainerSample *container = pod->containers->pdata[k];
      const char *const labels[] = {
        "container", container->name, "namespace", pod->namespace_, "pod", pod->name, NULL
      };
      prometheus_sample(text, name, labels, (double)container->started_us / 1e6, 0);
    }
  }
}

static void append_resource(Kubelet *kubelet, GString *text)
{
  g_autoptr(NodeSample) sample = node_stats_look(kubelet->stats, NULL);
  append_starts(text, sample);
  for (gsize i = 0; i < G_N_ELEMENTS(measures); i++) {
    g_autofree char *node = g_strconcat("node_", measures[i].name, NULL);
    append_containers(text, &measures[i], sample);
    append_pods(text, &measures[i], sample);
    prometheus_family(text, node, measures[i].type, measures[i].help);
    measures[i].append(text, node, NULL, &sample->usage);
  }
  bool failed = !sample->usage.has_cpu || !sample->usage.has_memory;
  prometheus_family(text, "resource_scrape_error", "gauge", "1 when something could not be read.");
  prometheus_sample(text, "resource_scrape_error", NULL, failed, 0);
}

/* --- the agent -----------------------------------------------------------------------------------------------------
 */

/* How many containers the runtime has in each state. */
static void append_states(Kubelet *kubelet, GString *text)
{
  static const struct {
    ContainerState state;
    const char *name;
  } states[] = { { CONTAINER_CREATED, "created" }, { CONTAINER_EXITED, "exited" }, { CONTAINER_RUNNING, "running" } };
  Runtime *runtime = kubelet->runtime;
  g_autoptr(GPtrArray) all = runtime->list_containers(runtime, NULL, NULL);
  prometheus_family(text, "kubelet_running_containers", "gauge", "Containers by their state.");
  for (gsize i = 0; all && i < G_N_ELEMENTS(states); i++) {
    const char *const labels[] = { "container_state", states[i].name, NULL };
    unsigned count = 0;
    for (guint k = 0; k < all->len; k++)
      count += ((const ContainerStatus *)all->pdata[k])->state == states[i].state;
    prometheus_sample(text, "kubelet_running_containers", labels, count, 0);
  }
}

static void append_evictions(GString *text, const Kubelet *kubelet)
{
  prometheus_family(text, "kubelet_evictions", "counter", "Pods that were evicted, by what the node was short of.");
  for (int i = 0; kubelet->eviction && i <= SIGNAL_COUNT; i++) {
    const char *const labels[] = { "eviction_signal", i < SIGNAL_COUNT ? signal_name(i) : "limit", NULL };
    uint64_t count = eviction_count(kubelet->eviction, (PressureSignal)i);
    if (count > 0)
      prometheus_sample(text, "kubelet_evictions", labels, (double)count, 0);
  }
}

static void append_agent(Kubelet *kubelet, GString *text)
{
  g_autoptr(NodeSample) sample = node_stats_look(kubelet->stats, NULL);
  g_autoptr(GPtrArray) pods = kubelet_pods(kubelet);
  const char *const node[] = { "node", kubelet->node_name, NULL };
  const char *const build[] = { "git_version", kubelet->version, "build", PACKAGE_NAME " " PACKAGE_VERSION, NULL };
  const char *const fixed[] = { "static", "", NULL };
  prometheus_family(text, "kubelet_node_name", "gauge", "The node's name.");
  prometheus_sample(text, "kubelet_node_name", node, 1, 0);
  prometheus_family(text, "kubelet_running_pods", "gauge", "Pods with a container that runs.");
  prometheus_sample(text, "kubelet_running_pods", NULL, sample->pods->len, 0);
  prometheus_family(text, "kubelet_desired_pods", "gauge", "Pods that shall run here.");
  prometheus_sample(text, "kubelet_desired_pods", fixed, pods->len, 0);
  append_states(kubelet, text);
  prometheus_family(text, "kubernetes_build_info", "gauge", "What this agent is.");
  prometheus_sample(text, "kubernetes_build_info", build, 1, 0);
  append_evictions(text, kubelet);
  metrics_append_process(text);
}

/* --- probes --------------------------------------------------------------------------------------------------------
 */

typedef struct ProbeText {
  const NodeSample *sample;
  GString *text;
} ProbeText;

static const PodSample *pod_of(const NodeSample *sample, const char *container_id, const char **container)
{
  for (guint i = 0; i < sample->pods->len; i++) {
    const PodSample *pod = sample->pods->pdata[i];
    for (guint k = 0; k < pod->containers->len; k++) {
      const ContainerSample *one = pod->containers->pdata[k];
      if (!g_str_equal(one->id, container_id))
        continue;
      *container = one->name;
      return pod;
    }
  }
  return NULL;
}

static void append_probe(const char *container_id, ProbeKind kind, uint64_t successes, uint64_t failures, void *data)
{
  static const char *const kinds[] = {
    [PROBE_STARTUP] = "Startup", [PROBE_READINESS] = "Readiness", [PROBE_LIVENESS] = "Liveness"
  };
  static const char *const results[] = { "successful", "failed" };
  const ProbeText *probe = data;
  const char *container = NULL;
  const PodSample *pod = pod_of(probe->sample, container_id, &container);
  const uint64_t counts[] = { successes, failures };
  for (gsize i = 0; pod && i < G_N_ELEMENTS(results); i++) {
    const char *const labels[] = { "container", container,  "namespace", pod->namespace_, "pod",
                                   pod->name,   "pod_uid",  pod->uid,    "probe_type",    kinds[kind],
                                   "result",    results[i], NULL };
    if (counts[i] > 0)
      prometheus_sample(probe->text, "prober_probe_total", labels, (double)counts[i], 0);
  }
}

static void append_probes(Kubelet *kubelet, GString *text)
{
  g_autoptr(NodeSample) sample = node_stats_look(kubelet->stats, NULL);
  ProbeText probe = { sample, text };
  prometheus_family(text, "prober_probe_total", "counter", "Probes of containers, by their results.");
  prober_visit(kubelet->host.prober, append_probe, &probe);
}

void node_answer_metrics(NodeCall *call)
{
  static const struct {
    const char *name; /* NULL: /metrics itself */
    void (*append)(Kubelet *kubelet, GString *text);
  } pages[] = { { NULL, append_agent },
                { "resource", append_resource },
                { "cadvisor", cadvisor_append },
                { "probes", append_probes } };
  for (gsize i = 0; i < G_N_ELEMENTS(pages); i++) {
    if (g_strcmp0(pages[i].name, call->parts[0]) != 0 || (call->parts[0] && call->parts[1]))
      continue;
    g_autoptr(GString) text = g_string_new(NULL);
    pages[i].append(call->kubelet, text);
    node_reply_text(call, 200, PROMETHEUS_TYPE, text->str);
    return;
  }
  node_reply_absent(call);
}
