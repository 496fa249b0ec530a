#pragma once
/* What tests of jobs have in common: a cluster whose clock stands still until it is set, and pods that end when the
 * test says so. */
#include "cluster.h"

typedef struct Jobs {
  Cluster *cluster;
  AlarmClock *clock;
} Jobs;

Jobs *jobs_new(void);
void jobs_free(Jobs *jobs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Jobs, jobs_free)

/* Sets the clock SECONDS on. */
void jobs_pass(Jobs *jobs, int64_t seconds);

/* Waits until the first alarm is SECONDS (rounded up) away: then the controllers have seen what they wait for. */
void jobs_wait_alarm(Jobs *jobs, int64_t seconds);

/* Creates the job NAME with the members SPEC; its pods' label app is NAME, their restart policy Never. */
void jobs_create(Jobs *jobs, const char *name, const char *spec);

/* True when every member of the YAML object EXPECTED is so in the status of the job NAME; null: absent. */
bool jobs_status(Jobs *jobs, const char *name, const char *expected);

/* True when the job NAME has the condition TYPE, true, with REASON. */
bool jobs_condition(Jobs *jobs, const char *name, const char *type, const char *reason);

/* The pods of APP that neither are finished nor being deleted. Array of Object*. */
GPtrArray *jobs_active(Jobs *jobs, const char *app);

/* Ends the pod NAME, at the clock's time: well with code 0. */
void jobs_end_pod(Jobs *jobs, const char *name, int exit_code);

/* Ends one active pod of APP, waiting until there is one; of INDEX where that is not negative. */
void jobs_end_one(Jobs *jobs, const char *app, int index, int exit_code);

/* How many pods of APP there are with (or without) the tracking finalizer. */
unsigned jobs_count_tracked(Jobs *jobs, const char *app, bool tracked);
