#include "clusterd/proxy/network_policy.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/proxy/chain_id.h"
#include "clusterd/proxy/policy_peers.h"

/* What differs between the directions. */
typedef struct DirectionNames {
  const char *name, *type, *rules, *peers;
  const char *pod, *peer; /* where a packet names them */
} DirectionNames;

static const DirectionNames directions[POLICY_DIRECTIONS] = {
  [POLICY_INGRESS] = { "ingress", "Ingress", "ingress", "from", "ip daddr", "ip saddr" },
  [POLICY_EGRESS] = { "egress", "Egress", "egress", "to", "ip saddr", "ip daddr" },
};

typedef struct PolicyBuild {
  const PolicyText *text;
  PolicyPods *pods;
  const char *pod_cidr, *dns_ip;
} PolicyBuild;

/* Writes a set unless it is there. */
static void add_set(PolicyBuild *build, const char *name, const char *type, const char *elements)
{
  char *key = g_strdup_printf("set %s", name);
  if (!g_hash_table_add(build->text->objects, key))
    return;
  g_string_append_printf(build->text->sets, "  set %s {\n    type %s\n", name, type);
  if (*elements)
    g_string_append_printf(build->text->sets, "    elements = { %s }\n", elements);
  g_string_append(build->text->sets, "  }\n");
}

static void begin_chain(PolicyBuild *build, const char *name)
{
  g_string_append_printf(build->text->chains, "  chain %s {\n", name);
  g_hash_table_add(build->text->objects, g_strdup_printf("chain %s", name));
}

/* The set of PEERS' addresses; the caller frees the name. */
static char *peers_set(PolicyBuild *build, const json_t *peers, const char *namespace_)
{
  g_autofree char *key = policy_peers_key(peers, namespace_), *hash = chain_hash(key);
  char *name = g_strdup_printf("peers-%s", hash);
  g_autofree char *there = g_strdup_printf("set %s", name);
  if (g_hash_table_contains(build->text->objects, there))
    return name;
  g_autoptr(GArray) ranges = policy_peers_addresses(peers, namespace_, build->pods);
  g_autofree char *elements = policy_addresses_text(ranges);
  add_set(build, name, "ipv4_addr\n    flags interval", elements);
  return name;
}

/* Every pod's own number for a port's name: one set for all rules that use the name, for a packet tells the pod. */
static char *named_port_set(PolicyBuild *build, const char *port, const char *protocol)
{
  g_autofree char *key = g_strdup_printf("%s/%s", port, protocol), *hash = chain_hash(key);
  g_autofree char *lower = g_ascii_strdown(protocol, -1);
  g_autoptr(GString) elements = g_string_new(NULL);
  for (guint i = 0; i < build->pods->all->len; i++) {
    const PolicyPod *pod = build->pods->all->pdata[i];
    uint16_t number = policy_pod_port(pod, port, protocol);
    if (number != 0)
      g_string_append_printf(elements, "%s%s . %s . %u", elements->len > 0 ? ", " : "",
                             json_str(json_object_get(pod->object, "status"), "podIP", ""), lower, number);
  }
  char *name = g_strdup_printf("ports-%s", hash);
  add_set(build, name, "ipv4_addr . inet_proto . inet_service", elements->str);
  return name;
}

static void add_rule(PolicyBuild *build, const DirectionNames *direction, const json_t *rule, const char *namespace_)
{
  const json_t *peers = json_object_get(rule, direction->peers), *ports = json_object_get(rule, "ports"), *port;
  GString *chains = build->text->chains;
  g_autofree char *set = json_array_size(peers) > 0 ? peers_set(build, peers, namespace_) : NULL;
  g_autofree char *match = set ? g_strdup_printf("%s @%s ", direction->peer, set) : g_strdup("");
  if (json_array_size(ports) == 0) {
    g_string_append_printf(chains, "    %saccept\n", match);
    return;
  }
  g_autofree char *numbers = policy_ports_text(ports);
  if (numbers)
    g_string_append_printf(chains, "    %smeta l4proto . th dport { %s } accept\n", match, numbers);
  size_t i;
  json_array_foreach (ports, i, port) {
    const char *name = json_str(port, "port", NULL);
    if (!name)
      continue;
    g_autofree char *named = named_port_set(build, name, json_str(port, "protocol", "TCP"));
    g_string_append_printf(chains, "    %sip daddr . meta l4proto . th dport @%s accept\n", match, named);
  }
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
  begin_chain(build, chain);
  size_t i;
  json_array_foreach (json_object_get(spec, direction->rules), i, rule)
    add_rule(build, direction, rule, json_str(json_object_get(policy, "metadata"), "namespace", ""));
  g_string_append(build->text->chains, "  }\n");
}

/* Pods that the same policies select share a chain: what one of the policies accepts passes, the rest is dropped. */
static void add_isolation(PolicyBuild *build, PolicyDirection which)
{
  const DirectionNames *direction = &directions[which];
  g_autoptr(GString) elements = g_string_new(NULL);
  for (guint i = 0; i < build->pods->all->len; i++) {
    const PolicyPod *pod = build->pods->all->pdata[i];
    const GPtrArray *policies = pod->isolated_by[which];
    if (policies->len == 0)
      continue;
    g_autoptr(GString) jumps = g_string_new(NULL);
    for (guint k = 0; k < policies->len; k++)
      g_string_append_printf(jumps, "    jump %s-policy-%s\n", direction->name, (char *)policies->pdata[k]);
    g_autofree char *hash = chain_hash(jumps->str), *name = g_strdup_printf("%s-pods-%s", direction->name, hash);
    g_autofree char *there = g_strdup_printf("chain %s", name);
    if (!g_hash_table_contains(build->text->objects, there)) {
      begin_chain(build, name);
      g_string_append_printf(build->text->chains, "%s    drop\n  }\n", jumps->str);
    }
    g_string_append_printf(elements, "%s\n      %s : goto %s", elements->len > 0 ? "," : "",
                           json_str(json_object_get(pod->object, "status"), "podIP", ""), name);
  }
  g_string_append_printf(build->text->sets, "  map isolated-%s {\n    type ipv4_addr : verdict\n", direction->name);
  if (elements->len > 0)
    g_string_append_printf(build->text->sets, "    elements = {%s\n    }\n", elements->str);
  g_string_append(build->text->sets, "  }\n");
  g_hash_table_add(build->text->objects, g_strdup_printf("map isolated-%s", direction->name));
}

/* An accept ends a chain of the hook, not the packet's way: the next priority is the other direction's. A pod may
 * always reach itself, by a service, too. Packets that answer, and errors about them, belong to what was allowed; those
 * that ask are judged each, so that a new policy cuts what it forbids. An address whose pod is not yet known waits. */
static void add_hook(PolicyBuild *build, PolicyDirection which, const char *priority)
{
  const DirectionNames *direction = &directions[which];
  g_autofree char *name = g_strdup_printf("filter-%s-policies", direction->name);
  begin_chain(build, name);
  g_string_append_printf(build->text->chains,
                         "    type filter hook forward priority %s; policy accept;\n"
                         "    ct direction reply accept\n    ct state related accept\n"
                         "    ip saddr . ip daddr @hairpins accept\n"
                         "    %s %s %s != @policy-pods drop\n    %s vmap @isolated-%s\n  }\n",
                         priority, direction->pod, build->pod_cidr, direction->pod, direction->pod, direction->name);
}

/* The node itself is always open to its pods, but DNS is only here a part of it. */
static void add_dns_hook(PolicyBuild *build)
{
  if (!build->dns_ip)
    return;
  begin_chain(build, "filter-dns-policies");
  g_string_append_printf(build->text->chains,
                         "    type filter hook input priority -20; policy accept;\n    ct direction reply accept\n"
                         "    ip daddr %s ip saddr vmap @isolated-egress\n  }\n",
                         build->dns_ip);
}

static void add_known_pods(PolicyBuild *build)
{
  g_autoptr(GString) elements = g_string_new(NULL);
  for (guint i = 0; i < build->pods->all->len; i++) {
    const PolicyPod *pod = build->pods->all->pdata[i];
    if (pod->is_local)
      g_string_append_printf(elements, "%s%s", elements->len > 0 ? ", " : "",
                             json_str(json_object_get(pod->object, "status"), "podIP", ""));
  }
  add_set(build, "policy-pods", "ipv4_addr", elements->str);
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

void network_policy_append(const PolicyText *text, const GPtrArray *policies, const PolicyPodsInput *pods_input,
                           const char *pod_cidr)
{
  if (policies->len == 0)
    return;
  g_autoptr(PolicyPods) pods = policy_pods_read(pods_input);
  g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) sorted = g_ptr_array_new();
  PolicyBuild build = { .text = text, .pods = pods, .pod_cidr = pod_cidr, .dns_ip = pods_input->dns_ip };
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
