/* Volumes of NFS servers. A stand-in for the machine's mount.nfs mounts a folder instead of a server's; all else is
 * real: mounts, in a mount namespace of the test's own. */
#include <glib.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"
#include "clusterd/node/volumes/nfs_volume.h"
#include "clusterd/node/volumes/volumes.h"

typedef struct World {
  char *path, *export, *bin, *arguments, *pod_dir, *search_path;
} World;

static char *write_text(const char *folder, const char *name, const char *text, mode_t mode)
{
  char *path = g_build_filename(folder, name, NULL);
  g_assert_true(file_write_atomic(path, text, strlen(text), mode, NULL));
  return path;
}

static void set_helper(World *world, const char *script)
{
  g_autofree char *text = g_strconcat("#!/bin/sh\n", script, NULL);
  g_autofree char *path = write_text(world->bin, "mount.nfs", text, 0700);
  g_autofree char *search = g_strconcat(world->bin, ":", world->search_path, NULL);
  g_setenv("PATH", search, TRUE);
}

static char *folder_of(World *world, const char *name)
{
  char *path = g_build_filename(world->path, name, NULL);
  g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
  return path;
}

static void set_up(World *world, gconstpointer unused)
{
  world->path = g_dir_make_tmp("nfs-XXXXXX", NULL);
  world->export = folder_of(world, "export");
  world->bin = folder_of(world, "bin");
  world->pod_dir = folder_of(world, "pod");
  world->arguments = g_build_filename(world->path, "arguments", NULL);
  world->search_path = g_strdup(g_getenv("PATH"));
  g_free(write_text(world->export, "data", "of the server", 0600));
  g_setenv("NFS_EXPORT", world->export, TRUE);
  g_setenv("NFS_ARGUMENTS", world->arguments, TRUE);
}

static void tear_down(World *world, gconstpointer unused)
{
  g_setenv("PATH", world->search_path, TRUE);
  g_assert_true(file_remove_tree(world->path, NULL));
  g_free(world->path);
  g_free(world->export);
  g_free(world->bin);
  g_free(world->pod_dir);
  g_free(world->arguments);
  g_free(world->search_path);
}

/* What mount.nfs was told since this was last asked, without the place; "" when it was not run. The caller frees. */
static char *take_arguments(World *world)
{
  char *text = NULL;
  if (!g_file_get_contents(world->arguments, &text, NULL, NULL))
    return g_strdup("");
  g_remove(world->arguments);
  return g_strchomp(text);
}

static void expect_arguments(World *world, const char *expected)
{
  g_autofree char *got = take_arguments(world);
  g_assert_cmpstr(got, ==, expected);
}

#define HELPER "echo \"$1 $3 $4\" >>\"$NFS_ARGUMENTS\"; mount --bind \"$NFS_EXPORT\" \"$2\"\n"

static const char pod_text[] =
    "{metadata: {name: p, namespace: default, uid: u1}, spec: {volumes: [{name: direct, nfs: {server: s, path: /a, "
    "readOnly: true}}, {name: claimed, persistentVolumeClaim: {claimName: data}}], "
    "containers: [{name: c, volumeMounts: [{name: direct, mountPath: /a}, {name: claimed, mountPath: /b}]}]}}";
static const char cluster_text[] =
    "{persistentvolumeclaims: {data: {metadata: {uid: c1}, spec: {volumeName: vol}, status: {phase: Bound}}}, "
    "persistentvolumes: {vol: {spec: {claimRef: {uid: c1}, nfs: {server: 'fd00::1', path: /b}, mountOptions: "
    "[nfsvers=4.2, hard]}}}}";

static json_t *parse(const char *text)
{
  g_autoptr(GError) error = NULL;
  json_t *value = yaml_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  return value;
}

static json_t *view_object(void *data, const char *plural, const char *namespace_, const char *name)
{
  return json_incref(json_at(data, plural, name, NULL));
}

static bool has_data(const PodVolumes *volumes, const char *name)
{
  g_autofree char *path = g_build_filename(pod_volumes_path(volumes, name), "data", NULL);
  return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* A volume of the pod's own and one behind a claim are mounted, once, whoever asks again; when the pod goes, what the
 * server has stays. */
static void test_life(World *world, gconstpointer unused)
{
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
    g_test_skip("needs root: it mounts");
    return;
  }
  static const NodeFacts node = { .name = "n1" };
  g_autoptr(json_t) pod = parse(pod_text), cluster = parse(cluster_text);
  g_autoptr(GError) error = NULL;
  ClusterView view = { .data = cluster, .object = view_object };
  VolumeContext context = { .pod = pod, .view = &view, .node = &node };
  set_helper(world, HELPER);
  g_autoptr(PodVolumes) volumes = pod_volumes_new(world->pod_dir);
  g_assert_true(pod_volumes_set_up(volumes, &context, &error));
  g_assert_no_error(error);
  expect_arguments(world, "s:/a -o ro,retry=0\n[fd00::1]:/b -o retry=0,nfsvers=4.2,hard");
  g_assert_true(has_data(volumes, "direct") && has_data(volumes, "claimed"));
  g_assert_true(pod_volumes_set_up(volumes, &context, &error));
  g_autoptr(PodVolumes) later = pod_volumes_new(world->pod_dir); /* as after a restart of the node */
  g_assert_true(pod_volumes_set_up(later, &context, &error) && has_data(later, "claimed"));
  expect_arguments(world, "");
  g_assert_true(pod_volumes_tear_down(later, &error));
  g_assert_no_error(error);
  g_assert_false(g_file_test(pod_volumes_path(later, "direct"), G_FILE_TEST_EXISTS));
  g_autofree char *data = g_build_filename(world->export, "data", NULL);
  g_assert_true(g_file_test(data, G_FILE_TEST_EXISTS));
}

static void expect_failure(World *world, const char *server, const char *message)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) source = json_pack("{s:s, s:s}", "server", server, "path", "/a");
  g_assert_null(nfs_volume_mount(world->pod_dir, "v", source, NULL, &error));
  g_assert_cmpstr(error->message, ==, message);
}

/* What people read when it cannot be mounted; and it is tried again. */
static void test_failures(World *world, gconstpointer unused)
{
  g_autofree char *path = g_build_filename(world->pod_dir, "nfs", "v", NULL);
  g_autofree char *refused = g_strdup_printf(
      "mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs -o retry=0 s:/a %s\nOutput: "
      "mount.nfs: access denied by server\n",
      path);
  g_setenv("PATH", "/nonexistent", TRUE);
  expect_failure(world, "s",
                 "mount failed: NFS volumes need the program mount.nfs (package nfs-common), which this node does not "
                 "have");
  set_helper(world, "echo again >>\"$NFS_ARGUMENTS\"; echo mount.nfs: access denied by server >&2; exit 32\n");
  expect_failure(world, "s", refused);
  expect_failure(world, "s", refused);
  expect_arguments(world, "again\nagain");
  expect_failure(world, "-o", "NFS server \"-o\" is not a host name");
  expect_arguments(world, "");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add("/nfs/life", World, NULL, set_up, test_life, tear_down);
  g_test_add("/nfs/failures", World, NULL, set_up, test_failures, tear_down);
  return g_test_run();
}
