#include "clusterd/proxy/policy_peers.h"

#include "base/json.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/proxy/number_range.h"

char *policy_peers_key(const json_t *peers, const char *namespace_)
{
  bool depends = false; /* on where the policy is */
  size_t i;
  const json_t *peer;
  json_array_foreach (peers, i, peer)
    depends = depends || (!json_object_get(peer, "ipBlock") && !json_object_get(peer, "namespaceSelector"));
  g_autofree char *text = json_text_sorted(peers);
  return g_strdup_printf("%s %s", depends ? namespace_ : "", text);
}

bool policy_peers_have_pods(const json_t *peers)
{
  size_t i;
  const json_t *peer;
  json_array_foreach (peers, i, peer)
    if (!json_object_get(peer, "ipBlock"))
      return true;
  return false;
}

static void add_pods(RuleSet *set, const GPtrArray *pods, const LabelSelector *selector)
{
  for (guint i = 0; pods && i < pods->len; i++) {
    const PolicyPod *pod = pods->pdata[i];
    if (!selector || label_selector_matches(selector, json_at(pod->object, "metadata", "labels", NULL)))
      rule_set_add(set, pod->ip, NULL);
  }
}

static void add_selected(RuleSet *set, const json_t *peer, const char *namespace_, const PolicyPods *pods)
{
  const json_t *of_pods = json_object_get(peer, "podSelector"), *of_spaces = json_object_get(peer, "namespaceSelector");
  g_autoptr(LabelSelector) pod_selector = of_pods ? label_selector_from_json(of_pods, NULL) : NULL;
  g_autoptr(LabelSelector) space_selector = of_spaces ? label_selector_from_json(of_spaces, NULL) : NULL;
  if ((of_pods && !pod_selector) || (of_spaces && !space_selector) || (!of_pods && !of_spaces))
    return; /* the API server lets none of these pass: what cannot be read selects nothing */
  if (!space_selector) {
    add_pods(set, policy_pods_of(pods, namespace_), pod_selector);
    return;
  }
  GHashTableIter iter;
  gpointer name, labels;
  g_hash_table_iter_init(&iter, pods->labels_of_space);
  while (g_hash_table_iter_next(&iter, &name, &labels))
    if (label_selector_matches(space_selector, labels))
      add_pods(set, policy_pods_of(pods, name), pod_selector);
}

void policy_peers_add_pods(RuleSet *set, const json_t *peers, const char *namespace_, const PolicyPods *pods)
{
  size_t i;
  const json_t *peer;
  json_array_foreach (peers, i, peer)
    if (!json_object_get(peer, "ipBlock"))
      add_selected(set, peer, namespace_, pods);
}

bool policy_peers_have_blocks(const json_t *peers, IpFamily family)
{
  size_t i;
  const json_t *peer;
  json_array_foreach (peers, i, peer)
    if (ip_range_is(json_str(json_object_get(peer, "ipBlock"), "cidr", NULL), family))
      return true;
  return false;
}

static void add_block(GArray *ranges, const json_t *block, IpFamily family)
{
  IpRange range, hole;
  if (!ip_range_parse(json_str(block, "cidr", NULL), &range) || range.family != family)
    return;
  g_autoptr(GArray) rest = g_array_new(FALSE, FALSE, sizeof(NumberRange));
  NumberRange all = { range.first, range.last };
  g_array_append_val(rest, all);
  size_t i;
  const json_t *except;
  json_array_foreach (json_object_get(block, "except"), i, except)
    if (ip_range_parse(json_string_value(except), &hole) && hole.family == family)
      number_ranges_subtract(rest, (NumberRange){ hole.first, hole.last });
  g_array_append_vals(ranges, rest->data, rest->len);
}

void policy_peers_add_blocks(RuleSet *set, const json_t *peers, IpFamily family)
{
  g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(NumberRange));
  size_t i;
  const json_t *peer;
  json_array_foreach (peers, i, peer)
    add_block(ranges, json_object_get(peer, "ipBlock"), family);
  number_ranges_join(ranges);
  for (guint k = 0; k < ranges->len; k++) {
    NumberRange range = g_array_index(ranges, NumberRange, k);
    const IpAddress first = { family, range.first }, last = { family, range.last };
    char from[IP_TEXT_MAX], to[IP_TEXT_MAX];
    g_autofree char *text = g_strdup_printf(range.first == range.last ? "%s" : "%s-%s", ip_address_write(&first, from),
                                            ip_address_write(&last, to));
    rule_set_add(set, text, NULL);
  }
}

/* A port without a number stands for all of its protocol; one with a name is not for here. */
static void add_port(GArray *ranges, const json_t *item)
{
  const json_t *port = json_object_get(item, "port");
  NumberRange range = { 0, UINT16_MAX };
  if (json_is_string(port))
    return;
  if (json_is_integer(port)) {
    range.first = (IpNumber)CLAMP(json_integer_value(port), 0, UINT16_MAX);
    range.last = (IpNumber)CLAMP(json_int(item, "endPort", 0), (json_int_t)range.first, UINT16_MAX);
  }
  g_array_append_val(ranges, range);
}

char *policy_ports_text(const json_t *ports)
{
  static const char *const protocols[][2] = { { "TCP", "tcp" }, { "UDP", "udp" }, { "SCTP", "sctp" } };
  GString *text = g_string_new(NULL);
  for (gsize p = 0; p < G_N_ELEMENTS(protocols); p++) {
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(NumberRange));
    size_t i;
    const json_t *item;
    json_array_foreach (ports, i, item)
      if (g_str_equal(json_str(item, "protocol", "TCP"), protocols[p][0]))
        add_port(ranges, item);
    number_ranges_join(ranges);
    for (guint k = 0; k < ranges->len; k++) {
      NumberRange range = g_array_index(ranges, NumberRange, k);
      g_string_append_printf(text, "%s%s . %u", text->len > 0 ? ", " : "", protocols[p][1], (unsigned)range.first);
      if (range.last != range.first)
        g_string_append_printf(text, "-%u", (unsigned)range.last);
    }
  }
  return g_string_free(text, text->len == 0);
}
