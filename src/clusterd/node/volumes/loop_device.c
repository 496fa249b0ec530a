#include "clusterd/node/volumes/loop_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define CONTROL "/dev/loop-control"
#define BLOCK_DEVICES "/sys/block"
#define TRIES_MAX 64 /* others take free devices, too */

static bool carries(int device, const char *mark)
{
  struct loop_info64 info = { 0 };
  return ioctl(device, LOOP_GET_STATUS64, &info) == 0 &&
         strncmp((const char *)info.lo_file_name, mark, LO_NAME_SIZE) == 0;
}

/* *FD gets the device, open. */
static char *find(const char *mark, int *fd)
{
  g_autoptr(GDir) devices = g_dir_open(BLOCK_DEVICES, 0, NULL);
  for (const char *name; devices && (name = g_dir_read_name(devices));) {
    g_autofree char *attached = g_build_filename(BLOCK_DEVICES, name, "loop", NULL);
    if (!g_str_has_prefix(name, "loop") || access(attached, F_OK) != 0)
      continue;
    g_autofree char *path = g_build_filename("/dev", name, NULL);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd >= 0 && carries(*fd, mark))
      return g_steal_pointer(&path);
    file_close(fd);
  }
  return NULL;
}

char *loop_device_find(const char *mark)
{
  file_autofd int fd = -1;
  return find(mark, &fd);
}

/* Where nobody watches over /dev the node of a new device is not there yet. */
static int open_device(const char *path, int number)
{
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd >= 0 || errno != ENOENT)
    return fd;
  if (mknod(path, S_IFBLK | 0600, makedev(LOOP_MAJOR, (unsigned)number)) != 0 && errno != EEXIST)
    return -1;
  return open(path, O_RDWR | O_CLOEXEC);
}

/* EBUSY: somebody else took the device that was free. */
static char *configure(int control, int file, const char *mark, uint32_t flags)
{
  int number = ioctl(control, LOOP_CTL_GET_FREE);
  if (number < 0)
    return NULL;
  g_autofree char *path = g_strdup_printf("/dev/loop%d", number);
  file_autofd int device = open_device(path, number);
  struct loop_config config = { .fd = (uint32_t)file, .info.lo_flags = flags };
  g_strlcpy((char *)config.info.lo_file_name, mark, LO_NAME_SIZE);
  return device >= 0 && ioctl(device, LOOP_CONFIGURE, &config) == 0 ? g_steal_pointer(&path) : NULL;
}

char *loop_device_attach(const char *path, const char *mark, GError **error)
{
  file_autofd int control = open(CONTROL, O_RDWR | O_CLOEXEC);
  int file = open(path, O_RDWR | O_CLOEXEC);
  uint32_t flags = 0;
  if (file < 0 && (errno == EROFS || errno == EACCES || errno == EPERM)) {
    file = open(path, O_RDONLY | O_CLOEXEC);
    flags = LO_FLAGS_READ_ONLY;
  }
  file_autofd int held = file;
  char *device = NULL;
  for (int i = 0; i < TRIES_MAX && control >= 0 && held >= 0 && !device; i++) {
    device = configure(control, held, mark, flags);
    if (!device && errno != EBUSY)
      break;
  }
  if (!device)
    reason_set_errno(error, REASON_FILE, errno, "failed to attach loop device to %s", path);
  return device;
}

bool loop_device_detach(const char *mark, GError **error)
{
  file_autofd int fd = -1;
  g_autofree char *path = find(mark, &fd);
  return !path || ioctl(fd, LOOP_CLR_FD) == 0 || errno == ENXIO ||
         reason_set_errno(error, REASON_FILE, errno, "failed to detach %s", path);
}
