/* What quotas count, as time goes by: the refusals are the admission's. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"

static bool is_used(Cluster *cluster, const char *quota, const char *resource, const char *amount)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "resourcequotas", true, quota);
  const json_t *status = json_object_get(value, "status");
  return strcmp(json_str(json_object_get(status, "used"), resource, ""), amount) == 0 &&
         json_equal(json_object_get(status, "hard"), json_at(value, "spec", "hard", NULL));
}

static void add_pod(Cluster *cluster, const char *name)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s}, spec: {containers: [{name: c, image: i, resources: {requests: {cpu: "
                      "100m}}}]}}",
                      name);
  cluster_create(cluster, "v1", "pods", true, yaml);
}

static void test_life(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_pod(cluster, "before");
  cluster_create(cluster, "v1", "resourcequotas", true,
                 "{metadata: {name: q}, spec: {hard: {pods: '5', requests.cpu: '1', configmaps: '9'}}}");
  cluster_wait(is_used(cluster, "q", "pods", "1") && is_used(cluster, "q", "requests.cpu", "100m"));
  cluster_wait(is_used(cluster, "q", "configmaps", "1")); /* kube-root-ca.crt */
  add_pod(cluster, "after");
  g_assert_true(is_used(cluster, "q", "pods", "2")); /* counted with the creation */
  cluster_delete(cluster, "v1", "pods", true, "before", NULL);
  cluster_wait(is_used(cluster, "q", "pods", "1") && is_used(cluster, "q", "requests.cpu", "100m"));
  /* a pod that has ended holds nothing */
  cluster_hold_kubelet(cluster, true);
  cluster_set_status(cluster, "v1", "pods", "after", "{phase: Succeeded}");
  cluster_wait(is_used(cluster, "q", "pods", "0") && is_used(cluster, "q", "requests.cpu", "0"));
  /* another limit is shown at once, and another resource counted */
  cluster_patch(cluster, "v1", "resourcequotas", "q", "{spec: {hard: {pods: '7', services: '3'}}}");
  cluster_wait(is_used(cluster, "q", "services", "0") && is_used(cluster, "q", "pods", "0"));
}

/* What went while nobody counted is found; and what somebody wrote into the status. */
static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "resourcequotas", true, "{metadata: {name: q}, spec: {hard: {secrets: '5'}}}");
  cluster_create(cluster, "v1", "secrets", true, "{metadata: {name: a}}");
  cluster_create(cluster, "v1", "secrets", true, "{metadata: {name: b}}");
  cluster_wait(is_used(cluster, "q", "secrets", "2"));
  cluster_stop(cluster);
  cluster_delete(cluster, "v1", "secrets", true, "a", NULL);
  cluster_set_status(cluster, "v1", "resourcequotas", "q", "{used: {secrets: '4'}}");
  cluster_resume(cluster);
  cluster_wait(is_used(cluster, "q", "secrets", "1"));
}

/* Many come and go at once: the count is right in the end. */
static void test_storm(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "resourcequotas", true, "{metadata: {name: q}, spec: {hard: {pods: '60'}}}");
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 40}}");
  cluster_wait(is_used(cluster, "q", "pods", "40"));
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 3}}");
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 3 && is_used(cluster, "q", "pods", "3"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/resource-quota/life", test_life);
  g_test_add_func("/resource-quota/restart", test_restart);
  g_test_add_func("/resource-quota/storm", test_storm);
  return g_test_run();
}
