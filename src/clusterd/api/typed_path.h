#pragma once
/* Places in an object as server-side apply names them: `.spec.containers[name="c"].image`. */
#include <jansson.h>

#include "clusterd/api/kind.h"

/* PATH ("spec.containers[0].image", as json_prune tells it) inside VALUE, a MESSAGE: entries of lists that have keys by
 * these. Source: sigs.k8s.io/structured-merge-diff fieldpath. The caller frees. */
char *typed_path(const ApiMessage *message, const json_t *value, const char *path);
