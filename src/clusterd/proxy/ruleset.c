#include "clusterd/proxy/ruleset.h"

#include <jansson.h>

#include "base/json.h"
#include "clusterd/proxy/host_port.h"
#include "clusterd/proxy/network_policy.h"
#include "clusterd/proxy/service_port.h"

#define MARK "0x4000" /* upstream's masquerade mark, so that other tools see what they know */

/* Text under construction: the elements of the fixed maps, and the chains and sets of each service port. */
typedef struct Build {
  const RulesetInput *input;
  GHashTable *objects;
  GHashTable *hairpins; /* set of endpoint addresses */
  GString *sets, *chains;
  GString *service_ips, *node_ports, *no_endpoint_ips, *no_endpoint_node_ports, *cluster_ips;
  GString *hairpin_pairs;
} Build;

void ruleset_free(Ruleset *ruleset)
{
  if (!ruleset)
    return;
  g_free(ruleset->text);
  g_hash_table_unref(ruleset->objects);
  g_ptr_array_unref(ruleset->ports);
  g_free(ruleset);
}

static void element(GString *list, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void element(GString *list, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_string_append(list, list->len > 0 ? ",\n      " : "\n      ");
  g_string_append_vprintf(list, format, args);
  va_end(args);
}

static void begin_chain(Build *build, const char *prefix, const char *id)
{
  g_string_append_printf(build->chains, "  chain %s-%s {\n", prefix, id);
  g_hash_table_add(build->objects, g_strdup_printf("chain %s-%s", prefix, id));
}

static char *affinity_set(const ServicePort *port, const Endpoint *endpoint)
{
  return g_strdup_printf("affinity-%.8s-%s-%u-%us", port->id, endpoint->ip, endpoint->port, port->affinity_seconds);
}

/* Each endpoint remembers its clients in a set of its own, refreshed by every new connection. */
static void add_affinity_endpoint(Build *build, const ServicePort *port, const Endpoint *endpoint)
{
  g_autofree char *set = affinity_set(port, endpoint);
  g_autofree char *id = g_strdup_printf("%.8s-%s-%u", port->id, endpoint->ip, endpoint->port);
  g_autofree char *chain = g_strdup_printf("chain endpoint-%s", id);
  if (g_hash_table_contains(build->objects, chain))
    return; /* the local and the cluster-wide chain share it */
  g_string_append_printf(build->sets,
                         "  set %s {\n    type ipv4_addr\n    flags dynamic,timeout\n    timeout %us\n  }\n", set,
                         port->affinity_seconds);
  g_hash_table_add(build->objects, g_strdup_printf("set %s", set));
  begin_chain(build, "endpoint", id);
  g_string_append_printf(build->chains, "    update @%s { ip saddr }\n    meta l4proto %s dnat to %s:%u\n  }\n", set,
                         port->protocol, endpoint->ip, endpoint->port);
}

static void add_affinity_rules(Build *build, const ServicePort *port, const GPtrArray *endpoints)
{
  for (guint i = 0; i < endpoints->len; i++) {
    const Endpoint *endpoint = endpoints->pdata[i];
    g_autofree char *set = affinity_set(port, endpoint);
    g_string_append_printf(build->chains, "    ip saddr @%s goto endpoint-%.8s-%s-%u\n", set, port->id, endpoint->ip,
                           endpoint->port);
  }
  g_string_append_printf(build->chains, "    numgen random mod %u vmap {", endpoints->len);
  for (guint i = 0; i < endpoints->len; i++) {
    const Endpoint *endpoint = endpoints->pdata[i];
    g_string_append_printf(build->chains, "%s %u : goto endpoint-%.8s-%s-%u", i > 0 ? "," : "", i, port->id,
                           endpoint->ip, endpoint->port);
  }
  g_string_append(build->chains, " }\n");
}

static void add_dnat_rule(Build *build, const ServicePort *port, const GPtrArray *endpoints)
{
  if (endpoints->len == 1) {
    const Endpoint *only = endpoints->pdata[0];
    g_string_append_printf(build->chains, "    meta l4proto %s dnat to %s:%u\n", port->protocol, only->ip, only->port);
    return;
  }
  g_string_append_printf(build->chains, "    meta l4proto %s dnat ip to numgen random mod %u map {", port->protocol,
                         endpoints->len);
  for (guint i = 0; i < endpoints->len; i++) {
    const Endpoint *endpoint = endpoints->pdata[i];
    g_string_append_printf(build->chains, "%s %u : %s . %u", i > 0 ? "," : "", i, endpoint->ip, endpoint->port);
  }
  g_string_append(build->chains, " }\n");
}

/* The chain that picks one of ENDPOINTS, or drops when a Local policy finds none here. */
static void add_choice(Build *build, const char *prefix, const ServicePort *port, const GPtrArray *endpoints,
                       bool masquerade_outsiders)
{
  if (port->affinity_seconds > 0)
    for (guint i = 0; i < endpoints->len; i++)
      add_affinity_endpoint(build, port, endpoints->pdata[i]);
  begin_chain(build, prefix, port->id);
  for (guint i = 0; masquerade_outsiders && i < port->cluster_ips->len; i++)
    g_string_append_printf(build->chains, "    ip daddr %s ip saddr != %s jump mark-masquerade\n",
                           (char *)port->cluster_ips->pdata[i], build->input->pod_cidr);
  if (endpoints->len == 0)
    g_string_append(build->chains, "    drop\n");
  else if (port->affinity_seconds > 0)
    add_affinity_rules(build, port, endpoints);
  else
    add_dnat_rule(build, port, endpoints);
  g_string_append(build->chains, "  }\n");
}

static bool is_external(const ServicePort *port)
{
  return port->node_port != 0 || port->external_ips->len > 0 || port->load_balancer_ips->len > 0;
}

/* Traffic from outside the cluster. Local keeps the client's address; what starts in the cluster may use every
 * endpoint all the same. */
static void add_external(Build *build, const ServicePort *port)
{
  begin_chain(build, "external", port->id);
  if (port->external_local)
    g_string_append_printf(build->chains,
                           "    ip saddr %s goto service-%s\n    fib saddr type local jump mark-masquerade\n"
                           "    fib saddr type local goto service-%s\n    goto local-%s\n",
                           build->input->pod_cidr, port->id, port->id, port->id);
  else
    g_string_append_printf(build->chains, "    jump mark-masquerade\n    goto service-%s\n", port->id);
  g_string_append(build->chains, "  }\n");
}

static void add_firewall(Build *build, const ServicePort *port)
{
  begin_chain(build, "firewall", port->id);
  for (guint i = 0; i < port->source_ranges->len; i++)
    g_string_append_printf(build->chains, "    ip saddr %s goto external-%s\n", (char *)port->source_ranges->pdata[i],
                           port->id);
  g_string_append(build->chains, "    drop\n  }\n");
}

static void map_addresses(GString *list, const ServicePort *port, const GPtrArray *addresses, const char *verdict)
{
  for (guint i = 0; i < addresses->len; i++)
    element(list, "%s . %s . %u : %s", (char *)addresses->pdata[i], port->protocol, port->port, verdict);
}

static void add_unreachable(Build *build, const ServicePort *port)
{
  map_addresses(build->no_endpoint_ips, port, port->cluster_ips, "goto reject-all");
  map_addresses(build->no_endpoint_ips, port, port->external_ips, "goto reject-all");
  map_addresses(build->no_endpoint_ips, port, port->load_balancer_ips, "goto reject-all");
  if (port->node_port != 0)
    element(build->no_endpoint_node_ports, "%s . %u : goto reject-all", port->protocol, port->node_port);
}

static void map_port(Build *build, const ServicePort *port)
{
  g_autofree char *internal = g_strdup_printf("goto %s-%s", port->internal_local ? "local" : "service", port->id);
  g_autofree char *external = g_strdup_printf("goto external-%s", port->id);
  g_autofree char *firewall = g_strdup_printf("goto firewall-%s", port->id);
  map_addresses(build->service_ips, port, port->cluster_ips, internal);
  map_addresses(build->service_ips, port, port->external_ips, external);
  map_addresses(build->service_ips, port, port->load_balancer_ips, port->source_ranges->len > 0 ? firewall : external);
  if (port->node_port != 0)
    element(build->node_ports, "%s . %u : %s", port->protocol, port->node_port, external);
}

static void add_hairpins(Build *build, const ServicePort *port)
{
  for (guint i = 0; i < port->endpoints->len; i++) {
    const Endpoint *endpoint = port->endpoints->pdata[i];
    if (g_hash_table_add(build->hairpins, g_strdup(endpoint->ip)))
      element(build->hairpin_pairs, "%s . %s", endpoint->ip, endpoint->ip);
  }
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
  add_hairpins(build, port);
}

static void add_cluster_ips(Build *build, const GPtrArray *ports)
{
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < ports->len; i++) {
    const ServicePort *port = ports->pdata[i];
    for (guint k = 0; k < port->cluster_ips->len; k++)
      if (g_hash_table_add(seen, port->cluster_ips->pdata[k]))
        element(build->cluster_ips, "%s", (char *)port->cluster_ips->pdata[k]);
  }
}

static void append_map(GString *text, const char *kind, const char *name, const char *type, const GString *elements)
{
  g_string_append_printf(text, "  %s %s {\n    type %s\n", kind, name, type);
  if (elements->len > 0)
    g_string_append_printf(text, "    elements = {%s\n    }\n", elements->str);
  g_string_append(text, "  }\n");
}

static void append_maps(GString *text, const Build *build, const HostPorts *host_ports)
{
  append_map(text, "map", "service-ips", "ipv4_addr . inet_proto . inet_service : verdict", build->service_ips);
  append_map(text, "map", "service-node-ports", "inet_proto . inet_service : verdict", build->node_ports);
  append_map(text, "map", "no-endpoint-ips", "ipv4_addr . inet_proto . inet_service : verdict", build->no_endpoint_ips);
  append_map(text, "map", "no-endpoint-node-ports", "inet_proto . inet_service : verdict",
             build->no_endpoint_node_ports);
  append_map(text, "set", "cluster-ips", "ipv4_addr", build->cluster_ips);
  append_map(text, "set", "hairpins", "ipv4_addr . ipv4_addr", build->hairpin_pairs);
  append_map(text, "map", "host-ports", "inet_proto . inet_service : ipv4_addr . inet_service", host_ports->anywhere);
  append_map(text, "map", "host-port-ips", "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service",
             host_ports->on_address);
}

/* The fixed chains. Rejections sit before DNAT (priority -110), where the address asked for is still there; a cluster
 * address that is still there after DNAT has no such port. */
static void append_chains(GString *text, const Build *build)
{
  static const char *const fixed = "  chain reject-all {\n    meta l4proto tcp reject with tcp reset\n    reject\n  }\n"
                                   "  chain mark-masquerade {\n    meta mark set meta mark or " MARK "\n  }\n";
  static const char *const hooks =
      "  chain services {\n"
      "    ip daddr . meta l4proto . th dport vmap @service-ips\n"
      "    ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport vmap @service-node-ports\n"
      "    meta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport map @host-port-ips\n"
      "    ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto { tcp, udp, sctp } dnat ip to meta l4proto . th "
      "dport map @host-ports\n"
      "  }\n"
      "  chain no-endpoints {\n"
      "    ip daddr . meta l4proto . th dport vmap @no-endpoint-ips\n"
      "    ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport vmap @no-endpoint-node-ports\n"
      "  }\n"
      "  chain filter-input {\n    type filter hook input priority -110; policy accept;\n"
      "    ct state new jump no-endpoints\n  }\n"
      "  chain filter-forward {\n    type filter hook forward priority -110; policy accept;\n"
      "    ct state new jump no-endpoints\n    ct state new ip daddr @cluster-ips goto reject-all\n  }\n"
      "  chain filter-output {\n    type filter hook output priority -110; policy accept;\n"
      "    ct state new jump no-endpoints\n  }\n"
      "  chain filter-output-after-dnat {\n    type filter hook output priority -90; policy accept;\n"
      "    ct state new ip daddr @cluster-ips goto reject-all\n  }\n"
      "  chain nat-prerouting {\n    type nat hook prerouting priority -100; policy accept;\n    jump services\n  }\n"
      "  chain nat-output {\n    type nat hook output priority -100; policy accept;\n    jump services\n  }\n";
  g_string_append(text, fixed);
  g_string_append_len(text, build->chains->str, (gssize)build->chains->len);
  g_string_append(text, hooks);
  g_string_append_printf(text,
                         "  chain nat-postrouting {\n    type nat hook postrouting priority 100; policy accept;\n"
                         "    meta mark & " MARK " != 0 masquerade fully-random\n"
                         "    ip saddr . ip daddr @hairpins masquerade fully-random\n"
                         "    ip saddr %s ip daddr != %s masquerade fully-random\n  }\n",
                         build->input->pod_cidr, build->input->pod_cidr);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
  return g_strcmp0(*(char *const *)a, *(char *const *)b);
}

/* The members of SET, borrowed. */
static GPtrArray *sorted_names(GHashTable *set)
{
  GPtrArray *names = g_ptr_array_new();
  GHashTableIter iter;
  gpointer name;
  g_hash_table_iter_init(&iter, set);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    g_ptr_array_add(names, name);
  g_ptr_array_sort(names, compare_names);
  return names;
}

static void append_command(GString *text, const char *command, const char *object)
{
  const char *space = strchr(object, ' ');
  g_string_append_printf(text, "%s %.*s ip launcher %s\n", command, (int)(space - object), object, space + 1);
}

/* Brings the table to nothing but the sets of remembered clients that stay in use. */
static void append_reset(GString *text, GHashTable *previous, GHashTable *wanted)
{
  static const char *const fixed[] = { "map service-ips",     "map service-node-ports",
                                       "map no-endpoint-ips", "map no-endpoint-node-ports",
                                       "set cluster-ips",     "set hairpins",
                                       "map host-ports",      "map host-port-ips" };
  g_string_append(text, "add table ip launcher\n");
  if (!previous) {
    g_string_append(text, "delete table ip launcher\n");
    return;
  }
  g_string_append(text, "flush table ip launcher\n");
  for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
    append_command(text, "flush", fixed[i]);
  g_autoptr(GPtrArray) all = sorted_names(previous);
  for (guint i = 0; i < all->len; i++)
    if (!g_str_has_prefix(all->pdata[i], "chain ") && !g_str_has_prefix(all->pdata[i], "set affinity-"))
      append_command(text, "flush", all->pdata[i]);
  for (guint i = 0; i < all->len; i++)
    if (!g_hash_table_contains(wanted, all->pdata[i]))
      append_command(text, "delete", all->pdata[i]);
}

static void build_init(Build *build, const RulesetInput *input)
{
  *build = (Build){ .input = input,
                    .objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                    .hairpins = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) };
  GString **texts[] = { &build->sets,        &build->chains,          &build->service_ips,
                        &build->node_ports,  &build->no_endpoint_ips, &build->no_endpoint_node_ports,
                        &build->cluster_ips, &build->hairpin_pairs };
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    *texts[i] = g_string_new(NULL);
}

static void build_clear(Build *build)
{
  GString *texts[] = { build->sets,        build->chains,          build->service_ips,
                       build->node_ports,  build->no_endpoint_ips, build->no_endpoint_node_ports,
                       build->cluster_ips, build->hairpin_pairs };
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    g_string_free(texts[i], TRUE);
  g_hash_table_unref(build->hairpins);
}

static void add_policies(Build *build)
{
  const RulesetInput *input = build->input;
  PolicyText text = { .sets = build->sets, .chains = build->chains, .objects = build->objects };
  PolicyPodsInput pods = { .pods = input->all_pods,
                           .namespaces = input->namespaces,
                           .node_name = input->node_name,
                           .dns_ip = input->reserved_ip };
  network_policy_append(&text, input->policies, &pods, input->pod_cidr);
}

Ruleset *ruleset_build(const RulesetInput *input, GHashTable *previous)
{
  Build build;
  build_init(&build, input);
  GPtrArray *ports = service_ports_read(input->services, input->slices, input->node_name, input->reserved_ip);
  for (guint i = 0; i < ports->len; i++)
    add_port(&build, ports->pdata[i]);
  add_cluster_ips(&build, ports);
  add_policies(&build);
  HostPorts host_ports;
  host_ports_read(&host_ports, input->pods);

  GString *text = g_string_new(NULL);
  append_reset(text, previous, build.objects);
  g_string_append(text, "table ip launcher {\n");
  g_string_append_len(text, build.sets->str, (gssize)build.sets->len);
  append_maps(text, &build, &host_ports);
  append_chains(text, &build);
  g_string_append(text, "}\n");

  Ruleset *ruleset = g_new(Ruleset, 1);
  *ruleset = (Ruleset){ .text = g_string_free(text, FALSE), .ports = ports, .objects = build.objects };
  host_ports_clear(&host_ports);
  build_clear(&build);
  return ruleset;
}
