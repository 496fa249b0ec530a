#include "clusterd/node/images/image_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/docker_images.h"
#include "clusterd/node/images/image_index.h"
#include "clusterd/node/images/image_mount.h"
#include "clusterd/node/images/image_reference.h"

#define HOLD_TIMEOUT_MS 60000
#define DOWNLOAD_KEPT_S 3600 /* for a pull that was cut off and comes again */

ImageStore *image_store_open(const char *dir, const char *below, const char *docker_root, const char *image_users_dir,
                             GError **error)
{
  static const char *const folders[] = { "configs", "layers", "tmp", "downloads" };
  for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
    g_autofree char *path = g_build_filename(dir, folders[i], NULL);
    if (!file_make_dirs(path, 0755, error))
      return NULL;
  }
  ImageStore *store = g_new0(ImageStore, 1);
  store->dir = g_strdup(dir);
  store->downloads = g_build_filename(dir, "downloads", NULL);
  store->below = g_strdup(below);
  store->docker_root = g_strdup(docker_root);
  store->image_users_dir = g_strdup(image_users_dir);
  return store;
}

void image_store_free(ImageStore *store)
{
  if (!store)
    return;
  g_free(store->dir);
  g_free(store->downloads);
  g_free(store->below);
  g_free(store->docker_root);
  g_free(store->image_users_dir);
  g_free(store);
}

const char *image_store_downloads(const ImageStore *store)
{
  return store->downloads;
}

int image_store_hold(ImageStore *store, GError **error)
{
  g_autofree char *path = g_build_filename(store->dir, "lock", NULL);
  return file_lock(path, HOLD_TIMEOUT_MS, error);
}

int image_store_share(ImageStore *store, GError **error)
{
  g_autofree char *path = g_build_filename(store->dir, "lock", NULL);
  return file_lock_shared(path, HOLD_TIMEOUT_MS, error);
}

static Image *find_in(const char *dir, const char *text, GError **error)
{
  g_autoptr(json_t) index = image_index_read(dir, error);
  if (!index)
    return NULL;
  const char *id = image_index_lookup(index, text);
  if (id)
    return image_index_image(dir, index, id, error);
  reason_set(error, REASON_RUNTIME_NOT_FOUND, "image \"%s\" not found", text);
  return NULL;
}

/* The id of an image elsewhere that was given the name TEXT here. The caller frees; NULL: none. */
static char *tagged_id(const ImageStore *store, const char *text)
{
  g_autoptr(json_t) index = image_index_read(store->dir, NULL);
  return index ? g_strdup(image_index_lookup(index, text)) : NULL;
}

Image *image_store_find(ImageStore *store, const char *reference, GError **error)
{
  g_autofree char *text = image_lookup_text(reference, error);
  if (!text)
    return NULL;
  g_autoptr(GError) failure = NULL;
  Image *image = find_in(store->dir, text, &failure);
  g_autofree char *id = image ? NULL : tagged_id(store, text);
  if (!image && store->docker_root)
    image = docker_images_find(store->docker_root, id ? id : text, NULL);
  if (!image && store->below)
    image = find_in(store->below, id ? id : text, NULL);
  if (!image)
    g_propagate_error(error, g_steal_pointer(&failure));
  return image;
}

/* Adds the names that were given here to images that lie elsewhere. */
static void add_own_names(const ImageStore *store, GPtrArray *images)
{
  g_autoptr(json_t) index = image_index_read(store->dir, NULL);
  for (guint i = 0; i < images->len; i++) {
    Image *image = g_ptr_array_index(images, i);
    g_autoptr(GStrvBuilder) tags = g_strv_builder_new();
    const char *text;
    json_t *id;
    g_strv_builder_addv(tags, (const char **)(uintptr_t)image->repo_tags);
    json_object_foreach (json_object_get(index, "references"), text, id)
      if (g_strcmp0(json_string_value(id), image->id) == 0 && !strchr(text, '@') &&
          !g_strv_contains((const char *const *)image->repo_tags, text))
        g_strv_builder_add(tags, text);
    g_strfreev(image->repo_tags);
    image->repo_tags = g_strv_builder_end(tags);
  }
}

static bool list_in(const char *dir, GPtrArray *images, GError **error)
{
  g_autoptr(json_t) index = image_index_read(dir, error);
  if (!index)
    return false;
  const char *id;
  json_t *entry;
  json_object_foreach (json_object_get(index, "images"), id, entry) {
    Image *image = image_index_image(dir, index, id, NULL);
    if (image)
      g_ptr_array_add(images, image);
  }
  return true;
}

/* One entry an id; the names another place gives it are added to the first. */
static GPtrArray *merge_by_id(GPtrArray *images)
{
  GPtrArray *merged = g_ptr_array_new_with_free_func((GDestroyNotify)image_free);
  g_autoptr(GHashTable) by_id = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < images->len; i++) {
    Image *image = g_ptr_array_index(images, i);
    Image *first = g_hash_table_lookup(by_id, image->id);
    if (!first) {
      g_hash_table_insert(by_id, image->id, image);
      g_ptr_array_add(merged, image);
      continue;
    }
    g_autoptr(GStrvBuilder) tags = g_strv_builder_new();
    for (char **tag = first->repo_tags; *tag; tag++)
      g_strv_builder_add(tags, *tag);
    for (char **tag = image->repo_tags; *tag; tag++)
      if (!g_strv_contains((const char *const *)first->repo_tags, *tag))
        g_strv_builder_add(tags, *tag);
    g_strfreev(first->repo_tags);
    first->repo_tags = g_strv_builder_end(tags);
    image_free(image);
  }
  g_ptr_array_set_free_func(images, NULL);
  g_ptr_array_unref(images);
  return merged;
}

/* A name stands for the first image that has it (image_store_find); one that has only names of others is not shown. */
static void drop_shadowed_names(GPtrArray *images)
{
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < images->len;) {
    Image *image = images->pdata[i];
    guint kept = 0, count = g_strv_length(image->repo_tags);
    for (guint k = 0; k < count; k++) {
      if (g_hash_table_add(seen, g_strdup(image->repo_tags[k])))
        image->repo_tags[kept++] = image->repo_tags[k];
      else
        g_free(image->repo_tags[k]);
    }
    image->repo_tags[kept] = NULL;
    if (count > 0 && kept == 0)
      g_ptr_array_remove_index(images, i);
    else
      i++;
  }
}

GPtrArray *image_store_list(ImageStore *store, GError **error)
{
  g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func((GDestroyNotify)image_free);
  if (!list_in(store->dir, images, error))
    return NULL;
  guint own = images->len;
  if (store->docker_root)
    docker_images_list(store->docker_root, images);
  if (store->below)
    list_in(store->below, images, NULL);
  for (guint i = own; i < images->len; i++)
    ((Image *)images->pdata[i])->read_only = true;
  GPtrArray *merged = merge_by_id(g_steal_pointer(&images));
  add_own_names(store, merged);
  drop_shadowed_names(merged);
  return merged;
}

/* Ids of the images containers were made from ({id: true}), from the containers' states on disk, and of those that are
 * volumes. */
static json_t *used_images(const ImageStore *store)
{
  json_t *used = json_object();
  image_mount_add_used(used);
  g_autoptr(GDir) folder = store->image_users_dir ? g_dir_open(store->image_users_dir, 0, NULL) : NULL;
  const char *name;
  while (folder && (name = g_dir_read_name(folder))) {
    g_autofree char *path = g_build_filename(store->image_users_dir, name, "state.json", NULL);
    g_autoptr(json_t) state = json_read_file(path, NULL);
    const char *id = json_str(state, "imageId", NULL);
    if (id)
      json_object_set_new(used, id, json_true());
  }
  return used;
}

bool image_store_in_use(ImageStore *store, const char *id)
{
  g_autoptr(json_t) used = used_images(store);
  return json_object_get(used, id) != NULL;
}

static void keep_image(json_t *keep, const char *id, const json_t *layers)
{
  size_t i;
  json_t *layer;
  if (g_str_has_prefix(id, "sha256:"))
    json_object_set_new(keep, id + strlen("sha256:"), json_true());
  json_array_foreach (layers, i, layer)
    if (image_digest_valid(json_string_value(layer)))
      json_object_set_new(keep, json_string_value(layer) + strlen("sha256:"), json_true());
}

/* Removes the entries of DIR/NAME whose digest is not in KEEP. */
static void sweep_folder(const char *dir, const char *name, const json_t *keep)
{
  g_autofree char *path = g_build_filename(dir, name, NULL);
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  const char *entry;
  while (folder && (entry = g_dir_read_name(folder))) {
    g_autofree char *hex = g_strndup(entry, strcspn(entry, "."));
    g_autofree char *full = g_build_filename(path, entry, NULL);
    if (!json_object_get(keep, hex))
      file_remove_tree(full, NULL);
  }
}

/* Folders whose writer is gone: nobody holds their lock. */
static void sweep_staging(const ImageStore *store)
{
  g_autofree char *path = g_build_filename(store->dir, "tmp", NULL);
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  const char *entry;
  while (folder && (entry = g_dir_read_name(folder))) {
    g_autofree char *full = g_build_filename(path, entry, NULL);
    file_autofd int fd = open(full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
      file_remove_tree(full, NULL);
  }
}

void image_store_sweep_unused(ImageStore *store, const json_t *index)
{
  g_autoptr(json_t) keep = json_object();
  const char *id;
  json_t *entry;
  json_object_foreach (json_object_get(index, "images"), id, entry)
    keep_image(keep, id, json_object_get(entry, "layers"));
  sweep_folder(store->dir, "configs", keep);
  sweep_folder(store->dir, "layers", keep);
}

/* Parts of layers nobody fetches and nobody came back for. */
static void sweep_downloads(const ImageStore *store)
{
  g_autoptr(GDir) folder = g_dir_open(store->downloads, 0, NULL);
  const char *entry;
  while (folder && (entry = g_dir_read_name(folder))) {
    struct stat info;
    g_autofree char *full = g_build_filename(store->downloads, entry, NULL);
    file_autofd int fd = open(full, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &info) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
        time(NULL) - info.st_mtime >= DOWNLOAD_KEPT_S)
      unlink(full);
  }
}

bool image_store_sweep(ImageStore *store, GError **error)
{
  file_autofd int held = image_store_hold(store, error);
  if (held < 0)
    return false;
  g_autoptr(json_t) index = image_index_read(store->dir, error);
  if (!index) /* a damaged index must not take the layers with it */
    return false;
  sweep_staging(store);
  sweep_downloads(store);
  image_store_sweep_unused(store, index);
  return true;
}
