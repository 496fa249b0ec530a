#pragma once
/* How long a job waits before it makes a pod in the place of one that failed: 10 s, doubled with each failure in a row,
 * 6 minutes at most. Pure. Source: k8s.io/kubernetes pkg/controller/job/backoff_utils.go; the most is the documented
 * one. */
#include <glib.h>
#include <jansson.h>
#include <stdint.h>

typedef struct JobBackoff {
  int64_t failures;        /* since the last success */
  int64_t last_failure_us; /* since 1970; 0: none */
} JobBackoff;

/* When POD came to its end: its last container's, or what comes nearest to it. In microseconds since 1970. */
int64_t job_pod_end_us(const json_t *pod);

/* What becomes of KNOWN when the pods SUCCEEDED and FAILED (Object*) have ended, too. */
JobBackoff job_backoff_after(JobBackoff known, const GPtrArray *succeeded, const GPtrArray *failed);

/* When the next pod may be made; 0: at once. */
int64_t job_backoff_due_us(JobBackoff backoff);
