#pragma once
/* The Scale of a workload: GET, PUT and PATCH of the scale subresource. Old versions of a workload have a Scale of
 * their own group and version, which tells the selector as a map too. */
#include "clusterd/server/registry/registry_private.h"

/* The Scale of STORED, as KIND (a version of it) has it. New reference. */
Object *scale_of(const ApiKind *kind, Object *stored);

/* A copy of the workload VALUE with the replicas of SCALE. NULL with REASON_INVALID. */
json_t *scale_apply(const ApiKind *kind, const json_t *value, const json_t *scale, GError **error);
