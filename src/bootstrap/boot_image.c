#include "bootstrap/boot_image.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/x509.h"
#include "bootstrap/download.h"
#include "bootstrap/iso_reader.h"

#define SIGNATURE_SIZE 64
#define DIGEST_SIZE 32
#define LOCK_TIMEOUT_MS (30 * 60 * 1000) /* another start may be downloading */

void boot_image_free(BootImage *image)
{
  if (!image)
    return;
  g_free(image->digest);
  g_free(image->iso);
  g_free(image->kernel);
  g_free(image->initrd);
  g_free(image);
}

const char *boot_image_default_source(void)
{
  return LAUNCHER_ISO_URL;
}

static bool is_url(const char *source)
{
  return strstr(source, "://") != NULL;
}

/* The local path of SOURCE when it is a file, else NULL. The caller frees. */
static char *local_path(const char *source)
{
  if (g_str_has_prefix(source, "file://"))
    return g_filename_from_uri(source, NULL, NULL);
  return is_url(source) ? NULL : g_canonicalize_filename(source, NULL);
}

static BootImage *image_in(const char *directory, const char *digest)
{
  BootImage *image = g_new0(BootImage, 1);
  image->digest = g_strdup(digest);
  image->iso = g_build_filename(directory, "launcher.iso", NULL);
  image->kernel = g_build_filename(directory, "vmlinuz", NULL);
  image->initrd = g_build_filename(directory, "initrd.img", NULL);
  return image;
}

BootImage *boot_image_cached(const Home *home, const char *digest, GError **error)
{
  g_autofree char *cache = home_file(home, "cache/boot");
  g_autofree char *directory = g_build_filename(cache, digest, NULL);
  if (*digest && access(directory, R_OK) == 0)
    return image_in(directory, digest);
  reason_set(error, REASON_IMAGE_INVALID, "the boot image %.12s is not in the cache", *digest ? digest : "(none)");
  return NULL;
}

/* --- which source gave which image ----------------------------------------------------------------------------------
 */

/* What tells two states of a source apart: for a file its size and time; a URL is taken to stay the same. */
static char *fingerprint(const char *path)
{
  struct stat info;
  if (!path || stat(path, &info) < 0)
    return g_strdup("");
  return g_strdup_printf("%lld:%lld.%09ld", (long long)info.st_size, (long long)info.st_mtim.tv_sec,
                         info.st_mtim.tv_nsec);
}

static json_t *read_sources(const char *path)
{
  json_t *sources = access(path, R_OK) == 0 ? json_read_file(path, NULL) : NULL;
  return sources ? sources : json_object();
}

static BootImage *find_cached(const Home *home, const char *source, const char *stamp)
{
  g_autofree char *path = home_file(home, "cache/boot/sources.json");
  g_autoptr(json_t) sources = read_sources(path);
  const json_t *known = json_object_get(sources, source);
  const char *digest = json_str(known, "digest", "");
  if (!*digest || strcmp(json_str(known, "fingerprint", ""), stamp) != 0)
    return NULL;
  return boot_image_cached(home, digest, NULL);
}

static bool remember(const Home *home, const char *source, const char *stamp, const char *digest, GError **error)
{
  g_autofree char *path = home_file(home, "cache/boot/sources.json");
  g_autoptr(json_t) sources = read_sources(path);
  json_object_set_new(sources, source, json_pack("{s:s, s:s}", "digest", digest, "fingerprint", stamp));
  g_autofree char *text = json_text_pretty(sources);
  return file_write_atomic(path, text, strlen(text), 0644, error);
}

/* --- verification ---------------------------------------------------------------------------------------------------
 */

static bool digest_file(const char *path, uint8_t digest[DIGEST_SIZE], GError **error)
{
  file_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot read %s", path);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  g_autofree guint8 *block = g_malloc(1 << 20);
  ssize_t got = 0;
  EVP_DigestInit_ex(context, EVP_sha256(), NULL);
  while ((got = read(fd, block, 1 << 20)) > 0)
    EVP_DigestUpdate(context, block, (size_t)got);
  EVP_DigestFinal_ex(context, digest, NULL);
  EVP_MD_CTX_free(context);
  return got == 0 || reason_set_errno(error, REASON_FILE, errno, "Cannot read %s", path);
}

static char *hex(const uint8_t *bytes, size_t n)
{
  GString *text = g_string_sized_new(2 * n);
  for (size_t i = 0; i < n; i++)
    g_string_append_printf(text, "%02x", bytes[i]);
  return g_string_free(text, FALSE);
}

static bool check_digest(GBytes *expected, const char *actual, const char *source, GError **error)
{
  gsize length;
  const char *text = g_bytes_get_data(expected, &length);
  if (length < 2 * DIGEST_SIZE || g_ascii_strncasecmp(text, actual, 2 * DIGEST_SIZE) != 0)
    return reason_set(error, REASON_IMAGE_INVALID, "%s: the SHA-256 is %s, not the %.*s of %s.sha256", source, actual,
                      (int)MIN(length, (gsize)2 * DIGEST_SIZE), text ? text : "", source);
  return true;
}

/* PEM files of the keys this installation trusts. */
static GPtrArray *trusted_keys(const char *extra_key)
{
  GPtrArray *keys = g_ptr_array_new_with_free_func(g_free);
  const char *folder = LAUNCHER_PKGDATADIR "/keys";
  g_autoptr(GDir) directory = g_dir_open(folder, 0, NULL);
  const char *name;
  if (extra_key)
    g_ptr_array_add(keys, g_strdup(extra_key));
  while (directory && (name = g_dir_read_name(directory)))
    if (g_str_has_suffix(name, ".pub"))
      g_ptr_array_add(keys, g_build_filename(folder, name, NULL));
  return keys;
}

static bool check_signature(GBytes *signature, const uint8_t digest[DIGEST_SIZE], const char *source,
                            const char *extra_key, GError **error)
{
  if (g_bytes_get_size(signature) != SIGNATURE_SIZE)
    return reason_set(error, REASON_IMAGE_UNSIGNED, "%s.sig: %zu bytes, a signature has %d", source,
                      g_bytes_get_size(signature), SIGNATURE_SIZE);
  g_autoptr(GPtrArray) keys = trusted_keys(extra_key);
  for (guint i = 0; i < keys->len; i++) {
    g_autoptr(GError) inner = NULL;
    if (x509_verify_ed25519(keys->pdata[i], digest, DIGEST_SIZE, g_bytes_get_data(signature, NULL), &inner))
      return true;
    if (!reason_is(inner, REASON_IMAGE_UNSIGNED)) {
      g_propagate_error(error, g_steal_pointer(&inner));
      return false;
    }
  }
  return reason_set(error, REASON_IMAGE_UNSIGNED, "%s: not signed by any of the %u trusted keys", source, keys->len);
}

/* --- fetching -------------------------------------------------------------------------------------------------------
 */

/* A companion of the image: SOURCE + SUFFIX. */
static GBytes *fetch_companion(const char *source, const char *suffix, Reason when_absent, GError **error)
{
  g_autofree char *path = local_path(source);
  g_autofree char *name = g_strconcat(path ? path : source, suffix, NULL);
  g_autoptr(GError) inner = NULL;
  GBytes *bytes = path ? file_read(name, 4096, &inner) : download_bytes(name, 4096, &inner);
  if (bytes)
    return bytes;
  if (path || reason_is(inner, REASON_DOWNLOAD_NOT_FOUND))
    reason_set(error, when_absent, "%s: cannot be read, so the image cannot be trusted", name);
  else
    g_propagate_error(error, g_steal_pointer(&inner));
  return NULL;
}

/* By reflink where the file system can, else in the kernel, also from one file system to another. */
static ssize_t copy_some(int in, int out, size_t most)
{
  ssize_t copied = copy_file_range(in, NULL, out, NULL, most, 0);
  if (copied < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
    copied = sendfile(out, in, NULL, most);
  return copied;
}

/* Copies a local image. */
static bool copy_image(const char *from, const char *to, GError **error)
{
  file_autofd int in = open(from, O_RDONLY | O_CLOEXEC);
  if (in < 0)
    return reason_set_errno(error, errno == ENOENT ? REASON_DOWNLOAD_NOT_FOUND : REASON_FILE, errno, "Cannot read %s",
                            from);
  file_autofd int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  struct stat info;
  if (out < 0 || fstat(in, &info) < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot write %s", to);
  if (!S_ISREG(info.st_mode) || info.st_size > BOOT_IMAGE_SIZE_MAX)
    return reason_set(error, REASON_IMAGE_INVALID, "%s: not a boot image", from);
  for (off_t left = info.st_size; left > 0;) {
    ssize_t copied = copy_some(in, out, (size_t)left);
    if (copied <= 0)
      return reason_set_errno(error, errno == ENOSPC || errno == EDQUOT ? REASON_INSUFFICIENT_STORAGE : REASON_FILE,
                              errno, "Cannot copy %s to %s", from, to);
    left -= copied;
  }
  return fsync(out) == 0 || reason_set_errno(error, REASON_FILE, errno, "Cannot sync %s", to);
}

/* Brings the image into the file PARTIAL. What a download left unfinished stays, to be continued. */
static bool fetch(const char *source, const char *partial, Progress *progress, GError **error)
{
  g_autofree char *path = local_path(source);
  if (!path)
    return download_file(source, partial, BOOT_IMAGE_SIZE_MAX, progress, error);
  if (copy_image(path, partial, error))
    return true;
  g_unlink(partial);
  return false;
}

/* Unpacks the verified file PARTIAL beside it and renames the folder to its digest. */
static BootImage *install(const char *cache, const char *partial, const char *digest, GError **error)
{
  g_autofree char *directory = g_build_filename(cache, digest, NULL);
  g_autofree char *fresh = g_strconcat(partial, ".d", NULL);
  g_autoptr(BootImage) image = image_in(fresh, digest);
  if (access(directory, F_OK) == 0)
    return image_in(directory, digest); /* the same image came from another source before */
  if (!file_remove_tree(fresh, error) || !file_make_dirs(fresh, 0755, error))
    return NULL;
  IsoExtract wanted[] = { { "boot/vmlinuz", image->kernel }, { "boot/initrd.img", image->initrd } };
  if (!iso_extract(partial, wanted, G_N_ELEMENTS(wanted), error)) {
    file_remove_tree(fresh, NULL);
    return NULL;
  }
  if (rename(partial, image->iso) < 0 || rename(fresh, directory) < 0) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot install %s", directory);
    return NULL;
  }
  return image_in(directory, digest);
}

static BootImage *fetch_and_verify(const char *cache, const char *source, const char *extra_key, Progress *progress,
                                   GError **error)
{
  g_autofree char *id = g_compute_checksum_for_string(G_CHECKSUM_SHA256, source, -1);
  g_autofree char *name = g_strdup_printf("partial-%.16s", id);
  g_autofree char *partial = g_build_filename(cache, name, NULL);
  uint8_t digest[DIGEST_SIZE];
  g_autoptr(GBytes) sum = fetch_companion(source, ".sha256", REASON_DOWNLOAD_NOT_FOUND, error);
  if (!sum)
    return NULL;
  g_autoptr(GBytes) signature = fetch_companion(source, ".sig", REASON_IMAGE_UNSIGNED, error);
  if (!signature || !fetch(source, partial, progress, error) || !digest_file(partial, digest, error))
    return NULL;
  g_autofree char *text = hex(digest, DIGEST_SIZE);
  if (check_digest(sum, text, source, error) && check_signature(signature, digest, source, extra_key, error)) {
    BootImage *image = install(cache, partial, text, error);
    if (image)
      return image;
  }
  g_unlink(partial); /* what does not verify must not be continued next time */
  return NULL;
}

BootImage *boot_image_ensure(const Home *home, const char *source, const char *extra_key, Progress *progress,
                             GError **error)
{
  g_autofree char *path = local_path(source);
  g_autofree char *stamp = fingerprint(path);
  const char *known_as = path ? path : source;
  BootImage *cached = find_cached(home, known_as, stamp);
  if (cached)
    return cached;
  g_autofree char *cache = home_file(home, "cache/boot");
  g_autofree char *lock_path = g_build_filename(cache, "lock", NULL);
  if (!file_make_dirs(cache, 0755, error))
    return NULL;
  file_autofd int lock = file_lock(lock_path, LOCK_TIMEOUT_MS, error);
  if (lock < 0)
    return NULL;
  cached = find_cached(home, known_as, stamp); /* somebody else may have fetched it meanwhile */
  if (cached)
    return cached;
  g_autoptr(BootImage) image = fetch_and_verify(cache, source, extra_key, progress, error);
  if (!image || !remember(home, known_as, stamp, image->digest, error))
    return NULL;
  return g_steal_pointer(&image);
}

bool boot_image_has_package(const BootImage *image, const char *package, GError **error)
{
  g_autofree char *folder = g_dir_make_tmp("launcher-XXXXXX", NULL);
  if (!folder)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot make a temporary folder");
  g_autofree char *path = g_build_filename(folder, "manifest.json", NULL);
  IsoExtract wanted = { "manifest.json", path };
  g_autoptr(json_t) manifest = iso_extract(image->iso, &wanted, 1, error) ? json_read_file(path, error) : NULL;
  file_remove_tree(folder, NULL);
  if (!manifest)
    return false;
  return json_str(json_object_get(manifest, "packages"), package, NULL) ||
         reason_set(error, REASON_RUNTIME_NOT_FOUND, "the boot image has no %s", package);
}
