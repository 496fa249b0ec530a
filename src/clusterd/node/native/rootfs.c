#include "clusterd/node/native/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define OPTIONS_MAX 4000 /* mount(2) takes one page */

/*
 * Layers are named by descriptor: their paths may lie in several stores, may hold ":" or ",", and 200 of them would not
 * fit into the page mount(2) takes.
 */
static bool open_layers(const char *const *layers, GArray *fds, GString *options, GError **error)
{
  for (const char *const *layer = layers; *layer; layer++) {
    int fd = open(*layer, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
      return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot open the image layer %s", *layer);
    g_array_append_val(fds, fd);
  }
  g_string_append(options, "lowerdir=");
  for (guint i = fds->len; i > 0; i--) /* overlayfs wants the highest first */
    g_string_append_printf(options, "%s/proc/self/fd/%d", i == fds->len ? "" : ":", g_array_index(fds, int, i - 1));
  return true;
}

/* "volatile" leaves out syncing the writable layer: it is never used again after a power cut. */
static bool mount_overlay(GString *options, const char *dir, const char *target, GError **error)
{
  file_autofd int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  g_string_append_printf(options, ",upperdir=/proc/self/fd/%d/upper,workdir=/proc/self/fd/%d/work", fd, fd);
  gsize plain = options->len;
  g_string_append(options, ",volatile");
  if (options->len > OPTIONS_MAX)
    return reason_set(error, REASON_RUNTIME, "Cannot mount %s: too many image layers", target);
  if (mount("overlay", target, "overlay", 0, options->str) == 0)
    return true;
  g_string_truncate(options, plain); /* before Linux 5.10 */
  if (errno == EINVAL && mount("overlay", target, "overlay", 0, options->str) == 0)
    return true;
  return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot mount the root file system at %s", target);
}

static void close_all(GArray *fds)
{
  for (guint i = 0; i < fds->len; i++)
    close(g_array_index(fds, int, i));
}

bool rootfs_mount(const char *const *layers, const char *dir, const char *target, GError **error)
{
  g_autofree char *upper = g_build_filename(dir, "upper", NULL);
  g_autofree char *work = g_build_filename(dir, "work", NULL);
  g_autofree char *empty = g_build_filename(dir, "empty", NULL);
  const char *const no_layers[] = { empty, NULL };
  if (!file_make_dirs(upper, 0755, error) || !file_make_dirs(work, 0755, error) ||
      !file_make_dirs(target, 0755, error) || (!layers[0] && !file_make_dirs(empty, 0755, error)))
    return false;
  g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
  g_autoptr(GString) options = g_string_new(NULL);
  bool good =
      open_layers(layers[0] ? layers : no_layers, fds, options, error) && mount_overlay(options, dir, target, error);
  close_all(fds);
  return good;
}

bool rootfs_mount_read_only(const char *const *layers, const char *source, const char *empty, const char *target,
                            GError **error)
{
  g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
  g_autoptr(GString) options = g_string_new(NULL);
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  g_ptr_array_add(all, (gpointer)(uintptr_t)empty); /* without a writable layer overlayfs wants two others */
  for (const char *const *layer = layers; *layer; layer++)
    g_ptr_array_add(all, (gpointer)(uintptr_t)*layer);
  g_ptr_array_add(all, NULL);
  bool good = open_layers((const char *const *)(void *)all->pdata, fds, options, error);
  if (good && options->len > OPTIONS_MAX)
    good = reason_set(error, REASON_RUNTIME, "Cannot mount %s: too many image layers", target);
  unsigned long flags = MS_RDONLY | MS_NOEXEC | MS_NODEV | MS_NOSUID;
  if (good && mount(source, target, "overlay", flags, options->str) != 0)
    good = reason_set_errno(error, REASON_RUNTIME, errno, "Cannot mount an image at %s", target);
  close_all(fds);
  return good;
}

void rootfs_unmount(const char *target)
{
  umount2(target, MNT_DETACH);
}
