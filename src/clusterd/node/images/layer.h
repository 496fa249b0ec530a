#pragma once
/*
 * Unpacks one image layer (a tar, plain or compressed) into a folder that overlayfs can use as a lower layer.
 * Whiteouts become overlayfs': a character device 0:0 for a removed name, trusted.overlay.opaque for a hidden folder.
 * Source: OCI image specification, "layer"; Documentation/filesystems/overlayfs.rst.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct archive;

#define LAYER_ENTRIES_MAX 2000000
#define LAYER_BYTES_MAX (INT64_C(64) << 30) /* unpacked */
#define LAYER_XATTR_MAX 65536               /* bytes of one extended attribute */

/* The next block of the packed layer: its length and *BLOCK (valid until the next call), 0 at the end, -1 with ERROR.
 */
typedef ssize_t (*LayerRead)(void *source, const void **block, GError **error);

/* How much a layer may be. */
typedef struct LayerLimits {
  unsigned entries;
  int64_t bytes; /* of its files */
} LayerLimits;

/* A hard link to a file that is not in its layer, but may be in one below. Paths are clean: no "..", no "/" in front.
 */
typedef struct LayerLink {
  char *path, *target;
} LayerLink;

typedef struct LayerResult {
  char diff_id[72];   /* "sha256:…" of the uncompressed tar */
  int64_t size;       /* bytes of the uncompressed tar */
  GPtrArray *missing; /* LayerLink*, not made yet; NULL: none */
} LayerResult;
void layer_result_clear(LayerResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LayerResult, layer_result_clear)

/* Unpacks everything READ gives into the existing empty folder FOLDER, and writes to RECIPE (layer_recipe.h; NULL: not
 * wanted) how to make it again. No entry can touch anything outside it: paths
 * are resolved by the kernel with the folder as root (openat2, RESOLVE_IN_ROOT), ".." is refused. LIMITS are
 * LAYER_ENTRIES_MAX and LAYER_BYTES_MAX when NULL. Reads its input to the end also when the archive ends before it.
 * False with REASON_BAD_REQUEST for a malformed or oversized layer, REASON_FILE or REASON_INSUFFICIENT_STORAGE for
 * trouble with the disk; FOLDER is then in an undefined state. */
bool layer_unpack(LayerRead read, void *source, const char *folder, const char *recipe, const LayerLimits *limits,
                  LayerResult *result, GError **error);

/* Makes ARCHIVE, a new reader, unpack what layers and image archives are packed with: gzip, zstd, xz and bzip2. Not
 * every filter libarchive knows: some of them start programs. */
void layer_support_filters(struct archive *archive);
