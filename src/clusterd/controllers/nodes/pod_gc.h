#pragma once
/* Deletes pods nobody will miss: those whose node no longer exists, those that were to go and never had a node, those
 * that are to go from a node that is out of service, and the oldest of too many that have ended.
 * Source: k8s.io/kubernetes pkg/controller/podgc. */
#include "clusterd/controllers/context.h"

typedef struct PodGcController PodGcController;

PodGcController *pod_gc_controller_new(const ControllerContext *context);
void pod_gc_controller_free(PodGcController *controller);
