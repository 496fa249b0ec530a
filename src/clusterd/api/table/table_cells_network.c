#include <string.h>

#include "clusterd/api/table/cell_text.h"

enum { SHOWN = 3 }; /* endpoints, ports and hosts beyond are only counted */

/* The addresses a load balancer has been given, IPs and host names, sorted. */
static char *balancer_text(const json_t *object)
{
  g_autoptr(GPtrArray) texts = g_ptr_array_new();
  size_t i;
  json_t *ingress;
  json_array_foreach (json_at(object, "status", "loadBalancer", "ingress", NULL), i, ingress) {
    const char *ip = json_str(ingress, "ip", ""), *address = *ip ? ip : json_str(ingress, "hostname", "");
    guint at = 0;
    while (at < texts->len && strcmp(texts->pdata[at], address) < 0)
      at++;
    if (*address && (at == texts->len || strcmp(texts->pdata[at], address) != 0))
      g_ptr_array_insert(texts, (gint)at, (gpointer)(uintptr_t)address);
  }
  return cell_join_more(texts, texts->len, texts->len);
}

json_t *cell_service_cluster_ip(const json_t *object, int64_t now_us)
{
  const json_t *first = json_array_get(json_at(object, "spec", "clusterIPs", NULL), 0);
  return cell_string(first ? first : json_at(object, "spec", "clusterIP", NULL), "<none>");
}

json_t *cell_service_external_ip(const json_t *object, int64_t now_us)
{
  const json_t *spec = json_object_get(object, "spec");
  const char *type = json_str(spec, "type", "ClusterIP");
  g_autofree char *external = cell_join(json_object_get(spec, "externalIPs"), NULL, ",");
  if (strcmp(type, "ExternalName") == 0)
    return cell_string(json_object_get(spec, "externalName"), "<none>");
  if (strcmp(type, "LoadBalancer") != 0)
    return json_string(*external ? external : "<none>");
  g_autofree char *balancer = balancer_text(object);
  return cell_take(g_strconcat(balancer, *balancer && *external ? "," : "", external, NULL), "<pending>");
}

json_t *cell_service_ports(const json_t *object, int64_t now_us)
{
  GString *text = g_string_new(NULL);
  size_t i;
  json_t *port;
  json_array_foreach (json_at(object, "spec", "ports", NULL), i, port) {
    int64_t node_port = json_int(port, "nodePort", 0);
    g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "", json_int(port, "port", 0));
    if (node_port > 0)
      g_string_append_printf(text, ":%" G_GINT64_FORMAT, node_port);
    g_string_append_printf(text, "/%s", json_str(port, "protocol", "TCP"));
  }
  return cell_take(g_string_free(text, FALSE), "<none>");
}

json_t *cell_service_selector(const json_t *object, int64_t now_us)
{
  return cell_labels(json_at(object, "spec", "selector", NULL));
}

/* Adds the ready addresses of one subset with PORT (NULL: without a port); returns how many there are. */
static unsigned add_addresses(GPtrArray *texts, const json_t *addresses, const json_t *port)
{
  size_t i;
  json_t *address;
  json_array_foreach (addresses, i, address) {
    const char *ip = json_str(address, "ip", "");
    bool v6 = strchr(ip, ':') != NULL;
    if (texts->len >= SHOWN)
      break;
    g_ptr_array_add(texts, !port ? g_strdup(ip)
                                 : g_strdup_printf(v6 ? "[%s]:%" G_GINT64_FORMAT : "%s:%" G_GINT64_FORMAT, ip,
                                                   json_int(port, "port", 0)));
  }
  return (unsigned)json_array_size(addresses);
}

json_t *cell_endpoints_endpoints(const json_t *object, int64_t now_us)
{
  const json_t *subsets = json_object_get(object, "subsets");
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  unsigned count = 0;
  size_t i, n;
  json_t *subset, *port;
  if (json_array_size(subsets) == 0)
    return json_string("<none>");
  json_array_foreach (subsets, i, subset) {
    const json_t *addresses = json_object_get(subset, "addresses"), *ports = json_object_get(subset, "ports");
    if (json_array_size(ports) == 0)
      count += add_addresses(texts, addresses, NULL);
    json_array_foreach (ports, n, port)
      count += add_addresses(texts, addresses, port);
  }
  return cell_take(cell_join_more(texts, count, SHOWN), "");
}

json_t *cell_endpoint_slice_ports(const json_t *object, int64_t now_us)
{
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  const json_t *ports = json_object_get(object, "ports");
  for (size_t i = 0; i < MIN(json_array_size(ports), SHOWN); i++) {
    const json_t *port = json_array_get(ports, i), *number = json_object_get(port, "port");
    g_ptr_array_add(texts, json_is_integer(number)
                               ? g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(number))
                               : g_strdup(json_str(port, "name", "*")));
  }
  return cell_take(cell_join_more(texts, (unsigned)json_array_size(ports), SHOWN), "<unset>");
}

json_t *cell_endpoint_slice_endpoints(const json_t *object, int64_t now_us)
{
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  unsigned count = 0;
  size_t i, n;
  json_t *endpoint, *address;
  json_array_foreach (json_object_get(object, "endpoints"), i, endpoint)
    json_array_foreach (json_object_get(endpoint, "addresses"), n, address)
      if (count++ < SHOWN)
        g_ptr_array_add(texts, g_strdup(json_is_string(address) ? json_string_value(address) : ""));
  return cell_take(cell_join_more(texts, count, SHOWN), "<unset>");
}

json_t *cell_ingress_class(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "spec", "ingressClassName", NULL), "<none>");
}

json_t *cell_ingress_address(const json_t *object, int64_t now_us)
{
  return cell_take(balancer_text(object), "");
}

json_t *cell_ingress_hosts(const json_t *object, int64_t now_us)
{
  const json_t *rules = json_at(object, "spec", "rules", NULL);
  g_autoptr(GPtrArray) texts = g_ptr_array_new();
  size_t i;
  json_t *rule;
  json_array_foreach (rules, i, rule) {
    const char *host = json_str(rule, "host", "");
    if (*host && texts->len <= SHOWN)
      g_ptr_array_add(texts, (gpointer)(uintptr_t)host);
  }
  if (texts->len == 0)
    return json_string("*");
  unsigned count = texts->len > SHOWN ? (unsigned)json_array_size(rules) : texts->len;
  return cell_take(cell_join_more(texts, count, SHOWN), "*");
}

json_t *cell_ingress_ports(const json_t *object, int64_t now_us)
{
  return json_string(json_array_size(json_at(object, "spec", "tls", NULL)) > 0 ? "80, 443" : "80");
}

json_t *cell_ingress_class_parameters(const json_t *object, int64_t now_us)
{
  const json_t *parameters = json_at(object, "spec", "parameters", NULL);
  const char *group = json_str(parameters, "apiGroup", "");
  if (!json_is_object(parameters))
    return json_string("<none>");
  return cell_take(g_strdup_printf("%s%s%s/%s", json_str(parameters, "kind", ""), *group ? "." : "", group,
                                   json_str(parameters, "name", "")),
                   "<none>");
}
