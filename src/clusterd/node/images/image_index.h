#pragma once
/* The index of one image store folder. Internal to image_*.c. */
#include "clusterd/node/images/image_store.h"

struct ImageStore {
  char *dir, *downloads, *below, *docker_root, *image_users_dir;
};

/* index.json of the store folder DIR; an empty index where there is none. New reference, NULL with REASON_CONFIG. */
json_t *image_index_read(const char *dir, GError **error);

/* The image ID of DIR's INDEX. NULL with REASON_RUNTIME_NOT_FOUND or when its files are damaged. */
Image *image_index_image(const char *dir, const json_t *index, const char *id, GError **error);

/* The id REFERENCE (normalised text or an id) stands for, borrowed, or NULL. */
const char *image_index_lookup(const json_t *index, const char *reference);

/* Replaces the index of DIR, durably; its lock is held. */
bool image_index_write(const char *dir, const json_t *index, GError **error);

/* An id as it is ("sha256:…" or its bare hex), a reference normalised. The caller frees; NULL with REASON_BAD_REQUEST.
 */
char *image_lookup_text(const char *reference, GError **error);

#define IMAGE_RECIPE_SUFFIX ".recipe" /* behind a layer's folder: how to make its tar again */

/* "DIR/layers/HEX" of a layer's name. The caller frees. */
char *image_layer_path(const char *dir, const char *diff_id);
char *image_config_path(const char *dir, const char *id);

/* What a load has unpacked and wants to be seen. */
typedef struct ImageManifest {
  char *id; /* digest of the configuration */
  GBytes *config;
  json_t *layers; /* [name…]: a diff id, or a chain id where the layer depends on those below */
  int64_t size;
  json_t *references; /* [normalised text…] */
} ImageManifest;
void image_manifest_free(ImageManifest *manifest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageManifest, image_manifest_free)

/* Moves the layers unpacked in STAGING (folders named by diff id's hex) into the store and adds MANIFESTS
 * (ImageManifest*) to its index, under its lock, durably. REASON_CONFLICT when a layer that was to be shared is gone.
 */
bool image_store_publish(ImageStore *store, const char *staging, GPtrArray *manifests, GError **error);

/* Removes layers and configurations that INDEX does not speak of. Its lock is held. */
void image_store_sweep_unused(ImageStore *store, const json_t *index);
