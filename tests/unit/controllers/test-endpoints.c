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

static void test_endpoints(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true,
                 "{metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: http, port: 80, protocol: TCP, "
                 "targetPort: http}]}}");
  cluster_wait(cluster_exists(cluster, "v1", "endpoints", "web"));
  cluster_hold_kubelet(cluster, true);
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  /* A pod without an address has no endpoint. */
  g_assert_cmpuint(count_addresses(cluster, "web", "addresses"), ==, 0);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(count_addresses(cluster, "web", "addresses") == 2);
  cluster_wait(count_sliced(cluster, "web", true) == 2);
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "endpoints", true, "web");
  const json_t *port =
      json_array_get(json_object_get(json_array_get(json_object_get(value, "subsets"), 0), "ports"), 0);
  g_assert_cmpint(json_int(port, "port", 0), ==, 8080);
  g_assert_cmpstr(json_str(port, "name", ""), ==, "http");
  /* An ending pod leaves Endpoints at once and stays in its slice, not ready. */
  cluster_hold_kubelet(cluster, true);
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 1}}");
  cluster_wait(count_addresses(cluster, "web", "addresses") == 1);
  cluster_wait(count_sliced(cluster, "web", true) == 1 && count_sliced(cluster, "web", false) == 1);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(count_sliced(cluster, "web", false) == 0);
  cluster_delete(cluster, "v1", "services", true, "web", NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "endpoints", "web"));
  cluster_wait(cluster_count(cluster, "discovery.k8s.io/v1", "endpointslices", NULL) == 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/endpoints/life", test_endpoints);
  return g_test_run();
}
