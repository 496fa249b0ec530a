#include "clusterd/server/flow/flow_control.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/server/flow/flow_private.h"
#include "clusterd/server/registry/registry_private.h"

#define GROUP "flowcontrol.apiserver.k8s.io"

typedef struct FlowSchema {
  char *name, *uid;
  int64_t precedence;
  json_t *rules;              /* spec.rules */
  bool by_user, by_namespace; /* what tells its flows apart */
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
  FlowLevels *levels;
  GHashTable *by_name; /* name → FlowLevel*; under the lock */
};

/* --- levels and schemas --------------------------------------------------------------------------------------------
 */

static void flow_schema_free(void *data)
{
  FlowSchema *schema = data;
  flow_level_unref(schema->level);
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

static unsigned percent_of(unsigned seats, const json_t *limited, const char *member, int64_t unset)
{
  int64_t percent = json_int(limited, member, unset);
  return percent < 0 ? G_MAXUINT : (unsigned)round((double)seats * (double)percent / 100);
}

/* Seats by share, rounded up. */
static FlowLimits limits_of(const FlowControl *control, const Object *level, int64_t all_shares)
{
  const json_t *limited = limited_of(level), *queuing = json_at(limited, "limitResponse", "queuing", NULL);
  if (!limited)
    return (FlowLimits){ .exempt = true };
  double share = all_shares ? ceil((double)control->seats * (double)shares_of(level) / (double)all_shares) : 0;
  unsigned nominal = (unsigned)share;
  return (FlowLimits){ .nominal = nominal,
                       .lendable = percent_of(nominal, limited, "lendablePercent", 0),
                       .borrowing = percent_of(nominal, limited, "borrowingLimitPercent", -1),
                       .queues = (unsigned)json_int(queuing, "queues", 0),
                       .hand = (unsigned)json_int(queuing, "handSize", 0),
                       .per_queue = (unsigned)json_int(queuing, "queueLengthLimit", 0) };
}

/* With the lock held. Who counts in a level that stays goes on counting there. */
static void update_levels(FlowControl *control)
{
  g_autoptr(GPtrArray) objects = objects_of(control, "prioritylevelconfigurations");
  GHashTable *by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)flow_level_unref);
  GPtrArray *levels = g_ptr_array_new_with_free_func((GDestroyNotify)flow_level_unref);
  g_autofree FlowLimits *limits = g_new(FlowLimits, objects->len + 1);
  int64_t all_shares = 0;
  for (guint i = 0; i < objects->len; i++)
    all_shares += shares_of(objects->pdata[i]);
  for (guint i = 0; i < objects->len; i++) {
    const Object *object = objects->pdata[i];
    FlowLevel *level = g_hash_table_lookup(control->by_name, object_name(object));
    if (level && g_str_equal(level->uid, object_uid(object)))
      flow_level_ref(level);
    else
      level = flow_level_new(control->levels, object_name(object), object_uid(object));
    limits[i] = limits_of(control, object, all_shares);
    g_ptr_array_add(levels, flow_level_ref(level));
    g_hash_table_insert(by_name, g_strdup(object_name(object)), level);
  }
  g_hash_table_unref(control->by_name);
  control->by_name = by_name;
  flow_levels_set(control->levels, levels, limits);
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
    FlowLevel *level = g_hash_table_lookup(control->by_name, json_str(reference, "name", ""));
    if (!level)
      continue;
    const char *method = json_str(json_object_get(spec, "distinguisherMethod"), "type", "");
    FlowSchema *schema = g_new(FlowSchema, 1);
    *schema = (FlowSchema){ .name = g_strdup(object_name(object)),
                            .uid = g_strdup(object_uid(object)),
                            .precedence = json_int(spec, "matchingPrecedence", 0),
                            .rules = json_incref(json_object_get(spec, "rules")),
                            .by_user = g_str_equal(method, "ByUser"),
                            .by_namespace = g_str_equal(method, "ByNamespace"),
                            .level = flow_level_ref(level) };
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

FlowControl *flow_control_new(Registry *registry, unsigned seats, gint64 wait_us)
{
  FlowControl *control = g_new0(FlowControl, 1);
  control->registry = registry;
  control->seats = seats;
  control->stale = true;
  control->levels = flow_levels_new(wait_us);
  control->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)flow_level_unref);
  g_mutex_init(&control->lock);
  registry_observe(registry, GROUP, "flowschemas", mark_stale, control);
  registry_observe(registry, GROUP, "prioritylevelconfigurations", mark_stale, control);
  return control;
}

void flow_control_close(FlowControl *control)
{
  flow_levels_close(control->levels);
}

void flow_control_free(FlowControl *control)
{
  if (!control)
    return;
  flow_control_close(control);
  registry_unobserve(control->registry, control);
  snapshot_unref(control->snapshot);
  g_hash_table_unref(control->by_name);
  flow_levels_free(control->levels);
  g_mutex_clear(&control->lock);
  g_free(control);
}

/* --- which schema --------------------------------------------------------------------------------------------------
 */

static const FlowSchema *find_schema(const Snapshot *snapshot, const Identity *identity, const RequestInfo *info,
                                     const char *path)
{
  for (guint i = 0; i < snapshot->schemas->len; i++) {
    const FlowSchema *schema = snapshot->schemas->pdata[i];
    size_t j;
    json_t *rule;
    json_array_foreach (schema->rules, j, rule)
      if (flow_rule_matches(rule, identity, info, path))
        return schema;
  }
  return NULL;
}

/* --- requests ------------------------------------------------------------------------------------------------------
 */

FlowVerdict flow_control_begin(FlowControl *control, const Identity *identity, const RequestInfo *info,
                               const char *path, FlowTicket *ticket)
{
  Snapshot *snapshot = snapshot_get(control);
  const FlowSchema *schema = find_schema(snapshot, identity, info, path);
  FlowVerdict verdict = FLOW_RUNS;
  if (schema) {
    const char *namespace_ = info->namespace_ ? info->namespace_ : "";
    ticket->schema_uid = g_strdup(schema->uid);
    ticket->level_uid = g_strdup(schema->level->uid);
    ticket->level = flow_level_ref(schema->level);
    verdict = flow_level_enter(ticket, schema->name,
                               schema->by_user        ? identity->name
                               : schema->by_namespace ? namespace_
                                                      : "");
    if (verdict == FLOW_REFUSED)
      g_clear_pointer(&ticket->level, flow_level_unref);
  }
  snapshot_unref(snapshot);
  return verdict;
}

void flow_control_end(FlowTicket *ticket)
{
  if (ticket->level && ticket->seated)
    flow_level_leave(ticket);
  g_clear_pointer(&ticket->level, flow_level_unref);
  g_clear_pointer(&ticket->schema_uid, g_free);
  g_clear_pointer(&ticket->level_uid, g_free);
}

void flow_control_append_metrics(FlowControl *control, GString *text)
{
  snapshot_unref(snapshot_get(control)); /* what the objects say now */
  flow_levels_append_metrics(control->levels, text);
}
