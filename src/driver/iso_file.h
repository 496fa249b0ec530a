#pragma once
/* Where a file lies inside an ISO 9660 image: its bytes are contiguous (ECMA-119, 6.4), so a loop device with an offset
 * serves them without mounting the image, which needs a kernel with ISO 9660, or copying. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define ISO_SECTOR 2048
#define ISO_DIRECTORY_MAX (256 * 1024) /* bytes of a folder that is searched */

typedef struct IsoExtent {
  uint64_t offset, length; /* bytes */
} IsoExtent;

/* Pure: looks in the LENGTH bytes of a folder's records for the file NAME, by its Rock Ridge name or, letter case
 * ignored, by its ISO name. False when it is not there or the records are broken. */
bool iso_directory_find(const uint8_t *records, size_t length, const char *name, IsoExtent *extent);

/* Finds the file NAME in the root folder of the image FD. REASON_IMAGE_INVALID. */
bool iso_file_find(int fd, const char *name, IsoExtent *extent, GError **error);
