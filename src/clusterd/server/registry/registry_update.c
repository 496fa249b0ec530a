/* Update: everything between a decoded value, or a change to what is stored, and the store. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/validation.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry/write.h"
#include "clusterd/server/registry/write_turn.h"

static void carry(json_t *metadata, const json_t *old, const char *member)
{
  json_t *value = json_object_get(old, member);
  if (value)
    json_object_set(metadata, member, value);
  else
    json_object_del(metadata, member);
}

/* What an update may not change in metadata comes from the stored object. */
static void carry_metadata(const Write *write)
{
  static const char *const fixed[] = { "name",
                                       "namespace",
                                       "uid",
                                       "resourceVersion",
                                       "generation",
                                       "creationTimestamp",
                                       "deletionTimestamp",
                                       "deletionGracePeriodSeconds",
                                       "selfLink" };
  json_t *metadata = write_metadata(write);
  const json_t *old = json_object_get(object_json(write->old), "metadata");
  for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
    carry(metadata, old, fixed[i]);
}

/* Who says nothing of managedFields does not know them: they stay. */
static void carry_managed_fields(const Write *write)
{
  json_t *metadata = write_metadata(write);
  if (!json_is_array(json_object_get(metadata, "managedFields")))
    carry(metadata, json_object_get(object_json(write->old), "metadata"), "managedFields");
}

/* An object on its way out may lose finalizers but gain none. */
static bool check_finalizers(const Write *write, GError **error)
{
  const json_t *old = json_object_get(object_json(write->old), "metadata");
  if (!json_object_get(old, "deletionTimestamp"))
    return true;
  const json_t *before = json_object_get(old, "finalizers");
  const json_t *after = json_object_get(write_metadata(write), "finalizers");
  g_autoptr(GString) added = g_string_new(NULL);
  size_t i;
  json_t *finalizer;
  json_array_foreach (after, i, finalizer)
    if (json_is_string(finalizer) && !json_has_text(before, json_string_value(finalizer)))
      g_string_append_printf(added, "%s\"%s\"", added->len ? ", " : "", json_string_value(finalizer));
  if (added->len == 0)
    return true;
  /* upstream checks it twice, for every kind and then in the kind's own rules, and so do its causes say it */
  api_error_invalid(error, write->storage->kind, write->storage->group, write_name(write), "FieldValueForbidden",
                    "metadata.finalizers",
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{%s}",
                    added->str);
  json_t *causes = error ? json_object_get(reason_details(*error), "causes") : NULL;
  if (causes)
    json_array_append(causes, json_array_get(causes, 0));
  return false;
}

static bool has_no_entries(const json_t *array)
{
  return json_array_size(array) == 0;
}

/* Whether nothing holds the deletion of VALUE up any more. A namespace also waits for its spec.finalizers. */
static bool deletion_is_complete(const Write *write)
{
  const json_t *metadata = write_metadata(write);
  return json_object_get(metadata, "deletionTimestamp") && json_int(metadata, "deletionGracePeriodSeconds", 0) == 0 &&
         has_no_entries(json_object_get(metadata, "finalizers")) &&
         !(g_str_equal(write->storage->plural, "namespaces") && !*write->storage->group &&
           !has_no_entries(json_at(write->value, "spec", "finalizers", NULL)));
}

/* managedFields without their times: a write that changes nothing else changes nothing. */
static json_t *without_times(const json_t *value)
{
  json_t *copy = json_copy((json_t *)(uintptr_t)value);
  json_t *metadata = json_copy(json_object_get(copy, "metadata"));
  json_t *fields = json_array();
  size_t i;
  json_t *entry;
  json_array_foreach (json_object_get(metadata, "managedFields"), i, entry) {
    json_t *timeless = json_copy(entry);
    json_object_del(timeless, "time");
    json_array_append_new(fields, timeless);
  }
  json_object_set_new(metadata, "managedFields", fields);
  json_object_set_new(copy, "metadata", metadata);
  return copy;
}

static bool changes_nothing(const Write *write)
{
  g_autoptr(json_t) before = without_times(object_json(write->old));
  g_autoptr(json_t) after = without_times(write->value);
  return json_equal(before, after);
}

/* What is wanted of a custom resource may be anywhere but in its metadata, and in its status where that has a
 * subresource of its own. */
static bool same_wish(const ApiKind *kind, const json_t *old, const json_t *value)
{
  g_autoptr(json_t) before = json_copy((json_t *)(uintptr_t)old), after = json_copy((json_t *)(uintptr_t)value);
  json_object_del(before, "metadata");
  json_object_del(after, "metadata");
  if (api_kind_subresource(kind, "status")) {
    json_object_del(before, "status");
    json_object_del(after, "status");
  }
  return json_equal(before, after);
}

/* The generation counts changes of what is wanted. Objects without a spec count changes of anything but metadata and
 * status. */
static void bump_generation(const Write *write)
{
  const json_t *old = object_json(write->old);
  json_t *metadata = write_metadata(write);
  bool same = write->storage->custom ? same_wish(write->storage, old, write->value)
                                     : json_same(json_object_get(old, "spec"), json_object_get(write->value, "spec"));
  if (!write->storage->has_spec_generation || same)
    return;
  json_object_set_new(metadata, "generation", json_integer(json_int(metadata, "generation", 0) + 1));
}

static Object *replace_admitted(Write *write, AdmissionRequest *request, GError **error)
{
  const ApiStrategy *strategy = write->storage->strategy;
  ApiWriteContext context = write_context(write);
  const json_t *old = object_json(write->old);
  write_manage_fields(write);
  if (!admission_mutate(write->registry->admission, request, error))
    return NULL;
  carry_metadata(write);
  if (strategy && strategy->prepare_update)
    strategy->prepare_update(write->value, old, &context);
  bump_generation(write);
  if (!check_finalizers(write, error) || !admission_allocate(write->registry->admission, request, error) ||
      !api_validate(write->storage, write->value, old, &context, error) ||
      !admission_validate(write->registry->admission, request, error))
    return NULL;
  if (json_object_get(json_object_get(old, "metadata"), "deletionTimestamp") && deletion_is_complete(write))
    return write_remove(write, error);
  write_order(write->value);
  if (!write->moves && changes_nothing(write))
    return object_ref(write->old);
  write_warn(write);
  return write_store(write, error);
}

Object *write_replace(Write *write, GError **error)
{
  carry_metadata(write);
  carry_managed_fields(write);
  if (!write->target->subresource && api_kind_subresource(write->storage, "status"))
    carry(write->value, object_json(write->old), "status");
  AdmissionRequest request = write_admission(write, ADMISSION_UPDATE);
  g_autoptr(json_t) object = json_incref(write->value);
  Object *result = replace_admitted(write, &request, error);
  request.stored = result != NULL;
  admission_finish(write->registry->admission, &request);
  return result;
}

static bool check_identity(const Write *write, const json_t *value, GError **error)
{
  const json_t *metadata = json_object_get(value, "metadata");
  const Target *target = write->target;
  const char *name = json_str(metadata, "name", "");
  const char *namespace_ = json_str(metadata, "namespace", "");
  if (!*name)
    return reason_set(error, REASON_BAD_REQUEST,
                      "the name of the object (%s based on URL) was undeterminable: name must be provided",
                      target->name);
  if (!g_str_equal(name, target->name))
    return reason_set(error, REASON_BAD_REQUEST, "the name of the object (%s) does not match the name on the URL (%s)",
                      name, target->name);
  if (*namespace_ && g_strcmp0(namespace_, target->namespace_) != 0)
    return reason_set(error, REASON_BAD_REQUEST,
                      "the namespace of the provided object does not match the namespace sent on the request");
  return true;
}

/* The object's identity and version as the client knew them. */
static bool check_preconditions(const Write *write, const json_t *value, GError **error)
{
  const json_t *metadata = json_object_get(value, "metadata");
  const char *uid = json_str(metadata, "uid", "");
  const char *version = json_str(metadata, "resourceVersion", "");
  const char *name = write->target->name;
  if (*uid && !g_str_equal(uid, object_uid(write->old))) {
    g_autofree char *key = registry_prefix(write->storage);
    g_autofree char *suffix = registry_suffix(write->target->namespace_, name);
    g_autofree char *why = g_strdup_printf(
        "StorageError: invalid object, Code: 4, Key: %s%s, ResourceVersion: 0, AdditionalErrorMsg: Precondition "
        "failed: UID in precondition: %s, UID in object meta: %s",
        key, suffix, uid, object_uid(write->old));
    return api_error_conflict(error, write->target->kind, name, why);
  }
  g_autofree char *current = g_strdup_printf("%" G_GINT64_FORMAT, object_revision(write->old));
  if (*version && !g_str_equal(version, current) && !g_str_equal(version, "0"))
    return api_error_conflict(error, write->target->kind, name, NULL);
  if (!*version && write->target->kind->require_version_on_update)
    /* here upstream says the resource where it says the kind elsewhere */
    return api_error_invalid(error, write->target->kind->plural, write->target->kind->group, name, "FieldValueInvalid",
                             "metadata.resourceVersion", "0x0: must be specified for an update");
  return true;
}

static Object *create_by_update(Registry *registry, const Caller *caller, const Target *target, const json_t *value,
                                bool *created, GError **error)
{
  const json_t *metadata = json_object_get(value, "metadata");
  if (!target->kind->allow_create_on_update || target->subresource) {
    api_error_not_found(error, target->kind, target->name);
    return NULL;
  }
  if (*json_str(metadata, "uid", "") || *json_str(metadata, "resourceVersion", "")) {
    api_error_conflict(error, target->kind, target->name, NULL);
    return NULL;
  }
  Object *made = registry_create(registry, caller, target, value, error);
  if (made && created)
    *created = true;
  return made;
}

/* One attempt. */
static Object *update_once(Write *write, const json_t *value, GError **error)
{
  if (!check_preconditions(write, value, error))
    return NULL;
  write->value =
      write->target->subresource ? subresource_merge(write, value, error) : write_prepare(write, value, error);
  return write->value ? write_replace(write, error) : NULL;
}

Object *registry_update(Registry *registry, const Caller *caller, const Target *target, const json_t *value,
                        bool *created, GError **error)
{
  bool versioned = *json_str(json_object_get(value, "metadata"), "resourceVersion", "") != '\0';
  if (created)
    *created = false;
  for (int attempt = 1;; attempt++) {
    g_autoptr(GError) problem = NULL;
    g_auto(Write) write = write_new(registry, caller, target);
    if (!check_identity(&write, value, error) || !registry_catch_up(registry, error))
      return NULL;
    if (!write_load(&write, error))
      return NULL;
    if (!write.old)
      return create_by_update(registry, caller, target, value, created, error);
    g_autoptr(Object) stored = update_once(&write, value, &problem);
    if (stored)
      return registry_show(target, stored, error);
    if (!write.lost || versioned || attempt >= CONFLICT_RETRIES) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return NULL;
    }
  }
}

Object *registry_modify(Registry *registry, const Caller *caller, const Target *target, RegistryChange change,
                        void *data, GError **error)
{
  g_auto(WriteTurn) turn = { 0 };
  write_turn_begin(&turn, registry, target);
  for (int attempt = 1;; attempt++) {
    g_autoptr(GError) problem = NULL;
    g_autoptr(Object) current = registry_get(registry, caller, target, error);
    if (!current)
      return NULL;
    g_autoptr(json_t) value = json_deep_copy(object_json(current));
    if (!change(value, data))
      return g_steal_pointer(&current);
    Object *stored = registry_update(registry, caller, target, value, NULL, &problem);
    if (stored || !reason_is(problem, REASON_CONFLICT) || attempt >= CONFLICT_RETRIES) {
      if (!stored)
        g_propagate_error(error, g_steal_pointer(&problem));
      return stored;
    }
    write_turn_lost(&turn);
  }
}
