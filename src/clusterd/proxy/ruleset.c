#include "clusterd/proxy/ruleset.h"

#include <jansson.h>

#include "clusterd/proxy/address_family.h"
#include "clusterd/proxy/host_port.h"
#include "clusterd/proxy/network_policy.h"
#include "clusterd/proxy/service_port.h"
#include "clusterd/proxy/service_rules.h"

#define MARK "0x4000" /* upstream's masquerade mark, so that other tools see what they know */

/* --- host ports -------------------------------------------------------------------------------------------------- */

/* A pod may reach itself by its host port, too: HAIRPINS knows it. */
static void add_host_ports(RuleTable *table, IpFamily family, const GPtrArray *ports, RuleSet *hairpins)
{
  const char *type = address_families[family].type;
  g_autofree char *anywhere_type = g_strdup_printf("type inet_proto . inet_service : %s . inet_service", type);
  g_autofree char *address_type =
      g_strdup_printf("type %s . inet_proto . inet_service : %s . inet_service", type, type);
  RuleSet *anywhere = rule_table_add_set(table, "map host-ports", anywhere_type, RULE_SET_BY_ELEMENT);
  RuleSet *on_address = rule_table_add_set(table, "map host-port-ips", address_type, RULE_SET_BY_ELEMENT);
  for (guint i = 0; i < ports->len; i++) {
    const HostPort *port = ports->pdata[i];
    g_autofree char *key = port->host_ip ? g_strdup_printf("%s . %s . %u", port->host_ip, port->protocol, port->port)
                                         : g_strdup_printf("%s . %u", port->protocol, port->port);
    g_autofree char *target = g_strdup_printf("%s . %u", port->pod_ip, port->pod_port);
    g_autofree char *pair = g_strdup_printf("%s . %s", port->pod_ip, port->pod_ip);
    rule_set_add(port->host_ip ? on_address : anywhere, key, target);
    rule_set_add(hairpins, pair, NULL);
  }
}

/* --- the chains that are always there ------------------------------------------------------------------------------
 */

/* Where addresses are translated. */
static void add_translation(RuleTable *table, IpFamily family)
{
  const char *header = address_families[family].table, *local = address_families[family].local_address;
  rule_table_add_chain(table, "mark-masquerade", NULL, g_strdup("    meta mark set meta mark or " MARK "\n"));
  rule_table_add_chain(
      table, "services", NULL,
      g_strdup_printf("    %s daddr . meta l4proto . th dport vmap @service-ips\n"
                      "    %s meta l4proto . th dport vmap @service-node-ports\n"
                      "    meta l4proto { tcp, udp, sctp } dnat %s to %s daddr . meta l4proto . th dport map "
                      "@host-port-ips\n"
                      "    %s meta l4proto { tcp, udp, sctp } dnat %s to meta l4proto . th dport map "
                      "@host-ports\n",
                      header, local, header, header, local, header));
  rule_table_add_chain(table, "nat-prerouting", "type nat hook prerouting priority -100; policy accept;",
                       g_strdup("    jump services\n"));
  rule_table_add_chain(table, "nat-output", "type nat hook output priority -100; policy accept;",
                       g_strdup("    jump services\n"));
}

/* Rejections sit before DNAT (priority -110), where the address asked for is still there; a cluster address that is
 * still there after DNAT has no such port. */
static void add_rejection(RuleTable *table, IpFamily family)
{
  const char *header = address_families[family].table, *local = address_families[family].local_address;
  static const char jump[] = "    ct state new jump no-endpoints\n";
  g_autofree char *no_port = g_strdup_printf("    ct state new %s daddr @cluster-ips goto reject-all\n", header);
  rule_table_add_chain(table, "reject-all", NULL, g_strdup("    meta l4proto tcp reject with tcp reset\n    reject\n"));
  rule_table_add_chain(table, "no-endpoints", NULL,
                       g_strdup_printf("    %s daddr . meta l4proto . th dport vmap @no-endpoint-ips\n"
                                       "    %s meta l4proto . th dport vmap @no-endpoint-node-ports\n",
                                       header, local));
  rule_table_add_chain(table, "filter-input", "type filter hook input priority -110; policy accept;", g_strdup(jump));
  rule_table_add_chain(table, "filter-forward", "type filter hook forward priority -110; policy accept;",
                       g_strconcat(jump, no_port, NULL));
  rule_table_add_chain(table, "filter-output", "type filter hook output priority -110; policy accept;", g_strdup(jump));
  rule_table_add_chain(table, "filter-output-after-dnat", "type filter hook output priority -90; policy accept;",
                       g_strdup(no_port));
}

/* A pod's link is the way back to its addresses and to no other: what comes in by it in another name is dropped. That
 * node ports work on 127.0.0.1 asks the kernel to let such packets in (route_localnet): those from outside end here. */
static void add_senders(RuleTable *table, IpFamily family)
{
  rule_table_add_chain(table, "filter-senders", "type filter hook prerouting priority -300; policy accept;",
                       g_strconcat(family == IP_V4 ? "    iifname != \"lo\" ip daddr 127.0.0.0/8 drop\n" : "",
                                   "    iifname \"pod*\" fib saddr . iif oif missing drop\n", NULL));
}

static void add_masquerade(RuleTable *table, IpFamily family, const char *pod_range)
{
  const char *header = address_families[family].table;
  static const char loopback[] = "    ip saddr 127.0.0.0/8 ip daddr != 127.0.0.0/8 masquerade fully-random\n";
  rule_table_add_chain(table, "nat-postrouting", "type nat hook postrouting priority 100; policy accept;",
                       g_strdup_printf("    meta mark & " MARK " != 0 masquerade fully-random\n"
                                       "    %s saddr . %s daddr @hairpins masquerade fully-random\n%s"
                                       "    %s saddr %s %s daddr != %s masquerade fully-random\n",
                                       header, header, family == IP_V4 ? loopback : "", header, pod_range, header,
                                       pod_range));
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

static void build_family(FamilyRules *rules, const RulesetInput *input, IpFamily family)
{
  const char *pod_range = input->pod_ranges[family], *type = address_families[family].type;
  const ServicePortsInput ports = { .services = input->services,
                                    .slices = input->slices,
                                    .node_name = input->node_name,
                                    .zone = input->zone,
                                    .reserved_ip = input->reserved_ip };
  const PolicyPodsInput pods = { .pods = input->all_pods,
                                 .namespaces = input->namespaces,
                                 .node_name = input->node_name,
                                 .dns_ip = input->reserved_ip,
                                 .family = family };
  g_autofree char *pairs = g_strdup_printf("type %s . %s", type, type);
  rules->table = rule_table_new(address_families[family].table);
  rules->ports = service_ports_read(&ports, family);
  rules->host_ports = host_ports_read(input->pods, family);
  RuleSet *hairpins = rule_table_add_set(rules->table, "set hairpins", pairs, RULE_SET_BY_ELEMENT);
  add_senders(rules->table, family);
  add_rejection(rules->table, family);
  add_translation(rules->table, family);
  service_rules_add(rules->table, family, rules->ports, pod_range, hairpins);
  add_host_ports(rules->table, family, rules->host_ports, hairpins);
  network_policies_add(rules->table, input->policies, &pods, pod_range);
  add_masquerade(rules->table, family, pod_range);
}

Ruleset *ruleset_build(const RulesetInput *input)
{
  Ruleset *ruleset = g_new0(Ruleset, 1);
  for (IpFamily family = 0; family < IP_FAMILIES; family++)
    if (input->pod_ranges[family])
      build_family(&ruleset->of[family], input, family);
  return ruleset;
}

void ruleset_free(Ruleset *ruleset)
{
  if (!ruleset)
    return;
  for (IpFamily family = 0; family < IP_FAMILIES; family++) {
    g_clear_pointer(&ruleset->of[family].table, rule_table_free);
    g_clear_pointer(&ruleset->of[family].ports, g_ptr_array_unref);
    g_clear_pointer(&ruleset->of[family].host_ports, g_ptr_array_unref);
  }
  g_free(ruleset);
}

char *ruleset_change(const Ruleset *before, const Ruleset *ruleset)
{
  GString *text = g_string_new(NULL);
  for (IpFamily family = 0; family < IP_FAMILIES; family++)
    if (ruleset->of[family].table)
      rule_table_append_change(text, before ? before->of[family].table : NULL, ruleset->of[family].table);
  return g_string_free(text, FALSE);
}
