#include "driver/iso_file.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/reason.h"

/* ECMA-119: 8.4 the primary volume descriptor, 9.1 a directory record (its fields' offsets). */
enum {
  DESCRIPTOR_SECTOR = 16,
  DESCRIPTOR_PRIMARY = 1,
  DESCRIPTOR_ROOT = 156,
  RECORD_EXTENT = 2,
  RECORD_SIZE = 10,
  RECORD_FLAGS = 25,
  RECORD_NAME_LENGTH = 32,
  RECORD_NAME = 33,
  FLAG_DIRECTORY = 0x02,
  FLAG_MORE_EXTENTS = 0x80,
  SUSP_HEADER = 4, /* of a system use entry: two letters, length, version (IEEE P1281) */
  NM_NAME = 5,     /* Rock Ridge: one byte of flags before the name */
};

static uint32_t read_le32(const uint8_t *at)
{
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return GUINT32_FROM_LE(value);
}

static bool iso_name_is(const uint8_t *record, const char *name)
{
  size_t wanted = strlen(name), length = record[RECORD_NAME_LENGTH];
  const char *found = (const char *)record + RECORD_NAME;
  const char *version = memchr(found, ';', length);
  if (version)
    length = (size_t)(version - found);
  return length == wanted && g_ascii_strncasecmp(found, name, wanted) == 0;
}

static bool rock_ridge_name_is(const uint8_t *record, const char *name)
{
  size_t end = record[0], wanted = strlen(name);
  size_t at = RECORD_NAME + record[RECORD_NAME_LENGTH];
  at += at & 1; /* the system use area begins at an even byte */
  while (at + SUSP_HEADER <= end) {
    size_t length = record[at + 2];
    if (length < SUSP_HEADER || at + length > end)
      return false;
    if (memcmp(record + at, "NM", 2) == 0 && length == NM_NAME + wanted &&
        memcmp(record + at + NM_NAME, name, wanted) == 0)
      return true;
    at += length;
  }
  return false;
}

bool iso_directory_find(const uint8_t *records, size_t length, const char *name, IsoExtent *extent)
{
  size_t at = 0;
  while (at + RECORD_NAME < length) {
    const uint8_t *record = records + at;
    if (record[0] == 0) { /* records do not cross sectors: the rest of this one is empty */
      at = (at / ISO_SECTOR + 1) * ISO_SECTOR;
      continue;
    }
    if (record[0] < RECORD_NAME || at + record[0] > length || RECORD_NAME + record[RECORD_NAME_LENGTH] > record[0])
      return false;
    if (!(record[RECORD_FLAGS] & (FLAG_DIRECTORY | FLAG_MORE_EXTENTS)) &&
        (iso_name_is(record, name) || rock_ridge_name_is(record, name))) {
      extent->offset = (uint64_t)read_le32(record + RECORD_EXTENT) * ISO_SECTOR;
      extent->length = read_le32(record + RECORD_SIZE);
      return true;
    }
    at += record[0];
  }
  return false;
}

static bool read_root(int fd, GByteArray *records)
{
  uint8_t sector[ISO_SECTOR];
  if (pread(fd, sector, sizeof sector, (off_t)DESCRIPTOR_SECTOR * ISO_SECTOR) != (ssize_t)sizeof sector ||
      sector[0] != DESCRIPTOR_PRIMARY || memcmp(sector + 1, "CD001", 5) != 0)
    return false;
  uint32_t size = read_le32(sector + DESCRIPTOR_ROOT + RECORD_SIZE);
  off_t place = (off_t)read_le32(sector + DESCRIPTOR_ROOT + RECORD_EXTENT) * ISO_SECTOR;
  if (size == 0 || size > ISO_DIRECTORY_MAX)
    return false;
  g_byte_array_set_size(records, size);
  return pread(fd, records->data, size, place) == (ssize_t)size;
}

bool iso_file_find(int fd, const char *name, IsoExtent *extent, GError **error)
{
  struct stat info;
  g_autoptr(GByteArray) records = g_byte_array_new();
  if (!read_root(fd, records))
    return reason_set(error, REASON_IMAGE_INVALID, "The boot image is not an ISO 9660 image");
  if (!iso_directory_find(records->data, records->len, name, extent))
    return reason_set(error, REASON_IMAGE_INVALID, "The boot image has no %s", name);
  if (fstat(fd, &info) < 0 || extent->length == 0 || extent->offset + extent->length > (uint64_t)info.st_size)
    return reason_set(error, REASON_IMAGE_INVALID, "The boot image is cut short");
  return true;
}
