/* /configz: what the node agent goes by, as a KubeletConfiguration. Source: k8s.io/kubelet/config/v1beta1. */
#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/node/http/node_http_private.h"

static void set_duration(json_t *config, const char *key, int64_t duration_us)
{
  g_autofree char *text = timestamp_go_duration(duration_us);
  json_object_set_new(config, key, json_string(text));
}

/* "memory.available": "100Mi" of the hard thresholds, or of the soft ones. */
static json_t *thresholds_json(const GArray *thresholds, bool soft)
{
  json_t *map = json_object();
  for (guint i = 0; i < thresholds->len; i++) {
    const Threshold *one = &g_array_index(thresholds, Threshold, i);
    if ((one->grace_us > 0) != soft || one->signal == SIGNAL_ALLOCATABLE_MEMORY)
      continue;
    g_autofree char *text = one->value.part > 0 ? g_strdup_printf("%g%%", (double)one->value.part * 100)
                                                : quantity_text(one->value.quantity);
    json_object_set_new(map, signal_name(one->signal), json_string(text));
  }
  return map;
}

static void add_pressure(json_t *config, const PressureSettings *settings)
{
  json_object_set_new(config, "evictionHard", thresholds_json(settings->thresholds, false));
  json_object_set_new(config, "evictionSoft", thresholds_json(settings->thresholds, true));
  set_duration(config, "evictionPressureTransitionPeriod", settings->transition_us);
  json_object_set_new(config, "evictionMaxPodGracePeriod", json_integer(settings->max_pod_grace_seconds));
  json_object_set_new(config, "imageGCHighThresholdPercent", json_integer(settings->images.high_percent));
  json_object_set_new(config, "imageGCLowThresholdPercent", json_integer(settings->images.low_percent));
  set_duration(config, "imageMinimumGCAge", settings->images.minimum_age_us);
  set_duration(config, "imageMaximumGCAge", settings->images.maximum_age_us);
  json_object_set_new(config, "enforceNodeAllocatable", json_pack("[s]", "pods"));
}

void node_answer_configz(NodeCall *call)
{
  const Kubelet *kubelet = call->kubelet;
  if (call->parts[0]) {
    node_reply_absent(call);
    return;
  }
  json_t *config =
      json_pack("{s:s, s:s, s:s, s:s, s:[s*], s:i, s:s, s:s, s:b, s:s}", "kind", "KubeletConfiguration", "apiVersion",
                "kubelet.config.k8s.io/v1beta1", "nodeStatusUpdateFrequency", "10s", "nodeStatusReportFrequency",
                "5m0s", "clusterDNS", kubelet->dns_ip, "maxPods", 110, "cgroupDriver", "cgroupfs", "cgroupRoot", "/",
                "cgroupsPerQOS", true, "podLogsDir", kubelet->logs_dir);
  g_autofree char *log_size = g_strdup_printf("%" G_GINT64_FORMAT "Mi", kubelet->log_limits.size >> 20);
  json_object_set_new(config, "containerLogMaxSize", json_string(log_size));
  json_object_set_new(config, "containerLogMaxFiles", json_integer(kubelet->log_limits.files));
  if (kubelet->static_pods)
    json_object_set_new(config, "staticPodPath", json_string(static_pods_dir(kubelet->static_pods)));
  if (kubelet->dns_domain)
    json_object_set_new(config, "clusterDomain", json_string(kubelet->dns_domain));
  if (kubelet->pod_cidr)
    json_object_set_new(config, "podCIDR", json_string(kubelet->pod_cidr));
  json_object_set_new(config, "nodeLeaseDurationSeconds", json_integer(40));
  if (kubelet->pressure)
    add_pressure(config, kubelet->pressure);
  node_reply_json(call, json_pack("{s:o}", "kubeletconfig", config));
}
