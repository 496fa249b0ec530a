#include "clusterd/node/stats/resource_metrics.h"

#include "base/json.h"
#include "clusterd/node/stats/sample_history.h"

static json_t *whole(uint64_t value)
{
  return json_integer((json_int_t)MIN(value, (uint64_t)G_MAXINT64));
}

static void set_usage(json_t *object, const CpuRate *rate, const ResourceUsage *usage)
{
  json_object_set_new(object, "cpuNanoCores", whole(rate->nano_cores));
  json_object_set_new(object, "memoryBytes", whole(usage->working_set_bytes));
}

static void set_window(json_t *object, const CpuRate *rate, const ResourceUsage *usage)
{
  json_object_set_new(object, "timeUs", json_integer(usage->time_us));
  json_object_set_new(object, "windowUs", json_integer(rate->window_us));
}

/* NULL when a container has no numbers. The times are those of the container that was looked at first. */
static json_t *make_pod(const NodeSample *base, const PodSample *pod)
{
  g_autoptr(json_t) value =
      json_pack("{s:s, s:s, s:s}", "namespace", pod->namespace_, "name", pod->name, "uid", pod->uid);
  json_t *containers = json_array();
  json_object_set_new(value, "containers", containers);
  for (guint i = 0; i < pod->containers->len; i++) {
    const ContainerSample *container = pod->containers->pdata[i];
    CpuRate rate;
    if (!container->usage.has_memory || !sample_container_rate(base, container, &rate))
      return NULL;
    json_t *item = json_pack("{s:s}", "name", container->name);
    set_usage(item, &rate, &container->usage);
    json_array_append_new(containers, item);
    if (i == 0)
      set_window(value, &rate, &container->usage);
  }
  return pod->containers->len ? g_steal_pointer(&value) : NULL;
}

json_t *resource_metrics_make(const NodeSample *base, const NodeSample *newest)
{
  CpuRate rate;
  json_t *pods = json_array(), *result = json_pack("{s:o}", "pods", pods);
  if (base && newest->usage.has_memory && cpu_rate(&base->usage, &newest->usage, &rate)) {
    json_t *node = json_object();
    set_window(node, &rate, &newest->usage);
    set_usage(node, &rate, &newest->usage);
    json_object_set_new(result, "node", node);
  }
  for (guint i = 0; i < newest->pods->len; i++) {
    json_t *pod = make_pod(base, newest->pods->pdata[i]);
    if (pod)
      json_array_append_new(pods, pod);
  }
  return result;
}
