#pragma once
/* Files out of an ISO 9660 image, by libarchive. */
#include <glib.h>
#include <stdbool.h>

typedef struct IsoExtract {
  const char *member; /* "boot/vmlinuz" */
  const char *target; /* path of the file to write */
} IsoExtract;

/* Writes each of the N members wanted. REASON_IMAGE_INVALID when one is absent or the image is damaged. */
bool iso_extract(const char *iso, const IsoExtract *wanted, size_t n, GError **error);
