#pragma once
/* The Scale (autoscaling/v1) of a workload: GET, PUT and PATCH of the scale subresource. */
#include "clusterd/server/registry_private.h"

/* The Scale of STORED. New reference. */
Object *scale_of(Object *stored);

/* A copy of the workload VALUE with the replicas of SCALE. NULL with REASON_INVALID. */
json_t *scale_apply(const ApiKind *kind, const json_t *value, const json_t *scale, GError **error);
