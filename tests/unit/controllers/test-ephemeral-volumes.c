#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"

/* No scheduler takes the pod: nothing uses its claims yet, and they may go at once. */
#define POD(name)                                                                                                      \
  "{metadata: {name: " name                                                                                            \
  "}, spec: {schedulerName: nobody, containers: [{name: c, image: i}], volumes: [{name: scratch, ephemeral: "          \
  "{volumeClaimTemplate: {metadata: {labels: {app: store}, annotations: {note: kept}}, spec: {accessModes: "           \
  "[ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1Gi}}}}}}, {name: plain, emptyDir: {}}]}}"

static json_t *claim_of(Cluster *cluster, const char *name)
{
  return cluster_get(cluster, "v1", "persistentvolumeclaims", true, name);
}

static bool has_claim(Cluster *cluster, const char *name)
{
  return cluster_exists(cluster, "v1", "persistentvolumeclaims", name);
}

static const json_t *owner_of_claim(const json_t *claim)
{
  return json_array_get(json_at(claim, "metadata", "ownerReferences", NULL), 0);
}

static void test_create(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "pods", true, POD("web"));
  cluster_wait(has_claim(cluster, "web-scratch"));
  g_assert_cmpuint(cluster_count(cluster, "v1", "persistentvolumeclaims", NULL), ==, 1);
  g_autoptr(json_t) claim = claim_of(cluster, "web-scratch"), pod = cluster_get(cluster, "v1", "pods", true, "web");
  const json_t *owner = owner_of_claim(claim), *metadata = json_object_get(claim, "metadata");
  g_assert_cmpstr(json_str(owner, "kind", ""), ==, "Pod");
  g_assert_cmpstr(json_str(owner, "apiVersion", ""), ==, "v1");
  g_assert_cmpstr(json_str(owner, "name", ""), ==, "web");
  g_assert_cmpstr(json_str(owner, "uid", ""), ==, json_str(json_object_get(pod, "metadata"), "uid", "-"));
  g_assert_true(json_flag(owner, "controller", false));
  g_assert_true(json_flag(owner, "blockOwnerDeletion", false));
  g_assert_cmpstr(json_str(json_object_get(metadata, "labels"), "app", ""), ==, "store");
  g_assert_cmpstr(json_str(json_object_get(metadata, "annotations"), "note", ""), ==, "kept");
  g_assert_cmpstr(json_str(json_at(claim, "spec", "resources", "requests", NULL), "storage", ""), ==, "1Gi");
}

/* The claim goes with its pod, and comes again while the pod is there. */
static void test_life(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "pods", true, POD("web"));
  cluster_wait(has_claim(cluster, "web-scratch"));
  g_autoptr(json_t) first = claim_of(cluster, "web-scratch");
  cluster_delete(cluster, "v1", "persistentvolumeclaims", true, "web-scratch", NULL);
  cluster_wait(({
    g_autoptr(json_t) second = claim_of(cluster, "web-scratch");
    second &&strcmp(json_str(json_object_get(second, "metadata"), "uid", ""),
                    json_str(json_object_get(first, "metadata"), "uid", "")) != 0;
  }));
  cluster_delete(cluster, "v1", "pods", true, "web", NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "pods", "web"));
  cluster_wait(!has_claim(cluster, "web-scratch"));
}

/* A claim of the name that is somebody else's is not used: the pod says so, and gets its own when that is gone. */
static void test_not_ours(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "persistentvolumeclaims", true,
                 "{metadata: {name: web-scratch}, spec: {accessModes: [ReadWriteOnce], storageClassName: none, "
                 "resources: {requests: {storage: 1Gi}}}}");
  cluster_create(cluster, "v1", "pods", true, POD("web"));
  cluster_wait(cluster_has_event(cluster, "web", "FailedBinding",
                                 "ephemeral volume scratch: PVC default/web-scratch was not created for pod "
                                 "default/web (pod is not owner)"));
  cluster_delete(cluster, "v1", "persistentvolumeclaims", true, "web-scratch", NULL);
  cluster_wait(({
    g_autoptr(json_t) claim = claim_of(cluster, "web-scratch");
    claim &&owner_of_claim(claim);
  }));
}

static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_stop(cluster);
  cluster_create(cluster, "v1", "pods", true, POD("web"));
  g_assert_false(has_claim(cluster, "web-scratch"));
  cluster_resume(cluster);
  cluster_wait(has_claim(cluster, "web-scratch"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/ephemeral-volumes/create", test_create);
  g_test_add_func("/ephemeral-volumes/life", test_life);
  g_test_add_func("/ephemeral-volumes/not-ours", test_not_ours);
  g_test_add_func("/ephemeral-volumes/restart", test_restart);
  return g_test_run();
}
