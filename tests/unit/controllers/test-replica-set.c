#include <glib.h>

#include "base/json.h"
#include "cluster.h"

static void test_adoption(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "pods", true,
                 "{metadata: {name: stray, labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}");
  cluster_create(cluster, "apps/v1", "replicasets", true,
                 "{metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: "
                 "{metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}}}");
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  g_autoptr(json_t) stray = cluster_get(cluster, "v1", "pods", true, "stray");
  g_assert_cmpuint(json_array_size(json_at(stray, "metadata", "ownerReferences", NULL)), ==, 1);
  /* A pod whose label changes is let go and replaced. */
  cluster_patch(cluster, "v1", "pods", "stray", "{metadata: {labels: {app: other}}}");
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  g_autoptr(json_t) released = NULL;
  cluster_wait((json_decref(released), released = cluster_get(cluster, "v1", "pods", true, "stray"),
                json_array_size(json_at(released, "metadata", "ownerReferences", NULL)) == 0));
  cluster_wait(cluster_has_event(cluster, "web", "SuccessfulCreate", "Created pod: web-"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/replica-set/adoption", test_adoption);
  return g_test_run();
}
