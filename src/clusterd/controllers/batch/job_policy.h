#pragma once
/* What the policies of a job say of its pods. Pure.
 * Source: k8s.io/kubernetes pkg/controller/job/{pod_failure_policy,success_policy}.go. */
#include <jansson.h>

#include "clusterd/controllers/batch/job_indexes.h"

typedef enum JobAction {
  JOB_ACTION_NONE, /* no rule matches: the failure counts */
  JOB_ACTION_COUNT,
  JOB_ACTION_IGNORE,
  JOB_ACTION_FAIL_INDEX,
  JOB_ACTION_FAIL_JOB,
} JobAction;

/* What spec.podFailurePolicy of JOB (one without has no rules) makes of the failed POD. *MESSAGE (may be NULL) gets why
 * the job fails, to be freed by the caller, for JOB_ACTION_FAIL_JOB, else NULL. */
JobAction job_policy_action(const json_t *job, const json_t *pod, char **message);

/* The message about the first rule of spec.successPolicy that the indexes DONE meet, to be freed by the caller; NULL:
 * none. */
char *job_policy_success(const json_t *job, const JobIndexes *done);
