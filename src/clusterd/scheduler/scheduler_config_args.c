/* pluginConfig: the settings of single plugins. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/scheduler/scheduler_config_private.h"

#define WEIGHT_MAX 100
#define SHAPE_SCORE_MAX 10 /* of a configured shape; plugins count to 100 */
#define SKEW_MAX INT32_MAX

static const char *const of_resource[] = { "name", "weight", NULL };

/* Replaces *RESOURCES by what the list MEMBER of VALUE says. */
static void read_resources(ConfigReader *reader, const json_t *value, const char *path, const char *member,
                           GArray *resources, int64_t most)
{
  const json_t *list = config_list(reader, value, path, member);
  if (json_array_size(list) == 0)
    return;
  g_array_set_size(resources, 0);
  size_t i;
  json_t *entry;
  json_array_foreach (list, i, entry) {
    g_autofree char *where = g_strdup_printf("%s.%s[%zu]", path, member, i);
    if (!config_check_object(reader, entry, where, of_resource))
      continue;
    const char *name = json_str(entry, "name", "");
    if (!*name)
      config_problem(reader, where, "name: Required value");
    WeightedResource resource = { .name = g_intern_string(name),
                                  .weight = config_number(reader, entry, where, "weight", 1, most, 1) };
    for (unsigned k = 0; k < resources->len; k++)
      if (g_array_index(resources, WeightedResource, k).name == resource.name)
        config_problem(reader, where, "Duplicate value: \"%s\"", name);
    g_array_append_val(resources, resource);
  }
}

static void read_shape(ConfigReader *reader, const json_t *strategy, const char *path, SchedulerProfile *profile)
{
  static const char *const of_ratio[] = { "shape", NULL };
  static const char *const of_point[] = { "utilization", "score", NULL };
  const json_t *ratio = json_object_get(strategy, "requestedToCapacityRatio");
  g_autofree char *where = g_strconcat(path, ".requestedToCapacityRatio", NULL);
  const json_t *shape =
      ratio && config_check_object(reader, ratio, where, of_ratio) ? config_list(reader, ratio, where, "shape") : NULL;
  if (json_array_size(shape) == 0) {
    config_problem(reader, where, "shape: Required value: at least one point must be specified");
    return;
  }
  size_t i;
  json_t *entry;
  int64_t before = -1;
  json_array_foreach (shape, i, entry) {
    g_autofree char *at = g_strdup_printf("%s.shape[%zu]", where, i);
    if (!config_check_object(reader, entry, at, of_point))
      continue;
    ShapePoint point = { .utilization = config_number(reader, entry, at, "utilization", 0, 100, 0),
                         .score = config_number(reader, entry, at, "score", 0, SHAPE_SCORE_MAX, 0) * 10 };
    if (point.utilization <= before)
      config_problem(reader, at,
                     "Invalid value: %" G_GINT64_FORMAT ": utilization values must be sorted in increasing order",
                     point.utilization);
    before = point.utilization;
    g_array_append_val(profile->shape, point);
  }
}

static const json_t *names_of(ConfigReader *reader, const json_t *args, const char *path, const char *member)
{
  const json_t *list = config_list(reader, args, path, member);
  size_t i;
  json_t *name;
  json_array_foreach (list, i, name)
    if (!json_is_string(name))
      config_problem(reader, path, "%s[%zu]: must be a string", member, i);
  return list;
}

static json_t *kept(const json_t *value)
{
  return value ? json_deep_copy(value) : NULL;
}

static void read_fit(ConfigReader *reader, const json_t *args, const char *path, SchedulerProfile *profile)
{
  static const char *const of_strategy[] = { "type", "resources", "requestedToCapacityRatio", NULL };
  static const char *const types[] = { "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio", NULL };
  profile->ignored_resources = kept(names_of(reader, args, path, "ignoredResources"));
  profile->ignored_groups = kept(names_of(reader, args, path, "ignoredResourceGroups"));
  const json_t *strategy = json_object_get(args, "scoringStrategy");
  g_autofree char *where = g_strconcat(path, ".scoringStrategy", NULL);
  if (!strategy || !config_check_object(reader, strategy, where, of_strategy))
    return;
  profile->strategy = config_choice(reader, strategy, where, "type", types, FIT_LEAST_ALLOCATED);
  read_resources(reader, strategy, where, "resources", profile->fit_resources, WEIGHT_MAX);
  if (profile->strategy == FIT_RATIO)
    read_shape(reader, strategy, where, profile);
}

static void read_balanced(ConfigReader *reader, const json_t *args, const char *path, SchedulerProfile *profile)
{
  read_resources(reader, args, path, "resources", profile->balanced_resources, 1);
}

static void check_constraint(ConfigReader *reader, const json_t *constraint, const char *where)
{
  static const char *const members[] = {
    "maxSkew",        "topologyKey", "whenUnsatisfiable", "minDomains", "nodeAffinityPolicy", "nodeTaintsPolicy",
    "matchLabelKeys", NULL
  };
  static const char *const whens[] = { "DoNotSchedule", "ScheduleAnyway", NULL };
  if (json_object_get(constraint, "labelSelector")) {
    config_problem(reader, where,
                   "labelSelector: Forbidden: constraint must not define a selector, as they deduced for each pod");
    return;
  }
  if (!config_check_object(reader, constraint, where, members))
    return;
  config_number(reader, constraint, where, "maxSkew", 1, SKEW_MAX, 1);
  if (!json_object_get(constraint, "maxSkew"))
    config_problem(reader, where, "maxSkew: Required value");
  if (!*json_str(constraint, "topologyKey", ""))
    config_problem(reader, where, "topologyKey: Required value: can not be empty");
  if (!json_object_get(constraint, "whenUnsatisfiable"))
    config_problem(reader, where, "whenUnsatisfiable: Required value");
  config_choice(reader, constraint, where, "whenUnsatisfiable", whens, 0);
}

static void read_spread(ConfigReader *reader, const json_t *args, const char *path, SchedulerProfile *profile)
{
  static const char *const types[] = { "System", "List", NULL };
  const json_t *constraints = config_list(reader, args, path, "defaultConstraints");
  profile->system_spread = config_choice(reader, args, path, "defaultingType", types, 0) == 0;
  if (profile->system_spread && json_array_size(constraints) > 0)
    config_problem(reader, path, "defaultingType: Invalid value: \"System\": when .defaultConstraints are specified");
  size_t i;
  json_t *constraint;
  json_array_foreach (constraints, i, constraint) {
    g_autofree char *where = g_strdup_printf("%s.defaultConstraints[%zu]", path, i);
    check_constraint(reader, constraint, where);
  }
  if (!profile->system_spread) {
    json_decref(profile->spread_constraints);
    profile->spread_constraints = kept(constraints);
  }
}

static void read_affinity(ConfigReader *reader, const json_t *args, const char *path, SchedulerProfile *profile)
{
  profile->hard_affinity_weight =
      config_number(reader, args, path, "hardPodAffinityWeight", 0, 100, profile->hard_affinity_weight);
  profile->ignores_preferred_of_others = config_flag(reader, args, path, "ignorePreferredTermsOfExistingPods", false);
}

static void read_node_affinity(ConfigReader *reader, const json_t *args, const char *path, SchedulerProfile *profile)
{
  static const char *const members[] = { "requiredDuringSchedulingIgnoredDuringExecution",
                                         "preferredDuringSchedulingIgnoredDuringExecution", NULL };
  const json_t *added = json_object_get(args, "addedAffinity");
  g_autofree char *where = g_strconcat(path, ".addedAffinity", NULL);
  if (added && config_check_object(reader, added, where, members))
    profile->added_affinity = kept(added);
}

static void read_preemption(ConfigReader *reader, const json_t *args, const char *path, SchedulerProfile *profile)
{
  profile->candidates_percentage =
      config_number(reader, args, path, "minCandidateNodesPercentage", 0, 100, profile->candidates_percentage);
  profile->candidates_least =
      config_number(reader, args, path, "minCandidateNodesAbsolute", 0, INT32_MAX, profile->candidates_least);
  if (profile->candidates_percentage == 0 && profile->candidates_least == 0)
    config_problem(reader, path, "minCandidateNodesPercentage and minCandidateNodesAbsolute must not both be 0");
}

static void read_volumes(ConfigReader *reader, const json_t *args, const char *path, SchedulerProfile *profile)
{
  profile->bind_timeout_seconds =
      config_number(reader, args, path, "bindTimeoutSeconds", 0, INT32_MAX, profile->bind_timeout_seconds);
}

static const struct {
  PluginId plugin;
  const char *members[8]; /* besides apiVersion and kind */
  void (*read)(ConfigReader *reader, const json_t *args, const char *path, SchedulerProfile *profile);
} sorts[] = {
  { PLUGIN_RESOURCES_FIT,
    { "apiVersion", "kind", "ignoredResources", "ignoredResourceGroups", "scoringStrategy" },
    read_fit },
  { PLUGIN_BALANCED_ALLOCATION, { "apiVersion", "kind", "resources" }, read_balanced },
  { PLUGIN_TOPOLOGY_SPREAD, { "apiVersion", "kind", "defaultConstraints", "defaultingType" }, read_spread },
  { PLUGIN_POD_AFFINITY,
    { "apiVersion", "kind", "hardPodAffinityWeight", "ignorePreferredTermsOfExistingPods" },
    read_affinity },
  { PLUGIN_NODE_AFFINITY, { "apiVersion", "kind", "addedAffinity" }, read_node_affinity },
  { PLUGIN_PREEMPTION,
    { "apiVersion", "kind", "minCandidateNodesPercentage", "minCandidateNodesAbsolute" },
    read_preemption },
  { PLUGIN_VOLUME_BINDING, { "apiVersion", "kind", "bindTimeoutSeconds" }, read_volumes },
};

void config_read_args(ConfigReader *reader, const json_t *entry, const char *path, SchedulerProfile *profile)
{
  static const char *const members[] = { "name", "args", NULL };
  if (!config_check_object(reader, entry, path, members))
    return;
  const char *name = json_str(entry, "name", "");
  const json_t *args = json_object_get(entry, "args");
  PluginId plugin = plugin_find(name);
  for (size_t i = 0; i < G_N_ELEMENTS(sorts); i++) {
    if (sorts[i].plugin != plugin)
      continue;
    g_autofree char *where = g_strconcat(path, ".args", NULL), *kind = g_strconcat(name, "Args", NULL);
    if (!args || !config_check_object(reader, args, where, sorts[i].members))
      return;
    if (strcmp(json_str(args, "kind", kind), kind) != 0)
      config_problem(reader, where, "kind: Invalid value: \"%s\": must be %s", json_str(args, "kind", ""), kind);
    sorts[i].read(reader, args, where, profile);
    return;
  }
  config_problem(reader, path, "Invalid value: \"%s\": there is no plugin of that name with settings", name);
}
