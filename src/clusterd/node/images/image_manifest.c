/* The manifests in an image archive, as docker save and OCI layouts have them. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/image_loader.h"
#include "clusterd/node/images/image_reference.h"

#define LINKS_MAX 8       /* in a row */
#define INDEX_DEPTH_MAX 3 /* an index that lists indexes */
#define IMAGES_MAX 256    /* in one archive */

#if defined(__x86_64__)
#define IMAGE_ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define IMAGE_ARCHITECTURE "arm64"
#else
#error "name this architecture as Go does"
#endif

static const char *follow_links(const ImageLoader *loader, const char *path)
{
  for (int i = 0; i < LINKS_MAX; i++) {
    const char *next = g_hash_table_lookup(loader->links, path);
    if (!next)
      break;
    path = next;
  }
  return path;
}

static GBytes *find_document(const ImageLoader *loader, const char *path)
{
  return path ? g_hash_table_lookup(loader->documents, follow_links(loader, path)) : NULL;
}

static json_t *parse_document(const ImageLoader *loader, const char *path, GError **error)
{
  GBytes *bytes = find_document(loader, path);
  if (!bytes) {
    reason_set(error, REASON_BAD_REQUEST, "Malformed image archive: %s is missing", path ? path : "(no name)");
    return NULL;
  }
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  return json_parse(text, length, true, error);
}

/* Takes the layers at PATHS, which must be those the configuration names, in its order. */
static bool take_layers(const ImageLoader *loader, const json_t *config, GPtrArray *paths, ImageManifest *manifest,
                        GError **error)
{
  const json_t *diff_ids = json_at(config, "rootfs", "diff_ids", NULL);
  if (json_array_size(diff_ids) != paths->len || paths->len > IMAGE_LAYERS_MAX)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image archive: %u layers where the image names %zu",
                      paths->len, json_array_size(diff_ids));
  manifest->layers = json_array();
  g_autofree char *chain = NULL;
  for (guint i = 0; i < paths->len; i++) {
    const char *path = g_ptr_array_index(paths, i);
    LoadedLayer *layer = g_hash_table_lookup(loader->layers, follow_links(loader, path));
    if (!layer || g_strcmp0(layer->diff_id, json_string_value(json_array_get(diff_ids, i))) != 0)
      return reason_set(error, REASON_BAD_REQUEST, "Malformed image archive: layer %s is missing or damaged", path);
    char *next = image_chain_id(chain, layer->diff_id);
    g_free(chain);
    chain = next;
    if (!image_loader_complete(loader, layer, manifest->layers, chain, error))
      return false;
    json_array_append_new(manifest->layers, json_string(layer->name));
    manifest->size += layer->size;
  }
  return true;
}

static ImageManifest *make_manifest(const ImageLoader *loader, const char *config_path, GPtrArray *layer_paths,
                                    GError **error)
{
  g_autoptr(json_t) config = parse_document(loader, config_path, error);
  if (!config)
    return NULL;
  g_autoptr(ImageManifest) manifest = g_new0(ImageManifest, 1);
  manifest->references = json_array();
  manifest->config = g_bytes_ref(find_document(loader, config_path));
  if (g_bytes_get_size(manifest->config) > IMAGE_CONFIG_MAX) {
    reason_set(error, REASON_BAD_REQUEST, "Malformed image archive: %s is too long", config_path);
    return NULL;
  }
  g_autofree char *hex = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, manifest->config);
  manifest->id = g_strconcat("sha256:", hex, NULL);
  return take_layers(loader, config, layer_paths, manifest, error) ? g_steal_pointer(&manifest) : NULL;
}

static bool add_reference(ImageManifest *manifest, const char *text, GError **error)
{
  g_auto(ImageReference) reference = { 0 };
  if (!image_reference_parse(text, &reference, error))
    return false;
  g_autofree char *normal = image_reference_text(&reference);
  json_array_append_new(manifest->references, json_string(normal));
  return true;
}

/* docker save: [{"Config": PATH, "RepoTags": […], "Layers": [PATH…]}] */
static bool read_docker(const ImageLoader *loader, const json_t *list, GPtrArray *manifests, GError **error)
{
  size_t i, j;
  json_t *item, *value;
  if (!json_is_array(list) || json_array_size(list) > IMAGES_MAX)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image archive: manifest.json");
  json_array_foreach (list, i, item) {
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    json_array_foreach (json_object_get(item, "Layers"), j, value)
      g_ptr_array_add(paths, g_strdup(json_is_string(value) ? json_string_value(value) : ""));
    ImageManifest *manifest = make_manifest(loader, json_str(item, "Config", NULL), paths, error);
    if (!manifest)
      return false;
    g_ptr_array_add(manifests, manifest);
    json_array_foreach (json_object_get(item, "RepoTags"), j, value)
      if (!add_reference(manifest, json_string_value(value), error))
        return false;
  }
  return true;
}

/* OCI image manifest: {"config": {digest}, "layers": [{digest}…]} */
static ImageManifest *read_oci_manifest(const ImageLoader *loader, const json_t *value, GError **error)
{
  g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *config = image_blob_path(json_str(json_object_get(value, "config"), "digest", NULL));
  size_t i;
  json_t *layer;
  json_array_foreach (json_object_get(value, "layers"), i, layer) {
    char *path = image_blob_path(json_str(layer, "digest", NULL));
    g_ptr_array_add(paths, path ? path : g_strdup("a layer without digest"));
  }
  return make_manifest(loader, config, paths, error);
}

/* The names a descriptor of index.json carries: containerd's full one, else OCI's (which may be a bare tag). */
static bool add_annotated(ImageManifest *manifest, const json_t *descriptor, const char *digest, GError **error)
{
  const json_t *annotations = json_object_get(descriptor, "annotations");
  const char *full = json_str(annotations, "io.containerd.image.name", NULL);
  const char *name = full ? full : json_str(annotations, "org.opencontainers.image.ref.name", NULL);
  if (!name || (!full && !strpbrk(name, ":/")))
    return true;
  if (!add_reference(manifest, name, error))
    return false;
  g_auto(ImageReference) reference = { 0 };
  if (!image_reference_parse(name, &reference, NULL) || reference.digest)
    return true;
  g_autofree char *pinned = g_strdup_printf("%s@%s", reference.name, digest);
  json_array_append_new(manifest->references, json_string(pinned));
  return true;
}

bool image_platform_fits(const json_t *descriptor)
{
  const json_t *platform = json_object_get(descriptor, "platform");
  return !platform || (g_str_equal(json_str(platform, "os", "linux"), "linux") &&
                       g_str_equal(json_str(platform, "architecture", IMAGE_ARCHITECTURE), IMAGE_ARCHITECTURE));
}

/* OCI image index; NAMED is the descriptor of index.json whose names apply to what lies deeper. */
static bool read_oci_index(const ImageLoader *loader, const json_t *index, const json_t *named, int depth,
                           GPtrArray *manifests, GError **error)
{
  const json_t *list = json_object_get(index, "manifests");
  size_t i;
  json_t *descriptor;
  if (!json_is_array(list) || depth > INDEX_DEPTH_MAX)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image archive: image index");
  json_array_foreach (list, i, descriptor) {
    const char *digest = json_str(descriptor, "digest", NULL);
    g_autofree char *path = image_blob_path(digest);
    if (!image_platform_fits(descriptor) || (depth > 0 && !find_document(loader, path)))
      continue; /* archives often leave out the blobs of other platforms */
    g_autoptr(json_t) value = parse_document(loader, path, error);
    const json_t *names = named ? named : descriptor;
    if (!value || manifests->len >= IMAGES_MAX)
      return value && reason_set(error, REASON_BAD_REQUEST, "Malformed image archive: too many images");
    if (json_object_get(value, "manifests")) {
      if (!read_oci_index(loader, value, names, depth + 1, manifests, error))
        return false;
      continue;
    }
    ImageManifest *manifest = read_oci_manifest(loader, value, error);
    if (!manifest)
      return false;
    g_ptr_array_add(manifests, manifest);
    if (!add_annotated(manifest, names, json_str(names, "digest", digest), error))
      return false;
  }
  return true;
}

GPtrArray *image_loader_manifests(const ImageLoader *loader, GError **error)
{
  g_autoptr(GPtrArray) manifests = g_ptr_array_new_with_free_func((GDestroyNotify)image_manifest_free);
  bool docker = find_document(loader, "manifest.json") != NULL;
  if (!docker && !find_document(loader, "index.json")) {
    reason_set(error, REASON_BAD_REQUEST, "Not an image archive: neither manifest.json nor index.json in it");
    return NULL;
  }
  g_autoptr(json_t) top = parse_document(loader, docker ? "manifest.json" : "index.json", error);
  if (!top)
    return NULL;
  bool good =
      docker ? read_docker(loader, top, manifests, error) : read_oci_index(loader, top, NULL, 0, manifests, error);
  if (!good)
    return NULL;
  if (manifests->len == 0) {
    reason_set(error, REASON_BAD_REQUEST, "The archive has no image for linux/%s", IMAGE_ARCHITECTURE);
    return NULL;
  }
  return g_steal_pointer(&manifests);
}
