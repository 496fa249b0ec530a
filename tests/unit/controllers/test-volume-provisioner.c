#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "cluster.h"
#include "clusterd/client/volume_match.h"
#include "clusterd/controllers/storage/volume_folders.h"
#include "clusterd/controllers/storage/volume_provisioner.h"
#include "clusterd/node/volumes/volume_folder.h"

#define FINALIZER "external-provisioner.volume.kubernetes.io/finalizer"
#define CLASS(name, more) "{metadata: {name: " name "}, provisioner: k8s.io/minikube-hostpath" more "}"
#define CLAIM(name, more)                                                                                              \
  "{metadata: {name: " name "}, spec: {accessModes: [ReadWriteOnce], storageClassName: standard, resources: "          \
  "{requests: {storage: 2Gi}}" more "}}"

typedef struct Fixture {
  char *folder, *root;
  VolumeFolders folders;
  Cluster *cluster;
} Fixture;

static void set_up(Fixture *fixture, const void *class)
{
  g_autoptr(GError) error = NULL;
  fixture->folder = g_dir_make_tmp("volumes-XXXXXX", &error);
  g_assert_no_error(error);
  fixture->root = g_build_filename(fixture->folder, "root", NULL);
  fixture->folders = (VolumeFolders){ .root = fixture->root,
                                      .node_name = "node-1",
                                      .make = volume_folder_make,
                                      .remove = volume_folder_remove,
                                      .empty = volume_folder_empty };
  ControllersConfig config = { .root_ca_pem = "the certificate", .volume_folders = &fixture->folders };
  fixture->cluster = cluster_new_with(&config);
  if (class)
    cluster_create(fixture->cluster, "storage.k8s.io/v1", "storageclasses", false, class);
}

static void tear_down(Fixture *fixture, const void *class)
{
  g_autoptr(GError) error = NULL;
  cluster_free(fixture->cluster);
  file_remove_tree(fixture->folder, &error);
  g_assert_no_error(error);
  g_free(fixture->root);
  g_free(fixture->folder);
}

static void add_claim(Fixture *fixture, const char *yaml)
{
  cluster_create(fixture->cluster, "v1", "persistentvolumeclaims", true, yaml);
}

static void delete_claim(Fixture *fixture, const char *name)
{
  cluster_delete(fixture->cluster, "v1", "persistentvolumeclaims", true, name, NULL);
}

static json_t *claim_of(Fixture *fixture, const char *name)
{
  return cluster_get(fixture->cluster, "v1", "persistentvolumeclaims", true, name);
}

static bool claim_is(Fixture *fixture, const char *name, const char *phase)
{
  g_autoptr(json_t) claim = claim_of(fixture, name);
  return strcmp(json_str(json_object_get(claim, "status"), "phase", ""), phase) == 0;
}

/* The volume of a claim that is bound; waits for it. */
static json_t *volume_of(Fixture *fixture, const char *claim_name)
{
  cluster_wait(claim_is(fixture, claim_name, "Bound"));
  g_autoptr(json_t) claim = claim_of(fixture, claim_name);
  return cluster_get(fixture->cluster, "v1", "persistentvolumes", false,
                     json_str(json_object_get(claim, "spec"), "volumeName", ""));
}

static const char *path_of(const json_t *volume)
{
  return json_str(json_at(volume, "spec", "hostPath", NULL), "path", "");
}

static const char *name_of(const json_t *object)
{
  return json_str(json_object_get(object, "metadata"), "name", "");
}

static bool exists(const char *path)
{
  struct stat info;
  return lstat(path, &info) == 0;
}

static void write_file(const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_autoptr(GError) error = NULL;
  g_file_set_contents(path, "data", -1, &error);
  g_assert_no_error(error);
}

static void test_provision(Fixture *fixture, const void *class)
{
  g_autofree char *expected = g_build_filename(fixture->root, "default/data", NULL);
  struct stat info;
  add_claim(fixture, CLAIM("data", ""));
  g_autoptr(json_t) volume = volume_of(fixture, "data"), claim = claim_of(fixture, "data");
  g_autofree char *name = g_strconcat("pvc-", json_str(json_object_get(claim, "metadata"), "uid", ""), NULL);
  const json_t *spec = json_object_get(volume, "spec");
  g_assert_cmpstr(name_of(volume), ==, name);
  g_assert_cmpstr(path_of(volume), ==, expected);
  g_assert_cmpstr(json_str(json_object_get(spec, "hostPath"), "type", "-"), ==, "");
  g_assert_cmpstr(json_str(json_object_get(spec, "capacity"), "storage", ""), ==, "2Gi");
  g_assert_cmpstr(json_str(spec, "persistentVolumeReclaimPolicy", ""), ==, "Delete");
  g_assert_cmpstr(json_str(spec, "storageClassName", ""), ==, "standard");
  g_assert_cmpstr(volume_annotation(volume, VOLUME_PROVISIONED_BY), ==, "k8s.io/minikube-hostpath");
  g_assert_nonnull(volume_annotation(volume, "hostPathProvisionerIdentity"));
  g_assert_true(json_has_text(json_at(volume, "metadata", "finalizers", NULL), "kubernetes.io/pv-protection"));
  g_assert_true(json_has_text(json_at(volume, "metadata", "finalizers", NULL), FINALIZER));
  g_assert_cmpstr(volume_annotation(claim, VOLUME_PROVISIONER), ==, "k8s.io/minikube-hostpath");
  g_assert_cmpint(stat(expected, &info), ==, 0);
  g_assert_cmpint(info.st_mode & 0777, ==, 0777);
  cluster_wait(cluster_has_event(fixture->cluster, "data", "Provisioning",
                                 "External provisioner is provisioning volume for claim \"default/data\""));
  g_autofree char *succeeded = g_strdup_printf("Successfully provisioned volume %s", name);
  cluster_wait(cluster_has_event(fixture->cluster, "data", "ProvisioningSucceeded", succeeded));
  cluster_wait(cluster_has_event(fixture->cluster, "data", "ExternalProvisioning",
                                 "either by the external provisioner 'k8s.io/minikube-hostpath' or manually"));
}

static void test_delete(Fixture *fixture, const void *class)
{
  add_claim(fixture, CLAIM("data", ""));
  add_claim(fixture, CLAIM("other", ""));
  g_autoptr(json_t) volume = volume_of(fixture, "data"), other = volume_of(fixture, "other");
  write_file(path_of(volume), "page.html");
  write_file(path_of(other), "page.html");
  delete_claim(fixture, "data");
  cluster_wait(!cluster_exists(fixture->cluster, "v1", "persistentvolumes", name_of(volume)));
  g_assert_false(exists(path_of(volume)));
  g_autofree char *kept = g_build_filename(path_of(other), "page.html", NULL);
  g_assert_true(exists(kept));
}

/* Whoever deletes the volume first loses nothing before the claim goes, and leaves nothing behind after. */
static void test_volume_deleted_first(Fixture *fixture, const void *class)
{
  add_claim(fixture, CLAIM("data", ""));
  g_autoptr(json_t) volume = volume_of(fixture, "data");
  write_file(path_of(volume), "page.html");
  cluster_delete(fixture->cluster, "v1", "persistentvolumes", false, name_of(volume), NULL);
  g_assert_true(exists(path_of(volume)));
  g_assert_true(claim_is(fixture, "data", "Bound"));
  delete_claim(fixture, "data");
  cluster_wait(!cluster_exists(fixture->cluster, "v1", "persistentvolumes", name_of(volume)));
  g_assert_false(exists(path_of(volume)));
}

static void test_retain(Fixture *fixture, const void *class)
{
  add_claim(fixture, CLAIM("data", ""));
  g_autoptr(json_t) volume = volume_of(fixture, "data");
  g_assert_cmpstr(json_str(json_object_get(volume, "spec"), "persistentVolumeReclaimPolicy", ""), ==, "Retain");
  write_file(path_of(volume), "page.html");
  delete_claim(fixture, "data");
  cluster_wait(!cluster_exists(fixture->cluster, "v1", "persistentvolumeclaims", "data"));
  /* The next claim of the name gets a folder of its own: the data that is kept is not shown to it, nor deleted with it.
   */
  add_claim(fixture, CLAIM("data", ""));
  g_autoptr(json_t) second = volume_of(fixture, "data");
  g_assert_cmpstr(path_of(second), !=, path_of(volume));
  g_autofree char *page = g_build_filename(path_of(volume), "page.html", NULL);
  g_assert_true(exists(page));
  /* The volume itself may be deleted; nothing holds it, and the folder is whose it was. */
  cluster_delete(fixture->cluster, "v1", "persistentvolumes", false, name_of(volume), NULL);
  cluster_wait(!cluster_exists(fixture->cluster, "v1", "persistentvolumes", name_of(volume)));
  g_assert_true(exists(page));
}

/* A claim that comes while the folder of its predecessor is still there waits until that is gone. */
static void test_same_name_again(Fixture *fixture, const void *class)
{
  for (int round = 0; round < 10; round++) {
    add_claim(fixture, CLAIM("data", ""));
    g_autoptr(json_t) volume = volume_of(fixture, "data");
    g_autofree char *page = g_build_filename(path_of(volume), "page.html", NULL);
    g_assert_false(exists(page));
    write_file(path_of(volume), "page.html");
    delete_claim(fixture, "data");
    cluster_wait(!cluster_exists(fixture->cluster, "v1", "persistentvolumeclaims", "data"));
  }
  cluster_wait(({
    g_autoptr(ObjectList) volumes =
        client_list(cluster_client(fixture->cluster), "v1", "persistentvolumes", NULL, NULL, NULL);
    volumes->objects->len == 0;
  }));
}

static void test_what_it_cannot(Fixture *fixture, const void *class)
{
  static const struct {
    const char *name, *yaml, *why;
  } cases[] = {
    { "raw", CLAIM("raw", ", volumeMode: Block"),
      "k8s.io/minikube-hostpath does not support block volume provisioning" },
    { "picky", CLAIM("picky", ", selector: {matchLabels: {a: b}}"), "claim Selector is not supported" },
    { "copy", CLAIM("copy", ", dataSource: {kind: PersistentVolumeClaim, name: raw}"), "data source" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    add_claim(fixture, cases[i].yaml);
    cluster_wait(cluster_has_event(fixture->cluster, cases[i].name, "ProvisioningFailed", cases[i].why));
    g_assert_true(claim_is(fixture, cases[i].name, "Pending"));
  }
}

static void test_topology(Fixture *fixture, const void *class)
{
  add_claim(fixture, CLAIM("data", ""));
  cluster_wait(cluster_has_event(fixture->cluster, "data", "ProvisioningFailed",
                                 "StorageClass \"standard\" allows no topology that node \"node-1\" is in"));
  cluster_create(fixture->cluster, "storage.k8s.io/v1", "storageclasses", false,
                 CLASS("here", ", allowedTopologies: [{matchLabelExpressions: [{key: kubernetes.io/hostname, values: "
                               "[node-2]}]}, {matchLabelExpressions: [{key: kubernetes.io/hostname, values: "
                               "[node-1]}]}]"));
  add_claim(fixture, "{metadata: {name: allowed}, spec: {accessModes: [ReadWriteOnce], storageClassName: here, "
                     "resources: {requests: {storage: 1Gi}}}}");
  cluster_wait(claim_is(fixture, "allowed", "Bound"));
}

/* Nothing is made before the scheduler has chosen a node; one that has no folders is given back. */
static void test_waits(Fixture *fixture, const void *class)
{
  add_claim(fixture, CLAIM("data", ""));
  cluster_wait(cluster_has_event(fixture->cluster, "data", "WaitForFirstConsumer", "waiting for first consumer"));
  g_assert_false(exists(fixture->root));
  cluster_patch(fixture->cluster, "v1", "persistentvolumeclaims", "data",
                "{metadata: {annotations: {volume.kubernetes.io/selected-node: node-2}}}");
  cluster_wait(cluster_has_event(fixture->cluster, "data", "ProvisioningFailed",
                                 "volumes are provisioned on node \"node-1\" alone, not on \"node-2\""));
  cluster_wait(({
    g_autoptr(json_t) claim = claim_of(fixture, "data");
    !volume_annotation(claim, VOLUME_SELECTED_NODE);
  }));
  cluster_patch(fixture->cluster, "v1", "persistentvolumeclaims", "data",
                "{metadata: {annotations: {volume.kubernetes.io/selected-node: node-1}}}");
  cluster_wait(claim_is(fixture, "data", "Bound"));
}

/* A pod, the scheduler, the binder and the provisioner together: the volume is made where the pod goes, and then it
 * goes there. */
static void test_with_scheduler(Fixture *fixture, const void *class)
{
  add_claim(fixture, CLAIM("data", ""));
  cluster_wait(cluster_has_event(fixture->cluster, "data", "WaitForFirstConsumer", "waiting for first consumer"));
  cluster_create(fixture->cluster, "v1", "pods", true,
                 "{metadata: {name: web}, spec: {containers: [{name: c, image: i}], volumes: [{name: data, "
                 "persistentVolumeClaim: {claimName: data}}]}}");
  g_autoptr(json_t) volume = volume_of(fixture, "data"), claim = claim_of(fixture, "data");
  g_assert_cmpstr(volume_annotation(claim, VOLUME_SELECTED_NODE), ==, "node-1");
  g_assert_true(exists(path_of(volume)));
  cluster_wait(({
    g_autoptr(json_t) pod = cluster_get(fixture->cluster, "v1", "pods", true, "web");
    strcmp(json_str(json_object_get(pod, "status"), "phase", ""), "Running") == 0;
  }));
}

/* What is asked for while nobody works is done when somebody does, and what was begun is finished. */
static void test_restart(Fixture *fixture, const void *class)
{
  g_autoptr(GError) error = NULL;
  add_claim(fixture, CLAIM("old", ""));
  g_autoptr(json_t) old = volume_of(fixture, "old");
  cluster_stop(fixture->cluster);
  delete_claim(fixture, "old");
  add_claim(fixture, CLAIM("data", ""));
  volume_folder_make(fixture->root, "default/data", &error); /* made, and then the power went */
  g_assert_no_error(error);
  cluster_resume(fixture->cluster);
  g_autoptr(json_t) volume = volume_of(fixture, "data");
  g_assert_true(exists(path_of(volume)));
  cluster_wait(!cluster_exists(fixture->cluster, "v1", "persistentvolumes", name_of(old)));
  g_assert_false(exists(path_of(old)));
}

/* A folder that cannot be made is tried again until it can. */
static void test_folder_fails(Fixture *fixture, const void *class)
{
  write_file(fixture->folder, "root");
  add_claim(fixture, CLAIM("data", ""));
  cluster_wait(cluster_has_event(fixture->cluster, "data", "ProvisioningFailed", "root"));
  g_assert_true(claim_is(fixture, "data", "Pending"));
  g_assert_cmpint(g_unlink(fixture->root), ==, 0);
  cluster_wait(claim_is(fixture, "data", "Bound"));
}

/* A volume that says it is ours and lies elsewhere is not deleted. */
static void test_outside(Fixture *fixture, const void *class)
{
  g_autofree char *outside = g_build_filename(fixture->folder, "outside", NULL);
  g_assert_cmpint(g_mkdir(outside, 0755), ==, 0);
  g_autofree char *yaml = g_strdup_printf(
      "{metadata: {name: vol, annotations: {pv.kubernetes.io/provisioned-by: k8s.io/minikube-hostpath}}, spec: "
      "{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: %s}, persistentVolumeReclaimPolicy: "
      "Delete, claimRef: {namespace: default, name: gone, uid: none}}}",
      outside);
  cluster_create(fixture->cluster, "v1", "persistentvolumes", false, yaml);
  cluster_wait(cluster_has_event(fixture->cluster, "vol", "VolumeFailedDelete", "does not lie below"));
  g_assert_true(exists(outside));
  g_assert_true(cluster_exists(fixture->cluster, "v1", "persistentvolumes", "vol"));
}

/* Volumes that nobody provisioned: emptied for the next, or deleted below /tmp and nowhere else. */
static void test_recycle(Fixture *fixture, const void *class)
{
  g_autofree char *folder = g_build_filename(fixture->folder, "mine", NULL);
  g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
  write_file(folder, "page.html");
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: vol}, spec: {capacity: {storage: 1Gi}, accessModes: "
                                          "[ReadWriteOnce], hostPath: {path: %s}, persistentVolumeReclaimPolicy: "
                                          "Recycle, claimRef: {namespace: default, name: gone, uid: none}}}",
                                          folder);
  cluster_create(fixture->cluster, "v1", "persistentvolumes", false, yaml);
  cluster_wait(cluster_has_event(fixture->cluster, "vol", "VolumeRecycled", "Volume recycled"));
  g_autofree char *page = g_build_filename(folder, "page.html", NULL);
  g_assert_true(exists(folder));
  g_assert_false(exists(page));
}

static void test_static_delete(Fixture *fixture, const void *class)
{
  cluster_create(fixture->cluster, "v1", "persistentvolumes", false,
                 "{metadata: {name: vol}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: "
                 "{path: /mnt/web-data}, persistentVolumeReclaimPolicy: Delete, claimRef: {namespace: default, name: "
                 "gone, uid: none}}}");
  cluster_wait(cluster_has_event(fixture->cluster, "vol", "VolumeFailedDelete",
                                 "host_path deleter only supports /tmp/.+ but received provided /mnt/web-data"));
  if (!g_str_has_prefix(fixture->folder, "/tmp/"))
    return;
  g_autofree char *folder = g_build_filename(fixture->folder, "mine", NULL);
  g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: second}, spec: {capacity: {storage: 1Gi}, accessModes: "
                                          "[ReadWriteOnce], hostPath: {path: %s}, persistentVolumeReclaimPolicy: "
                                          "Delete, claimRef: {namespace: default, name: gone, uid: none}}}",
                                          folder);
  cluster_create(fixture->cluster, "v1", "persistentvolumes", false, yaml);
  cluster_wait(!cluster_exists(fixture->cluster, "v1", "persistentvolumes", "second"));
  g_assert_false(exists(folder));
}

/* --- the folders ---------------------------------------------------------------------------------------------------
 */

static void test_folder_names(void)
{
  static const char *const refused[] = { "", "/", "a/../b", "..", ".", "a//b", "/a", "a/" };
  g_autoptr(GError) error = NULL;
  g_autofree char *root = g_dir_make_tmp("volumes-XXXXXX", &error);
  g_assert_no_error(error);
  for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
    g_autofree char *path = g_strconcat(root, "/", refused[i], NULL);
    g_assert_false(volume_folder_make(root, refused[i], &error));
    g_assert_true(reason_is(error, REASON_INVALID));
    g_clear_error(&error);
    g_assert_false(volume_folder_remove(root, path, &error));
    g_assert_true(reason_is(error, REASON_INVALID));
    g_clear_error(&error);
  }
  g_assert_false(volume_folder_remove(root, root, &error));
  g_clear_error(&error);
  g_autofree char *beside = g_strconcat(root, "-beside/x", NULL);
  g_assert_false(volume_folder_remove(root, beside, &error));
  g_clear_error(&error);
  g_assert_false(volume_folder_empty("/", &error));
  g_clear_error(&error);
  g_assert_false(volume_folder_empty("relative", &error));
  g_clear_error(&error);
  g_autofree char *absent = g_build_filename(root, "no/such", NULL);
  g_assert_true(volume_folder_remove(root, absent, &error));
  g_assert_no_error(error);
  file_remove_tree(root, NULL);
}

/* Whatever lies in a volume goes; what its links lead to stays. A link in place of a folder on the way is refused. */
static void test_folder_links(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *top = g_dir_make_tmp("volumes-XXXXXX", &error);
  g_assert_no_error(error);
  g_autofree char *root = g_build_filename(top, "root", NULL), *treasure = g_build_filename(top, "treasure", NULL);
  g_autofree char *volume = g_build_filename(root, "ns/data", NULL), *deep = g_build_filename(volume, "a/b/c", NULL);
  g_autofree char *link = g_build_filename(volume, "a/link", NULL), *evil = g_build_filename(root, "evil", NULL);
  g_autofree char *gem = g_build_filename(treasure, "gem", NULL), *through = g_build_filename(evil, "gem", NULL);
  g_autofree char *linked = g_build_filename(root, "ns/linked", NULL);
  g_assert_true(volume_folder_make(root, "ns/data", &error));
  g_assert_cmpint(g_mkdir_with_parents(deep, 0755), ==, 0);
  g_assert_cmpint(g_mkdir_with_parents(gem, 0755), ==, 0);
  g_assert_cmpint(symlink(treasure, link), ==, 0);
  g_assert_cmpint(symlink(treasure, evil), ==, 0);
  g_assert_cmpint(symlink(treasure, linked), ==, 0);
  g_assert_true(volume_folder_remove(root, volume, &error));
  g_assert_no_error(error);
  g_assert_false(exists(volume));
  g_assert_true(exists(gem));
  g_assert_false(volume_folder_remove(root, through, &error));
  g_clear_error(&error);
  g_assert_false(volume_folder_make(root, "evil/data", &error));
  g_clear_error(&error);
  g_assert_false(volume_folder_empty(evil, &error));
  g_clear_error(&error);
  g_assert_true(volume_folder_remove(root, linked, &error)); /* the link itself */
  g_assert_false(exists(linked));
  g_assert_true(exists(gem));
  file_remove_tree(top, NULL);
}

#define ADD(name, function, class) g_test_add("/provisioner/" name, Fixture, class, set_up, function, tear_down)

int main(int argc, char **argv)
{
  static const char plain[] = CLASS("standard", ""), kept[] = CLASS("standard", ", reclaimPolicy: Retain");
  static const char waiting[] = CLASS("standard", ", volumeBindingMode: WaitForFirstConsumer");
  static const char elsewhere[] = CLASS("standard", ", allowedTopologies: [{matchLabelExpressions: [{key: "
                                                    "kubernetes.io/hostname, values: [node-2]}]}]");
  g_test_init(&argc, &argv, NULL);
  ADD("provision", test_provision, plain);
  ADD("delete", test_delete, plain);
  ADD("volume-deleted-first", test_volume_deleted_first, plain);
  ADD("retain", test_retain, kept);
  ADD("same-name-again", test_same_name_again, plain);
  ADD("what-it-cannot", test_what_it_cannot, plain);
  ADD("topology", test_topology, elsewhere);
  ADD("waits", test_waits, waiting);
  ADD("with-scheduler", test_with_scheduler, waiting);
  ADD("restart", test_restart, plain);
  ADD("folder-fails", test_folder_fails, plain);
  ADD("outside", test_outside, plain);
  ADD("recycle", test_recycle, plain);
  ADD("static-delete", test_static_delete, plain);
  g_test_add_func("/provisioner/folder/names", test_folder_names);
  g_test_add_func("/provisioner/folder/links", test_folder_links);
  return g_test_run();
}
