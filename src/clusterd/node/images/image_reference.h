#pragma once
/* Names of images as people write them. Source: github.com/distribution/reference, its grammar and normalisation. */
#include <glib.h>
#include <stdbool.h>

#define IMAGE_REFERENCE_MAX 512 /* bytes, also of the normal form */

typedef struct ImageReference {
  char *name;   /* "docker.io/library/busybox": registry and path */
  char *tag;    /* "1.36"; "latest" when neither tag nor digest was given; NULL with only a digest */
  char *digest; /* "sha256:…" or NULL */
} ImageReference;

/* Reads "busybox", "quay.io/a/b:1", "a/b@sha256:…". False with REASON_BAD_REQUEST ("couldn't parse image reference").
 */
bool image_reference_parse(const char *text, ImageReference *reference, GError **error);
void image_reference_clear(ImageReference *reference);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImageReference, image_reference_clear)

/* "docker.io/library/busybox:latest", or with "@sha256:…" when a digest is there (the tag is then left out). */
char *image_reference_text(const ImageReference *reference);

/* What DIFF_ID, a layer's, is called where PREVIOUS, such a name, lies below (NULL: nothing does): "sha256:…". The
 * caller frees. Source: OCI image specification, "Layer ChainID". */
char *image_chain_id(const char *previous, const char *diff_id);

/* True for "sha256:" and 64 lower-case hex digits. NULL-safe. */
bool image_digest_valid(const char *text);
