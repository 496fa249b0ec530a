#include "clusterd/node/images/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/image_index.h"
#include "clusterd/node/images/image_loader.h"
#include "clusterd/node/images/image_reference.h"
#include "clusterd/node/images/registry_http.h"

#define MANIFEST_MAX (4u << 20)
#define ACCEPT                                                                                                         \
  "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "                              \
  "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"

typedef struct Pull {
  RegistryHttp http;
  ImageLoader *loader;
} Pull;

static void pull_clear(Pull *pull)
{
  registry_http_clear(&pull->http);
  image_loader_free(pull->loader);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pull, pull_clear)

static char *digest_of(GBytes *bytes)
{
  g_autofree char *hex = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
  return g_strconcat("sha256:", hex, NULL);
}

/* Fetches KIND ("manifests", "blobs") WHAT, a tag or digest; keeps it as a document and parses it. */
static json_t *fetch_document(Pull *pull, const char *kind, const char *what, char **digest, GError **error)
{
  g_autofree char *path = g_strdup_printf("/%s/%s", kind, what);
  const char *accept = g_str_equal(kind, "manifests") ? ACCEPT : NULL;
  g_autoptr(GBytes) bytes = registry_http_get(&pull->http, path, accept, MANIFEST_MAX, error);
  if (!bytes)
    return NULL;
  g_autofree char *found = digest_of(bytes);
  if (image_digest_valid(what) && !g_str_equal(what, found)) {
    reason_set(error, REASON_IMAGE_INVALID, "%s: content does not match its digest", what);
    return NULL;
  }
  g_autofree char *blob = image_blob_path(found);
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  if (!image_loader_add_document(pull->loader, blob, bytes, error))
    return NULL;
  if (digest)
    *digest = g_steal_pointer(&found);
  return json_parse(text ? text : "", length, true, error);
}

/* A packed layer that is read back. */
typedef struct PackedLayer {
  int fd;
  guint8 block[64 << 10];
} PackedLayer;

static ssize_t read_layer(void *source, const void **block, GError **error)
{
  PackedLayer *layer = source;
  ssize_t got = read(layer->fd, layer->block, sizeof layer->block);
  if (got < 0)
    reason_set_errno(error, REASON_FILE, errno, "Cannot read a layer back");
  *block = layer->block;
  return got;
}

/* The packed layer is stored first: it must match its digest before anything in it is believed. */
static bool fetch_layer(Pull *pull, const json_t *descriptor, const char *diff_id, GError **error)
{
  const char *digest = json_str(descriptor, "digest", NULL);
  int64_t size = json_int(descriptor, "size", -1);
  char found[72];
  g_autofree char *blob = image_blob_path(digest);
  if (!blob || size < 0 || size > LAYER_BYTES_MAX)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image manifest: layer descriptor");
  if (image_loader_reuse(pull->loader, blob, diff_id, size))
    return true;
  g_autofree char *packed = g_build_filename(pull->loader->staging, "packed", NULL);
  g_autofree char *path = g_strdup_printf("/blobs/%s", digest);
  file_autofd int fd = open(packed, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot make %s", packed);
  unlink(packed);
  if (!registry_http_save(&pull->http, path, fd, size, found, error))
    return false;
  if (!g_str_equal(found, digest))
    return reason_set(error, REASON_IMAGE_INVALID, "%s: content does not match its digest", digest);
  if (lseek(fd, 0, SEEK_SET) < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot read a layer back");
  g_autofree PackedLayer *layer = g_new(PackedLayer, 1);
  layer->fd = fd;
  return image_loader_unpack(pull->loader, blob, read_layer, layer, error);
}

/* The configuration and layers of one image manifest. */
static bool fetch_image(Pull *pull, const json_t *manifest, GError **error)
{
  const char *config_digest = json_str(json_object_get(manifest, "config"), "digest", NULL);
  const json_t *layers = json_object_get(manifest, "layers");
  if (!image_digest_valid(config_digest) || json_array_size(layers) > IMAGE_LAYERS_MAX)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image manifest");
  g_autoptr(json_t) config = fetch_document(pull, "blobs", config_digest, NULL, error);
  if (!config)
    return false;
  size_t i;
  json_t *layer;
  json_array_foreach (layers, i, layer) {
    const json_t *diff_id = json_array_get(json_at(config, "rootfs", "diff_ids", NULL), i);
    if (!fetch_layer(pull, layer, json_string_value(diff_id), error))
      return false;
  }
  return true;
}

/* Of an index's images the first for this machine. */
static bool fetch_chosen(Pull *pull, const json_t *index, GError **error)
{
  size_t i;
  json_t *descriptor;
  json_array_foreach (json_object_get(index, "manifests"), i, descriptor) {
    const char *digest = json_str(descriptor, "digest", NULL);
    if (!image_platform_fits(descriptor) || !image_digest_valid(digest))
      continue;
    g_autoptr(json_t) manifest = fetch_document(pull, "manifests", digest, NULL, error);
    return manifest && fetch_image(pull, manifest, error);
  }
  return reason_set(error, REASON_DOWNLOAD_NOT_FOUND, "no match for this machine's platform in the image");
}

/* The archive's index.json that a registry does not have: one image, under the name it was asked for. */
static bool add_top(Pull *pull, const ImageReference *reference, const char *digest, GError **error)
{
  g_autofree char *text = image_reference_text(reference);
  g_autoptr(json_t) index =
      json_pack("{s:[{s:s, s:{s:s}}]}", "manifests", "digest", digest, "annotations", "io.containerd.image.name", text);
  g_autofree char *json = json_text(index);
  g_autoptr(GBytes) bytes = g_bytes_new(json, strlen(json));
  return image_loader_add_document(pull->loader, "index.json", bytes, error);
}

static bool fetch_all(Pull *pull, const ImageReference *reference, GError **error)
{
  g_autofree char *digest = NULL;
  const char *what = reference->digest ? reference->digest : reference->tag;
  g_autoptr(json_t) top = fetch_document(pull, "manifests", what, &digest, error);
  if (!top || !add_top(pull, reference, digest, error))
    return false;
  return json_object_get(top, "manifests") ? fetch_chosen(pull, top, error) : fetch_image(pull, top, error);
}

bool registry_pull(ImageStore *store, const char *text, const json_t *auth, GError **error)
{
  g_auto(ImageReference) reference = { 0 };
  g_auto(Pull) pull = { 0 };
  if (!image_reference_parse(text, &reference, error) || !registry_http_open(&pull.http, reference.name, auth, error))
    return false;
  pull.http.interrupted = &store->interrupted;
  pull.loader = image_loader_new(store, error);
  if (!pull.loader || !fetch_all(&pull, &reference, error))
    return false;
  g_autoptr(GPtrArray) manifests = image_loader_manifests(pull.loader, error);
  return manifests && image_store_publish(store, pull.loader->staging, manifests, error);
}
