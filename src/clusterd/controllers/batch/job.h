#pragma once
/* Jobs: pods that run to their end, a number of times. Source: k8s.io/kubernetes pkg/controller/job. */

#include "clusterd/controllers/context.h"

typedef struct JobController JobController;

JobController *job_controller_new(const ControllerContext *context);
void job_controller_free(JobController *controller);
