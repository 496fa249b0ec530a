/* /configz: what the node agent goes by, as a KubeletConfiguration. Source: k8s.io/kubelet/config/v1beta1. */
#include "base/json.h"
#include "clusterd/node/http/node_http_private.h"

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
  node_reply_json(call, json_pack("{s:o}", "kubeletconfig", config));
}
