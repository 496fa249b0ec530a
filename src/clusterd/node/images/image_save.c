/* Saving images as docker does: one tar with manifest.json, configurations and layers. Source: moby's image/tarexport.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/image_index.h"
#include "clusterd/node/images/image_loader.h"
#include "clusterd/node/images/image_reference.h"
#include "clusterd/node/images/layer_recipe.h"

#define BLOCK 512 /* of a tar */

/* POSIX.1-1988. libarchive could write it, but its writer of tars brings a library of digests with it that nothing else
 * here needs. */
typedef struct TarHeader {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2],
      owner[32], group[32], major[8], minor[8], prefix[155], pad[12];
} TarHeader;
G_STATIC_ASSERT(sizeof(TarHeader) == BLOCK);

typedef struct Save {
  int fd;
  GHashTable *written; /* digests of what is in it already */
  json_t *manifests;
  GChecksum *checksum; /* of the layer that is being written */
} Save;

static void save_clear(Save *save)
{
  g_hash_table_unref(save->written);
  json_decref(save->manifests);
  g_clear_pointer(&save->checksum, g_checksum_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Save, save_clear)

static bool put(const Save *save, const void *data, size_t length, GError **error)
{
  const char *bytes = data;
  for (size_t done = 0; done < length;) {
    ssize_t wrote = write(save->fd, bytes + done, length - done);
    if (wrote < 0 && errno != EINTR)
      return reason_set_errno(error, errno == ENOSPC || errno == EDQUOT ? REASON_INSUFFICIENT_STORAGE : REASON_FILE,
                              errno, "Cannot write the archive");
    done += wrote > 0 ? (size_t)wrote : 0;
  }
  return true;
}

/* Zeros up to the next block, after LENGTH bytes. */
static bool pad(const Save *save, int64_t length, GError **error)
{
  static const char zeros[BLOCK];
  return put(save, zeros, (size_t)((BLOCK - length % BLOCK) % BLOCK), error);
}

/* Octal digits; GNU's big-endian number where there are too many. */
static void set_size(char field[12], int64_t size)
{
  if (size < INT64_C(1) << 33) {
    g_snprintf(field, 12, "%011" G_GINT64_MODIFIER "o", size);
    return;
  }
  field[0] = (char)0x80;
  for (int i = 11; i > 0; i--, size >>= 8)
    field[i] = (char)(size & 0xff);
}

/* A file of the archive: readable by all, of the epoch, so that the same images make the same archive. */
static bool begin_file(const Save *save, const char *path, int64_t size, GError **error)
{
  TarHeader header = { .mode = "0000644", .uid = "0000000", .gid = "0000000", .mtime = "00000000000", .type = '0' };
  unsigned sum = 0;
  memcpy(header.magic, "ustar", 6);
  memcpy(header.version, "00", 2);
  memset(header.checksum, ' ', sizeof header.checksum);
  g_strlcpy(header.name, path, sizeof header.name);
  set_size(header.size, size);
  for (size_t i = 0; i < sizeof header; i++)
    sum += ((const guint8 *)&header)[i];
  g_snprintf(header.checksum, sizeof header.checksum, "%06o", sum);
  return put(save, &header, sizeof header, error);
}

static bool add_text(const Save *save, const char *path, const void *text, size_t length, GError **error)
{
  return begin_file(save, path, (int64_t)length, error) && put(save, text, length, error) &&
         pad(save, (int64_t)length, error);
}

static bool write_layer(void *user, const void *data, size_t length, GError **error)
{
  Save *save = user;
  g_checksum_update(save->checksum, data, (gssize)length);
  return put(save, data, length, error);
}

/* FOLDER is "…/layers/HEX" of the layer DIFF_ID. */
static bool add_layer(Save *save, const char *folder, const char *diff_id, GError **error)
{
  g_autofree char *recipe = g_strconcat(folder, IMAGE_RECIPE_SUFFIX, NULL);
  g_autofree char *path = image_blob_path(diff_id);
  if (!g_hash_table_add(save->written, g_strdup(diff_id)))
    return true;
  int64_t size = layer_recipe_size(recipe, error);
  if (size < 0 || !begin_file(save, path, size, error))
    return false;
  g_clear_pointer(&save->checksum, g_checksum_free);
  save->checksum = g_checksum_new(G_CHECKSUM_SHA256);
  if (!layer_recipe_replay(recipe, folder, write_layer, save, error) || !pad(save, size, error))
    return false;
  return g_str_equal(g_checksum_get_string(save->checksum), diff_id + strlen("sha256:")) ||
         reason_set(error, REASON_CONFIG, "layer %s is no longer what it was", diff_id);
}

/* As docker writes names: "busybox:1.36" for "docker.io/library/busybox:1.36". */
static const char *familiar(const char *text)
{
  static const char *const prefixes[] = { "docker.io/library/", "docker.io/" };
  for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++)
    if (g_str_has_prefix(text, prefixes[i]) && (i == 0 || strchr(text + strlen(prefixes[i]), '/')))
      return text + strlen(prefixes[i]);
  return text;
}

/* NAME is how it was asked for: the archive says that name, or with an id none. */
static bool add_image(Save *save, const Image *image, const char *name, GError **error)
{
  g_autofree char *config = image_blob_path(image->id), *text = image_lookup_text(name, NULL);
  const json_t *diff_ids = json_at(image->config, "rootfs", "diff_ids", NULL);
  g_autoptr(json_t) layers = json_array();
  g_autoptr(json_t) tags = json_array();
  if (!image->store_dir)
    return reason_set(error, REASON_USAGE, "image \"%s\" is kept by docker: docker save writes it", name);
  for (size_t i = 0; image->layers[i]; i++) {
    const char *diff_id = json_string_value(json_array_get(diff_ids, i));
    if (!image_digest_valid(diff_id) || !add_layer(save, image->layers[i], diff_id, error))
      return false;
    json_array_append_new(layers, json_sprintf("blobs/sha256/%s", diff_id + strlen("sha256:")));
  }
  if (g_hash_table_add(save->written, g_strdup(image->id))) {
    g_autofree char *path = image_config_path(image->store_dir, image->id);
    g_autoptr(GBytes) bytes = file_read(path, IMAGE_CONFIG_MAX, error);
    gsize length;
    const void *data = bytes ? g_bytes_get_data(bytes, &length) : NULL;
    if (!data || !add_text(save, config, data, length, error))
      return false;
  }
  if (text && !image_digest_valid(text) && !strchr(text, '@'))
    json_array_append_new(tags, json_string(familiar(text)));
  json_array_append_new(save->manifests,
                        json_pack("{s:s, s:O, s:O}", "Config", config, "RepoTags", tags, "Layers", layers));
  return true;
}

bool image_store_save(ImageStore *store, const char *const *names, int fd, GError **error)
{
  static const char end[2 * BLOCK];
  g_auto(Save) save = { .fd = fd,
                        .written = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                        .manifests = json_array() };
  for (; *names; names++) {
    g_autoptr(Image) image = image_store_find(store, *names, error);
    if (!image || !add_image(&save, image, *names, error))
      return false;
  }
  g_autofree char *text = json_text(save.manifests);
  return add_text(&save, "manifest.json", text, strlen(text), error) && put(&save, end, sizeof end, error);
}
