#pragma once
/*
 * One pod on this node: a thread that brings the runtime to what the API asks for and tells the API what is there. It
 * sleeps until the pod changes, the runtime or a probe reports, or a time it set comes.
 */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/client/client.h"
#include "clusterd/client/recorder.h"
#include "clusterd/node/background.h"
#include "clusterd/node/cluster_view.h"
#include "clusterd/node/logs/log_rotation.h"
#include "clusterd/node/pod/image_pulls.h"
#include "clusterd/node/probe/prober.h"
#include "clusterd/node/runtime.h"

typedef struct PodWorker PodWorker;

/* What all workers share; outlives them. */
typedef struct PodWorkerHost {
  Client *client;
  Runtime *runtime;
  Recorder *recorder;
  ImagePulls *pulls;
  Prober *prober;
  Background *background; /* of hooks and stops */
  LogRotation *logs;
  ClusterView view;
  NodeFacts node;
  const char *pods_dir; /* of the node's own files of pods */
  const char *logs_dir; /* "/var/log/pods" */
  /* Why POD, which has not begun, may not ("The node had condition: [DiskPressure]. "), *REASON (static) in a word;
   * NULL: it may. The caller frees. */
  char *(*refuses)(const json_t *pod, const char **reason, void *data);
  /* Called at the end of the worker's thread: REMOVED when nothing is left of the pod on this node. */
  void (*ended)(PodWorker *worker, bool removed, void *data);
  void *data;
} PodWorkerHost;

/* Begins to work on POD. IS_STATIC: it is no pod of the API, which only shows a mirror of it (static_pods.h). */
PodWorker *pod_worker_new(const PodWorkerHost *host, Object *pod, bool is_static);
PodWorker *pod_worker_ref(PodWorker *worker);
void pod_worker_unref(PodWorker *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PodWorker, pod_worker_unref)

const char *pod_worker_uid(const PodWorker *worker);
bool pod_worker_is_static(const PodWorker *worker);

/* The newest version of the pod; a new reference. */
Object *pod_worker_pod(PodWorker *worker);

/* The rest may be called from any thread and never blocks for long. */

/* A newer version of the pod; or: it is gone from the API, or, of a static pod, its file says so no more. */
void pod_worker_set_pod(PodWorker *worker, Object *pod);
void pod_worker_set_gone(PodWorker *worker);

/* Something in the runtime changed; a config map, secret or claim changed. */
void pod_worker_wake(PodWorker *worker);
void pod_worker_object_changed(PodWorker *worker, const char *plural, const char *namespace_, const char *name);

/* A probe's verdict, as ProbeReport. */
void pod_worker_report_probe(PodWorker *worker, const char *container_id, ProbeKind kind, bool failed, bool changed,
                             bool healthy, const char *output);

bool pod_worker_has_sandbox(PodWorker *worker, const char *sandbox_id);

/* The id of the present sandbox or of a container's newest attempt; the caller frees. NULL: there is none. *RUNNING
 * (may be NULL) tells whether the container runs. */
char *pod_worker_sandbox(PodWorker *worker);
char *pod_worker_container(PodWorker *worker, const char *name, bool *running);

/* True when the newest attempt has ended and waits to be started again: it is then the previous one to whoever asks. */
bool pod_worker_container_waits(PodWorker *worker, const char *name);

/* Ends the pod, which fails with reason Evicted and MESSAGE, in GRACE_SECONDS at most. DISRUPTED: it did nothing wrong.
 * Once ended it stays so. */
void pod_worker_evict(PodWorker *worker, int64_t grace_seconds, const char *message, bool disrupted);

/* Removes the containers and logs of a pod that is over; waits for that, but not for long. */
void pod_worker_release(PodWorker *worker);

/* Ends the thread and leaves the containers as they are. */
void pod_worker_stop(PodWorker *worker);
