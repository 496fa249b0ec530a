#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/client/pod.h"
#include "workload.h"

#define DB(replicas, more)                                                                                             \
  "{metadata: {name: db}, spec: {serviceName: peers, replicas: " #replicas                                             \
  ", selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, "     \
  "image: one}]}}" more "}}"
#define CLAIMS                                                                                                         \
  ", volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: local, accessModes: [ReadWriteOnce], "   \
  "resources: {requests: {storage: 1Gi}}}}]"
#define IMAGE(name) "{spec: {template: {spec: {containers: [{name: c, image: " name "}]}}}}"

static void add_set(Cluster *cluster, const char *yaml)
{
  cluster_create(cluster, "apps/v1", "statefulsets", true, yaml);
}

static void patch(Cluster *cluster, const char *yaml)
{
  cluster_patch(cluster, "apps/v1", "statefulsets", "db", yaml);
}

static bool has(Cluster *cluster, const char *member, int64_t count)
{
  return workload_has(cluster, "statefulsets", "db", member, count);
}

/* All pods are there, available, and of the present template. */
static bool is_done(Cluster *cluster, int64_t replicas)
{
  return has(cluster, "replicas", replicas) && has(cluster, "availableReplicas", replicas) &&
         has(cluster, "readyReplicas", replicas) && has(cluster, "updatedReplicas", replicas) &&
         has(cluster, "currentReplicas", replicas);
}

static bool are(Cluster *cluster, const char *names)
{
  return workload_pods_are(cluster, "db", names);
}

static bool exists(Cluster *cluster, const char *pod)
{
  return cluster_exists(cluster, "v1", "pods", pod);
}

/* What the claims are bound to; without it their pods are placed nowhere. */
static void add_volumes(Cluster *cluster)
{
  cluster_create(cluster, "storage.k8s.io/v1", "storageclasses", false,
                 "{metadata: {name: local}, provisioner: kubernetes.io/no-provisioner, volumeBindingMode: "
                 "WaitForFirstConsumer}");
  for (int i = 0; i < 6; i++) {
    g_autofree char *yaml =
        g_strdup_printf("{metadata: {name: volume-%d}, spec: {capacity: {storage: 1Gi}, accessModes: "
                        "[ReadWriteOnce], storageClassName: local, hostPath: {path: /volume-%d}}}",
                        i, i);
    cluster_create(cluster, "v1", "persistentvolumes", false, yaml);
  }
}

static bool has_claim(Cluster *cluster, const char *name)
{
  return cluster_exists(cluster, "v1", "persistentvolumeclaims", name);
}

static bool is_placed(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  return *pod_node(pod) != '\0';
}

static char *status_text(Cluster *cluster, const char *member)
{
  g_autoptr(json_t) set = cluster_get(cluster, "apps/v1", "statefulsets", true, "db");
  return g_strdup(json_str(json_object_get(set, "status"), member, ""));
}

static bool has_image(Cluster *cluster, const char *name, const char *image)
{
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  const json_t *container = json_array_get(json_at(pod, "spec", "containers", NULL), 0);
  return strcmp(json_str(container, "image", ""), image) == 0;
}

static unsigned count_revisions(Cluster *cluster)
{
  return cluster_count(cluster, "apps/v1", "controllerrevisions", NULL);
}

/* Pods come in order, each when the one before is running and ready, and go in the reverse; their claims stay. */
static void test_order(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_volumes(cluster);
  cluster_hold_kubelet(cluster, true);
  add_set(cluster, DB(3, CLAIMS));
  for (int i = 0; i < 3; i++) {
    g_autofree char *name = g_strdup_printf("db-%d", i), *next = g_strdup_printf("db-%d", i + 1);
    g_autofree char *text = g_strdup_printf("create Pod db-%d in StatefulSet db successful", i);
    g_autofree char *claim_text = g_strdup_printf("create Claim data-db-%d Pod db-%d in StatefulSet db success", i, i);
    cluster_wait(has(cluster, "replicas", i + 1));
    g_assert_true(exists(cluster, name) && !exists(cluster, next));
    cluster_wait(cluster_has_event(cluster, "db", "SuccessfulCreate", text));
    cluster_wait(cluster_has_event(cluster, "db", "SuccessfulCreate", claim_text));
    cluster_wait(is_placed(cluster, name));
    workload_run_pod(cluster, name, 0);
  }
  cluster_wait(is_done(cluster, 3));
  patch(cluster, "{spec: {replicas: 1}}");
  for (int i = 2; i > 0; i--) {
    g_autofree char *name = g_strdup_printf("db-%d", i);
    g_autofree char *text = g_strdup_printf("delete Pod db-%d in StatefulSet db successful", i);
    cluster_wait(cluster_count_pods(cluster, "db") == (unsigned)i);
    cluster_wait(has(cluster, "currentReplicas", i));
    g_assert_true(exists(cluster, name));
    workload_drop_pod(cluster, name);
    cluster_wait(cluster_has_event(cluster, "db", "SuccessfulDelete", text));
  }
  cluster_wait(is_done(cluster, 1));
  g_assert_true(has_claim(cluster, "data-db-0") && has_claim(cluster, "data-db-2"));
  cluster_delete(cluster, "apps/v1", "statefulsets", true, "db", "Background");
  cluster_hold_kubelet(cluster, false);
  cluster_wait(!exists(cluster, "db-0"));
  g_assert_true(has_claim(cluster, "data-db-0"));
}

/* Names, hosts, labels and volumes. */
static void test_identity(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_volumes(cluster);
  add_set(cluster, DB(2, CLAIMS));
  cluster_wait(is_done(cluster, 2));
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, "db-1");
  const json_t *spec = json_object_get(pod, "spec"), *labels = json_at(pod, "metadata", "labels", NULL);
  g_autofree char *revision = status_text(cluster, "updateRevision");
  g_assert_cmpstr(json_str(spec, "hostname", ""), ==, "db-1");
  g_assert_cmpstr(json_str(spec, "subdomain", ""), ==, "peers");
  g_assert_cmpstr(json_str(labels, "statefulset.kubernetes.io/pod-name", ""), ==, "db-1");
  g_assert_cmpstr(json_str(labels, "apps.kubernetes.io/pod-index", ""), ==, "1");
  g_assert_cmpstr(json_str(labels, "controller-revision-hash", ""), ==, revision);
  g_assert_true(g_str_has_prefix(revision, "db-"));
  const json_t *volume = json_find(json_object_get(spec, "volumes"), "name", "data");
  g_assert_cmpstr(json_str(json_object_get(volume, "persistentVolumeClaim"), "claimName", ""), ==, "data-db-1");
  g_autofree char *label = workload_note(cluster, "v1", "persistentvolumeclaims", "data-db-1", "labels", "app");
  g_assert_cmpstr(label, ==, "db");
  g_autofree char *hash =
      workload_note(cluster, "apps/v1", "controllerrevisions", revision, "labels", "controller.kubernetes.io/hash");
  g_assert_cmpstr(hash, ==, revision + strlen("db-"));
  /* Who takes the label away gives it back. */
  cluster_patch(cluster, "v1", "pods", "db-1", "{metadata: {labels: {statefulset.kubernetes.io/pod-name: null}}}");
  cluster_wait(cluster_has_event(cluster, "db", "SuccessfulUpdate", "update Pod db-1 in StatefulSet db successful"));
  g_autofree char *name = workload_note(cluster, "v1", "pods", "db-1", "labels", "statefulset.kubernetes.io/pod-name");
  g_assert_cmpstr(name, ==, "db-1");
}

/* Parallel is about scaling alone: an update still goes one by one. */
static void test_parallel(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_hold_kubelet(cluster, true);
  add_set(cluster, DB(3, ", podManagementPolicy: Parallel"));
  cluster_wait(has(cluster, "replicas", 3));
  cluster_wait(is_placed(cluster, "db-0") && is_placed(cluster, "db-1") && is_placed(cluster, "db-2"));
  workload_run_pods(cluster, "db");
  cluster_wait(is_done(cluster, 3));
  patch(cluster, IMAGE("two"));
  cluster_wait(are(cluster, "db-0 db-1"));
  cluster_wait(has(cluster, "updatedReplicas", 0) && has(cluster, "currentReplicas", 2));
  g_assert_true(are(cluster, "db-0 db-1"));
  patch(cluster, "{spec: {replicas: 0}}");
  cluster_wait(are(cluster, ""));
  g_assert_cmpuint(cluster_count(cluster, "v1", "pods", "db"), ==, 3);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_done(cluster, 0));
}

/* From the highest number down to the partition; what is below comes back as it was. */
static void test_partition(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, DB(3, ", updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 2}}"));
  cluster_wait(is_done(cluster, 3));
  patch(cluster, IMAGE("two"));
  cluster_wait(has(cluster, "updatedReplicas", 1) && has(cluster, "readyReplicas", 3));
  g_assert_true(has_image(cluster, "db-2", "two") && has_image(cluster, "db-1", "one"));
  g_assert_cmpint(workload_count(cluster, "statefulsets", "db", "currentReplicas"), ==, 2);
  g_autofree char *current = status_text(cluster, "currentRevision"), *update = status_text(cluster, "updateRevision");
  g_assert_cmpstr(current, !=, update);
  g_autoptr(json_t) before = cluster_get(cluster, "v1", "pods", true, "db-0");
  cluster_delete(cluster, "v1", "pods", true, "db-0", NULL);
  g_autoptr(json_t) after = NULL;
  cluster_wait(
      (json_decref(after), after = cluster_get(cluster, "v1", "pods", true, "db-0"),
       after && !json_same(json_at(after, "metadata", "uid", NULL), json_at(before, "metadata", "uid", NULL))));
  g_assert_true(has_image(cluster, "db-0", "one"));
  patch(cluster, "{spec: {updateStrategy: {rollingUpdate: {partition: 0}}}}");
  cluster_wait(is_done(cluster, 3) && workload_images(cluster, "db", "two") == 3);
  g_autofree char *reached = status_text(cluster, "currentRevision");
  g_assert_cmpstr(reached, ==, update);
}

/* One at a time, each only when those above serve. */
static void test_update_order(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, DB(3, ""));
  cluster_wait(is_done(cluster, 3));
  cluster_hold_kubelet(cluster, true);
  patch(cluster, IMAGE("two"));
  for (int i = 2; i >= 0; i--) {
    g_autofree char *name = g_strdup_printf("db-%d", i);
    g_autoptr(json_t) pod = NULL;
    cluster_wait((json_decref(pod), pod = cluster_get(cluster, "v1", "pods", true, name), pod_is_deleting(pod)));
    g_assert_cmpuint(cluster_count_pods(cluster, "db"), ==, 2);
    workload_drop_pod(cluster, name);
    cluster_wait(has_image(cluster, name, "two"));
    cluster_wait(has(cluster, "replicas", 3) && has(cluster, "updatedReplicas", 3 - i));
    g_assert_cmpuint(cluster_count_pods(cluster, "db"), ==, 3);
    workload_run_pod(cluster, name, 0);
  }
  cluster_wait(is_done(cluster, 3));
}

static void test_on_delete(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, DB(2, ", updateStrategy: {type: OnDelete}"));
  cluster_wait(has(cluster, "availableReplicas", 2));
  g_autofree char *before = status_text(cluster, "currentRevision");
  patch(cluster, IMAGE("two"));
  cluster_wait(has(cluster, "updatedReplicas", 0));
  g_assert_cmpuint(workload_images(cluster, "db", "one"), ==, 2);
  cluster_delete(cluster, "v1", "pods", true, "db-0", NULL);
  cluster_delete(cluster, "v1", "pods", true, "db-1", NULL);
  cluster_wait(workload_images(cluster, "db", "two") == 2 && has(cluster, "updatedReplicas", 2) &&
               has(cluster, "readyReplicas", 2));
  g_autofree char *after = status_text(cluster, "currentRevision");
  g_assert_cmpstr(after, ==, before);
}

/* A pod that has ended comes back under its name. */
static void test_ended(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, DB(2, ""));
  cluster_wait(is_done(cluster, 2));
  workload_end_pod(cluster, "db-1", "Failed");
  cluster_wait(
      cluster_has_event(cluster, "db", "RecreatingFailedPod", "StatefulSet default/db is recreating failed Pod db-1"));
  cluster_wait(is_done(cluster, 2));
  workload_end_pod(cluster, "db-0", "Succeeded");
  cluster_wait(cluster_has_event(cluster, "db", "RecreatingTerminatedPod",
                                 "StatefulSet default/db is recreating terminated Pod db-0"));
  cluster_wait(is_done(cluster, 2));
}

/* A revision that does not work stays in the way of the one that mends it, until its pod is deleted. */
static void test_broken_revision(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, DB(2, ""));
  cluster_wait(is_done(cluster, 2));
  cluster_hold_kubelet(cluster, true);
  patch(cluster, IMAGE("broken"));
  cluster_wait(are(cluster, "db-0"));
  workload_drop_pod(cluster, "db-1");
  cluster_wait(has_image(cluster, "db-1", "broken") && is_placed(cluster, "db-1"));
  patch(cluster, IMAGE("good"));
  cluster_wait(has(cluster, "updatedReplicas", 0));
  g_assert_true(are(cluster, "db-0 db-1") && has_image(cluster, "db-1", "broken"));
  workload_drop_pod(cluster, "db-1");
  cluster_wait(has_image(cluster, "db-1", "good"));
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_done(cluster, 2) && workload_images(cluster, "db", "good") == 2);
}

static void test_min_ready(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_hold_kubelet(cluster, true);
  add_set(cluster, DB(2, ", minReadySeconds: 3600"));
  cluster_wait(exists(cluster, "db-0"));
  workload_run_pod(cluster, "db-0", 0);
  cluster_wait(has(cluster, "readyReplicas", 1) && has(cluster, "availableReplicas", 0));
  g_assert_false(exists(cluster, "db-1"));
  patch(cluster, "{spec: {minReadySeconds: 1}}");
  cluster_wait(exists(cluster, "db-1")); /* time alone */
}

static void test_start(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, DB(2, ", ordinals: {start: 5}"));
  cluster_wait(is_done(cluster, 2) && are(cluster, "db-5 db-6"));
  patch(cluster, "{spec: {ordinals: {start: 6}}}");
  cluster_wait(is_done(cluster, 2) && are(cluster, "db-6 db-7"));
}

static void test_adoption(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "pods", true,
                 "{metadata: {name: db-0, labels: {app: db}}, spec: {containers: [{name: c, image: zero}]}}");
  cluster_create(cluster, "v1", "pods", true,
                 "{metadata: {name: other, labels: {app: db}}, spec: {containers: [{name: c, image: zero}]}}");
  add_set(cluster, DB(1, ", updateStrategy: {type: OnDelete}"));
  cluster_wait(has(cluster, "replicas", 1) && has(cluster, "readyReplicas", 1));
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, "db-0");
  g_autoptr(json_t) other = cluster_get(cluster, "v1", "pods", true, "other");
  g_assert_cmpuint(json_array_size(json_at(pod, "metadata", "ownerReferences", NULL)), ==, 1);
  g_assert_null(json_at(other, "metadata", "ownerReferences", NULL));
  cluster_patch(cluster, "v1", "pods", "db-0", "{metadata: {labels: {app: other}}}");
  g_autoptr(json_t) released = NULL;
  cluster_wait((json_decref(released), released = cluster_get(cluster, "v1", "pods", true, "db-0"),
                !json_at(released, "metadata", "ownerReferences", NULL)));
}

/* What is scaled away takes its claim along; what comes back gets a new one. */
static void test_retention_scaled(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_volumes(cluster);
  add_set(cluster, DB(2, CLAIMS ", persistentVolumeClaimRetentionPolicy: {whenScaled: Delete}"));
  cluster_wait(is_done(cluster, 2));
  g_autoptr(json_t) before = cluster_get(cluster, "v1", "persistentvolumeclaims", true, "data-db-1");
  g_assert_null(json_at(before, "metadata", "ownerReferences", NULL));
  cluster_hold_kubelet(cluster, true);
  patch(cluster, "{spec: {replicas: 1}}");
  g_autoptr(json_t) claim = NULL;
  cluster_wait((json_decref(claim), claim = cluster_get(cluster, "v1", "persistentvolumeclaims", true, "data-db-1"),
                json_array_size(json_at(claim, "metadata", "ownerReferences", NULL)) == 1));
  /* Wanted again before the pod is gone: it waits for pod and claim to go. */
  cluster_wait(are(cluster, "db-0"));
  patch(cluster, "{spec: {replicas: 2}}");
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_done(cluster, 2));
  g_autoptr(json_t) after = cluster_get(cluster, "v1", "persistentvolumeclaims", true, "data-db-1");
  g_assert_false(json_same(json_at(before, "metadata", "uid", NULL), json_at(after, "metadata", "uid", NULL)));
  patch(cluster, "{spec: {replicas: 0}}");
  cluster_wait(!has_claim(cluster, "data-db-0") && !has_claim(cluster, "data-db-1"));
}

static void test_retention_deleted(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_volumes(cluster);
  add_set(cluster, DB(2, CLAIMS));
  cluster_wait(is_done(cluster, 2));
  patch(cluster, "{spec: {persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}}}");
  g_autoptr(json_t) claim = NULL;
  cluster_wait((json_decref(claim), claim = cluster_get(cluster, "v1", "persistentvolumeclaims", true, "data-db-1"),
                json_array_size(json_at(claim, "metadata", "ownerReferences", NULL)) == 1));
  patch(cluster, "{spec: {replicas: 1}}");
  cluster_wait(is_done(cluster, 1));
  g_assert_true(has_claim(cluster, "data-db-1"));
  cluster_delete(cluster, "apps/v1", "statefulsets", true, "db", "Background");
  cluster_wait(!has_claim(cluster, "data-db-0") && !has_claim(cluster, "data-db-1"));
}

/* A claim that is going is waited for. */
static void test_ending_claim(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_volumes(cluster);
  cluster_create(cluster, "v1", "persistentvolumeclaims", true,
                 "{metadata: {name: data-db-0, finalizers: [test.example/hold]}, spec: {accessModes: [ReadWriteOnce], "
                 "resources: {requests: {storage: 1Gi}}}}");
  cluster_delete(cluster, "v1", "persistentvolumeclaims", true, "data-db-0", NULL);
  add_set(cluster, DB(1, CLAIMS));
  cluster_wait(cluster_has_event(cluster, "db", "FailedCreate",
                                 "create Pod db-0 in StatefulSet db failed error: pvc data-db-0 is being deleted"));
  g_assert_false(exists(cluster, "db-0"));
  cluster_patch(cluster, "v1", "persistentvolumeclaims", "data-db-0", "{metadata: {finalizers: null}}");
  cluster_wait(is_done(cluster, 1) && has_claim(cluster, "data-db-0"));
}

/* Revisions: one a template, renumbered when it comes back, the oldest unused forgotten, adopted by a successor. */
static void test_revisions(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, DB(1, ", revisionHistoryLimit: 1"));
  cluster_wait(is_done(cluster, 1));
  g_autofree char *first = status_text(cluster, "updateRevision");
  patch(cluster, IMAGE("two"));
  cluster_wait(is_done(cluster, 1) && has_image(cluster, "db-0", "two"));
  patch(cluster, IMAGE("one"));
  cluster_wait(is_done(cluster, 1) && has_image(cluster, "db-0", "one"));
  g_autoptr(json_t) revision = cluster_get(cluster, "apps/v1", "controllerrevisions", true, first);
  g_assert_cmpint(json_int(revision, "revision", 0), ==, 3);
  g_assert_cmpuint(count_revisions(cluster), ==, 2);
  patch(cluster, IMAGE("three"));
  cluster_wait(is_done(cluster, 1) && has_image(cluster, "db-0", "three"));
  cluster_wait(count_revisions(cluster) == 2);
  g_assert_true(cluster_exists(cluster, "apps/v1", "controllerrevisions", first));
  cluster_delete(cluster, "apps/v1", "statefulsets", true, "db", "Orphan");
  cluster_wait(!cluster_exists(cluster, "apps/v1", "statefulsets", "db"));
  add_set(cluster, DB(1, ", revisionHistoryLimit: 1"));
  patch(cluster, IMAGE("three"));
  cluster_wait(is_done(cluster, 1) && has_image(cluster, "db-0", "three"));
  cluster_wait(count_revisions(cluster) == 2);
}

/* The name a template's hash leads to is another's: the next is taken, and counted. */
static void test_collision(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, DB(1, ""));
  cluster_wait(is_done(cluster, 1));
  g_autofree char *name = status_text(cluster, "updateRevision");
  cluster_delete(cluster, "apps/v1", "statefulsets", true, "db", "Foreground");
  cluster_wait(!cluster_exists(cluster, "apps/v1", "statefulsets", "db") && count_revisions(cluster) == 0);
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: %s}, revision: 1, data: {spec: other}}", name);
  cluster_create(cluster, "apps/v1", "controllerrevisions", true, yaml);
  add_set(cluster, DB(1, ""));
  cluster_wait(is_done(cluster, 1));
  g_assert_cmpint(workload_count(cluster, "statefulsets", "db", "collisionCount"), ==, 1);
  g_autofree char *other = status_text(cluster, "updateRevision");
  g_assert_cmpstr(other, !=, name);
  /* Counted once: the revision is found by what it holds. */
  patch(cluster, "{metadata: {annotations: {again: 'yes'}}}");
  patch(cluster, "{spec: {replicas: 2}}");
  cluster_wait(is_done(cluster, 2));
  g_assert_cmpint(workload_count(cluster, "statefulsets", "db", "collisionCount"), ==, 1);
  g_assert_cmpuint(count_revisions(cluster), ==, 2);
}

static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_volumes(cluster);
  add_set(cluster, DB(4, CLAIMS));
  for (int i = 0; i < 6; i++) {
    cluster_wait(cluster_count_pods(cluster, "db") > (unsigned)i % 4);
    cluster_stop(cluster);
    g_autofree char *yaml = g_strdup_printf(IMAGE("'%d'"), i);
    patch(cluster, yaml);
    cluster_resume(cluster);
  }
  cluster_wait(is_done(cluster, 4) && workload_images(cluster, "db", "5") == 4);
  g_assert_true(are(cluster, "db-0 db-1 db-2 db-3"));
}

static void test_deleted_while_creating(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  for (int i = 0; i < 4; i++) {
    add_set(cluster, DB(20, ", podManagementPolicy: Parallel"));
    cluster_wait(exists(cluster, "db-1"));
    cluster_delete(cluster, "apps/v1", "statefulsets", true, "db", i % 2 ? "Background" : "Foreground");
    cluster_wait(!cluster_exists(cluster, "apps/v1", "statefulsets", "db") &&
                 cluster_count(cluster, "v1", "pods", "db") == 0 && count_revisions(cluster) == 0);
  }
}

static void test_conflicts(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, DB(1, ""));
  for (int i = 0; i < 60; i++) {
    g_autofree char *yaml = g_strdup_printf("{metadata: {annotations: {n: '%d'}}, spec: {replicas: %d}}", i, 1 + i % 5);
    patch(cluster, yaml);
  }
  cluster_wait(is_done(cluster, 5));
  g_assert_true(are(cluster, "db-0 db-1 db-2 db-3 db-4"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/stateful-set/order", test_order);
  g_test_add_func("/stateful-set/identity", test_identity);
  g_test_add_func("/stateful-set/parallel", test_parallel);
  g_test_add_func("/stateful-set/partition", test_partition);
  g_test_add_func("/stateful-set/update-order", test_update_order);
  g_test_add_func("/stateful-set/on-delete", test_on_delete);
  g_test_add_func("/stateful-set/ended", test_ended);
  g_test_add_func("/stateful-set/broken-revision", test_broken_revision);
  g_test_add_func("/stateful-set/min-ready", test_min_ready);
  g_test_add_func("/stateful-set/start", test_start);
  g_test_add_func("/stateful-set/adoption", test_adoption);
  g_test_add_func("/stateful-set/retention-scaled", test_retention_scaled);
  g_test_add_func("/stateful-set/retention-deleted", test_retention_deleted);
  g_test_add_func("/stateful-set/ending-claim", test_ending_claim);
  g_test_add_func("/stateful-set/revisions", test_revisions);
  g_test_add_func("/stateful-set/collision", test_collision);
  g_test_add_func("/stateful-set/restart", test_restart);
  g_test_add_func("/stateful-set/deleted-while-creating", test_deleted_while_creating);
  g_test_add_func("/stateful-set/conflicts", test_conflicts);
  return g_test_run();
}
