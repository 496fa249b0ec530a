#include <archive.h>
#include <archive_entry.h>
#include <limits.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/image_loader.h"
#include "clusterd/node/images/image_reference.h"
#include "clusterd/node/images/layer.h"

/*
 * Reads an image archive in one pass. Which of its files are layers is told only by the manifest, which may come last:
 * so everything that looks like a layer is unpacked on the way and everything that looks like JSON is kept.
 */

#define ENTRIES_MAX 4096

typedef struct Load {
  ImageLoader *loader;
  struct archive *archive;
  size_t pending; /* bytes of BLOCK that were read only to look at them */
  guint8 block[65536];
} Load;

static void load_clear(Load *load)
{
  if (load->archive)
    archive_read_free(load->archive);
  image_loader_free(load->loader);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Load, load_clear)

static bool archive_fail(const Load *load, GError **error)
{
  const char *text = archive_error_string(load->archive);
  return reason_set(error, REASON_BAD_REQUEST, "Malformed image archive: %s", text ? text : "unknown error");
}

/* A LayerRead of the entry the archive stands at. */
static ssize_t read_entry(void *data, const void **block, GError **error)
{
  Load *load = data;
  *block = load->block;
  size_t pending = load->pending;
  load->pending = 0;
  if (pending)
    return (ssize_t)pending;
  la_ssize_t got = archive_read_data(load->archive, load->block, sizeof load->block);
  if (got < 0)
    archive_fail(load, error);
  return got < 0 ? -1 : got;
}

typedef enum EntryKind { ENTRY_OTHER, ENTRY_DOCUMENT, ENTRY_LAYER } EntryKind;

static EntryKind entry_kind(const guint8 *head, size_t length)
{
  static const struct {
    const char *magic;
    size_t offset, length;
  } layers[] = {
    { "ustar", 257, 5 },
    { "\x1f\x8b", 0, 2 },
    { "\x28\xb5\x2f\xfd", 0, 4 }, /* tar, gzip, zstd */
    { "\xfd"
      "7zXZ",
      0, 5 },
    { "BZh", 0, 3 },
    { "\0\0\0\0\0\0\0\0", 0, 8 }, /* an empty tar is only its end mark */
  };
  for (size_t i = 0; i < G_N_ELEMENTS(layers); i++)
    if (length >= layers[i].offset + layers[i].length &&
        memcmp(head + layers[i].offset, layers[i].magic, layers[i].length) == 0)
      return ENTRY_LAYER;
  return length > 0 && (*head == '{' || *head == '[') ? ENTRY_DOCUMENT : ENTRY_OTHER;
}

static bool keep_document(Load *load, const char *path, GError **error)
{
  g_autoptr(GByteArray) content = g_byte_array_new();
  const void *block;
  ssize_t got;
  while ((got = read_entry(load, &block, error)) > 0) {
    if (content->len + (size_t)got > IMAGE_DOCUMENT_BYTES_MAX)
      return reason_set(error, REASON_BAD_REQUEST, "Malformed image archive: %s is too long", path);
    g_byte_array_append(content, block, (guint)got);
  }
  g_autoptr(GBytes) text = g_byte_array_free_to_bytes(g_steal_pointer(&content));
  return got == 0 && image_loader_add_document(load->loader, path, text, error);
}

/* An uncompressed blob carries its diff id as name: nothing to do when the store has that layer. */
static bool unpack_layer(Load *load, const char *path, struct archive_entry *entry, GError **error)
{
  static const char blobs[] = "blobs/sha256/";
  g_autofree char *digest = g_strdup_printf("sha256:%s", g_str_has_prefix(path, blobs) ? path + strlen(blobs) : "");
  return image_loader_reuse(load->loader, path, digest, archive_entry_size(entry)) ||
         image_loader_unpack(load->loader, path, read_entry, load, error);
}

/* PATH without "./" in front. NULL when it is none or too long. */
static const char *plain_path(const char *path)
{
  while (path && g_str_has_prefix(path, "./"))
    path += 2;
  return path && *path && strlen(path) < PATH_MAX ? path : NULL;
}

static bool read_file_entry(Load *load, const char *path, struct archive_entry *entry, GError **error)
{
  la_ssize_t got = archive_read_data(load->archive, load->block, sizeof load->block);
  if (got < 0)
    return archive_fail(load, error);
  load->pending = (size_t)got;
  switch (entry_kind(load->block, (size_t)got)) {
  case ENTRY_DOCUMENT:
    return keep_document(load, path, error);
  case ENTRY_LAYER:
    return unpack_layer(load, path, entry, error);
  case ENTRY_OTHER:
    break;
  }
  return true;
}

/* Where a link inside the archive points, as a path of the archive. */
static char *link_target(const char *path, const char *hard_link, const char *link)
{
  g_autofree char *folder = g_path_get_dirname(path);
  g_autofree char *base = hard_link ? g_strdup("/") : g_strconcat("/", folder, NULL);
  g_autofree char *target = g_canonicalize_filename(hard_link ? hard_link : link, base);
  return g_strdup(target + strspn(target, "/"));
}

static bool read_one(Load *load, struct archive_entry *entry, GError **error)
{
  const char *path = plain_path(archive_entry_pathname(entry));
  const char *link = archive_entry_symlink(entry), *hard_link = archive_entry_hardlink(entry);
  load->pending = 0;
  if (!path)
    return true;
  if (hard_link || link) {
    g_hash_table_replace(load->loader->links, g_strdup(path), link_target(path, hard_link, link));
    return true;
  }
  return archive_entry_filetype(entry) != AE_IFREG || read_file_entry(load, path, entry, error);
}

static bool read_all(Load *load, int fd, GError **error)
{
  struct archive_entry *entry;
  load->archive = archive_read_new();
  layer_support_filters(load->archive);
  archive_read_support_format_tar(load->archive);
  if (archive_read_open_fd(load->archive, fd, 65536) != ARCHIVE_OK)
    return archive_fail(load, error);
  for (unsigned count = 0;; count++) {
    int result = archive_read_next_header(load->archive, &entry);
    if (result == ARCHIVE_EOF)
      return true;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
      return archive_fail(load, error);
    if (count >= ENTRIES_MAX)
      return reason_set(error, REASON_BAD_REQUEST, "Image archive with more than %d files", ENTRIES_MAX);
    if (!read_one(load, entry, error))
      return false;
  }
}

json_t *image_store_load(ImageStore *store, int fd, GError **error)
{
  g_auto(Load) load = { .loader = image_loader_new(store, error) };
  if (!load.loader || !read_all(&load, fd, error))
    return NULL;
  g_autoptr(GPtrArray) manifests = image_loader_manifests(load.loader, error);
  if (!manifests || !image_store_publish(store, load.loader->staging, manifests, error))
    return NULL;
  json_t *loaded = json_array();
  for (guint i = 0; i < manifests->len; i++) {
    const ImageManifest *manifest = g_ptr_array_index(manifests, i);
    json_array_extend(loaded, manifest->references);
    if (json_array_size(manifest->references) == 0)
      json_array_append_new(loaded, json_string(manifest->id));
  }
  return loaded;
}
