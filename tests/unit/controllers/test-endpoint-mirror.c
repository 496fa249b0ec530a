#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"

/* How many addresses Endpoints has, ready or not. */
static size_t count_addresses(Cluster *cluster, const char *name, const char *list)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "endpoints", true, name);
  size_t count = 0, i;
  json_t *subset;
  json_array_foreach (json_object_get(value, "subsets"), i, subset)
    count += json_array_size(json_object_get(subset, list));
  return count;
}

static size_t count_sliced(Cluster *cluster, const char *service, bool ready)
{
  g_autoptr(GPtrArray) slices = cluster_list(cluster, "discovery.k8s.io/v1", "endpointslices", NULL);
  size_t count = 0, k;
  json_t *endpoint;
  for (unsigned i = 0; i < slices->len; i++) {
    const json_t *slice = object_json(g_ptr_array_index(slices, i));
    const json_t *labels = json_at(slice, "metadata", "labels", NULL);
    if (strcmp(json_str(labels, "kubernetes.io/service-name", ""), service) == 0)
      json_array_foreach (json_object_get(slice, "endpoints"), k, endpoint)
        count += json_flag(json_object_get(endpoint, "conditions"), "ready", true) == ready;
  }
  return count;
}

static void test_mirror(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true,
                 "{metadata: {name: db}, spec: {ports: [{port: 5432, protocol: TCP}]}}");
  cluster_create(
      cluster, "v1", "endpoints", true,
      "{metadata: {name: db}, subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{port: 5432, protocol: TCP}]}]}");
  cluster_wait(count_sliced(cluster, "db", true) == 1);
  g_assert_cmpuint(count_addresses(cluster, "db", "addresses"), ==, 1);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/endpoint-mirror/life", test_mirror);
  return g_test_run();
}
