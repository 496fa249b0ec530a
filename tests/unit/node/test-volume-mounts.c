/* What of a pod's volumes is mounted and attached: parts of them, block devices, memory; and that nothing of it stays.
 * All of it is real, in a mount namespace of the test's own. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "clusterd/node/volumes/block_volume.h"
#include "clusterd/node/volumes/mounts.h"
#include "clusterd/node/volumes/sub_path.h"
#include "clusterd/node/volumes/volumes.h"

#define RACE_TRIES 3000
#define DISK_BYTES (1 << 20)

typedef struct World {
  char *path, *pod; /* WORLD/pods/u1 */
  bool mounts;      /* it may mount */
} World;

static const NodeFacts node = { .name = "n1" };

static void make_folder(const char *path)
{
  g_assert_cmpint(g_mkdir_with_parents(path, 0755), ==, 0);
}

static void set_up(World *world, gconstpointer unused)
{
  world->mounts = unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
  world->path = g_dir_make_tmp("volumes-XXXXXX", NULL);
  world->pod = g_build_filename(world->path, "pods", "u1", NULL);
  make_folder(world->pod);
}

static void tear_down(World *world, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  g_assert_true(file_remove_tree(world->path, &error)); /* fails where something is mounted */
  g_assert_no_error(error);
  g_free(world->path);
  g_free(world->pod);
}

static bool may_mount(const World *world)
{
  if (!world->mounts)
    g_test_skip("needs root: it mounts");
  return world->mounts;
}

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

/* The path of what FD is of; the caller frees. */
static char *path_of(int fd)
{
  g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
  return g_file_read_link(link, NULL);
}

/* --- parts of volumes --------------------------------------------------------------------------------------------- */

static void test_sub_path(World *world, gconstpointer unused)
{
  static const struct {
    const char *sub_path, *found; /* below the volume; NULL: refused */
  } rows[] = { { "x/y", "x/y" }, { "x//z/", "x/z" }, { "a..b", "a..b" },     { "inside", "x" }, { "inside/y", "x/y" },
               { "../x", NULL }, { "x/../y", NULL }, { "/x", NULL },         { "out", NULL },   { "out/shadow", NULL },
               { "up/x", NULL }, { "file", "file" }, { "file/below", NULL }, { "loop", NULL },  { "magic/x", NULL } };
  static const char *const links[][2] = {
    { "inside", "x" }, { "out", "/etc" }, { "up", "../.." }, { "loop", "loop" }, { "magic", "/proc/self/cwd" }
  };
  g_autofree char *file = g_build_filename(world->pod, "file", NULL);
  g_assert_cmpint(chmod(world->pod, 02775), ==, 0);
  g_assert_true(g_file_set_contents(file, "x", 1, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS(links); i++) {
    g_autofree char *link = g_build_filename(world->pod, links[i][0], NULL);
    g_assert_cmpint(symlink(links[i][1], link), ==, 0);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    file_autofd int fd = sub_path_open(world->pod, rows[i].sub_path, &error);
    g_autofree char *path = fd >= 0 ? path_of(fd) : NULL;
    g_autofree char *wanted = rows[i].found ? g_build_filename(world->pod, rows[i].found, NULL) : NULL;
    g_assert_cmpstr(path, ==, wanted);
    g_assert_cmpint(error == NULL, ==, rows[i].found != NULL);
  }
  struct stat made;
  g_autofree char *folder = g_build_filename(world->pod, "x", "z", NULL);
  g_assert_cmpint(stat(folder, &made), ==, 0); /* as the volume, so that its users may write there */
  g_assert_cmpuint(made.st_mode & 07777, ==, 02775);
}

typedef struct Swapper {
  const char *folder, *link;
  gint stop; /* atomic */
  guint64 turns;
} Swapper;

static void *swap(void *data)
{
  Swapper *swapper = data;
  while (!g_atomic_int_get(&swapper->stop)) {
    g_assert_cmpint(renameat2(AT_FDCWD, swapper->folder, AT_FDCWD, swapper->link, RENAME_EXCHANGE), ==, 0);
    swapper->turns++;
  }
  return NULL;
}

/* Somebody changes a folder for a link that leads out, and back, as fast as can be. */
static void test_race(World *world, gconstpointer unused)
{
  g_autofree char *folder = g_build_filename(world->pod, "swapped", NULL);
  g_autofree char *link = g_build_filename(world->pod, "other", NULL);
  g_autofree char *inner = g_build_filename(folder, "inner", NULL);
  g_autofree char *outside = g_build_filename(world->path, "inner", NULL);
  make_folder(inner);
  make_folder(outside);
  g_assert_cmpint(symlink("../..", link), ==, 0);
  Swapper swapper = { .folder = folder, .link = link };
  GThread *thread = g_thread_new("swap", swap, &swapper);
  unsigned good = 0, bad = 0;
  for (unsigned i = 0; (i < RACE_TRIES || good == 0 || bad == 0) && i < 1000 * RACE_TRIES; i++) {
    file_autofd int fd = sub_path_open(world->pod, "swapped/inner", NULL);
    g_autofree char *path = fd >= 0 ? path_of(fd) : NULL;
    if (path)
      g_assert_true(g_str_has_prefix(path, world->pod));
    fd >= 0 ? good++ : bad++;
  }
  g_atomic_int_set(&swapper.stop, 1);
  g_thread_join(thread);
  g_assert_cmpuint(good, >, 0);
  g_assert_cmpuint(bad, >, 0);
}

/* --- what is mounted ---------------------------------------------------------------------------------------------- */

static const char pod_text[] =
    "{metadata: {name: p, namespace: default, uid: u1}, spec: {volumes: [{name: memory, emptyDir: {medium: Memory, "
    "sizeLimit: 1Mi}}, {name: disk, emptyDir: {}}, {name: host, hostPath: {path: %s}}, {name: unused, configMap: "
    "{name: "
    "none}}], containers: [{name: c, volumeMounts: [{name: memory, mountPath: /m}, {name: disk, mountPath: /d}, {name: "
    "host, mountPath: /h}]}]}}";

static void touch(const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_assert_true(g_file_set_contents(path, "x", 1, NULL));
}

/* Whoever takes the volumes away may know nothing of them, and not all was made by the node: a container with
 * Bidirectional mounts does so, too. What volumes lead to stays. */
static void test_tear_down(World *world, gconstpointer unused)
{
  if (!may_mount(world))
    return;
  g_autofree char *host = g_build_filename(world->path, "host", NULL), *kept = g_build_filename(host, "kept", NULL);
  g_autofree char *text = g_strdup_printf(pod_text, host);
  g_autoptr(json_t) pod = parse(text), cluster = json_object();
  g_autoptr(GError) error = NULL;
  ClusterView view = { .data = cluster, .object = view_object };
  VolumeContext context = { .pod = pod, .view = &view, .node = &node };
  make_folder(host);
  touch(host, "kept");
  g_autoptr(PodVolumes) volumes = pod_volumes_new(world->pod);
  g_assert_true(pod_volumes_set_up(volumes, &context, &error)); /* what no container uses does not hold it up */
  g_assert_no_error(error);
  g_assert_null(pod_volumes_path(volumes, "unused"));
  g_assert_true(mounts_is_point(pod_volumes_path(volumes, "memory")));
  g_autofree char *folder = pod_volumes_sub_path(volumes, "disk", "a/b", "c", 1, &error);
  g_autofree char *file = pod_volumes_sub_path(volumes, "host", "kept", "c", 2, &error);
  g_autofree char *again = pod_volumes_sub_path(volumes, "disk", "a/b", "c", 1, &error); /* in its place */
  g_assert_no_error(error);
  g_assert_cmpstr(folder, ==, again);
  g_assert_true(mounts_is_point(folder) && mounts_is_point(file));
  g_autofree char *stacked = g_build_filename(folder, "with space", NULL);
  make_folder(stacked);
  for (int i = 0; i < 2; i++)
    g_assert_cmpint(mount("tmpfs", stacked, "tmpfs", 0, NULL), ==, 0);
  g_autoptr(PodVolumes) later = pod_volumes_new(world->pod);
  g_assert_true(pod_volumes_tear_down(later, &error));
  g_assert_no_error(error);
  g_autofree char *mounts = NULL;
  g_assert_true(g_file_get_contents("/proc/self/mountinfo", &mounts, NULL, NULL));
  g_assert_null(strstr(mounts, world->path));
  g_autofree char *left = g_build_filename(world->pod, "volumes", NULL);
  g_assert_false(g_file_test(left, G_FILE_TEST_EXISTS));
  g_assert_true(g_file_test(kept, G_FILE_TEST_EXISTS));
  g_assert_true(pod_volumes_tear_down(later, &error)); /* there is nothing left to do */
}

/* --- block devices -------------------------------------------------------------------------------------------------
 */

static bool may_attach(const World *world)
{
  file_autofd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0)
    g_test_skip("no loop devices here");
  return control >= 0;
}

static bool is_attached(const char *device)
{
  g_autofree char *name = g_path_get_basename(device);
  g_autofree char *attached = g_build_filename("/sys/block", name, "loop", NULL);
  return g_file_test(attached, G_FILE_TEST_EXISTS);
}

static char *make_disk(const World *world)
{
  char *disk = g_build_filename(world->path, "disk", NULL);
  g_autofree char *zeros = g_malloc0(DISK_BYTES);
  g_assert_true(g_file_set_contents(disk, zeros, DISK_BYTES, NULL));
  return disk;
}

/* A file is one device for all pods of the node, from the first to the last. */
static void test_block(World *world, gconstpointer unused)
{
  if (!may_attach(world))
    return;
  g_autoptr(GError) error = NULL;
  g_autofree char *disk = make_disk(world), *one = g_build_filename(world->path, "pods", "u1", "volumes", NULL);
  g_autofree char *two = g_build_filename(world->path, "pods", "u2", "volumes", NULL);
  g_autofree char *device = block_volume_attach(one, "v", disk, &error);
  g_assert_no_error(error);
  g_autofree char *same = block_volume_attach(two, "w", disk, &error);
  g_autofree char *again = block_volume_attach(one, "v", disk, &error);
  g_assert_cmpstr(device, ==, same);
  g_assert_cmpstr(device, ==, again);
  file_autofd int fd = open(device, O_RDWR | O_CLOEXEC);
  g_assert_cmpint(pwrite(fd, "written", 7, 512), ==, 7);
  g_assert_cmpint(fsync(fd), ==, 0);
  file_close(&fd);
  g_autofree char *content = NULL;
  g_assert_true(g_file_get_contents(disk, &content, NULL, NULL));
  g_assert_cmpstr(content + 512, ==, "written");
  /* a device as it is; nothing is attached to it */
  g_autofree char *direct = block_volume_attach(two, "x", device, &error);
  g_assert_cmpstr(direct, ==, device);
  g_assert_true(block_volume_detach_all(one, &error));
  g_assert_true(is_attached(device));
  g_assert_cmpint(unlink(disk), ==, 0); /* whatever became of the file */
  g_assert_true(block_volume_detach_all(two, &error));
  g_assert_no_error(error);
  g_assert_false(is_attached(device));
  g_assert_true(block_volume_detach_all(two, &error));
}

static void test_block_refused(World *world, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_build_filename(world->pod, "volumes", NULL);
  g_autofree char *text = g_strdup_printf("%s is not a block device", world->path);
  g_assert_null(block_volume_attach(folder, "v", world->path, &error));
  g_assert_cmpstr(error->message, ==, text);
  g_clear_error(&error);
  g_assert_null(block_volume_attach(folder, "v", "/no/such/device", &error));
  g_assert_nonnull(strstr(error->message, "/no/such/device"));
}

#define CLUSTER                                                                                                        \
  "{persistentvolumeclaims: {data: {metadata: {uid: c1}, spec: {volumeName: vol}, status: {phase: Bound}}}, "          \
  "persistentvolumes: {vol: {spec: {volumeMode: %s, claimRef: {uid: c1}, local: {path: '%s'}}}}}"
#define POD                                                                                                            \
  "{metadata: {name: p, namespace: default, uid: u1}, spec: {volumes: [{name: v, persistentVolumeClaim: {claimName: "  \
  "data, readOnly: true}}], containers: [{name: c, %s}]}}"
#define MAPPED "volumeDevices: [{name: v, devicePath: /dev/xvda}]"
#define MOUNTED "volumeMounts: [{name: v, mountPath: /v}]"

/* What a pod's container wants and what the claim's volume is must be the same. */
static void test_block_claim(World *world, gconstpointer unused)
{
  g_autofree char *disk = make_disk(world);
  const struct {
    const char *mode, *path, *use, *event, *text; /* TEXT: the error's end */
  } rows[] = {
    { "Block", disk, MAPPED, NULL, NULL },
    { "Block", disk, MOUNTED, "FailedMount", "volume vol has volumeMode Block, but is specified in volumeMounts" },
    { "Filesystem", world->path, MAPPED, "FailedMount",
      "volume vol has volumeMode Filesystem, but is specified in volumeDevices" },
    { "Block", "/etc", MAPPED, "FailedMapVolume",
      "MapVolume.MapBlockVolume failed for volume \"vol\" : /etc is not a block device" },
  };
  if (!may_attach(world))
    return;
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *cluster_text = g_strdup_printf(CLUSTER, rows[i].mode, rows[i].path);
    g_autofree char *text = g_strdup_printf(POD, rows[i].use);
    g_autoptr(json_t) cluster = parse(cluster_text), pod = parse(text);
    ClusterView view = { .data = cluster, .object = view_object };
    VolumeContext context = { .pod = pod, .view = &view, .node = &node };
    g_autoptr(PodVolumes) volumes = pod_volumes_new(world->pod);
    bool good = pod_volumes_set_up(volumes, &context, &error);
    if (rows[i].text) {
      g_assert_false(good);
      g_assert_true(g_str_has_suffix(error->message, rows[i].text));
      g_assert_cmpstr(pod_volumes_event(volumes), ==, rows[i].event);
    } else {
      g_assert_no_error(error);
      g_assert_nonnull(pod_volumes_device(volumes, "v"));
      g_assert_null(pod_volumes_path(volumes, "v"));
      g_assert_true(pod_volumes_is_read_only(volumes, "v"));
    }
    g_assert_true(pod_volumes_tear_down(volumes, NULL));
  }
}

/* --- tokens --------------------------------------------------------------------------------------------------------
 */

#define HOUR_US (3600 * (int64_t)G_USEC_PER_SEC)

typedef struct Issuer {
  int64_t now_us;
  unsigned issued;
} Issuer;

static char *issue(void *data, const json_t *pod, const char *audience, int64_t seconds, int64_t *expires_us,
                   GError **error)
{
  Issuer *issuer = data;
  *expires_us = issuer->now_us + seconds * G_USEC_PER_SEC;
  return g_strdup_printf("token %u", ++issuer->issued);
}

static void assert_token(World *world, PodVolumes *volumes, VolumeContext *context, const char *wanted)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *text = NULL, *path = g_build_filename(world->pod, "volumes", "files", "t", "token", NULL);
  g_assert_true(pod_volumes_set_up(volumes, context, &error));
  g_assert_no_error(error);
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_assert_cmpstr(text, ==, wanted);
}

/* A token is replaced when four fifths of its life are over, and of a long life after a day. */
static void test_token(World *world, gconstpointer unused)
{
  static const struct {
    int64_t seconds, renewed_us;
  } rows[] = { { 3600, HOUR_US / 5 * 4 }, { 600, 480 * (int64_t)G_USEC_PER_SEC }, { 7 * 86400, 24 * HOUR_US } };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    Issuer issuer = { .now_us = 1000 * HOUR_US };
    g_autofree char *text =
        g_strdup_printf("{metadata: {name: p, namespace: default, uid: u1}, spec: {volumes: [{name: t, projected: "
                        "{sources: [{serviceAccountToken: {path: token, expirationSeconds: %" G_GINT64_FORMAT
                        "}}]}}], containers: [{name: c, volumeMounts: [{name: t, mountPath: /t}]}]}}",
                        rows[i].seconds);
    g_autoptr(json_t) pod = parse(text);
    ClusterView view = { .data = &issuer, .token = issue };
    VolumeContext context = { .pod = pod, .view = &view, .node = &node, .now_us = issuer.now_us };
    g_autoptr(PodVolumes) volumes = pod_volumes_new(world->pod);
    assert_token(world, volumes, &context, "token 1");
    g_assert_cmpint(pod_volumes_refresh_us(volumes), ==, issuer.now_us + rows[i].renewed_us);
    /* a change of something else is no reason for another one */
    context.now_us = issuer.now_us = issuer.now_us + rows[i].renewed_us - 1;
    assert_token(world, volumes, &context, "token 1");
    context.now_us = ++issuer.now_us;
    assert_token(world, volumes, &context, "token 2");
    g_assert_cmpint(pod_volumes_refresh_us(volumes), ==, issuer.now_us + rows[i].renewed_us);
    g_assert_true(pod_volumes_tear_down(volumes, NULL));
  }
}

int main(int argc, char **argv)
{
  static const struct {
    const char *path;
    void (*run)(World *world, gconstpointer unused);
  } tests[] = { { "/volume-mounts/sub-path", test_sub_path },
                { "/volume-mounts/race", test_race },
                { "/volume-mounts/tear-down", test_tear_down },
                { "/volume-mounts/block", test_block },
                { "/volume-mounts/block-refused", test_block_refused },
                { "/volume-mounts/block-claim", test_block_claim },
                { "/volume-mounts/token", test_token } };
  g_test_init(&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
    g_test_add(tests[i].path, World, NULL, set_up, tests[i].run, tear_down);
  return g_test_run();
}
