#pragma once
/* What a daemon set makes and ends next, by node. Pure.
 * Source: k8s.io/kubernetes pkg/controller/daemon podsShouldBeOnNode, rollingUpdate, updateDaemonSetStatus. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/api/object.h"

/* One node and the pods of the set that are on it or meant for it. */
typedef struct DaemonNode {
  const Object *node; /* NULL: pods are there, the node is not */
  bool starts;        /* a pod should be started here */
  bool stays;         /* one that is here may stay */
  GPtrArray *pods;    /* Object*, owned, oldest first */
} DaemonNode;

typedef struct DaemonPlan {
  const json_t *spec; /* of the set */
  const char *hash;   /* the revision label of the present template */
  int64_t now_us;
  GPtrArray *nodes; /* DaemonNode*, owned */
  /* results */
  GPtrArray *needing; /* Object*: nodes that get a pod */
  GPtrArray *doomed;  /* Object*: pods to be deleted */
  GPtrArray *ended;   /* Object*: pods that failed or succeeded, to be deleted when backoff allows */
  int64_t wait_us;    /* when a pod becomes available by age alone; -1: none does */
} DaemonPlan;

/* Whether the pod of a set (of its template, with the tolerations of daemon_set_tolerate) should start on NODE and may
 * stay there. */
void daemon_plan_judge(const json_t *pod, const json_t *node, bool *starts, bool *stays);

/* Makes a plan and fills it: first all nodes, then PODS (Object*), all of the set, which must outlive the plan. Pods
 * that wait for a node that is gone are doomed at once. */
DaemonPlan *daemon_plan_new(const json_t *spec, const char *hash, int64_t now_us);
void daemon_plan_free(DaemonPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DaemonPlan, daemon_plan_free)
void daemon_plan_add_node(DaemonPlan *plan, const Object *node, bool starts, bool stays);
void daemon_plan_add_pods(DaemonPlan *plan, GPtrArray *pods);

/* Every node that should have a pod has one, and no more: surplus, ended and misplaced pods go. */
void daemon_plan_manage(DaemonPlan *plan);

/* RollingUpdate: as many old pods go (or, with a surge, as many new ones come beside them) as the strategy allows now.
 */
void daemon_plan_update(DaemonPlan *plan);

/* Sets the counts of STATUS. */
void daemon_plan_count(DaemonPlan *plan, json_t *status);
