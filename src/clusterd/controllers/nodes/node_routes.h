#pragma once
/* Says of nodes that others' pods can be reached on them: nodes share the machine's pod network, so one that has a
 * range of pods' addresses and an address of its own has its route, and no taint keeps pods away from it.
 * Source: k8s.io/cloud-provider controllers/route. */
#include "clusterd/controllers/context.h"

typedef struct NodeRoutesController NodeRoutesController;

NodeRoutesController *node_routes_controller_new(const ControllerContext *context);
void node_routes_controller_free(NodeRoutesController *controller);
