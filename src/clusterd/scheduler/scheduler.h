#pragma once
/*
 * The scheduler. One thread owns what is known of the cluster (cluster_state.h): informers and the threads that write
 * leave notices for it, and it takes them before it places the next pod. So a pod is placed on one consistent picture,
 * nobody waits for a lock meanwhile, and a pod that is placed counts at once, before its binding is stored. Pods that
 * fit nowhere wait until something happens that may help them.
 */
#include <glib.h>

#include "clusterd/client/informer.h"
#include "clusterd/scheduler/scheduler_config.h"

typedef struct Scheduler Scheduler;

/* Hooks the scheduler to INFORMERS, which must not be started yet; it begins to work when they are. Both must outlive
 * it. CONFIG is taken over; NULL: the defaults. */
Scheduler *scheduler_start(Registry *registry, InformerSet *informers, SchedulerConfig *config);

/* Ends the threads and frees. INFORMERS must have been stopped before. */
void scheduler_stop(Scheduler *scheduler);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scheduler, scheduler_stop)
