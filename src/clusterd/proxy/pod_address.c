#include "clusterd/proxy/pod_address.h"

#include "base/json.h"

static bool has_ended(const json_t *status)
{
  const char *phase = json_str(status, "phase", "");
  return g_str_equal(phase, "Succeeded") || g_str_equal(phase, "Failed");
}

const char *pod_address_of(const json_t *pod, IpFamily family)
{
  const json_t *status = json_object_get(pod, "status"), *item;
  const char *ip = json_str(status, "podIP", NULL);
  size_t i;
  if (has_ended(status) || json_flag(json_object_get(pod, "spec"), "hostNetwork", false))
    return NULL;
  if (ip_address_is(ip, family))
    return ip;
  json_array_foreach (json_object_get(status, "podIPs"), i, item) {
    ip = json_str(item, "ip", NULL);
    if (ip_address_is(ip, family))
      return ip;
  }
  return NULL;
}
