#pragma once
/* The forms of `launcher image ls`, which are minikube's. */
#include <glib.h>
#include <jansson.h>

/* Names --format takes; NULL-terminated. */
extern const char *const image_list_formats[];

/* IMAGES is what `clusterd image ls -o json` prints: [{"id", "repoTags", "repoDigests", "size"}]. The text of FORMAT,
 * with a newline at its end unless empty; the caller frees. short: every name, sorted; table: a line a name; json and
 * yaml: all of it, ids without "sha256:". NULL with REASON_BAD_REQUEST when IMAGES is not of that form. */
char *image_list_text(const json_t *images, const char *format, GError **error);
