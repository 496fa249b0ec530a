#pragma once
/* HorizontalPodAutoscalers: look at their measures every so often and give their targets as many pods as these ask for.
 * Nothing runs while there are none. Source: k8s.io/kubernetes pkg/controller/podautoscaler and
 * https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/ */
#include "clusterd/controllers/context.h"

typedef struct HorizontalController HorizontalController;

HorizontalController *horizontal_controller_new(const ControllerContext *context);
void horizontal_controller_free(HorizontalController *controller);
