#pragma once
/* Pure: what the pods of a job mean for it. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define JOB_FINALIZER "batch.kubernetes.io/job-tracking"
#define JOB_INDEX "batch.kubernetes.io/job-completion-index"

typedef struct JobState {
  GPtrArray *active;         /* Object*: may still end well; borrowed */
  GPtrArray *finished;       /* Object*: to be counted and let go (they hold the finalizer); borrowed */
  int64_t succeeded, failed; /* counted before, and those in finished */
  int64_t ready, terminating, restarts;
  int64_t last_failure_us; /* wall clock; 0: none */
  GHashTable *done;        /* set of indexes (GINT) that are complete, for Indexed jobs */
  GHashTable *busy;        /* set of indexes with an active pod */
} JobState;

JobState *job_state_new(const json_t *job, GPtrArray *pods);
void job_state_free(JobState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JobState, job_state_free)

/* True while POD carries the finalizer that keeps it until its end is counted. */
bool job_pod_is_tracked(const json_t *pod);
bool job_is_indexed(const json_t *job);

/* "0-2,5" and back. The caller frees. */
char *job_indexes_text(GHashTable *indexes);
GHashTable *job_indexes_parse(const char *text);

/* How many pods should be active now (before any are made), by parallelism and what is left to do. */
int64_t job_wanted(const json_t *job, const JobState *state);
bool job_is_complete(const json_t *job, const JobState *state);
/* How long to wait after the last failure before another pod is made, in microseconds. */
int64_t job_backoff_us(const JobState *state, int64_t now_us);
