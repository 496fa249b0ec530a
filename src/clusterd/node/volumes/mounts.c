#include "clusterd/node/volumes/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/reason.h"

#define STACKED_MAX 64 /* mounts on top of each other at one place */
#define MOUNT_POINT 4  /* its field in a line of mountinfo */

bool mounts_is_point(const char *path)
{
  struct statx info;
  return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, 0, &info) == 0 &&
         (info.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

bool mounts_bind(int fd, const char *target, GError **error)
{
  g_autofree char *source = g_strdup_printf("/proc/self/fd/%d", fd);
  return mount(source, target, NULL, MS_BIND | MS_REC, NULL) == 0 ||
         reason_set_errno(error, REASON_FILE, errno, "bind mount on %s", target);
}

bool mounts_detach(const char *path, GError **error)
{
  for (int i = 0; i < STACKED_MAX; i++)
    if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) != 0) /* EINVAL: nothing is mounted there */
      return errno == EINVAL || errno == ENOENT || reason_set_errno(error, REASON_FILE, errno, "unmount %s", path);
  return true;
}

/* The place a line of mountinfo tells of, when that is FOLDER or below. The caller frees. */
static char *point_below(const char *line, const char *folder)
{
  g_auto(GStrv) fields = g_strsplit(line, " ", MOUNT_POINT + 2);
  if (g_strv_length(fields) <= MOUNT_POINT)
    return NULL;
  g_autofree char *point = g_strcompress(fields[MOUNT_POINT]); /* "\040" is a space */
  gsize length = strlen(folder);
  bool below = strncmp(point, folder, length) == 0 && (point[length] == '/' || point[length] == '\0');
  return below ? g_steal_pointer(&point) : NULL;
}

bool mounts_detach_below(const char *folder, GError **error)
{
  g_autofree char *real = realpath(folder, NULL);
  if (!real)
    return errno == ENOENT || reason_set_errno(error, REASON_FILE, errno, "%s", folder);
  g_autofree char *text = NULL;
  g_autoptr(GError) inner = NULL;
  if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, &inner))
    return reason_set(error, REASON_FILE, "%s", inner->message);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = g_strv_length(lines); i-- > 0;) { /* what was mounted last lies on top */
    g_autofree char *point = point_below(lines[i], real);
    if (point && !mounts_detach(point, error))
      return false;
  }
  return true;
}
