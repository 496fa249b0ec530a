#pragma once
/* A container's root file system: the image's layers below, a writable layer of its own above (overlayfs). */
#include <glib.h>
#include <stdbool.h>

/* Mounts LAYERS (the lowest first) at TARGET with DIR/upper and DIR/work, which are made. REASON_RUNTIME. */
bool rootfs_mount(const char *const *layers, const char *dir, const char *target, GError **error);

/* Mounts LAYERS at the folder TARGET: read-only, with nothing on it that is run, is a device or gives other rights. In
 * the kernel's table of mounts SOURCE is what is mounted there. EMPTY is an empty folder. REASON_RUNTIME. */
bool rootfs_mount_read_only(const char *const *layers, const char *source, const char *empty, const char *target,
                            GError **error);

/* Lets go of TARGET; not mounted is fine. */
void rootfs_unmount(const char *target);
