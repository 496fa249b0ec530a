/* Endpoints, by service and in slices. Source: k8s.io/kubernetes/pkg/apis/{core,discovery}/validation. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"
#include "clusterd/api/validation_metadata.h"

#define ENDPOINTS_MAX 1000
#define ADDRESSES_MAX 100
#define PORTS_MAX 20000
#define TOPOLOGY_MAX 16
#define ZONE_HINTS_MAX 8

/* Where the servers themselves are: on a machine without a network that is a loopback address, and stays good. */
static const char *address_format(const json_t *object)
{
  const json_t *metadata = json_object_get(object, "metadata");
  bool servers = strcmp(json_str(metadata, "namespace", ""), "default") == 0 &&
                 strcmp(json_str(metadata, "name", ""), "kubernetes") == 0;
  return servers ? "ip" : "nonSpecialIP";
}

/* Of the old Endpoints. */
static void check_subset_address(const json_t *value, const char *format, const char *path, FieldErrors *errors)
{
  const json_t *node = json_object_get(value, "nodeName");
  g_autofree char *host_path = field_path_child(path, "hostname"), *ip_path = field_path_child(path, "ip");
  g_autofree char *node_path = field_path_child(path, "nodeName");
  g_autoptr(json_t) address = json_string(json_str(value, "ip", ""));
  if (*json_str(value, "hostname", ""))
    api_validate_format("dns1123label", json_object_get(value, "hostname"), host_path, errors);
  api_validate_format("dns1123subdomain", node, node_path, errors);
  api_validate_format(format, address, ip_path, errors);
}

static void check_subset_port(const json_t *port, bool named, const char *path, FieldErrors *errors)
{
  const json_t *name = json_object_get(port, "name");
  json_int_t number = json_int(port, "port", 0);
  g_autofree char *name_path = field_path_child(path, "name");
  g_autoptr(json_t) shown = json_integer(number);
  if (json_string_length(name) > 0)
    api_validate_format("dns1123label", name, name_path, errors);
  else if (named)
    field_errors_add(errors, FIELD_REQUIRED, name_path, NULL, NULL);
  if (number < 1 || number > 65535)
    field_errors_add_at(errors, FIELD_INVALID, path, "port", shown, "must be between 1 and 65535, inclusive");
}

static void check_subset(const json_t *subset, const char *format, const char *path, FieldErrors *errors)
{
  static const char *const lists[] = { "addresses", "notReadyAddresses" };
  const json_t *ports = json_object_get(subset, "ports");
  size_t index;
  json_t *item;
  if (json_array_size(json_object_get(subset, lists[0])) == 0 &&
      json_array_size(json_object_get(subset, lists[1])) == 0)
    field_errors_add(errors, FIELD_REQUIRED, path, NULL, "must specify `addresses` or `notReadyAddresses`");
  for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
    json_array_foreach (json_object_get(subset, lists[i]), index, item) {
      g_autofree char *item_path = g_strdup_printf("%s.%s[%zu]", path, lists[i], index);
      check_subset_address(item, format, item_path, errors);
    }
  }
  json_array_foreach ((json_t *)(uintptr_t)ports, index, item) {
    g_autofree char *item_path = g_strdup_printf("%s.ports[%zu]", path, index);
    check_subset_port(item, json_array_size(ports) > 1, item_path, errors);
  }
}

static void endpoints_validate_create(const json_t *object, FieldErrors *errors)
{
  size_t index;
  json_t *subset;
  json_array_foreach (json_object_get(object, "subsets"), index, subset) {
    g_autofree char *path = field_path_index("subsets", index);
    check_subset(subset, address_format(object), path, errors);
  }
}

static void endpoints_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                      FieldErrors *errors)
{
  endpoints_validate_create(object, errors);
}

const ApiStrategy strategy_endpoints = {
  .validate_create = endpoints_validate_create,
  .validate_update = endpoints_validate_update,
};

/* True when there are too many, after which upstream looks at none. */
static bool check_most(const json_t *list, size_t most, const char *path, FieldErrors *errors)
{
  size_t count = json_is_object(list) ? json_object_size(list) : json_array_size(list);
  g_autoptr(json_t) shown = json_integer((json_int_t)count);
  if (count > most)
    field_errors_add(errors, FIELD_TOO_MANY, path, shown, "must have at most %zu items", most);
  return count > most;
}

/* An address of a slice of TYPE; FORMAT is for IP addresses. */
static void check_address(const json_t *address, const char *type, const char *format, const char *path,
                          FieldErrors *errors)
{
  const char *text = json_string_value(address);
  bool ip = api_is_ip(text), ip6 = strchr(text, ':');
  if (strcmp(type, "FQDN") == 0) {
    api_validate_format("dns1123subdomain", address, path, errors);
    if (!strchr(text, '.'))
      field_errors_add(errors, FIELD_INVALID, path, address,
                       "should be a domain with at least two segments separated by "
                       "dots");
    return;
  }
  if (strcmp(type, "IPv4") == 0 && (!ip || ip6))
    field_errors_add(errors, FIELD_INVALID, path, address, "must be a valid IPv4 address");
  else if (strcmp(type, "IPv6") == 0 && (!ip || !ip6))
    field_errors_add(errors, FIELD_INVALID, path, address, "must be a valid IPv6 address");
  else if (ip)
    api_validate_format(format, address, path, errors);
}

static void check_zone_hints(const json_t *endpoint, const char *path, FieldErrors *errors)
{
  const json_t *zones = json_at(endpoint, "hints", "forZones", NULL);
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  g_autofree char *zones_path = field_path_child(path, "hints.forZones");
  size_t index;
  json_t *zone;
  if (check_most(zones, ZONE_HINTS_MAX, zones_path, errors))
    return;
  json_array_foreach ((json_t *)(uintptr_t)zones, index, zone) {
    g_autofree char *item = g_strdup_printf("%s[%zu].name", zones_path, index);
    if (!g_hash_table_add(seen, (gpointer)(uintptr_t)json_str(zone, "name", "")))
      field_errors_add(errors, FIELD_DUPLICATE, item, json_object_get(zone, "name"), NULL);
    api_validate_format("labelValue", json_object_get(zone, "name"), item, errors);
  }
}

static void check_endpoint(const json_t *endpoint, const char *type, const char *format, const char *path,
                           FieldErrors *errors)
{
  const json_t *addresses = json_object_get(endpoint, "addresses");
  const json_t *topology = json_object_get(endpoint, "deprecatedTopology");
  g_autofree char *addresses_path = field_path_child(path, "addresses");
  g_autofree char *node_path = field_path_child(path, "nodeName"), *host_path = field_path_child(path, "hostname");
  g_autofree char *topology_path = field_path_child(path, "deprecatedTopology");
  size_t index;
  json_t *address;
  if (json_array_size(addresses) == 0)
    field_errors_add(errors, FIELD_REQUIRED, addresses_path, NULL, "must contain at least 1 address");
  check_most(addresses, ADDRESSES_MAX, addresses_path, errors);
  json_array_foreach ((json_t *)(uintptr_t)addresses, index, address) {
    g_autofree char *item = field_path_index(addresses_path, index);
    check_address(address, type, format, item, errors);
  }
  api_validate_format("dns1123subdomain", json_object_get(endpoint, "nodeName"), node_path, errors);
  check_most(topology, TOPOLOGY_MAX, topology_path, errors);
  validate_labels(topology, topology_path, errors);
  api_validate_format("dns1123label", json_object_get(endpoint, "hostname"), host_path, errors);
  check_zone_hints(endpoint, path, errors);
}

static void check_slice_ports(const json_t *ports, FieldErrors *errors)
{
  static const char *const protocols[] = { "SCTP", "TCP", "UDP", NULL };
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *port;
  if (check_most(ports, PORTS_MAX, "ports", errors))
    return;
  json_array_foreach ((json_t *)(uintptr_t)ports, index, port) {
    const json_t *protocol = json_object_get(port, "protocol");
    const char *name = json_str(port, "name", "");
    g_autofree char *path = field_path_index("ports", index), *name_path = field_path_child(path, "name");
    g_autofree char *protocol_path = field_path_child(path, "protocol");
    g_autofree char *app_path = field_path_child(path, "appProtocol");
    g_autoptr(json_t) shown = json_string(name);
    if (*name)
      api_validate_format("dns1123label", shown, name_path, errors);
    if (!g_hash_table_add(names, (gpointer)(uintptr_t)name))
      field_errors_add(errors, FIELD_DUPLICATE, name_path, shown, NULL);
    if (protocol && !g_strv_contains(protocols, json_string_value(protocol)))
      field_errors_add_unsupported(errors, protocol_path, protocol, protocols);
    api_validate_format("qualifiedName", json_object_get(port, "appProtocol"), app_path, errors);
  }
}

static void slice_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *endpoints = json_object_get(object, "endpoints");
  const char *type = json_str(object, "addressType", "");
  size_t index;
  json_t *endpoint;
  if (!check_most(endpoints, ENDPOINTS_MAX, "endpoints", errors)) {
    json_array_foreach ((json_t *)(uintptr_t)endpoints, index, endpoint) {
      g_autofree char *path = field_path_index("endpoints", index);
      check_endpoint(endpoint, type, address_format(object), path, errors);
    }
  }
  check_slice_ports(json_object_get(object, "ports"), errors);
}

static void slice_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                  FieldErrors *errors)
{
  slice_validate_create(object, errors);
}

const ApiStrategy strategy_endpoint_slice = {
  .validate_create = slice_validate_create,
  .validate_update = slice_validate_update,
};
