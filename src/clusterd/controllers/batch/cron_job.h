#pragma once
/* Cron jobs: jobs made at times of a schedule. Source: k8s.io/kubernetes pkg/controller/cronjob. */
#include "clusterd/controllers/context.h"

typedef struct CronJobController CronJobController;

CronJobController *cron_job_controller_new(const ControllerContext *context);
void cron_job_controller_free(CronJobController *controller);
