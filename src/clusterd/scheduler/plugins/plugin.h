#pragma once
/* What takes part in placing a pod: a table of plugins, asked in turn. Names, order and texts are upstream's.
 * Source: k8s.io/kubernetes pkg/scheduler/framework/plugins. */
#include "clusterd/scheduler/cluster_state.h"
#include "clusterd/scheduler/profile.h"

#define SCORE_MAX 100
#define REASONS_MAX 16 /* texts of one refusal; more are left out */

typedef struct SpreadCount SpreadCount;
typedef struct AffinityCount AffinityCount;
typedef struct VolumePlan VolumePlan;

/* One attempt to place one pod. What plugins count first, over the whole cluster, hangs here. */
typedef struct Cycle {
  ClusterState *state;
  const SchedulerProfile *profile;
  PodInfo *pod;
  bool skips[PLUGINS_MAX]; /* the plugin has nothing to say about any node */
  GPtrArray *only;         /* NodeInfo*: no other node will do; NULL: any may */
  GStringChunk *texts;
  SpreadCount *spread;
  AffinityCount *affinity;
  VolumePlan *volumes;
} Cycle;

/* Why a node (or, before any is looked at, every node) will not do. */
typedef struct Refusal {
  bool final; /* taking pods away would not help */
  PluginId plugin;
  unsigned n_reasons;
  const char *reasons[REASONS_MAX]; /* borrowed from the cycle */
} Refusal;

/* How raw scores become 0..SCORE_MAX. */
typedef enum Normalize { NORMALIZE_NOT, NORMALIZE_BY_MOST, NORMALIZE_REVERSED, NORMALIZE_OWN } Normalize;

typedef struct Plugin {
  /* Counts what FILTER needs; false: no node will do, REFUSAL says why. May set cycle->skips and cycle->only. Called
   * again when pods were taken away or added on trial. */
  bool (*pre_filter)(Cycle *cycle, Refusal *refusal);
  /* Whether the pod can be on NODE; REFUSAL gets the reasons. */
  bool (*filter)(Cycle *cycle, const NodeInfo *node, Refusal *refusal);
  /* Counts what SCORE needs for NODES; false: all are equally good. */
  bool (*pre_score)(Cycle *cycle, GPtrArray *nodes);
  int64_t (*score)(Cycle *cycle, const NodeInfo *node);
  Normalize normalize;
  void (*normalize_own)(Cycle *cycle, GPtrArray *nodes, int64_t *scores);
} Plugin;

extern const Plugin node_unschedulable_plugin, node_name_plugin, taint_toleration_plugin, node_affinity_plugin,
    node_ports_plugin, resources_fit_plugin, volume_restrictions_plugin, volume_limits_plugin, volume_binding_plugin,
    volume_zone_plugin, topology_spread_plugin, pod_affinity_plugin, balanced_allocation_plugin, image_locality_plugin;

/* Adds a reason to REFUSAL and returns false. The text is copied into the cycle. */
bool cycle_refuse(Cycle *cycle, Refusal *refusal, bool final, const char *format, ...) G_GNUC_PRINTF(4, 5);

/* The value of the pod of CYCLE. */
const json_t *cycle_pod(const Cycle *cycle);

void spread_count_free(SpreadCount *count, ClusterState *state);
void affinity_count_free(AffinityCount *count);
void volume_plan_free(VolumePlan *plan);

/* For each domain of TOPOLOGY the sum of PER_SLOT over NODES. The caller frees. */
int32_t *topology_sums(const Topology *topology, const int32_t *per_slot, const GPtrArray *nodes);

/* The domain of NODE; -1: none. */
int32_t topology_domain(const Topology *topology, const NodeInfo *node);
