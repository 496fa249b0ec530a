#pragma once
/* One entry of containerStatuses. Source: core/v1 ContainerStatus, kuberuntime's reasons. */
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/node/pod_state.h"

/* INITIALIZED: the pod's init containers have done their part. New reference. */
json_t *container_state_status(const PodState *state, const ContainerRecord *record, bool initialized);
