#pragma once
/* What the pods of a job mean for it. Pure. Source: k8s.io/kubernetes pkg/controller/job. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/controllers/batch/job_backoff.h"
#include "clusterd/controllers/batch/job_indexes.h"

#define JOB_FINALIZER "batch.kubernetes.io/job-tracking"
#define JOB_INDEX "batch.kubernetes.io/job-completion-index"                    /* annotation and label */
#define JOB_INDEX_FAILURES "batch.kubernetes.io/job-index-failure-count"        /* annotation */
#define JOB_INDEX_IGNORED "batch.kubernetes.io/job-index-ignored-failure-count" /* annotation */
#define JOB_MANAGER "kubernetes.io/job-controller"                              /* spec.managedBy when it is us */

/* How a job ends. */
typedef enum JobEnd {
  JOB_GOES_ON,
  JOB_FAILS,    /* FailureTarget, then Failed */
  JOB_SUCCEEDS, /* SuccessCriteriaMet, then Complete */
} JobEnd;

typedef struct JobVerdict {
  JobEnd end;
  bool is_known; /* the status says so already */
  char *reason, *message;
} JobVerdict;

typedef struct JobState {
  const json_t *job;    /* borrowed */
  GPtrArray *pods;      /* Object*: all of its pods; borrowed */
  GPtrArray *active;    /* Object*: neither finished nor being deleted; borrowed from pods */
  int64_t ready;        /* of the active ones */
  int64_t terminating;  /* being deleted and not finished */
  int64_t succeeded;    /* counted before, and what has ended since */
  int64_t failed;       /* the same */
  JobIndexes *counted;  /* Indexed: as the status has them; else NULL, as what follows */
  JobIndexes *done;     /* with what has succeeded since */
  JobIndexes *lost;     /* failed for good; NULL without spec.backoffLimitPerIndex */
  GHashTable *replaced; /* index → Object*: whose last failed pod stays until the next one carries on its count */
  JobBackoff backoff;
  JobVerdict verdict;
} JobState;

/* KNOWN: the backoff from failures and successes counted before, NULL: nothing is remembered and all pods tell. NOW_US:
 * since 1970. JOB and PODS must outlive the state. */
JobState *job_state_new(const json_t *job, GPtrArray *pods, const JobBackoff *known, int64_t now_us);
void job_state_free(JobState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JobState, job_state_free)

/* What a job's spec and status say. */
bool job_is_indexed(const json_t *job);
bool job_is_suspended(const json_t *job);
bool job_is_finished(const json_t *job); /* Complete or Failed */
bool job_is_managed_elsewhere(const json_t *job);
bool job_has_index_limits(const json_t *job);     /* spec.backoffLimitPerIndex, of an Indexed job */
bool job_replaces_only_failed(const json_t *job); /* a pod that is being deleted is not replaced before its end */
int64_t job_completions(const json_t *job);       /* -1: a work queue */

/* When the job's time is over, since 1970; 0: it has no deadline now. */
int64_t job_deadline_us(const json_t *job);

/* True while POD carries the finalizer that keeps it until its end is counted. */
bool job_pod_is_tracked(const json_t *pod);
/* True when POD's end is a failure, or it is being deleted and that counts as one. */
bool job_pod_is_failed(const json_t *pod, const json_t *job);
/* The completion index of POD; -1: none, or none below spec.completions. */
int64_t job_pod_index(const json_t *pod, const json_t *job);
/* The count that the annotation KEY holds; 0: none, or nonsense. */
int64_t job_pod_count(const json_t *pod, const char *key);

/* How many pods should be active now. */
int64_t job_wanted(const JobState *state);

/* The lowest COUNT indexes that need a pod and may have one at NOW_US: an array of int64_t, owned. *NEXT_US gets when
 * another may have one; 0: none waits. */
GArray *job_pending_indexes(const JobState *state, int64_t count, int64_t now_us, int64_t *next_us);

/* The active pods to give up when COUNT are too many: those whose index another has or that is none come first, and
 * always. Array of Object*, owned. */
GPtrArray *job_surplus(const JobState *state, int64_t count, int64_t now_us);
