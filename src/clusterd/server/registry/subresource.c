/* Writes to subresources: each changes its own part of the object and nothing else. */
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry/eviction.h"
#include "clusterd/server/registry/scale.h"
#include "clusterd/server/registry/write.h"

static void take(json_t *target, const json_t *source, const char *member)
{
  json_t *value = json_object_get(source, member);
  if (value)
    json_object_set(target, member, value);
  else
    json_object_del(target, member);
}

/* status: status comes from the client, and annotations; labels where the kind's strategy lets them; all else stays. Of
 * custom resources status alone. */
static json_t *merge_status(const Write *write, const json_t *input, GError **error)
{
  g_autoptr(json_t) prepared = write_prepare(write, input, error);
  if (!prepared)
    return NULL;
  json_t *merged = json_deep_copy(object_json(write->old));
  take(merged, prepared, "status");
  const json_t *given = json_object_get(prepared, "metadata");
  json_t *metadata = json_object_get(merged, "metadata");
  if (json_is_array(json_object_get(given, "managedFields")))
    take(metadata, given, "managedFields");
  if (write->storage->custom)
    return merged;
  take(metadata, given, "annotations");
  if (write->storage->strategy && write->storage->strategy->prepare_update)
    take(metadata, given, "labels");
  return merged;
}

static json_t *merge_scale(const Write *write, const json_t *input, GError **error)
{
  return scale_apply(write->storage, object_json(write->old), input, error);
}

/* finalize: a namespace's spec.finalizers. */
static json_t *merge_finalize(const Write *write, const json_t *input, GError **error)
{
  json_t *merged = json_deep_copy(object_json(write->old));
  take(json_ensure_object(merged, "spec", NULL), json_object_get(input, "spec"), "finalizers");
  return merged;
}

/* approval: the conditions of a certificate signing request. */
static json_t *merge_approval(const Write *write, const json_t *input, GError **error)
{
  json_t *merged = json_deep_copy(object_json(write->old));
  take(json_ensure_object(merged, "status", NULL), json_object_get(input, "status"), "conditions");
  return merged;
}

/* ephemeralcontainers: more of them; those that are there stay as they are. */
static json_t *merge_ephemeral(const Write *write, const json_t *input, GError **error)
{
  g_autoptr(json_t) prepared = write_prepare(write, input, error);
  if (!prepared)
    return NULL;
  const json_t *before = json_at(object_json(write->old), "spec", "ephemeralContainers", NULL);
  const json_t *after = json_at(prepared, "spec", "ephemeralContainers", NULL);
  for (size_t i = 0; i < json_array_size(before); i++) {
    if (json_equal(json_array_get(before, i), json_array_get(after, i)))
      continue;
    api_error_invalid(error, "Pod", "", write->target->name, "FieldValueForbidden", "spec.ephemeralContainers",
                      "existing ephemeral containers \"%s\" may not be changed",
                      json_str(json_array_get(before, i), "name", ""));
    return NULL;
  }
  json_t *merged = json_deep_copy(object_json(write->old));
  take(json_object_get(merged, "spec"), json_object_get(prepared, "spec"), "ephemeralContainers");
  return merged;
}

typedef struct SubresourceRow {
  const char *name;
  json_t *(*merge)(const Write *write, const json_t *input, GError **error);
} SubresourceRow;

static const SubresourceRow rows[] = {
  { "status", merge_status },
  { "scale", merge_scale },
  { "finalize", merge_finalize },
  { "approval", merge_approval },
  { "ephemeralcontainers", merge_ephemeral },
};

static const SubresourceRow *row_of(const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
    if (g_str_equal(rows[i].name, name))
      return &rows[i];
  return NULL;
}

json_t *subresource_merge(const Write *write, const json_t *input, GError **error)
{
  const SubresourceRow *row = row_of(write->target->subresource);
  if (row && row->merge)
    return row->merge(write, input, error);
  api_error_method(error);
  return NULL;
}

const ApiMessage *subresource_message(const Target *target)
{
  const ApiSubresource *sub = target->subresource ? api_kind_subresource(target->kind, target->subresource) : NULL;
  return sub && sub->group ? api_builtin_message_of(sub->group, sub->version, sub->kind) : NULL;
}

/* --- binding -------------------------------------------------------------------------------------------------------
 */

typedef struct Binding {
  const json_t *value;
  GError *error;
} Binding;

static void set_scheduled(json_t *pod)
{
  json_t *status = json_ensure_object(pod, "status", NULL);
  json_t *conditions = json_object_get(status, "conditions");
  if (!json_is_array(conditions)) {
    conditions = json_array();
    json_object_set_new(status, "conditions", conditions);
  }
  for (size_t i = json_array_size(conditions); i-- > 0;)
    if (g_strcmp0(json_str(json_array_get(conditions, i), "type", ""), "PodScheduled") == 0)
      json_array_remove(conditions, i);
  g_autofree char *now = timestamp_now();
  json_array_append_new(conditions, json_pack("{s:s, s:s, s:n, s:s}", "type", "PodScheduled", "status", "True",
                                              "lastProbeTime", "lastTransitionTime", now));
}

static bool check_binding(const Write *write, const json_t *binding, GError **error)
{
  const json_t *pod = object_json(write->old);
  const char *name = write->target->name;
  const char *bound = json_str(json_object_get(pod, "spec"), "nodeName", "");
  const json_t *node = json_object_get(binding, "target");
  g_autofree char *why = NULL;
  if (!*json_str(node, "name", ""))
    return api_error_invalid(error, "Binding", "", name, "FieldValueRequired", "target.name", "%s", "");
  const char *uid = json_str(json_object_get(binding, "metadata"), "uid", "");
  if (*uid && strcmp(uid, object_uid(write->old)) != 0) /* another of its name was meant */
    why = g_strdup_printf("Precondition failed: UID in precondition: %s, UID in object meta: %s", uid,
                          object_uid(write->old));
  else if (json_at(pod, "metadata", "deletionTimestamp", NULL))
    why = g_strdup_printf("pod %s is being deleted, cannot be assigned to a host", name);
  else if (*bound)
    why = g_strdup_printf("pod %s is already assigned to node \"%s\"", name, bound);
  if (!why)
    return true;
  return reason_set_details(error, REASON_CONFLICT, json_pack("{s:s, s:s}", "name", name, "kind", "pods/binding"),
                            "Operation cannot be fulfilled on pods/binding \"%s\": %s", name, why);
}

static Object *bind_once(Write *write, const json_t *binding, GError **error)
{
  const Target *target = write->target;
  if (!registry_catch_up(write->registry, error))
    return NULL;
  write->old = registry_lookup(write->registry, target->kind, target->namespace_, target->name);
  if (!write->old) {
    api_error_not_found(error, target->kind, target->name);
    return NULL;
  }
  if (!check_binding(write, binding, error))
    return NULL;
  write->value = json_deep_copy(object_json(write->old));
  json_t *spec = json_ensure_object(write->value, "spec", NULL);
  json_object_set_new(spec, "nodeName", json_string(json_str(json_object_get(binding, "target"), "name", "")));
  set_scheduled(write->value);
  return write_store(write, error);
}

static Object *bind(Registry *registry, const Caller *caller, const Target *target, const json_t *binding,
                    GError **error)
{
  for (int attempt = 1;; attempt++) {
    g_autoptr(GError) problem = NULL;
    g_auto(Write) write = { .registry = registry, .caller = caller, .target = target, .storage = target->kind };
    Object *bound = bind_once(&write, binding, &problem);
    if (bound || !write.lost || attempt >= CONFLICT_RETRIES) {
      if (!bound)
        g_propagate_error(error, g_steal_pointer(&problem));
      return bound;
    }
  }
}

/* --- rollback ------------------------------------------------------------------------------------------------------
 */

/* DATA is the DeploymentRollback; the deployment is in an old version, which has a member for it. */
static bool ask_rollback(json_t *deployment, void *data)
{
  const json_t *rollback = json_object_get(data, "rollbackTo");
  json_object_set_new(json_ensure_object(deployment, "spec", NULL), "rollbackTo",
                      rollback ? json_deep_copy(rollback) : json_object());
  json_t *annotations = json_object_get(data, "updatedAnnotations");
  if (annotations)
    json_object_update(json_ensure_object(deployment, "metadata", "annotations", NULL), annotations);
  return true;
}

static Object *roll_back(Registry *registry, const Caller *caller, const Target *target, const json_t *value,
                         GError **error)
{
  Target deployment = { target->kind, target->namespace_, target->name, NULL };
  if (!g_str_equal(json_str(value, "name", ""), target->name)) {
    reason_set(error, REASON_BAD_REQUEST, "name in URL does not match name in DeploymentRollback object");
    return NULL;
  }
  return registry_modify(registry, caller, &deployment, ask_rollback, (void *)(uintptr_t)value, error);
}

Object *subresource_create(Registry *registry, const Caller *caller, const Target *target, const json_t *value,
                           GError **error)
{
  Object *(*make)(Registry *, const Caller *, const Target *, const json_t *, GError **) = NULL;
  if (g_str_equal(target->subresource, "binding"))
    make = bind;
  else if (g_str_equal(target->subresource, "eviction"))
    make = eviction_create;
  else if (g_str_equal(target->subresource, "rollback"))
    make = roll_back;
  if (!make) {
    api_error_method(error);
    return NULL;
  }
  g_autoptr(json_t) body = json_deep_copy(value);
  return admission_admit_body(registry, caller, target, ADMISSION_CREATE, body, error)
             ? make(registry, caller, target, body, error)
             : NULL;
}
