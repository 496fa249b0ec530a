#pragma once
/* The files of an image archive, in the order they come: what reading one for any store has in common. One thread. */
#include <archive.h>
#include <archive_entry.h>
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct ArchiveReader {
  struct archive *archive;
  size_t pending; /* bytes of BLOCK that were read only to look at them */
  guint8 block[65536];
} ArchiveReader;

/* Begins to read the archive, packed in any way layers are, at the descriptor FD. READER is all zeros before. False
 * with REASON_BAD_REQUEST, as from all of these. */
bool archive_reader_open(ArchiveReader *reader, int fd, GError **error);
void archive_reader_clear(ArchiveReader *reader);

/* Sets the error to what the archive itself complains about. Always false. */
bool archive_reader_fail(const ArchiveReader *reader, GError **error);

/* Goes to the next file: *ENTRY, borrowed until the next call; NULL after the last. */
bool archive_reader_next(ArchiveReader *reader, struct archive_entry **entry, GError **error);

/* Looks at the first bytes of the file: they are in BLOCK, and archive_reader_read() will give them again. Their
 * number, -1 with an error. */
ssize_t archive_reader_peek(ArchiveReader *reader, GError **error);

/* The next bytes of the file; a LayerRead of an ArchiveReader. */
ssize_t archive_reader_read(void *reader, const void **block, GError **error);

/* The path of ENTRY without "./" in front, borrowed. NULL when it has none, or one that is too long. */
const char *archive_reader_path(struct archive_entry *entry);

/* Where the link ENTRY at PATH points, as a path of the archive; NULL when it is no link. The caller frees. */
char *archive_reader_link(struct archive_entry *entry, const char *path);
