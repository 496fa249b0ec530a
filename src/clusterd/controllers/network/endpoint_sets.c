#include "clusterd/controllers/network/endpoint_sets.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/object.h"
#include "clusterd/client/pod.h"

static const char *family_of(const char *ip)
{
  return strchr(ip, ':') ? "IPv6" : "IPv4";
}

/* POD's first address of FAMILY (NULL: of any), "" when it has none. */
static const char *pod_address(const json_t *pod, const char *family)
{
  const json_t *status = json_object_get(pod, "status");
  const char *ip = json_str(status, "podIP", "");
  size_t i;
  json_t *item;
  if (*ip && (!family || strcmp(family_of(ip), family) == 0))
    return ip;
  json_array_foreach (json_object_get(status, "podIPs"), i, item) {
    ip = json_str(item, "ip", "");
    if (*ip && family && strcmp(family_of(ip), family) == 0)
      return ip;
  }
  return "";
}

/* A pod that has ended for good has no endpoint; one that is ending has when INCLUDE_ENDING is set. */
static const char *address_of(const json_t *pod, const char *family, bool include_ending)
{
  const char *ip = pod_address(pod, family);
  if (!*ip || pod_is_finished(pod) || (!include_ending && pod_is_deleting(pod)))
    return NULL;
  return ip;
}

static json_t *target_of(const json_t *pod)
{
  const json_t *metadata = json_object_get(pod, "metadata");
  return json_pack("{s:s, s:s, s:s, s:s}", "kind", "Pod", "namespace", json_str(metadata, "namespace", ""), "name",
                   json_str(metadata, "name", ""), "uid", json_str(metadata, "uid", ""));
}

/* A pod has a name of its own below a service whose name is its subdomain. */
static void set_hostname(json_t *endpoint, const json_t *service, const json_t *pod)
{
  const json_t *spec = json_object_get(pod, "spec");
  const char *hostname = json_str(spec, "hostname", "");
  const char *service_name = json_str(json_object_get(service, "metadata"), "name", "");
  if (*hostname && strcmp(json_str(spec, "subdomain", ""), service_name) == 0)
    json_object_set_new(endpoint, "hostname", json_string(hostname));
}

/* The API fills in an absent name in EndpointSlices, and in them alone. */
static json_t *make_port(const json_t *service_port, int number, bool always_named)
{
  json_t *port = json_object();
  const char *name = json_str(service_port, "name", "");
  if (*name || always_named)
    json_object_set_new(port, "name", json_string(name));
  json_object_set_new(port, "port", json_integer(number));
  json_object_set_new(port, "protocol", json_string(json_str(service_port, "protocol", "TCP")));
  if (json_object_get(service_port, "appProtocol"))
    json_object_set(port, "appProtocol", json_object_get(service_port, "appProtocol"));
  return port;
}

static json_t *resolve_ports(const json_t *service, const json_t *pod, bool always_named)
{
  json_t *ports = json_array();
  size_t i;
  json_t *service_port;
  json_array_foreach (json_at(service, "spec", "ports", NULL), i, service_port) {
    const json_t *target = json_object_get(service_port, "targetPort");
    const char *protocol = json_str(service_port, "protocol", "TCP");
    int number = target ? pod_find_port(pod, target, protocol) : (int)json_int(service_port, "port", 0);
    if (number > 0)
      json_array_append_new(ports, make_port(service_port, number, always_named));
  }
  return ports;
}

static bool is_headless(const json_t *service)
{
  return strcmp(json_str(json_object_get(service, "spec"), "clusterIP", ""), "None") == 0;
}

/* The pods, by name: what is made of them is then the same whenever they are. */
static int by_name(const void *left, const void *right)
{
  return strcmp(object_name(*(Object *const *)left), object_name(*(Object *const *)right));
}

static GPtrArray *sorted(GPtrArray *pods)
{
  GPtrArray *copy = g_ptr_array_copy(pods, NULL, NULL);
  g_ptr_array_set_free_func(copy, NULL);
  g_ptr_array_sort(copy, by_name);
  return copy;
}

/* --- Endpoints -------------------------------------------------------------------------------------------------- */

/* All addresses behind one port while subsets are made: ports with equal addresses then become one subset. */
static json_t *find_bucket(json_t *buckets, const json_t *ports)
{
  size_t i;
  json_t *bucket;
  json_array_foreach (buckets, i, bucket)
    if (json_equal(json_object_get(bucket, "ports"), ports))
      return bucket;
  bucket = json_pack("{s:O, s:[], s:[]}", "ports", ports, "addresses", "notReadyAddresses");
  json_array_append_new(buckets, bucket);
  return bucket;
}

static json_t *merge_buckets(json_t *buckets)
{
  json_t *subsets = json_array();
  size_t i, k;
  json_t *bucket, *subset;
  json_array_foreach (buckets, i, bucket) {
    bool merged = false;
    json_array_foreach (subsets, k, subset) {
      if (!json_equal(json_object_get(subset, "addresses"), json_object_get(bucket, "addresses")) ||
          !json_equal(json_object_get(subset, "notReadyAddresses"), json_object_get(bucket, "notReadyAddresses")))
        continue;
      json_array_extend(json_object_get(subset, "ports"), json_object_get(bucket, "ports"));
      merged = true;
      break;
    }
    if (!merged)
      json_array_append(subsets, bucket);
  }
  json_array_foreach (subsets, i, subset) {
    static const char *const members[] = { "addresses", "notReadyAddresses", "ports" };
    for (k = 0; k < G_N_ELEMENTS(members); k++)
      if (json_array_size(json_object_get(subset, members[k])) == 0)
        json_object_del(subset, members[k]);
  }
  return subsets;
}

static void add_pod_to_buckets(json_t *buckets, const json_t *service, const json_t *pod, const char *ip, bool ready)
{
  g_autoptr(json_t) address = json_pack("{s:s, s:o}", "ip", ip, "targetRef", target_of(pod));
  if (*pod_node(pod))
    json_object_set_new(address, "nodeName", json_string(pod_node(pod)));
  set_hostname(address, service, pod);
  g_autoptr(json_t) ports = resolve_ports(service, pod, false);
  const char *list = ready ? "addresses" : "notReadyAddresses";
  if (json_array_size(json_at(service, "spec", "ports", NULL)) == 0 && is_headless(service)) {
    json_array_append(json_object_get(find_bucket(buckets, ports), list), address);
    return;
  }
  size_t i;
  json_t *port;
  json_array_foreach (ports, i, port) {
    g_autoptr(json_t) single = json_pack("[O]", port);
    json_array_append(json_object_get(find_bucket(buckets, single), list), address);
  }
}

json_t *endpoint_sets_subsets(const json_t *service, GPtrArray *pods, bool *truncated)
{
  const json_t *spec = json_object_get(service, "spec");
  bool publish = json_flag(spec, "publishNotReadyAddresses", false);
  const char *family = json_string_value(json_array_get(json_object_get(spec, "ipFamilies"), 0));
  g_autoptr(json_t) buckets = json_array();
  g_autoptr(GPtrArray) ordered = sorted(pods);
  unsigned count = 0, n_ready = 0, n_unready = 0;
  for (unsigned i = 0; i < ordered->len; i++) {
    const json_t *pod = object_json(g_ptr_array_index(ordered, i));
    if (address_of(pod, family, publish))
      *(publish || pod_is_ready(pod) ? &n_ready : &n_unready) += 1;
  }
  n_ready = MIN(n_ready, ENDPOINTS_ADDRESSES_MAX);
  n_unready = MIN(n_unready, ENDPOINTS_ADDRESSES_MAX - n_ready);
  for (unsigned i = 0; i < ordered->len; i++) {
    const json_t *pod = object_json(g_ptr_array_index(ordered, i));
    const char *ip = address_of(pod, family, publish);
    bool ready = ip && (publish || pod_is_ready(pod));
    unsigned *left = ready ? &n_ready : &n_unready;
    count += ip != NULL;
    if (!ip || *left == 0)
      continue;
    *left -= 1;
    add_pod_to_buckets(buckets, service, pod, ip, ready);
  }
  *truncated = count > ENDPOINTS_ADDRESSES_MAX;
  return merge_buckets(buckets);
}

/* --- EndpointSlices --------------------------------------------------------------------------------------------- */

static json_t *find_group(json_t *groups, const char *address_type, const json_t *ports)
{
  size_t i;
  json_t *group;
  json_array_foreach (groups, i, group)
    if (strcmp(json_str(group, "addressType", ""), address_type) == 0 &&
        json_equal(json_object_get(group, "ports"), ports))
      return group;
  group = json_pack("{s:s, s:O, s:[]}", "addressType", address_type, "ports", ports, "endpoints");
  json_array_append_new(groups, group);
  return group;
}

/* Clients are to use the endpoints of their own zone. */
static bool prefers_close(const json_t *service)
{
  return strcmp(json_str(json_object_get(service, "spec"), "trafficDistribution", ""), "PreferClose") == 0;
}

static json_t *make_endpoint(const json_t *service, const json_t *pod, const char *ip, const char *zone)
{
  bool publish = json_flag(json_object_get(service, "spec"), "publishNotReadyAddresses", false);
  bool serving = pod_is_ready(pod), terminating = pod_is_deleting(pod);
  json_t *endpoint = json_pack("{s:[s], s:{s:b, s:b, s:b}, s:o}", "addresses", ip, "conditions", "ready",
                               publish || (serving && !terminating), "serving", serving, "terminating", terminating,
                               "targetRef", target_of(pod));
  set_hostname(endpoint, service, pod);
  if (*pod_node(pod))
    json_object_set_new(endpoint, "nodeName", json_string(pod_node(pod)));
  if (zone && *zone) {
    json_object_set_new(endpoint, "zone", json_string(zone));
    if (prefers_close(service) && json_flag(json_object_get(endpoint, "conditions"), "ready", false))
      json_object_set_new(endpoint, "hints", json_pack("{s:[{s:s}]}", "forZones", "name", zone));
  }
  return endpoint;
}

/* The endpoints of one family, added to GROUPS; a group without anything when there is none. */
static void add_family(json_t *groups, const json_t *service, GPtrArray *pods, GHashTable *zones, const char *family)
{
  bool publish = json_flag(json_object_get(service, "spec"), "publishNotReadyAddresses", false), any = false;
  for (unsigned i = 0; i < pods->len; i++) {
    const json_t *pod = object_json(g_ptr_array_index(pods, i));
    const char *ip = address_of(pod, family, true), *zone = g_hash_table_lookup(zones, pod_node(pod));
    if (!ip || (*pod_node(pod) && !zone && !publish))
      continue;
    g_autoptr(json_t) ports = resolve_ports(service, pod, true);
    json_t *group = find_group(groups, family, ports);
    json_array_append_new(json_object_get(group, "endpoints"), make_endpoint(service, pod, ip, zone));
    any = true;
  }
  if (!any)
    json_array_append_new(groups, json_pack("{s:s, s:[], s:[]}", "addressType", family, "ports", "endpoints"));
}

json_t *endpoint_sets_slices(const json_t *service, GPtrArray *pods, GHashTable *zones)
{
  const json_t *families = json_at(service, "spec", "ipFamilies", NULL);
  json_t *groups = json_array(), *family;
  g_autoptr(GPtrArray) ordered = sorted(pods);
  size_t i;
  json_array_foreach (families, i, family)
    add_family(groups, service, ordered, zones, json_string_value(family));
  if (json_array_size(families) == 0)
    add_family(groups, service, ordered, zones, "IPv4");
  return groups;
}

/* At most *LEFT, which becomes less. */
static void mirror_addresses(json_t *groups, const json_t *subset, const char *list, bool ready, size_t *left)
{
  static const char *const copied[] = { "hostname", "nodeName", "targetRef" };
  g_autoptr(json_t) ports = json_array();
  size_t i;
  json_t *address, *port;
  json_array_foreach (json_object_get(subset, "ports"), i, port)
    json_array_append_new(ports, make_port(port, (int)json_int(port, "port", 0), true));
  json_array_foreach (json_object_get(subset, list), i, address) {
    if (*left == 0)
      break;
    *left -= 1;
    const char *ip = json_str(address, "ip", "");
    json_t *endpoint = json_pack("{s:[s], s:{s:b}}", "addresses", ip, "conditions", "ready", ready);
    for (size_t k = 0; k < G_N_ELEMENTS(copied); k++)
      if (json_object_get(address, copied[k]))
        json_object_set(endpoint, copied[k], json_object_get(address, copied[k]));
    const json_t *group = find_group(groups, family_of(ip), ports);
    json_array_append_new(json_object_get(group, "endpoints"), endpoint);
  }
}

json_t *endpoint_sets_mirror(const json_t *endpoints, size_t *skipped)
{
  json_t *groups = json_array();
  size_t i;
  json_t *subset;
  *skipped = 0;
  json_array_foreach (json_object_get(endpoints, "subsets"), i, subset) {
    size_t left = ENDPOINTS_ADDRESSES_MAX, count = json_array_size(json_object_get(subset, "addresses")) +
                                                   json_array_size(json_object_get(subset, "notReadyAddresses"));
    mirror_addresses(groups, subset, "addresses", true, &left);
    mirror_addresses(groups, subset, "notReadyAddresses", false, &left);
    *skipped += count - (ENDPOINTS_ADDRESSES_MAX - left);
  }
  return groups;
}
