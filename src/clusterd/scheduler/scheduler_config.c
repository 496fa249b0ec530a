#include "clusterd/scheduler/scheduler_config_private.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/yaml.h"

#define API_VERSION "kubescheduler.config.k8s.io/v1"
#define KIND "KubeSchedulerConfiguration"
#define FILE_MAX (1u << 20)
#define NAME_MAX_LENGTH 253
#define BACKOFF_FIRST_SECONDS 1
#define BACKOFF_MOST_SECONDS 10
#define SECONDS_MAX 86400

/* --- parts ------------------------------------------------------------------------------------------------------ */

void config_problem(ConfigReader *reader, const char *path, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_ptr_array_add(reader->problems, g_strdup_printf("%s: %s", path, text));
}

bool config_check_object(ConfigReader *reader, const json_t *value, const char *path, const char *const *allowed)
{
  if (!json_is_object(value)) {
    config_problem(reader, path, "must be an object");
    return false;
  }
  const char *member;
  json_t *item;
  json_object_foreach ((json_t *)(uintptr_t)value, member, item) {
    if (g_strv_contains(allowed, member))
      continue;
    g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)allowed);
    config_problem(reader, path, "unknown field \"%s\"; there are %s", member, all);
  }
  return true;
}

static char *child(const char *path, const char *member)
{
  return *path ? g_strconcat(path, ".", member, NULL) : g_strdup(member);
}

int64_t config_number(ConfigReader *reader, const json_t *value, const char *path, const char *member, int64_t least,
                      int64_t most, int64_t fallback)
{
  const json_t *number = json_object_get(value, member);
  if (!number || json_is_null(number))
    return fallback;
  if (json_is_integer(number) && json_integer_value(number) >= least && json_integer_value(number) <= most)
    return json_integer_value(number);
  g_autofree char *where = child(path, member), *text = json_text(number);
  config_problem(reader, where, "Invalid value: %s: must be a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                 text, least, most);
  return fallback;
}

bool config_flag(ConfigReader *reader, const json_t *value, const char *path, const char *member, bool fallback)
{
  const json_t *flag = json_object_get(value, member);
  if (!flag || json_is_null(flag) || json_is_boolean(flag))
    return flag && json_is_boolean(flag) ? json_is_true(flag) : fallback;
  g_autofree char *where = child(path, member), *text = json_text(flag);
  config_problem(reader, where, "Invalid value: %s: must be true or false", text);
  return fallback;
}

const json_t *config_list(ConfigReader *reader, const json_t *value, const char *path, const char *member)
{
  const json_t *list = json_object_get(value, member);
  if (!list || json_is_null(list))
    return NULL;
  if (json_is_array(list) && json_array_size(list) <= CONFIG_ITEMS_MAX)
    return list;
  g_autofree char *where = child(path, member);
  config_problem(reader, where, "must be a list of at most %d items", CONFIG_ITEMS_MAX);
  return NULL;
}

unsigned config_choice(ConfigReader *reader, const json_t *value, const char *path, const char *member,
                       const char *const *choices, unsigned fallback)
{
  const json_t *choice = json_object_get(value, member);
  if (!choice || json_is_null(choice))
    return fallback;
  for (unsigned i = 0; json_is_string(choice) && choices[i]; i++)
    if (strcmp(choices[i], json_string_value(choice)) == 0)
      return i;
  g_autofree char *where = child(path, member), *text = json_text(choice),
                  *all = g_strjoinv("\", \"", (char **)(uintptr_t)choices);
  config_problem(reader, where, "Unsupported value: %s: supported values: \"%s\"", text, all);
  return fallback;
}

/* --- plugins of a profile --------------------------------------------------------------------------------------- */

typedef enum Point { POINT_ALL, POINT_FILTER, POINT_SCORE, POINT_POST_FILTER, POINT_OTHER } Point;

static const struct {
  const char *name;
  Point point;
} points[] = { { "multiPoint", POINT_ALL },         { "filter", POINT_FILTER },   { "score", POINT_SCORE },
               { "postFilter", POINT_POST_FILTER }, { "queueSort", POINT_OTHER }, { "preEnqueue", POINT_OTHER },
               { "preFilter", POINT_OTHER },        { "preScore", POINT_OTHER },  { "reserve", POINT_OTHER },
               { "permit", POINT_OTHER },           { "preBind", POINT_OTHER },   { "bind", POINT_OTHER },
               { "postBind", POINT_OTHER } };

static const int64_t *default_weights(void)
{
  static gsize once;
  static int64_t weights[PLUGINS_MAX];
  if (g_once_init_enter(&once)) {
    g_autoptr(SchedulerProfile) defaults = scheduler_profile_new("");
    memcpy(weights, defaults->score_weights, sizeof weights);
    g_once_init_leave(&once, 1);
  }
  return weights;
}

static void set_plugin(SchedulerProfile *profile, Point point, unsigned plugin, bool enabled, int64_t weight)
{
  bool scores = default_weights()[plugin] > 0;
  if (point == POINT_ALL || point == POINT_FILTER || (point == POINT_POST_FILTER && plugin == PLUGIN_PREEMPTION))
    profile->filters[plugin] = enabled;
  if (scores && (point == POINT_ALL || point == POINT_SCORE))
    profile->score_weights[plugin] = enabled ? (weight ? weight : MAX(default_weights()[plugin], 1)) : 0;
}

/* The plugin NAME of an entry; PLUGINS_MAX: there is none, which is said. */
static unsigned find_plugin(ConfigReader *reader, const json_t *entry, const char *path)
{
  const char *name = json_str(entry, "name", "");
  unsigned plugin = plugin_find(name);
  if (plugin == PLUGINS_MAX)
    config_problem(reader, path, "Invalid value: \"%s\": there is no such plugin", name);
  return plugin;
}

static void read_set(ConfigReader *reader, const json_t *set, const char *path, Point point, SchedulerProfile *profile)
{
  static const char *const members[] = { "enabled", "disabled", NULL };
  static const char *const of_entry[] = { "name", "weight", NULL };
  size_t i;
  json_t *entry;
  if (!config_check_object(reader, set, path, members))
    return;
  json_array_foreach (config_list(reader, set, path, "disabled"), i, entry) {
    g_autofree char *where = g_strdup_printf("%s.disabled[%zu]", path, i);
    if (!config_check_object(reader, entry, where, of_entry))
      continue;
    bool all = strcmp(json_str(entry, "name", ""), "*") == 0;
    unsigned plugin = all ? 0 : find_plugin(reader, entry, where), end = all ? PLUGINS_MAX : plugin + 1;
    for (; plugin < end && plugin < PLUGINS_MAX; plugin++)
      set_plugin(profile, point, plugin, false, 0);
  }
  json_array_foreach (config_list(reader, set, path, "enabled"), i, entry) {
    g_autofree char *where = g_strdup_printf("%s.enabled[%zu]", path, i);
    if (!config_check_object(reader, entry, where, of_entry))
      continue;
    unsigned plugin = find_plugin(reader, entry, where);
    int64_t weight = config_number(reader, entry, where, "weight", 0, 1000000, 0);
    if (plugin < PLUGINS_MAX)
      set_plugin(profile, point, plugin, true, weight);
  }
}

static void read_plugins(ConfigReader *reader, const json_t *plugins, const char *path, SchedulerProfile *profile)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (size_t i = 0; i < G_N_ELEMENTS(points); i++)
    g_ptr_array_add(names, (char *)(uintptr_t)points[i].name);
  g_ptr_array_add(names, NULL);
  if (!config_check_object(reader, plugins, path, (const char *const *)names->pdata))
    return;
  /* multiPoint comes first: what a point says by itself goes before it. */
  for (size_t i = 0; i < G_N_ELEMENTS(points); i++) {
    const json_t *set = json_object_get(plugins, points[i].name);
    g_autofree char *where = g_strdup_printf("%s.%s", path, points[i].name);
    if (set)
      read_set(reader, set, where, points[i].point, profile);
  }
}

/* --- profiles --------------------------------------------------------------------------------------------------- */

static void add_profile(ConfigReader *reader, SchedulerConfig *config, const json_t *value, const char *path,
                        int64_t percentage)
{
  static const char *const members[] = { "schedulerName", "percentageOfNodesToScore", "plugins", "pluginConfig", NULL };
  if (!config_check_object(reader, value, path, members))
    return;
  const json_t *name = json_object_get(value, "schedulerName");
  g_autofree char *where = child(path, "schedulerName");
  if (name && (!json_is_string(name) || json_string_length(name) == 0 || json_string_length(name) > NAME_MAX_LENGTH))
    config_problem(reader, where, "must be a name of 1 to %d characters", NAME_MAX_LENGTH);
  SchedulerProfile *profile = scheduler_profile_new(json_str(value, "schedulerName", DEFAULT_SCHEDULER_NAME));
  if (scheduler_config_find(config, profile->name))
    config_problem(reader, where, "Duplicate value: \"%s\"", profile->name);
  g_ptr_array_add(config->profiles, profile);
  profile->percentage = config_number(reader, value, path, "percentageOfNodesToScore", 0, 100, percentage);
  const json_t *plugins = json_object_get(value, "plugins");
  g_autofree char *plugins_path = child(path, "plugins");
  if (plugins)
    read_plugins(reader, plugins, plugins_path, profile);
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  size_t i;
  json_t *entry;
  json_array_foreach (config_list(reader, value, path, "pluginConfig"), i, entry) {
    g_autofree char *at = g_strdup_printf("%s.pluginConfig[%zu]", path, i);
    if (!g_hash_table_add(seen, (char *)(uintptr_t)json_str(entry, "name", "")))
      config_problem(reader, at, "Duplicate value: \"%s\"", json_str(entry, "name", ""));
    config_read_args(reader, entry, at, profile);
  }
}

static void read_profiles(ConfigReader *reader, SchedulerConfig *config, const json_t *value)
{
  int64_t percentage = config_number(reader, value, "", "percentageOfNodesToScore", 0, 100, 0);
  const json_t *profiles = config_list(reader, value, "", "profiles");
  g_ptr_array_set_size(config->profiles, 0);
  if (json_array_size(profiles) > PROFILES_MAX)
    config_problem(reader, "profiles", "Too many: must have at most %d items", PROFILES_MAX);
  size_t i;
  json_t *profile;
  json_array_foreach (profiles, i, profile) {
    g_autofree char *path = g_strdup_printf("profiles[%zu]", i);
    add_profile(reader, config, profile, path, percentage);
  }
  if (config->profiles->len > 0)
    return;
  SchedulerProfile *only = scheduler_profile_new(DEFAULT_SCHEDULER_NAME);
  only->percentage = percentage;
  g_ptr_array_add(config->profiles, only);
}

/* --- whole ------------------------------------------------------------------------------------------------------ */

static void free_profile(void *profile)
{
  scheduler_profile_free(profile);
}

SchedulerConfig *scheduler_config_new(void)
{
  SchedulerConfig *config = g_new0(SchedulerConfig, 1);
  config->profiles = g_ptr_array_new_with_free_func(free_profile);
  g_ptr_array_add(config->profiles, scheduler_profile_new(DEFAULT_SCHEDULER_NAME));
  config->backoff_first_us = BACKOFF_FIRST_SECONDS * G_USEC_PER_SEC;
  config->backoff_most_us = BACKOFF_MOST_SECONDS * G_USEC_PER_SEC;
  return config;
}

void scheduler_config_free(SchedulerConfig *config)
{
  if (!config)
    return;
  g_ptr_array_unref(config->profiles);
  g_free(config);
}

const SchedulerProfile *scheduler_config_find(const SchedulerConfig *config, const char *scheduler_name)
{
  for (unsigned i = 0; i < config->profiles->len; i++) {
    const SchedulerProfile *profile = g_ptr_array_index(config->profiles, i);
    if (strcmp(profile->name, scheduler_name) == 0)
      return profile;
  }
  return NULL;
}

static void read_backoff(ConfigReader *reader, SchedulerConfig *config, const json_t *value)
{
  int64_t first = config_number(reader, value, "", "podInitialBackoffSeconds", 1, SECONDS_MAX, BACKOFF_FIRST_SECONDS);
  int64_t most = config_number(reader, value, "", "podMaxBackoffSeconds", 1, SECONDS_MAX, BACKOFF_MOST_SECONDS);
  if (most < first)
    config_problem(reader, "podMaxBackoffSeconds",
                   "Invalid value: %" G_GINT64_FORMAT ": must not be less than podInitialBackoffSeconds", most);
  config->backoff_first_us = first * G_USEC_PER_SEC;
  config->backoff_most_us = most * G_USEC_PER_SEC;
}

/* Members that are about a process of its own say nothing here: clusterd serves, elects and connects by itself. */
static void read_whole(ConfigReader *reader, SchedulerConfig *config, const json_t *value)
{
  static const char *const members[] = { "apiVersion",
                                         "kind",
                                         "parallelism",
                                         "leaderElection",
                                         "clientConnection",
                                         "enableProfiling",
                                         "enableContentionProfiling",
                                         "percentageOfNodesToScore",
                                         "podInitialBackoffSeconds",
                                         "podMaxBackoffSeconds",
                                         "profiles",
                                         "extenders",
                                         "delayCacheUntilActive",
                                         NULL };
  if (!json_is_object(value)) {
    config_problem(reader, "document", "must be a " KIND);
    return;
  }
  config_check_object(reader, value, "document", members);
  if (strcmp(json_str(value, "apiVersion", ""), API_VERSION) != 0)
    config_problem(reader, "apiVersion", "Unsupported value: \"%s\": must be " API_VERSION,
                   json_str(value, "apiVersion", ""));
  if (strcmp(json_str(value, "kind", ""), KIND) != 0)
    config_problem(reader, "kind", "Unsupported value: \"%s\": must be " KIND, json_str(value, "kind", ""));
  if (json_array_size(json_object_get(value, "extenders")) > 0)
    config_problem(reader, "extenders", "Forbidden: this scheduler asks no other programs");
  config_number(reader, value, "", "parallelism", 1, INT32_MAX, 16);
  read_backoff(reader, config, value);
  read_profiles(reader, config, value);
}

SchedulerConfig *scheduler_config_from_json(const json_t *value, GError **error)
{
  g_autoptr(SchedulerConfig) config = scheduler_config_new();
  g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
  ConfigReader reader = { .problems = problems };
  read_whole(&reader, config, value);
  if (problems->len == 0)
    return g_steal_pointer(&config);
  g_ptr_array_add(problems, NULL);
  g_autofree char *all = g_strjoinv("\n", (char **)problems->pdata);
  reason_set(error, REASON_CONFIG, "%s", all);
  return NULL;
}

SchedulerConfig *scheduler_config_read(const char *path, GError **error)
{
  g_autoptr(GBytes) bytes = file_read(path, FILE_MAX, error);
  if (!bytes)
    return NULL;
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) value = yaml_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &problem);
  SchedulerConfig *config = value ? scheduler_config_from_json(value, &problem) : NULL;
  if (!config)
    reason_set(error, REASON_CONFIG, "scheduler configuration %s: %s", path, problem->message);
  return config;
}
