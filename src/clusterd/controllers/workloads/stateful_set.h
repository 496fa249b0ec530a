#pragma once
/* StatefulSets: numbered pods with names, hosts and claims of their own, made and ended in order.
 * Source: k8s.io/kubernetes pkg/controller/statefulset. */
#include "clusterd/controllers/context.h"

typedef struct StatefulSetController StatefulSetController;

StatefulSetController *stateful_set_controller_new(const ControllerContext *context);
void stateful_set_controller_free(StatefulSetController *controller);
