#pragma once
/*
 * The status of a job, and its counts. Each pod is counted exactly once, whatever ends in between: first the status
 * lists the uid of a pod that has ended, then the pod loses its finalizer, then the uid becomes part of a count. Only
 * what must not be lost is written first; conditions that say how the job ends come before anything that follows from
 * them.
 */
#include "clusterd/controllers/batch/job_pods.h"
#include "clusterd/controllers/batch/job_state.h"

typedef struct JobTracking {
  const PodControl *control;
  Informer *jobs;
  const Object *job;
  const JobState *state;
  json_t *stored; /* the status as it is in the store, and */
  json_t *status; /* as it is to be; both owned */
  int64_t now_us;
} JobTracking;

/* Begins with the status of JOB. The other members are borrowed. */
void job_tracking_begin(JobTracking *tracking);
void job_tracking_clear(JobTracking *tracking);

/* Sets a condition of the status as upstream does: nothing false where there was nothing. True when it changed. */
bool job_tracking_condition(JobTracking *tracking, const char *type, const char *value, const char *reason,
                            const char *message);

/* Counts what has ended, writes the status, lets the counted pods go, and writes the condition Complete or Failed when
 * nothing is left to be done; *ENDED tells. *COUNTED (set also with an error): what has ended is in the store. The
 * status' numbers of present pods are the caller's. */
bool job_tracking_run(JobTracking *tracking, bool *counted, bool *ended, GError **error);
