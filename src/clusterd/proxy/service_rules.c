#include "clusterd/proxy/service_rules.h"

#include "clusterd/proxy/address_family.h"
#include "clusterd/proxy/service_port.h"

/* A table under construction. */
typedef struct Build {
  RuleTable *table;
  IpFamily family;
  const char *header, *pod_range;
  RuleSet *service_ips, *node_ports, *no_endpoint_ips, *no_endpoint_node_ports, *cluster_ips, *hairpins;
} Build;

static void add_chain(Build *build, const char *prefix, const char *id, GString *rules)
{
  g_autofree char *name = g_strdup_printf("%s-%s", prefix, id);
  rule_table_add_chain(build->table, name, NULL, g_string_free(rules, FALSE));
}

/* --- session affinity --------------------------------------------------------------------------------------------
 */

/* What names an endpoint of a service: nft's names have no colons. */
static char *endpoint_id(const ServicePort *port, const Endpoint *endpoint)
{
  char *id = g_strdup_printf("%.8s-%s-%u", port->id, endpoint->ip, endpoint->port);
  return g_strdelimit(id, ":", '.');
}

static char *affinity_set(const ServicePort *port, const Endpoint *endpoint)
{
  g_autofree char *id = endpoint_id(port, endpoint);
  return g_strdup_printf("affinity-%s-%us", id, port->affinity_seconds);
}

/* Each endpoint remembers its clients in a set of its own, refreshed by every new connection. */
static void add_affinity_endpoint(Build *build, const ServicePort *port, const Endpoint *endpoint)
{
  g_autofree char *set = affinity_set(port, endpoint), *kind_and_name = g_strdup_printf("set %s", set);
  g_autofree char *id = endpoint_id(port, endpoint);
  g_autofree char *target = address_with_port(build->family, endpoint->ip, endpoint->port);
  g_autofree char *type = g_strdup_printf("type %s\n    flags dynamic,timeout\n    timeout %us",
                                          address_families[build->family].type, port->affinity_seconds);
  if (!rule_table_add_set(build->table, kind_and_name, type, RULE_SET_BY_PACKETS))
    return; /* the local and the cluster-wide chain share it */
  GString *rules = g_string_new(NULL);
  g_string_append_printf(rules, "    update @%s { %s saddr }\n    meta l4proto %s dnat to %s\n", set, build->header,
                         port->protocol, target);
  add_chain(build, "endpoint", id, rules);
}

static void append_affinity(GString *rules, const Build *build, const ServicePort *port, const GPtrArray *endpoints)
{
  for (guint i = 0; i < endpoints->len; i++) {
    g_autofree char *set = affinity_set(port, endpoints->pdata[i]), *id = endpoint_id(port, endpoints->pdata[i]);
    g_string_append_printf(rules, "    %s saddr @%s goto endpoint-%s\n", build->header, set, id);
  }
  g_string_append_printf(rules, "    numgen random mod %u vmap {", endpoints->len);
  for (guint i = 0; i < endpoints->len; i++) {
    g_autofree char *id = endpoint_id(port, endpoints->pdata[i]);
    g_string_append_printf(rules, "%s %u : goto endpoint-%s", i > 0 ? "," : "", i, id);
  }
  g_string_append(rules, " }\n");
}

/* --- one port ----------------------------------------------------------------------------------------------------
 */

static void append_dnat(GString *rules, const Build *build, const ServicePort *port, const GPtrArray *endpoints)
{
  if (endpoints->len == 1) {
    const Endpoint *only = endpoints->pdata[0];
    g_autofree char *target = address_with_port(build->family, only->ip, only->port);
    g_string_append_printf(rules, "    meta l4proto %s dnat to %s\n", port->protocol, target);
    return;
  }
  g_string_append_printf(rules, "    meta l4proto %s dnat %s to numgen random mod %u map {", port->protocol,
                         build->header, endpoints->len);
  for (guint i = 0; i < endpoints->len; i++) {
    const Endpoint *endpoint = endpoints->pdata[i];
    g_string_append_printf(rules, "%s %u : %s . %u", i > 0 ? "," : "", i, endpoint->ip, endpoint->port);
  }
  g_string_append(rules, " }\n");
}

/* The chain that picks one of ENDPOINTS, or drops when a Local policy finds none here. */
static void add_choice(Build *build, const char *prefix, const ServicePort *port, const GPtrArray *endpoints,
                       bool masquerade_outsiders)
{
  GString *rules = g_string_new(NULL);
  if (port->affinity_seconds > 0)
    for (guint i = 0; i < endpoints->len; i++)
      add_affinity_endpoint(build, port, endpoints->pdata[i]);
  for (guint i = 0; masquerade_outsiders && i < port->cluster_ips->len; i++)
    g_string_append_printf(rules, "    %s daddr %s %s saddr != %s jump mark-masquerade\n", build->header,
                           (char *)port->cluster_ips->pdata[i], build->header, build->pod_range);
  if (endpoints->len == 0)
    g_string_append(rules, "    drop\n");
  else if (port->affinity_seconds > 0)
    append_affinity(rules, build, port, endpoints);
  else
    append_dnat(rules, build, port, endpoints);
  add_chain(build, prefix, port->id, rules);
}

static bool is_external(const ServicePort *port)
{
  return port->node_port != 0 || port->external_ips->len > 0 || port->load_balancer_ips->len > 0;
}

/* Traffic from outside the cluster. Local keeps the client's address; what starts in the cluster may use every
 * endpoint all the same. */
static void add_external(Build *build, const ServicePort *port)
{
  GString *rules = g_string_new(NULL);
  if (port->external_local)
    g_string_append_printf(rules,
                           "    %s saddr %s goto service-%s\n    fib saddr type local jump mark-masquerade\n"
                           "    fib saddr type local goto service-%s\n    goto local-%s\n",
                           build->header, build->pod_range, port->id, port->id, port->id);
  else
    g_string_append_printf(rules, "    jump mark-masquerade\n    goto service-%s\n", port->id);
  add_chain(build, "external", port->id, rules);
}

static void add_firewall(Build *build, const ServicePort *port)
{
  GString *rules = g_string_new(NULL);
  for (guint i = 0; i < port->source_ranges->len; i++)
    g_string_append_printf(rules, "    %s saddr %s goto external-%s\n", build->header,
                           (char *)port->source_ranges->pdata[i], port->id);
  g_string_append(rules, "    drop\n");
  add_chain(build, "firewall", port->id, rules);
}

static void map_addresses(RuleSet *map, const ServicePort *port, const GPtrArray *addresses, const char *verdict)
{
  for (guint i = 0; i < addresses->len; i++) {
    g_autofree char *key = g_strdup_printf("%s . %s . %u", (char *)addresses->pdata[i], port->protocol, port->port);
    rule_set_add(map, key, verdict);
  }
}

static void map_node_port(RuleSet *map, const ServicePort *port, const char *verdict)
{
  g_autofree char *key = g_strdup_printf("%s . %u", port->protocol, port->node_port);
  if (port->node_port != 0)
    rule_set_add(map, key, verdict);
}

static void add_unreachable(Build *build, const ServicePort *port)
{
  const GPtrArray *const addresses[] = { port->cluster_ips, port->external_ips, port->load_balancer_ips };
  for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++)
    map_addresses(build->no_endpoint_ips, port, addresses[i], "goto reject-all");
  map_node_port(build->no_endpoint_node_ports, port, "goto reject-all");
}

static void map_port(Build *build, const ServicePort *port)
{
  g_autofree char *internal = g_strdup_printf("goto %s-%s", port->internal_local ? "local" : "service", port->id);
  g_autofree char *external = g_strdup_printf("goto external-%s", port->id);
  g_autofree char *firewall = g_strdup_printf("goto firewall-%s", port->id);
  map_addresses(build->service_ips, port, port->cluster_ips, internal);
  map_addresses(build->service_ips, port, port->external_ips, external);
  map_addresses(build->service_ips, port, port->load_balancer_ips, port->source_ranges->len > 0 ? firewall : external);
  map_node_port(build->node_ports, port, external);
}

static void add_port(Build *build, const ServicePort *port)
{
  if (port->endpoints->len == 0) {
    add_unreachable(build, port);
    return;
  }
  add_choice(build, "service", port, port->endpoints, true);
  if (port->internal_local || port->external_local)
    add_choice(build, "local", port, port->local_endpoints, false);
  if (is_external(port))
    add_external(build, port);
  if (port->load_balancer_ips->len > 0 && port->source_ranges->len > 0)
    add_firewall(build, port);
  map_port(build, port);
  for (guint i = 0; i < port->endpoints->len; i++) {
    const Endpoint *endpoint = port->endpoints->pdata[i];
    g_autofree char *pair = g_strdup_printf("%s . %s", endpoint->ip, endpoint->ip);
    rule_set_add(build->hairpins, pair, NULL);
  }
}

/* --- all of them --------------------------------------------------------------------------------------------------
 */

static void add_maps(Build *build)
{
  const char *type = address_families[build->family].type;
  g_autofree char *by_address = g_strdup_printf("type %s . inet_proto . inet_service : verdict", type);
  g_autofree char *addresses = g_strdup_printf("type %s", type);
  const struct {
    RuleSet **set;
    const char *name, *type;
  } rows[] = { { &build->service_ips, "map service-ips", by_address },
               { &build->node_ports, "map service-node-ports", "type inet_proto . inet_service : verdict" },
               { &build->no_endpoint_ips, "map no-endpoint-ips", by_address },
               { &build->no_endpoint_node_ports, "map no-endpoint-node-ports",
                 "type inet_proto . inet_service : verdict" },
               { &build->cluster_ips, "set cluster-ips", addresses } };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
    *rows[i].set = rule_table_add_set(build->table, rows[i].name, rows[i].type, RULE_SET_BY_ELEMENT);
}

void service_rules_add(RuleTable *table, IpFamily family, const GPtrArray *ports, const char *pod_range,
                       RuleSet *hairpins)
{
  Build build = { .table = table,
                  .family = family,
                  .header = address_families[family].table,
                  .pod_range = pod_range,
                  .hairpins = hairpins };
  add_maps(&build);
  for (guint i = 0; i < ports->len; i++) {
    const ServicePort *port = ports->pdata[i];
    add_port(&build, port);
    for (guint k = 0; k < port->cluster_ips->len; k++)
      rule_set_add(build.cluster_ips, port->cluster_ips->pdata[k], NULL);
  }
}
