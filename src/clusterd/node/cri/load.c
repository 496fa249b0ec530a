/* Image archives, into containerd's stores. In one pass: which of its files are what is told only by the manifest,
 * which may come last, so everything that is no JSON is written down as it comes and all JSON is kept. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/cri_runtime.h"
#include "clusterd/node/cri/store.h"
#include "clusterd/node/images/archive_reader.h"
#include "clusterd/node/images/image_loader.h"
#include "clusterd/node/images/image_reference.h"

#define ENTRIES_MAX 4096
#define LINKS_MAX 8        /* in a row */
#define IMAGES_MAX 256     /* in one archive */
#define LAYERS_MAX 512     /* of one image */
#define LAYER_BYTES_MIN 20 /* what is shorter is no archive of any kind */

typedef struct Blob {
  StoreBlob *stored;
  const char *packing; /* the end of its media type */
} Blob;

typedef struct Load {
  CriRuntime *cri;
  StoreLease *lease;
  ArchiveReader reader;
  size_t document_bytes;
  GHashTable *documents, *blobs, *links; /* path → GBytes, Blob, path */
  json_t *loaded;
} Load;

static void blob_free(void *data)
{
  Blob *blob = data;
  store_blob_free(blob->stored);
  g_free(blob);
}

static void load_clear(Load *load)
{
  archive_reader_clear(&load->reader);
  store_lease_free(load->lease);
  g_clear_pointer(&load->documents, g_hash_table_unref);
  g_clear_pointer(&load->blobs, g_hash_table_unref);
  g_clear_pointer(&load->links, g_hash_table_unref);
  json_decref(load->loaded);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Load, load_clear)

/* --- the files ------------------------------------------------------------------------------------------------------
 */

static bool malformed(GError **error, const char *what)
{
  return reason_set(error, REASON_BAD_REQUEST, "Malformed image archive: %s", what);
}

static bool keep_document(Load *load, const char *path, GError **error)
{
  g_autoptr(GByteArray) content = g_byte_array_new();
  const void *block;
  ssize_t got;
  while ((got = archive_reader_read(&load->reader, &block, error)) > 0) {
    load->document_bytes += (size_t)got;
    if (load->document_bytes > IMAGE_DOCUMENT_BYTES_MAX)
      return malformed(error, "too much metadata");
    g_byte_array_append(content, block, (guint)got);
  }
  if (got == 0)
    g_hash_table_replace(load->documents, g_strdup(path), g_byte_array_free_to_bytes(g_steal_pointer(&content)));
  return got == 0;
}

static bool keep_blob(Load *load, const char *path, GError **error)
{
  static const char gzip[] = "\x1f\x8b", zstd[] = "\x28\xb5\x2f\xfd", blobs[] = "blobs/sha256/";
  g_autofree char *named = g_strdup_printf("sha256:%s", g_str_has_prefix(path, blobs) ? path + strlen(blobs) : "");
  bool is_gzip = memcmp(load->reader.block, gzip, 2) == 0, is_zstd = memcmp(load->reader.block, zstd, 4) == 0;
  StoreBlob *stored =
      store_write(load->lease, image_digest_valid(named) ? named : NULL, archive_reader_read, &load->reader, error);
  if (!stored)
    return false;
  Blob *blob = g_new0(Blob, 1);
  blob->stored = stored;
  blob->packing = is_gzip ? "+gzip" : is_zstd ? "+zstd" : "";
  g_hash_table_replace(load->blobs, g_strdup(path), blob);
  return true;
}

static bool read_one(Load *load, struct archive_entry *entry, GError **error)
{
  const char *path = archive_reader_path(entry);
  char *link = path ? archive_reader_link(entry, path) : NULL;
  if (link)
    g_hash_table_replace(load->links, g_strdup(path), link);
  if (!path || link || archive_entry_filetype(entry) != AE_IFREG)
    return true;
  ssize_t got = archive_reader_peek(&load->reader, error);
  if (got < 0)
    return false;
  if (got > 0 && (load->reader.block[0] == '{' || load->reader.block[0] == '['))
    return keep_document(load, path, error);
  return got < LAYER_BYTES_MIN || keep_blob(load, path, error);
}

static bool read_all(Load *load, int fd, GError **error)
{
  struct archive_entry *entry;
  if (!archive_reader_open(&load->reader, fd, error))
    return false;
  for (unsigned count = 0;; count++) {
    if (!archive_reader_next(&load->reader, &entry, error))
      return false;
    if (!entry)
      return true;
    if (count >= ENTRIES_MAX)
      return malformed(error, "too many files");
    if (!read_one(load, entry, error))
      return false;
  }
}

/* --- the images -----------------------------------------------------------------------------------------------------
 */

static const void *find(const Load *load, GHashTable *table, const char *path)
{
  for (int i = 0; path && i < LINKS_MAX; i++) {
    const void *found = g_hash_table_lookup(table, path);
    if (found)
      return found;
    path = g_hash_table_lookup(load->links, path);
  }
  return NULL;
}

static json_t *parse_document(const Load *load, const char *path, GError **error)
{
  GBytes *bytes = (GBytes *)(uintptr_t)find(load, load->documents, path);
  gsize length = 0;
  const char *text = bytes ? g_bytes_get_data(bytes, &length) : NULL;
  if (bytes)
    return json_parse(text, length, true, error);
  malformed(error, path ? path : "a document is missing");
  return NULL;
}

static StoreBlob *store_document(Load *load, GBytes *bytes, const GPtrArray *children, GError **error)
{
  gsize length;
  const void *text = g_bytes_get_data(bytes, &length);
  return store_write_bytes(load->lease, text, length, children, error);
}

/* Puts an image in its place. */
static bool publish(Load *load, GBytes *manifest, const StoreBlob *config, GPtrArray *layers, GPtrArray *names,
                    GError **error)
{
  g_autoptr(GPtrArray) digests = g_ptr_array_new();
  for (guint i = 0; i < layers->len; i++)
    g_ptr_array_add(digests, ((const Blob *)layers->pdata[i])->stored->digest);
  const StoreImage image = { manifest, config, digests, names };
  return store_publish(load->lease, &image, load->loaded, error);
}

static bool add_name(GPtrArray *names, const char *text, GError **error)
{
  g_auto(ImageReference) reference = { 0 };
  if (!image_reference_parse(text ? text : "", &reference, error))
    return false;
  g_ptr_array_add(names, image_reference_text(&reference));
  return true;
}

/* docker save: {"Config": PATH, "RepoTags": […], "Layers": [PATH…]}; the manifest is made here. */
static bool read_docker(Load *load, const json_t *item, GError **error)
{
  const char *config_path = json_str(item, "Config", NULL);
  GBytes *config = (GBytes *)(uintptr_t)find(load, load->documents, config_path);
  g_autoptr(GPtrArray) layers = g_ptr_array_new(), names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(json_t) list = json_array();
  size_t i;
  json_t *value;
  if (!config || json_array_size(json_object_get(item, "Layers")) > LAYERS_MAX)
    return malformed(error, "the configuration of an image is missing");
  json_array_foreach (json_object_get(item, "Layers"), i, value) {
    const Blob *blob = find(load, load->blobs, json_string_value(value));
    if (!blob)
      return malformed(error, "a layer is missing");
    g_autofree char *media_type = g_strconcat(STORE_OCI "layer.v1.tar", blob->packing, NULL);
    json_array_append_new(list, store_descriptor(media_type, blob->stored));
    g_ptr_array_add(layers, (void *)(uintptr_t)blob);
  }
  json_array_foreach (json_object_get(item, "RepoTags"), i, value)
    if (!add_name(names, json_string_value(value), error))
      return false;
  g_autoptr(StoreBlob) stored = store_document(load, config, NULL, error);
  if (!stored)
    return false;
  g_autoptr(json_t) manifest =
      json_pack("{s:i, s:s, s:o, s:O}", "schemaVersion", 2, "mediaType", STORE_OCI "manifest.v1+json", "config",
                store_descriptor(STORE_OCI "config.v1+json", stored), "layers", list);
  char *text = json_text(manifest);
  g_autoptr(GBytes) bytes = g_bytes_new_take(text, strlen(text));
  return publish(load, bytes, stored, layers, names, error);
}

/* OCI image manifest at PATH: {"config": {digest}, "layers": [{digest}…]} */
static bool read_oci(Load *load, const char *path, GPtrArray *names, GError **error)
{
  g_autoptr(json_t) manifest = parse_document(load, path, error);
  g_autofree char *config_path = image_blob_path(json_str(json_object_get(manifest, "config"), "digest", NULL));
  GBytes *config = (GBytes *)(uintptr_t)find(load, load->documents, config_path);
  const json_t *list = json_object_get(manifest, "layers");
  g_autoptr(GPtrArray) layers = g_ptr_array_new();
  size_t i;
  json_t *value;
  if (!manifest)
    return false;
  if (!config || json_array_size(list) > LAYERS_MAX)
    return malformed(error, "the configuration of an image is missing");
  json_array_foreach (list, i, value) {
    g_autofree char *blob_path = image_blob_path(json_str(value, "digest", NULL));
    const void *blob = find(load, load->blobs, blob_path);
    if (!blob)
      return malformed(error, "a layer is missing");
    g_ptr_array_add(layers, (void *)(uintptr_t)blob);
  }
  g_autoptr(StoreBlob) stored = store_document(load, config, NULL, error);
  GBytes *bytes = (GBytes *)(uintptr_t)find(load, load->documents, path);
  return stored && publish(load, bytes, stored, layers, names, error);
}

/* The names an index's descriptor carries: containerd's full one, else OCI's (which may be a bare tag). */
static bool annotated_names(const json_t *descriptor, GPtrArray *names, GError **error)
{
  const json_t *annotations = json_object_get(descriptor, "annotations");
  const char *full = json_str(annotations, "io.containerd.image.name", NULL);
  const char *name = full ? full : json_str(annotations, "org.opencontainers.image.ref.name", NULL);
  return !name || (!full && !strpbrk(name, ":/")) || add_name(names, name, error);
}

/* The manifest for this machine that DESCRIPTOR leads to: itself, or through an index. NULL: none in the archive. */
static char *find_manifest(const Load *load, const json_t *descriptor)
{
  g_autofree char *path = image_blob_path(json_str(descriptor, "digest", NULL));
  g_autoptr(json_t) value = image_platform_fits(descriptor) ? parse_document(load, path, NULL) : NULL;
  const json_t *list = json_object_get(value, "manifests");
  size_t i;
  json_t *inner;
  if (!value || !list)
    return value ? g_steal_pointer(&path) : NULL;
  json_array_foreach (list, i, inner) {
    g_autofree char *inner_path = image_blob_path(json_str(inner, "digest", NULL));
    if (image_platform_fits(inner) && find(load, load->documents, inner_path))
      return g_steal_pointer(&inner_path);
  }
  return NULL;
}

static bool read_index(Load *load, const json_t *list, GError **error)
{
  size_t i;
  json_t *item;
  json_array_foreach (list, i, item) {
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *path = find_manifest(load, item);
    if (path && (!annotated_names(item, names, error) || !read_oci(load, path, names, error)))
      return false;
  }
  return true;
}

static bool read_images(Load *load, GError **error)
{
  bool docker = find(load, load->documents, "manifest.json") != NULL;
  if (!docker && !find(load, load->documents, "index.json"))
    return reason_set(error, REASON_BAD_REQUEST, "Not an image archive: neither manifest.json nor index.json in it");
  g_autoptr(json_t) top = parse_document(load, docker ? "manifest.json" : "index.json", error);
  const json_t *list = docker ? top : json_object_get(top, "manifests");
  size_t i;
  json_t *item;
  if (!top)
    return false;
  if (!json_is_array(list) || json_array_size(list) > IMAGES_MAX)
    return malformed(error, "its index");
  if (!docker && !read_index(load, list, error))
    return false;
  json_array_foreach (docker ? list : NULL, i, item)
    if (!read_docker(load, item, error))
      return false;
  return json_array_size(load->loaded) > 0 ||
         reason_set(error, REASON_BAD_REQUEST, "The archive has no image for this machine");
}

bool cri_load_image(Runtime *runtime, int fd, json_t **loaded, GError **error)
{
  g_auto(Load) load = { .cri = (CriRuntime *)runtime, .loaded = json_array() };
  if (!load.cri->is_containerd)
    return reason_set(error, REASON_RUNTIME, "%s has no way in for images but registries", runtime->name);
  load.documents = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
  load.blobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, blob_free);
  load.links = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  load.lease = store_lease_new(load.cri, error);
  if (!load.lease || !read_all(&load, fd, error) || !read_images(&load, error))
    return false;
  *loaded = json_incref(load.loaded);
  return true;
}
