#pragma once
/* The jobs of a cron job: what they mean for its status, how they are made, and which are kept. */
#include "clusterd/client/informer.h"
#include "clusterd/client/recorder.h"

/* One look at one cron job. */
typedef struct CronChildren {
  Client *client;
  Recorder *recorder;
  Informer *jobs;
  const Object *cron_job;
  GPtrArray *known; /* Object*: the jobs it controls, as the informer has them; borrowed */
  json_t *status;   /* to be written; borrowed */
} CronChildren;

/* Brings status.active and lastSuccessfulTime in line with the jobs, and tells what is new. */
bool cron_children_note(const CronChildren *children, GError **error);

/* Makes the job of the time SCHEDULED_US, and lists it as active. One that is there already is taken for ours when it
 * is; somebody else's is left alone. */
bool cron_children_start(const CronChildren *children, int64_t scheduled_us, GError **error);

/* Deletes the jobs that are active. */
bool cron_children_replace(const CronChildren *children, GError **error);

/* Deletes the oldest finished jobs beyond the limits of the history. */
bool cron_children_trim(const CronChildren *children, GError **error);
