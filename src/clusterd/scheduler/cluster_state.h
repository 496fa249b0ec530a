#pragma once
/* What the scheduler knows of the cluster: nodes, the pods on them (also those it has placed whose binding is not
 * stored yet), and what rules look up. Kept up to date change by change; placing a pod costs the same whatever the
 * number of pods. One thread owns it, so what it sees does not change while it decides. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/scheduler/object_table.h"
#include "clusterd/scheduler/pod_info.h"

/* The kinds the scheduler follows. */
typedef enum SchedulerKind {
  SCHEDULER_NODES,
  SCHEDULER_PODS,
  SCHEDULER_NAMESPACES,
  SCHEDULER_CLAIMS,
  SCHEDULER_VOLUMES,
  SCHEDULER_CLASSES,
  SCHEDULER_CSI_NODES,
  SCHEDULER_SERVICES,
  SCHEDULER_CONTROLLERS, /* ReplicationControllers */
  SCHEDULER_REPLICA_SETS,
  SCHEDULER_STATEFUL_SETS,
  SCHEDULER_BUDGETS, /* PodDisruptionBudgets */
  SCHEDULER_KINDS
} SchedulerKind;

struct NodeInfo {
  unsigned slot; /* its place in the tally's arrays */
  char *name;
  Object *node; /* NULL while only pods are known */
  Resources allocatable, requested;
  int64_t usual_cpu, usual_memory;
  GHashTable *pods;     /* uid → PodInfo*, one reference each */
  GArray *ports;        /* HostPort in use */
  GHashTable *images;   /* name → size (int64_t*) */
  GPtrArray *nominated; /* PodInfo* that are promised room here, borrowed */
  bool has_hard_taints, has_soft_taints, unschedulable;
};

/* What is new of a node. */
typedef enum NodeChange {
  NODE_CHANGE_NONE = 0,
  NODE_CHANGE_ADDED = 1 << 0,
  NODE_CHANGE_ALLOCATABLE = 1 << 1,
  NODE_CHANGE_LABELS = 1 << 2,
  NODE_CHANGE_TAINTS = 1 << 3, /* or spec.unschedulable */
  NODE_CHANGE_IMAGES = 1 << 4,
} NodeChange;

#define TERMS_RECENT 1024

typedef struct ClusterState {
  Tally *tally;
  ObjectTable tables[SCHEDULER_KINDS]; /* those of nodes and pods stay empty */
  GHashTable *nodes;                   /* name → NodeInfo* */
  GHashTable *pods;                    /* uid → PodInfo*, borrowed: what counts on a node */
  GHashTable *claims_used;             /* "namespace/name" → number of pods on nodes that use the claim */
  GHashTable *images;                  /* name → number of nodes that have it */
  GHashTable *nominations;             /* uid → Nomination* */
  GHashTable *assumed_volumes;         /* name of a volume → "namespace/name" of the claim it was chosen for */
  GPtrArray *present;                  /* NodeInfo* whose node exists, zone by zone in turns; cluster_state_nodes */
  bool is_order_old;
  Term *recent[TERMS_RECENT]; /* terms no pod holds that the next pod of its sort asks for again; NULL: none */
  unsigned next_recent;
  GArray *free_slots; /* unsigned */
  unsigned n_slots;
} ClusterState;

ClusterState *cluster_state_new(void);
void cluster_state_free(ClusterState *state);

/* The nodes there are, those of different zones in turns. Borrowed until a node comes or goes. */
GPtrArray *cluster_state_nodes(ClusterState *state);
NodeInfo *cluster_state_node(const ClusterState *state, const char *name);

NodeChange cluster_state_set_node(ClusterState *state, Object *node);
void cluster_state_remove_node(ClusterState *state, const char *name);

/* An object of one of the other kinds. */
void cluster_state_set_object(ClusterState *state, SchedulerKind kind, Object *object);
void cluster_state_remove_object(ClusterState *state, SchedulerKind kind, const Object *object);

/* Counts INFO (a reference is taken) on the node NAME, in the place of what was known of the pod. */
void cluster_state_add_pod(ClusterState *state, PodInfo *info, const char *name);
void cluster_state_remove_pod(ClusterState *state, const char *uid);

/* INFO (a reference is taken) is promised room on the node NAME; NULL: no more. */
void cluster_state_nominate(ClusterState *state, PodInfo *info, const char *name);
const char *cluster_state_nomination(const ClusterState *state, const char *uid);

/* Gives back TERM, a reference from the tally. It is kept for a while: to count anew what it selects costs more. */
void cluster_state_retire(ClusterState *state, Term *term);

/* The labels of NODE; borrowed, NULL: none. */
const json_t *node_info_labels(const NodeInfo *node);
