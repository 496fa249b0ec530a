#pragma once
/* The scheduler's parts: notices (scheduler.c), what they change (follow.c), placing (scheduler.c), writing bindings
 * (binding.c) and what is said of pods that fit nowhere (report.c). */
#include "clusterd/client/recorder.h"
#include "clusterd/scheduler/cluster_event.h"
#include "clusterd/scheduler/plugins/volume_plan.h"
#include "clusterd/scheduler/pod_queue.h"
#include "clusterd/scheduler/preemption.h"
#include "clusterd/scheduler/scheduler.h"

/* A pod on its way to its node. Between its steps the scheduler's thread owns it, else one of the binders. */
typedef struct Binding {
  Object *pod;
  char *node;
  char *scheduler_name;
  GArray *volumes; /* VolumeChoice to be written first; NULL: none */
  bool volumes_written;
  int64_t deadline_us; /* for the volumes; 0: not yet set */
  int64_t timeout_us;
  GError *error;
} Binding;

typedef enum NoticeType {
  NOTICE_CHANGE,  /* an object came, changed or went */
  NOTICE_VOLUMES, /* a binding's volumes are written, or binding->error is set */
  NOTICE_BOUND,   /* a binding is written, or binding->error is set */
} NoticeType;

typedef struct Notice {
  NoticeType type;
  SchedulerKind kind;
  Object *old, *now; /* of a change; references */
  Binding *binding;
} Notice;

struct Scheduler {
  Client *client;
  SchedulerConfig *config;
  Informer *informers[SCHEDULER_KINDS];
  GPtrArray *followed;   /* what the handlers are given */
  GHashTable *recorders; /* name of a scheduler → Recorder* */
  GPtrArray *clients;    /* theirs */
  GThread *thread;
  GThreadPool *binders;  /* Binding* */
  GThreadPool *reporter; /* Report*; one thread, so that what is said of a pod stays in order */

  GMutex lock; /* guards what follows */
  GCond arrived;
  GQueue notices; /* Notice* */
  bool stopping;

  /* The scheduler's thread alone uses the rest. */
  ClusterState *state;
  PodQueue *queue;
  GHashTable *waiting; /* uid → Binding* whose volumes are not bound yet */
  bool is_seeded;
  unsigned next_node, next_candidate;
};

/* Leaves NOTICE for the scheduler's thread, which frees it. Thread-safe. */
void scheduler_notify(Scheduler *scheduler, Notice notice);

/* Wakes pods that EVENT may help. */
void scheduler_wake(Scheduler *scheduler, const ClusterEvent *event);

Recorder *scheduler_recorder(const Scheduler *scheduler, const char *scheduler_name);

/* follow.c: the handlers, and what a change means. */
void follow_start(Scheduler *scheduler, InformerSet *informers);
void follow_seed(Scheduler *scheduler); /* everything there is, before the first change */
void follow_change(Scheduler *scheduler, SchedulerKind kind, Object *old, Object *now);

/* binding.c: INFO goes to NODE, its volumes first. */
void binding_begin(Scheduler *scheduler, Cycle *cycle, NodeInfo *node);
void binding_write(void *binding, void *scheduler);               /* of the pool of binders */
void binding_note(Scheduler *scheduler, const Notice *notice);    /* a step is done; takes the binding over */
void binding_check_volumes(Scheduler *scheduler, int64_t now_us); /* claims changed, or time has passed */
int64_t binding_next_deadline(const Scheduler *scheduler);        /* 0: none */
void binding_free(Binding *binding);

/* report.c: why a pod was not placed: an event, its condition; who must go for it. PREEMPTION may be NULL. */
void report_refusal(Scheduler *scheduler, const PodInfo *pod, const char *message, const Preemption *preemption);
void report_failure(Scheduler *scheduler, const Object *pod, const char *message);
void report_write(void *report, void *scheduler); /* of the reporter */
