#pragma once
/* Shared by pod_worker.c, pod_sync.c, pod_container.c, pod_stop.c and pod_evict.c alone. */
#include "clusterd/node/pod/container_plan.h"
#include "clusterd/node/pod/pod_state.h"
#include "clusterd/node/pod/pod_worker.h"
#include "clusterd/node/volumes/volumes.h"

typedef struct ProbeVerdict {
  char *container_id;
  ProbeKind kind;
  bool healthy;
} ProbeVerdict;

struct PodWorker {
  const PodWorkerHost *host;
  gint refs;
  char *namespace_, *name, *uid, *dir, *log_dir;
  bool is_static;

  GMutex lock; /* guards what follows up to `state` */
  GCond wake;
  Object *latest;
  bool gone, dirty, stopping, volumes_dirty;
  GPtrArray *verdicts;   /* ProbeVerdict*, not yet looked at */
  GHashTable *published; /* container name → id of the newest attempt */
  GHashTable *running;   /* set of container names */
  GHashTable *waiting;   /* names of those that have ended and will be started again */
  GPtrArray *sandboxes;  /* char*, ids by attempt; the last is the present one */
  GHashTable *ending;    /* set of ids of containers that a thread is stopping */
  char *evict_message;   /* the pod is to be evicted; NULL: it is not, or that was taken up */
  int64_t evict_grace;   /* seconds it gets for that at most */
  bool evict_disrupted;
  bool release;   /* what is left of the pod's containers is to go */
  GCond released; /* that is no longer so */

  /* The worker thread's own. */
  PodState state;
  char *end_message;   /* owned; what the state's message may be */
  int64_t grace_limit; /* seconds every stop may take at most; -1: what the pod says */
  PodVolumes *volumes;
  bool volumes_ready, finished;
  bool has_files; /* the sandbox's files under /etc are there */
  unsigned volume_failures, sandbox_failures;
  int64_t volume_retry_us, sandbox_retry_us; /* wall clock; 0: at once */
  int64_t stop_grace;                        /* seconds the running stops were given; -1: none began */
  int64_t next_wake_us;                      /* wall clock */
};

/* Makes the worker look again at TIME_US (wall clock) at the latest. */
void pod_worker_wake_at(PodWorker *worker, int64_t time_us);

/* Records an event about the pod, or about CONTAINER (a record; may be NULL). */
void pod_worker_event(PodWorker *worker, const ContainerRecord *record, const char *type, const char *reason,
                      const char *format, ...) G_GNUC_PRINTF(5, 6);

/* Asks the runtime about the sandbox and the containers. False when it does not say: then nothing has changed. */
bool pod_worker_observe(PodWorker *worker);

/* Writes the pod's status where it differs. False when the API could not be written. */
bool pod_worker_write_status(PodWorker *worker);

/* Seconds the pod may take to end. */
int64_t pod_worker_grace(const PodWorker *worker);

/* pod_evict.c: takes up an eviction that was asked for. */
void pod_evict_take(PodWorker *worker);
/* Refuses a pod that may not begin now. */
void pod_evict_admit(PodWorker *worker);
/* Does what pod_worker_release asked for, if the pod is over. */
void pod_evict_release(PodWorker *worker);

/* pod_sync.c: brings a pod that should run a step further. */
void pod_sync(PodWorker *worker);
/* Whether a container that has ended is to run again. */
bool pod_sync_restarts(const PodWorker *worker, const ContainerRecord *record);

/* pod_container.c: starts the next attempt of a container, as far as image, configuration and back-off allow. */
void pod_container_start(PodWorker *worker, ContainerRecord *record);
/* A container has begun to run: its hook, and its probes; whatever they do not say yet is taken for good. */
void pod_container_begin(PodWorker *worker, ContainerRecord *record, bool with_hook);
/* Begins the probes of a running container that are due to begin. */
void pod_container_watch(PodWorker *worker, ContainerRecord *record);

/* pod_stop.c: stops everything that runs, sidecars last. True when nothing runs any more. */
bool pod_stop_all(PodWorker *worker, int64_t grace_seconds);
/* Stops one running container in the background. */
void pod_stop_container(PodWorker *worker, ContainerRecord *record, int64_t grace_seconds);
/* Takes a pod that is deleted, or gone, off the node. True when nothing is left of it. */
bool pod_stop_remove(PodWorker *worker, bool gone);
