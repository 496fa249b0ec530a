/* What every write begins with: what is stored, the value in its versions, what admission and strategies are told. */
#include "clusterd/server/registry/write.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/apply/managed_fields.h"
#include "clusterd/api/validation.h"

Write write_new(Registry *registry, const Caller *caller, const Target *target)
{
  return (
      Write){ .registry = registry, .caller = caller, .target = target, .storage = registry_write_kind(target->kind) };
}

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

json_t *write_metadata(const Write *write)
{
  return json_object_get(write->value, "metadata");
}

const char *write_name(const Write *write)
{
  return json_str(write_metadata(write), "name", "");
}

AdmissionRequest write_admission(Write *write, AdmissionOperation operation)
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

ApiWriteContext write_context(const Write *write)
{
  const Identity *identity = write->caller ? write->caller->identity : NULL;
  bool scale = g_strcmp0(write->target->subresource, "scale") == 0;
  return (ApiWriteContext){
    .is_update = write->old != NULL,
    .subresource = scale ? NULL : write->target->subresource,
    .user = identity ? identity->name : "system:apiserver",
    .asked = write->target->kind,
  };
}

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

void write_manage_fields(Write *write)
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

void write_warn(const Write *write)
{
  const ApiStrategy *strategy = write->storage->strategy;
  const ApiCustom *custom = write->storage->custom;
  if (custom && custom->has_rules && write->caller && write->caller->warnings)
    json_array_append_new(write->caller->warnings,
                          json_string("x-kubernetes-validations: the rules of this kind are not enforced yet"));
  if (strategy && strategy->warn && write->caller && write->caller->warnings)
    strategy->warn(write->value, write->caller->warnings);
}
