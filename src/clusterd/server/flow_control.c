#include "clusterd/server/flow_control.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/server/registry/registry_private.h"

#define GROUP "flowcontrol.apiserver.k8s.io"
#define ACCOUNT_PREFIX "system:serviceaccount:"

/* Lives as long as a request counts in it, whatever becomes of its object. */
struct FlowLevel {
  gatomicrefcount references;
  char *uid;
  _Atomic int under_way;
  _Atomic int limit; /* -1: none */
};

typedef struct FlowSchema {
  char *name, *uid;
  int64_t precedence;
  json_t *rules; /* spec.rules */
  FlowLevel *level;
} FlowSchema;

/* What the objects said when it was made: never changed. */
typedef struct Snapshot {
  gatomicrefcount references;
  GPtrArray *schemas; /* FlowSchema*, in the order they are tried */
} Snapshot;

struct FlowControl {
  Registry *registry;
  unsigned seats;
  _Atomic bool stale;
  GMutex lock;
  Snapshot *snapshot; /* under the lock */
  GHashTable *levels; /* name → FlowLevel*; under the lock */
};

/* --- levels and schemas --------------------------------------------------------------------------------------------
 */

static FlowLevel *level_ref(FlowLevel *level)
{
  g_atomic_ref_count_inc(&level->references);
  return level;
}

static void level_unref(void *data)
{
  FlowLevel *level = data;
  if (!level || !g_atomic_ref_count_dec(&level->references))
    return;
  g_free(level->uid);
  g_free(level);
}

static void flow_schema_free(void *data)
{
  FlowSchema *schema = data;
  level_unref(schema->level);
  json_decref(schema->rules);
  g_free(schema->name);
  g_free(schema->uid);
  g_free(schema);
}

static void snapshot_unref(Snapshot *snapshot)
{
  if (!snapshot || !g_atomic_ref_count_dec(&snapshot->references))
    return;
  g_ptr_array_unref(snapshot->schemas);
  g_free(snapshot);
}

static int compare_schemas(gconstpointer a, gconstpointer b)
{
  const FlowSchema *first = *(const FlowSchema *const *)a, *second = *(const FlowSchema *const *)b;
  if (first->precedence != second->precedence)
    return first->precedence < second->precedence ? -1 : 1;
  return strcmp(first->name, second->name);
}

static bool collect(Object *object, void *objects)
{
  g_ptr_array_add(objects, object_ref(object));
  return false;
}

static GPtrArray *objects_of(const FlowControl *control, const char *plural)
{
  GPtrArray *objects = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  const ApiKind *kind = api_scheme_resource(registry_scheme(control->registry), GROUP, "v1", plural);
  if (kind)
    registry_visit(control->registry, kind, NULL, collect, objects);
  return objects;
}

static const json_t *limited_of(const Object *level)
{
  const json_t *spec = json_object_get(object_json(level), "spec");
  return g_str_equal(json_str(spec, "type", ""), "Limited") ? json_object_get(spec, "limited") : NULL;
}

static int64_t shares_of(const Object *level)
{
  const json_t *limited = limited_of(level);
  return limited ? json_int(limited, "nominalConcurrencyShares", 0) : 0;
}

/* Seats by share, rounded up, and room in the queues. */
static int limit_of(const FlowControl *control, const Object *level, int64_t all_shares)
{
  const json_t *limited = limited_of(level), *queuing = json_at(limited, "limitResponse", "queuing", NULL);
  if (!limited)
    return -1;
  double limit = all_shares ? ceil((double)control->seats * (double)shares_of(level) / (double)all_shares) : 0;
  limit += (double)json_int(queuing, "queues", 0) * (double)json_int(queuing, "queueLengthLimit", 0);
  return (int)MIN(limit, G_MAXINT);
}

/* With the lock held. Who counts in a level that stays goes on counting there. */
static void update_levels(FlowControl *control)
{
  g_autoptr(GPtrArray) objects = objects_of(control, "prioritylevelconfigurations");
  GHashTable *levels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, level_unref);
  int64_t all_shares = 0;
  for (guint i = 0; i < objects->len; i++)
    all_shares += shares_of(objects->pdata[i]);
  for (guint i = 0; i < objects->len; i++) {
    const Object *object = objects->pdata[i];
    FlowLevel *level = g_hash_table_lookup(control->levels, object_name(object));
    if (level && g_str_equal(level->uid, object_uid(object))) {
      level_ref(level);
    } else {
      level = g_new0(FlowLevel, 1);
      g_atomic_ref_count_init(&level->references);
      level->uid = g_strdup(object_uid(object));
    }
    level->limit = limit_of(control, object, all_shares);
    g_hash_table_insert(levels, g_strdup(object_name(object)), level);
  }
  g_hash_table_unref(control->levels);
  control->levels = levels;
}

/* With the lock held. A schema whose level is not there matches nothing. */
static Snapshot *snapshot_build(FlowControl *control)
{
  update_levels(control);
  g_autoptr(GPtrArray) objects = objects_of(control, "flowschemas");
  Snapshot *snapshot = g_new0(Snapshot, 1);
  g_atomic_ref_count_init(&snapshot->references);
  snapshot->schemas = g_ptr_array_new_with_free_func(flow_schema_free);
  for (guint i = 0; i < objects->len; i++) {
    const Object *object = objects->pdata[i];
    const json_t *spec = json_object_get(object_json(object), "spec");
    const json_t *reference = json_object_get(spec, "priorityLevelConfiguration");
    FlowLevel *level = g_hash_table_lookup(control->levels, json_str(reference, "name", ""));
    if (!level)
      continue;
    FlowSchema *schema = g_new(FlowSchema, 1);
    *schema = (FlowSchema){ g_strdup(object_name(object)), g_strdup(object_uid(object)),
                            json_int(spec, "matchingPrecedence", 0), json_incref(json_object_get(spec, "rules")),
                            level_ref(level) };
    g_ptr_array_add(snapshot->schemas, schema);
  }
  g_ptr_array_sort(snapshot->schemas, compare_schemas);
  return snapshot;
}

static Snapshot *snapshot_get(FlowControl *control)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&control->lock);
  /* the mark goes first: a change during the build makes the next request build again */
  if (control->stale) {
    control->stale = false;
    snapshot_unref(control->snapshot);
    control->snapshot = snapshot_build(control);
  }
  g_atomic_ref_count_inc(&control->snapshot->references);
  return control->snapshot;
}

static void mark_stale(Object *old, Object *object, void *data)
{
  FlowControl *control = data;
  control->stale = true;
}

FlowControl *flow_control_new(Registry *registry, unsigned seats)
{
  FlowControl *control = g_new0(FlowControl, 1);
  control->registry = registry;
  control->seats = seats;
  control->stale = true;
  control->levels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, level_unref);
  g_mutex_init(&control->lock);
  registry_observe(registry, GROUP, "flowschemas", mark_stale, control);
  registry_observe(registry, GROUP, "prioritylevelconfigurations", mark_stale, control);
  return control;
}

void flow_control_free(FlowControl *control)
{
  if (!control)
    return;
  registry_unobserve(control->registry, control);
  snapshot_unref(control->snapshot);
  g_hash_table_unref(control->levels);
  g_mutex_clear(&control->lock);
  g_free(control);
}

/* --- which schema --------------------------------------------------------------------------------------------------
 */

static bool lists(const json_t *list, const char *text)
{
  size_t i;
  json_t *item;
  json_array_foreach (list, i, item) {
    const char *name = json_string_value(item);
    if (name && (g_str_equal(name, "*") || g_str_equal(name, text)))
      return true;
  }
  return false;
}

static bool named(const json_t *subject, const char *member, const char *name)
{
  const char *wanted = json_str(json_object_get(subject, member), "name", "");
  return g_str_equal(wanted, "*") || g_str_equal(wanted, name);
}

static bool is_account(const json_t *subject, const char *user)
{
  const char *namespace_ = json_str(json_object_get(subject, "serviceAccount"), "namespace", "");
  gsize length = strlen(namespace_);
  if (!g_str_has_prefix(user, ACCOUNT_PREFIX))
    return false;
  const char *rest = user + strlen(ACCOUNT_PREFIX);
  return strncmp(rest, namespace_, length) == 0 && rest[length] == ':' &&
         named(subject, "serviceAccount", rest + length + 1);
}

static bool matches_subject(const json_t *subject, const Identity *identity)
{
  const char *kind = json_str(subject, "kind", "");
  if (g_str_equal(kind, "User"))
    return named(subject, "user", identity->name);
  if (g_str_equal(kind, "ServiceAccount"))
    return is_account(subject, identity->name);
  for (char **group = identity->groups; group && *group; group++)
    if (named(subject, "group", *group))
      return true;
  return false;
}

static bool matches_resource(const json_t *rule, const RequestInfo *info)
{
  g_autofree char *joined = info->subresource ? g_strconcat(info->resource, "/", info->subresource, NULL) : NULL;
  bool scoped = info->namespace_ && *info->namespace_;
  return lists(json_object_get(rule, "verbs"), info->verb) && lists(json_object_get(rule, "apiGroups"), info->group) &&
         lists(json_object_get(rule, "resources"), joined ? joined : info->resource) &&
         (scoped ? lists(json_object_get(rule, "namespaces"), info->namespace_)
                 : json_flag(rule, "clusterScope", false));
}

static bool matches_path(const json_t *rule, const RequestInfo *info, const char *path)
{
  size_t i;
  json_t *item;
  if (!lists(json_object_get(rule, "verbs"), info->verb))
    return false;
  json_array_foreach (json_object_get(rule, "nonResourceURLs"), i, item) {
    const char *url = json_string_value(item);
    gsize length = url ? strlen(url) : 0;
    if (length == 0)
      continue;
    if (g_str_equal(url, path) || (url[length - 1] == '*' && strncmp(url, path, length - 1) == 0))
      return true;
  }
  return false;
}

static bool matches(const json_t *rule, const Identity *identity, const RequestInfo *info, const char *path)
{
  size_t i;
  json_t *item;
  bool by_subject = false;
  json_array_foreach (json_object_get(rule, "subjects"), i, item)
    by_subject = by_subject || matches_subject(item, identity);
  if (!by_subject)
    return false;
  json_array_foreach (json_object_get(rule, info->is_resource ? "resourceRules" : "nonResourceRules"), i, item)
    if (info->is_resource ? matches_resource(item, info) : matches_path(item, info, path))
      return true;
  return false;
}

static const FlowSchema *find_schema(const Snapshot *snapshot, const Identity *identity, const RequestInfo *info,
                                     const char *path)
{
  for (guint i = 0; i < snapshot->schemas->len; i++) {
    const FlowSchema *schema = snapshot->schemas->pdata[i];
    size_t j;
    json_t *rule;
    json_array_foreach (schema->rules, j, rule)
      if (matches(rule, identity, info, path))
        return schema;
  }
  return NULL;
}

/* --- counting ------------------------------------------------------------------------------------------------------
 */

static bool enter(FlowLevel *level)
{
  int limit = level->limit;
  if (level->under_way++ < limit || limit < 0)
    return true;
  level->under_way--;
  return false;
}

bool flow_control_begin(FlowControl *control, const Identity *identity, const RequestInfo *info, const char *path,
                        FlowTicket *ticket)
{
  Snapshot *snapshot = snapshot_get(control);
  const FlowSchema *schema = find_schema(snapshot, identity, info, path);
  bool enters = !schema || enter(schema->level);
  if (schema) {
    ticket->schema_uid = g_strdup(schema->uid);
    ticket->level_uid = g_strdup(schema->level->uid);
    ticket->level = enters ? level_ref(schema->level) : NULL;
  }
  snapshot_unref(snapshot);
  return enters;
}

void flow_control_end(FlowTicket *ticket)
{
  if (ticket->level)
    ticket->level->under_way--;
  g_clear_pointer(&ticket->level, level_unref);
  g_clear_pointer(&ticket->schema_uid, g_free);
  g_clear_pointer(&ticket->level_uid, g_free);
}
