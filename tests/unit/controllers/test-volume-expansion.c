#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "cluster.h"
#include "clusterd/client/conditions.h"

#define CLASS                                                                                                          \
  "{metadata: {name: grows}, provisioner: k8s.io/minikube-hostpath, allowVolumeExpansion: true, volumeBindingMode: "   \
  "Immediate}"
#define CLAIM                                                                                                          \
  "{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], storageClassName: grows, volumeName: vol, "           \
  "resources: {requests: {storage: 1Gi}}}}"
#define PROVISIONED "annotations: {pv.kubernetes.io/provisioned-by: k8s.io/minikube-hostpath}"
#define HOST_PATH "hostPath: {path: /x}"
#define LOCAL                                                                                                          \
  "local: {path: /x}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: "                        \
  "kubernetes.io/hostname, operator: In, values: [node-1]}]}]}}"
#define CSI "csi: {driver: example.com, volumeHandle: v1}"
#define VOLUME(metadata, source)                                                                                       \
  "{metadata: {name: vol, " metadata "}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], "              \
  "storageClassName: grows, " source "}}"

static json_t *claim_of(Cluster *cluster)
{
  return cluster_get(cluster, "v1", "persistentvolumeclaims", true, "data");
}

static bool is_bound(Cluster *cluster)
{
  g_autoptr(json_t) claim = claim_of(cluster);
  return strcmp(json_str(json_object_get(claim, "status"), "phase", ""), "Bound") == 0;
}

static bool has(Cluster *cluster, const char *size)
{
  g_autoptr(json_t) claim = claim_of(cluster);
  return strcmp(json_str(json_at(claim, "status", "capacity", NULL), "storage", ""), size) == 0;
}

static bool has_condition(Cluster *cluster, const char *type)
{
  g_autoptr(json_t) claim = claim_of(cluster);
  return condition_is(json_object_get(claim, "status"), type, "True");
}

static Cluster *bound(const char *volume)
{
  Cluster *cluster = cluster_new();
  cluster_create(cluster, "storage.k8s.io/v1", "storageclasses", false, CLASS);
  cluster_create(cluster, "v1", "persistentvolumes", false, volume);
  cluster_create(cluster, "v1", "persistentvolumeclaims", true, CLAIM);
  cluster_wait(is_bound(cluster));
  return cluster;
}

static void ask(Cluster *cluster, const char *size)
{
  g_autofree char *patch = g_strdup_printf("{spec: {resources: {requests: {storage: %s}}}}", size);
  cluster_patch(cluster, "v1", "persistentvolumeclaims", "data", patch);
}

static void test_folder(void)
{
  g_autoptr(Cluster) cluster = bound(VOLUME(PROVISIONED, HOST_PATH));
  ask(cluster, "5Gi");
  cluster_wait(has(cluster, "5Gi"));
  cluster_wait(cluster_has_event(cluster, "data", "Resizing", "External resizer is resizing volume vol"));
  cluster_wait(cluster_has_event(cluster, "data", "VolumeResizeSuccessful", "Resize volume succeeded"));
  g_autoptr(json_t) volume = cluster_get(cluster, "v1", "persistentvolumes", false, "vol"), claim = claim_of(cluster);
  const json_t *status = json_object_get(claim, "status");
  g_assert_cmpstr(json_str(json_at(volume, "spec", "capacity", NULL), "storage", ""), ==, "5Gi");
  g_assert_cmpstr(json_str(json_object_get(status, "allocatedResources"), "storage", ""), ==, "5Gi");
  g_assert_null(json_object_get(status, "allocatedResourceStatuses"));
  g_assert_null(json_object_get(status, "conditions"));
}

/* Only the class says whether a claim may grow; none may shrink. */
static void test_refused(void)
{
  g_autoptr(Cluster) cluster = bound(VOLUME(PROVISIONED, HOST_PATH));
  g_autoptr(json_t) more = json_pack("{s:{s:{s:{s:s}}}}", "spec", "resources", "requests", "storage", "5Gi");
  g_autoptr(json_t) less = json_pack("{s:{s:{s:{s:s}}}}", "spec", "resources", "requests", "storage", "512Mi");
  g_autoptr(GError) error = NULL;
  cluster_patch(cluster, "storage.k8s.io/v1", "storageclasses", "grows", "{allowVolumeExpansion: false}");
  g_assert_null(client_patch(cluster_client(cluster), "v1", "persistentvolumeclaims", "default", "data", NULL,
                             PATCH_MERGE, more, &error));
  g_assert_true(reason_is(error, REASON_FORBIDDEN));
  g_assert_nonnull(strstr(error->message, "only dynamically provisioned pvc can be resized"));
  g_clear_error(&error);
  g_assert_null(client_patch(cluster_client(cluster), "v1", "persistentvolumeclaims", "default", "data", NULL,
                             PATCH_MERGE, less, &error));
  g_assert_nonnull(strstr(error->message, "field can not be less than status.capacity"));
}

/* A stop after each step: in the end both ends say the same. */
static void test_restart(void)
{
  for (int step = 0; step < 3; step++) {
    g_autoptr(Cluster) cluster = bound(VOLUME(PROVISIONED, HOST_PATH));
    cluster_stop(cluster);
    ask(cluster, "5Gi");
    if (step > 0)
      cluster_set_status(cluster, "v1", "persistentvolumeclaims", "data",
                         "{allocatedResources: {storage: 5Gi}, allocatedResourceStatuses: {storage: "
                         "ControllerResizeInProgress}, conditions: [{type: Resizing, status: 'True'}]}");
    if (step > 1)
      cluster_patch(cluster, "v1", "persistentvolumes", "vol", "{spec: {capacity: {storage: 5Gi}}}");
    g_assert_true(has(cluster, "1Gi"));
    cluster_resume(cluster);
    cluster_wait(has(cluster, "5Gi") && !has_condition(cluster, "Resizing"));
    g_autoptr(json_t) volume = cluster_get(cluster, "v1", "persistentvolumes", false, "vol");
    g_assert_cmpstr(json_str(json_at(volume, "spec", "capacity", NULL), "storage", ""), ==, "5Gi");
  }
}

/* Asked for again and again, it ends with the last. */
static void test_storm(void)
{
  g_autoptr(Cluster) cluster = bound(VOLUME(PROVISIONED, HOST_PATH));
  for (int i = 2; i <= 20; i++) {
    g_autofree char *size = g_strdup_printf("%dGi", i);
    ask(cluster, size);
  }
  cluster_wait(has(cluster, "20Gi"));
  cluster_wait(!has_condition(cluster, "Resizing"));
}

static void test_local(void)
{
  g_autoptr(Cluster) cluster = bound(VOLUME("", LOCAL));
  ask(cluster, "5Gi");
  cluster_wait(
      cluster_has_event(cluster, "data", "ExternalExpanding", "waiting for an external controller to expand this PVC"));
  g_assert_true(has(cluster, "1Gi"));
  cluster_patch(cluster, "v1", "persistentvolumes", "vol", "{spec: {capacity: {storage: 6Gi}}}");
  cluster_wait(has_condition(cluster, "FileSystemResizePending"));
  g_autoptr(json_t) claim = claim_of(cluster);
  const json_t *status = json_object_get(claim, "status");
  g_assert_cmpstr(json_str(condition_get(status, "FileSystemResizePending"), "message", ""), ==,
                  "Waiting for user to (re-)start a pod to finish file system resize of volume on node.");
  g_assert_cmpstr(json_str(json_object_get(status, "allocatedResourceStatuses"), "storage", ""), ==,
                  "NodeResizePending");
  g_assert_true(has(cluster, "1Gi"));
  cluster_create(cluster, "v1", "pods", true,
                 "{metadata: {name: web}, spec: {containers: [{name: c, image: i}], volumes: [{name: data, "
                 "persistentVolumeClaim: {claimName: data}}]}}");
  cluster_wait(has(cluster, "6Gi") && !has_condition(cluster, "FileSystemResizePending"));
  cluster_wait(cluster_has_event(cluster, "data", "FileSystemResizeSuccessful",
                                 "MountVolume.NodeExpandVolume succeeded for volume \"vol\""));
}

/* The driver's own resizer does it. */
static void test_external(void)
{
  g_autoptr(Cluster) cluster = bound(VOLUME("", CSI));
  ask(cluster, "5Gi");
  cluster_wait(
      cluster_has_event(cluster, "data", "ExternalExpanding", "waiting for an external controller to expand this PVC"));
  g_assert_true(has(cluster, "1Gi"));
  g_assert_false(has_condition(cluster, "Resizing"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/expansion/folder", test_folder);
  g_test_add_func("/expansion/refused", test_refused);
  g_test_add_func("/expansion/restart", test_restart);
  g_test_add_func("/expansion/storm", test_storm);
  g_test_add_func("/expansion/local", test_local);
  g_test_add_func("/expansion/external", test_external);
  return g_test_run();
}
