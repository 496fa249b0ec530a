#include "bootstrap/service_ports.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"

#define PRIVILEGED_PORT_MAX 1023

struct ServicePorts {
  const Driver *driver;
  const MachineSpec *spec;
  ServicePortsTell tell;
  void *data;
  unsigned events_told;
  GHashTable *services; /* "namespace/name" → Wish */
  GHashTable *open;     /* port id → DriverPort*, what is forwarded */
  GHashTable *failures; /* port id → Failure, what could not be */
};

/* What a service asks for. */
typedef struct Wish {
  char *namespace_, *name, *uid;
  GArray *ports; /* of DriverPort */
} Wish;

typedef struct Failure {
  char *text;
  int64_t since_us; /* of what was told */
  GHashTable *told; /* set of uids of services */
} Failure;

static void wish_free(void *pointer)
{
  Wish *wish = pointer;
  g_free(wish->namespace_);
  g_free(wish->name);
  g_free(wish->uid);
  g_array_unref(wish->ports);
  g_free(wish);
}

static void failure_free(void *pointer)
{
  Failure *failure = pointer;
  g_free(failure->text);
  g_hash_table_unref(failure->told);
  g_free(failure);
}

static gpointer port_id(DriverPort port)
{
  return GUINT_TO_POINTER((guint)port.host << 1 | port.udp);
}

/* --- what services say --------------------------------------------------------------------------------------------
 */

static void want(GArray *ports, int64_t host, int64_t guest, const char *protocol)
{
  if (host < 1 || host > 65535 || guest < 1 || guest > 65535 || strcmp(protocol, "SCTP") == 0)
    return;
  DriverPort port = { (uint16_t)host, (uint16_t)guest, strcmp(protocol, "UDP") == 0 };
  g_array_append_val(ports, port);
}

/* A service has its own ports on the host when the cluster gave it ADDRESS: two may ask for the same port. */
static bool is_balanced(const json_t *service, const char *address)
{
  const json_t *ingress = json_at(service, "status", "loadBalancer", "ingress", NULL);
  return strcmp(json_str(json_object_get(service, "spec"), "type", ""), "LoadBalancer") == 0 &&
         json_find(ingress, "ip", address);
}

static GArray *ports_of(const json_t *service, const char *address)
{
  GArray *ports = g_array_new(FALSE, FALSE, sizeof(DriverPort));
  const json_t *spec = json_object_get(service, "spec");
  bool balanced = is_balanced(service, address);
  size_t i;
  json_t *port;
  json_array_foreach (json_object_get(spec, "ports"), i, port) {
    int64_t node_port = json_int(port, "nodePort", 0);
    const char *protocol = json_str(port, "protocol", "TCP");
    want(ports, node_port, node_port, protocol);
    if (balanced)
      want(ports, json_int(port, "port", 0), node_port, protocol);
  }
  return ports;
}

void service_ports_note(ServicePorts *ports, const char *type, const json_t *service)
{
  const json_t *metadata = json_object_get(service, "metadata");
  const char *namespace_ = json_str(metadata, "namespace", ""), *name = json_str(metadata, "name", "");
  g_autofree char *key = g_strdup_printf("%s/%s", namespace_, name);
  if (strcmp(type, "DELETED") == 0) {
    g_hash_table_remove(ports->services, key);
    return;
  }
  Wish *wish = g_new0(Wish, 1);
  wish->namespace_ = g_strdup(namespace_);
  wish->name = g_strdup(name);
  wish->uid = g_strdup(json_str(metadata, "uid", ""));
  wish->ports = ports_of(service, ports->spec->address);
  g_hash_table_replace(ports->services, g_steal_pointer(&key), wish);
}

void service_ports_forget(ServicePorts *ports)
{
  g_hash_table_remove_all(ports->services);
}

/* --- what people read -------------------------------------------------------------------------------------------- */

static void tell(ServicePorts *ports, const Wish *wish, const char *type, const char *reason, const char *message)
{
  g_autofree char *now = timestamp_now();
  g_autofree char *name =
      g_strdup_printf("%s.%" G_GINT64_MODIFIER "x%04x", wish->name, timestamp_now_us(), ports->events_told++ & 0xffff);
  g_autoptr(json_t) event =
      json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}, s:s, s:s, s:s, s:{s:s}, s:s, s:s, s:i, s:s}",
                "apiVersion", "v1", "kind", "Event", "metadata", "namespace", wish->namespace_, "name", name,
                "involvedObject", "apiVersion", "v1", "kind", "Service", "namespace", wish->namespace_, "name",
                wish->name, "uid", wish->uid, "type", type, "reason", reason, "message", message, "source", "component",
                "launcher", "firstTimestamp", now, "lastTimestamp", now, "count", 1, "reportingComponent", "launcher");
  ports->tell(event, ports->data);
}

static bool wants(const Wish *wish, DriverPort port)
{
  for (guint i = 0; i < wish->ports->len; i++)
    if (port_id(g_array_index(wish->ports, DriverPort, i)) == port_id(port))
      return true;
  return false;
}

/* Every service that wants PORT and does not know yet. */
static void tell_failure(ServicePorts *ports, Failure *failure, DriverPort port)
{
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, ports->services);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Wish *wish = value;
    if (wants(wish, port) && g_hash_table_add(failure->told, g_strdup(wish->uid)))
      tell(ports, wish, "Warning", "HostPortNotOpened", failure->text);
  }
}

static void tell_opened(ServicePorts *ports, DriverPort port)
{
  GHashTableIter iter;
  gpointer value;
  g_autofree char *text =
      g_strdup_printf("The port %s:%u/%s is open now", ports->spec->address, port.host, port.udp ? "udp" : "tcp");
  g_hash_table_iter_init(&iter, ports->services);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (wants(value, port))
      tell(ports, value, "Normal", "HostPortOpened", text);
}

static void note_failure(ServicePorts *ports, DriverPort port, const GError *why, int64_t now_us)
{
  bool denied = port.host <= PRIVILEGED_PORT_MAX && strstr(why->message, "ermission denied");
  g_autofree char *text =
      g_strdup_printf("%s%s; it is tried again every %d s", why->message,
                      denied ? " (ports below 1024 need a permission: sysctl net.ipv4.ip_unprivileged_port_start)" : "",
                      (int)(SERVICE_PORTS_RETRY_US / G_USEC_PER_SEC));
  Failure *failure = g_hash_table_lookup(ports->failures, port_id(port));
  if (!failure || !g_str_equal(failure->text, text) || now_us - failure->since_us >= SERVICE_PORTS_TELL_AGAIN_US) {
    failure = g_new0(Failure, 1);
    failure->text = g_strdup(text);
    failure->since_us = now_us;
    failure->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_replace(ports->failures, port_id(port), failure);
    g_warning("port %u: %s", port.host, text);
  }
  tell_failure(ports, failure, port);
}

/* --- opening and closing ----------------------------------------------------------------------------------------- */

static GHashTable *wanted_ports(const ServicePorts *ports)
{
  GHashTable *wanted = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, ports->services);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Wish *wish = value;
    for (guint i = 0; i < wish->ports->len; i++) {
      DriverPort port = g_array_index(wish->ports, DriverPort, i);
      if (!g_hash_table_contains(wanted, port_id(port)))
        g_hash_table_insert(wanted, port_id(port), g_memdup2(&port, sizeof port));
    }
  }
  return wanted;
}

static bool is_fixed(const ServicePorts *ports, DriverPort port)
{
  for (size_t i = 0; i < ports->spec->n_ports; i++)
    if (ports->spec->ports[i].host == port.host && !port.udp)
      return true;
  return false;
}

static void close_unwanted(ServicePorts *ports, GHashTable *wanted)
{
  GHashTableIter iter;
  gpointer id, value;
  g_hash_table_iter_init(&iter, ports->open);
  while (g_hash_table_iter_next(&iter, &id, &value)) {
    const DriverPort *now = value, *then = g_hash_table_lookup(wanted, id);
    if (then && then->guest == now->guest)
      continue;
    g_autoptr(GError) error = NULL;
    if (!ports->driver->unforward(ports->spec, *now, &error))
      g_warning("port %u: %s", now->host, error->message);
    g_hash_table_iter_remove(&iter);
  }
  g_hash_table_iter_init(&iter, ports->failures);
  while (g_hash_table_iter_next(&iter, &id, NULL))
    if (!g_hash_table_contains(wanted, id))
      g_hash_table_iter_remove(&iter);
}

static void open_one(ServicePorts *ports, DriverPort port, int64_t now_us)
{
  g_autoptr(GError) error = NULL;
  if (!ports->driver->forward(ports->spec, port, &error)) {
    note_failure(ports, port, error, now_us);
    return;
  }
  g_hash_table_insert(ports->open, port_id(port), g_memdup2(&port, sizeof port));
  if (g_hash_table_remove(ports->failures, port_id(port)))
    tell_opened(ports, port);
}

int64_t service_ports_sync(ServicePorts *ports, int64_t now_us)
{
  g_autoptr(GHashTable) wanted = wanted_ports(ports);
  GHashTableIter iter;
  gpointer id, value;
  close_unwanted(ports, wanted);
  g_hash_table_iter_init(&iter, wanted);
  while (g_hash_table_iter_next(&iter, &id, &value))
    if (!g_hash_table_contains(ports->open, id) && !is_fixed(ports, *(DriverPort *)value))
      open_one(ports, *(DriverPort *)value, now_us);
  return g_hash_table_size(ports->failures) > 0 ? now_us + SERVICE_PORTS_RETRY_US : INT64_MAX;
}

ServicePorts *service_ports_new(const Driver *driver, const MachineSpec *spec, ServicePortsTell tell_event, void *data)
{
  ServicePorts *ports = g_new0(ServicePorts, 1);
  ports->driver = driver;
  ports->spec = spec;
  ports->tell = tell_event;
  ports->data = data;
  ports->services = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, wish_free);
  ports->open = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  ports->failures = g_hash_table_new_full(NULL, NULL, NULL, failure_free);
  return ports;
}

void service_ports_free(ServicePorts *ports)
{
  if (!ports)
    return;
  g_hash_table_unref(ports->services);
  g_hash_table_unref(ports->open);
  g_hash_table_unref(ports->failures);
  g_free(ports);
}
