#include "clusterd/node/volumes/block_volume.h"

#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/volumes/loop_device.h"

#define DEVICES "devices"
#define MARK_HEX 32

static GMutex lock; /* held while it is decided who uses a file and its device comes or goes */

/* Several nodes may share one kernel and with it its loop devices: the mark is of this node's folder of pods as well.
 */
static char *make_mark(const char *pods_dir, const char *path)
{
  struct stat info = { 0 };
  stat(pods_dir, &info);
  g_autofree char *text = g_strdup_printf("%ju:%ju %s", (uintmax_t)info.st_dev, (uintmax_t)info.st_ino, path);
  g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
  return g_strdup_printf("launcher:%.*s", MARK_HEX, digest);
}

/* PODS of PODS/UID/volumes. The caller frees. */
static char *pods_dir_of(const char *folder)
{
  g_autofree char *pod = g_path_get_dirname(folder);
  return g_path_get_dirname(pod);
}

static bool links_to(const char *devices, const char *path)
{
  g_autoptr(GDir) dir = g_dir_open(devices, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *link = g_build_filename(devices, name, NULL), *target = g_file_read_link(link, NULL);
    if (g_strcmp0(target, path) == 0)
      return true;
  }
  return false;
}

static bool is_used(const char *pods_dir, const char *path)
{
  g_autoptr(GDir) pods = g_dir_open(pods_dir, 0, NULL);
  for (const char *uid; pods && (uid = g_dir_read_name(pods));) {
    g_autofree char *devices = g_build_filename(pods_dir, uid, "volumes", DEVICES, NULL);
    if (links_to(devices, path))
      return true;
  }
  return false;
}

static bool note(const char *folder, const char *name, const char *path, GError **error)
{
  g_autofree char *devices = g_build_filename(folder, DEVICES, NULL), *link = g_build_filename(devices, name, NULL);
  if (!file_make_dirs(devices, 0700, error))
    return false;
  g_autofree char *there = g_file_read_link(link, NULL);
  if (g_strcmp0(there, path) == 0)
    return true;
  unlink(link);
  return symlink(path, link) == 0 || reason_set_errno(error, REASON_FILE, errno, "%s", link);
}

static char *attach_file(const char *folder, const char *name, const char *path, GError **error)
{
  g_autofree char *pods_dir = pods_dir_of(folder), *mark = make_mark(pods_dir, path);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
  if (!note(folder, name, path, error))
    return NULL;
  char *device = loop_device_find(mark);
  return device ? device : loop_device_attach(path, mark, error);
}

char *block_volume_attach(const char *folder, const char *name, const char *path, GError **error)
{
  struct stat info;
  if (stat(path, &info) != 0) {
    reason_set_errno(error, REASON_FILE, errno, "%s", path);
    return NULL;
  }
  if (S_ISREG(info.st_mode))
    return attach_file(folder, name, path, error);
  if (S_ISBLK(info.st_mode))
    return g_strdup(path);
  reason_set(error, REASON_INVALID, "%s is not a block device", path);
  return NULL;
}

bool block_volume_detach_all(const char *folder, GError **error)
{
  g_autofree char *devices = g_build_filename(folder, DEVICES, NULL), *pods_dir = pods_dir_of(folder);
  g_autoptr(GDir) dir = g_dir_open(devices, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *link = g_build_filename(devices, name, NULL), *path = g_file_read_link(link, NULL);
    g_autofree char *mark = make_mark(pods_dir, path ? path : "");
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    unlink(link);
    if (!path || is_used(pods_dir, path) || loop_device_detach(mark, error))
      continue;
    if (symlink(path, link) != 0) /* so that it is tried again */
      g_warning("%s: %s", link, g_strerror(errno));
    return false;
  }
  return true;
}
