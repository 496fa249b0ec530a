#pragma once
/* ControllerRevisions: the pod templates a StatefulSet or DaemonSet has had, for `kubectl rollout history` and `undo`.
 * Source: k8s.io/kubernetes pkg/controller/history. */
#include <stdint.h>

#include "clusterd/client/informer.h"

/* The label of pods that tells their revision. */
#define REVISION_LABEL "controller-revision-hash"

typedef struct RevisionKind {
  const char *owner_api_version, *owner_plural;
  const char *hash_label; /* of revisions */
  bool pods_have_name;    /* pods are labelled with the whole name of their revision, not with its hash alone */
  bool limit_spares_used; /* the history limit is of revisions that no pod has, not of all but the newest */
} RevisionKind;

typedef struct RevisionHistory {
  const RevisionKind *kind;
  Client *client;
  Informer *revisions; /* with owner_add_indexes */
} RevisionHistory;

/* The revision of OWNER's present spec.template, made where it is missing, and moved to the end of the history when it
 * is an old one that came back. Revisions without an owner that OWNER's selector matches are adopted first. *COLLISIONS
 * (status.collisionCount) is raised for every name that turned out to be another's. New reference; NULL with an error.
 */
Object *revision_history_sync(const RevisionHistory *history, const Object *owner, int64_t *collisions, GError **error);

/* The value pods of this revision have for REVISION_LABEL. Borrowed. */
const char *revision_history_label(const RevisionHistory *history, const Object *revision, const Object *owner);

/* The pod template a revision holds; borrowed, NULL when it holds none. */
const json_t *revision_history_template(const Object *revision);

/* Deletes the oldest revisions beyond OWNER's spec.revisionHistoryLimit. None that a label in IN_USE (set of values of
 * REVISION_LABEL) names goes, nor the newest. */
void revision_history_trim(const RevisionHistory *history, const Object *owner, GHashTable *in_use);
