#pragma once
/* Deletes pods that do not (or no longer) tolerate a NoExecute taint of their node.
 * Source: k8s.io/kubernetes pkg/controller/tainteviction. */
#include "clusterd/controllers/context.h"

typedef struct TaintEvictionController TaintEvictionController;

TaintEvictionController *taint_eviction_controller_new(const ControllerContext *context);
void taint_eviction_controller_free(TaintEvictionController *controller);

/* When POD must leave NODE, in microseconds since 1970 (0: at once); -1: never. SEEN_US is when its taints were first
 * seen, for those that do not tell. */
int64_t taint_eviction_time(const json_t *pod, const json_t *node, int64_t seen_us);
