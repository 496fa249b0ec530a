#include "clusterd/node/images/layer_recipe.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/images/layer_entry.h"

#define BLOCK_BYTES 65536
#define RECORD_MAX 9 /* bytes of a record's head */

struct LayerRecipe {
  struct archive *file;
  char *path;
  GByteArray *pending; /* read and not yet understood */
  int64_t base;        /* where PENDING begins in the tar */
  int64_t skip;        /* bytes of content that are still to come */
};

static bool write_failed(const LayerRecipe *recipe, GError **error)
{
  int code = archive_errno(recipe->file);
  return reason_set(error, code == ENOSPC || code == EDQUOT ? REASON_INSUFFICIENT_STORAGE : REASON_FILE,
                    "Cannot write %s: %s", recipe->path, archive_error_string(recipe->file));
}

LayerRecipe *layer_recipe_new(const char *path, GError **error)
{
  g_autoptr(LayerRecipe) recipe = g_new0(LayerRecipe, 1);
  struct archive_entry *entry = archive_entry_new();
  recipe->path = g_strdup(path);
  recipe->pending = g_byte_array_new();
  recipe->file = archive_write_new();
  archive_write_set_format_raw(recipe->file);
  archive_write_add_filter_gzip(recipe->file);
  archive_write_set_filter_option(recipe->file, "gzip", "compression-level", "1");
  archive_write_set_filter_option(recipe->file, "gzip", "timestamp", NULL); /* the same layer, the same bytes */
  archive_entry_set_filetype(entry, AE_IFREG);
  bool good = archive_write_open_filename(recipe->file, path) == ARCHIVE_OK &&
              archive_write_header(recipe->file, entry) == ARCHIVE_OK;
  archive_entry_free(entry);
  if (!good)
    write_failed(recipe, error);
  return good ? g_steal_pointer(&recipe) : NULL;
}

void layer_recipe_free(LayerRecipe *recipe)
{
  if (!recipe)
    return;
  archive_write_free(recipe->file);
  g_byte_array_unref(recipe->pending);
  g_free(recipe->path);
  g_free(recipe);
}

void layer_recipe_feed(LayerRecipe *recipe, const void *data, size_t length)
{
  size_t skipped = (size_t)MIN(recipe->skip, (int64_t)length);
  recipe->skip -= (int64_t)skipped;
  if (recipe->pending->len == 0)
    recipe->base += (int64_t)skipped;
  g_byte_array_append(recipe->pending, (const guint8 *)data + skipped, (guint)(length - skipped));
}

static bool put(LayerRecipe *recipe, const void *data, size_t length, GError **error)
{
  return archive_write_data(recipe->file, data, length) == (la_ssize_t)length || write_failed(recipe, error);
}

static bool put_head(LayerRecipe *recipe, char kind, int64_t length, GError **error)
{
  guint8 head[RECORD_MAX] = { (guint8)kind };
  guint64 little = GUINT64_TO_LE((guint64)length);
  memcpy(head + 1, &little, sizeof little);
  return put(recipe, head, sizeof head, error);
}

bool layer_recipe_keep(LayerRecipe *recipe, int64_t position, GError **error)
{
  int64_t length = MIN(position - recipe->base, (int64_t)recipe->pending->len);
  if (length <= 0)
    return true;
  if (!put_head(recipe, 'R', length, error) || !put(recipe, recipe->pending->data, (size_t)length, error))
    return false;
  g_byte_array_remove_range(recipe->pending, 0, (guint)length);
  recipe->base += length;
  return true;
}

bool layer_recipe_file(LayerRecipe *recipe, int64_t length, const char *path, GError **error)
{
  guint16 little = GUINT16_TO_LE((guint16)strlen(path));
  if (!put_head(recipe, 'F', length, error) || !put(recipe, &little, sizeof little, error) ||
      !put(recipe, path, strlen(path), error))
    return false;
  int64_t here = MIN(length, (int64_t)recipe->pending->len);
  g_byte_array_remove_range(recipe->pending, 0, (guint)here);
  recipe->base += here;
  recipe->skip = length - here;
  return true;
}

bool layer_recipe_finish(LayerRecipe *recipe, GError **error)
{
  return layer_recipe_keep(recipe, INT64_MAX, error) &&
         (archive_write_close(recipe->file) == ARCHIVE_OK || write_failed(recipe, error));
}

/* A recipe that is read. */
typedef struct Reader {
  struct archive *file;
  const char *path;
} Reader;

static bool reader_open(Reader *reader, const char *path, GError **error)
{
  struct archive_entry *entry;
  if (access(path, F_OK) < 0)
    return reason_set(error, REASON_RUNTIME_NOT_FOUND, "%s is not there: the image was loaded by an older version",
                      path);
  *reader = (Reader){ archive_read_new(), path };
  archive_read_support_filter_gzip(reader->file);
  archive_read_support_format_raw(reader->file);
  archive_read_support_format_empty(reader->file);
  return (archive_read_open_filename(reader->file, path, BLOCK_BYTES) == ARCHIVE_OK &&
          archive_read_next_header(reader->file, &entry) == ARCHIVE_OK) ||
         reason_set(error, REASON_FILE, "Cannot read %s: %s", path, archive_error_string(reader->file));
}

static bool take(Reader *reader, void *data, size_t length, GError **error)
{
  return archive_read_data(reader->file, data, length) == (la_ssize_t)length ||
         reason_set(error, REASON_FILE, "%s is damaged", reader->path);
}

/* The next record's head: 1, 0 at the end, -1 with an error. PATH has room for PATH_MAX bytes. */
static int take_head(Reader *reader, char *kind, int64_t *length, char *path, GError **error)
{
  guint8 head[RECORD_MAX];
  guint64 little;
  guint16 path_length;
  la_ssize_t got = archive_read_data(reader->file, head, sizeof head);
  if (got == 0)
    return 0;
  memcpy(&little, head + 1, sizeof little);
  *kind = (char)head[0];
  *length = (int64_t)GUINT64_FROM_LE(little);
  if (got != sizeof head || *length < 0 || (*kind != 'R' && *kind != 'F')) {
    reason_set(error, REASON_FILE, "%s is damaged", reader->path);
    return -1;
  }
  if (*kind == 'R')
    return 1;
  if (!take(reader, &path_length, sizeof path_length, error))
    return -1;
  path_length = GUINT16_FROM_LE(path_length);
  if (path_length >= PATH_MAX || !take(reader, path, path_length, error))
    return -1;
  path[path_length] = '\0';
  return 1;
}

static bool copy_raw(Reader *reader, int64_t length, LayerWrite write, void *user, GError **error)
{
  g_autofree guint8 *block = g_malloc(BLOCK_BYTES);
  while (length > 0) {
    size_t part = (size_t)MIN(length, BLOCK_BYTES);
    if (!take(reader, block, part, error) || (write && !write(user, block, part, error)))
      return false;
    length -= (int64_t)part;
  }
  return true;
}

static bool copy_file(int root, const char *path, int64_t length, LayerWrite write, void *user, GError **error)
{
  g_autofree guint8 *block = g_malloc(BLOCK_BYTES);
  file_autofd int fd = layer_root_open(root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
    return reason_set(error, REASON_CONFIG, "%s is no longer what it was in its layer", path);
  while (length > 0) {
    ssize_t got = read(fd, block, (size_t)MIN(length, BLOCK_BYTES));
    if (got <= 0)
      return reason_set(error, REASON_CONFIG, "%s is no longer what it was in its layer", path);
    if (!write(user, block, (size_t)got, error))
      return false;
    length -= got;
  }
  return true;
}

/* Without WRITE only *SIZE is found out. */
static bool go_through(Reader *reader, int root, LayerWrite write, void *user, int64_t *size, GError **error)
{
  g_autofree char *path = g_malloc(PATH_MAX);
  int64_t length;
  char kind;
  int got;
  while ((got = take_head(reader, &kind, &length, path, error)) > 0) {
    if (kind == 'R' ? !copy_raw(reader, length, write, user, error)
                    : write && !copy_file(root, path, length, write, user, error))
      return false;
    *size += length;
  }
  return got == 0;
}

int64_t layer_recipe_size(const char *path, GError **error)
{
  Reader reader = { 0 };
  int64_t size = 0;
  bool good = reader_open(&reader, path, error) && go_through(&reader, -1, NULL, NULL, &size, error);
  if (reader.file)
    archive_read_free(reader.file);
  return good ? size : -1;
}

bool layer_recipe_replay(const char *path, const char *folder, LayerWrite write, void *user, GError **error)
{
  Reader reader = { 0 };
  int64_t size = 0;
  file_autofd int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot open %s", folder);
  bool good = reader_open(&reader, path, error) && go_through(&reader, root, write, user, &size, error);
  if (reader.file)
    archive_read_free(reader.file);
  return good;
}
