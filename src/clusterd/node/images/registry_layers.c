#include "clusterd/node/images/registry_layers.h"

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/registry_blob.h"

#define LAYERS_AT_ONCE 3 /* of one image */

typedef struct Fetch {
  const RegistryLayers *layers;
  GMutex lock; /* guards what follows */
  int64_t done;
  GError *error; /* the first */
} Fetch;

static void count(void *user, int64_t bytes)
{
  Fetch *fetch = user;
  const RegistryLayers *layers = fetch->layers;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&fetch->lock);
  fetch->done = MIN(fetch->done + bytes, layers->manifest->size);
  if (layers->progress)
    layers->progress(layers->user, fetch->done, layers->manifest->size);
}

/* One try. *AGAIN when what an earlier pull left was bad and another may go well. */
static bool try_layer(Fetch *fetch, const RegistryLayer *layer, const char *diff_id, bool *again, GError **error)
{
  const RegistryLayers *layers = fetch->layers;
  g_autofree char *path = image_blob_path(layer->digest);
  g_autoptr(GError) bad_layer = NULL, bad_blob = NULL;
  *again = false;
  g_autoptr(RegistryBlob) blob = registry_blob_open(layers->folder, layer->digest, layer->size, error);
  if (!blob)
    return false;
  if (image_loader_reuse(layers->loader, path, diff_id, layer->size)) /* who had it brought it */
    return true;
  registry_blob_start(blob, layers->http, count, fetch);
  bool unpacked = image_loader_unpack(layers->loader, path, registry_blob_read, blob, &bad_layer);
  if (!unpacked)
    registry_blob_abandon(blob);
  bool fetched = registry_blob_finish(blob, &bad_blob);
  if (fetched && unpacked)
    return true;
  *again = reason_is(bad_blob, REASON_IMAGE_INVALID) && registry_blob_continued(blob);
  if (reason_is(bad_layer, REASON_INSUFFICIENT_STORAGE))
    registry_blob_remove(layers->folder, layer->digest);
  bool layers_fault = !unpacked && (fetched || reason_is(bad_blob, REASON_INTERRUPTED));
  g_propagate_error(error, layers_fault ? g_steal_pointer(&bad_layer) : g_steal_pointer(&bad_blob));
  return false;
}

static bool fetch_layer(Fetch *fetch, guint number, GError **error)
{
  const RegistryLayers *layers = fetch->layers;
  const RegistryLayer *layer = g_ptr_array_index(layers->manifest->layers, number);
  const char *diff_id = json_string_value(json_array_get(json_at(layers->config, "rootfs", "diff_ids", NULL), number));
  g_autofree char *path = image_blob_path(layer->digest);
  if (image_loader_reuse(layers->loader, path, diff_id, layer->size)) {
    count(fetch, layer->size);
    return true;
  }
  g_autoptr(GError) failure = NULL;
  bool again;
  if (try_layer(fetch, layer, diff_id, &again, &failure))
    return true;
  if (again)
    return try_layer(fetch, layer, diff_id, &again, error);
  g_propagate_error(error, g_steal_pointer(&failure));
  return false;
}

static void run(void *item, void *data)
{
  Fetch *fetch = data;
  g_autoptr(GError) error = NULL;
  if (g_atomic_int_get(&fetch->layers->http->stopped) || fetch_layer(fetch, GPOINTER_TO_UINT(item) - 1, &error))
    return;
  g_mutex_lock(&fetch->lock);
  if (!fetch->error)
    fetch->error = g_steal_pointer(&error);
  g_mutex_unlock(&fetch->lock);
  g_atomic_int_set(&fetch->layers->http->stopped, 1);
}

bool registry_layers_fetch(const RegistryLayers *layers, GError **error)
{
  const GPtrArray *list = layers->manifest->layers;
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  Fetch fetch = { .layers = layers };
  g_mutex_init(&fetch.lock);
  GThreadPool *pool = g_thread_pool_new(run, &fetch, LAYERS_AT_ONCE, FALSE, NULL);
  for (guint i = 0; i < list->len; i++) {
    const RegistryLayer *layer = g_ptr_array_index(list, i);
    if (g_hash_table_add(seen, layer->digest)) /* an image may have the same layer twice */
      g_thread_pool_push(pool, GUINT_TO_POINTER(i + 1), NULL);
  }
  g_thread_pool_free(pool, FALSE, TRUE);
  g_mutex_clear(&fetch.lock);
  if (fetch.error) {
    g_propagate_error(error, fetch.error);
    return false;
  }
  return true;
}

void registry_layers_forget(const RegistryManifest *manifest, const char *folder)
{
  for (guint i = 0; i < manifest->layers->len; i++)
    registry_blob_remove(folder, ((const RegistryLayer *)g_ptr_array_index(manifest->layers, i))->digest);
}
