#include "clusterd/proxy/service_port.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/proxy/chain_id.h"

#define SERVICE_NAME_LABEL "kubernetes.io/service-name"
#define PROXY_NAME_LABEL "service.kubernetes.io/service-proxy-name"
#define DEFAULT_AFFINITY_SECONDS 10800

static void endpoint_free(Endpoint *endpoint)
{
  g_free(endpoint->ip);
  g_free(endpoint);
}

void service_port_free(ServicePort *port)
{
  g_free(port->id);
  g_free(port->protocol);
  g_ptr_array_unref(port->cluster_ips);
  g_ptr_array_unref(port->external_ips);
  g_ptr_array_unref(port->load_balancer_ips);
  g_ptr_array_unref(port->source_ranges);
  g_ptr_array_unref(port->endpoints);
  g_ptr_array_unref(port->local_endpoints);
  g_free(port);
}

static char *port_id(const char *namespace_, const char *name, const char *protocol, int64_t port)
{
  g_autofree char *text = g_strdup_printf("%s/%s/%s/%d", namespace_, name, protocol, (int)port);
  return chain_id(text);
}

/* What a reading of one family's ports shares. */
typedef struct Reading {
  const ServicePortsInput *input;
  IpFamily family;
} Reading;

static GPtrArray *strings(const json_t *array, IpFamily family, bool (*accepts)(const char *, IpFamily))
{
  GPtrArray *result = g_ptr_array_new_with_free_func(g_free);
  size_t i;
  const json_t *item;
  json_array_foreach (array, i, item) {
    const char *text = json_string_value(item);
    if (accepts(text, family))
      g_ptr_array_add(result, g_strdup(text));
  }
  return result;
}

static GPtrArray *cluster_ips(const json_t *spec, const Reading *reading)
{
  GPtrArray *result = strings(json_object_get(spec, "clusterIPs"), reading->family, ip_address_is);
  const char *single = json_str(spec, "clusterIP", NULL), *reserved_ip = reading->input->reserved_ip;
  if (result->len == 0 && ip_address_is(single, reading->family))
    g_ptr_array_add(result, g_strdup(single));
  for (guint i = 0; reserved_ip && i < result->len;)
    if (g_str_equal(result->pdata[i], reserved_ip))
      g_ptr_array_remove_index(result, i);
    else
      i++;
  return result;
}

static GPtrArray *load_balancer_ips(const json_t *service, IpFamily family)
{
  GPtrArray *result = g_ptr_array_new_with_free_func(g_free);
  const json_t *ingress = json_at(service, "status", "loadBalancer", "ingress", NULL), *item;
  size_t i;
  json_array_foreach (ingress, i, item) {
    const char *ip = json_str(item, "ip", NULL);
    if (ip_address_is(ip, family) && !g_str_equal(json_str(item, "ipMode", "VIP"), "Proxy"))
      g_ptr_array_add(result, g_strdup(ip));
  }
  return result;
}

static gint compare_endpoints(gconstpointer a, gconstpointer b)
{
  const Endpoint *left = *(Endpoint *const *)a, *right = *(Endpoint *const *)b;
  if (left->number != right->number)
    return left->number < right->number ? -1 : 1;
  return (int)left->port - (int)right->port;
}

/* What endpoints to use: the ready ones, and only when there is none those that still serve while they terminate. */
typedef struct Candidates {
  GPtrArray *ready, *terminating;
} Candidates;

static void candidates_init(Candidates *candidates)
{
  candidates->ready = g_ptr_array_new_with_free_func((GDestroyNotify)endpoint_free);
  candidates->terminating = g_ptr_array_new_with_free_func((GDestroyNotify)endpoint_free);
}

/* Hints say which zones an endpoint is meant for. */
static bool is_hinted_to(const json_t *zones, const char *zone)
{
  size_t i;
  const json_t *item;
  json_array_foreach (zones, i, item)
    if (g_strcmp0(json_str(item, "name", NULL), zone) == 0)
      return true;
  return false;
}

static void candidates_add(Candidates *candidates, const json_t *item, const IpAddress *address, uint16_t port,
                           const char *zone)
{
  const json_t *conditions = json_object_get(item, "conditions"), *zones = json_at(item, "hints", "forZones", NULL);
  bool ready = json_flag(conditions, "ready", true);
  bool serving = json_flag(conditions, "serving", ready) && json_flag(conditions, "terminating", false);
  if (!ready && !serving)
    return;
  Endpoint *endpoint = g_new(Endpoint, 1);
  *endpoint = (Endpoint){ .ip = ip_address_text(address),
                          .number = address->number,
                          .port = port,
                          .hinted = json_array_size(zones) > 0,
                          .near = zone && is_hinted_to(zones, zone) };
  g_ptr_array_add(ready ? candidates->ready : candidates->terminating, endpoint);
}

/* Where every endpoint has hints and some are meant for this node's zone, those are enough. */
static void keep_near(GPtrArray *endpoints)
{
  bool all_hinted = true, any_near = false;
  for (guint i = 0; i < endpoints->len; i++) {
    const Endpoint *endpoint = endpoints->pdata[i];
    all_hinted = all_hinted && endpoint->hinted;
    any_near = any_near || endpoint->near;
  }
  for (guint i = 0; all_hinted && any_near && i < endpoints->len;)
    if (((const Endpoint *)endpoints->pdata[i])->near)
      i++;
    else
      g_ptr_array_remove_index(endpoints, i);
}

static GPtrArray *candidates_choose(Candidates *candidates, bool by_zone)
{
  GPtrArray *chosen = candidates->ready->len > 0 ? candidates->ready : candidates->terminating;
  g_ptr_array_unref(chosen == candidates->ready ? candidates->terminating : candidates->ready);
  g_ptr_array_sort(chosen, compare_endpoints);
  for (guint i = 1; i < chosen->len;) /* an endpoint may be in two slices while it moves */
    if (compare_endpoints(&chosen->pdata[i - 1], &chosen->pdata[i]) == 0)
      g_ptr_array_remove_index(chosen, i);
    else
      i++;
  if (by_zone && chosen == candidates->ready)
    keep_near(chosen);
  return chosen;
}

/* The number the slice gives to the port with this name and protocol; 0: none. */
static uint16_t slice_port(const json_t *slice, const char *name, const char *protocol)
{
  const json_t *item;
  size_t i;
  json_array_foreach (json_object_get(slice, "ports"), i, item) {
    int64_t number = json_int(item, "port", 0);
    if (g_str_equal(json_str(item, "name", ""), name) &&
        g_ascii_strcasecmp(json_str(item, "protocol", "TCP"), protocol) == 0 && number > 0 && number <= UINT16_MAX)
      return (uint16_t)number;
  }
  return 0;
}

static void collect(const json_t *slice, uint16_t port, const Reading *reading, Candidates *all, Candidates *local)
{
  const ServicePortsInput *input = reading->input;
  const json_t *item;
  size_t i;
  json_array_foreach (json_object_get(slice, "endpoints"), i, item) {
    IpAddress address;
    if (!ip_address_parse(json_string_value(json_array_get(json_object_get(item, "addresses"), 0)), &address) ||
        address.family != reading->family)
      continue;
    candidates_add(all, item, &address, port, input->zone);
    if (g_strcmp0(json_str(item, "nodeName", NULL), input->node_name) == 0)
      candidates_add(local, item, &address, port, NULL);
  }
}

static void find_endpoints(ServicePort *port, const GPtrArray *slices, const char *port_name, const Reading *reading)
{
  Candidates all, local;
  candidates_init(&all);
  candidates_init(&local);
  for (guint i = 0; slices && i < slices->len; i++) {
    uint16_t number = slice_port(slices->pdata[i], port_name, port->protocol);
    if (number != 0)
      collect(slices->pdata[i], number, reading, &all, &local);
  }
  port->endpoints = candidates_choose(&all, true);
  port->local_endpoints = candidates_choose(&local, false);
}

static ServicePort *port_read(const json_t *service, const json_t *item, const GPtrArray *slices,
                              const Reading *reading)
{
  const json_t *metadata = json_object_get(service, "metadata"), *spec = json_object_get(service, "spec");
  g_autofree char *protocol = g_ascii_strdown(json_str(item, "protocol", "TCP"), -1);
  int64_t number = json_int(item, "port", 0);
  const char *known[] = { "tcp", "udp", "sctp", NULL };
  if (!g_strv_contains(known, protocol) || number <= 0 || number > UINT16_MAX)
    return NULL;
  ServicePort *port = g_new0(ServicePort, 1);
  port->id = port_id(json_str(metadata, "namespace", ""), json_str(metadata, "name", ""), protocol, number);
  port->protocol = g_steal_pointer(&protocol);
  port->port = (uint16_t)number;
  port->node_port = (uint16_t)json_int(item, "nodePort", 0);
  port->cluster_ips = cluster_ips(spec, reading);
  port->external_ips = strings(json_object_get(spec, "externalIPs"), reading->family, ip_address_is);
  port->load_balancer_ips = load_balancer_ips(service, reading->family);
  port->source_ranges = strings(json_object_get(spec, "loadBalancerSourceRanges"), reading->family, ip_range_is);
  port->internal_local = g_str_equal(json_str(spec, "internalTrafficPolicy", "Cluster"), "Local");
  port->external_local = g_str_equal(json_str(spec, "externalTrafficPolicy", "Cluster"), "Local");
  if (g_str_equal(json_str(spec, "sessionAffinity", "None"), "ClientIP"))
    port->affinity_seconds = (unsigned)json_int(json_at(spec, "sessionAffinityConfig", "clientIP", NULL),
                                                "timeoutSeconds", DEFAULT_AFFINITY_SECONDS);
  find_endpoints(port, slices, json_str(item, "name", ""), reading);
  return port;
}

/* A service has node ports and the rest in the families of its cluster addresses. */
static bool has_family(const json_t *spec, IpFamily family)
{
  size_t i;
  const json_t *item;
  if (ip_address_is(json_str(spec, "clusterIP", NULL), family))
    return true;
  json_array_foreach (json_object_get(spec, "clusterIPs"), i, item)
    if (ip_address_is(json_string_value(item), family))
      return true;
  return false;
}

static bool is_handled(const json_t *service, IpFamily family)
{
  const json_t *spec = json_object_get(service, "spec");
  const char *cluster_ip = json_str(spec, "clusterIP", "");
  return !g_str_equal(json_str(spec, "type", "ClusterIP"), "ExternalName") && *cluster_ip &&
         !g_str_equal(cluster_ip, "None") && has_family(spec, family) &&
         !json_at(service, "metadata", "labels", PROXY_NAME_LABEL, NULL);
}

/* "namespace/service" → GPtrArray of its slices. */
static GHashTable *slices_by_service(const GPtrArray *slices)
{
  GHashTable *index = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  for (guint i = 0; i < slices->len; i++) {
    const json_t *metadata = json_object_get(slices->pdata[i], "metadata");
    const char *service = json_str(json_object_get(metadata, "labels"), SERVICE_NAME_LABEL, NULL);
    if (!service)
      continue;
    g_autofree char *key = g_strdup_printf("%s/%s", json_str(metadata, "namespace", ""), service);
    GPtrArray *list = g_hash_table_lookup(index, key);
    if (!list) {
      list = g_ptr_array_new();
      g_hash_table_insert(index, g_steal_pointer(&key), list);
    }
    g_ptr_array_add(list, slices->pdata[i]);
  }
  return index;
}

static gint compare_ports(gconstpointer a, gconstpointer b)
{
  return strcmp((*(ServicePort *const *)a)->id, (*(ServicePort *const *)b)->id);
}

GPtrArray *service_ports_read(const ServicePortsInput *input, IpFamily family)
{
  const Reading reading = { input, family };
  GPtrArray *result = g_ptr_array_new_with_free_func((GDestroyNotify)service_port_free);
  g_autoptr(GHashTable) index = slices_by_service(input->slices);
  for (guint i = 0; i < input->services->len; i++) {
    const json_t *service = input->services->pdata[i], *metadata = json_object_get(service, "metadata"), *item;
    if (!is_handled(service, family))
      continue;
    g_autofree char *key =
        g_strdup_printf("%s/%s", json_str(metadata, "namespace", ""), json_str(metadata, "name", ""));
    size_t k;
    json_array_foreach (json_at(service, "spec", "ports", NULL), k, item) {
      ServicePort *port = port_read(service, item, g_hash_table_lookup(index, key), &reading);
      if (port)
        g_ptr_array_add(result, port);
    }
  }
  g_ptr_array_sort(result, compare_ports);
  return result;
}
