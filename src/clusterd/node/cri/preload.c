#include "clusterd/node/cri/preload.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/store.h"
#include "clusterd/node/images/image_store.h"
#include "clusterd/node/images/image_tar.h"

typedef struct Reader {
  int fd;
  guint8 block[65536];
} Reader;

/* A StoreRead of a pipe. */
static ssize_t read_pipe(void *data, const void **block, GError **error)
{
  Reader *reader = data;
  ssize_t got;
  do
    got = read(reader->fd, reader->block, sizeof reader->block);
  while (got < 0 && errno == EINTR);
  if (got < 0)
    reason_set_errno(error, REASON_RUNTIME, errno, "an image could not be read");
  *block = reader->block;
  return got;
}

/* All the image's files as one layer. */
static StoreBlob *write_layer(StoreLease *lease, const Image *image, GError **error)
{
  ImageTar *tar = image_tar_open(image, error);
  if (!tar)
    return NULL;
  g_autofree Reader *reader = g_new(Reader, 1);
  reader->fd = image_tar_fd(tar);
  g_autoptr(StoreBlob) layer = store_write(lease, NULL, read_pipe, reader, error);
  bool whole = image_tar_close(tar, layer ? error : NULL);
  return whole ? g_steal_pointer(&layer) : NULL;
}

/* The image's configuration, as one whose only layer is LAYER. */
static char *make_config(const Image *image, const StoreBlob *layer)
{
  g_autoptr(json_t) config = json_deep_copy(image->config);
  json_object_del(config, "history");
  json_object_set_new(config, "rootfs", json_pack("{s:s, s:[s]}", "type", "layers", "diff_ids", layer->digest));
  return json_text(config);
}

static bool add_image(CriRuntime *cri, const Image *image, GError **error)
{
  g_autoptr(StoreLease) lease = store_lease_new(cri, error);
  g_autoptr(StoreBlob) layer = lease ? write_layer(lease, image, error) : NULL;
  g_autofree char *text = layer ? make_config(image, layer) : NULL;
  g_autoptr(StoreBlob) config = text ? store_write_bytes(lease, text, strlen(text), NULL, error) : NULL;
  if (!config)
    return false;
  g_autoptr(GPtrArray) layers = g_ptr_array_new(), names = g_ptr_array_new();
  g_autoptr(json_t) manifest =
      json_pack("{s:i, s:s, s:o, s:[o]}", "schemaVersion", 2, "mediaType", STORE_OCI "manifest.v1+json", "config",
                store_descriptor(STORE_OCI "config.v1+json", config), "layers",
                store_descriptor(STORE_OCI "layer.v1.tar", layer));
  char *manifest_text = json_text(manifest);
  g_autoptr(GBytes) bytes = g_bytes_new_take(manifest_text, strlen(manifest_text));
  g_ptr_array_add(layers, layer->digest);
  for (char **name = image->repo_tags; *name; name++)
    g_ptr_array_add(names, *name);
  const StoreImage made = { bytes, config, layers, names };
  return store_publish(lease, &made, NULL, error);
}

/* Looks in our own store, or, with BELOW, in that one, too. What was loaded into our own is containerd's from then on.
 */
static bool take_from(CriRuntime *cri, const char *below, const char *reference, GError **error)
{
  g_autofree char *own = g_build_filename(cri->data_dir, "images", NULL);
  g_autofree char *users = g_build_filename(cri->data_dir, "containers", NULL);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&cri->preloading);
  g_autoptr(ImageStore) store = image_store_open(own, below, NULL, users, error);
  g_autoptr(Image) image = store ? image_store_find(store, reference, error) : NULL;
  g_autoptr(GError) failure = NULL;
  if (!image || !image->repo_tags[0])
    return false;
  if (add_image(cri, image, &failure))
    return below || image_store_remove(store, image->id, error);
  g_warning("image %s cannot be given to containerd: %s", reference, failure->message);
  g_propagate_error(error, g_steal_pointer(&failure));
  return false;
}

bool cri_take_loaded(CriRuntime *cri, const char *reference)
{
  g_autofree char *index = g_build_filename(cri->data_dir, "images", "index.json", NULL);
  return access(index, F_OK) == 0 && take_from(cri, NULL, reference, NULL);
}

bool cri_preload(CriRuntime *cri, const char *reference)
{
  return cri->preloaded_store && access(cri->preloaded_store, F_OK) == 0 &&
         take_from(cri, cri->preloaded_store, reference, NULL);
}
