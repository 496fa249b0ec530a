#pragma once
/* POST pods/NAME/eviction: a deletion that respects disruption budgets. Source: policy/v1 Eviction. */
#include "clusterd/server/registry/registry_private.h"

/* VALUE is the Eviction. Returns the pod's last state; REASON_TOO_MANY_REQUESTS when a budget forbids it now. */
Object *eviction_create(Registry *registry, const Caller *caller, const Target *target, const json_t *value,
                        GError **error);
