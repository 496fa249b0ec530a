#pragma once
/* Finding the node for a pod: every plugin is asked about nodes until enough will do, and the best of those is taken.
 * Not thread-safe. Source: k8s.io/kubernetes pkg/scheduler/schedule_one.go. */
#include "clusterd/scheduler/plugins/plugin.h"

/* What was found out about a pod. */
typedef struct Placement {
  NodeInfo *node;               /* NULL: none will do */
  char *message;                /* then why: "0/2 nodes are available: 1 Insufficient cpu, …." */
  bool refused_by[PLUGINS_MAX]; /* then by whom */
  GPtrArray *hopeful;           /* then NodeInfo*: pods taken away could help there */
  bool has_no_nodes;
} Placement;

void placement_clear(Placement *placement);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Placement, placement_clear)

/* An attempt to place POD. The caller frees. */
Cycle *cycle_new(ClusterState *state, const SchedulerProfile *profile, PodInfo *pod);
void cycle_free(Cycle *cycle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cycle, cycle_free)

/* Lets the plugins count; false: REFUSAL says why no node will do. */
bool cycle_prepare(Cycle *cycle, Refusal *refusal);

/* Pods came to nodes or went on trial: counts again what that changes. */
void cycle_recount(Cycle *cycle);

/* True when the pod fits on NODE, beside the pods of no lower priority that are promised room there as well. */
bool cycle_fits(Cycle *cycle, NodeInfo *node, Refusal *refusal);

/* Looks for the node, in turns from *START, which moves on. */
void placement_find(Cycle *cycle, unsigned *start, Placement *placement);

/* "N reason, M other" of a table reason → number, the texts in byte order. The caller frees. */
char *reasons_text(GHashTable *reasons);
void reasons_count(GHashTable *reasons, const char *reason, int n);

/* How many of N nodes that will do are enough; PERCENTAGE 0: by their number. */
unsigned placement_enough(unsigned n, int64_t percentage);
