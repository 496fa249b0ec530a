/* The rules of services. Source: k8s.io/kubernetes/pkg/apis/core/validation. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/strategies/strategy_service.h"
#include "clusterd/api/validation.h"
#include "clusterd/api/validation_metadata.h"

#define AFFINITY_SECONDS_MAX 86400
#define RANGES_ANNOTATION "service.beta.kubernetes.io/load-balancer-source-ranges"

static const char balancer_only[] = "may only be used when `type` is 'LoadBalancer'";

static bool is_headless(const json_t *spec)
{
  const json_t *addresses = json_object_get(spec, "clusterIPs");
  const json_t *first = json_array_get(addresses, 0);
  return json_array_size(addresses) == 1 && strcmp(json_string_value(first), "None") == 0;
}

static bool needs_health_check(const json_t *spec)
{
  return service_has_type(spec, "LoadBalancer") && strcmp(json_str(spec, "externalTrafficPolicy", ""), "Local") == 0;
}

static bool is_port(const json_t *value)
{
  return json_integer_value(value) >= 1 && json_integer_value(value) <= 65535;
}

static void check_external_name(const json_t *spec, FieldErrors *errors)
{
  static const char *const forbidden[] = { "clusterIPs", "ipFamilies", "ipFamilyPolicy" };
  const json_t *name = json_object_get(spec, "externalName");
  for (size_t i = 0; i < G_N_ELEMENTS(forbidden); i++) {
    const json_t *member = json_object_get(spec, forbidden[i]);
    if (member && (json_is_string(member) || json_array_size(member) > 0))
      field_errors_add_at(errors, FIELD_FORBIDDEN, "spec", forbidden[i], NULL,
                          "may not be set for ExternalName services");
  }
  /* A name may end with the dot of the root. */
  g_autofree char *text = g_strdup(json_is_string(name) ? json_string_value(name) : "");
  if (g_str_has_suffix(text, "."))
    text[strlen(text) - 1] = '\0';
  g_autoptr(json_t) trimmed = json_string(text);
  if (*text)
    api_validate_format("dns1123subdomain", trimmed, "spec.externalName", errors);
  else
    field_errors_add(errors, FIELD_REQUIRED, "spec.externalName", NULL, NULL);
}

static void check_type(const json_t *spec, FieldErrors *errors)
{
  bool external = service_has_type(spec, "LoadBalancer") || service_has_type(spec, "NodePort");
  if (json_array_size(json_object_get(spec, "ports")) == 0 && !is_headless(spec) && service_needs_cluster_ip(spec))
    field_errors_add(errors, FIELD_REQUIRED, "spec.ports", NULL, NULL);
  if (external && is_headless(spec))
    field_errors_add(errors, FIELD_INVALID, "spec.clusterIPs[0]", json_at(spec, "clusterIP", NULL),
                     "may not be set to 'None' for %s services", json_str(spec, "type", ""));
  if (service_has_type(spec, "ExternalName"))
    check_external_name(spec, errors);
}

static void check_port(const json_t *port, bool named, GHashTable *names, const char *path, FieldErrors *errors)
{
  static const char range[] = "must be between 1 and 65535, inclusive";
  const json_t *name = json_object_get(port, "name"), *target = json_object_get(port, "targetPort");
  g_autofree char *name_path = field_path_child(path, "name"), *target_path = field_path_child(path, "targetPort");
  g_autoptr(json_t) number = json_integer(json_int(port, "port", 0));
  if (json_string_length(name) > 0) {
    api_validate_format("dns1123label", name, name_path, errors);
    if (!g_hash_table_add(names, (gpointer)(uintptr_t)json_string_value(name)))
      field_errors_add(errors, FIELD_DUPLICATE, name_path, name, NULL);
  } else if (named) {
    field_errors_add(errors, FIELD_REQUIRED, name_path, NULL, NULL);
  }
  if (!is_port(number))
    field_errors_add_at(errors, FIELD_INVALID, path, "port", number, "%s", range);
  if (json_is_integer(target) && !is_port(target))
    field_errors_add(errors, FIELD_INVALID, target_path, target, "%s", range);
  if (json_is_string(target))
    api_validate_format("portName", target, target_path, errors);
}

static void check_ports(const json_t *spec, FieldErrors *errors)
{
  const json_t *ports = json_object_get(spec, "ports");
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *port;
  json_array_foreach ((json_t *)(uintptr_t)ports, index, port) {
    g_autofree char *path = field_path_index("spec.ports", index);
    check_port(port, json_array_size(ports) > 1, names, path, errors);
  }
}

/* That no two ports of the same protocol share their number, or their number on the nodes. */
static void check_port_pairs(const json_t *spec, const char *member, FieldErrors *errors)
{
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  size_t index;
  json_t *port;
  json_array_foreach (json_object_get(spec, "ports"), index, port) {
    const json_t *number = json_object_get(port, member);
    const char *protocol = json_str(port, "protocol", "TCP");
    g_autofree char *path = field_path_index("spec.ports", index);
    if (json_integer_value(number) == 0 ||
        g_hash_table_add(seen, g_strdup_printf("%s/%" JSON_INTEGER_FORMAT, protocol, json_integer_value(number))))
      continue;
    if (strcmp(member, "nodePort") == 0) {
      field_errors_add_at(errors, FIELD_DUPLICATE, path, member, number, NULL);
      continue;
    }
    g_autofree char *shown = g_strdup_printf("core.ServicePort{Name:\"\", Protocol:\"%s\", AppProtocol:(*string)(nil), "
                                             "Port:%" JSON_INTEGER_FORMAT ", TargetPort:intstr.IntOrString{Type:0, "
                                             "IntVal:0, StrVal:\"\"}, NodePort:0}",
                                             protocol, json_integer_value(number));
    field_errors_add_shown(errors, FIELD_DUPLICATE, path, shown, NULL);
  }
}

static void check_node_ports(const json_t *spec, FieldErrors *errors)
{
  size_t index;
  json_t *port;
  json_array_foreach (json_object_get(spec, "ports"), index, port) {
    g_autofree char *path = field_path_index("spec.ports", index);
    if (service_has_type(spec, "ClusterIP") && json_int(port, "nodePort", 0) != 0)
      field_errors_add_at(errors, FIELD_FORBIDDEN, path, "nodePort", NULL,
                          "may not be used when `type` is 'ClusterIP'");
  }
  check_port_pairs(spec, "nodePort", errors);
  check_port_pairs(spec, "port", errors);
}

static void check_affinity(const json_t *spec, FieldErrors *errors)
{
  const json_t *seconds = json_at(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds", NULL);
  bool none = strcmp(json_str(spec, "sessionAffinity", ""), "None") == 0;
  if (none && json_object_get(spec, "sessionAffinityConfig"))
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.sessionAffinityConfig", NULL,
                     "must not be set when session affinity is None");
  if (!none && seconds && (json_integer_value(seconds) < 1 || json_integer_value(seconds) > AFFINITY_SECONDS_MAX))
    field_errors_add(errors, FIELD_INVALID, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds,
                     "must be greater than 0 and less than %d", AFFINITY_SECONDS_MAX);
}

static void check_families(const json_t *spec, FieldErrors *errors)
{
  static const char *const families[] = { "IPv4", "IPv6", NULL };
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *family;
  json_array_foreach (json_object_get(spec, "ipFamilies"), index, family) {
    g_autofree char *path = field_path_index("spec.ipFamilies", index);
    if (!g_strv_contains(families, json_string_value(family)))
      field_errors_add_unsupported(errors, path, family, families);
    if (!g_hash_table_add(seen, (gpointer)(uintptr_t)json_string_value(family)))
      field_errors_add(errors, FIELD_DUPLICATE, path, family, NULL);
  }
}

static bool is_ip6(const json_t *address)
{
  return strchr(json_string_value(address), ':');
}

/* Each address of the family at its index. */
static void check_address_families(const json_t *spec, FieldErrors *errors)
{
  const json_t *families = json_object_get(spec, "ipFamilies");
  size_t index;
  json_t *address;
  json_array_foreach (json_object_get(spec, "clusterIPs"), index, address) {
    const json_t *family = json_array_get(families, index);
    const char *text = family ? json_string_value(family) : "";
    g_autofree char *path = field_path_index("spec.clusterIPs", index);
    if ((strcmp(text, "IPv4") == 0 && is_ip6(address)) || (strcmp(text, "IPv6") == 0 && !is_ip6(address)))
      field_errors_add(errors, FIELD_INVALID, path, address, "expected an %s value as indicated by `ipFamilies[%zu]`",
                       text, index);
  }
}

/* False when an address is none, after which no more is said of them. */
static bool check_cluster_ips(const json_t *addresses, FieldErrors *errors)
{
  static const char path[] = "spec.clusterIPs";
  unsigned before = field_errors_count(errors);
  size_t index;
  json_t *address;
  json_array_foreach ((json_t *)(uintptr_t)addresses, index, address) {
    g_autofree char *item = field_path_index(path, index);
    bool none = index == 0 && strcmp(json_string_value(address), "None") == 0;
    if (none && json_array_size(addresses) > 1)
      field_errors_add(errors, FIELD_INVALID, path, addresses, "'None' must be the first and only value");
    else if (!none)
      api_validate_format("ip", address, item, errors);
  }
  bool good = field_errors_count(errors) == before;
  if (json_array_size(addresses) > 2)
    field_errors_add(errors, FIELD_INVALID, path, addresses, "may only hold up to 2 values");
  return good;
}

static void check_addresses(const json_t *spec, FieldErrors *errors)
{
  static const char path[] = "spec.clusterIPs";
  const json_t *addresses = json_object_get(spec, "clusterIPs"), *first = json_array_get(addresses, 0);
  const json_t *second = json_array_get(addresses, 1);
  const char *address = json_str(spec, "clusterIP", "");
  if (!service_needs_cluster_ip(spec))
    return;
  if (*address && first && strcmp(json_string_value(first), address) != 0)
    field_errors_add(errors, FIELD_INVALID, path, addresses, "first value must match `clusterIP`");
  else if (!*address && first)
    field_errors_add(errors, FIELD_INVALID, path, addresses, "must be empty when `clusterIP` is not specified");
  check_families(spec, errors);
  if (!check_cluster_ips(addresses, errors))
    return;
  if (second && (json_array_size(addresses) > 2 || is_ip6(first) == is_ip6(second)))
    field_errors_add(errors, FIELD_INVALID, path, addresses, "may specify no more than one IP for each IP family");
  if (!is_headless(spec))
    check_address_families(spec, errors);
}

static void check_external_ips(const json_t *spec, FieldErrors *errors)
{
  size_t index;
  json_t *address;
  json_array_foreach (json_object_get(spec, "externalIPs"), index, address) {
    g_autofree char *path = field_path_index("spec.externalIPs", index);
    api_validate_format("nonSpecialIP", address, path, errors);
  }
}

static void check_range(const char *text, const char *path, FieldErrors *errors)
{
  g_autofree char *trimmed = g_strstrip(g_strdup(text));
  g_autoptr(json_t) value = json_string(trimmed);
  api_validate_format("cidr", value, path, errors);
}

/* Who may use the load balancer: a member, or an annotation in its place. */
static void check_source_ranges(const json_t *object, FieldErrors *errors)
{
  static const char path[] = "spec.LoadBalancerSourceRanges"; /* so upstream calls it */
  const json_t *spec = json_object_get(object, "spec"), *ranges = json_object_get(spec, "loadBalancerSourceRanges");
  const char *text = json_str(json_at(object, "metadata", "annotations", NULL), RANGES_ANNOTATION, NULL);
  bool balancer = service_has_type(spec, "LoadBalancer"), listed = json_array_size(ranges) > 0;
  g_autofree char *annotation_path = field_path_key("metadata.annotations", RANGES_ANNOTATION);
  size_t index;
  json_t *range;
  if ((listed || text) && !balancer)
    field_errors_add(errors, FIELD_FORBIDDEN, listed ? path : annotation_path, NULL, "%s", balancer_only);
  json_array_foreach ((json_t *)(uintptr_t)ranges, index, range) {
    g_autofree char *item = field_path_index(path, index);
    check_range(json_string_value(range), item, errors);
  }
  g_auto(GStrv) parts = g_strsplit(!listed && text ? text : "", ",", -1);
  for (char **part = parts; *part; part++)
    check_range(*part, annotation_path, errors);
}

static void check_balancer(const json_t *spec, FieldErrors *errors)
{
  static const char *const members[] = { "allocateLoadBalancerNodePorts", "loadBalancerClass" };
  if (service_has_type(spec, "LoadBalancer"))
    api_validate_format("qualifiedName", json_object_get(spec, "loadBalancerClass"), "spec.loadBalancerClass", errors);
  for (size_t i = 0; !service_has_type(spec, "LoadBalancer") && i < G_N_ELEMENTS(members); i++) {
    if (json_object_get(spec, members[i]))
      field_errors_add_at(errors, FIELD_FORBIDDEN, "spec", members[i], NULL, "%s", balancer_only);
  }
}

static void check_traffic(const json_t *spec, FieldErrors *errors)
{
  static const char *const distributions[] = { "PreferClose", NULL };
  const json_t *policy = json_object_get(spec, "externalTrafficPolicy");
  const json_t *distribution = json_object_get(spec, "trafficDistribution");
  const json_t *health = json_object_get(spec, "healthCheckNodePort");
  if (json_string_length(policy) > 0 && !service_is_external(spec))
    field_errors_add(errors, FIELD_INVALID, "spec.externalTrafficPolicy", policy,
                     "may only be set for externally-accessible services");
  if (json_integer_value(health) != 0 && !needs_health_check(spec))
    field_errors_add(errors, FIELD_INVALID, "spec.healthCheckNodePort", health,
                     "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
  else if (json_integer_value(health) != 0 && !is_port(health))
    field_errors_add(errors, FIELD_INVALID, "spec.healthCheckNodePort", health,
                     "must be between 1 and 65535, inclusive");
  if (distribution && !g_strv_contains(distributions, json_string_value(distribution)))
    field_errors_add_unsupported(errors, "spec.trafficDistribution", distribution, distributions);
}

void service_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec");
  check_type(spec, errors);
  check_ports(spec, errors);
  validate_labels(json_object_get(spec, "selector"), "spec.selector", errors);
  check_affinity(spec, errors);
  check_addresses(spec, errors);
  check_external_ips(spec, errors);
  check_node_ports(spec, errors);
  check_source_ranges(object, errors);
  check_balancer(spec, errors);
  check_traffic(spec, errors);
}

/* MEMBER is a list of which the first entry stays, and the second may go when the service becomes SINGLE. */
static void check_list_change(const json_t *spec, const json_t *old, const char *member, const char *single,
                              FieldErrors *errors)
{
  const json_t *list = json_object_get(spec, member), *before = json_object_get(old, member);
  size_t count = json_array_size(list), count_before = json_array_size(before);
  size_t fixed = count == count_before ? count : MIN(1, MIN(count, count_before));
  bool alone = strcmp(json_str(spec, "ipFamilyPolicy", ""), "SingleStack") == 0;
  for (size_t i = 0; i < fixed; i++) {
    g_autofree char *path = g_strdup_printf("spec.%s[%zu]", member, strcmp(member, "ipFamilies") == 0 ? 0 : i);
    if (!json_same(json_array_get(list, i), json_array_get(before, i)))
      field_errors_add(errors, FIELD_INVALID, path, list, "may not change once set");
  }
  if (count_before > count && count == 1 && !alone)
    field_errors_add(errors, FIELD_INVALID, "spec.ipFamilyPolicy", json_object_get(spec, "ipFamilyPolicy"),
                     "must be set to 'SingleStack' when releasing the secondary %s", single);
}

void service_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                             FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *old_spec = json_object_get(old, "spec");
  const json_t *class = json_object_get(spec, "loadBalancerClass");
  bool addressed = service_needs_cluster_ip(spec) && service_needs_cluster_ip(old_spec);
  if (context && context->subresource)
    return;
  if (addressed && !(is_headless(spec) && is_headless(old_spec)))
    check_list_change(spec, old_spec, "clusterIPs", "clusterIP", errors);
  if (addressed && !is_headless(spec) && !is_headless(old_spec))
    check_list_change(spec, old_spec, "ipFamilies", "ipFamily", errors);
  if (service_has_type(spec, "LoadBalancer") && service_has_type(old_spec, "LoadBalancer") &&
      !json_same(class, json_object_get(old_spec, "loadBalancerClass")))
    field_errors_add(errors, FIELD_INVALID, "spec.loadBalancerClass", class, "may not change once set");
  if (needs_health_check(spec) && needs_health_check(old_spec) &&
      json_int(spec, "healthCheckNodePort", 0) != json_int(old_spec, "healthCheckNodePort", 0))
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.healthCheckNodePort", NULL, "field is immutable");
  service_validate_create(object, errors);
}
