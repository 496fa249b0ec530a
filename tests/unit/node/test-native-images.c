/* Image references, layers, the store, dockerd's images, registries. Unpacking needs root: owners and device nodes. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/docker_remove.h"
#include "clusterd/node/images/image_reference.h"
#include "clusterd/node/images/image_store.h"
#include "clusterd/node/images/layer.h"
#include "clusterd/node/images/registry.h"

static char *scratch; /* emptied before each test */

static void test_references(void)
{
  static const struct {
    const char *text, *normal;
  } cases[] = {
    { "busybox", "docker.io/library/busybox:latest" },
    { "busybox:1.36", "docker.io/library/busybox:1.36" },
    { "bitnami/nginx", "docker.io/bitnami/nginx:latest" },
    { "index.docker.io/busybox", "docker.io/library/busybox:latest" },
    { "quay.io/a/b/c:v1", "quay.io/a/b/c:v1" },
    { "localhost:5000/x", "localhost:5000/x:latest" },
    { "localhost/x:1", "localhost/x:1" },
    { "a/b:t@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "docker.io/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "", NULL },
    { "UPPER", NULL },
    { "a//b", NULL },
    { "a:", NULL },
    { "a:-x", NULL },
    { "a@sha256:12", NULL },
    { "../etc", NULL },
    { "a b", NULL },
    { ":tag", NULL },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_auto(ImageReference) reference = { 0 };
    bool good = image_reference_parse(cases[i].text, &reference, NULL);
    g_autofree char *text = good ? image_reference_text(&reference) : NULL;
    g_assert_cmpstr(text, ==, cases[i].normal);
  }
}

/* A tar in memory. */
typedef struct Tar {
  struct archive *archive;
  GByteArray *bytes;
  size_t given; /* to the reader */
} Tar;

static la_ssize_t take(struct archive *archive, void *user, const void *data, size_t length)
{
  g_byte_array_append(user, data, (guint)length);
  return (la_ssize_t)length;
}

static Tar tar_new(void)
{
  Tar tar = { archive_write_new(), g_byte_array_new(), 0 };
  archive_write_set_format_pax_restricted(tar.archive);
  archive_write_open(tar.archive, tar.bytes, NULL, take, NULL);
  return tar;
}

typedef struct Item {
  const char *path;
  mode_t type;
  const char *link; /* of a symbolic link; a hard link when type is 0 */
  const char *content;
  dev_t device;
} Item;

static void tar_add(Tar *tar, const Item *item)
{
  struct archive_entry *entry = archive_entry_new();
  size_t length = item->content ? strlen(item->content) : 0;
  archive_entry_set_pathname(entry, item->path);
  archive_entry_set_filetype(entry, item->type ? item->type : AE_IFREG);
  archive_entry_set_perm(entry, item->type == AE_IFDIR ? 0750 : 04711);
  archive_entry_set_uid(entry, 12);
  archive_entry_set_gid(entry, 34);
  archive_entry_set_mtime(entry, 1000000, 0);
  archive_entry_set_size(entry, (la_int64_t)length);
  if (item->type == AE_IFLNK)
    archive_entry_set_symlink(entry, item->link);
  else if (item->link)
    archive_entry_set_hardlink(entry, item->link);
  if (item->type == AE_IFCHR)
    archive_entry_set_rdev(entry, item->device);
  g_assert_cmpint(archive_write_header(tar->archive, entry), >=, ARCHIVE_WARN); /* of a name not in ASCII */
  if (length)
    archive_write_data(tar->archive, item->content, length);
  archive_entry_free(entry);
}

static ssize_t give(void *source, const void **block, GError **error)
{
  Tar *tar = source;
  size_t length = MIN(tar->bytes->len - tar->given, 700);
  *block = tar->bytes->data + tar->given;
  tar->given += length;
  return (ssize_t)length;
}

static bool unpack(const Item *items, size_t count, LayerResult *result, GError **error)
{
  g_autofree char *folder = g_build_filename(scratch, "layer", NULL);
  Tar tar = tar_new();
  for (size_t i = 0; i < count; i++)
    tar_add(&tar, &items[i]);
  archive_write_free(tar.archive);
  g_assert_cmpint(mkdir(folder, 0755), ==, 0);
  bool good = layer_unpack(give, &tar, folder, NULL, NULL, result, error);
  g_autofree char *hex = g_compute_checksum_for_data(G_CHECKSUM_SHA256, tar.bytes->data, tar.bytes->len);
  g_autofree char *digest = g_strconcat("sha256:", hex, NULL);
  if (good)
    g_assert_cmpstr(result->diff_id, ==, digest);
  g_byte_array_unref(tar.bytes);
  return good;
}

static struct stat look(const char *name)
{
  struct stat info = { 0 };
  g_autofree char *path = g_build_filename(scratch, name, NULL);
  g_assert_cmpint(lstat(path, &info), ==, 0);
  return info;
}

static bool present(const char *name)
{
  struct stat info;
  g_autofree char *path = g_build_filename(scratch, name, NULL);
  return lstat(path, &info) == 0;
}

static void test_layer(void)
{
  static const Item items[] = {
    { "./", AE_IFDIR, NULL, NULL, 0 },
    { "dir", AE_IFDIR, NULL, NULL, 0 },
    { "dir/file", AE_IFREG, NULL, "content", 0 },
    { "hard", 0, "dir/file", NULL, 0 },
    { "deep/without/parents", AE_IFREG, NULL, "x", 0 },
    { "n\xc3\xa4me", AE_IFREG, NULL, "x", 0 },
    { "dir/.wh.gone", AE_IFREG, NULL, NULL, 0 },
    { "opaque/.wh..wh..opq", AE_IFREG, NULL, NULL, 0 },
    { "twice", AE_IFDIR, NULL, NULL, 0 },
    { "twice/inside", AE_IFREG, NULL, "x", 0 },
    { "twice", AE_IFREG, NULL, "now a file", 0 },
  };
  g_autoptr(GError) error = NULL;
  LayerResult result;
  g_assert_true(unpack(items, G_N_ELEMENTS(items), &result, &error));
  g_assert_no_error(error);
  struct stat file = look("layer/dir/file"), gone = look("layer/dir/gone"), folder = look("layer/dir");
  g_assert_cmpuint(file.st_uid, ==, 12);
  g_assert_cmpuint(file.st_gid, ==, 34);
  g_assert_cmpuint(file.st_mode, ==, S_IFREG | 04711);
  g_assert_cmpint(file.st_mtime, ==, 1000000);
  g_assert_cmpint(file.st_nlink, ==, 2);
  g_assert_cmpuint(folder.st_mode, ==, S_IFDIR | 0750);
  g_assert_cmpint(folder.st_mtime, ==, 1000000);
  g_assert_true(S_ISCHR(gone.st_mode) && gone.st_rdev == makedev(0, 0));
  g_assert_true(S_ISREG(look("layer/twice").st_mode));
  g_assert_true(present("layer/deep/without/parents"));
  g_assert_true(present("layer/n\xc3\xa4me"));
  char value[2];
  g_autofree char *opaque = g_build_filename(scratch, "layer/opaque", NULL);
  g_assert_cmpint(getxattr(opaque, "trusted.overlay.opaque", value, sizeof value), ==, 1);
}

/* Links lead nowhere outside. */
static void test_layer_contained(void)
{
  static const Item items[] = {
    { "out", AE_IFLNK, "../../../../../../tmp", NULL, 0 },
    { "root", AE_IFLNK, "/", NULL, 0 },
    { "root/inside", AE_IFREG, NULL, "x", 0 },
    { "/absolute", AE_IFREG, NULL, "x", 0 },
    { "etc", AE_IFDIR, NULL, NULL, 0 },
    { "up", AE_IFLNK, "../..", NULL, 0 },
    { "up/climbed", AE_IFREG, NULL, "x", 0 },
    { "etc/passwd", AE_IFLNK, "/etc/passwd", NULL, 0 },
    { "etc/passwd", AE_IFREG, NULL, "replaced, not followed", 0 },
  };
  g_autoptr(GError) error = NULL;
  LayerResult result;
  g_assert_true(unpack(items, G_N_ELEMENTS(items), &result, &error));
  g_assert_true(present("layer/inside"));
  g_assert_true(present("layer/absolute"));
  g_assert_true(present("layer/climbed"));
  g_assert_false(present("climbed"));
  g_assert_true(S_ISREG(look("layer/etc/passwd").st_mode));
}

static void assert_refused(Item item)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_build_filename(scratch, "layer", NULL);
  LayerResult result;
  g_assert_false(unpack(&item, 1, &result, &error));
  g_assert_nonnull(error);
  g_assert_false(present("escaped"));
  file_remove_tree(folder, NULL);
}

static void test_layer_refused(void)
{
  assert_refused((Item){ "../escaped", AE_IFREG, NULL, "x", 0 });
  assert_refused((Item){ "a/../../escaped", AE_IFREG, NULL, "x", 0 });
  assert_refused((Item){ "hard", 0, "../../../../../../etc/passwd", NULL, 0 });
  assert_refused((Item){ "null", AE_IFCHR, NULL, NULL, makedev(0, 0) });
  assert_refused((Item){ ".wh...", AE_IFREG, NULL, NULL, 0 });
}

static void test_layer_truncated(void)
{
  static const Item item = { "file", AE_IFREG, NULL, "some content", 0 };
  g_autofree char *folder = g_build_filename(scratch, "layer", NULL);
  g_autoptr(GError) error = NULL;
  LayerResult result;
  Tar tar = tar_new();
  tar_add(&tar, &item);
  archive_write_free(tar.archive);
  g_byte_array_set_size(tar.bytes, 515);
  g_assert_cmpint(mkdir(folder, 0755), ==, 0);
  g_assert_false(layer_unpack(give, &tar, folder, NULL, NULL, &result, &error));
  g_assert_true(reason_is(error, REASON_BAD_REQUEST));
  g_byte_array_unref(tar.bytes);
}

static char *make_image(const char *name, const char *format)
{
  char *path = g_build_filename(scratch, "image.tar", NULL);
  g_autofree char *layer = g_build_filename(scratch, "content", NULL);
  g_autofree char *file = g_build_filename(layer, "hello", NULL);
  g_autofree char *script = g_build_filename(g_getenv("G_TEST_SRCDIR"), "tests/images/make-image.py", NULL);
  const char *argv[] = { "python3", script, "--name", name, "--layer", layer, "--format", format, path, NULL };
  g_autoptr(GError) error = NULL;
  int status = -1;
  g_mkdir_with_parents(layer, 0755);
  g_file_set_contents(file, "hello\n", -1, NULL);
  g_assert_true(
      g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, &error));
  g_assert_cmpint(status, ==, 0);
  return path;
}

static ImageStore *open_store(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *dir = g_build_filename(scratch, "store", NULL);
  ImageStore *store = image_store_open(dir, NULL, NULL, NULL, &error);
  g_assert_no_error(error);
  return store;
}

static void load(ImageStore *store, const char *path)
{
  g_autoptr(GError) error = NULL;
  file_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
  g_autoptr(json_t) loaded = image_store_load(store, fd, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(json_array_size(loaded), >=, 1);
}

static void assert_usable(ImageStore *store, const char *reference)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Image) image = image_store_find(store, reference, &error);
  g_assert_no_error(error);
  g_autofree char *file = g_build_filename(image->layers[0], "hello", NULL);
  g_autofree char *content = NULL;
  g_assert_true(g_file_get_contents(file, &content, NULL, NULL));
  g_assert_cmpstr(content, ==, "hello\n");
  g_assert_cmpint(image->size_bytes, >, 0);
}

static void test_store(void)
{
  g_autoptr(ImageStore) store = open_store();
  g_autoptr(GError) error = NULL;
  g_autofree char *path = make_image("one:1", "docker");
  load(store, path);
  load(store, path);
  assert_usable(store, "one:1");
  g_free(path);
  path = make_image("two:latest", "oci");
  load(store, path);
  assert_usable(store, "docker.io/library/two:latest");
  g_assert_true(image_store_remove(store, "one:1", &error));
  assert_usable(store, "two"); /* the layer is shared */
  g_assert_null(image_store_find(store, "one:1", &error));
  g_assert_true(reason_is(error, REASON_RUNTIME_NOT_FOUND));
  g_autoptr(GPtrArray) images = image_store_list(store, NULL);
  g_assert_cmpuint(images->len, ==, 1);
  Image *image = g_ptr_array_index(images, 0);
  g_assert_true(image_store_remove(store, image->id, NULL));
  g_autofree char *layers = g_build_filename(scratch, "store/layers", NULL);
  g_autoptr(GDir) folder = g_dir_open(layers, 0, NULL);
  g_assert_null(g_dir_read_name(folder));
}

/* The last tag takes the image with it, though the archive gave it a digest, too. */
static void test_store_digest(void)
{
  g_autoptr(ImageStore) store = open_store();
  g_autofree char *path = make_image("three:1", "oci");
  load(store, path);
  g_autoptr(Image) image = image_store_find(store, "three:1", NULL);
  g_assert_cmpuint(g_strv_length(image->repo_digests), ==, 1);
  g_assert_true(image_store_remove(store, image->repo_digests[0], NULL));
  assert_usable(store, "three:1");
  load(store, path);
  g_assert_true(image_store_remove(store, "three:1", NULL));
  g_autoptr(GPtrArray) images = image_store_list(store, NULL);
  g_assert_cmpuint(images->len, ==, 0);
}

/* The read-only store shows its images and is never written. */
static void test_store_below(void)
{
  g_autofree char *path = make_image("below:latest", "oci"), *dir = g_build_filename(scratch, "store", NULL);
  g_autofree char *above = g_build_filename(scratch, "above", NULL);
  ImageStore *first = open_store();
  load(first, path);
  image_store_free(first);
  g_autoptr(ImageStore) store = image_store_open(above, dir, NULL, NULL, NULL);
  g_autoptr(GError) error = NULL;
  assert_usable(store, "below");
  g_assert_false(image_store_remove(store, "below", &error));
  g_assert_true(image_store_sweep(store, NULL));
  assert_usable(store, "below");
}

/* One byte changed anywhere is either noticed or harmless; the store stays as it was. */
static void test_store_damaged(void)
{
  g_autoptr(ImageStore) store = open_store();
  g_autofree char *path = make_image("one", "oci");
  g_autofree char *text = NULL;
  gsize length;
  g_assert_true(g_file_get_contents(path, &text, &length, NULL));
  char *content = memmem(text, length, "hello\n", 6);
  g_assert_nonnull(content);
  *content = 'j';
  g_assert_true(g_file_set_contents(path, text, (gssize)length, NULL));
  g_autoptr(GError) error = NULL;
  file_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
  g_assert_null(image_store_load(store, fd, &error));
  g_assert_true(reason_is(error, REASON_BAD_REQUEST));
  g_autoptr(GPtrArray) images = image_store_list(store, NULL);
  g_assert_cmpuint(images->len, ==, 0);
  g_autofree char *staging = g_build_filename(scratch, "store/tmp", NULL);
  g_autoptr(GDir) folder = g_dir_open(staging, 0, NULL);
  g_assert_null(g_dir_read_name(folder));
}

static void test_store_garbage(void)
{
  static const char *const texts[] = { "", "not an archive", "{\"a\": 1}" };
  g_autoptr(ImageStore) store = open_store();
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(scratch, "garbage", NULL);
    g_assert_true(g_file_set_contents(path, texts[i], -1, NULL));
    file_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_null(image_store_load(store, fd, &error));
    g_assert_nonnull(error);
  }
}

static void write_file(const char *name, const char *content)
{
  g_autofree char *path = g_build_filename(scratch, name, NULL);
  g_autofree char *folder = g_path_get_dirname(path);
  g_mkdir_with_parents(folder, 0755);
  g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

/* A data root as dockerd leaves it, with an image of two layers. */
static void test_docker(void)
{
#define DIFF_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define DIFF_2 "2222222222222222222222222222222222222222222222222222222222222222"
  static const char config[] =
      "{\"config\":{\"User\":\"www\"},\"rootfs\":{\"diff_ids\":[\"sha256:" DIFF_1 "\",\"sha256:" DIFF_2 "\"]}}";
  g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, config, -1);
  g_autofree char *chain = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "sha256:" DIFF_1 " sha256:" DIFF_2, -1);
  g_autofree char *config_path = g_strdup_printf("docker/image/overlay2/imagedb/content/sha256/%s", hex);
  g_autofree char *cache_path = g_strdup_printf("docker/image/overlay2/layerdb/sha256/%s/cache-id", chain);
  g_autofree char *names = g_strdup_printf("{\"Repositories\":{\"app\":{\"app:v1\":\"sha256:%s\"}}}", hex);
  write_file(config_path, config);
  write_file("docker/image/overlay2/layerdb/sha256/" DIFF_1 "/cache-id", "first");
  write_file("docker/image/overlay2/layerdb/sha256/" DIFF_1 "/size", "100");
  write_file(cache_path, "second");
  write_file("docker/image/overlay2/repositories.json", names);
  write_file("docker/overlay2/first/diff/f", "");
  write_file("docker/overlay2/second/diff/f", "");
  g_autofree char *root = g_build_filename(scratch, "docker", NULL), *dir = g_build_filename(scratch, "store", NULL);
  g_autoptr(ImageStore) store = image_store_open(dir, NULL, root, NULL, NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(Image) image = image_store_find(store, "app:v1", &error);
  g_assert_no_error(error);
  g_assert_cmpuint(g_strv_length(image->layers), ==, 2);
  g_assert_true(g_str_has_suffix(image->layers[0], "/overlay2/first/diff"));
  g_assert_true(g_str_has_suffix(image->layers[1], "/overlay2/second/diff"));
  g_assert_cmpstr(image->repo_tags[0], ==, "docker.io/library/app:v1");
  g_assert_cmpint(image->size_bytes, ==, 100);
  g_autoptr(GPtrArray) images = image_store_list(store, NULL);
  g_assert_cmpuint(images->len, ==, 1);
  write_file("docker/image/overlay2/repositories.json", "{\"Repositories\":{}}");
  g_autoptr(GPtrArray) unnamed = image_store_list(store, NULL);
  g_assert_cmpuint(unnamed->len, ==, 0);
  write_file("docker/image/overlay2/repositories.json", names);
  write_file(cache_path, "../../../etc");
  g_assert_null(image_store_find(store, "app:v1", NULL));
}

typedef struct FakeDocker {
  int listener;
  const char *reply;
  char request[512];
} FakeDocker;

static void *serve_once(void *data)
{
  FakeDocker *docker = data;
  int fd = accept(docker->listener, NULL, NULL);
  g_assert_cmpint(read(fd, docker->request, sizeof docker->request - 1), >, 0); /* curl sends it in one piece */
  g_assert_cmpint(write(fd, docker->reply, strlen(docker->reply)), >, 0);
  close(fd);
  return NULL;
}

static bool ask_docker(const char *reply, char **request, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  FakeDocker docker = { .reply = reply };
  g_autofree char *path = g_build_filename(scratch, "docker.sock", NULL);
  g_assert_cmpuint(g_strlcpy(address.sun_path, path, sizeof address.sun_path), <, sizeof address.sun_path);
  docker.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(bind(docker.listener, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint(listen(docker.listener, 1), ==, 0);
  GThread *thread = g_thread_new("dockerd", serve_once, &docker);
  bool done = docker_remove_image(path, "app:v1", error);
  g_thread_join(thread);
  close(docker.listener);
  unlink(path);
  *request = g_strdup(docker.request);
  return done;
}

static void test_docker_remove(void)
{
  g_autofree char *first = NULL, *second = NULL, *third = NULL;
  g_autoptr(GError) conflict = NULL, absent = NULL;
  g_assert_true(ask_docker("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", &first, NULL));
  g_assert_true(g_str_has_prefix(first, "DELETE /images/app:v1 HTTP/1.1\r\n"));
  g_assert_false(
      ask_docker("HTTP/1.1 409 Conflict\r\nContent-Length: 20\r\n\r\n{\"message\":\"in use\"}", &second, &conflict));
  g_assert_true(reason_is(conflict, REASON_CONFLICT));
  g_assert_nonnull(strstr(conflict->message, "in use"));
  g_assert_false(ask_docker("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", &third, &absent));
  g_assert_true(reason_is(absent, REASON_RUNTIME_NOT_FOUND));
}

static void test_docker_silent(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(scratch, "nobody.sock", NULL);
  g_assert_false(docker_remove_image(path, "app:v1", &error));
  g_assert_true(reason_is(error, REASON_RUNTIME));
}

static bool pull(ImageStore *store, Registries *registries, const char *reference, GError **error)
{
  RegistryPull asked = { .reference = reference };
  return registry_pull(store, registries, &asked, error);
}

static void test_registry(void)
{
  g_autofree char *path = make_image("served", "oci");
  g_autofree char *script = g_build_filename(g_getenv("G_TEST_SRCDIR"), "tests/images/serve-registry.py", NULL);
  const char *argv[] = { "python3", script, path, NULL };
  g_autoptr(ImageStore) store = open_store();
  g_autoptr(GError) error = NULL;
  GPid pid;
  int out;
  char port[16] = "";
  g_assert_true(g_spawn_async_with_pipes(NULL, (char **)(uintptr_t)argv, NULL,
                                         G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, NULL, &out,
                                         NULL, NULL));
  g_assert_cmpint(read(out, port, sizeof port - 1), >, 0);
  g_strstrip(port);
  g_autofree char *good = g_strdup_printf("127.0.0.1:%s/some/image:v1", port);
  g_autofree char *missing = g_strdup_printf("127.0.0.1:%s/missing/image:v1", port);
  g_autofree char *damaged = g_strdup_printf("127.0.0.1:%s/damaged/image:v1", port);
  g_autoptr(Registries) registries = registries_new(NULL);
  g_assert_false(pull(store, registries, missing, &error));
  g_assert_true(reason_is(error, REASON_DOWNLOAD_NOT_FOUND));
  g_clear_error(&error);
  g_assert_false(pull(store, registries, damaged, &error));
  g_assert_true(reason_is(error, REASON_IMAGE_INVALID));
  g_clear_error(&error);
  g_assert_true(pull(store, registries, good, &error));
  g_assert_no_error(error);
  assert_usable(store, good);
  kill(pid, SIGKILL);
  g_assert_false(pull(store, registries, good, &error));
  g_assert_true(reason_is(error, REASON_DOWNLOAD));
  close(out);
}

static void with_scratch(const void *data)
{
  void (*const *run)(void) = data;
  scratch = g_dir_make_tmp("images-XXXXXX", NULL);
  if (geteuid() == 0)
    (*run)();
  else
    g_test_skip("needs root: layers carry owners and device nodes");
  file_remove_tree(scratch, NULL);
  g_clear_pointer(&scratch, g_free);
}

int main(int argc, char **argv)
{
  static const struct {
    const char *path;
    void (*run)(void);
  } tests[] = { { "/images/layer", test_layer },
                { "/images/layer-contained", test_layer_contained },
                { "/images/layer-refused", test_layer_refused },
                { "/images/layer-truncated", test_layer_truncated },
                { "/images/store", test_store },
                { "/images/store-digest", test_store_digest },
                { "/images/store-below", test_store_below },
                { "/images/store-damaged", test_store_damaged },
                { "/images/store-garbage", test_store_garbage },
                { "/images/docker", test_docker },
                { "/images/docker-remove", test_docker_remove },
                { "/images/docker-silent", test_docker_silent },
                { "/images/registry", test_registry } };
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/images/references", test_references);
  for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
    g_test_add_data_func(tests[i].path, &tests[i].run, with_scratch);
  return g_test_run();
}
