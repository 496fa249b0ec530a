#pragma once
/* Pure: the pods and claims of a stateful set. */
#include <jansson.h>
#include <stdint.h>

#include "clusterd/api/object.h"

/* The number of the pod NAME of SET; -1 when it has none. */
int64_t stateful_pod_ordinal(const Object *set, const char *name);

/* The pod ORDINAL of SET, made from TEMPLATE, labelled with the revision HASH. New reference. */
json_t *stateful_pod_make(const Object *set, const json_t *template, int64_t ordinal, const char *hash);

/* The claims that pod needs: an array of PersistentVolumeClaims. New reference. */
json_t *stateful_pod_claims(const Object *set, int64_t ordinal);
