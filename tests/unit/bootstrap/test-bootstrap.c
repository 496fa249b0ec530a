/* Certificates, config drive and kubeconfig of a profile, and the boot image's checks, on real files. */
#include <archive.h>
#include <archive_entry.h>
#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/x509.h"
#include "base/yaml.h"
#include "bootstrap/boot_image.h"
#include "bootstrap/certificates.h"
#include "bootstrap/config_drive.h"
#include "bootstrap/iso_reader.h"
#include "bootstrap/kubeconfig.h"

typedef struct World {
  char *path, *kubeconfig;
  Home *home;
  Profile *profile;
} World;

static void set_up(World *world, gconstpointer unused)
{
  world->path = g_dir_make_tmp("launcher-test-XXXXXX", NULL);
  world->kubeconfig = g_build_filename(world->path, "kube", "config", NULL);
  g_setenv("LAUNCHER_HOME", world->path, TRUE);
  g_setenv("KUBECONFIG", world->kubeconfig, TRUE);
  world->home = home_new("launcher");
  world->profile = profile_new("unit");
  g_free(world->profile->address);
  world->profile->address = g_strdup("127.77.1.2");
  g_assert_true(profile_save(world->home, world->profile, NULL));
}

static void tear_down(World *world, gconstpointer unused)
{
  profile_free(world->profile);
  home_free(world->home);
  g_assert_true(file_remove_tree(world->path, NULL));
  g_free(world->kubeconfig);
  g_free(world->path);
}

static void write_text(const char *path, const char *text)
{
  g_autofree char *folder = g_path_get_dirname(path);
  g_assert_true(file_make_dirs(folder, 0700, NULL));
  g_assert_true(file_write_atomic(path, text, strlen(text), 0600, NULL));
}

static char *read_text(const char *path)
{
  g_autoptr(GBytes) bytes = file_read(path, 1 << 20, NULL);
  g_assert_nonnull(bytes);
  return g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

/* --- certificates ---------------------------------------------------------------------------------------------------
 */

static void test_certificates(World *world, gconstpointer unused)
{
  bool renewed = false;
  g_assert_true(certificates_ensure(world->home, world->profile, &renewed, NULL));
  g_assert_true(renewed);
  g_autofree char *pki = home_profile_file(world->home, "unit", "pki");
  g_autofree char *key = home_profile_file(world->home, "unit", "docker/key.pem");
  g_autoptr(X509Pair) authority = x509_load(pki, "ca", NULL);
  g_autoptr(X509Pair) server = x509_load(pki, "apiserver", NULL);
  g_autoptr(X509Pair) docker = x509_load(pki, "docker-server", NULL);
  const char *addresses[] = { "127.77.1.2", "10.96.0.1", "10.0.2.15", NULL },
             *names[] = { "kubernetes.default.svc", "unit", NULL };
  X509Request wanted = { .dns_names = names, .addresses = addresses };
  struct stat info;
  g_assert_true(x509_is_signed_by(server, authority));
  g_assert_false(x509_is_signed_by(docker, authority));
  g_assert_true(x509_covers(server, &wanted));
  g_assert_cmpint(stat(key, &info), ==, 0);
  g_assert_cmpint(info.st_mode & 0777, ==, 0600);
}

/* A second run keeps what is good; a new name in the profile renews the server's certificate and nothing else. */
static void test_certificates_stay(World *world, gconstpointer unused)
{
  bool renewed = true;
  g_assert_true(certificates_ensure(world->home, world->profile, NULL, NULL));
  g_autofree char *client_path = home_profile_file(world->home, "unit", "pki/client.crt");
  g_autofree char *before = read_text(client_path);
  g_assert_true(certificates_ensure(world->home, world->profile, &renewed, NULL));
  g_assert_false(renewed);
  json_array_append_new(world->profile->apiserver_names, json_string("lab.example"));
  g_assert_true(certificates_ensure(world->home, world->profile, &renewed, NULL));
  g_assert_true(renewed);
  g_autofree char *after = read_text(client_path);
  g_assert_cmpstr(before, ==, after);
}

static void test_config_drive(World *world, gconstpointer unused)
{
  g_autofree char *iso = g_build_filename(world->path, "config.iso", NULL);
  g_autofree char *cluster = g_build_filename(world->path, "cluster.json", NULL);
  g_autofree char *key = g_build_filename(world->path, "sa.key", NULL);
  g_autofree char *original = home_profile_file(world->home, "unit", "pki/sa.key");
  struct stat info;
  g_assert_true(certificates_ensure(world->home, world->profile, NULL, NULL));
  g_assert_true(config_drive_write(world->home, world->profile, iso, NULL));
  g_assert_cmpint(stat(iso, &info), ==, 0);
  g_assert_cmpint(info.st_mode & 0777, ==, 0600);
  IsoExtract wanted[] = { { "cluster.json", cluster }, { "pki/sa.key", key } };
  g_assert_true(iso_extract(iso, wanted, G_N_ELEMENTS(wanted), NULL));
  g_autoptr(json_t) value = json_read_file(cluster, NULL);
  g_assert_cmpstr(json_str(value, "nodeName", ""), ==, "unit");
  g_assert_cmpstr(json_str(value, "loadBalancerAddress", ""), ==, world->profile->address);
  g_assert_true(json_has_text(json_object_get(value, "loadBalancerReservedPorts"), "2376"));
  g_assert_null(json_object_get(value, "evictionHard"));
  g_assert_cmpstr(json_str(value, "podCIDR", ""), ==, "10.244.0.0/24");
  g_assert_cmpstr(json_str(value, "dnsIP", ""), ==, "10.96.0.10");
  /* a container has the host's disk: it is not watched */
  g_free(world->profile->driver);
  world->profile->driver = g_strdup("container");
  g_free(world->profile->service_cidr); /* pods have the families that services have */
  world->profile->service_cidr = g_strdup("10.8.0.0/16,fd00:8::/112");
  g_assert_true(config_drive_write(world->home, world->profile, iso, NULL));
  g_assert_true(iso_extract(iso, wanted, G_N_ELEMENTS(wanted), NULL));
  g_autoptr(json_t) shared = json_read_file(cluster, NULL);
  g_assert_cmpuint(json_array_size(json_object_get(shared, "evictionHard")), ==, 1);
  g_assert_true(json_has_text(json_object_get(shared, "evictionHard"), "memory.available<100Mi"));
  g_assert_cmpint(json_int(shared, "imageGCHighThresholdPercent", 0), ==, 100);
  g_assert_cmpstr(json_str(shared, "podCIDR", ""), ==, "10.244.0.0/24,fd00:10:244::/64");
  g_assert_cmpstr(json_str(shared, "dnsIP", ""), ==, "10.8.0.10");
  g_autofree char *copied = read_text(key), *expected = read_text(original);
  g_assert_cmpstr(copied, ==, expected);
}

/* --- kubeconfig -----------------------------------------------------------------------------------------------------
 */

static const char foreign[] =
    "apiVersion: v1\nkind: Config\ncurrent-context: work\nx-mine: {a: [1, 2]}\n"
    "clusters:\n- name: work\n  cluster: {server: 'https://work:6443', proxy-url: 'http://p'}\n"
    "contexts:\n- name: work\n  context: {cluster: work, user: me}\n"
    "users:\n- name: me\n  user: {exec: {command: get-token, args: ['-x', '5']}}\n";

static json_t *read_kubeconfig(World *world)
{
  g_autofree char *text = read_text(world->kubeconfig);
  return yaml_parse(text, strlen(text), NULL);
}

static void test_kubeconfig_keeps_foreign(World *world, gconstpointer unused)
{
  KubeconfigOptions options = { 0 };
  write_text(world->kubeconfig, foreign);
  g_autoptr(json_t) before = read_kubeconfig(world);
  g_assert_true(kubeconfig_merge(world->home, world->profile, &options, NULL));
  g_assert_true(kubeconfig_is_configured(world->profile));
  g_autofree char *context = kubeconfig_current_context();
  g_assert_cmpstr(context, ==, "unit");
  g_assert_true(kubeconfig_merge(world->home, world->profile, &options, NULL));
  g_autoptr(json_t) merged = read_kubeconfig(world);
  g_assert_cmpuint(json_array_size(json_object_get(merged, "clusters")), ==, 2);
  g_assert_true(kubeconfig_remove("unit", NULL));
  g_assert_false(kubeconfig_is_configured(world->profile));
  g_autoptr(json_t) after = read_kubeconfig(world);
  json_object_set_new(before, "current-context", json_string(""));
  json_object_del(after, "preferences");
  g_assert_true(json_equal(before, after));
}

static void test_kubeconfig_keep_context(World *world, gconstpointer unused)
{
  KubeconfigOptions options = { .keep_context = true };
  write_text(world->kubeconfig, foreign);
  g_assert_true(kubeconfig_merge(world->home, world->profile, &options, NULL));
  g_autofree char *context = kubeconfig_current_context();
  g_assert_cmpstr(context, ==, "work");
}

static void test_kubeconfig_embedded(World *world, gconstpointer unused)
{
  KubeconfigOptions options = { .embed_certs = true };
  g_assert_true(certificates_ensure(world->home, world->profile, NULL, NULL));
  g_assert_true(kubeconfig_merge(world->home, world->profile, &options, NULL));
  g_autoptr(json_t) config = read_kubeconfig(world);
  const json_t *user = json_object_get(json_array_get(json_object_get(config, "users"), 0), "user");
  gsize length;
  g_autofree guchar *data = g_base64_decode(json_str(user, "client-key-data", ""), &length);
  g_assert_true(g_strstr_len((const char *)data, (gssize)length, "PRIVATE KEY") != NULL);
}

/* What cannot be understood is left alone. */
static void test_kubeconfig_broken(World *world, gconstpointer unused)
{
  KubeconfigOptions options = { 0 };
  g_autoptr(GError) error = NULL;
  write_text(world->kubeconfig, "clusters: [\n");
  g_assert_false(kubeconfig_merge(world->home, world->profile, &options, &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_CONFIG);
  g_autofree char *text = read_text(world->kubeconfig);
  g_assert_cmpstr(text, ==, "clusters: [\n");
  g_autofree char *lock = g_strconcat(world->kubeconfig, ".lock", NULL);
  g_assert_false(g_file_test(lock, G_FILE_TEST_EXISTS));
}

/* A launcher that was killed with the lock in its hand locks nobody out. */
static void test_kubeconfig_stale_lock(World *world, gconstpointer unused)
{
  KubeconfigOptions options = { 0 };
  g_autofree char *lock = g_strconcat(world->kubeconfig, ".lock", NULL);
  write_text(lock, "launcher 4194999\n"); /* above the largest pid */
  g_assert_true(kubeconfig_merge(world->home, world->profile, &options, NULL));
  g_assert_false(g_file_test(lock, G_FILE_TEST_EXISTS));
}

/* --- boot image -----------------------------------------------------------------------------------------------------
 */

static void count_download(Progress *progress, const char *artifact, int64_t done, int64_t total)
{
}

static Progress quiet = { .download = count_download };

static void add_member(struct archive *archive, const char *path, const char *text)
{
  struct archive_entry *entry = archive_entry_new();
  archive_entry_set_pathname(entry, path);
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_perm(entry, 0644);
  archive_entry_set_size(entry, (la_int64_t)strlen(text));
  g_assert_cmpint(archive_write_header(archive, entry), ==, ARCHIVE_OK);
  g_assert_cmpint((int)archive_write_data(archive, text, strlen(text)), ==, (int)strlen(text));
  archive_entry_free(entry);
}

static void make_iso(const char *path, const char *kernel)
{
  struct archive *archive = archive_write_new();
  archive_write_set_format_iso9660(archive);
  g_assert_cmpint(archive_write_open_filename(archive, path), ==, ARCHIVE_OK);
  add_member(archive, "boot/vmlinuz", kernel);
  add_member(archive, "boot/initrd.img", "initrd");
  add_member(archive, "manifest.json", "{\"packages\":{\"crun\":\"1.8\"}}");
  g_assert_cmpint(archive_write_free(archive), ==, ARCHIVE_OK);
}

/* Writes PATH.sha256 and PATH.sig with a new key whose public half goes to KEY_PATH. */
static void sign(const char *path, const char *key_path)
{
  g_autofree char *sum_path = g_strconcat(path, ".sha256", NULL), *signature_path = g_strconcat(path, ".sig", NULL);
  g_autoptr(GBytes) bytes = file_read(path, 16 << 20, NULL);
  g_autofree char *hex = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
  g_autofree char *line = g_strconcat(hex, "  launcher.iso\n", NULL);
  guint8 digest[32], signature[64];
  gsize digest_length = sizeof digest;
  size_t length = sizeof signature;
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(checksum, g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes));
  g_checksum_get_digest(checksum, digest, &digest_length);
  EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  g_assert_cmpint(EVP_DigestSignInit(context, NULL, NULL, NULL, key), ==, 1);
  g_assert_cmpint(EVP_DigestSign(context, signature, &length, digest, sizeof digest), ==, 1);
  FILE *file = fopen(key_path, "we");
  g_assert_cmpint(PEM_write_PUBKEY(file, key), ==, 1);
  fclose(file);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  write_text(sum_path, line);
  g_assert_true(file_write_atomic(signature_path, signature, sizeof signature, 0644, NULL));
}

typedef struct Image {
  char *iso, *key;
} Image;

static Image make_image(World *world)
{
  Image image = { g_build_filename(world->path, "launcher.iso", NULL), g_build_filename(world->path, "key.pub", NULL) };
  make_iso(image.iso, "kernel one");
  sign(image.iso, image.key);
  return image;
}

static void clear_image(Image *image)
{
  g_free(image->iso);
  g_free(image->key);
}

static void test_image_is_cached(World *world, gconstpointer unused)
{
  Image image = make_image(world);
  g_autofree char *url = g_strconcat("file://", image.iso, NULL);
  g_autoptr(BootImage) first = boot_image_ensure(world->home, image.iso, image.key, &quiet, NULL);
  g_assert_nonnull(first);
  g_autofree char *kernel = read_text(first->kernel);
  g_assert_cmpstr(kernel, ==, "kernel one");
  /* the cache needs neither the key nor the signature again */
  g_autoptr(BootImage) second = boot_image_ensure(world->home, url, NULL, &quiet, NULL);
  g_assert_nonnull(second);
  g_assert_cmpstr(first->digest, ==, second->digest);
  g_autoptr(GError) error = NULL;
  g_assert_true(boot_image_has_package(first, "crun", &error));
  g_assert_false(boot_image_has_package(first, "cri-o", &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_RUNTIME_NOT_FOUND);
  g_assert_cmpstr(error->message, ==, "the boot image has no cri-o");
  clear_image(&image);
}

static void refuse(World *world, const Image *image, Reason reason)
{
  g_autoptr(GError) error = NULL;
  g_assert_null(boot_image_ensure(world->home, image->iso, image->key, &quiet, &error));
  g_assert_error(error, LAUNCHER_ERROR, (int)reason);
  g_autofree char *cache = home_file(world->home, "cache/boot");
  g_autoptr(GDir) folder = g_dir_open(cache, 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name(folder)))
    g_assert_true(strcmp(name, "lock") == 0); /* nothing half-made stays */
}

static void test_image_refusals(World *world, gconstpointer unused)
{
  Image image = make_image(world);
  g_autofree char *sum = g_strconcat(image.iso, ".sha256", NULL), *signature = g_strconcat(image.iso, ".sig", NULL);
  g_autofree char *good_sum = read_text(sum);
  /* one byte more: the sum no longer fits */
  FILE *file = fopen(image.iso, "ae");
  fputc('x', file);
  fclose(file);
  refuse(world, &image, REASON_IMAGE_INVALID);
  /* a sum that fits, but the signature is of another image */
  g_autoptr(GBytes) bytes = file_read(image.iso, 16 << 20, NULL);
  g_autofree char *hex = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
  write_text(sum, hex);
  refuse(world, &image, REASON_IMAGE_UNSIGNED);
  g_assert_true(file_write_atomic(signature, "short", 5, 0644, NULL));
  refuse(world, &image, REASON_IMAGE_UNSIGNED);
  g_assert_cmpint(g_unlink(signature), ==, 0);
  refuse(world, &image, REASON_IMAGE_UNSIGNED);
  /* signed, but no boot image */
  write_text(image.iso, "not an ISO");
  sign(image.iso, image.key);
  refuse(world, &image, REASON_IMAGE_INVALID);
  clear_image(&image);
}

/* A bad image at the same place never replaces the good one in the cache. */
static void test_image_good_one_stays(World *world, gconstpointer unused)
{
  Image image = make_image(world);
  g_autoptr(GError) error = NULL;
  g_autoptr(BootImage) good = boot_image_ensure(world->home, image.iso, image.key, &quiet, NULL);
  write_text(image.iso, "something else");
  g_assert_null(boot_image_ensure(world->home, image.iso, image.key, &quiet, &error));
  g_assert_nonnull(error);
  g_autoptr(BootImage) still = boot_image_cached(world->home, good->digest, NULL);
  g_assert_nonnull(still);
  g_autofree char *kernel = read_text(still->kernel);
  g_assert_cmpstr(kernel, ==, "kernel one");
  clear_image(&image);
}

#define ADD(path, function) g_test_add(path, World, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  ADD("/certificates/made", test_certificates);
  ADD("/certificates/stay", test_certificates_stay);
  ADD("/config-drive/content", test_config_drive);
  ADD("/kubeconfig/foreign", test_kubeconfig_keeps_foreign);
  ADD("/kubeconfig/keep-context", test_kubeconfig_keep_context);
  ADD("/kubeconfig/embedded", test_kubeconfig_embedded);
  ADD("/kubeconfig/broken", test_kubeconfig_broken);
  ADD("/kubeconfig/stale-lock", test_kubeconfig_stale_lock);
  ADD("/boot-image/cached", test_image_is_cached);
  ADD("/boot-image/refusals", test_image_refusals);
  ADD("/boot-image/good-one-stays", test_image_good_one_stays);
  return g_test_run();
}
