#pragma once
/* Deletes pods that do not (or no longer) tolerate a NoExecute taint of their node.
 * Source: k8s.io/kubernetes pkg/controller/tainteviction. */
#include "clusterd/controllers/context.h"

typedef struct TaintEvictionController TaintEvictionController;

TaintEvictionController *taint_eviction_controller_new(const ControllerContext *context);
void taint_eviction_controller_free(TaintEvictionController *controller);

/* How long after the taint came POD may stay on NODE, in microseconds from NOW_US (0: not a moment); -1: for ever. */
int64_t taint_eviction_delay(const json_t *pod, const json_t *node, int64_t now_us);
