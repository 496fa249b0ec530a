#pragma once
/* ControllerRevisions: the pod templates a StatefulSet or DaemonSet has had, for `kubectl rollout history` and `undo`.
 * Source: k8s.io/kubernetes pkg/controller/history. */
#include "clusterd/client/informer.h"

#define REVISION_LABEL "controller-revision-hash"

typedef struct RevisionHistory {
  Client *client;
  Informer *revisions; /* with owner_add_indexes */
} RevisionHistory;

/* The revision of OWNER's present spec.template, made where it is missing, and moved to the end of the history when it
 * is an old one that came back. New reference; NULL with an error. */
Object *revision_history_sync(const RevisionHistory *history, const Object *owner, GError **error);

/* The label value of a revision: its name without the owner's. Borrowed. */
const char *revision_history_hash(const Object *revision, const Object *owner);

/* The pod template a revision holds; borrowed, NULL when it holds none. */
const json_t *revision_history_template(const Object *revision);

/* Deletes the oldest revisions beyond OWNER's spec.revisionHistoryLimit that no label in IN_USE (set of hashes) names.
 */
void revision_history_trim(const RevisionHistory *history, const Object *owner, GHashTable *in_use);
