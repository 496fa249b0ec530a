#include "clusterd/node/images/image_index.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/image_reference.h"

#define INDEX_VERSION 1

void image_free(Image *image)
{
  if (!image)
    return;
  g_free(image->id);
  g_free(image->store_dir);
  json_decref(image->config);
  g_strfreev(image->layers);
  g_strfreev(image->repo_tags);
  g_strfreev(image->repo_digests);
  g_free(image);
}

void image_manifest_free(ImageManifest *manifest)
{
  if (!manifest)
    return;
  g_free(manifest->id);
  g_clear_pointer(&manifest->config, g_bytes_unref);
  json_decref(manifest->layers);
  json_decref(manifest->references);
  g_free(manifest);
}

static const char *hex_of(const char *digest)
{
  return digest + strlen("sha256:");
}

char *image_layer_path(const char *dir, const char *diff_id)
{
  return g_build_filename(dir, "layers", hex_of(diff_id), NULL);
}

char *image_config_path(const char *dir, const char *id)
{
  return g_strdup_printf("%s/configs/%s.json", dir, hex_of(id));
}

json_t *image_index_read(const char *dir, GError **error)
{
  g_autofree char *path = g_build_filename(dir, "index.json", NULL);
  if (access(path, F_OK) < 0 && errno == ENOENT)
    return json_pack("{s:i, s:{}, s:{}}", "version", INDEX_VERSION, "images", "references");
  g_autoptr(json_t) index = json_read_file(path, error);
  if (!index)
    return NULL;
  if (json_int(index, "version", 0) != INDEX_VERSION || !json_is_object(json_object_get(index, "images")) ||
      !json_is_object(json_object_get(index, "references"))) {
    reason_set(error, REASON_CONFIG, "%s: not an image index of version %d", path, INDEX_VERSION);
    return NULL;
  }
  return g_steal_pointer(&index);
}

const char *image_index_lookup(const json_t *index, const char *reference)
{
  const json_t *images = json_object_get(index, "images");
  const json_t *image = json_object_get(images, reference);
  if (image) { /* the key, not the caller's text, is what lives as long as the index */
    const char *key;
    json_t *value;
    json_object_foreach (json_object_get(index, "images"), key, value)
      if (value == image)
        return key;
  }
  return json_str(json_object_get(index, "references"), reference, NULL);
}

/* References to ID, split by whether they carry a digest. */
static void collect_references(const json_t *index, const char *id, Image *image)
{
  g_autoptr(GPtrArray) tags = g_ptr_array_new(), digests = g_ptr_array_new();
  const char *text;
  json_t *value;
  json_object_foreach (json_object_get(index, "references"), text, value)
    if (g_strcmp0(json_string_value(value), id) == 0)
      g_ptr_array_add(strchr(text, '@') ? digests : tags, g_strdup(text));
  g_ptr_array_add(tags, NULL);
  g_ptr_array_add(digests, NULL);
  image->repo_tags = (char **)g_ptr_array_steal(tags, NULL);
  image->repo_digests = (char **)g_ptr_array_steal(digests, NULL);
}

static char **layer_paths(const char *dir, const json_t *layers)
{
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  size_t i;
  json_t *layer;
  json_array_foreach (layers, i, layer) {
    if (!image_digest_valid(json_string_value(layer)))
      return NULL;
    g_autofree char *path = image_layer_path(dir, json_string_value(layer));
    if (access(path, F_OK) < 0)
      return NULL;
    g_strv_builder_add(builder, path);
  }
  return g_strv_builder_end(builder);
}

Image *image_index_image(const char *dir, const json_t *index, const char *id, GError **error)
{
  const json_t *entry = json_object_get(json_object_get(index, "images"), id);
  if (!entry || !image_digest_valid(id)) {
    reason_set(error, REASON_RUNTIME_NOT_FOUND, "image \"%s\" not found", id);
    return NULL;
  }
  g_autoptr(Image) image = g_new0(Image, 1);
  g_autofree char *path = image_config_path(dir, id);
  image->id = g_strdup(id);
  image->store_dir = g_strdup(dir);
  image->size_bytes = json_int(entry, "size", 0);
  image->layers = layer_paths(dir, json_object_get(entry, "layers"));
  image->config = image->layers ? json_read_file(path, NULL) : NULL;
  collect_references(index, id, image);
  if (!image->config) {
    reason_set(error, REASON_RUNTIME_NOT_FOUND, "image \"%s\" is damaged in %s: load it again", id, dir);
    return NULL;
  }
  return g_steal_pointer(&image);
}

bool image_index_write(const char *dir, const json_t *index, GError **error)
{
  g_autofree char *path = g_build_filename(dir, "index.json", NULL);
  g_autofree char *text = json_text_pretty(index);
  return file_write_atomic(path, text, strlen(text), 0644, error);
}

static bool move_layers(ImageStore *store, const char *staging, GError **error)
{
  g_autoptr(GDir) folder = g_dir_open(staging, 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name(folder))) {
    const char *suffix = strlen(name) > 64 ? name + 64 : "";
    if (strlen(name) < 64 || (*suffix && !g_str_equal(suffix, IMAGE_RECIPE_SUFFIX)))
      continue; /* not yet renamed to its digest: a blob nobody asked for */
    g_autofree char *from = g_build_filename(staging, name, NULL);
    g_autofree char *to = g_build_filename(store->dir, "layers", name, NULL);
    if (access(to, F_OK) == 0)
      continue;
    if (rename(from, to) < 0)
      return reason_set_errno(error, REASON_FILE, errno, "Cannot make %s", to);
  }
  return true;
}

static bool has_layers(const ImageStore *store, const ImageManifest *manifest, GError **error)
{
  size_t i;
  json_t *layer;
  json_array_foreach (manifest->layers, i, layer) {
    g_autofree char *path = image_layer_path(store->dir, json_string_value(layer));
    if (access(path, F_OK) < 0)
      return reason_set(error, REASON_CONFLICT, "layer %s was removed meanwhile: try again", json_string_value(layer));
  }
  return true;
}

static bool add_manifest(ImageStore *store, json_t *index, const ImageManifest *manifest, GError **error)
{
  gsize length;
  const void *bytes = g_bytes_get_data(manifest->config, &length);
  g_autofree char *path = image_config_path(store->dir, manifest->id);
  if (!file_write_atomic(path, bytes, length, 0644, error))
    return false;
  json_object_set_new(json_object_get(index, "images"), manifest->id,
                      json_pack("{s:O, s:I}", "layers", manifest->layers, "size", (json_int_t)manifest->size));
  size_t i;
  json_t *reference;
  json_array_foreach (manifest->references, i, reference)
    json_object_set_new(json_object_get(index, "references"), json_string_value(reference), json_string(manifest->id));
  return true;
}

bool image_store_publish(ImageStore *store, const char *staging, GPtrArray *manifests, GError **error)
{
  /* everything unpacked reaches the disk before the index speaks of it */
  file_autofd int folder = open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0 || syncfs(folder) < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot sync %s", staging);
  file_autofd int held = image_store_hold(store, error);
  if (held < 0 || !move_layers(store, staging, error))
    return false;
  g_autoptr(json_t) index = image_index_read(store->dir, error);
  if (!index)
    return false;
  for (guint i = 0; i < manifests->len; i++) {
    const ImageManifest *manifest = g_ptr_array_index(manifests, i);
    if (!has_layers(store, manifest, error) || !add_manifest(store, index, manifest, error))
      return false;
  }
  if (syncfs(folder) < 0) /* the renames */
    return reason_set_errno(error, REASON_FILE, errno, "Cannot sync %s", store->dir);
  return image_index_write(store->dir, index, error);
}

char *image_lookup_text(const char *reference, GError **error)
{
  g_autofree char *id = g_strdup_printf("sha256:%s", reference ? reference : "");
  if (image_digest_valid(reference))
    return g_strdup(reference);
  if (image_digest_valid(id))
    return g_steal_pointer(&id);
  g_auto(ImageReference) parsed = { 0 };
  return image_reference_parse(reference, &parsed, error) ? image_reference_text(&parsed) : NULL;
}
