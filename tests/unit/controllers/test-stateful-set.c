#include <glib.h>

#include "base/json.h"
#include "cluster.h"

static bool is_set_status(Cluster *cluster, int64_t ready, int64_t updated)
{
  g_autoptr(json_t) set = cluster_get(cluster, "apps/v1", "statefulsets", true, "db");
  const json_t *status = json_object_get(set, "status");
  return json_int(status, "readyReplicas", 0) == ready && json_int(status, "updatedReplicas", 0) == updated &&
         json_int(status, "replicas", 0) == ready;
}

static void test_stateful_set(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_hold_kubelet(cluster, true);
  cluster_create(
      cluster, "apps/v1", "statefulsets", true,
      "{metadata: {name: db}, spec: {serviceName: db, replicas: 3, selector: {matchLabels: {app: db}}, template: "
      "{metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: one}]}}, volumeClaimTemplates: "
      "[{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}}");
  cluster_wait(cluster_exists(cluster, "v1", "pods", "db-0"));
  /* In order: the second waits for the first. */
  g_usleep(50000);
  g_assert_false(cluster_exists(cluster, "v1", "pods", "db-1"));
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_set_status(cluster, 3, 3));
  g_assert_true(cluster_exists(cluster, "v1", "persistentvolumeclaims", "data-db-2"));
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, "db-1");
  g_assert_cmpstr(json_str(json_object_get(pod, "spec"), "hostname", ""), ==, "db-1");
  g_assert_cmpstr(json_str(json_object_get(pod, "spec"), "subdomain", ""), ==, "db");
  cluster_wait(cluster_has_event(cluster, "db", "SuccessfulCreate", "create Pod db-2 in StatefulSet db successful"));

  /* An update replaces each under its name; scaling down keeps the claims. */
  cluster_patch(cluster, "apps/v1", "statefulsets", "db",
                "{spec: {template: {spec: {containers: [{name: c, image: two}]}}}}");
  cluster_wait(cluster_count(cluster, "apps/v1", "controllerrevisions", NULL) == 2);
  cluster_wait(is_set_status(cluster, 3, 3));
  cluster_patch(cluster, "apps/v1", "statefulsets", "db", "{spec: {replicas: 1}}");
  cluster_wait(is_set_status(cluster, 1, 1));
  g_assert_true(cluster_exists(cluster, "v1", "pods", "db-0"));
  g_assert_true(cluster_exists(cluster, "v1", "persistentvolumeclaims", "data-db-2"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/stateful-set/life", test_stateful_set);
  return g_test_run();
}
