#include "clusterd/node/images/archive_reader.h"

#include <limits.h>
#include <string.h>

#include "base/reason.h"
#include "clusterd/node/images/layer.h"

bool archive_reader_fail(const ArchiveReader *reader, GError **error)
{
  const char *text = archive_error_string(reader->archive);
  return reason_set(error, REASON_BAD_REQUEST, "Malformed image archive: %s", text ? text : "unknown error");
}

bool archive_reader_open(ArchiveReader *reader, int fd, GError **error)
{
  reader->archive = archive_read_new();
  layer_support_filters(reader->archive);
  archive_read_support_format_tar(reader->archive);
  return archive_read_open_fd(reader->archive, fd, sizeof reader->block) == ARCHIVE_OK ||
         archive_reader_fail(reader, error);
}

void archive_reader_clear(ArchiveReader *reader)
{
  if (reader->archive)
    archive_read_free(reader->archive);
}

bool archive_reader_next(ArchiveReader *reader, struct archive_entry **entry, GError **error)
{
  reader->pending = 0;
  int result = archive_read_next_header(reader->archive, entry);
  if (result == ARCHIVE_EOF)
    *entry = NULL;
  return result == ARCHIVE_EOF || result == ARCHIVE_OK || result == ARCHIVE_WARN || archive_reader_fail(reader, error);
}

ssize_t archive_reader_peek(ArchiveReader *reader, GError **error)
{
  la_ssize_t got = archive_read_data(reader->archive, reader->block, sizeof reader->block);
  if (got < 0) {
    archive_reader_fail(reader, error);
    return -1;
  }
  reader->pending = (size_t)got;
  return got;
}

ssize_t archive_reader_read(void *data, const void **block, GError **error)
{
  ArchiveReader *reader = data;
  *block = reader->block;
  ssize_t got = reader->pending ? (ssize_t)reader->pending : archive_reader_peek(reader, error);
  reader->pending = 0;
  return got;
}

const char *archive_reader_path(struct archive_entry *entry)
{
  const char *path = archive_entry_pathname(entry);
  while (path && g_str_has_prefix(path, "./"))
    path += 2;
  return path && *path && strlen(path) < PATH_MAX ? path : NULL;
}

char *archive_reader_link(struct archive_entry *entry, const char *path)
{
  const char *link = archive_entry_symlink(entry), *hard_link = archive_entry_hardlink(entry);
  if (!link && !hard_link)
    return NULL;
  g_autofree char *folder = g_path_get_dirname(path);
  g_autofree char *base = hard_link ? g_strdup("/") : g_strconcat("/", folder, NULL);
  g_autofree char *target = g_canonicalize_filename(hard_link ? hard_link : link, base);
  return g_strdup(target + strspn(target, "/"));
}
