#include "clusterd/node/images/registry_manifest.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/image_loader.h"
#include "clusterd/node/images/image_reference.h"

const char registry_manifest_types[] =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

static void layer_free(void *data)
{
  RegistryLayer *layer = data;
  g_free(layer->digest);
  g_free(layer);
}

static bool add_layer(RegistryManifest *manifest, const json_t *descriptor, GError **error)
{
  const char *digest = json_str(descriptor, "digest", NULL);
  int64_t size = json_int(descriptor, "size", -1);
  if (!image_digest_valid(digest) || size < 0 || size > LAYER_BYTES_MAX - manifest->size)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image manifest: layer %u", manifest->layers->len + 1);
  RegistryLayer *layer = g_new0(RegistryLayer, 1);
  layer->digest = g_strdup(digest);
  layer->size = size;
  g_ptr_array_add(manifest->layers, layer);
  manifest->size += size;
  return true;
}

bool registry_manifest_read(const json_t *value, RegistryManifest *manifest, GError **error)
{
  const char *config = json_str(json_object_get(value, "config"), "digest", NULL);
  const json_t *layers = json_object_get(value, "layers");
  *manifest = (RegistryManifest){ .layers = g_ptr_array_new_with_free_func(layer_free) };
  if (json_int(value, "schemaVersion", 2) == 1)
    return reason_set(error, REASON_BAD_REQUEST, "image manifests of schema 1 are no longer supported");
  if (!image_digest_valid(config) || (layers && !json_is_array(layers)))
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image manifest");
  if (json_array_size(layers) > IMAGE_LAYERS_MAX)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image manifest: more than %d layers", IMAGE_LAYERS_MAX);
  manifest->config = g_strdup(config);
  size_t i;
  json_t *descriptor;
  json_array_foreach (layers, i, descriptor)
    if (!add_layer(manifest, descriptor, error))
      return false;
  return true;
}

void registry_manifest_clear(RegistryManifest *manifest)
{
  g_clear_pointer(&manifest->config, g_free);
  g_clear_pointer(&manifest->layers, g_ptr_array_unref);
}

bool registry_manifest_is_index(const json_t *value)
{
  return json_is_array(json_object_get(value, "manifests"));
}

static bool no_match(const char *digest, GError **error)
{
  return reason_set(error, REASON_DOWNLOAD_NOT_FOUND, "no match for platform in manifest %s: not found", digest);
}

const char *registry_manifest_choose(const json_t *index, const char *digest, GError **error)
{
  size_t i;
  json_t *descriptor;
  json_array_foreach (json_object_get(index, "manifests"), i, descriptor) {
    const char *found = json_str(descriptor, "digest", NULL);
    if (image_platform_fits(descriptor) && image_digest_valid(found))
      return found;
  }
  no_match(digest, error);
  return NULL;
}

bool registry_manifest_fits(const RegistryManifest *manifest, const json_t *config, const char *digest, GError **error)
{
  const json_t *diff_ids = json_at(config, "rootfs", "diff_ids", NULL);
  size_t i;
  json_t *diff_id;
  g_autoptr(json_t) described = json_pack("{s:O}", "platform", config);
  if (!image_platform_fits(described))
    return no_match(digest, error);
  if (json_array_size(diff_ids) != manifest->layers->len)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image: %zu layers in its configuration, %u in its manifest",
                      json_array_size(diff_ids), manifest->layers->len);
  json_array_foreach (diff_ids, i, diff_id)
    if (!image_digest_valid(json_string_value(diff_id)))
      return reason_set(error, REASON_BAD_REQUEST, "Malformed image: digest of layer %zu", i + 1);
  return true;
}
