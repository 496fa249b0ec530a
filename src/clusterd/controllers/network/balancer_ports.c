#include "clusterd/controllers/network/balancer_ports.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"

#define RESERVED "the cluster itself"

struct BalancerPorts {
  GHashTable *owners; /* "80/TCP" → "namespace/name" */
  char *address;
  bool proxied;
};

static char *port_id(const json_t *port)
{
  return g_strdup_printf("%d/%s", (int)json_int(port, "port", 0), json_str(port, "protocol", "TCP"));
}

BalancerPorts *balancer_ports_new(const LoadBalancerConfig *config)
{
  BalancerPorts *ports = g_new0(BalancerPorts, 1);
  ports->owners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  ports->address = g_strdup(config->address);
  ports->proxied = config->proxied;
  for (const char *const *reserved = config->reserved_ports; reserved && *reserved; reserved++)
    g_hash_table_insert(ports->owners, g_strdup_printf("%s/TCP", *reserved), g_strdup(RESERVED));
  return ports;
}

void balancer_ports_free(BalancerPorts *ports)
{
  if (!ports)
    return;
  g_hash_table_destroy(ports->owners);
  g_free(ports->address);
  g_free(ports);
}

static gboolean is_owned_by(gpointer id, gpointer owner, gpointer who)
{
  return g_str_equal(owner, who);
}

bool balancer_ports_release(BalancerPorts *ports, const char *owner)
{
  return g_hash_table_foreach_remove(ports->owners, is_owned_by, (gpointer)(uintptr_t)owner) > 0;
}

static bool check_port(const BalancerPorts *ports, const json_t *port, GError **error)
{
  g_autofree char *id = port_id(port);
  const char *owner = g_hash_table_lookup(ports->owners, id);
  if (owner)
    return reason_set(error, REASON_CONFLICT, "port %s of %s is in use by %s%s", id, ports->address,
                      g_str_equal(owner, RESERVED) ? "" : "service ", owner);
  if (ports->proxied && g_str_equal(json_str(port, "protocol", "TCP"), "SCTP"))
    return reason_set(error, REASON_UNKNOWN, "port %s: only TCP and UDP can be led to the cluster", id);
  if (ports->proxied && json_int(port, "nodePort", 0) == 0)
    return reason_set(error, REASON_UNKNOWN, "port %s has no node port, and %s is led to node ports", id,
                      ports->address);
  return true;
}

bool balancer_ports_take(BalancerPorts *ports, const char *owner, const json_t *spec, GError **error)
{
  size_t i;
  json_t *port;
  balancer_ports_release(ports, owner);
  json_array_foreach (json_object_get(spec, "ports"), i, port)
    if (!check_port(ports, port, error))
      return false;
  json_array_foreach (json_object_get(spec, "ports"), i, port)
    g_hash_table_insert(ports->owners, port_id(port), g_strdup(owner));
  return true;
}
