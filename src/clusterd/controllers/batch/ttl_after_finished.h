#pragma once
/* Deletes jobs that are finished, spec.ttlSecondsAfterFinished later.
 * Source: k8s.io/kubernetes pkg/controller/ttlafterfinished. */
#include "clusterd/controllers/context.h"

typedef struct TtlAfterFinishedController TtlAfterFinishedController;

TtlAfterFinishedController *ttl_after_finished_controller_new(const ControllerContext *context);
void ttl_after_finished_controller_free(TtlAfterFinishedController *controller);
