#pragma once
/* What a registry says an image is made of. Source: OCI image specification; docker's "Image Manifest Version 2, Schema
 * 2". */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define REGISTRY_MANIFEST_MAX (4u << 20) /* bytes */
#define REGISTRY_INDEX_DEPTH_MAX 3       /* an index that lists indexes */

/* For a request's Accept. */
extern const char registry_manifest_types[];

typedef struct RegistryLayer {
  char *digest; /* "sha256:…" of the packed layer */
  int64_t size; /* bytes */
} RegistryLayer;

typedef struct RegistryManifest {
  char *config;      /* digest of the image's configuration */
  GPtrArray *layers; /* RegistryLayer*, the lowest first */
  int64_t size;      /* bytes of all layers */
} RegistryManifest;

/* Reads VALUE, one image's manifest. REASON_BAD_REQUEST. */
bool registry_manifest_read(const json_t *value, RegistryManifest *manifest, GError **error);
void registry_manifest_clear(RegistryManifest *manifest);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RegistryManifest, registry_manifest_clear)

/* True when VALUE lists manifests, one for each platform. */
bool registry_manifest_is_index(const json_t *value);

/* The digest of the first manifest in INDEX for this machine, borrowed. NULL with REASON_DOWNLOAD_NOT_FOUND; DIGEST is
 * that of the index. */
const char *registry_manifest_choose(const json_t *index, const char *digest, GError **error);

/* Whether CONFIG, an image's configuration, has as many layers as MANIFEST and is of this machine's platform; DIGEST is
 * the manifest's. REASON_BAD_REQUEST, REASON_DOWNLOAD_NOT_FOUND. */
bool registry_manifest_fits(const RegistryManifest *manifest, const json_t *config, const char *digest, GError **error);
