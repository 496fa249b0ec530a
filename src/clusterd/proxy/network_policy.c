#include "clusterd/proxy/network_policy.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/proxy/address_family.h"
#include "clusterd/proxy/chain_id.h"
#include "clusterd/proxy/policy_peers.h"

/* What differs between the directions. */
typedef struct DirectionNames {
  const char *name, *type, *rules, *peers;
  const char *pod, *peer; /* where a packet's header names them */
} DirectionNames;

static const DirectionNames directions[POLICY_DIRECTIONS] = {
  [POLICY_INGRESS] = { "ingress", "Ingress", "ingress", "from", "daddr", "saddr" },
  [POLICY_EGRESS] = { "egress", "Egress", "egress", "to", "saddr", "daddr" },
};

typedef struct PolicyBuild {
  RuleTable *table;
  PolicyPods *pods;
  IpFamily family;
  const char *header; /* "ip" */
  const char *pod_range, *dns_ip;
} PolicyBuild;

static RuleSet *add_set(PolicyBuild *build, const char *name, const char *more_type, RuleSetFill fill)
{
  g_autofree char *kind_and_name = g_strdup_printf("set %s", name);
  g_autofree char *type = g_strdup_printf("type %s%s", address_families[build->family].type, more_type);
  return rule_table_add_set(build->table, kind_and_name, type, fill);
}

/* The sets of PEERS' addresses: those of pods, which come and go one by one, and blocks, which change with the policy.
 * Each is a match, "ip saddr @peers-X ". */
static GPtrArray *peer_matches(PolicyBuild *build, const DirectionNames *direction, const json_t *peers,
                               const char *namespace_)
{
  g_autofree char *key = policy_peers_key(peers, namespace_), *hash = chain_hash(key);
  GPtrArray *matches = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *of_pods = g_strdup_printf("peers-%s", hash), *of_blocks = g_strdup_printf("blocks-%s", hash);
  if (policy_peers_have_pods(peers)) {
    RuleSet *set = add_set(build, of_pods, "", RULE_SET_BY_ELEMENT);
    if (set)
      policy_peers_add_pods(set, peers, namespace_, build->pods);
    g_ptr_array_add(matches, g_strdup_printf("%s %s @%s ", build->header, direction->peer, of_pods));
  }
  if (policy_peers_have_blocks(peers, build->family)) {
    RuleSet *set = add_set(build, of_blocks, "\n    flags interval", RULE_SET_AT_ONCE);
    if (set)
      policy_peers_add_blocks(set, peers, build->family);
    g_ptr_array_add(matches, g_strdup_printf("%s %s @%s ", build->header, direction->peer, of_blocks));
  }
  return matches;
}

/* Every pod's own number for a port's name: one set for all rules that use the name, for a packet tells the pod. */
static char *named_port_set(PolicyBuild *build, const char *port, const char *protocol)
{
  g_autofree char *key = g_strdup_printf("%s/%s", port, protocol), *hash = chain_hash(key);
  g_autofree char *lower = g_ascii_strdown(protocol, -1);
  char *name = g_strdup_printf("ports-%s", hash);
  RuleSet *set = add_set(build, name, " . inet_proto . inet_service", RULE_SET_BY_ELEMENT);
  for (guint i = 0; set && i < build->pods->all->len; i++) {
    const PolicyPod *pod = build->pods->all->pdata[i];
    uint16_t number = policy_pod_port(pod, port, protocol);
    g_autofree char *element = g_strdup_printf("%s . %s . %u", pod->ip, lower, number);
    if (number != 0)
      rule_set_add(set, element, NULL);
  }
  return name;
}

/* The lines that accept PORTS (a rule's) of the peers that MATCH stands for. */
static void append_ports(GString *rules, PolicyBuild *build, const char *match, const json_t *ports)
{
  const json_t *port;
  size_t i;
  if (json_array_size(ports) == 0) {
    g_string_append_printf(rules, "    %saccept\n", match);
    return;
  }
  g_autofree char *numbers = policy_ports_text(ports);
  if (numbers)
    g_string_append_printf(rules, "    %smeta l4proto . th dport { %s } accept\n", match, numbers);
  json_array_foreach (ports, i, port) {
    const char *name = json_str(port, "port", NULL);
    if (!name)
      continue;
    g_autofree char *named = named_port_set(build, name, json_str(port, "protocol", "TCP"));
    g_string_append_printf(rules, "    %s%s daddr . meta l4proto . th dport @%s accept\n", match, build->header, named);
  }
}

static void append_rule(GString *rules, PolicyBuild *build, const DirectionNames *direction, const json_t *rule,
                        const char *namespace_)
{
  const json_t *peers = json_object_get(rule, direction->peers), *ports = json_object_get(rule, "ports");
  if (json_array_size(peers) == 0) {
    append_ports(rules, build, "", ports);
    return;
  }
  g_autoptr(GPtrArray) matches = peer_matches(build, direction, peers, namespace_);
  for (guint i = 0; i < matches->len; i++)
    append_ports(rules, build, matches->pdata[i], ports);
}

static bool is_about(const json_t *spec, const DirectionNames *direction, PolicyDirection which)
{
  const json_t *types = json_object_get(spec, "policyTypes");
  if (json_array_size(types) > 0)
    return json_has_text(types, direction->type);
  return which == POLICY_INGRESS || json_array_size(json_object_get(spec, "egress")) > 0;
}

/* The local pods that POLICY selects, borrowed. */
static GPtrArray *selected_pods(PolicyBuild *build, const json_t *policy)
{
  GPtrArray *selected = g_ptr_array_new();
  const json_t *value = json_at(policy, "spec", "podSelector", NULL);
  g_autoptr(json_t) everything = json_object();
  g_autoptr(LabelSelector) selector = label_selector_from_json(value ? value : everything, NULL);
  const GPtrArray *pods = policy_pods_of(build->pods, json_str(json_object_get(policy, "metadata"), "namespace", ""));
  for (guint i = 0; selector && pods && i < pods->len; i++) {
    const PolicyPod *pod = pods->pdata[i];
    if (pod->is_local && label_selector_matches(selector, json_at(pod->object, "metadata", "labels", NULL)))
      g_ptr_array_add(selected, pods->pdata[i]);
  }
  return selected;
}

static void add_direction(PolicyBuild *build, const json_t *policy, PolicyDirection which, const GPtrArray *selected,
                          char *id)
{
  const DirectionNames *direction = &directions[which];
  const json_t *spec = json_object_get(policy, "spec"), *rule;
  if (!is_about(spec, direction, which))
    return;
  for (guint i = 0; i < selected->len; i++)
    g_ptr_array_add(((PolicyPod *)selected->pdata[i])->isolated_by[which], id);
  g_autofree char *chain = g_strdup_printf("%s-policy-%s", direction->name, id);
  GString *rules = g_string_new(NULL);
  size_t i;
  json_array_foreach (json_object_get(spec, direction->rules), i, rule)
    append_rule(rules, build, direction, rule, json_str(json_object_get(policy, "metadata"), "namespace", ""));
  rule_table_add_chain(build->table, chain, NULL, g_string_free(rules, FALSE));
}

/* Pods that the same policies select share a chain: what one of the policies accepts passes, the rest is dropped. */
static void add_isolation(PolicyBuild *build, PolicyDirection which)
{
  const DirectionNames *direction = &directions[which];
  g_autofree char *map_name = g_strdup_printf("map isolated-%s", direction->name);
  g_autofree char *type = g_strdup_printf("type %s : verdict", address_families[build->family].type);
  RuleSet *map = rule_table_add_set(build->table, map_name, type, RULE_SET_BY_ELEMENT);
  for (guint i = 0; i < build->pods->all->len; i++) {
    const PolicyPod *pod = build->pods->all->pdata[i];
    const GPtrArray *policies = pod->isolated_by[which];
    if (policies->len == 0)
      continue;
    g_autoptr(GString) jumps = g_string_new(NULL);
    for (guint k = 0; k < policies->len; k++)
      g_string_append_printf(jumps, "    jump %s-policy-%s\n", direction->name, (char *)policies->pdata[k]);
    g_autofree char *hash = chain_hash(jumps->str), *name = g_strdup_printf("%s-pods-%s", direction->name, hash);
    g_autofree char *verdict = g_strdup_printf("goto %s", name);
    if (!rule_table_has_chain(build->table, name))
      rule_table_add_chain(build->table, name, NULL, g_strdup_printf("%s    drop\n", jumps->str));
    rule_set_add(map, pod->ip, verdict);
  }
}

/* An accept ends a chain of the hook, not the packet's way: the next priority is the other direction's. A pod may
 * always reach itself, by a service, too. Packets that answer, and errors about them, belong to what was allowed; those
 * that ask are judged each, so that a new policy cuts what it forbids. An address whose pod is not yet known waits. */
static void add_hook(PolicyBuild *build, PolicyDirection which, const char *priority)
{
  const DirectionNames *direction = &directions[which];
  const char *header = build->header, *pod = direction->pod;
  g_autofree char *name = g_strdup_printf("filter-%s-policies", direction->name);
  g_autofree char *head = g_strdup_printf("type filter hook forward priority %s; policy accept;", priority);
  rule_table_add_chain(build->table, name, head,
                       g_strdup_printf("    ct direction reply accept\n    ct state related accept\n"
                                       "    %s saddr . %s daddr @hairpins accept\n"
                                       "    %s %s %s %s %s != @policy-pods drop\n    %s %s vmap @isolated-%s\n",
                                       header, header, header, pod, build->pod_range, header, pod, header, pod,
                                       direction->name));
}

/* The node itself is always open to its pods, but DNS is only here a part of it. */
static void add_dns_hook(PolicyBuild *build)
{
  if (!ip_address_is(build->dns_ip, build->family))
    return;
  rule_table_add_chain(
      build->table, "filter-dns-policies", "type filter hook input priority -20; policy accept;",
      g_strdup_printf("    ct direction reply accept\n    %s daddr %s %s saddr vmap @isolated-egress\n", build->header,
                      build->dns_ip, build->header));
}

static void add_known_pods(PolicyBuild *build)
{
  RuleSet *set = add_set(build, "policy-pods", "", RULE_SET_BY_ELEMENT);
  for (guint i = 0; i < build->pods->all->len; i++) {
    const PolicyPod *pod = build->pods->all->pdata[i];
    if (pod->is_local)
      rule_set_add(set, pod->ip, NULL);
  }
}

static char *policy_id(const json_t *policy)
{
  const json_t *metadata = json_object_get(policy, "metadata");
  g_autofree char *text = g_strdup_printf("%s/%s", json_str(metadata, "namespace", ""), json_str(metadata, "name", ""));
  return chain_id(text);
}

static gint compare_policies(gconstpointer a, gconstpointer b)
{
  const json_t *left = json_object_get(*(json_t *const *)a, "metadata");
  const json_t *right = json_object_get(*(json_t *const *)b, "metadata");
  int spaces = strcmp(json_str(left, "namespace", ""), json_str(right, "namespace", ""));
  return spaces != 0 ? spaces : strcmp(json_str(left, "name", ""), json_str(right, "name", ""));
}

void network_policies_add(RuleTable *table, const GPtrArray *policies, const PolicyPodsInput *pods_input,
                          const char *pod_range)
{
  if (policies->len == 0)
    return;
  g_autoptr(PolicyPods) pods = policy_pods_read(pods_input);
  g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) sorted = g_ptr_array_new();
  PolicyBuild build = { .table = table,
                        .pods = pods,
                        .family = pods_input->family,
                        .header = address_families[pods_input->family].table,
                        .pod_range = pod_range,
                        .dns_ip = pods_input->dns_ip };
  for (guint i = 0; i < policies->len; i++)
    g_ptr_array_add(sorted, policies->pdata[i]);
  g_ptr_array_sort(sorted, compare_policies);
  for (guint i = 0; i < sorted->len; i++) {
    g_autoptr(GPtrArray) selected = selected_pods(&build, sorted->pdata[i]);
    if (selected->len == 0)
      continue;
    char *id = policy_id(sorted->pdata[i]);
    g_ptr_array_add(ids, id);
    for (PolicyDirection which = 0; which < POLICY_DIRECTIONS; which++)
      add_direction(&build, sorted->pdata[i], which, selected, id);
  }
  add_known_pods(&build);
  for (PolicyDirection which = 0; which < POLICY_DIRECTIONS; which++)
    add_isolation(&build, which);
  add_hook(&build, POLICY_EGRESS, "-20");
  add_hook(&build, POLICY_INGRESS, "-10");
  add_dns_hook(&build);
}
