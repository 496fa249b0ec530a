#pragma once
/* Nodes that stop reporting, and the taints that follow from a node's conditions.
 * Source: k8s.io/kubernetes pkg/controller/nodelifecycle. */
#include "clusterd/controllers/context.h"

typedef struct NodeLifecycleController NodeLifecycleController;

NodeLifecycleController *node_lifecycle_controller_new(const ControllerContext *context);
void node_lifecycle_controller_free(NodeLifecycleController *controller);
