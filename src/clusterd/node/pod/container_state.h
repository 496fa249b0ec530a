#pragma once
/* One entry of containerStatuses. Source: core/v1 ContainerStatus, kuberuntime's reasons. */
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/node/pod/pod_state.h"

/* True when the container is shown as waiting: it has not begun yet, or has ended and will be started again after its
 * back-off, with its end as lastState. */
bool container_state_waits(const ContainerRecord *record);

/* INITIALIZED: the pod's init containers have done their part. New reference. */
json_t *container_state_status(const PodState *state, const ContainerRecord *record, bool initialized);
