#pragma once
/* Deletes pods whose node no longer exists. Source: k8s.io/kubernetes pkg/controller/podgc. */
#include "clusterd/controllers/context.h"

typedef struct PodGcController PodGcController;

PodGcController *pod_gc_controller_new(const ControllerContext *context);
void pod_gc_controller_free(PodGcController *controller);
