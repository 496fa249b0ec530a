/* EndpointSlices of services with a selector. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/yaml.h"
#include "cluster.h"
#include "clusterd/controllers/network/endpoint_sets.h"
#include "clusterd/controllers/network/trigger_times.h"

static ApiScheme *scheme;

static void unref_object(void *object)
{
  object_unref(object);
}

/* A pod's value for the pure functions; the texts begin with a comma, or are empty. */
static Object *make_pod(const char *name, const char *metadata, const char *spec, const char *status)
{
  g_autofree char *yaml = g_strdup_printf("{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: default, uid: "
                                          "u-%s%s}, spec: {restartPolicy: Always%s}, status: {phase: Running%s}}",
                                          name, name, metadata, spec, status);
  json_t *value = yaml_parse(yaml, strlen(yaml), NULL);
  g_assert_nonnull(value);
  return object_new(api_scheme_resource(scheme, "", "v1", "pods"), value);
}

static json_t *parse(const char *yaml)
{
  json_t *value = yaml_parse(yaml, strlen(yaml), NULL);
  g_assert_nonnull(value);
  return value;
}

/* The groups of a service with one pod, whose node is in zone "z". */
static json_t *groups_of(const char *service, Object *pod)
{
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  g_autoptr(GHashTable) zones = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(json_t) value = parse(service);
  char node[] = "node-1", zone[] = "z";
  g_hash_table_insert(zones, node, zone);
  g_ptr_array_add(pods, pod);
  return endpoint_sets_slices(value, pods, zones);
}

#define SERVICE "{metadata: {name: web}, spec: {ipFamilies: [IPv4], ports: [{port: 80}]%s}}"

static void test_conditions(void)
{
  static const struct {
    bool publish, deleting, ready;
    bool is_ready, is_serving, is_terminating;
  } rows[] = {
    { false, false, true, true, true, false },  { false, false, false, false, false, false },
    { false, true, true, false, true, true },   { false, true, false, false, false, true },
    { true, false, false, true, false, false }, { true, true, true, true, true, true },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *service = g_strdup_printf(SERVICE, rows[i].publish ? ", publishNotReadyAddresses: true" : "");
    g_autofree char *status = g_strdup_printf(", podIP: 10.0.0.1, conditions: [{type: Ready, status: '%s'}]",
                                              rows[i].ready ? "True" : "False");
    g_autoptr(json_t) groups = groups_of(
        service, make_pod("p", rows[i].deleting ? ", deletionTimestamp: '2026-01-01T00:00:00Z'" : "", "", status));
    const json_t *endpoint = json_array_get(json_object_get(json_array_get(groups, 0), "endpoints"), 0);
    const json_t *conditions = json_object_get(endpoint, "conditions");
    g_assert_cmpint(json_flag(conditions, "ready", false), ==, rows[i].is_ready);
    g_assert_cmpint(json_flag(conditions, "serving", false), ==, rows[i].is_serving);
    g_assert_cmpint(json_flag(conditions, "terminating", false), ==, rows[i].is_terminating);
  }
}

static void test_endpoint(void)
{
  g_autofree char *service = g_strdup_printf(SERVICE, "");
  g_autoptr(json_t) groups = groups_of(service, make_pod("p", "", ", nodeName: node-1, hostname: h, subdomain: web",
                                                         ", podIP: 10.0.0.1, conditions: []"));
  const json_t *endpoint = json_array_get(json_object_get(json_array_get(groups, 0), "endpoints"), 0);
  g_assert_cmpstr(json_str(endpoint, "hostname", ""), ==, "h");
  g_assert_cmpstr(json_str(endpoint, "nodeName", ""), ==, "node-1");
  g_assert_cmpstr(json_str(endpoint, "zone", ""), ==, "z");
  g_assert_cmpstr(json_str(json_object_get(endpoint, "targetRef"), "uid", ""), ==, "u-p");
  g_assert_null(json_object_get(endpoint, "hints"));
  g_autoptr(json_t) other =
      groups_of(service, make_pod("p", "", ", hostname: h, subdomain: db", ", podIP: 10.0.0.1, conditions: []"));
  g_assert_null(json_object_get(json_array_get(json_object_get(json_array_get(other, 0), "endpoints"), 0), "hostname"));
}

/* With trafficDistribution PreferClose clients are led to their own zone, to what is ready there. */
static void test_hints(void)
{
  static const struct {
    const char *spec, *ready, *hint;
  } rows[] = { { "", "True", "" },
               { ", trafficDistribution: PreferClose", "True", "z" },
               { ", trafficDistribution: PreferClose", "False", "" } };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *service = g_strdup_printf(SERVICE, rows[i].spec);
    g_autofree char *status =
        g_strdup_printf(", podIP: 10.0.0.1, conditions: [{type: Ready, status: '%s'}]", rows[i].ready);
    g_autoptr(json_t) groups = groups_of(service, make_pod("p", "", ", nodeName: node-1", status));
    const json_t *endpoint = json_array_get(json_object_get(json_array_get(groups, 0), "endpoints"), 0);
    const json_t *zones = json_at(endpoint, "hints", "forZones", NULL);
    g_assert_cmpstr(json_str(json_array_get(zones, 0), "name", ""), ==, rows[i].hint);
    g_assert_cmpuint(json_array_size(zones), ==, *rows[i].hint ? 1 : 0);
  }
}

static size_t count_of(const json_t *groups, const char *family)
{
  size_t count = 0, i;
  json_t *group;
  json_array_foreach (groups, i, group)
    if (strcmp(json_str(group, "addressType", ""), family) == 0)
      count += json_array_size(json_object_get(group, "endpoints"));
  return count;
}

/* Each family of the service has slices of its own; without an endpoint, one that is empty. */
static void test_families(void)
{
  static const char both[] = "{metadata: {name: web}, spec: {ipFamilies: [IPv4, IPv6], ports: [{port: 80}]}}";
  static const char six[] = "{metadata: {name: web}, spec: {ipFamilies: [IPv6], ports: [{port: 80}]}}";
  static const char dual[] = ", podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]";
  static const char single[] = ", podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}]";
  g_autoptr(json_t) two = groups_of(both, make_pod("p", "", "", dual));
  g_assert_true(count_of(two, "IPv4") == 1 && count_of(two, "IPv6") == 1 && json_array_size(two) == 2);
  g_autoptr(json_t) half = groups_of(both, make_pod("p", "", "", single));
  g_assert_true(count_of(half, "IPv4") == 1 && count_of(half, "IPv6") == 0 && json_array_size(half) == 2);
  g_autoptr(json_t) only = groups_of(six, make_pod("p", "", "", dual));
  g_assert_true(count_of(only, "IPv4") == 0 && count_of(only, "IPv6") == 1 && json_array_size(only) == 1);
}

/* A pod of a node that is not there: left out, unless the service publishes everything. */
static void test_missing_node(void)
{
  g_autofree char *plain = g_strdup_printf(SERVICE, "");
  g_autofree char *all = g_strdup_printf(SERVICE, ", publishNotReadyAddresses: true");
  g_autoptr(json_t) none = groups_of(plain, make_pod("p", "", ", nodeName: gone", ", podIP: 10.0.0.1"));
  g_assert_cmpuint(count_of(none, "IPv4"), ==, 0);
  g_autoptr(json_t) one = groups_of(all, make_pod("p", "", ", nodeName: gone", ", podIP: 10.0.0.1"));
  g_assert_cmpuint(count_of(one, "IPv4"), ==, 1);
}

static void test_trigger_times(void)
{
  TriggerTimes *times = trigger_times_new();
  g_autoptr(json_t) service = parse("{metadata: {name: web, creationTimestamp: '2026-01-01T00:00:05Z'}}");
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  static const char at[] = ", conditions: [{type: Ready, status: 'True', lastTransitionTime: '2026-01-01T00:00:%s'}]";
  g_autofree char *seven = g_strdup_printf(at, "07Z"), *nine = g_strdup_printf(at, "09Z");
  g_ptr_array_add(pods, make_pod("a", "", "", seven));
  g_autofree char *first = trigger_times_take(times, "default/web", service, pods);
  g_assert_cmpstr(first, ==, "2026-01-01T00:00:05Z"); /* the service is the earliest change */
  g_assert_null(trigger_times_take(times, "default/web", service, pods));
  g_ptr_array_add(pods, make_pod("b", "", "", nine));
  g_autofree char *second = trigger_times_take(times, "default/web", service, pods);
  g_assert_cmpstr(second, ==, "2026-01-01T00:00:09Z");
  g_ptr_array_set_size(pods, 1);
  g_assert_null(trigger_times_take(times, "default/web", service, pods)); /* who went tells no time */
  trigger_times_forget(times, "default/web");
  g_autofree char *anew = trigger_times_take(times, "default/web", service, pods);
  g_assert_cmpstr(anew, ==, "2026-01-01T00:00:05Z");
  trigger_times_free(times);
}

/* --- what people see ---------------------------------------------------------------------------------------------- */

static GPtrArray *slices_of(Cluster *cluster)
{
  return cluster_list(cluster, "discovery.k8s.io/v1", "endpointslices", NULL);
}

/* Endpoints in all slices; 0 when one has more than it may. */
static size_t count_endpoints(Cluster *cluster)
{
  g_autoptr(GPtrArray) slices = slices_of(cluster);
  size_t count = 0;
  for (unsigned i = 0; i < slices->len; i++) {
    size_t size = json_array_size(json_object_get(object_json(g_ptr_array_index(slices, i)), "endpoints"));
    if (size > ENDPOINT_SLICE_SIZE_MAX)
      return 0;
    count += size;
  }
  return count;
}

#define WEB_SERVICE                                                                                                    \
  "{metadata: {name: web, labels: {tier: front}}, spec: {selector: {app: web}, ports: [{name: http, port: 80, "        \
  "targetPort: http, appProtocol: http}]}}"

static void test_slice(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true, WEB_SERVICE);
  /* without a pod there is one slice, empty */
  cluster_wait(cluster_count(cluster, "discovery.k8s.io/v1", "endpointslices", NULL) == 1);
  g_assert_cmpuint(count_endpoints(cluster), ==, 0);
  cluster_patch(cluster, "v1", "nodes", "node-1", "{metadata: {labels: {topology.kubernetes.io/zone: east}}}");
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(count_endpoints(cluster) == 2);
  cluster_wait(cluster_count(cluster, "discovery.k8s.io/v1", "endpointslices", NULL) == 1);
  g_autoptr(GPtrArray) slices = slices_of(cluster);
  const json_t *slice = object_json(g_ptr_array_index(slices, 0)), *metadata = json_object_get(slice, "metadata");
  const json_t *labels = json_object_get(metadata, "labels"),
               *port = json_array_get(json_object_get(slice, "ports"), 0);
  const json_t *owner = json_array_get(json_object_get(metadata, "ownerReferences"), 0);
  g_assert_true(g_str_has_prefix(object_name(g_ptr_array_index(slices, 0)), "web-"));
  g_assert_cmpstr(json_str(metadata, "generateName", ""), ==, "web-");
  g_assert_cmpstr(json_str(labels, "kubernetes.io/service-name", ""), ==, "web");
  g_assert_cmpstr(json_str(labels, "endpointslice.kubernetes.io/managed-by", ""), ==,
                  "endpointslice-controller.k8s.io");
  g_assert_cmpstr(json_str(labels, "tier", ""), ==, "front");
  g_assert_cmpstr(json_str(owner, "kind", ""), ==, "Service");
  g_assert_true(json_flag(owner, "controller", false) && json_flag(owner, "blockOwnerDeletion", false));
  g_assert_cmpstr(json_str(slice, "addressType", ""), ==, "IPv4");
  g_assert_cmpstr(json_str(port, "name", ""), ==, "http");
  g_assert_cmpstr(json_str(port, "appProtocol", ""), ==, "http");
  g_assert_cmpint(json_int(port, "port", 0), ==, 8080);
  g_assert_nonnull(json_at(metadata, "annotations", TRIGGER_TIME_ANNOTATION, NULL));
  const json_t *endpoint = json_array_get(json_object_get(slice, "endpoints"), 0);
  g_assert_cmpstr(json_str(endpoint, "nodeName", ""), ==, "node-1");
  g_assert_cmpstr(json_str(endpoint, "zone", ""), ==, "east");
  g_assert_null(json_object_get(endpoint, "hints"));
}

/* At most 100 in a slice; what somebody deletes or empties is made anew; an endpoint stays in the slice it is in. */
static void test_sizes(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true, WEB_SERVICE);
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 104}}");
  cluster_wait(count_endpoints(cluster) == 104);
  g_assert_cmpuint(cluster_count(cluster, "discovery.k8s.io/v1", "endpointslices", NULL), ==, 2);
  g_autoptr(GPtrArray) slices = slices_of(cluster);
  g_autofree char *name = g_strdup(object_name(g_ptr_array_index(slices, 0)));
  cluster_delete(cluster, "discovery.k8s.io/v1", "endpointslices", true, name, NULL);
  cluster_wait(count_endpoints(cluster) == 104);
  g_autofree char *other = g_strdup(object_name(g_ptr_array_index(slices, 1)));
  cluster_patch(cluster, "discovery.k8s.io/v1", "endpointslices", other, "{endpoints: []}");
  cluster_wait(count_endpoints(cluster) == 104);
}

/* Several numbers of one named port: a slice for each. */
static void test_port_maps(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true, WEB_SERVICE);
  for (int i = 0; i < 3; i++) {
    g_autofree char *yaml =
        g_strdup_printf("{metadata: {name: p-%d, labels: {app: web}}, spec: {containers: [{name: c, image: i, ports: "
                        "[{name: http, containerPort: %d}]}]}}",
                        i, i < 2 ? 8080 : 9090);
    cluster_create(cluster, "v1", "pods", true, yaml);
  }
  cluster_wait(count_endpoints(cluster) == 3);
  cluster_wait(cluster_count(cluster, "discovery.k8s.io/v1", "endpointslices", NULL) == 2);
}

/* Somebody else's slices of the same service are left alone; ours come back after a restart in which they changed. */
static void test_others(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true, WEB_SERVICE);
  cluster_create(cluster, "discovery.k8s.io/v1", "endpointslices", true,
                 "{metadata: {name: mine, labels: {kubernetes.io/service-name: web, "
                 "endpointslice.kubernetes.io/managed-by: me}}, addressType: IPv4, endpoints: [{addresses: "
                 "[192.0.2.1]}], ports: []}");
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(count_endpoints(cluster) == 3);
  cluster_stop(cluster);
  g_autoptr(GPtrArray) slices = slices_of(cluster);
  for (unsigned i = 0; i < slices->len; i++) {
    const char *name = object_name(g_ptr_array_index(slices, i));
    if (strcmp(name, "mine") != 0)
      cluster_patch(cluster, "discovery.k8s.io/v1", "endpointslices", name, "{endpoints: []}");
  }
  cluster_resume(cluster);
  cluster_wait(count_endpoints(cluster) == 3);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  scheme = api_scheme_new();
  g_test_add_func("/endpoint-slices/conditions", test_conditions);
  g_test_add_func("/endpoint-slices/hints", test_hints);
  g_test_add_func("/endpoint-slices/endpoint", test_endpoint);
  g_test_add_func("/endpoint-slices/families", test_families);
  g_test_add_func("/endpoint-slices/missing-node", test_missing_node);
  g_test_add_func("/endpoint-slices/trigger-times", test_trigger_times);
  g_test_add_func("/endpoint-slices/slice", test_slice);
  g_test_add_func("/endpoint-slices/sizes", test_sizes);
  g_test_add_func("/endpoint-slices/port-maps", test_port_maps);
  g_test_add_func("/endpoint-slices/others", test_others);
  int status = g_test_run();
  api_scheme_free(scheme);
  return status;
}
