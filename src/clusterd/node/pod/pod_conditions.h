#pragma once
/* The conditions of a pod. */
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/node/pod/pod_state.h"

/* Every init container has ended well, every sidecar has started; or the containers proper have begun in this sandbox.
 */
bool pod_conditions_initialized(const PodState *state);

/* The conditions for a pod in PHASE; OLD (may be NULL) keeps its times and foreign entries. New reference. */
json_t *pod_conditions_build(const PodState *state, const json_t *old, const char *phase, const char *now);
