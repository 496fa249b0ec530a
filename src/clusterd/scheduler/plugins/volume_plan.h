#pragma once
/* Which volumes the claims of a pod get on a node. */
#include "clusterd/scheduler/plugins/plugin.h"

/* A claim that waits for its pod: it gets VOLUME, or one that is made for NODE when VOLUME is NULL. */
typedef struct VolumeChoice {
  Object *claim, *volume;
  int64_t revision; /* of the claim once the node is written into it; 0: not yet */
} VolumeChoice;

/* What is to be written before the pod of CYCLE is bound to NODE, which has passed the filter: VolumeChoice with
 * references, or NULL when nothing is. The caller frees with volume_choices_free. */
GArray *volume_plan_choose(Cycle *cycle, const NodeInfo *node);
void volume_choices_free(GArray *choices);

/* The chosen volumes are taken for other pods (or free again). */
void volume_choices_assume(ClusterState *state, const GArray *choices, bool assume);

/* What became of CHOICES, which are written. */
typedef enum VolumeProgress { VOLUME_WAITS, VOLUME_BOUND, VOLUME_FAILED } VolumeProgress;
VolumeProgress volume_choices_progress(const ClusterState *state, const GArray *choices, const char *node);
