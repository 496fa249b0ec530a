#pragma once
/* The pods of jobs: how they are made, given up, and let go once they are counted. */
#include "clusterd/controllers/batch/job_state.h"
#include "clusterd/controllers/pods/pod_control.h"

/* Creates COUNT more pods for JOB, or one for each of INDEXES where that is not NULL. Returns after the informer shows
 * them; false with the first failure. */
bool job_pods_create(const PodControl *control, const Object *job, const JobState *state, int64_t count,
                     const GArray *indexes, GError **error);

/* Takes the tracking finalizer off PODS (Object*). Returns after the informer shows it; pods that are gone are success.
 */
bool job_pods_let_go(const PodControl *control, GPtrArray *pods, GError **error);

/* Deletes PODS that the job does not want any more: no failures, so they are let go before. */
bool job_pods_give_up(const PodControl *control, const Object *job, GPtrArray *pods, GError **error);
