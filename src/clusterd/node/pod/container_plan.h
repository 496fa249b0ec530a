#pragma once
/* Everything the runtime must be told to create one container of a pod. */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/node/cluster_view.h"
#include "clusterd/node/pod/pod_state.h"
#include "clusterd/node/volumes/volumes.h"

typedef struct PlanContext {
  const PodState *state;
  const ClusterView *view;
  const NodeFacts *node;
  const PodVolumes *volumes;
  const char *pod_dir;      /* the node's own files of the pod: hosts, resolv.conf, termination logs */
  const char *log_dir;      /* /var/log/pods/NS_NAME_UID */
  bool recursive_read_only; /* the runtime can make what is mounted below a volume read-only */
} PlanContext;

typedef struct ContainerPlan {
  ContainerSpec spec; /* points into the rest, and into the pod's state */
  char **command, **args, **env;
  GArray *mounts;     /* ContainerMount */
  GArray *devices;    /* ContainerDevice */
  GPtrArray *strings; /* what the mounts point to */
  char *log_path, *termination_path;
  GPtrArray *skipped_env; /* char*: names from envFrom that are no variable names */
} ContainerPlan;

/* Makes the files the container needs and the plan for its next attempt. IMAGE is what the image says. NULL with
 * REASON_INVALID (CreateContainerConfigError) or REASON_FILE. */
ContainerPlan *container_plan_new(const PlanContext *context, const ContainerRecord *record, const ImageStatus *image,
                                  GError **error);
void container_plan_free(ContainerPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ContainerPlan, container_plan_free)

/* Where attempt N of a container writes its termination message on the node, and its log. The caller frees. */
char *container_plan_termination_path(const char *pod_dir, const char *container, unsigned attempt);
char *container_plan_log_path(const char *log_dir, const char *container, unsigned attempt);
