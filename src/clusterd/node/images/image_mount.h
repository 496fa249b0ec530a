#pragma once
/* Images as volumes. What the kernel's table of mounts says of them is all that is kept: who uses an image is known
 * after a crash and to every process, and nothing has to be forgotten when a pod goes. */
#include <jansson.h>

#include "clusterd/node/images/image_store.h"

/* Mounts the content of the image REFERENCE, or of that id, at the folder TARGET: read-only, nothing in it can be run.
 * REASON_RUNTIME_NOT_FOUND, REASON_RUNTIME, REASON_FILE. */
bool image_mount(ImageStore *store, const char *reference, const char *target, GError **error);

/* The same for what another store has: LAYERS (folders, the lowest first) are the image ID. An empty folder is made in
 * DATA_DIR. REASON_RUNTIME, REASON_FILE. */
bool image_mount_layers(const char *const *layers, const char *id, const char *data_dir, const char *target,
                        GError **error);

/* Adds the ids of images that are mounted to USED ({id: true}). */
void image_mount_add_used(json_t *used);

/* Whether the image ID is mounted. */
bool image_mount_used(const char *id);
