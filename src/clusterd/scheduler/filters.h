#pragma once
/* Whether a pod can run on a node: a table of plugins, each a function and nothing more. Order and texts are
 * upstream's. Source: k8s.io/kubernetes pkg/scheduler/framework/plugins. */
#include "clusterd/client/informer.h"
#include "clusterd/scheduler/cluster_state.h"
#include "clusterd/scheduler/pod_terms.h"

/* One attempt to place one pod. */
typedef struct Cycle {
  const ClusterState *state;
  const PodInfo *pod;
  PodTerms *terms; /* its rules about other pods, counted over the cluster; NULL while there are none */
} Cycle;

/* Why a node will not do. */
typedef struct Refusal {
  GPtrArray *reasons; /* char* */
  bool final;         /* taking pods away would not help */
} Refusal;

/* True when the pod of CYCLE fits on NODE; else REFUSAL (may be NULL) gets the reasons of the first plugin that
 * refuses. */
bool filters_pass(const Cycle *cycle, const NodeState *node, Refusal *refusal);
