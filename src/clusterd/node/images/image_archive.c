#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/archive_reader.h"
#include "clusterd/node/images/image_loader.h"
#include "clusterd/node/images/image_reference.h"

/*
 * Reads an image archive in one pass. Which of its files are layers is told only by the manifest, which may come last:
 * so everything that looks like a layer is unpacked on the way and everything that looks like JSON is kept.
 */

#define ENTRIES_MAX 4096

typedef struct Load {
  ImageLoader *loader;
  ArchiveReader reader;
} Load;

static void load_clear(Load *load)
{
  archive_reader_clear(&load->reader);
  image_loader_free(load->loader);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Load, load_clear)

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
  while ((got = archive_reader_read(&load->reader, &block, error)) > 0) {
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
         image_loader_unpack(load->loader, path, archive_reader_read, &load->reader, error);
}

static bool read_file_entry(Load *load, const char *path, struct archive_entry *entry, GError **error)
{
  ssize_t got = archive_reader_peek(&load->reader, error);
  if (got < 0)
    return false;
  switch (entry_kind(load->reader.block, (size_t)got)) {
  case ENTRY_DOCUMENT:
    return keep_document(load, path, error);
  case ENTRY_LAYER:
    return unpack_layer(load, path, entry, error);
  case ENTRY_OTHER:
    break;
  }
  return true;
}

static bool read_one(Load *load, struct archive_entry *entry, GError **error)
{
  const char *path = archive_reader_path(entry);
  char *link = path ? archive_reader_link(entry, path) : NULL;
  if (!path)
    return true;
  if (link) {
    g_hash_table_replace(load->loader->links, g_strdup(path), link);
    return true;
  }
  return archive_entry_filetype(entry) != AE_IFREG || read_file_entry(load, path, entry, error);
}

static bool read_all(Load *load, int fd, GError **error)
{
  struct archive_entry *entry;
  if (!archive_reader_open(&load->reader, fd, error))
    return false;
  for (unsigned count = 0;; count++) {
    if (!archive_reader_next(&load->reader, &entry, error))
      return false;
    if (!entry)
      return true;
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
