#pragma once
/* Pure: the pods and claims of a stateful set. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/api/object.h"

/* The number of the pod NAME of SET; -1 when it has none. */
int64_t stateful_pod_ordinal(const Object *set, const char *name);

/* The pod ORDINAL of SET, made from TEMPLATE, labelled with its REVISION. New reference. */
json_t *stateful_pod_make(const Object *set, const json_t *template, int64_t ordinal, const char *revision);

/* The claims that pod needs: an array of PersistentVolumeClaims. New reference. */
json_t *stateful_pod_claims(const Object *set, int64_t ordinal);

/* True when NAME is that of a claim a pod of SET may need. */
bool stateful_pod_owns_claim(const Object *set, const char *name);
