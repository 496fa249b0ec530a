#pragma once
/* DaemonSets: one pod of a template on every node that will do.
 * Source: k8s.io/kubernetes pkg/controller/daemon. */
#include "clusterd/controllers/context.h"

typedef struct DaemonSetController DaemonSetController;

DaemonSetController *daemon_set_controller_new(const ControllerContext *context);
void daemon_set_controller_free(DaemonSetController *controller);

/* Pure: adds the tolerations every daemon pod has to POD, which says so before it is bound to a node. */
void daemon_set_tolerate(json_t *pod);

/* Pure: turns the pod of a daemon set's template into one for the node NAME, in place: node affinity and the
 * tolerations every daemon pod has. */
void daemon_set_bind_pod(json_t *pod, const char *name);
