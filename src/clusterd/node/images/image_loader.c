#include "clusterd/node/images/image_loader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/images/image_reference.h"

static void loaded_layer_free(void *data)
{
  LoadedLayer *layer = data;
  g_free(layer->diff_id);
  g_free(layer->name);
  g_clear_pointer(&layer->missing, g_ptr_array_unref);
  g_free(layer);
}

void image_loader_free(ImageLoader *loader)
{
  if (!loader)
    return;
  if (loader->staging)
    file_remove_tree(loader->staging, NULL);
  file_close(&loader->staging_lock);
  g_free(loader->staging);
  g_hash_table_unref(loader->documents);
  g_hash_table_unref(loader->layers);
  g_hash_table_unref(loader->links);
  g_mutex_clear(&loader->lock);
  g_free(loader);
}

ImageLoader *image_loader_new(ImageStore *store, GError **error)
{
  g_autoptr(ImageLoader) loader = g_new0(ImageLoader, 1);
  loader->store = store;
  loader->staging_lock = -1;
  g_mutex_init(&loader->lock);
  loader->documents = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
  loader->layers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, loaded_layer_free);
  loader->links = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *template = g_build_filename(store->dir, "tmp/load-XXXXXX", NULL);
  if (!g_mkdtemp_full(template, 0700)) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot make a folder in %s", store->dir);
    return NULL;
  }
  loader->staging = g_steal_pointer(&template);
  loader->staging_lock = open(loader->staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (loader->staging_lock < 0 || flock(loader->staging_lock, LOCK_EX) < 0) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot lock %s", loader->staging);
    return NULL;
  }
  return g_steal_pointer(&loader);
}

char *image_blob_path(const char *digest)
{
  return image_digest_valid(digest) ? g_strdup_printf("blobs/sha256/%s", digest + strlen("sha256:")) : NULL;
}

bool image_loader_add_document(ImageLoader *loader, const char *path, GBytes *text, GError **error)
{
  loader->document_bytes += g_bytes_get_size(text);
  if (loader->document_bytes > IMAGE_DOCUMENT_BYTES_MAX)
    return reason_set(error, REASON_BAD_REQUEST, "Malformed image: more than %u bytes of metadata",
                      IMAGE_DOCUMENT_BYTES_MAX);
  g_hash_table_replace(loader->documents, g_strdup(path), g_bytes_ref(text));
  return true;
}

/* Takes MISSING. */
static void add_layer(ImageLoader *loader, const char *path, const char *diff_id, int64_t size, GPtrArray *missing)
{
  LoadedLayer *layer = g_new0(LoadedLayer, 1);
  layer->diff_id = g_strdup(diff_id);
  layer->name = g_strdup(diff_id);
  layer->missing = missing;
  layer->size = size;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&loader->lock);
  g_hash_table_replace(loader->layers, g_strdup(path), layer);
}

bool image_loader_reuse(ImageLoader *loader, const char *path, const char *diff_id, int64_t size)
{
  if (!image_digest_valid(diff_id))
    return false;
  g_autofree char *present = image_layer_path(loader->store->dir, diff_id);
  if (access(present, F_OK) < 0)
    return false;
  add_layer(loader, path, diff_id, size, NULL);
  return true;
}

bool image_loader_unpack(ImageLoader *loader, const char *path, LayerRead read, void *source, GError **error)
{
  g_auto(LayerResult) result = { 0 };
  g_autofree char *folder = g_strdup_printf("%s/unpack-%d", loader->staging, g_atomic_int_add(&loader->unpacked, 1));
  g_autofree char *recipe = g_strconcat(folder, IMAGE_RECIPE_SUFFIX, NULL);
  if (mkdir(folder, 0755) < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot make %s", folder);
  if (!layer_unpack(read, source, folder, recipe, NULL, &result, error))
    return false;
  g_autofree char *final = g_build_filename(loader->staging, result.diff_id + strlen("sha256:"), NULL);
  g_autofree char *final_recipe = g_strconcat(final, IMAGE_RECIPE_SUFFIX, NULL);
  if (rename(recipe, final_recipe) < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot make %s", final_recipe);
  if (rename(folder, final) < 0) {
    if (errno != EEXIST && errno != ENOTEMPTY) /* the same layer twice */
      return reason_set_errno(error, REASON_FILE, errno, "Cannot make %s", final);
    if (!file_remove_tree(folder, error))
      return false;
  }
  add_layer(loader, path, result.diff_id, result.size, g_steal_pointer(&result.missing));
  return true;
}
