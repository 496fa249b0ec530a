#pragma once
/* What was found in an image archive, and how it makes images. Internal to image_archive.c and image_manifest.c. */
#include "clusterd/node/native/image_index.h"

typedef struct LoadedLayer {
  char *diff_id;
  int64_t size; /* bytes of the uncompressed tar */
} LoadedLayer;

typedef struct ImageLoader {
  GHashTable *documents; /* path → GBytes: whatever looks like JSON */
  GHashTable *layers;    /* path → LoadedLayer */
  GHashTable *links;     /* path → path: docker save writes a layer once and links to it */
} ImageLoader;

/* The images the archive describes by manifest.json (docker) or index.json (OCI), ImageManifest*. NULL with
 * REASON_BAD_REQUEST when there are none or what they name is missing or does not match its digest. */
GPtrArray *image_loader_manifests(const ImageLoader *loader, GError **error);
