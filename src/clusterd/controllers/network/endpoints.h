#pragma once
/* Endpoints and EndpointSlices of services with a selector, and slices that mirror hand-made Endpoints.
 * Source: k8s.io/kubernetes pkg/controller/{endpoint,endpointslice,endpointslicemirroring}. */
#include "clusterd/controllers/context.h"

typedef struct EndpointsController EndpointsController;
typedef struct EndpointMirrorController EndpointMirrorController;

EndpointsController *endpoints_controller_new(const ControllerContext *context);
void endpoints_controller_free(EndpointsController *controller);

EndpointMirrorController *endpoint_mirror_controller_new(const ControllerContext *context);
void endpoint_mirror_controller_free(EndpointMirrorController *controller);
