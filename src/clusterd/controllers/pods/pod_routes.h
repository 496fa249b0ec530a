#pragma once
/* From a changed pod to the keys of the objects that should look at it. */
#include "clusterd/client/informer.h"
#include "clusterd/client/work_queue.h"

typedef struct PodRoutes {
  const char *group, *kind; /* of the owners */
  Informer *owners;         /* with the index POD_ROUTES_INDEX_NAMESPACE */
  Informer *pods;           /* with owner_add_indexes */
  WorkQueue *queue;
  bool plain_selector; /* spec.selector is a map (ReplicationController), not a LabelSelector */
} PodRoutes;

#define POD_ROUTES_INDEX_NAMESPACE "namespace"

/* How long, in microseconds, the owner UID may wait before it looks at its pods again: the more it has, the longer, so
 * that what is done for one pod after another does not cost their number squared. 0 while they are few. */
int64_t pod_routes_patience(Informer *pods, const char *uid);

/* Queues the controller of OLD and NEW_OBJECT (either may be NULL), and for a pod without one every owner whose
 * selector it matches. */
void pod_routes_follow(const PodRoutes *routes, Object *old, Object *new_object);

/* The selector of an owner. The caller frees; NULL when it is not valid. */
LabelSelector *pod_routes_selector(const json_t *owner, bool plain);
