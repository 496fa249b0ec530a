#include "clusterd/scheduler/profile.h"

#include <string.h>

#include "base/json.h"

#define HARD_AFFINITY_WEIGHT 1
#define CANDIDATES_PERCENTAGE 10
#define CANDIDATES_LEAST 100
#define BIND_TIMEOUT_SECONDS 600

static const char system_constraints[] =
    "[{\"maxSkew\":3,\"topologyKey\":\"kubernetes.io/hostname\",\"whenUnsatisfiable\":\"ScheduleAnyway\"},"
    "{\"maxSkew\":5,\"topologyKey\":\"topology.kubernetes.io/zone\",\"whenUnsatisfiable\":\"ScheduleAnyway\"}]";

static const struct {
  const char *name;
  int64_t weight; /* 0: does not score */
} plugins[PLUGINS_MAX] = {
  [PLUGIN_SCHEDULING_GATES] = { "SchedulingGates", 0 },
  [PLUGIN_PRIORITY_SORT] = { "PrioritySort", 0 },
  [PLUGIN_NODE_UNSCHEDULABLE] = { "NodeUnschedulable", 0 },
  [PLUGIN_NODE_NAME] = { "NodeName", 0 },
  [PLUGIN_TAINT_TOLERATION] = { "TaintToleration", 3 },
  [PLUGIN_NODE_AFFINITY] = { "NodeAffinity", 2 },
  [PLUGIN_NODE_PORTS] = { "NodePorts", 0 },
  [PLUGIN_RESOURCES_FIT] = { "NodeResourcesFit", 1 },
  [PLUGIN_VOLUME_RESTRICTIONS] = { "VolumeRestrictions", 0 },
  [PLUGIN_VOLUME_LIMITS] = { "NodeVolumeLimits", 0 },
  [PLUGIN_VOLUME_BINDING] = { "VolumeBinding", 0 },
  [PLUGIN_VOLUME_ZONE] = { "VolumeZone", 0 },
  [PLUGIN_TOPOLOGY_SPREAD] = { "PodTopologySpread", 2 },
  [PLUGIN_POD_AFFINITY] = { "InterPodAffinity", 2 },
  [PLUGIN_PREEMPTION] = { "DefaultPreemption", 0 },
  [PLUGIN_BALANCED_ALLOCATION] = { "NodeResourcesBalancedAllocation", 1 },
  [PLUGIN_IMAGE_LOCALITY] = { "ImageLocality", 1 },
  [PLUGIN_BINDER] = { "DefaultBinder", 0 },
};

const char *plugin_name(PluginId plugin)
{
  return plugins[plugin].name;
}

PluginId plugin_find(const char *name)
{
  unsigned plugin = 0;
  while (plugin < PLUGINS_MAX && strcmp(plugins[plugin].name, name) != 0)
    plugin++;
  return plugin;
}

static GArray *cpu_and_memory(void)
{
  const WeightedResource both[] = { { g_intern_static_string("cpu"), 1 }, { g_intern_static_string("memory"), 1 } };
  GArray *resources = g_array_new(FALSE, FALSE, sizeof(WeightedResource));
  g_array_append_vals(resources, both, G_N_ELEMENTS(both));
  return resources;
}

SchedulerProfile *scheduler_profile_new(const char *name)
{
  SchedulerProfile *profile = g_new0(SchedulerProfile, 1);
  profile->name = g_strdup(name);
  for (unsigned i = 0; i < PLUGINS_MAX; i++) {
    profile->filters[i] = true;
    profile->score_weights[i] = plugins[i].weight;
  }
  profile->fit_resources = cpu_and_memory();
  profile->balanced_resources = cpu_and_memory();
  profile->shape = g_array_new(FALSE, FALSE, sizeof(ShapePoint));
  profile->system_spread = true;
  profile->spread_constraints = json_parse(system_constraints, sizeof system_constraints - 1, true, NULL);
  profile->hard_affinity_weight = HARD_AFFINITY_WEIGHT;
  profile->candidates_percentage = CANDIDATES_PERCENTAGE;
  profile->candidates_least = CANDIDATES_LEAST;
  profile->bind_timeout_seconds = BIND_TIMEOUT_SECONDS;
  return profile;
}

void scheduler_profile_free(SchedulerProfile *profile)
{
  if (!profile)
    return;
  g_free(profile->name);
  g_array_unref(profile->fit_resources);
  g_array_unref(profile->balanced_resources);
  g_array_unref(profile->shape);
  json_decref(profile->ignored_resources);
  json_decref(profile->ignored_groups);
  json_decref(profile->spread_constraints);
  json_decref(profile->added_affinity);
  g_free(profile);
}
