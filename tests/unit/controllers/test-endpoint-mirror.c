#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"
#include "endpoint_counts.h"

static void test_mirror(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true,
                 "{metadata: {name: db}, spec: {ports: [{port: 5432, protocol: TCP}]}}");
  cluster_create(
      cluster, "v1", "endpoints", true,
      "{metadata: {name: db}, subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{port: 5432, protocol: TCP}]}]}");
  cluster_wait(endpoints_count_sliced(cluster, "db", true) == 1);
  g_assert_cmpuint(endpoints_count_addresses(cluster, "db", "addresses"), ==, 1);
}

#define ENDPOINTS                                                                                                      \
  "{metadata: {name: %s%s}, subsets: [{addresses: [{ip: 192.0.2.7}], notReadyAddresses: [{ip: 192.0.2.8}], ports: "    \
  "[{port: 5432, protocol: TCP}]}]}"

static void add(Cluster *cluster, const char *name, const char *metadata, const char *service_spec)
{
  g_autofree char *service =
      g_strdup_printf("{metadata: {name: %s}, spec: {%s ports: [{port: 5432}]}}", name, service_spec);
  g_autofree char *endpoints = g_strdup_printf(ENDPOINTS, name, metadata);
  cluster_create(cluster, "v1", "services", true, service);
  cluster_create(cluster, "v1", "endpoints", true, endpoints);
}

/* What people change is followed, and what they delete goes; the slices say who made them and what of. */
static void test_follow(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add(cluster, "db", ", labels: {team: blue}", "");
  cluster_wait(endpoints_count_sliced(cluster, "db", true) == 1 && endpoints_count_sliced(cluster, "db", false) == 1);
  g_autoptr(GPtrArray) slices = cluster_list(cluster, "discovery.k8s.io/v1", "endpointslices", NULL);
  g_assert_cmpuint(slices->len, ==, 1);
  const json_t *metadata = json_object_get(object_json(g_ptr_array_index(slices, 0)), "metadata");
  const json_t *labels = json_object_get(metadata, "labels"),
               *owner = json_array_get(json_object_get(metadata, "ownerReferences"), 0);
  g_assert_cmpstr(json_str(labels, "endpointslice.kubernetes.io/managed-by", ""), ==,
                  "endpointslicemirroring-controller.k8s.io");
  g_assert_cmpstr(json_str(labels, "team", ""), ==, "blue");
  g_assert_cmpstr(json_str(owner, "kind", ""), ==, "Endpoints");
  cluster_patch(cluster, "v1", "endpoints", "db",
                "{subsets: [{addresses: [{ip: 192.0.2.1}, {ip: 192.0.2.2}], ports: [{port: 5432, protocol: TCP}]}]}");
  cluster_wait(endpoints_count_sliced(cluster, "db", true) == 2 && endpoints_count_sliced(cluster, "db", false) == 0);
  cluster_delete(cluster, "v1", "endpoints", true, "db", NULL);
  cluster_wait(endpoints_count_sliced(cluster, "db", true) == 0);
}

/* Those of a controller, of a leader election, and those that say so are not mirrored. */
static void test_skipped(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add(cluster, "skip", ", labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}", "");
  add(cluster, "leader", ", annotations: {control-plane.alpha.kubernetes.io/leader: '{}'}", "");
  add(cluster, "plain", "", "");
  cluster_wait(endpoints_count_sliced(cluster, "plain", true) == 1);
  g_assert_cmpuint(endpoints_count_sliced(cluster, "skip", true) + endpoints_count_sliced(cluster, "leader", true), ==,
                   0);
  /* and when one is marked later, what was made goes */
  cluster_patch(cluster, "v1", "endpoints", "plain",
                "{metadata: {labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}}}");
  cluster_wait(endpoints_count_sliced(cluster, "plain", true) == 0);
}

static json_t *only_slice(Cluster *cluster)
{
  g_autoptr(GPtrArray) slices = cluster_list(cluster, "discovery.k8s.io/v1", "endpointslices", NULL);
  return slices->len == 1 ? json_incref(object_json(g_ptr_array_index(slices, 0))) : NULL;
}

static bool has_metadata(Cluster *cluster, const char *map, const char *key, const char *expected)
{
  g_autoptr(json_t) slice = only_slice(cluster);
  return g_strcmp0(json_str(json_at(slice, "metadata", map, NULL), key, NULL), expected) == 0;
}

/* What people write on Endpoints is on the slices too, whenever they do, but for what speaks of the Endpoints alone;
 * what others write on the slices goes. */
static void test_metadata(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add(cluster, "db",
      ", labels: {team: blue, endpointslice.kubernetes.io/managed-by: me}, annotations: {note: a, "
      "kubectl.kubernetes.io/last-applied-configuration: '{}', endpoints.kubernetes.io/last-change-trigger-time: "
      "'2026-01-01T00:00:00Z'}",
      "");
  cluster_wait(has_metadata(cluster, "annotations", "note", "a"));
  g_autoptr(json_t) slice = only_slice(cluster);
  g_assert_cmpuint(json_object_size(json_at(slice, "metadata", "annotations", NULL)), ==, 1);
  g_assert_true(has_metadata(cluster, "labels", "endpointslice.kubernetes.io/managed-by",
                             "endpointslicemirroring-controller.k8s.io"));
  cluster_patch(cluster, "v1", "endpoints", "db", "{metadata: {annotations: {note: b}, labels: {team: null, x: y}}}");
  cluster_wait(has_metadata(cluster, "annotations", "note", "b") && has_metadata(cluster, "labels", "x", "y") &&
               has_metadata(cluster, "labels", "team", NULL));
  const char *name = json_str(json_object_get(slice, "metadata"), "name", "");
  cluster_patch(cluster, "discovery.k8s.io/v1", "endpointslices", name, "{metadata: {annotations: {stray: s}}}");
  cluster_wait(has_metadata(cluster, "annotations", "stray", NULL));
  cluster_patch(cluster, "v1", "endpoints", "db", "{metadata: {annotations: null}}");
  cluster_wait(has_metadata(cluster, "annotations", "note", NULL));
}

static json_t *many_addresses(int first, int count)
{
  json_t *list = json_array();
  for (int i = first; i < first + count; i++)
    json_array_append_new(list, json_pack("{s:o}", "ip", json_sprintf("10.1.%d.%d", i / 250, i % 250 + 1)));
  return list;
}

/* Of a subset 1000 addresses are mirrored, into one slice, those that are ready first; an event says what is not. */
static void test_limit(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  g_autoptr(json_t) value = json_pack("{s:{s:s}, s:[{s:o, s:o, s:[{s:i, s:s}]}]}", "metadata", "name", "big", "subsets",
                                      "addresses", many_addresses(0, 997), "notReadyAddresses",
                                      many_addresses(1000, 10), "ports", "port", 1, "protocol", "TCP");
  cluster_create(cluster, "v1", "services", true, "{metadata: {name: big}, spec: {ports: [{port: 1}]}}");
  g_autofree char *text = json_dumps(value, 0);
  cluster_create(cluster, "v1", "endpoints", true, text);
  cluster_wait(endpoints_count_sliced(cluster, "big", true) == 997 &&
               endpoints_count_sliced(cluster, "big", false) == 3);
  g_assert_cmpuint(cluster_count(cluster, "discovery.k8s.io/v1", "endpointslices", NULL), ==, 1);
  cluster_wait(cluster_has_event(cluster, "big", "TooManyAddressesToMirror",
                                 "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. 7 "
                                 "addresses were skipped"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/endpoint-mirror/life", test_mirror);
  g_test_add_func("/endpoint-mirror/follow", test_follow);
  g_test_add_func("/endpoint-mirror/skipped", test_skipped);
  g_test_add_func("/endpoint-mirror/metadata", test_metadata);
  g_test_add_func("/endpoint-mirror/limit", test_limit);
  return g_test_run();
}
