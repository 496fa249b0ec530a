#include "clusterd/node/docker/docker_image_mount.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/docker/docker_http.h"
#include "clusterd/node/images/image_mount.h"
#include "clusterd/node/images/image_reference.h"

#define SMALL_FILE_MAX 4096 /* bytes */
#define LAYERS_MAX 200      /* as in our own store; overlayfs takes no more of our way of naming them */

/* The drivers that are an overlay tell of its layers: "HIGHEST:…:LOWEST" below "UpperDir". */
static char **overlay_layers(const json_t *data)
{
  g_auto(GStrv) lower = g_strsplit(json_str(data, "LowerDir", ""), ":", -1);
  g_autoptr(GStrvBuilder) layers = g_strv_builder_new();
  for (guint i = g_strv_length(lower); i > 0; i--)
    if (*lower[i - 1])
      g_strv_builder_add(layers, lower[i - 1]);
  g_strv_builder_add(layers, json_str(data, "UpperDir", ""));
  return g_strv_builder_end(layers);
}

/* The driver "vfs" tells nothing: a folder of it, named in dockerd's own list of layers, has all the image's files. */
static char **vfs_layers(const char *root, const json_t *diff_ids, GError **error)
{
  g_autoptr(GStrvBuilder) layers = g_strv_builder_new();
  g_autofree char *chain = NULL;
  size_t i;
  json_t *diff_id;
  json_array_foreach (diff_ids, i, diff_id) {
    char *next = image_chain_id(chain, json_string_value(diff_id));
    g_free(chain);
    chain = next;
  }
  g_autofree char *path =
      g_build_filename(root, "image/vfs/layerdb/sha256", chain + strlen("sha256:"), "cache-id", NULL);
  g_autoptr(GBytes) bytes = file_read(path, SMALL_FILE_MAX, error);
  if (!bytes)
    return NULL;
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  g_autofree char *name = g_strstrip(g_strndup(text, length));
  if (!*name || *name == '.' || strchr(name, '/')) {
    reason_set(error, REASON_RUNTIME, "docker: %s names no folder", path);
    return NULL;
  }
  g_autofree char *folder = g_build_filename(root, "vfs/dir", name, NULL);
  g_strv_builder_add(layers, folder);
  return g_strv_builder_end(layers);
}

static bool layers_valid(const json_t *diff_ids)
{
  size_t i;
  json_t *diff_id;
  json_array_foreach (diff_ids, i, diff_id)
    if (!image_digest_valid(json_string_value(diff_id)))
      return false;
  return json_array_size(diff_ids) > 0 && json_array_size(diff_ids) <= LAYERS_MAX;
}

char **docker_image_layers(const char *root, const json_t *image, GError **error)
{
  const json_t *driver = json_object_get(image, "GraphDriver"), *data = json_object_get(driver, "Data");
  const json_t *diff_ids = json_at(image, "RootFS", "Layers", NULL);
  const char *name = json_str(driver, "Name", "");
  if (!layers_valid(diff_ids)) {
    reason_set(error, REASON_RUNTIME, "docker: an image without layers, or with more than %d, is no volume",
               LAYERS_MAX);
    return NULL;
  }
  if (*json_str(data, "UpperDir", ""))
    return overlay_layers(data);
  if (g_str_equal(name, "vfs"))
    return vfs_layers(root, diff_ids, error);
  reason_set(error, REASON_RUNTIME, "the container runtime docker has no image volumes with the storage driver %s",
             name);
  return NULL;
}

bool docker_image_mount(Runtime *runtime, const char *image_id, const char *target, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autofree char *data_dir = g_build_filename(docker->data_dir, "images", NULL);
  g_autofree char *escaped = g_uri_escape_string(image_id, ":/@", false);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->image_lock);
  g_autoptr(json_t) image = docker_get(docker, error, "/images/%s/json", escaped);
  g_auto(GStrv) layers = image ? docker_image_layers(docker->root_dir, image, error) : NULL;
  return layers &&
         image_mount_layers((const char *const *)layers, json_str(image, "Id", image_id), data_dir, target, error);
}
