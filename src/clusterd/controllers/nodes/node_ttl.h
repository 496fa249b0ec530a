#pragma once
/* Tells every node, in the annotation node.alpha.kubernetes.io/ttl, for how many seconds its kubelet may believe what
 * it read of ConfigMaps and Secrets: the longer, the more nodes ask. Source: k8s.io/kubernetes pkg/controller/ttl. */
#include "clusterd/controllers/context.h"

typedef struct NodeTtlController NodeTtlController;

NodeTtlController *node_ttl_controller_new(const ControllerContext *context);
void node_ttl_controller_free(NodeTtlController *controller);

/* The seconds for N_NODES where they were NOW before: they change late in both directions. */
int node_ttl_seconds(unsigned n_nodes, int now);
