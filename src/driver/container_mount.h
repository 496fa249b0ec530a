#pragma once
/* The private mount namespace of a container machine. All of it goes with the last process in it. */
#include <glib.h>
#include <stdbool.h>

/* Moves the calling process (of one thread) into a mount namespace of its own and mounts, on FOLDER (made by the
 * caller), a tmpfs with: root/     the root file system: IMAGE's root.squashfs below, the tmpfs above config/   the
 * files of CONFIG (an ISO 9660 image), owner only crun/ bundle/   empty, for crun and a view of the control groups that
 * crun takes. REASON_IMAGE_INVALID, REASON_DRIVER, REASON_FILE. */
bool container_mount_prepare(const char *folder, const char *image, const char *config, GError **error);
