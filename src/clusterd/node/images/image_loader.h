#pragma once
/*
 * An image on its way into the store, from an archive or a registry: its pieces are collected in a staging folder, then
 * checked against its manifests and published at once. Internal to node/images.
 */
#include "clusterd/node/images/image_index.h"
#include "clusterd/node/images/layer.h"

#define IMAGE_DOCUMENT_BYTES_MAX (64u << 20) /* of all documents of one load together */

typedef struct LoadedLayer {
  char *diff_id, *name; /* NAME is its folder's */
  int64_t size;         /* bytes of the uncompressed tar */
  GPtrArray *missing;   /* LayerLink*: links to files of layers below; NULL: none */
} LoadedLayer;

typedef struct ImageLoader {
  ImageStore *store;
  char *staging; /* a folder in the store's tmp/, locked while we live */
  int staging_lock;
  size_t document_bytes;
  GHashTable *documents; /* path → GBytes: whatever looks like JSON */
  gint unpacked;         /* atomic: how many layers were begun */
  GMutex lock;           /* guards LAYERS while threads unpack */
  GHashTable *layers;    /* path → LoadedLayer */
  GHashTable *links;     /* path → path: docker save writes a layer once and links to it */
} ImageLoader;

/* REASON_FILE. */
ImageLoader *image_loader_new(ImageStore *store, GError **error);

/* Also removes what was staged and not published. */
void image_loader_free(ImageLoader *loader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageLoader, image_loader_free)

/* "blobs/sha256/HEX", the path of DIGEST in an OCI layout; NULL when DIGEST is not valid. The caller frees. */
char *image_blob_path(const char *digest);

/* True when the image an index's DESCRIPTOR names runs on this machine. */
bool image_platform_fits(const json_t *descriptor);

/* Keeps the JSON text at PATH. REASON_BAD_REQUEST when there is too much of it. */
bool image_loader_add_document(ImageLoader *loader, const char *path, GBytes *text, GError **error);

/* True when the store has the layer DIFF_ID already; it is then taken as what lies at PATH, of SIZE bytes. */
bool image_loader_reuse(ImageLoader *loader, const char *path, const char *diff_id, int64_t size);

/* Unpacks the layer at PATH from READ. Errors as layer_unpack(). This and image_loader_reuse() from any thread. */
bool image_loader_unpack(ImageLoader *loader, const char *path, LayerRead read, void *source, GError **error);

/* Makes what LAYER has links to in the layers BELOW (names, the lowest first), and calls it by its chain id CHAIN,
 * which says what lies below. REASON_BAD_REQUEST when they do not have it. */
bool image_loader_complete(const ImageLoader *loader, LoadedLayer *layer, const json_t *below, const char *chain,
                           GError **error);

/* The images described by manifest.json (docker) or index.json (OCI), ImageManifest*. NULL with REASON_BAD_REQUEST when
 * there are none or what they name is missing or does not match its digest. */
GPtrArray *image_loader_manifests(const ImageLoader *loader, GError **error);
