#pragma once
/*
 * The images of a dockerd on this machine, read from its data root without asking it: image/overlay2/repositories.json
 * (names), imagedb/content/sha256/ (configurations), layerdb/sha256/CHAINID/cache-id (which folder of overlay2/ holds a
 * layer, already in overlayfs' form). Source: moby's image and layer stores, as of docker 20.10 to 27.
 */
#include "clusterd/node/images/image_store.h"

/* The image REFERENCE (normalised) or id names below ROOT. NULL with REASON_RUNTIME_NOT_FOUND. */
Image *docker_images_find(const char *root, const char *reference, GError **error);

/* Adds every image with a name below ROOT (Image*) to IMAGES. An unreadable one is left out, and what has no name: a
 * build's steps and what a newer build replaced. */
void docker_images_list(const char *root, GPtrArray *images);
