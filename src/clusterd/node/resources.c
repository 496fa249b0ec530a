#include "clusterd/node/resources.h"

#include <stdbool.h>

#include "base/json.h"
#include "base/quantity.h"

#define SHARES_PER_CPU 1024
#define SHARES_MIN 2
#define SHARES_MAX 262144
#define QUOTA_PERIOD_US 100000
#define QUOTA_MIN_US 1000

int64_t resources_milli(const json_t *container, const char *section, const char *name)
{
  const char *text = json_string_value(json_at(container, "resources", section, name, NULL));
  Quantity quantity;
  return text && quantity_parse(text, &quantity, NULL) ? quantity_milli(quantity) : -1;
}

static int64_t bytes_of(const json_t *container, const char *section)
{
  const char *text = json_string_value(json_at(container, "resources", section, "memory", NULL));
  Quantity quantity;
  return text && quantity_parse(text, &quantity, NULL) ? quantity_value(quantity) : 0;
}

/* What one container says towards the pod's class. */
static void judge(const json_t *container, bool *guaranteed, bool *any)
{
  static const char *const names[] = { "cpu", "memory" };
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    int64_t request = resources_milli(container, "requests", names[i]);
    int64_t limit = resources_milli(container, "limits", names[i]);
    if (request > 0 || limit > 0)
      *any = true;
    if (limit <= 0 || (request >= 0 && request != limit))
      *guaranteed = false;
  }
}

const char *resources_qos_class(const json_t *pod)
{
  static const char *const lists[] = { "containers", "initContainers" };
  bool guaranteed = true, any = false;
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    const json_t *container;
    size_t k;
    json_array_foreach (json_at(pod, "spec", lists[i], NULL), k, container)
      judge(container, &guaranteed, &any);
  }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

static int oom_score(const char *qos, int64_t memory_request, int64_t node_memory_bytes)
{
  if (g_str_equal(qos, "Guaranteed"))
    return -997;
  if (g_str_equal(qos, "BestEffort") || node_memory_bytes <= 0)
    return 1000;
  double share = 1000.0 * (double)memory_request / (double)node_memory_bytes;
  int score = 1000 - (int)MIN(share, 1000.0);
  return CLAMP(score, 3, 999);
}

/* In thousandths; 0: not given. A request is the limit unless it is given. */
static int64_t amount(const json_t *container, const char *section, const char *name)
{
  int64_t value = resources_milli(container, section, name);
  if (value < 0 && g_str_equal(section, "requests"))
    value = resources_milli(container, "limits", name);
  return MAX(value, 0);
}

/* The most containers have at one time: all at once, or an init container beside the sidecars before it. *ALL is
 * whether every one says something. In thousandths, with the overhead. */
static int64_t pod_total(const json_t *pod, const char *section, const char *name, bool *all)
{
  const json_t *spec = json_object_get(pod, "spec"), *container;
  int64_t sum = 0, sidecars = 0, init_max = 0, overhead;
  size_t i;
  *all = true;
  json_array_foreach (json_object_get(spec, "containers"), i, container) {
    sum += amount(container, section, name);
    *all = *all && amount(container, section, name) > 0;
  }
  json_array_foreach (json_object_get(spec, "initContainers"), i, container) {
    int64_t own = amount(container, section, name);
    bool is_sidecar = g_str_equal(json_str(container, "restartPolicy", ""), "Always");
    *all = *all && own > 0;
    init_max = MAX(init_max, sidecars + own);
    sidecars += is_sidecar ? own : 0;
  }
  g_autoptr(json_t) of_pod = json_pack("{s:{s:O?}}", "resources", "requests", json_object_get(spec, "overhead"));
  overhead = amount(of_pod, "requests", name);
  int64_t total = MAX(sum + sidecars, init_max);
  return total > 0 || g_str_equal(section, "requests") ? total + overhead : 0;
}

static int64_t shares_of(int64_t milli)
{
  return CLAMP(milli * SHARES_PER_CPU / 1000, SHARES_MIN, SHARES_MAX);
}

ContainerLimits resources_pod_limits(const json_t *pod)
{
  bool all;
  ContainerLimits limits = { .cpu_shares = shares_of(pod_total(pod, "requests", "cpu", &all)) };
  if (g_str_equal(resources_qos_class(pod), "BestEffort"))
    return (ContainerLimits){ .cpu_shares = SHARES_MIN };
  int64_t cpu = pod_total(pod, "limits", "cpu", &all);
  if (all) {
    limits.cpu_period_us = QUOTA_PERIOD_US;
    limits.cpu_quota_us = MAX(cpu * QUOTA_PERIOD_US / 1000, QUOTA_MIN_US);
  }
  int64_t memory = pod_total(pod, "limits", "memory", &all);
  if (all)
    limits.memory_bytes = memory / 1000;
  return limits;
}

ContainerLimits resources_limits(const json_t *pod, const json_t *container, int64_t node_memory_bytes)
{
  ContainerLimits limits = { .cpu_shares = SHARES_MIN };
  int64_t request = resources_milli(container, "requests", "cpu"), limit = resources_milli(container, "limits", "cpu");
  if (request < 0)
    request = limit;
  if (request > 0)
    limits.cpu_shares = shares_of(request);
  if (limit > 0) {
    limits.cpu_period_us = QUOTA_PERIOD_US;
    limits.cpu_quota_us = MAX(limit * QUOTA_PERIOD_US / 1000, QUOTA_MIN_US);
  }
  limits.memory_bytes = bytes_of(container, "limits");
  limits.oom_score_adj = oom_score(resources_qos_class(pod), bytes_of(container, "requests"), node_memory_bytes);
  return limits;
}

char *resources_cgroup_parent(const json_t *pod)
{
  const char *qos = resources_qos_class(pod), *uid = json_str(json_object_get(pod, "metadata"), "uid", "");
  if (g_str_equal(qos, "Guaranteed"))
    return g_strdup_printf("/kubepods/pod%s", uid);
  return g_strdup_printf("/kubepods/%s/pod%s", g_str_equal(qos, "Burstable") ? "burstable" : "besteffort", uid);
}
