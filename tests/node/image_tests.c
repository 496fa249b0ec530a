/* Images as volumes, and images that nobody uses. */
#include "image_tests.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/pressure/image_collector.h"
#include "runtime_fixture.h"

#define DATA "data:1"           /* one layer with the file /data/file, and the program /data/run */
#define PRELOADED "preloaded:1" /* two layers: busybox, and the file /layered */

static void load(const char *variable)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) loaded = NULL;
  file_autofd int fd = open(g_getenv(variable), O_RDONLY | O_CLOEXEC);
  g_assert_true(runtime->load_image(runtime, fd, &loaded, &error));
  g_assert_no_error(error);
}

static char *id_of(const char *reference)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ImageStatus) image = runtime->image_status(runtime, reference, &error);
  g_assert_no_error(error);
  return g_strdup(image->id);
}

static void mount_at(const char *id, const char *folder)
{
  g_autoptr(GError) error = NULL;
  g_assert_cmpint(mkdir(folder, 0700), ==, 0);
  bool mounted = runtime->mount_image(runtime, id, folder, &error);
  g_assert_no_error(error);
  g_assert_true(mounted);
}

static void assert_file(const char *folder, const char *name, const char *wanted)
{
  g_autofree char *path = g_build_filename(folder, name, NULL), *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_assert_cmpstr(text, ==, wanted);
}

static void assert_used(const char *reference)
{
  g_autoptr(GError) error = NULL;
  g_assert_false(runtime->remove_image(runtime, reference, &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_CONFLICT);
}

static void assert_removed(const char *reference)
{
  g_autoptr(GError) error = NULL;
  runtime->remove_image(runtime, reference, &error);
  g_assert_no_error(error);
}

/* A container sees what the image holds, cannot write to it and, where the runtime can be told so, runs nothing of it.
 */
static void check_in_container(const char *one, const char *other)
{
  ContainerMount mounts[] = {
    { .host_path = one, .container_path = "/one", .read_only = true, .no_exec = true },
    { .host_path = other, .container_path = "/other", .read_only = true, .no_exec = true },
  };
  ContainerSpec changes = { .mounts = mounts, .n_mounts = G_N_ELEMENTS(mounts) };
  char *sandbox = run_sandbox(NULL);
  g_autofree char *id = run_script(sandbox, "sleep 1000", &changes);
  assert_exec(id, "cat /one/data/file /other/layered", "of an image\ntwo\n");
  assert_exec(id, "touch /one/x 2>/dev/null || echo no; rm /other/layered 2>/dev/null || echo no", "no\nno\n");
  if (fixture_is("native"))
    assert_exec(id, "/one/data/run 2>/dev/null || echo no; /other/bin/busybox true 2>/dev/null || echo no", "no\nno\n");
  remove_sandbox(sandbox);
}

/* The content of an image, of one layer and of several, at a folder: it is in use as long as it is mounted, also for a
 * runtime that did not mount it. */
void image_test_volume(void)
{
  g_autofree char *folder = g_dir_make_tmp("images-XXXXXX", NULL);
  g_autofree char *one = g_build_filename(folder, "one", NULL), *other = g_build_filename(folder, "other", NULL);
  g_autofree char *file = g_build_filename(one, "data/new", NULL);
  load("DATA_ARCHIVE");
  load("PRELOADED_ARCHIVE");
  g_autofree char *data = id_of(DATA), *preloaded = id_of(PRELOADED);
  mount_at(data, one);
  mount_at(preloaded, other);
  assert_file(one, "data/file", "of an image\n");
  assert_file(other, "layered", "two\n");
  g_assert_cmpint(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), <, 0);
  g_assert_cmpint(errno, ==, EROFS);
  check_in_container(one, other);
  assert_used(data);
  assert_used(DATA);
  runtime->free(runtime);
  open_runtime();
  assert_used(data);
  assert_used(preloaded);
  g_assert_cmpint(umount2(one, UMOUNT_NOFOLLOW), ==, 0);
  g_assert_cmpint(umount2(other, UMOUNT_NOFOLLOW), ==, 0);
  assert_removed(data);
  assert_removed(preloaded);
  g_autoptr(GError) error = NULL;
  g_assert_null(runtime->image_status(runtime, DATA, &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_RUNTIME_NOT_FOUND);
  g_clear_error(&error);
  g_assert_cmpint(mkdir(one, 0700), <, 0); /* an image that is not here */
  g_assert_false(runtime->mount_image(runtime, data, one, &error));
  g_assert_nonnull(error);
  file_remove_tree(folder, NULL);
}

/* --- collecting -----------------------------------------------------------------------------------------------------
 */

/* A disk of 100 bytes: so many are free, and every image that goes frees ten. */
typedef struct Disk {
  int64_t now_us, available;
  guint images;
} Disk;

static guint count_images(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) images = runtime->list_images(runtime, &error);
  g_assert_no_error(error);
  return images->len;
}

static int64_t disk_now(void *data)
{
  return ((Disk *)data)->now_us;
}

static void disk_look(void *data, Observations *seen)
{
  const Disk *disk = data;
  int64_t freed = 10 * ((int64_t)disk->images - count_images());
  seen->of[SIGNAL_IMAGE_SPACE] = (Observation){ .known = true, .available = disk->available + freed, .capacity = 100 };
}

static void pass(ImageCollector *collector, Disk *disk, int64_t available)
{
  Observations nothing = { 0 };
  disk->now_us += IMAGE_PERIOD_US;
  disk->available = available;
  disk->images = count_images();
  image_collector_pass(collector, &nothing);
}

static bool is_here(const char *id)
{
  g_autoptr(ImageStatus) image = runtime->image_status(runtime, id, NULL);
  return image != NULL;
}

/* Images that nobody uses go when the disk is full, those whose last use is longest ago first, and no more than it
 * takes; never one in use, nor what pods themselves stand on. */
void image_test_collection(void)
{
  Disk disk = { 0 };
  const PressureSource source = { .data = &disk, .now_us = disk_now, .look = disk_look };
  const ImagePolicy policy = { .high_percent = 80, .low_percent = 80 };
  g_autoptr(GError) error = NULL;
  load("DATA_ARCHIVE");
  load("PRELOADED_ARCHIVE");
  g_autofree char *data = id_of(DATA), *preloaded = id_of(PRELOADED), *busybox = id_of(IMAGE);
  ImageCollector *collector = image_collector_new(runtime, &source, NULL, "node", &policy, NULL);
  char *sandbox = run_sandbox(NULL), *other = run_sandbox(NULL);
  ContainerSpec spec = { .name = "user", .image_id = preloaded, .log_path = LOG_DIR "/user/0.log" };
  g_autofree char *user = runtime->create_container(runtime, other, &spec, &error);
  g_assert_no_error(error);
  g_autofree char *id = run_script(sandbox, "sleep 1000", NULL);
  pass(collector, &disk, 50);
  remove_sandbox(other);
  g_assert_true(is_here(data));
  pass(collector, &disk, 15); /* five bytes more are wanted: one image */
  g_assert_false(is_here(data));
  g_assert_true(is_here(preloaded));
  pass(collector, &disk, 15);
  g_assert_false(is_here(preloaded));
  g_assert_true(is_here(busybox));
  image_collector_remove_unused(collector);
  g_assert_true(is_here(busybox));
  image_collector_free(collector);
  remove_sandbox(sandbox);
  remove_sandbox(run_sandbox(NULL));
}
