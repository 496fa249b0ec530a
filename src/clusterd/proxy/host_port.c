#include "clusterd/proxy/host_port.h"

#include <jansson.h>

#include "base/json.h"
#include "clusterd/proxy/service_port.h"

static void claim(GString *list, GHashTable *claimed, const char *key, const char *ip, int64_t port)
{
  if (!g_hash_table_add(claimed, g_strdup(key)))
    return;
  g_string_append_printf(list, "%s%s : %s . %d", list->len > 0 ? ",\n      " : "\n      ", key, ip, (int)port);
}

static void read_container(HostPorts *ports, GHashTable *claimed, const json_t *container, const char *pod_ip)
{
  const json_t *item;
  size_t i;
  json_array_foreach (json_object_get(container, "ports"), i, item) {
    int64_t host_port = json_int(item, "hostPort", 0), port = json_int(item, "containerPort", 0);
    const char *host_ip = json_str(item, "hostIP", "");
    if (host_port <= 0 || host_port > UINT16_MAX || port <= 0 || port > UINT16_MAX)
      continue;
    g_autofree char *protocol = g_ascii_strdown(json_str(item, "protocol", "TCP"), -1);
    const char *known[] = { "tcp", "udp", "sctp", NULL };
    if (!g_strv_contains(known, protocol))
      continue;
    bool anywhere = !*host_ip || g_str_equal(host_ip, "0.0.0.0");
    if (!anywhere && !address_is_ipv4(host_ip))
      continue;
    g_autofree char *key = anywhere ? g_strdup_printf("%s . %d", protocol, (int)host_port)
                                    : g_strdup_printf("%s . %s . %d", host_ip, protocol, (int)host_port);
    claim(anywhere ? ports->anywhere : ports->on_address, claimed, key, pod_ip, port);
  }
}

static bool has_ended(const json_t *pod)
{
  const char *phase = json_str(json_object_get(pod, "status"), "phase", "");
  return g_str_equal(phase, "Succeeded") || g_str_equal(phase, "Failed");
}

void host_ports_read(HostPorts *ports, const GPtrArray *pods)
{
  static const char *const lists[] = { "containers", "initContainers" };
  g_autoptr(GHashTable) claimed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  *ports = (HostPorts){ g_string_new(NULL), g_string_new(NULL) };
  for (guint i = 0; i < pods->len; i++) {
    const json_t *pod = pods->pdata[i], *spec = json_object_get(pod, "spec"), *container;
    const char *ip = json_str(json_object_get(pod, "status"), "podIP", NULL);
    if (has_ended(pod) || json_flag(spec, "hostNetwork", false) || !address_is_ipv4(ip))
      continue;
    for (gsize k = 0; k < G_N_ELEMENTS(lists); k++) {
      size_t n;
      json_array_foreach (json_object_get(spec, lists[k]), n, container)
        read_container(ports, claimed, container, ip);
    }
  }
}

void host_ports_clear(HostPorts *ports)
{
  g_string_free(ports->anywhere, TRUE);
  g_string_free(ports->on_address, TRUE);
}
