#pragma once
/* What the scheduler knows of nodes and the pods on them, kept up to date change by change, so that placing a pod costs
 * the same whatever the number of pods. Not thread-safe: the scheduler's lock guards it. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/api/object.h"
#include "clusterd/scheduler/resources.h"

typedef struct NodeState NodeState;

typedef struct PodInfo {
  Object *object;
  NodeState *node; /* where it is; NULL while it is placed */
  Resources request;
  int64_t usual_cpu, usual_memory; /* as requested, or what such a pod is taken to use when it says nothing */
  int64_t priority;
  bool has_anti_affinity; /* required terms */
} PodInfo;

struct NodeState {
  char *name;
  Object *node; /* NULL while only pods are known */
  Resources allocatable, requested;
  int64_t usual_cpu, usual_memory;
  GHashTable *pods;   /* uid → PodInfo*, owned */
  GHashTable *owners; /* uid of the controller → number of its pods here */
};

typedef struct ClusterState {
  GHashTable *nodes;       /* name → NodeState* */
  GPtrArray *present;      /* NodeState* whose node exists, borrowed */
  GHashTable *pods;        /* uid → PodInfo*, borrowed */
  GHashTable *anti_affine; /* set of PodInfo* with required anti-affinity, borrowed */
} ClusterState;

ClusterState *cluster_state_new(void);
void cluster_state_free(ClusterState *state);

void cluster_state_set_node(ClusterState *state, Object *node);
void cluster_state_remove_node(ClusterState *state, const char *name);

/* Puts POD on the node NAME in the place of what was known of it. */
void cluster_state_set_pod(ClusterState *state, Object *pod, const char *name);
void cluster_state_remove_pod(ClusterState *state, const char *uid);

/* A pod that is on no node yet. The caller frees. */
PodInfo *pod_info_new(Object *pod);
void pod_info_free(PodInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PodInfo, pod_info_free)
