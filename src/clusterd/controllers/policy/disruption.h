#pragma once
/* Keeps the status of PodDisruptionBudgets, which evictions go by, and takes back the announcement of a disruption
 * that did not come. Source: k8s.io/kubernetes pkg/controller/disruption. */
#include "clusterd/controllers/context.h"

typedef struct DisruptionController DisruptionController;

DisruptionController *disruption_controller_new(const ControllerContext *context);
void disruption_controller_free(DisruptionController *controller);
