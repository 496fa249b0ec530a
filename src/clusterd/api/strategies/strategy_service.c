/* Services: their defaults, and what an update keeps. Addresses and node ports are given out by the
 * registry. Source: k8s.io/kubernetes/pkg/apis/core/v1/defaults.go, pkg/registry/core/service. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/strategies/strategy_service.h"

#define AFFINITY_SECONDS_DEFAULT 10800

bool service_has_type(const json_t *spec, const char *type)
{
  return strcmp(json_str(spec, "type", "ClusterIP"), type) == 0;
}

bool service_needs_cluster_ip(const json_t *spec)
{
  return !service_has_type(spec, "ExternalName");
}

static bool needs_node_port(const json_t *spec)
{
  return service_has_type(spec, "NodePort") ||
         (service_has_type(spec, "LoadBalancer") && json_flag(spec, "allocateLoadBalancerNodePorts", true));
}

bool service_is_external(const json_t *spec)
{
  return service_has_type(spec, "NodePort") || service_has_type(spec, "LoadBalancer") ||
         (service_has_type(spec, "ClusterIP") && json_array_size(json_object_get(spec, "externalIPs")) > 0);
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
  if (service_is_external(spec))
    strategy_default(spec, "externalTrafficPolicy", json_string("Cluster"));
  if (service_needs_cluster_ip(spec))
    strategy_default(spec, "internalTrafficPolicy", json_string("Cluster"));
  if (service_has_type(spec, "LoadBalancer"))
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
  if (!service_needs_cluster_ip(spec) || !service_needs_cluster_ip(old))
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
  if (service_has_type(spec, "LoadBalancer") && service_has_type(old, "LoadBalancer") &&
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
  if (service_is_external(old) && !service_is_external(spec) &&
      json_same(json_object_get(spec, "externalTrafficPolicy"), json_object_get(old, "externalTrafficPolicy")))
    json_object_del(spec, "externalTrafficPolicy");
  if (service_has_type(old, "LoadBalancer") && !service_has_type(spec, "LoadBalancer")) {
    json_object_del(spec, "allocateLoadBalancerNodePorts");
    json_object_del(spec, "healthCheckNodePort");
  }
  if (service_needs_cluster_ip(old) && !service_needs_cluster_ip(spec)) {
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

const ApiStrategy strategy_service = {
  .prepare_create = service_prepare_create,
  .prepare_update = service_prepare_update,
  .validate_create = service_validate_create,
  .validate_update = service_validate_update,
};
