#pragma once
/* Making room for a pod by ending pods of lower priority.
 * Source: k8s.io/kubernetes pkg/scheduler/framework/preemption. */
#include "clusterd/scheduler/placement.h"

typedef struct Preemption {
  char *node;         /* NULL: it would not help */
  GPtrArray *victims; /* Object*, the most important first */
  char *message;      /* when it would not: why; "0/1 nodes are available: 1 No preemption victims found …." */
  bool not_eligible;  /* the pod may not, or what was promised to it still holds */
} Preemption;

void preemption_clear(Preemption *preemption);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Preemption, preemption_clear)

/* Looks for the node on which the fewest and least important pods must go, from *START on. The state is the same
 * afterwards. */
void preemption_find(Cycle *cycle, const Placement *placement, unsigned *start, Preemption *preemption);
