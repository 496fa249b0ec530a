#pragma once
/* What the controllers that own pods have in common: a client and events, the informers of owners and pods, and the
 * queue of owners that a change of an owner or of a pod fills. */
#include "clusterd/client/object_queue.h"
#include "clusterd/client/recorder.h"
#include "clusterd/controllers/context.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/pods/pod_control.h"
#include "clusterd/controllers/pods/pod_routes.h"

typedef struct WorkloadKind {
  const char *component; /* who writes: "replicaset-controller" */
  const char *api_version, *group, *plural, *kind;
  bool plain_selector;   /* see PodRoutes */
  const char *finalizer; /* see OwnerClaim */
  unsigned n_workers;
} WorkloadKind;

typedef struct Workload {
  const WorkloadKind *kind;
  Client *client;
  Recorder *recorder;
  Informer *owners, *pods;
  ObjectQueue queue;
  PodRoutes routes;
  PodControl control;
  OwnerBelongs belongs; /* see OwnerClaim; NULL, or set before workload_start */
} Workload;

/* Fills WORKLOAD, which must not move afterwards, for a controller of KIND: SYNC and GONE (may be NULL) are called with
 * CONTROLLER. The work begins with workload_start, when the controller has added what it needs besides. */
void workload_init(Workload *workload, const ControllerContext *context, const WorkloadKind *kind, ObjectSync sync,
                   ObjectGone gone, void *controller);
void workload_start(Workload *workload);

/* Ends the work and frees what workload_init made. */
void workload_clear(Workload *workload);

/* Queues the owner with KEY after DELAY_US; a negative delay: not at all. */
void workload_requeue(const Workload *workload, const char *key, int64_t delay_us);

/* The pods of OWNER, as owner_claim. */
GPtrArray *workload_claim(const Workload *workload, const Object *owner, const LabelSelector *selector, GError **error);
