#pragma once
/* What a cron job is to do at a time. Pure. Source: k8s.io/kubernetes pkg/controller/cronjob/utils.go. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cron_schedule.h"

typedef enum CronStep {
  CRON_WAIT,         /* until next_us */
  CRON_START,        /* the job of scheduled_us */
  CRON_MISSED,       /* scheduled_us is longer ago than spec.startingDeadlineSeconds allows: wait */
  CRON_SUSPENDED,    /* and nothing to wait for, as in all that follow */
  CRON_UNKNOWN_ZONE, /* of spec.timeZone */
  CRON_UNPARSEABLE,  /* spec.schedule */
  CRON_INVALID,      /* a schedule that never strikes */
} CronStep;

typedef struct CronPlan {
  CronStep step;
  int64_t scheduled_us; /* since 1970 */
  int64_t next_us;      /* when it strikes next; 0: nobody knows */
  bool is_behind;       /* so many times have passed that something is wrong */
  char *problem;        /* of the last three; else NULL */
} CronPlan;

CronPlan *cron_plan_new(const json_t *cron_job, int64_t now_us);
void cron_plan_free(CronPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CronPlan, cron_plan_free)

/* The schedule of CRON_JOB and the zone of its clocks, to be unreferenced by the caller, UTC where it names none. The
 * step says what is wrong, with *PROBLEM to be freed by the caller; CRON_WAIT: nothing. */
CronStep cron_plan_parse(const json_t *cron_job, CronSchedule *schedule, GTimeZone **zone, char **problem);
