#include "clusterd/proxy/service_port.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/proxy/chain_id.h"

#define SERVICE_NAME_LABEL "kubernetes.io/service-name"
#define PROXY_NAME_LABEL "service.kubernetes.io/service-proxy-name"
#define DEFAULT_AFFINITY_SECONDS 10800

bool address_is_ipv4(const char *text)
{
  struct in_addr address;
  return text && inet_pton(AF_INET, text, &address) == 1;
}

bool address_is_ipv4_cidr(const char *text)
{
  const char *slash = text ? strchr(text, '/') : NULL;
  if (!slash)
    return false;
  g_autofree char *address = g_strndup(text, (gsize)(slash - text));
  guint64 length;
  return address_is_ipv4(address) && g_ascii_string_to_unsigned(slash + 1, 10, 0, 32, &length, NULL);
}

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

static GPtrArray *strings(const json_t *array, bool (*accepts)(const char *))
{
  GPtrArray *result = g_ptr_array_new_with_free_func(g_free);
  size_t i;
  const json_t *item;
  json_array_foreach (array, i, item) {
    const char *text = json_string_value(item);
    if (accepts(text))
      g_ptr_array_add(result, g_strdup(text));
  }
  return result;
}

static GPtrArray *cluster_ips(const json_t *spec, const char *reserved_ip)
{
  GPtrArray *result = strings(json_object_get(spec, "clusterIPs"), address_is_ipv4);
  const char *single = json_str(spec, "clusterIP", NULL);
  if (result->len == 0 && address_is_ipv4(single))
    g_ptr_array_add(result, g_strdup(single));
  for (guint i = 0; reserved_ip && i < result->len;)
    if (g_str_equal(result->pdata[i], reserved_ip))
      g_ptr_array_remove_index(result, i);
    else
      i++;
  return result;
}

static GPtrArray *load_balancer_ips(const json_t *service)
{
  GPtrArray *result = g_ptr_array_new_with_free_func(g_free);
  const json_t *ingress = json_at(service, "status", "loadBalancer", "ingress", NULL), *item;
  size_t i;
  json_array_foreach (ingress, i, item) {
    const char *ip = json_str(item, "ip", NULL);
    if (address_is_ipv4(ip) && !g_str_equal(json_str(item, "ipMode", "VIP"), "Proxy"))
      g_ptr_array_add(result, g_strdup(ip));
  }
  return result;
}

static gint compare_endpoints(gconstpointer a, gconstpointer b)
{
  const Endpoint *left = *(Endpoint *const *)a, *right = *(Endpoint *const *)b;
  struct in_addr left_ip = { 0 }, right_ip = { 0 };
  inet_pton(AF_INET, left->ip, &left_ip);
  inet_pton(AF_INET, right->ip, &right_ip);
  if (left_ip.s_addr != right_ip.s_addr)
    return ntohl(left_ip.s_addr) < ntohl(right_ip.s_addr) ? -1 : 1;
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

static void candidates_add(Candidates *candidates, const json_t *conditions, const char *ip, uint16_t port)
{
  bool ready = json_flag(conditions, "ready", true);
  bool serving = json_flag(conditions, "serving", ready) && json_flag(conditions, "terminating", false);
  if (!ready && !serving)
    return;
  Endpoint *endpoint = g_new(Endpoint, 1);
  *endpoint = (Endpoint){ .ip = g_strdup(ip), .port = port };
  g_ptr_array_add(ready ? candidates->ready : candidates->terminating, endpoint);
}

static GPtrArray *candidates_choose(Candidates *candidates)
{
  GPtrArray *chosen = candidates->ready->len > 0 ? candidates->ready : candidates->terminating;
  g_ptr_array_unref(chosen == candidates->ready ? candidates->terminating : candidates->ready);
  g_ptr_array_sort(chosen, compare_endpoints);
  for (guint i = 1; i < chosen->len;) /* an endpoint may be in two slices while it moves */
    if (compare_endpoints(&chosen->pdata[i - 1], &chosen->pdata[i]) == 0)
      g_ptr_array_remove_index(chosen, i);
    else
      i++;
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

static void collect(const json_t *slice, uint16_t port, const char *node_name, Candidates *all, Candidates *local)
{
  const json_t *item;
  size_t i;
  json_array_foreach (json_object_get(slice, "endpoints"), i, item) {
    const char *ip = json_string_value(json_array_get(json_object_get(item, "addresses"), 0));
    const json_t *conditions = json_object_get(item, "conditions");
    if (!address_is_ipv4(ip))
      continue;
    candidates_add(all, conditions, ip, port);
    if (g_strcmp0(json_str(item, "nodeName", NULL), node_name) == 0)
      candidates_add(local, conditions, ip, port);
  }
}

static void find_endpoints(ServicePort *port, const GPtrArray *slices, const char *port_name, const char *node_name)
{
  Candidates all, local;
  candidates_init(&all);
  candidates_init(&local);
  for (guint i = 0; slices && i < slices->len; i++) {
    uint16_t number = slice_port(slices->pdata[i], port_name, port->protocol);
    if (number != 0)
      collect(slices->pdata[i], number, node_name, &all, &local);
  }
  port->endpoints = candidates_choose(&all);
  port->local_endpoints = candidates_choose(&local);
}

static ServicePort *port_read(const json_t *service, const json_t *item, const GPtrArray *slices, const char *node_name,
                              const char *reserved_ip)
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
  port->cluster_ips = cluster_ips(spec, reserved_ip);
  port->external_ips = strings(json_object_get(spec, "externalIPs"), address_is_ipv4);
  port->load_balancer_ips = load_balancer_ips(service);
  port->source_ranges = strings(json_object_get(spec, "loadBalancerSourceRanges"), address_is_ipv4_cidr);
  port->internal_local = g_str_equal(json_str(spec, "internalTrafficPolicy", "Cluster"), "Local");
  port->external_local = g_str_equal(json_str(spec, "externalTrafficPolicy", "Cluster"), "Local");
  if (g_str_equal(json_str(spec, "sessionAffinity", "None"), "ClientIP"))
    port->affinity_seconds = (unsigned)json_int(json_at(spec, "sessionAffinityConfig", "clientIP", NULL),
                                                "timeoutSeconds", DEFAULT_AFFINITY_SECONDS);
  find_endpoints(port, slices, json_str(item, "name", ""), node_name);
  return port;
}

static bool is_handled(const json_t *service)
{
  const json_t *spec = json_object_get(service, "spec");
  const char *cluster_ip = json_str(spec, "clusterIP", "");
  return !g_str_equal(json_str(spec, "type", "ClusterIP"), "ExternalName") && *cluster_ip &&
         !g_str_equal(cluster_ip, "None") && !json_at(service, "metadata", "labels", PROXY_NAME_LABEL, NULL);
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

GPtrArray *service_ports_read(const GPtrArray *services, const GPtrArray *slices, const char *node_name,
                              const char *reserved_ip)
{
  GPtrArray *result = g_ptr_array_new_with_free_func((GDestroyNotify)service_port_free);
  g_autoptr(GHashTable) index = slices_by_service(slices);
  for (guint i = 0; i < services->len; i++) {
    const json_t *service = services->pdata[i], *metadata = json_object_get(service, "metadata"), *item;
    if (!is_handled(service))
      continue;
    g_autofree char *key =
        g_strdup_printf("%s/%s", json_str(metadata, "namespace", ""), json_str(metadata, "name", ""));
    size_t k;
    json_array_foreach (json_at(service, "spec", "ports", NULL), k, item) {
      ServicePort *port = port_read(service, item, g_hash_table_lookup(index, key), node_name, reserved_ip);
      if (port)
        g_ptr_array_add(result, port);
    }
  }
  g_ptr_array_sort(result, compare_ports);
  return result;
}
