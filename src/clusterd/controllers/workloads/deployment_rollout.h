#pragma once
/* One pass over a deployment: the deployment, its replica sets, and what can be done to them. Internal to the
 * deployment controller. */
#include "clusterd/client/informer.h"
#include "clusterd/client/recorder.h"
#include "clusterd/controllers/workloads/deployment_math.h"

#define DEPLOYMENT_REVISION "deployment.kubernetes.io/revision"
#define DEPLOYMENT_HASH_LABEL "pod-template-hash"

typedef struct Rollout {
  Client *client;
  Recorder *recorder;
  Informer *deployments, *sets;
  Object *deployment;  /* owned */
  const json_t *spec;  /* of it */
  json_t *status;      /* the status being made; owned */
  GPtrArray *old_sets; /* Object*, oldest first */
  Object *new_set;     /* the set of the current template; owned; NULL when there is none yet */
} Rollout;

/* Takes the references to DEPLOYMENT and SETS (Object*). */
Rollout *rollout_new(Object *deployment, GPtrArray *sets);
void rollout_free(Rollout *rollout);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rollout, rollout_free)

/* Brings the revision annotations of the new set and the deployment up to date; makes the new set where it is missing
 * and CREATE is set. */
bool rollout_sync_new_set(Rollout *rollout, bool create, GError **error);

/* Sets spec.replicas of *SLOT (the new set or an element of old_sets), which then holds what is stored. *CHANGED (may
 * be NULL) becomes true when the size changed. */
bool rollout_scale(Rollout *rollout, Object **slot, int64_t size, bool *changed, GError **error);

/* Deletes empty old sets beyond spec.revisionHistoryLimit, oldest revision first. */
bool rollout_clean_up(Rollout *rollout, GError **error);

/* deployment_rollback.c: does what spec.rollbackTo of old versions asks. *ASKED tells whether it asked: then the
 * deployment has changed and this pass is over. */
bool rollout_roll_back(Rollout *rollout, bool *asked, GError **error);

/* Counts of one set. */
SetSize rollout_size(const Object *set);
/* The sum of a status member over all sets. */
int64_t rollout_sum(const Rollout *rollout, const char *status_member);

/* deployment_status.c: counts, conditions Available, Progressing and ReplicaFailure of ROLLOUT->status. With PROGRESS
 * false (paused, scaling) Progressing is left as it is. */
void rollout_make_status(Rollout *rollout, bool progress);
/* True when the status says that the rollout is over. */
bool rollout_is_complete(const Rollout *rollout);
/* When Progressing must be looked at again because the deadline passes; -1: never. */
int64_t rollout_deadline_us(const Rollout *rollout);
/* The conditions DeploymentPaused and DeploymentResumed. */
void rollout_note_pause(Rollout *rollout);
bool rollout_has_deadline(const Rollout *rollout);
