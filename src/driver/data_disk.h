#pragma once
/* The data disk of a virtual machine: a sparse qcow2 file that grows and never shrinks. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define DATA_DISK_MIN_MIB 64
#define DATA_DISK_MAX_MIB (16 * 1024 * 1024)

/* The virtual size in bytes that a qcow2 header tells. HEADER holds the file's first LENGTH bytes. -1 when it is none.
 */
int64_t qcow2_virtual_size(const void *header, size_t length);

/* As above, of the file PATH. -1 with REASON_DRIVER or REASON_FILE. Works while a machine uses the file. */
int64_t data_disk_size(const char *path, GError **error);

/* Makes PATH with SIZE_MIB, or enlarges it; what it holds stays. A crash leaves the old file or the new. REASON_USAGE
 * when it is larger than SIZE_MIB already. Not while a machine uses it. */
bool data_disk_ensure(const char *path, int64_t size_mib, GError **error);
