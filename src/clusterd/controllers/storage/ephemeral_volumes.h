#pragma once
/* Generic ephemeral volumes: a claim for each such volume of a pod, which the pod owns, so that it goes with it.
 * Source: k8s.io/kubernetes pkg/controller/volume/ephemeral. */
#include "clusterd/controllers/context.h"

typedef struct EphemeralVolumes EphemeralVolumes;
EphemeralVolumes *ephemeral_volumes_new(const ControllerContext *context);
void ephemeral_volumes_free(EphemeralVolumes *controller);
