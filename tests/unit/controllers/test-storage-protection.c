#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"

#define CLAIM_FINALIZER "kubernetes.io/pvc-protection"
#define VOLUME_FINALIZER "kubernetes.io/pv-protection"
#define CLAIM                                                                                                          \
  "{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: "       \
  "{storage: 1Gi}}}}"
/* POD's node is written by the test: the scheduler would not place it before its claim is bound. */
#define POD(more)                                                                                                      \
  "{metadata: {name: web}, spec: {" more                                                                               \
  "containers: [{name: c, image: i}], volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]}}"

static bool has_claim(Cluster *cluster)
{
  return cluster_exists(cluster, "v1", "persistentvolumeclaims", "data");
}

static bool is_leaving(Cluster *cluster, const char *plural, const char *name)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", plural, strcmp(plural, "persistentvolumes") != 0, name);
  return json_at(value, "metadata", "deletionTimestamp", NULL) != NULL;
}

static bool has_finalizer(Cluster *cluster, const char *plural, const char *name, const char *finalizer)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", plural, strcmp(plural, "persistentvolumes") != 0, name);
  return json_has_text(json_at(value, "metadata", "finalizers", NULL), finalizer);
}

static void delete_claim(Cluster *cluster)
{
  cluster_delete(cluster, "v1", "persistentvolumeclaims", true, "data", NULL);
}

/* What the controller has seen for sure: a claim made later, that nobody uses, is gone. */
static void settle(Cluster *cluster)
{
  cluster_create(cluster, "v1", "persistentvolumeclaims", true,
                 "{metadata: {name: later}, spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: "
                 "{requests: {storage: 1Gi}}}}");
  cluster_delete(cluster, "v1", "persistentvolumeclaims", true, "later", NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "persistentvolumeclaims", "later"));
}

static void test_unused(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "persistentvolumeclaims", true, CLAIM);
  g_assert_true(has_finalizer(cluster, "persistentvolumeclaims", "data", CLAIM_FINALIZER));
  delete_claim(cluster);
  cluster_wait(!has_claim(cluster));
}

static void test_used(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "persistentvolumeclaims", true, CLAIM);
  cluster_create(cluster, "v1", "pods", true, POD("nodeName: node-1, "));
  delete_claim(cluster);
  settle(cluster);
  g_assert_true(is_leaving(cluster, "persistentvolumeclaims", "data"));
  /* Over is not gone: a pod that has ended still holds its claim. */
  cluster_set_status(cluster, "v1", "pods", "web", "{phase: Succeeded}");
  settle(cluster);
  g_assert_true(is_leaving(cluster, "persistentvolumeclaims", "data"));
  cluster_delete(cluster, "v1", "pods", true, "web", NULL);
  cluster_wait(!has_claim(cluster));
}

/* A pod without a node uses nothing yet. */
static void test_unscheduled(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "persistentvolumeclaims", true, CLAIM);
  cluster_create(cluster, "v1", "pods", true, POD("schedulerName: nobody, "));
  delete_claim(cluster);
  cluster_wait(!has_claim(cluster));
}

/* Of an ephemeral volume the claim of the pod itself counts, until the node is done with the pod. */
static void test_ephemeral(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_hold_kubelet(cluster, true);
  cluster_create(cluster, "v1", "pods", true,
                 "{metadata: {name: web, finalizers: [example.com/held]}, spec: {nodeName: node-1, containers: [{name: "
                 "c, image: i}], volumes: [{name: data, ephemeral: {volumeClaimTemplate: {spec: {accessModes: "
                 "[ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1Gi}}}}}}]}}");
  cluster_wait(cluster_exists(cluster, "v1", "persistentvolumeclaims", "web-data"));
  cluster_delete(cluster, "v1", "persistentvolumeclaims", true, "web-data", NULL);
  settle(cluster);
  g_assert_true(is_leaving(cluster, "persistentvolumeclaims", "web-data"));
  cluster_delete(cluster, "v1", "pods", true, "web", NULL);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(!cluster_exists(cluster, "v1", "persistentvolumeclaims", "web-data"));
  g_assert_true(is_leaving(cluster, "pods", "web"));
}

static void test_volume(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "persistentvolumes", false,
                 "{metadata: {name: vol}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: "
                 "{path: /x}, storageClassName: none}}");
  g_assert_true(has_finalizer(cluster, "persistentvolumes", "vol", VOLUME_FINALIZER));
  cluster_create(cluster, "v1", "persistentvolumeclaims", true, CLAIM);
  cluster_wait(({
    g_autoptr(json_t) volume = cluster_get(cluster, "v1", "persistentvolumes", false, "vol");
    strcmp(json_str(json_object_get(volume, "status"), "phase", ""), "Bound") == 0;
  }));
  cluster_delete(cluster, "v1", "persistentvolumes", false, "vol", NULL);
  settle(cluster);
  g_assert_true(is_leaving(cluster, "persistentvolumes", "vol"));
  delete_claim(cluster);
  cluster_wait(!has_claim(cluster));
  cluster_wait(!cluster_exists(cluster, "v1", "persistentvolumes", "vol"));
}

/* What was made while nobody added finalizers gets them, what was deleted while nobody looked goes. */
static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "persistentvolumeclaims", true, CLAIM);
  cluster_stop(cluster);
  cluster_create(cluster, "v1", "persistentvolumeclaims", true,
                 "{metadata: {name: bare}, spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: "
                 "{requests: {storage: 1Gi}}}}");
  cluster_patch(cluster, "v1", "persistentvolumeclaims", "bare", "{metadata: {finalizers: null}}");
  delete_claim(cluster);
  g_assert_true(is_leaving(cluster, "persistentvolumeclaims", "data"));
  cluster_resume(cluster);
  cluster_wait(!has_claim(cluster));
  cluster_wait(has_finalizer(cluster, "persistentvolumeclaims", "bare", CLAIM_FINALIZER));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/storage-protection/unused", test_unused);
  g_test_add_func("/storage-protection/used", test_used);
  g_test_add_func("/storage-protection/unscheduled", test_unscheduled);
  g_test_add_func("/storage-protection/ephemeral", test_ephemeral);
  g_test_add_func("/storage-protection/volume", test_volume);
  g_test_add_func("/storage-protection/restart", test_restart);
  return g_test_run();
}
