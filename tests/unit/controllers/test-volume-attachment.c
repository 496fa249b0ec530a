#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"

#define API "storage.k8s.io/v1"
#define UNIQUE "kubernetes.io/csi/example.com^handle-1"
#define POD(name)                                                                                                      \
  "{metadata: {name: " name "}, spec: {nodeName: node-1, containers: [{name: c, image: i}], volumes: [{name: data, "   \
  "persistentVolumeClaim: {claimName: data}}]}}"

/* The name both kubelets and attachers compute: of handle, driver and node. */
static char *name_of(void)
{
  g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "handle-1example.comnode-1", -1);
  return g_strconcat("csi-", sum, NULL);
}

static json_t *attachment_of(Cluster *cluster)
{
  g_autofree char *name = name_of();
  return cluster_get(cluster, API, "volumeattachments", false, name);
}

static bool is_there(Cluster *cluster)
{
  g_autoptr(json_t) attachment = attachment_of(cluster);
  return attachment != NULL;
}

static bool is_listed(Cluster *cluster)
{
  g_autoptr(json_t) node = cluster_get(cluster, "v1", "nodes", false, "node-1");
  return json_find(json_at(node, "status", "volumesAttached", NULL), "name", UNIQUE) != NULL;
}

static void set_up(Cluster *cluster, const char *driver)
{
  if (driver)
    cluster_create(cluster, API, "csidrivers", false, driver);
  cluster_create(cluster, "v1", "persistentvolumes", false,
                 "{metadata: {name: vol}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], "
                 "storageClassName: none, csi: {driver: example.com, volumeHandle: handle-1}}}");
  cluster_create(cluster, "v1", "persistentvolumeclaims", true,
                 "{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: "
                 "{requests: {storage: 1Gi}}}}");
  cluster_wait(({
    g_autoptr(json_t) claim = cluster_get(cluster, "v1", "persistentvolumeclaims", true, "data");
    strcmp(json_str(json_object_get(claim, "status"), "phase", ""), "Bound") == 0;
  }));
}

/* What the driver's attacher writes. */
static void write_attached(Cluster *cluster, const char *status)
{
  g_autofree char *name = name_of();
  cluster_set_status(cluster, API, "volumeattachments", name, status);
}

static void test_life(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  set_up(cluster, "{metadata: {name: example.com}, spec: {attachRequired: true}}");
  g_assert_false(is_there(cluster));
  cluster_create(cluster, "v1", "pods", true, POD("first"));
  cluster_wait(is_there(cluster));
  g_autoptr(json_t) attachment = attachment_of(cluster);
  const json_t *spec = json_object_get(attachment, "spec");
  g_assert_cmpstr(json_str(spec, "attacher", ""), ==, "example.com");
  g_assert_cmpstr(json_str(spec, "nodeName", ""), ==, "node-1");
  g_assert_cmpstr(json_str(json_object_get(spec, "source"), "persistentVolumeName", ""), ==, "vol");
  g_assert_false(is_listed(cluster));
  write_attached(cluster, "{attached: false, attachError: {message: no such disk}}");
  cluster_wait(cluster_has_event(cluster, "first", "FailedAttachVolume",
                                 "AttachVolume.Attach failed for volume \"vol\" : no such disk"));
  write_attached(cluster, "{attached: true, attachError: null}");
  cluster_wait(is_listed(cluster));
  cluster_wait(cluster_has_event(cluster, "first", "SuccessfulAttachVolume",
                                 "AttachVolume.Attach succeeded for volume \"vol\""));
  /* It stays while any pod on the node needs it. */
  cluster_create(cluster, "v1", "pods", true, POD("second"));
  cluster_delete(cluster, "v1", "pods", true, "first", NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "pods", "first"));
  g_assert_true(is_listed(cluster));
  g_autofree char *name = name_of();
  cluster_patch(cluster, API, "volumeattachments", name, "{metadata: {finalizers: [external-attacher/example-com]}}");
  cluster_set_status(cluster, "v1", "pods", "second", "{phase: Succeeded}");
  cluster_wait(({
    g_autoptr(json_t) value = attachment_of(cluster);
    json_at(value, "metadata", "deletionTimestamp", NULL) != NULL;
  }));
  g_assert_true(is_listed(cluster)); /* until the attacher has detached it */
  cluster_patch(cluster, API, "volumeattachments", name, "{metadata: {finalizers: null}}");
  cluster_wait(!is_there(cluster));
  cluster_wait(!is_listed(cluster));
}

/* A driver that need not attach, or a volume without one. */
static void test_not_needed(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  set_up(cluster, "{metadata: {name: example.com}, spec: {attachRequired: false}}");
  cluster_create(cluster, "v1", "persistentvolumes", false,
                 "{metadata: {name: folder}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], "
                 "storageClassName: none, hostPath: {path: /x}}}");
  cluster_create(cluster, "v1", "pods", true, POD("first"));
  cluster_stop(cluster); /* everything that was queued has been done or will be after the start */
  cluster_resume(cluster);
  cluster_wait(({
    g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, "first");
    strcmp(json_str(json_object_get(pod, "status"), "phase", ""), "Running") == 0;
  }));
  g_autoptr(ObjectList) all = client_list(cluster_client(cluster), API, "volumeattachments", NULL, NULL, NULL);
  g_assert_cmpuint(all->objects->len, ==, 0);
  /* without the driver's word it has to be attached */
  cluster_delete(cluster, API, "csidrivers", false, "example.com", NULL);
  cluster_wait(!cluster_exists(cluster, API, "csidrivers", "example.com"));
  cluster_delete(cluster, "v1", "pods", true, "first", NULL);
  cluster_create(cluster, "v1", "pods", true, POD("second"));
  cluster_wait(is_there(cluster));
}

static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  set_up(cluster, NULL);
  cluster_stop(cluster);
  cluster_create(cluster, "v1", "pods", true, POD("first"));
  g_assert_false(is_there(cluster));
  cluster_resume(cluster);
  cluster_wait(is_there(cluster));
  cluster_stop(cluster);
  write_attached(cluster, "{attached: true}");
  cluster_resume(cluster);
  cluster_wait(is_listed(cluster));
  cluster_stop(cluster);
  cluster_set_status(cluster, "v1", "pods", "first", "{phase: Failed}");
  cluster_resume(cluster);
  cluster_wait(!is_there(cluster));
  cluster_wait(!is_listed(cluster));
}

/* One that is left when its volume is gone goes too. */
static void test_volume_gone(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, API, "volumeattachments", false,
                 "{metadata: {name: csi-left}, spec: {attacher: example.com, nodeName: node-1, source: "
                 "{persistentVolumeName: gone}}}");
  cluster_create(cluster, API, "volumeattachments", false,
                 "{metadata: {name: by-hand}, spec: {attacher: example.com, nodeName: node-1, source: "
                 "{persistentVolumeName: gone}}}");
  cluster_wait(!cluster_exists(cluster, API, "volumeattachments", "csi-left"));
  g_assert_true(cluster_exists(cluster, API, "volumeattachments", "by-hand"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/attachment/life", test_life);
  g_test_add_func("/attachment/not-needed", test_not_needed);
  g_test_add_func("/attachment/restart", test_restart);
  g_test_add_func("/attachment/volume-gone", test_volume_gone);
  return g_test_run();
}
