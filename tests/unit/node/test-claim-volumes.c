/* Claims as volumes of pods: what is mounted, and what people read when it is not. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"
#include "clusterd/node/pod/container_plan.h"
#include "clusterd/node/volumes/claim_volume.h"
#include "clusterd/node/volumes/volume_owner.h"
#include "clusterd/node/volumes/volumes.h"

static const NodeFacts node = { .name = "n1", .ip = "10.0.2.15", .cpu_milli = 1000, .memory_bytes = 1 << 30 };

static const VolumeUse mounted = { .mounted = true };

static json_t *parse(const char *text)
{
  g_autoptr(GError) error = NULL;
  json_t *value = yaml_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  return value;
}

/* {persistentvolumeclaims: {name: object}, persistentvolumes: …, nodes: …} */
static json_t *view_object(void *data, const char *plural, const char *namespace_, const char *name)
{
  return json_incref(json_at(data, plural, name, NULL));
}

static GPtrArray *view_services(void *data, const char *namespace_)
{
  return g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
}

static bool view_take(void *data, const char *claim_uid, const json_t *pod)
{
  return !json_at(data, "taken", claim_uid, NULL);
}

static ClusterView view_of(json_t *cluster)
{
  return (ClusterView){ .data = cluster, .object = view_object, .services = view_services, .take_claim = view_take };
}

#define CLAIM(metadata, status)                                                                                        \
  "persistentvolumeclaims: {data: {metadata: {uid: c1" metadata "}, spec: {volumeName: vol}, status: {phase: " status  \
  "}}}"
#define VOLUME(spec)                                                                                                   \
  "persistentvolumes: {vol: {metadata: {name: vol}, spec: {claimRef: {uid: c1}, accessModes: [ReadWriteOnce], " spec   \
  "}}}"
#define AFFINITY(name)                                                                                                 \
  "nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: host, operator: In, values: [" name "]}]}]" \
  "}}"
#define NODES "nodes: {n1: {metadata: {name: n1, labels: {host: here}}}}"
#define PROCESSING                                                                                                     \
  "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]: "   \
  "error processing PVC default/data: "

static void test_texts(void)
{
  static const struct {
    const char *cluster, *text; /* NULL: it is mounted from /tmp */
  } rows[] = {
    { "{}", PROCESSING "failed to fetch PVC from API server: persistentvolumeclaims \"data\" not found" },
    { "{" CLAIM("", "Pending") "}", PROCESSING "PVC is not bound" },
    { "{" CLAIM(", deletionTimestamp: now", "Bound") "," VOLUME("hostPath: {path: /tmp}") "}",
      PROCESSING "PVC is being deleted" },
    { "{" CLAIM("", "Bound") "}",
      PROCESSING "failed to fetch PV vol from API server: persistentvolumes \"vol\" not found" },
    { "{" CLAIM("", "Bound") ", persistentvolumes: {vol: {spec: {}}}}",
      PROCESSING "found PV object vol but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim" },
    { "{" CLAIM("", "Bound") ", persistentvolumes: {vol: {spec: {claimRef: {uid: c0}}}}}",
      PROCESSING "found PV object vol but its pv.Spec.ClaimRef.UID c0 does not point to claim.UID c1" },
    { "{" CLAIM("", "Bound") "," VOLUME("volumeMode: Block, local: {path: /tmp}") "}",
      PROCESSING "volume vol has volumeMode Block, but is specified in volumeMounts" },
    { "{" CLAIM("", "Bound") "," VOLUME("hostPath: {path: /tmp}") "}", NULL },
    { "{" CLAIM("", "Bound") "," VOLUME("hostPath: {path: /tmp, type: File}") "}",
      "MountVolume.SetUp failed for volume \"vol\" : hostPath type check failed: /tmp is not a file" },
    { "{" CLAIM("", "Bound") "," VOLUME("iscsi: {iqn: iqn.2026-01.org.example:a, lun: 0, targetPortal: t}") "}",
      "MountVolume.SetUp failed for volume \"vol\" : no volume plugin matched" },
    { "{" CLAIM("", "Bound") "," VOLUME("local: {path: /tmp}, " AFFINITY("here")) "," NODES "}", NULL },
    { "{" CLAIM("", "Bound") "," VOLUME("local: {path: /no/such/folder}, " AFFINITY("here")) "," NODES "}",
      "MountVolume.NewMounter initialization failed for volume \"vol\" : path \"/no/such/folder\" does not exist" },
    { "{" CLAIM("", "Bound") "," VOLUME("local: {path: /tmp}, " AFFINITY("there")) "," NODES "}",
      "MountVolume.NodeAffinity check failed for volume \"vol\" : no matching NodeSelectorTerms" },
    { "{taken: {c1: yes}, " CLAIM("", "Bound") "," VOLUME("hostPath: {path: /tmp}") "}", NULL },
    { "{taken: {c1: yes}, " CLAIM("", "Bound") ", persistentvolumes: {vol: {spec: {claimRef: {uid: c1}, accessModes: "
                                               "[ReadWriteOncePod], hostPath: {path: /tmp}}}}}",
      "MountVolume.SetUp failed for volume \"vol\" : volume uses the ReadWriteOncePod access mode and is already in "
      "use "
      "by another pod" },
    { "{taken: {c2: yes}, " CLAIM("", "Bound") ", persistentvolumes: {vol: {spec: {claimRef: {uid: c1}, accessModes: "
                                               "[ReadWriteOncePod], hostPath: {path: /tmp}}}}}",
      NULL },
  };
  g_autoptr(json_t) pod = parse("{metadata: {name: p, namespace: default, uid: u1}}");
  g_autoptr(json_t) volume = parse("{name: v, persistentVolumeClaim: {claimName: data}}");
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(json_t) cluster = parse(rows[i].cluster);
    g_autoptr(GError) error = NULL;
    ClusterView view = view_of(cluster);
    VolumeContext context = { .pod = pod, .view = &view, .node = &node };
    g_autofree char *path = claim_volume_path(&context, "/nonexistent", volume, mounted, &error);
    g_assert_cmpstr(error ? error->message : NULL, ==, rows[i].text);
    g_assert_cmpstr(path, ==, rows[i].text ? NULL : "/tmp");
    /* A pod that has run with a claim that is being deleted is what holds it. */
    context.started = true;
    g_autofree char *again = claim_volume_path(&context, "/nonexistent", volume, mounted, NULL);
    bool leaves = strstr(rows[i].cluster, "deletionTimestamp") != NULL;
    g_assert_cmpstr(again, ==, leaves ? "/tmp" : path);
  }
}

/* The claim of a generic ephemeral volume is named after pod and volume, and must be the pod's own. */
static void test_ephemeral(void)
{
  g_autoptr(json_t) pod = parse("{metadata: {name: p, namespace: default, uid: u1}, spec: {volumes: [{name: v, "
                                "ephemeral: {volumeClaimTemplate: {}}}]}}");
  g_autoptr(json_t) own = parse("{persistentvolumeclaims: {p-v: {metadata: {uid: c1, ownerReferences: [{uid: u1, "
                                "controller: true}]}, spec: {volumeName: vol}, status: {phase: Bound}}}, "
                                "persistentvolumes: {vol: {spec: {claimRef: {uid: c1}, hostPath: {path: /tmp}}}}}");
  g_autoptr(json_t) others = parse("{persistentvolumeclaims: {p-v: {metadata: {uid: c1}, spec: {volumeName: vol}, "
                                   "status: {phase: Bound}}}}");
  const json_t *volume = json_array_get(json_at(pod, "spec", "volumes", NULL), 0);
  g_autoptr(GError) error = NULL;
  ClusterView view = view_of(own);
  VolumeContext context = { .pod = pod, .view = &view, .node = &node };
  g_autofree char *path = claim_volume_path(&context, "/nonexistent", volume, mounted, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(path, ==, "/tmp");
  view = view_of(others);
  g_assert_null(claim_volume_path(&context, "/nonexistent", volume, mounted, &error));
  g_assert_nonnull(strstr(error->message, "default/p-v: PVC was not created for pod"));
  g_assert_true(pod_volumes_depend_on(pod, "persistentvolumeclaims", "p-v"));
  g_assert_false(pod_volumes_depend_on(pod, "persistentvolumeclaims", "v"));
}

static bool plan_is_read_only(const ContainerPlan *plan, const char *path)
{
  for (guint i = 0; i < plan->mounts->len; i++) {
    const ContainerMount *mount = &g_array_index(plan->mounts, ContainerMount, i);
    if (g_str_equal(mount->container_path, path))
      return mount->read_only;
  }
  g_assert_not_reached();
}

/* What the pod says of the claim holds for all its containers. What is mounted stays when the claim goes. */
static void test_read_only(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp("claims-XXXXXX", &error);
  g_assert_no_error(error);
  g_autoptr(json_t) pod = parse(
      "{metadata: {name: p, namespace: default, uid: u1}, spec: {volumes: [{name: v, persistentVolumeClaim: "
      "{claimName: "
      "data, readOnly: true}}, {name: w, persistentVolumeClaim: {claimName: data}}], containers: [{name: c, image: i, "
      "volumeMounts: [{name: v, mountPath: /v}, {name: w, mountPath: /w}, {name: w, mountPath: /x, readOnly: "
      "true}]}]}}");
  g_autoptr(json_t) cluster = parse("{" CLAIM("", "Bound") "," VOLUME("hostPath: {path: /tmp}") "}");
  g_autoptr(json_t) nothing = json_object();
  ClusterView view = view_of(cluster);
  VolumeContext context = { .pod = pod, .view = &view, .node = &node };
  g_autoptr(PodVolumes) volumes = pod_volumes_new(folder);
  g_assert_true(pod_volumes_set_up(volumes, &context, &error));
  g_assert_no_error(error);
  PodState state = { .pod = pod };
  PlanContext plan_context = {
    .state = &state, .view = &view, .node = &node, .volumes = volumes, .pod_dir = folder, .log_dir = folder
  };
  ContainerRecord record = { .name = (char *)(uintptr_t) "c",
                             .spec = json_array_get(json_at(pod, "spec", "containers", NULL), 0) };
  ImageStatus image = { 0 };
  g_autoptr(ContainerPlan) plan = container_plan_new(&plan_context, &record, &image, &error);
  g_assert_no_error(error);
  g_assert_true(plan_is_read_only(plan, "/v"));
  g_assert_false(plan_is_read_only(plan, "/w"));
  g_assert_true(plan_is_read_only(plan, "/x"));
  view = view_of(nothing);
  g_assert_true(pod_volumes_set_up(volumes, &context, &error));
  g_assert_no_error(error);
  file_remove_tree(folder, NULL);
}

static void assert_owner(const char *folder, const char *name, gid_t group, mode_t mode)
{
  g_autofree char *path = g_build_filename(folder, name, NULL);
  GStatBuf info;
  g_assert_cmpint(g_lstat(path, &info), ==, 0);
  g_assert_cmpuint(info.st_gid, ==, group);
  g_assert_cmpuint(info.st_mode & 07777, ==, mode);
}

/* fsGroup gets what a local volume holds; what links lead to stays as it is. */
static void test_fs_group(void)
{
  const gid_t group = getuid() == 0 ? 2000 : getgid(), own = getgid();
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp("claims-XXXXXX", &error), *volume = g_build_filename(folder, "v", NULL);
  g_autofree char *deep = g_build_filename(volume, "a", "b", NULL), *file = g_build_filename(deep, "file", NULL);
  g_autofree char *outside = g_build_filename(folder, "outside", NULL), *link = g_build_filename(volume, "link", NULL);
  g_assert_cmpint(g_mkdir_with_parents(deep, 0700), ==, 0);
  g_assert_true(g_file_set_contents_full(file, "x", 1, G_FILE_SET_CONTENTS_NONE, 0400, NULL));
  g_assert_true(g_file_set_contents_full(outside, "x", 1, G_FILE_SET_CONTENTS_NONE, 0400, NULL));
  g_assert_cmpint(symlink(outside, link), ==, 0);
  g_autofree char *cluster_text = g_strdup_printf("{" CLAIM("", "Bound") "," VOLUME("local: {path: %s}") "}", volume);
  g_autofree char *pod_text = g_strdup_printf(
      "{metadata: {name: p, namespace: default, uid: u1}, spec: {securityContext: {fsGroup: %u}, volumes: [{name: v, "
      "persistentVolumeClaim: {claimName: data}}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /v}]}]}}",
      group);
  g_autoptr(json_t) cluster = parse(cluster_text);
  g_autoptr(json_t) pod = parse(pod_text);
  ClusterView view = view_of(cluster);
  VolumeContext context = { .pod = pod, .view = &view, .node = &node };
  g_autoptr(PodVolumes) volumes = pod_volumes_new(folder);
  g_assert_true(pod_volumes_set_up(volumes, &context, &error));
  g_assert_no_error(error);
  assert_owner(volume, ".", group, 02770);
  assert_owner(volume, "a/b", group, 02770);
  assert_owner(volume, "a/b/file", group, 0660);
  assert_owner(folder, "outside", own, 0400);
  /* the top is right: OnRootMismatch looks no further, Always does */
  g_assert_cmpint(g_chmod(file, 0400), ==, 0);
  g_assert_true(volume_owner_set(volume, group, true, &error));
  assert_owner(volume, "a/b/file", group, 0400);
  g_assert_true(volume_owner_set(volume, group, false, &error));
  assert_owner(volume, "a/b/file", group, 0660);
  file_remove_tree(folder, NULL);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/claim-volumes/texts", test_texts);
  g_test_add_func("/claim-volumes/ephemeral", test_ephemeral);
  g_test_add_func("/claim-volumes/read-only", test_read_only);
  g_test_add_func("/claim-volumes/fs-group", test_fs_group);
  return g_test_run();
}
