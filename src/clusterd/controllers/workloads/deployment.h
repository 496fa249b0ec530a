#pragma once
/* Deployments: replica sets of successive pod templates, rolled from one to the next.
 * Source: k8s.io/kubernetes pkg/controller/deployment. */
#include "clusterd/controllers/context.h"

typedef struct DeploymentController DeploymentController;

DeploymentController *deployment_controller_new(const ControllerContext *context);
void deployment_controller_free(DeploymentController *controller);
