#include "clusterd/node/images/docker_images.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/image_reference.h"

#define SMALL_FILE_MAX 4096

static json_t *read_repositories(const char *root)
{
  g_autofree char *path = g_build_filename(root, "image/overlay2/repositories.json", NULL);
  g_autoptr(json_t) file = access(path, F_OK) == 0 ? json_read_file(path, NULL) : NULL;
  return json_incref(json_object_get(file, "Repositories"));
}

/* dockerd writes "busybox:latest" where we say "docker.io/library/busybox:latest". */
static char *normal_text(const char *familiar)
{
  g_auto(ImageReference) reference = { 0 };
  return image_reference_parse(familiar, &reference, NULL) ? image_reference_text(&reference) : NULL;
}

/* {normalised reference: id} of everything that has a name. */
static json_t *read_names(const char *root)
{
  g_autoptr(json_t) repositories = read_repositories(root);
  json_t *names = json_object();
  const char *repository, *familiar;
  json_t *references, *id;
  json_object_foreach (repositories, repository, references) {
    json_object_foreach (references, familiar, id) {
      g_autofree char *text = image_digest_valid(json_string_value(id)) ? normal_text(familiar) : NULL;
      if (text)
        json_object_set(names, text, id);
    }
  }
  return names;
}

/* The one line in layerdb/sha256/CHAIN/NAME. */
static char *read_layer_fact(const char *root, const char *chain, const char *name)
{
  g_autofree char *path = g_build_filename(root, "image/overlay2/layerdb/sha256", chain, name, NULL);
  g_autoptr(GBytes) bytes = file_read(path, SMALL_FILE_MAX, NULL);
  gsize length = 0;
  const char *text = bytes ? g_bytes_get_data(bytes, &length) : NULL;
  return text ? g_strstrip(g_strndup(text, length)) : NULL;
}

static bool find_layers(const char *root, Image *image)
{
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  g_autofree char *chain = NULL;
  const json_t *diff_ids = json_at(image->config, "rootfs", "diff_ids", NULL);
  size_t i;
  json_t *value;
  if (json_array_size(diff_ids) > IMAGE_LAYERS_MAX)
    return false;
  json_array_foreach (diff_ids, i, value) {
    const char *diff_id = json_string_value(value);
    if (!image_digest_valid(diff_id))
      return false;
    char *next = image_chain_id(chain, diff_id);
    g_free(chain);
    chain = next;
    g_autofree char *cache_id = read_layer_fact(root, chain + strlen("sha256:"), "cache-id");
    g_autofree char *size = read_layer_fact(root, chain + strlen("sha256:"), "size");
    if (!cache_id || !*cache_id || strchr(cache_id, '/') || *cache_id == '.')
      return false;
    g_autofree char *folder = g_build_filename(root, "overlay2", cache_id, "diff", NULL);
    if (access(folder, F_OK) < 0)
      return false;
    g_strv_builder_add(builder, folder);
    image->size_bytes += size ? g_ascii_strtoll(size, NULL, 10) : 0;
  }
  image->layers = g_strv_builder_end(builder);
  return true;
}

static Image *read_image(const char *root, const char *id, json_t *names)
{
  g_autoptr(Image) image = g_new0(Image, 1);
  g_autoptr(GStrvBuilder) tags = g_strv_builder_new(), digests = g_strv_builder_new();
  g_autofree char *path = g_build_filename(root, "image/overlay2/imagedb/content/sha256", id + strlen("sha256:"), NULL);
  image->id = g_strdup(id);
  image->config = json_read_file(path, NULL);
  if (!image->config || !find_layers(root, image))
    return NULL;
  const char *text;
  json_t *value;
  json_object_foreach (names, text, value)
    if (g_strcmp0(json_string_value(value), id) == 0)
      g_strv_builder_add(strchr(text, '@') ? digests : tags, text);
  image->repo_tags = g_strv_builder_end(tags);
  image->repo_digests = g_strv_builder_end(digests);
  return g_steal_pointer(&image);
}

Image *docker_images_find(const char *root, const char *reference, GError **error)
{
  g_autoptr(json_t) names = read_names(root);
  const char *id = image_digest_valid(reference) ? reference : json_str(names, reference, NULL);
  Image *image = id ? read_image(root, id, names) : NULL;
  if (!image)
    reason_set(error, REASON_RUNTIME_NOT_FOUND, "image \"%s\" not found", reference);
  return image;
}

void docker_images_list(const char *root, GPtrArray *images)
{
  g_autoptr(json_t) names = read_names(root);
  g_autofree char *folder = g_build_filename(root, "image/overlay2/imagedb/content/sha256", NULL);
  g_autoptr(GDir) listing = g_dir_open(folder, 0, NULL);
  const char *name;
  while (listing && (name = g_dir_read_name(listing))) {
    g_autofree char *id = g_strdup_printf("sha256:%s", name);
    Image *image = image_digest_valid(id) ? read_image(root, id, names) : NULL;
    if (image && (*image->repo_tags || *image->repo_digests))
      g_ptr_array_add(images, image);
    else
      image_free(image);
  }
}
