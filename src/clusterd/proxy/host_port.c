#include "clusterd/proxy/host_port.h"

#include <jansson.h>
#include <stdbool.h>

#include "base/json.h"
#include "clusterd/proxy/address_family.h"
#include "clusterd/proxy/pod_address.h"

/* What a reading of one family's ports shares. */
typedef struct Reading {
  IpFamily family;
  GPtrArray *ports;
  GHashTable *claimed; /* "ADDRESS PROTOCOL PORT" */
} Reading;

static void host_port_free(HostPort *port)
{
  g_free(port->protocol);
  g_free(port->host_ip);
  g_free(port->pod_ip);
  g_free(port);
}

/* PORT is taken. */
static void claim(const Reading *reading, HostPort *port)
{
  g_autofree char *key = g_strdup_printf("%s %s %u", port->host_ip ? port->host_ip : "", port->protocol, port->port);
  if (g_hash_table_add(reading->claimed, g_steal_pointer(&key)))
    g_ptr_array_add(reading->ports, port);
  else
    host_port_free(port);
}

static void read_container(const Reading *reading, const json_t *container, const char *pod_ip)
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
    bool anywhere = !*host_ip || g_str_equal(host_ip, address_families[reading->family].anywhere);
    if (!anywhere && !ip_address_is(host_ip, reading->family))
      continue;
    HostPort *mapping = g_new(HostPort, 1);
    *mapping = (HostPort){ .protocol = g_steal_pointer(&protocol),
                           .host_ip = anywhere ? NULL : g_strdup(host_ip),
                           .pod_ip = g_strdup(pod_ip),
                           .port = (uint16_t)host_port,
                           .pod_port = (uint16_t)port };
    claim(reading, mapping);
  }
}

GPtrArray *host_ports_read(const GPtrArray *pods, IpFamily family)
{
  static const char *const lists[] = { "containers", "initContainers" };
  g_autoptr(GHashTable) claimed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  const Reading reading = { family, g_ptr_array_new_with_free_func((GDestroyNotify)host_port_free), claimed };
  for (guint i = 0; i < pods->len; i++) {
    const json_t *pod = pods->pdata[i], *container;
    const char *ip = pod_address_of(pod, family);
    if (!ip)
      continue;
    for (gsize k = 0; k < G_N_ELEMENTS(lists); k++) {
      size_t n;
      json_array_foreach (json_at(pod, "spec", lists[k], NULL), n, container)
        read_container(&reading, container, ip);
    }
  }
  return reading.ports;
}
