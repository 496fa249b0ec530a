#include "driver/data_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "driver/program.h"

/* qemu docs/interop/qcow2.txt, "Header": magic at 0, version at 4, size at 24, all big-endian. */
enum { QCOW2_MAGIC = 0x514649fb, QCOW2_HEADER_MIN = 32 };

int64_t qcow2_virtual_size(const void *header, size_t length)
{
  uint32_t magic, version;
  uint64_t size;
  const char *bytes = header;
  if (length < QCOW2_HEADER_MIN)
    return -1;
  memcpy(&magic, bytes, sizeof magic);
  memcpy(&version, bytes + 4, sizeof version);
  memcpy(&size, bytes + 24, sizeof size);
  version = GUINT32_FROM_BE(version);
  size = GUINT64_FROM_BE(size);
  if (GUINT32_FROM_BE(magic) != QCOW2_MAGIC || version < 2 || version > 3 || size > INT64_MAX)
    return -1;
  return (int64_t)size;
}

int64_t data_disk_size(const char *path, GError **error)
{
  char header[QCOW2_HEADER_MIN];
  file_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? -1 : pread(fd, header, sizeof header, 0);
  if (got < 0) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot read the disk %s", path);
    return -1;
  }
  int64_t size = qcow2_virtual_size(header, (size_t)got);
  if (size < 0)
    reason_set(error, REASON_DRIVER, "The disk %s is not a qcow2 file", path);
  return size;
}

static bool disk_make(const char *path, const char *size, GError **error)
{
  g_autofree char *temporary = g_strconcat(path, ".new", NULL);
  const char *const argv[] = { "qemu-img", "create", "-q", "-f", "qcow2", temporary, size, NULL };
  if (!program_run(argv, error))
    return false;
  if (rename(temporary, path) < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot make the disk %s", path);
  return true;
}

bool data_disk_ensure(const char *path, int64_t size_mib, GError **error)
{
  if (size_mib < DATA_DISK_MIN_MIB || size_mib > DATA_DISK_MAX_MIB)
    return reason_set(error, REASON_USAGE, "A disk of %" PRId64 " MiB is out of range", size_mib);
  g_autofree char *size = g_strdup_printf("%" PRId64 "M", size_mib);
  if (access(path, F_OK) < 0)
    return disk_make(path, size, error);
  int64_t present = data_disk_size(path, error);
  if (present < 0)
    return false;
  if (present > size_mib << 20)
    return reason_set(error, REASON_USAGE, "The disk has %" PRId64 " MiB and cannot be made smaller (%" PRId64 " MiB)",
                      present >> 20, size_mib);
  if (present == size_mib << 20)
    return true;
  const char *const argv[] = { "qemu-img", "resize", "-q", "-f", "qcow2", path, size, NULL };
  return program_run(argv, error);
}
