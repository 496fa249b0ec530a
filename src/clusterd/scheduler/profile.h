#pragma once
/* How one sort of pod is placed: which plugins take part, with which weights and settings. Pods choose a profile by
 * spec.schedulerName. Source: k8s.io/kubernetes pkg/scheduler/apis/config, v1. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define DEFAULT_SCHEDULER_NAME "default-scheduler"

/* In the order in which they are asked. */
typedef enum PluginId {
  PLUGIN_SCHEDULING_GATES,
  PLUGIN_PRIORITY_SORT,
  PLUGIN_NODE_UNSCHEDULABLE,
  PLUGIN_NODE_NAME,
  PLUGIN_TAINT_TOLERATION,
  PLUGIN_NODE_AFFINITY,
  PLUGIN_NODE_PORTS,
  PLUGIN_RESOURCES_FIT,
  PLUGIN_VOLUME_RESTRICTIONS,
  PLUGIN_VOLUME_LIMITS,
  PLUGIN_VOLUME_BINDING,
  PLUGIN_VOLUME_ZONE,
  PLUGIN_TOPOLOGY_SPREAD,
  PLUGIN_POD_AFFINITY,
  PLUGIN_PREEMPTION,
  PLUGIN_BALANCED_ALLOCATION,
  PLUGIN_IMAGE_LOCALITY,
  PLUGIN_BINDER,
  PLUGINS_MAX
} PluginId;

/* Which share of a node's resources is best. */
typedef enum FitStrategy { FIT_LEAST_ALLOCATED, FIT_MOST_ALLOCATED, FIT_RATIO } FitStrategy;

typedef struct WeightedResource {
  const char *name; /* interned */
  int64_t weight;
} WeightedResource;

/* A point of RequestedToCapacityRatio's shape: percent used → score 0..100. */
typedef struct ShapePoint {
  int64_t utilization, score;
} ShapePoint;

typedef struct SchedulerProfile {
  char *name;
  bool filters[PLUGINS_MAX];          /* asked whether a node will do, and at other points than scoring */
  int64_t score_weights[PLUGINS_MAX]; /* 0: not asked how good it is */
  int64_t percentage;                 /* of nodes that must do before the best of them is chosen; 0: by their number */
  FitStrategy strategy;
  GArray *fit_resources;                      /* WeightedResource */
  GArray *shape;                              /* ShapePoint, ascending */
  GArray *balanced_resources;                 /* WeightedResource */
  json_t *ignored_resources, *ignored_groups; /* arrays of names, or NULL */
  bool system_spread;         /* pods without constraints are spread by what upstream takes for granted */
  json_t *spread_constraints; /* else by these; array or NULL */
  int64_t hard_affinity_weight;
  bool ignores_preferred_of_others;
  json_t *added_affinity;                          /* node affinity every pod has besides its own, or NULL */
  int64_t candidates_percentage, candidates_least; /* how many nodes preemption looks at */
  int64_t bind_timeout_seconds;                    /* how long volumes may take */
} SchedulerProfile;

/* Upstream's defaults. The caller frees. */
SchedulerProfile *scheduler_profile_new(const char *name);
void scheduler_profile_free(SchedulerProfile *profile);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SchedulerProfile, scheduler_profile_free)

/* "NodeResourcesFit"; and back: PLUGINS_MAX when there is none of that name. */
const char *plugin_name(PluginId plugin);
PluginId plugin_find(const char *name);
