#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"

#define WEB                                                                                                            \
  "{metadata: {name: web}, spec: {replicas: 3, progressDeadlineSeconds: 600, strategy: {type: RollingUpdate, "         \
  "rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}, selector: {matchLabels: {app: web}}, template: {metadata: "   \
  "{labels: {app: web}}, spec: {containers: [{name: web, image: 'nginx:1'}]}}}}"

static int64_t status_of(Cluster *cluster, const char *name, const char *member)
{
  g_autoptr(json_t) value = cluster_get(cluster, "apps/v1", "deployments", true, name);
  return json_int(json_object_get(value, "status"), member, 0);
}

/* What `kubectl rollout status` waits for. */
static bool is_rolled_out(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) value = cluster_get(cluster, "apps/v1", "deployments", true, name);
  const json_t *status = json_object_get(value, "status");
  int64_t replicas = json_int(json_object_get(value, "spec"), "replicas", 1);
  return json_int(status, "observedGeneration", 0) == json_int(json_object_get(value, "metadata"), "generation", -1) &&
         json_int(status, "replicas", 0) == replicas && json_int(status, "updatedReplicas", 0) == replicas &&
         json_int(status, "availableReplicas", 0) == replicas;
}

static unsigned pods_with_image(Cluster *cluster, const char *image)
{
  g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", "web");
  unsigned count = 0;
  for (unsigned i = 0; i < pods->len; i++) {
    const json_t *containers = json_at(object_json(g_ptr_array_index(pods, i)), "spec", "containers", NULL);
    count += strcmp(json_str(json_array_get(containers, 0), "image", ""), image) == 0;
  }
  return count;
}

static char *revision_of(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) value = cluster_get(cluster, "apps/v1", "deployments", true, name);
  return g_strdup(json_str(json_at(value, "metadata", "annotations", NULL), "deployment.kubernetes.io/revision", ""));
}

static void test_life(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  gint64 start = g_get_monotonic_time();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  g_test_message("3 replicas available after %" G_GINT64_FORMAT " us", g_get_monotonic_time() - start);
  g_assert_cmpuint(cluster_count_pods(cluster, "web"), ==, 3);
  g_autofree char *first = revision_of(cluster, "web");
  g_assert_cmpstr(first, ==, "1");
  cluster_wait(cluster_has_event(cluster, "web", "ScalingReplicaSet", "from 0 to 3"));

  /* scale */
  g_autoptr(json_t) eight = json_pack("{s:{s:i}}", "spec", "replicas", 8);
  g_autoptr(Object) scaled = client_patch(cluster_client(cluster), "apps/v1", "deployments", "default", "web", "scale",
                                          PATCH_MERGE, eight, NULL);
  g_assert_nonnull(scaled);
  cluster_wait(is_rolled_out(cluster, "web"));
  g_assert_cmpuint(cluster_count_pods(cluster, "web"), ==, 8);
  cluster_wait(cluster_has_event(cluster, "web", "ScalingReplicaSet", "from 3 to 8"));
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 2}}");
  cluster_wait(is_rolled_out(cluster, "web"));
  g_assert_cmpuint(cluster_count_pods(cluster, "web"), ==, 2);

  /* roll to another image and back: the old replica set gets a new revision */
  cluster_patch(cluster, "apps/v1", "deployments", "web",
                "{spec: {template: {spec: {containers: [{name: web, image: 'nginx:2'}]}}}}");
  cluster_wait(is_rolled_out(cluster, "web"));
  cluster_wait(pods_with_image(cluster, "nginx:1") == 0);
  g_assert_cmpuint(pods_with_image(cluster, "nginx:2"), ==, 2);
  g_autofree char *second = revision_of(cluster, "web");
  g_assert_cmpstr(second, ==, "2");
  cluster_patch(cluster, "apps/v1", "deployments", "web",
                "{spec: {template: {spec: {containers: [{name: web, image: 'nginx:1'}]}}}}");
  cluster_wait(is_rolled_out(cluster, "web"));
  cluster_wait(pods_with_image(cluster, "nginx:2") == 0);
  g_autofree char *third = revision_of(cluster, "web");
  g_assert_cmpstr(third, ==, "3");
  g_autoptr(GPtrArray) sets = cluster_list(cluster, "apps/v1", "replicasets", "web");
  g_assert_cmpuint(sets->len, ==, 2);
  g_autoptr(json_t) web = cluster_get(cluster, "apps/v1", "deployments", true, "web");
  size_t i;
  json_t *condition;
  json_array_foreach (json_at(web, "status", "conditions", NULL), i, condition)
    g_assert_cmpstr(json_str(condition, "status", ""), ==, "True");
  g_assert_cmpuint(json_array_size(json_at(web, "status", "conditions", NULL)), ==, 2);
}

/* A rollout whose pods never become ready stops at the strategy's bounds and leaves the old pods serving. */
static void test_stuck(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  cluster_hold_kubelet(cluster, true);
  cluster_patch(cluster, "apps/v1", "deployments", "web",
                "{spec: {template: {spec: {containers: [{name: web, image: 'nginx:2'}]}}}}");
  cluster_wait(status_of(cluster, "web", "updatedReplicas") == 1);
  g_usleep(50000);
  g_assert_cmpuint(pods_with_image(cluster, "nginx:1"), ==, 3);
  g_assert_cmpuint(pods_with_image(cluster, "nginx:2"), ==, 1);
  g_assert_cmpint(status_of(cluster, "web", "availableReplicas"), ==, 3);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_rolled_out(cluster, "web"));
}

static void test_recreate_and_pause(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(is_rolled_out(cluster, "web"));
  cluster_patch(cluster, "apps/v1", "deployments", "web",
                "{spec: {paused: true, strategy: {type: Recreate, rollingUpdate: null}, template: {spec: {containers: "
                "[{name: web, image: 'nginx:2'}]}}}}");
  /* Paused: scaling works, the new template waits. */
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 5}}");
  cluster_wait(pods_with_image(cluster, "nginx:1") == 5);
  g_assert_cmpuint(pods_with_image(cluster, "nginx:2"), ==, 0);
  cluster_hold_kubelet(cluster, true);
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {paused: false}}");
  /* Recreate: nothing new while old pods are still ending. */
  cluster_wait(cluster_count_pods(cluster, "web") == 0);
  g_usleep(50000);
  g_assert_cmpuint(pods_with_image(cluster, "nginx:2"), ==, 0);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_rolled_out(cluster, "web"));
  g_assert_cmpuint(pods_with_image(cluster, "nginx:2"), ==, 5);
  g_assert_cmpuint(pods_with_image(cluster, "nginx:1"), ==, 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/deployment/life", test_life);
  g_test_add_func("/deployment/stuck", test_stuck);
  g_test_add_func("/deployment/recreate-and-pause", test_recreate_and_pause);
  return g_test_run();
}
