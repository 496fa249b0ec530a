#pragma once
/* Gives every node that comes without one a range for its pods' addresses: spec.podCIDR.
 * Source: k8s.io/kubernetes pkg/controller/nodeipam, its RangeAllocator. */
#include "clusterd/controllers/context.h"

typedef struct NodeRangeController NodeRangeController;

NodeRangeController *node_range_controller_new(const ControllerContext *context); /* NULL when not configured */
void node_range_controller_free(NodeRangeController *controller);
