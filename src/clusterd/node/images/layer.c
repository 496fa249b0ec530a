#include "clusterd/node/images/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/images/layer_entry.h"
#include "clusterd/node/images/layer_recipe.h"

/*
 * Two archive readers in a row: the first only decompresses (format "raw"), so that the digest of the uncompressed tar
 * can be taken from what it gives; the second reads the tar.
 */
typedef struct LayerStream {
  LayerRead read;
  void *source;
  GError *error; /* of READ, which libarchive's callbacks cannot carry */
  struct archive *packed, *tar;
  GChecksum *digest;
  LayerRecipe *recipe; /* or NULL */
  int64_t size;
  guint8 block[65536];
} LayerStream;

static void stream_clear(LayerStream *stream)
{
  if (stream->tar)
    archive_read_free(stream->tar);
  if (stream->packed)
    archive_read_free(stream->packed);
  g_clear_pointer(&stream->digest, g_checksum_free);
  g_clear_pointer(&stream->recipe, layer_recipe_free);
  g_clear_error(&stream->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LayerStream, stream_clear)

static la_ssize_t read_packed(struct archive *archive, void *data, const void **block)
{
  LayerStream *stream = data;
  ssize_t got = stream->read(stream->source, block, &stream->error);
  if (got < 0)
    archive_set_error(archive, EIO, "%s", stream->error ? stream->error->message : "read error");
  return got;
}

static la_ssize_t read_unpacked(struct archive *archive, void *data, const void **block)
{
  LayerStream *stream = data;
  la_ssize_t got = archive_read_data(stream->packed, stream->block, sizeof stream->block);
  if (got < 0) {
    archive_set_error(archive, EIO, "%s", archive_error_string(stream->packed));
    return -1;
  }
  g_checksum_update(stream->digest, stream->block, got);
  stream->size += got;
  if (stream->recipe)
    layer_recipe_feed(stream->recipe, stream->block, (size_t)got);
  *block = stream->block;
  return got;
}

/* The most telling of the errors that ended the reading. */
static bool stream_fail(LayerStream *stream, struct archive *archive, GError **error)
{
  if (stream->error) {
    g_propagate_error(error, g_steal_pointer(&stream->error));
    return false;
  }
  const char *text = archive_error_string(archive);
  return reason_set(error, REASON_BAD_REQUEST, "Malformed image layer: %s", text ? text : "unknown error");
}

void layer_support_filters(struct archive *archive)
{
  archive_read_support_filter_gzip(archive);
  archive_read_support_filter_zstd(archive);
  archive_read_support_filter_xz(archive);
  archive_read_support_filter_bzip2(archive);
}

static bool stream_open(LayerStream *stream, GError **error)
{
  struct archive_entry *entry;
  stream->digest = g_checksum_new(G_CHECKSUM_SHA256);
  stream->packed = archive_read_new();
  layer_support_filters(stream->packed);
  archive_read_support_format_raw(stream->packed);
  if (archive_read_open(stream->packed, stream, NULL, read_packed, NULL) != ARCHIVE_OK ||
      archive_read_next_header(stream->packed, &entry) != ARCHIVE_OK)
    return stream_fail(stream, stream->packed, error);
  stream->tar = archive_read_new();
  archive_read_support_format_tar(stream->tar);
  archive_read_support_format_empty(stream->tar);
  if (archive_read_open(stream->tar, stream, NULL, read_unpacked, NULL) != ARCHIVE_OK)
    return stream_fail(stream, stream->tar, error);
  return true;
}

/* What was read up to now is the tar's own, what follows is the content of a file that can be found in the folder. */
static bool note_entry(LayerStream *stream, struct archive_entry *entry, GError **error)
{
  int64_t position = archive_filter_bytes(stream->tar, -1), size = archive_entry_size(entry);
  bool plain = archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry) &&
               !archive_entry_hardlink_utf8(entry) && archive_entry_sparse_count(entry) == 0 && size > 0 &&
               size <= LAYER_BYTES_MAX;
  g_autofree char *path = plain ? layer_entry_path(entry) : NULL;
  return layer_recipe_keep(stream->recipe, position, error) &&
         (!path || !*path || layer_entry_is_whiteout(path) || layer_recipe_file(stream->recipe, size, path, error));
}

static bool make_entries(LayerStream *stream, LayerTarget *target, GError **error)
{
  struct archive_entry *entry;
  for (unsigned count = 0;; count++) {
    int result = archive_read_next_header(stream->tar, &entry);
    if (result == ARCHIVE_EOF)
      return true;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
      return stream_fail(stream, stream->tar, error);
    if (count >= target->limits->entries)
      return reason_set(error, REASON_BAD_REQUEST, "Image layer with more than %u entries", target->limits->entries);
    if (stream->recipe && !note_entry(stream, entry, error))
      return false;
    if (!layer_entry_make(target, entry, error))
      return false;
  }
}

/* What follows the archive's end mark belongs to the digest too. */
static bool drain(LayerStream *stream, GError **error)
{
  const void *block;
  la_ssize_t got;
  while ((got = read_unpacked(stream->packed, stream, &block)) > 0)
    ;
  return got == 0 || stream_fail(stream, stream->packed, error);
}

static void link_free(void *data)
{
  LayerLink *link = data;
  g_free(link->path);
  g_free(link->target);
  g_free(link);
}

void layer_result_clear(LayerResult *result)
{
  g_clear_pointer(&result->missing, g_ptr_array_unref);
}

bool layer_unpack(LayerRead read, void *source, const char *folder, const char *recipe, const LayerLimits *limits,
                  LayerResult *result, GError **error)
{
  static const LayerLimits usual = { .entries = LAYER_ENTRIES_MAX, .bytes = LAYER_BYTES_MAX };
  limits = limits ? limits : &usual;
  file_autofd int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot open %s", folder);
  g_auto(LayerStream) stream = { .read = read, .source = source };
  *result = (LayerResult){ 0 };
  stream.recipe = recipe ? layer_recipe_new(recipe, error) : NULL;
  if ((recipe && !stream.recipe) || !stream_open(&stream, error))
    return false;
  LayerTarget target = { .root_fd = root, .tar = stream.tar, .limits = limits, .bytes_left = limits->bytes };
  target.missing = g_ptr_array_new_with_free_func(link_free);
  target.folder_times = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  bool good = make_entries(&stream, &target, error) && drain(&stream, error) &&
              (!recipe || layer_recipe_finish(stream.recipe, error));
  if (good) {
    layer_entry_finish_times(&target);
    result->size = stream.size;
    result->missing = target.missing->len > 0 ? g_steal_pointer(&target.missing) : NULL;
    g_snprintf(result->diff_id, sizeof result->diff_id, "sha256:%s", g_checksum_get_string(stream.digest));
  } else if (stream.error) { /* the reason behind what libarchive could only call a read error */
    g_clear_error(error);
    g_propagate_error(error, g_steal_pointer(&stream.error));
  }
  g_hash_table_unref(target.folder_times);
  g_clear_pointer(&target.missing, g_ptr_array_unref);
  return good;
}
