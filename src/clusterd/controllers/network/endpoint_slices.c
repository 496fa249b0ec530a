#include "clusterd/controllers/network/endpoint_slices.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/controllers/network/endpoint_sets.h"
#include "clusterd/controllers/network/trigger_times.h"
#include "clusterd/controllers/pods/owner.h"

#define LABEL_SERVICE "kubernetes.io/service-name"
#define LABEL_MANAGED_BY "endpointslice.kubernetes.io/managed-by"

char **endpoint_slices_index(const Object *object)
{
  const char *service = json_str(json_at(object_json(object), "metadata", "labels", NULL), LABEL_SERVICE, "");
  if (!*service)
    return NULL;
  char **values = g_new0(char *, 2);
  values[0] = g_strconcat(object_namespace(object), "/", service, NULL);
  return values;
}

/* A slice as it should be. */
typedef struct Plan {
  Object *slice; /* borrowed; NULL: to be created */
  const char *address_type;
  const json_t *ports;
  json_t *endpoints; /* owned */
  bool placeholder;  /* wanted without endpoints */
} Plan;

static void plan_clear(void *pointer)
{
  Plan *plan = pointer;
  json_decref(plan->endpoints);
}

static const char *id_of(const json_t *endpoint)
{
  const char *uid = json_str(json_object_get(endpoint, "targetRef"), "uid", NULL);
  return uid ? uid : json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));
}

static json_t *ports_of(const Object *slice)
{
  return json_object_get(object_json(slice), "ports");
}

/* An empty list may be stored as none. */
static bool same_list(const json_t *a, const json_t *b)
{
  return (json_array_size(a) == 0 && json_array_size(b) == 0) || json_same(a, b);
}

/* Moves the endpoints of PENDING (id → endpoint) that SLICE holds already into its plan. */
static void keep_known(Plan *plan, GHashTable *pending, unsigned size_max)
{
  size_t i;
  json_t *known;
  json_array_foreach (json_object_get(object_json(plan->slice), "endpoints"), i, known) {
    json_t *wanted = g_hash_table_lookup(pending, id_of(known));
    if (!wanted || json_array_size(plan->endpoints) >= size_max)
      continue;
    json_array_append(plan->endpoints, wanted);
    g_hash_table_remove(pending, id_of(known));
  }
}

/* A service without endpoints still has one slice, so that those who watch know it was looked at. */
static void plan_placeholder(GArray *plans, GPtrArray *slices, const json_t *group)
{
  Plan plan = { .address_type = json_str(group, "addressType", "IPv4"),
                .ports = json_object_get(group, "ports"),
                .endpoints = json_array(),
                .placeholder = true };
  for (unsigned i = 0; i < slices->len && !plan.slice; i++) {
    Object *slice = g_ptr_array_index(slices, i);
    if (json_array_size(ports_of(slice)) == 0 &&
        strcmp(json_str(object_json(slice), "addressType", ""), plan.address_type) == 0)
      plan.slice = slice;
  }
  g_array_append_val(plans, plan);
}

static void plan_group(GArray *plans, GPtrArray *slices, const json_t *group, unsigned size_max)
{
  const json_t *endpoints = json_object_get(group, "endpoints"), *ports = json_object_get(group, "ports");
  const char *address_type = json_str(group, "addressType", "IPv4");
  if (json_array_size(endpoints) == 0) {
    plan_placeholder(plans, slices, group);
    return;
  }
  g_autoptr(GHashTable) pending = g_hash_table_new(g_str_hash, g_str_equal);
  size_t i;
  json_t *endpoint;
  json_array_foreach (endpoints, i, endpoint)
    g_hash_table_insert(pending, (char *)(uintptr_t)id_of(endpoint), endpoint);
  unsigned first = plans->len;
  for (i = 0; i < slices->len; i++) {
    Object *slice = g_ptr_array_index(slices, i);
    if (!same_list(ports_of(slice), ports) || strcmp(json_str(object_json(slice), "addressType", ""), address_type))
      continue;
    Plan plan = { .slice = slice, .address_type = address_type, .ports = ports, .endpoints = json_array() };
    keep_known(&plan, pending, size_max);
    g_array_append_val(plans, plan);
  }
  unsigned at = first;
  json_array_foreach (endpoints, i, endpoint) {
    if (g_hash_table_lookup(pending, id_of(endpoint)) != endpoint)
      continue;
    while (at < plans->len && json_array_size(g_array_index(plans, Plan, at).endpoints) >= size_max)
      at++;
    if (at == plans->len) {
      Plan plan = { .address_type = address_type, .ports = ports, .endpoints = json_array() };
      g_array_append_val(plans, plan);
    }
    json_array_append(g_array_index(plans, Plan, at).endpoints, endpoint);
  }
}

static json_t *make_labels(const EndpointSlices *context, const Object *owner, const json_t *labels)
{
  json_t *result = labels ? json_deep_copy(labels) : json_object();
  json_object_set_new(result, LABEL_SERVICE, json_string(object_name(owner)));
  json_object_set_new(result, LABEL_MANAGED_BY, json_string(context->managed_by));
  return result;
}

typedef struct SliceChange {
  const EndpointSlices *context;
  const Plan *plan;
  json_t *labels;
} SliceChange;

static bool has_annotations(const EndpointSlices *context, const json_t *slice)
{
  if (!context->annotations)
    return true;
  const json_t *now = json_at(slice, "metadata", "annotations", NULL);
  g_autoptr(json_t) others = now ? json_copy((json_t *)(uintptr_t)now) : json_object();
  json_object_del(others, TRIGGER_TIME_ANNOTATION);
  return json_equal(others, context->annotations);
}

static void set_annotations(const EndpointSlices *context, json_t *slice)
{
  json_t *metadata = json_ensure_object(slice, "metadata", NULL);
  if (json_object_size(context->annotations) > 0)
    json_object_set_new(metadata, "annotations", json_deep_copy(context->annotations));
  else if (context->annotations)
    json_object_del(metadata, "annotations");
}

static bool is_as_wanted(const SliceChange *change, const json_t *slice)
{
  return same_list(json_object_get(slice, "endpoints"), change->plan->endpoints) &&
         json_same(json_at(slice, "metadata", "labels", NULL), change->labels) &&
         has_annotations(change->context, slice);
}

static void set_trigger_time(json_t *slice, const char *time)
{
  json_t *metadata = json_ensure_object(slice, "metadata", NULL);
  if (time)
    json_object_set_new(json_ensure_object(metadata, "annotations", NULL), TRIGGER_TIME_ANNOTATION, json_string(time));
  else
    json_object_del(json_object_get(metadata, "annotations"), TRIGGER_TIME_ANNOTATION);
}

static Object *create_slice(const EndpointSlices *context, const Object *owner, const json_t *labels, const Plan *plan,
                            GError **error)
{
  g_autofree char *prefix = g_strconcat(object_name(owner), "-", NULL);
  g_autoptr(json_t) value =
      json_pack("{s:{s:s, s:o, s:[o]}, s:s, s:O, s:O}", "metadata", "generateName", prefix, "labels",
                make_labels(context, owner, labels), "ownerReferences", owner_reference_new(object_json(owner)),
                "addressType", plan->address_type, "endpoints", plan->endpoints, "ports", plan->ports);
  set_annotations(context, value);
  set_trigger_time(value, context->trigger_time);
  return client_create(context->client, "discovery.k8s.io/v1", "endpointslices", object_namespace(owner), value, error);
}

static bool change_slice(json_t *value, void *data)
{
  const SliceChange *change = data;
  json_t *metadata = json_object_get(value, "metadata");
  if (is_as_wanted(change, value))
    return false;
  json_object_set(value, "endpoints", change->plan->endpoints);
  json_object_set(metadata, "labels", change->labels);
  set_annotations(change->context, value);
  set_trigger_time(value, change->context->trigger_time);
  return true;
}

static bool write_plan(const EndpointSlices *context, const Object *owner, const json_t *labels, const Plan *plan,
                       GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) stored = NULL;
  if (!plan->slice) {
    stored = create_slice(context, owner, labels, plan, &problem);
  } else {
    g_autoptr(json_t) wanted = make_labels(context, owner, labels);
    SliceChange change = { .context = context, .plan = plan, .labels = wanted };
    if (is_as_wanted(&change, object_json(plan->slice)))
      return true;
    stored = client_modify(context->client, "discovery.k8s.io/v1", "endpointslices", object_namespace(owner),
                           object_name(plan->slice), NULL, change_slice, &change, &problem);
  }
  if (stored) {
    informer_wait_revision(context->slices, object_revision(stored));
    return true;
  }
  /* Deleted under our hands, or the namespace goes away. */
  if (reason_is(problem, REASON_NOT_FOUND) || reason_is(problem, REASON_FORBIDDEN))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

static bool delete_slice(const EndpointSlices *context, const Object *slice, GError **error)
{
  g_autoptr(GError) problem = NULL;
  if (client_delete(context->client, "discovery.k8s.io/v1", "endpointslices", object_namespace(slice),
                    object_name(slice), NULL, &problem)) {
    informer_wait_deleted(context->slices, slice);
    return true;
  }
  if (reason_is(problem, REASON_NOT_FOUND))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

static bool is_wanted(const Plan *plan)
{
  return plan->placeholder || json_array_size(plan->endpoints) > 0;
}

static bool is_planned(GArray *plans, const Object *slice)
{
  for (unsigned i = 0; i < plans->len; i++) {
    const Plan *plan = &g_array_index(plans, Plan, i);
    if (plan->slice == slice && is_wanted(plan))
      return true;
  }
  return false;
}

bool endpoint_slices_sync(const EndpointSlices *context, const Object *owner, const json_t *labels,
                          const json_t *groups, GError **error)
{
  g_autofree char *key = informer_key(owner);
  g_autoptr(GPtrArray) slices = informer_by_index(context->slices, ENDPOINT_SLICES_INDEX, key);
  for (unsigned i = slices->len; i-- > 0;) {
    const json_t *slice = object_json(g_ptr_array_index(slices, i));
    const char *manager = json_str(json_at(slice, "metadata", "labels", NULL), LABEL_MANAGED_BY, "");
    if (strcmp(manager, context->managed_by) != 0 || json_at(slice, "metadata", "deletionTimestamp", NULL))
      g_ptr_array_remove_index(slices, i);
  }
  g_autoptr(GArray) plans = g_array_new(FALSE, FALSE, sizeof(Plan));
  g_array_set_clear_func(plans, plan_clear);
  size_t i;
  json_t *group;
  json_array_foreach (groups, i, group)
    plan_group(plans, slices, group, context->size_max ? context->size_max : ENDPOINT_SLICE_SIZE_MAX);
  for (i = 0; i < plans->len; i++) {
    const Plan *plan = &g_array_index(plans, Plan, i);
    if (is_wanted(plan) && !write_plan(context, owner, labels, plan, error))
      return false;
  }
  for (i = 0; i < slices->len; i++)
    if (!is_planned(plans, g_ptr_array_index(slices, i)) && !delete_slice(context, g_ptr_array_index(slices, i), error))
      return false;
  return true;
}
