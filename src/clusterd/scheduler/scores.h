#pragma once
/* Which of the nodes that would do is the best: a table of plugins with weights. */
#include "clusterd/scheduler/filters.h"

/* The best of NODES (NodeState*, at least one). */
NodeState *scores_best(const Cycle *cycle, GPtrArray *nodes);
