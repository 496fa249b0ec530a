#include "bootstrap/iso_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define MEMBERS_MAX 100000

typedef struct archive Archive;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Archive, archive_read_free)

static bool write_member(Archive *archive, const char *target, GError **error)
{
  file_autofd int fd = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot write %s", target);
  if (archive_read_data_into_fd(archive, fd) != ARCHIVE_OK)
    return reason_set(error, archive_errno(archive) == ENOSPC ? REASON_INSUFFICIENT_STORAGE : REASON_IMAGE_INVALID,
                      "Cannot unpack %s: %s", target, archive_error_string(archive));
  return fsync(fd) == 0 || reason_set_errno(error, REASON_FILE, errno, "Cannot sync %s", target);
}

static const IsoExtract *find(const IsoExtract *wanted, size_t n, const char *path)
{
  for (size_t i = 0; i < n; i++)
    if (strcmp(wanted[i].member, path) == 0)
      return &wanted[i];
  return NULL;
}

bool iso_extract(const char *iso, const IsoExtract *wanted, size_t n, GError **error)
{
  g_autoptr(Archive) archive = archive_read_new();
  struct archive_entry *entry;
  size_t found = 0;
  int status = ARCHIVE_OK;
  archive_read_support_format_iso9660(archive);
  if (archive_read_open_filename(archive, iso, 65536) != ARCHIVE_OK)
    return reason_set(error, REASON_IMAGE_INVALID, "%s: %s", iso, archive_error_string(archive));
  for (int i = 0; found < n && i < MEMBERS_MAX && (status = archive_read_next_header(archive, &entry)) == ARCHIVE_OK;
       i++) {
    const IsoExtract *one = find(wanted, n, archive_entry_pathname(entry));
    if (!one)
      continue;
    if (!write_member(archive, one->target, error))
      return false;
    found++;
  }
  if (status < ARCHIVE_WARN)
    return reason_set(error, REASON_IMAGE_INVALID, "%s: %s", iso, archive_error_string(archive));
  return found == n ||
         reason_set(error, REASON_IMAGE_INVALID, "%s: not a launcher boot image: no kernel or initrd in it", iso);
}
