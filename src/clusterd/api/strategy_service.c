/* Services: which members go with which type, and what an update keeps. Addresses and node ports are given out by the
 * registry. Source: k8s.io/kubernetes/pkg/apis/core/{v1/defaults.go,validation/validation.go}. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies.h"
#include "clusterd/api/strategy_common.h"
#include "clusterd/api/validation.h"
#include "clusterd/api/validation_metadata.h"

#define AFFINITY_SECONDS_DEFAULT 10800
#define AFFINITY_SECONDS_MAX 86400

static const char *type_of(const json_t *spec)
{
  return json_str(spec, "type", "ClusterIP");
}

static bool has_type(const json_t *spec, const char *type)
{
  return strcmp(type_of(spec), type) == 0;
}

static bool needs_cluster_ip(const json_t *spec)
{
  return !has_type(spec, "ExternalName");
}

static bool needs_node_port(const json_t *spec)
{
  return has_type(spec, "NodePort") ||
         (has_type(spec, "LoadBalancer") && json_flag(spec, "allocateLoadBalancerNodePorts", true));
}

static bool is_external(const json_t *spec)
{
  return has_type(spec, "NodePort") || has_type(spec, "LoadBalancer");
}

void default_service(json_t *value)
{
  json_t *spec = json_object_get(value, "spec"), *port;
  size_t index;
  if (!spec)
    return;
  json_array_foreach (json_object_get(spec, "ports"), index, port) {
    const json_t *target = json_object_get(port, "targetPort");
    bool unset = !target || (json_is_integer(target) && json_integer_value(target) == 0) ||
                 (json_is_string(target) && json_string_length(target) == 0);
    if (unset && json_object_get(port, "port"))
      json_object_set(port, "targetPort", json_object_get(port, "port"));
  }
  if (strcmp(json_str(spec, "sessionAffinity", ""), "ClientIP") == 0)
    strategy_default(json_ensure_object(spec, "sessionAffinityConfig", "clientIP", NULL), "timeoutSeconds",
                     json_integer(AFFINITY_SECONDS_DEFAULT));
  if (is_external(spec))
    strategy_default(spec, "externalTrafficPolicy", json_string("Cluster"));
  if (needs_cluster_ip(spec))
    strategy_default(spec, "internalTrafficPolicy", json_string("Cluster"));
  if (has_type(spec, "LoadBalancer"))
    strategy_default(spec, "allocateLoadBalancerNodePorts", json_true());
}

/* clusterIP is the first of clusterIPs; clients may give either. */
static void normalize_addresses(json_t *spec)
{
  const char *address = json_str(spec, "clusterIP", "");
  json_t *first = json_array_get(json_object_get(spec, "clusterIPs"), 0);
  if (*address && !first)
    json_object_set_new(spec, "clusterIPs", json_pack("[s]", address));
  else if (!*address && first)
    json_object_set(spec, "clusterIP", first);
}

static void service_prepare_create(json_t *object)
{
  json_object_set_new(object, "status", json_pack("{s:{}}", "loadBalancer"));
  normalize_addresses(json_ensure_object(object, "spec", NULL));
}

/* What the server gave out before and this request leaves open stays: addresses, families, node ports. */
static void keep_addresses(json_t *spec, const json_t *old)
{
  static const char *const members[] = { "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy" };
  const char *address = json_str(spec, "clusterIP", ""), *before = json_str(old, "clusterIP", "");
  bool same_list = json_same(json_object_get(spec, "clusterIPs"), json_object_get(old, "clusterIPs"));
  if (!needs_cluster_ip(spec) || !needs_cluster_ip(old))
    return;
  /* A changed clusterIP with the old list is a client that knows only the old member. */
  if (*address && strcmp(address, before) != 0 && same_list && json_object_get(old, "clusterIPs"))
    json_object_set_new(spec, "clusterIPs", json_pack("[s]", address));
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    if (!json_object_get(spec, members[i]))
      strategy_carry(spec, old, members[i]);
  }
}

static void keep_node_ports(json_t *spec, const json_t *old)
{
  size_t i, j;
  json_t *port, *before;
  if (!needs_node_port(spec) || !needs_node_port(old))
    return;
  json_array_foreach (json_object_get(spec, "ports"), i, port) {
    json_array_foreach (json_object_get(old, "ports"), j, before) {
      if (json_int(port, "nodePort", 0) == 0 && json_int(port, "port", 0) == json_int(before, "port", 0) &&
          strcmp(json_str(port, "protocol", "TCP"), json_str(before, "protocol", "TCP")) == 0 &&
          json_object_get(before, "nodePort"))
        json_object_set(port, "nodePort", json_object_get(before, "nodePort"));
    }
  }
  if (has_type(spec, "LoadBalancer") && has_type(old, "LoadBalancer") &&
      json_int(spec, "healthCheckNodePort", 0) == 0 &&
      strcmp(json_str(spec, "externalTrafficPolicy", ""), "Local") == 0)
    strategy_carry(spec, old, "healthCheckNodePort");
}

/* Members of the type the service had before, which a plain change of type leaves behind. */
static void drop_left_behind(json_t *spec, const json_t *old)
{
  size_t index;
  json_t *port;
  if (needs_node_port(old) && !needs_node_port(spec)) {
    json_array_foreach (json_object_get(spec, "ports"), index, port) {
      const json_t *before = json_array_get(json_object_get(old, "ports"), index);
      if (json_same(json_object_get(port, "nodePort"), json_object_get(before, "nodePort")))
        json_object_del(port, "nodePort");
    }
  }
  if (is_external(old) && !is_external(spec) &&
      json_same(json_object_get(spec, "externalTrafficPolicy"), json_object_get(old, "externalTrafficPolicy")))
    json_object_del(spec, "externalTrafficPolicy");
  if (has_type(old, "LoadBalancer") && !has_type(spec, "LoadBalancer")) {
    json_object_del(spec, "allocateLoadBalancerNodePorts");
    json_object_del(spec, "healthCheckNodePort");
  }
  if (needs_cluster_ip(old) && !needs_cluster_ip(spec)) {
    static const char *const members[] = { "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy",
                                           "internalTrafficPolicy" };
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
      if (json_same(json_object_get(spec, members[i]), json_object_get(old, members[i])))
        json_object_del(spec, members[i]);
    }
  }
}

static void service_prepare_update(json_t *object, const json_t *old, const ApiWriteContext *context)
{
  strategy_split_status(object, old, context);
  if (context && context->subresource)
    return;
  json_t *spec = json_ensure_object(object, "spec", NULL);
  const json_t *old_spec = json_object_get(old, "spec");
  keep_addresses(spec, old_spec);
  keep_node_ports(spec, old_spec);
  drop_left_behind(spec, old_spec);
  normalize_addresses(spec);
}

static void check_port_members(const json_t *spec, const json_t *port, bool named, const char *path,
                               FieldErrors *errors)
{
  const json_t *name = json_object_get(port, "name"), *target = json_object_get(port, "targetPort");
  g_autofree char *name_path = field_path_child(path, "name"), *target_path = field_path_child(path, "targetPort");
  g_autofree char *node_path = field_path_child(path, "nodePort");
  json_int_t number = json_integer_value(target);
  if (json_string_length(name) > 0)
    api_validate_format("dns1123label", name, name_path, errors);
  else if (named)
    field_errors_add(errors, FIELD_REQUIRED, name_path, NULL, NULL);
  if (json_is_integer(target) && (number < 1 || number > 65535))
    field_errors_add(errors, FIELD_INVALID, target_path, target, "must be between 1 and 65535, inclusive");
  if (json_is_string(target))
    api_validate_format("portName", target, target_path, errors);
  if (json_int(port, "nodePort", 0) != 0 && !is_external(spec))
    field_errors_add(errors, FIELD_FORBIDDEN, node_path, NULL, "may not be used when `type` is '%s'", type_of(spec));
}

static void check_ports(const json_t *spec, FieldErrors *errors)
{
  const json_t *ports = json_object_get(spec, "ports");
  size_t index, count = json_array_size(ports);
  json_t *port;
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GHashTable) numbers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  bool headless = strcmp(json_str(spec, "clusterIP", ""), "None") == 0;
  if (count == 0 && !headless && needs_cluster_ip(spec))
    field_errors_add(errors, FIELD_REQUIRED, "spec.ports", NULL, NULL);
  json_array_foreach ((json_t *)(uintptr_t)ports, index, port) {
    g_autofree char *path = field_path_index("spec.ports", index), *name_path = field_path_child(path, "name");
    const json_t *name = json_object_get(port, "name");
    check_port_members(spec, port, count > 1, path, errors);
    if (json_string_length(name) > 0 && !g_hash_table_add(names, (gpointer)(uintptr_t)json_string_value(name)))
      field_errors_add(errors, FIELD_DUPLICATE, name_path, name, NULL);
    char *key = g_strdup_printf("%s/%" G_GINT64_FORMAT, json_str(port, "protocol", "TCP"), json_int(port, "port", 0));
    if (!g_hash_table_add(numbers, key))
      field_errors_add(errors, FIELD_DUPLICATE, path, port, NULL);
  }
}

static void check_external_name(const json_t *spec, FieldErrors *errors)
{
  const json_t *name = json_object_get(spec, "externalName");
  if (!has_type(spec, "ExternalName"))
    return;
  if (*json_str(spec, "clusterIP", ""))
    field_errors_add(errors, FIELD_INVALID, "spec.clusterIPs[0]", json_object_get(spec, "clusterIPs"),
                     "may not be set for ExternalName services");
  if (json_string_length(name) == 0) {
    field_errors_add(errors, FIELD_REQUIRED, "spec.externalName", NULL, NULL);
    return;
  }
  /* A name may end with the dot of the root. */
  g_autofree char *text = g_strdup(json_string_value(name));
  size_t length = strlen(text);
  if (text[length - 1] == '.')
    text[length - 1] = '\0';
  g_autoptr(json_t) trimmed = json_string(text);
  api_validate_format("dns1123subdomain", trimmed, "spec.externalName", errors);
}

static void check_affinity(const json_t *spec, FieldErrors *errors)
{
  const json_t *seconds = json_at(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds", NULL);
  if (strcmp(json_str(spec, "sessionAffinity", ""), "None") == 0 && json_object_get(spec, "sessionAffinityConfig"))
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.sessionAffinityConfig", NULL,
                     "must not be set when session affinity is None");
  if (seconds && (json_integer_value(seconds) < 1 || json_integer_value(seconds) > AFFINITY_SECONDS_MAX))
    field_errors_add(errors, FIELD_INVALID, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds,
                     "must be greater than 0 and less than %d", AFFINITY_SECONDS_MAX);
}

static void check_addresses(const json_t *spec, FieldErrors *errors)
{
  size_t index;
  json_t *address;
  json_array_foreach (json_object_get(spec, "clusterIPs"), index, address) {
    g_autofree char *path = field_path_index("spec.clusterIPs", index);
    if (strcmp(json_string_value(address), "None") != 0 && needs_cluster_ip(spec))
      api_validate_format("ip", address, path, errors);
  }
  json_array_foreach (json_object_get(spec, "externalIPs"), index, address) {
    g_autofree char *path = field_path_index("spec.externalIPs", index);
    api_validate_format("ip", address, path, errors);
  }
  if (*json_str(spec, "externalTrafficPolicy", "") && !is_external(spec) &&
      json_array_size(json_object_get(spec, "externalIPs")) == 0)
    field_errors_add(errors, FIELD_INVALID, "spec.externalTrafficPolicy",
                     json_object_get(spec, "externalTrafficPolicy"),
                     "may only be set for externally-accessible services");
}

static void service_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec");
  check_ports(spec, errors);
  check_external_name(spec, errors);
  validate_labels(json_object_get(spec, "selector"), "spec.selector", errors);
  check_affinity(spec, errors);
  check_addresses(spec, errors);
}

static void service_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                    FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *old_spec = json_object_get(old, "spec");
  if (context && context->subresource)
    return;
  service_validate_create(object, errors);
  if (needs_cluster_ip(spec) && needs_cluster_ip(old_spec) && *json_str(old_spec, "clusterIP", "") &&
      strcmp(json_str(spec, "clusterIP", ""), json_str(old_spec, "clusterIP", "")) != 0)
    field_errors_add(errors, FIELD_INVALID, "spec.clusterIPs[0]", json_object_get(spec, "clusterIPs"),
                     "may not change once set");
}

const ApiStrategy strategy_service = {
  .prepare_create = service_prepare_create,
  .prepare_update = service_prepare_update,
  .validate_create = service_validate_create,
  .validate_update = service_validate_update,
};
