/* The folder records of a boot image, as the container driver reads them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driver/iso_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  IsoExtent extent = { 0 };
  uint8_t *exact = g_memdup2(data, size); /* a buffer of its own, so that one byte beyond is seen */
  if (exact && iso_directory_find(exact, size, "root.squashfs", &extent) && extent.offset % ISO_SECTOR != 0)
    abort();
  g_free(exact);
  return 0;
}
