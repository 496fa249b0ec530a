#pragma once
/* All layers of one image from one registry, several at a time. Internal to registry.c. */
#include "clusterd/node/images/image_loader.h"
#include "clusterd/node/images/registry.h"
#include "clusterd/node/images/registry_http.h"
#include "clusterd/node/images/registry_manifest.h"

typedef struct RegistryLayers {
  const RegistryManifest *manifest;
  const json_t *config; /* the image's, with a diff id for each layer */
  const char *folder;   /* where packed layers are kept while they are fetched */
  RegistryHttp *http;
  ImageLoader *loader;
  RegistryProgress progress; /* may be NULL */
  void *user;
} RegistryLayers;

/* Unpacks each into the loader while it is fetched; those that the store has are not. The first error ends all;
 * registry_blob_finish()'s and image_loader_unpack()'s. */
bool registry_layers_fetch(const RegistryLayers *layers, GError **error);

/* Removes the packed layers of MANIFEST from FOLDER: the store has them. */
void registry_layers_forget(const RegistryManifest *manifest, const char *folder);
