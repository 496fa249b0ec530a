#pragma once
/*
 * The boot image: fetched once for all profiles, verified before it is used, never replaced by anything that is not
 * good. HOME/cache/boot/DIGEST/ holds launcher.iso, vmlinuz and initrd.img of one verified image;
 * HOME/cache/boot/sources.json remembers which address or file gave which digest.
 */
#include <glib.h>
#include <stdbool.h>

#include "bootstrap/progress.h"
#include "profile/home.h"

#define BOOT_IMAGE_SIZE_MAX (INT64_C(4) << 30)

typedef struct BootImage {
  char *digest;                /* sha256, hex */
  char *iso, *kernel, *initrd; /* paths */
} BootImage;

void boot_image_free(BootImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BootImage, boot_image_free)

/* The image at SOURCE, an http(s) or file URL or a path: from the cache when it is there and, for a file, unchanged;
 * else copied or downloaded (with resume) together with SOURCE.sha256 and SOURCE.sig, checked against both and the
 * trusted keys, unpacked, and put into the cache in one rename. EXTRA_KEY (may be NULL) is one more PEM public key file
 * to trust. NULL with REASON_DOWNLOAD…, REASON_IMAGE_INVALID, REASON_IMAGE_UNSIGNED, REASON_INSUFFICIENT_STORAGE. */
BootImage *boot_image_ensure(const Home *home, const char *source, const char *extra_key, Progress *progress,
                             GError **error);

/* The cached image with this digest, or NULL with REASON_IMAGE_INVALID when the cache does not have it. */
BootImage *boot_image_cached(const Home *home, const char *digest, GError **error);

/* Whether the Debian package PACKAGE is in IMAGE, by its manifest. False with REASON_IMAGE_INVALID or REASON_FILE when
 * that cannot be read, with REASON_RUNTIME_NOT_FOUND when it is not. */
bool boot_image_has_package(const BootImage *image, const char *package, GError **error);

/* Where `launcher start` finds the image when nobody says otherwise: configure's choice, resolved. */
const char *boot_image_default_source(void);
