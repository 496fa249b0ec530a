#pragma once
/*
 * The scheduler: one thread that takes pods without a node in order of priority and age, finds the best node, and
 * binds. What it knows of nodes and pods is kept up to date by informers; a pod it has placed counts at once, before
 * the binding is stored. Pods that fit nowhere wait until something changes.
 */
#include <glib.h>

#include "clusterd/client/informer.h"

typedef struct Scheduler Scheduler;

/* Hooks the scheduler to INFORMERS, which must not be started yet; it begins to work when they are. Both must outlive
 * it. */
Scheduler *scheduler_start(Registry *registry, InformerSet *informers);

/* Ends the threads and frees. INFORMERS must have been stopped before. */
void scheduler_stop(Scheduler *scheduler);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scheduler, scheduler_stop)
