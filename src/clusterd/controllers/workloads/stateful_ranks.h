#pragma once
/* One pass over a stateful set: its pods by number, and the steps that bring them nearer to what the set asks for.
 * Internal to the stateful set controller. */
#include "clusterd/controllers/pods/revision_history.h"
#include "clusterd/controllers/pods/workload.h"

typedef struct Ranks {
  const Workload *workload;
  Informer *claims;
  const Object *set;
  const json_t *spec;    /* of it */
  GHashTable *pods;      /* number → Object*, owned; brought up to date as the pass goes */
  const Object *updated; /* the revision of the present template */
  const Object *current; /* the one pods were last all moved to */
  int64_t first, replicas, partition;
  bool parallel;
  unsigned n_created;
  int64_t wait_us; /* when a pod becomes available by age alone; -1: none does */
} Ranks;

/* Sorts PODS (Object*) by number. */
GHashTable *ranks_by_number(const Object *set, GPtrArray *pods);

/* One pass: makes what is missing, ends what is too much, replaces what is old; as far as order allows now. */
bool ranks_advance(Ranks *ranks, GError **error);

/* True when POD has the label of REVISION. */
bool ranks_is_of(const Object *pod, const Object *revision);

/* stateful_claims.c: makes the claims the pod NUMBER needs where they are missing. A claim that is being deleted is an
 * error: the pod must wait for the next. */
bool ranks_ensure_claims(const Ranks *ranks, int64_t number, GError **error);

/* True when a claim of the pod NUMBER, which is not there yet, goes with an earlier pod of its name. */
bool ranks_claims_are_stale(const Ranks *ranks, int64_t number);

/* Gives the claims of POD the owners the retention policy asks for. */
bool ranks_retain_claims(const Ranks *ranks, const Object *pod, int64_t number, GError **error);
