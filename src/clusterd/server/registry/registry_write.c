/* Create and update: everything between a decoded value and the store. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/apply/managed_fields.h"
#include "clusterd/api/field_errors.h"
#include "clusterd/api/validation.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/custom/custom_resources.h"
#include "clusterd/server/custom/custom_version.h"
#include "clusterd/server/registry/write.h"

#define NAME_SUFFIX_LENGTH 5
#define GENERATED_BASE_MAX 58 /* with the suffix a DNS label's 63 */
#define GENERATE_ATTEMPTS 8

void write_clear(Write *write)
{
  g_clear_pointer(&write->value, json_decref);
  g_clear_pointer(&write->old, object_unref);
}

bool write_load(Write *write, GError **error)
{
  const Target *target = write->target;
  const ApiKind *kind = write->storage;
  g_autoptr(Object) stored = registry_lookup(write->registry, kind, target->namespace_, target->name);
  if (!stored)
    return true;
  write->moves = kind->custom && !g_str_equal(object_kind(stored)->version, kind->storage->version);
  write->old = kind->custom ? registry_view(kind, stored, error) : g_steal_pointer(&stored);
  return write->old != NULL;
}

static json_t *metadata_of(const Write *write)
{
  return json_object_get(write->value, "metadata");
}

static const char *name_of(const Write *write)
{
  return json_str(metadata_of(write), "name", "");
}

static AdmissionRequest admission_request(Write *write, AdmissionOperation operation)
{
  return (AdmissionRequest){
    .registry = write->registry,
    .caller = write->caller,
    .target = write->target,
    .kind = write->storage,
    .operation = operation,
    .object = write->value,
    .old = write->old ? object_json(write->old) : NULL,
  };
}

/* To the strategies a scale is a write of the object itself. */
static ApiWriteContext write_context(const Write *write)
{
  const Identity *identity = write->caller ? write->caller->identity : NULL;
  bool scale = g_strcmp0(write->target->subresource, "scale") == 0;
  return (ApiWriteContext){
    .is_update = write->old != NULL,
    .subresource = scale ? NULL : write->target->subresource,
    .user = identity ? identity->name : "system:apiserver",
  };
}

/* --- values --------------------------------------------------------------------------------------------------------
 */

json_t *write_prepare(const Write *write, const json_t *input, GError **error)
{
  const ApiKind *kind = write->target->kind;
  g_autofree char *version = api_group_version(kind);
  g_autoptr(json_t) value = json_deep_copy(input);
  json_object_set_new(value, "apiVersion", json_string(version));
  json_object_set_new(value, "kind", json_string(kind->kind));
  json_ensure_object(value, "metadata", NULL);
  api_set_defaults(kind->message, value);
  if (kind == write->storage || kind->custom)
    return g_steal_pointer(&value);
  g_autoptr(json_t) stored = kind->convert_to_storage ? kind->convert_to_storage(value) : json_copy(value);
  if (!stored) {
    reason_set(error, REASON_BAD_REQUEST, "%s in version \"%s\" cannot be stored as %s", kind->kind, kind->version,
               write->storage->version);
    return NULL;
  }
  g_autofree char *stored_version = api_group_version(write->storage);
  json_object_set_new(stored, "apiVersion", json_string(stored_version));
  json_object_set_new(stored, "kind", json_string(write->storage->kind));
  api_set_defaults(write->storage->message, stored);
  return g_steal_pointer(&stored);
}

/* Metadata members in the order upstream writes them. */
static void order_metadata(json_t *value)
{
  static const char *const order[] = { "name",
                                       "generateName",
                                       "namespace",
                                       "uid",
                                       "resourceVersion",
                                       "generation",
                                       "creationTimestamp",
                                       "deletionTimestamp",
                                       "deletionGracePeriodSeconds",
                                       "labels",
                                       "annotations",
                                       "ownerReferences",
                                       "finalizers",
                                       "managedFields" };
  json_t *metadata = json_object_get(value, "metadata");
  g_autoptr(json_t) ordered = json_object();
  for (gsize i = 0; i < G_N_ELEMENTS(order); i++) {
    json_t *member = json_object_get(metadata, order[i]);
    if (member && !json_is_null(member))
      json_object_set(ordered, order[i], member);
  }
  json_object_set(value, "metadata", ordered);
}

static void order_value(json_t *value)
{
  static const char *const order[] = { "kind", "apiVersion", "metadata" };
  g_autoptr(json_t) rest = json_copy(value);
  json_object_clear(value);
  for (gsize i = 0; i < G_N_ELEMENTS(order); i++)
    json_object_set(value, order[i], json_object_get(rest, order[i]));
  json_object_update(value, rest);
  order_metadata(value);
}

/* --- the store -----------------------------------------------------------------------------------------------------
 */

static char *store_key(const Write *write)
{
  g_autofree char *prefix = registry_prefix(write->storage);
  g_autofree char *suffix =
      registry_suffix(write->storage->namespaced ? write->target->namespace_ : NULL, name_of(write));
  return g_strconcat(prefix, suffix, NULL);
}

/* What is on its way out still has its name. */
static void explain_exists(const Write *write, const char *name, GError **error)
{
  const Target *target = write->target;
  g_autoptr(Object) there = registry_lookup(write->registry, target->kind, target->namespace_, name);
  api_error_exists(error, target->kind, name);
  if (error && there && json_at(object_json(there), "metadata", "deletionTimestamp", NULL))
    g_prefix_error(error, "object is being deleted: ");
}

static bool explain_store_error(Write *write, GError *problem, GError **error)
{
  const char *name = name_of(write);
  switch (reason_of(problem)) {
  case REASON_ALREADY_EXISTS:
    explain_exists(write, name, error);
    break;
  case REASON_CONFLICT:
    write->lost = true;
    api_error_conflict(error, write->target->kind, name, NULL);
    break;
  case REASON_NOT_FOUND:
    api_error_not_found(error, write->target->kind, name);
    break;
  default:
    g_propagate_error(error, g_error_copy(problem));
  }
  g_error_free(problem);
  return false;
}

/* A dry run ends here; what the store would say of it is said. */
static Object *pretend_store(Write *write, GError **error)
{
  const Target *target = write->target;
  g_autoptr(Object) there =
      write->old ? NULL : registry_lookup(write->registry, target->kind, target->namespace_, name_of(write));
  if (!there)
    return object_new(write->storage, g_steal_pointer(&write->value));
  explain_exists(write, name_of(write), error);
  return NULL;
}

/* What the store is given. */
static Object *draft_of(const Write *write, GError **error)
{
  const ApiKind *kind = write->storage;
  if (!kind->custom || kind->storage == kind)
    return object_new(kind, json_incref(write->value));
  json_t *stored = custom_version_to_storage(kind, write->value, error);
  return stored ? object_new(kind->storage, stored) : NULL;
}

Object *write_store(Write *write, GError **error)
{
  order_value(write->value);
  if (write->caller && write->caller->dry_run)
    return pretend_store(write, error);
  /* the revision is not known yet: it comes with the store's event */
  json_object_set_new(metadata_of(write), "resourceVersion", json_string("0"));
  g_autofree char *key = store_key(write);
  g_autoptr(Object) draft = draft_of(write, error);
  if (!draft)
    return NULL;
  GBytes *bytes = object_bytes(draft);
  Registry *registry = write->registry;
  Flight flight = { .draft = draft };
  g_mutex_lock(&registry->flights_lock);
  g_hash_table_insert(registry->flights, bytes, &flight);
  g_mutex_unlock(&registry->flights_lock);

  GError *problem = NULL;
  int64_t revision = 0;
  bool ok = store_put(registry->store, key, write->old ? object_revision(write->old) : 0, bytes, &revision, &problem);

  g_mutex_lock(&registry->flights_lock);
  g_hash_table_remove(registry->flights, bytes);
  g_mutex_unlock(&registry->flights_lock);
  g_autoptr(Object) seen = flight.object;
  if (!ok) {
    explain_store_error(write, problem, error);
    return NULL;
  }
  /* a watch that had to list again may have skipped this version for the next one */
  return seen ? g_steal_pointer(&seen) : object_with_revision(draft, revision);
}

Object *write_remove(Write *write, GError **error)
{
  if (!write->value)
    write->value = json_incref(object_json(write->old));
  if (!write->caller || !write->caller->dry_run) {
    GError *problem = NULL;
    g_autofree char *key = store_key(write);
    if (!store_delete(write->registry->store, key, object_revision(write->old), NULL, &problem)) {
      explain_store_error(write, problem, error);
      return NULL;
    }
  }
  return object_new(write->storage, g_steal_pointer(&write->value));
}

/* --- create --------------------------------------------------------------------------------------------------------
 */

static char *generate_name(const char *base)
{
  /* upstream's alphabet: no vowels, so no words; no characters that look alike */
  static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
  char suffix[NAME_SUFFIX_LENGTH + 1] = { 0 };
  for (int i = 0; i < NAME_SUFFIX_LENGTH; i++)
    suffix[i] = alphabet[g_random_int_range(0, sizeof alphabet - 1)];
  return g_strdup_printf("%.*s%s", GENERATED_BASE_MAX, base, suffix);
}

static bool check_namespace(const Write *write, GError **error)
{
  const Target *target = write->target;
  json_t *metadata = metadata_of(write);
  const char *given = json_str(metadata, "namespace", "");
  if (!write->storage->namespaced) {
    if (*given)
      return reason_set(error, REASON_BAD_REQUEST,
                        "the namespace of the provided object does not match the namespace sent on the request");
    return true;
  }
  if (!target->namespace_ || !*target->namespace_)
    return reason_set(error, REASON_BAD_REQUEST, "an empty namespace may not be set during creation");
  if (*given && !g_str_equal(given, target->namespace_))
    return reason_set(error, REASON_BAD_REQUEST,
                      "the namespace of the provided object does not match the namespace sent on the request");
  json_object_set_new(metadata, "namespace", json_string(target->namespace_));
  return true;
}

/* What only the server may say about a new object. */
static bool start_metadata(const Write *write, GError **error)
{
  static const char *const server_owned[] = { "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
                                              "resourceVersion", "generation" };
  json_t *metadata = metadata_of(write);
  if (!check_namespace(write, error))
    return false;
  if (*json_str(metadata, "resourceVersion", ""))
    return reason_set(error, REASON_BAD_REQUEST, "resourceVersion should not be set on objects to be created");
  if (write->target->name)
    json_object_set_new(metadata, "name", json_string(write->target->name));
  for (gsize i = 0; i < G_N_ELEMENTS(server_owned); i++)
    json_object_del(metadata, server_owned[i]);
  return true;
}

/* What makes it an object of its own. After admission may have changed it: a plugin, and a webhook above all, sees a
 * name that is still to be made as none, as upstream. */
static bool finish_metadata(const Write *write, GError **error)
{
  json_t *metadata = json_ensure_object(write->value, "metadata", NULL);
  if (write->target->name)
    json_object_set_new(metadata, "name", json_string(write->target->name));
  const char *base = json_str(metadata, "generateName", "");
  if (!*name_of(write) && *base) {
    g_autofree char *name = generate_name(base);
    json_object_set_new(metadata, "name", json_string(name));
  }
  g_autofree char *uid = g_uuid_string_random();
  g_autofree char *now = timestamp_now();
  json_object_set_new(metadata, "uid", json_string(uid));
  json_object_set_new(metadata, "creationTimestamp", json_string(now));
  if (write->storage->has_spec_generation)
    json_object_set_new(metadata, "generation", json_integer(1));
  return check_namespace(write, error);
}

/* Status belongs to /status; a Node's comes with its registration. */
static bool drops_status_on_create(const ApiKind *kind)
{
  return api_kind_subresource(kind, "status") && !(g_str_equal(kind->plural, "nodes") && !*kind->group);
}

/* Before admission: what the server adds to an object belongs to nobody, and whoever asks for it later may have it
 * without a conflict. */
static void manage_fields(Write *write)
{
  if (write->fields_managed)
    return;
  const Caller *caller = write->caller;
  FieldManager manager = {
    .name = caller && caller->field_manager && *caller->field_manager ? caller->field_manager : "unknown",
    .subresource = write->target->subresource ? write->target->subresource : "",
    .now_us = timestamp_now_us(),
    .kind = write->target->kind,
    .scheme = write->registry->scheme,
  };
  managed_fields_update(write->storage, write->old ? object_json(write->old) : NULL, write->value, &manager);
}

static void warn(const Write *write)
{
  const ApiStrategy *strategy = write->storage->strategy;
  const ApiCustom *custom = write->storage->custom;
  if (custom && custom->has_rules && write->caller && write->caller->warnings)
    json_array_append_new(write->caller->warnings,
                          json_string("x-kubernetes-validations: the rules of this kind are not enforced yet"));
  if (strategy && strategy->warn && write->caller && write->caller->warnings)
    strategy->warn(write->value, write->caller->warnings);
}

/* Who asks for a certificate is part of the request, whatever the client says. */
static void note_requestor(const Write *write)
{
  static const char *const members[] = { "username", "uid", "groups", "extra" };
  const Identity *identity = write->caller ? write->caller->identity : NULL;
  if (!identity || strcmp(write->storage->kind, "CertificateSigningRequest") != 0)
    return;
  json_t *spec = json_ensure_object(write->value, "spec", NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
    json_object_del(spec, members[i]);
  g_autoptr(json_t) user = identity_user_info(identity);
  json_object_update(spec, user);
}

static Object *create_admitted(Write *write, AdmissionRequest *request, GError **error)
{
  const ApiStrategy *strategy = write->storage->strategy;
  ApiWriteContext context = write_context(write);
  manage_fields(write);
  if (!admission_mutate(write->registry->admission, request, error) || !finish_metadata(write, error))
    return NULL;
  if (strategy && strategy->prepare_create)
    strategy->prepare_create(write->value);
  note_requestor(write);
  api_set_defaults(write->storage->message, write->value);
  if (!admission_allocate(write->registry->admission, request, error) ||
      !api_validate(write->storage, write->value, NULL, &context, error) ||
      !admission_validate(write->registry->admission, request, error))
    return NULL;
  warn(write);
  return write_store(write, error);
}

Object *write_create(Write *write, GError **error)
{
  if (write->storage->custom && !custom_resources_check_create(write->registry, write->storage, error))
    return NULL;
  if (drops_status_on_create(write->storage))
    json_object_del(write->value, "status");
  if (!start_metadata(write, error))
    return NULL;
  AdmissionRequest request = admission_request(write, ADMISSION_CREATE);
  g_autoptr(json_t) object = json_incref(write->value); /* until finish has looked at it */
  Object *made = create_admitted(write, &request, error);
  request.stored = made != NULL;
  admission_finish(write->registry->admission, &request);
  return made;
}

static Write write_new(Registry *registry, const Caller *caller, const Target *target)
{
  return (
      Write){ .registry = registry, .caller = caller, .target = target, .storage = registry_write_kind(target->kind) };
}

Object *registry_create(Registry *registry, const Caller *caller, const Target *target, const json_t *value,
                        GError **error)
{
  if (target->subresource)
    return subresource_create(registry, caller, target, value, error);
  bool generated = !target->name && !*json_str(json_object_get(value, "metadata"), "name", "");
  for (int attempt = 1;; attempt++) {
    g_autoptr(GError) problem = NULL;
    g_auto(Write) write = write_new(registry, caller, target);
    write.value = write_prepare(&write, value, error);
    if (!write.value || !registry_catch_up(registry, error))
      return NULL;
    g_autoptr(Object) stored = write_create(&write, &problem);
    if (stored)
      return registry_show(target, stored, error);
    if (generated && attempt < GENERATE_ATTEMPTS && reason_is(problem, REASON_ALREADY_EXISTS))
      continue; /* the generated name was taken */
    g_propagate_error(error, g_steal_pointer(&problem));
    return NULL;
  }
}

/* --- update --------------------------------------------------------------------------------------------------------
 */

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
  json_t *metadata = metadata_of(write);
  const json_t *old = json_object_get(object_json(write->old), "metadata");
  for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
    carry(metadata, old, fixed[i]);
}

/* Who says nothing of managedFields does not know them: they stay. */
static void carry_managed_fields(const Write *write)
{
  json_t *metadata = metadata_of(write);
  if (!json_is_array(json_object_get(metadata, "managedFields")))
    carry(metadata, json_object_get(object_json(write->old), "metadata"), "managedFields");
}

static bool has_finalizer(const json_t *finalizers, const char *name)
{
  size_t i;
  json_t *finalizer;
  json_array_foreach (finalizers, i, finalizer)
    if (g_strcmp0(json_string_value(finalizer), name) == 0)
      return true;
  return false;
}

/* An object on its way out may lose finalizers but gain none. */
static bool check_finalizers(const Write *write, GError **error)
{
  const json_t *old = json_object_get(object_json(write->old), "metadata");
  if (!json_object_get(old, "deletionTimestamp"))
    return true;
  const json_t *before = json_object_get(old, "finalizers");
  const json_t *after = json_object_get(metadata_of(write), "finalizers");
  g_autoptr(GString) added = g_string_new(NULL);
  size_t i;
  json_t *finalizer;
  json_array_foreach (after, i, finalizer)
    if (json_is_string(finalizer) && !has_finalizer(before, json_string_value(finalizer)))
      g_string_append_printf(added, "%s\"%s\"", added->len ? ", " : "", json_string_value(finalizer));
  if (added->len == 0)
    return true;
  /* upstream checks it twice, for every kind and then in the kind's own rules, and so do its causes say it */
  api_error_invalid(
      error, write->storage->kind, write->storage->group, name_of(write), "FieldValueForbidden", "metadata.finalizers",
      "no new finalizers can be added if the object is being deleted, found new finalizers []string{%s}", added->str);
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
  const json_t *metadata = metadata_of(write);
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
  json_t *metadata = metadata_of(write);
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
  manage_fields(write);
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
  order_value(write->value);
  if (!write->moves && changes_nothing(write))
    return object_ref(write->old);
  warn(write);
  return write_store(write, error);
}

Object *write_replace(Write *write, GError **error)
{
  carry_metadata(write);
  carry_managed_fields(write);
  if (!write->target->subresource && api_kind_subresource(write->storage, "status"))
    carry(write->value, object_json(write->old), "status");
  AdmissionRequest request = admission_request(write, ADMISSION_UPDATE);
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
  }
}
