/* The four kinds of patch, each turned into an update of the object it was made against. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/apply/managed_fields.h"
#include "clusterd/api/json_prune.h"
#include "clusterd/api/patch/patch.h"
#include "clusterd/api/typed_path.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry/write.h"
#include "clusterd/server/registry/write_turn.h"

typedef struct PatchRequest {
  PatchType type;
  const json_t *patch;
  bool force;
} PatchRequest;

static const ApiMessage *message_of(const Target *target)
{
  const ApiMessage *message = subresource_message(target);
  return message ? message : target->kind->message;
}

/* Drops from what a patch made the fields that are unknown; they are refused or told of as the caller asked. */
static json_t *prune_patched(const Target *target, const Caller *caller, const json_t *patched, GError **error)
{
  FieldValidation validation = caller ? caller->field_validation : FIELD_VALIDATION_IGNORE;
  g_autoptr(GPtrArray) reports = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) pruned = json_prune(message_of(target), target->kind->kind, patched, reports, &problem);
  g_autofree char *text = NULL;
  if (!pruned) {
    text = json_text(patched);
    api_error_patch(error, text, problem->message);
    return NULL;
  }
  if (validation == FIELD_VALIDATION_STRICT && reports->len > 0) {
    g_ptr_array_add(reports, NULL);
    g_autofree char *list = g_strjoinv(", ", (char **)reports->pdata);
    g_autofree char *why = g_strconcat("strict decoding error: ", list, NULL);
    text = json_text(patched);
    api_error_patch(error, text, why);
    return NULL;
  }
  for (guint i = 0; validation == FIELD_VALIDATION_WARN && caller->warnings && i < reports->len; i++)
    json_array_append_new(caller->warnings, json_string(reports->pdata[i]));
  return json_deep_copy(pruned); /* the engines share what they did not change with the stored value */
}

/* "namespace/name; apps/v1, Kind=Deployment": as the errors of server-side apply name an object. */
static char *typed_name(const Target *target)
{
  const ApiKind *kind = target->kind;
  return g_strdup_printf("%s/%s; %s/%s, Kind=%s", target->namespace_ ? target->namespace_ : "", target->name,
                         kind->group, kind->version, kind->kind);
}

/* An applied configuration must fit the schema to the last field. */
static json_t *prune_applied(const Target *target, const json_t *config, GError **error)
{
  static const char unknown[] = "unknown field \"";
  g_autoptr(GPtrArray) reports = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) pruned = json_prune(message_of(target), target->kind->kind, config, reports, &problem);
  g_autofree char *name = typed_name(target);
  if (!pruned) {
    reason_set(error, REASON_UNKNOWN, "failed to create typed patch object (%s): %s", name, problem->message);
    return NULL;
  }
  if (reports->len == 0)
    return json_deep_copy(pruned);
  g_autoptr(GString) text = g_string_new(reports->len > 1 ? "errors:\n" : "");
  for (guint i = 0; i < reports->len; i++) {
    const char *report = reports->pdata[i];
    report += g_str_has_prefix(report, unknown) ? strlen(unknown) : 0;
    g_autofree char *plain = g_strndup(report, strcspn(report, "\""));
    g_autofree char *path = typed_path(message_of(target), config, plain);
    g_string_append_printf(text, "%s%s: field not declared in schema%s", reports->len > 1 ? "  " : "", path,
                           reports->len > 1 ? "\n" : "");
  }
  reason_set(error, REASON_UNKNOWN, "failed to create typed patch object (%s): %s", name, text->str);
  return NULL;
}

/* BASE (as the client sees it) with the patch applied. */
static json_t *apply_patch(const Target *target, const PatchRequest *request, const json_t *base, GError **error)
{
  switch (request->type) {
  case PATCH_JSON:
    return patch_json(base, request->patch, error);
  case PATCH_MERGE:
    return patch_merge(base, request->patch, error);
  case PATCH_STRATEGIC:
    return patch_strategic(message_of(target), base, request->patch, error);
  case PATCH_APPLY:
    break;
  }
  reason_set(error, REASON_INTERNAL, "unknown patch type");
  return NULL;
}

/* A patch may not move the object: its identity is the URL's. */
static bool check_patched(const Target *target, const Object *current, const json_t *patched, GError **error)
{
  const json_t *metadata = json_object_get(patched, "metadata");
  const char *name = json_str(metadata, "name", "");
  if (!g_str_equal(name, target->name))
    return reason_set(error, REASON_BAD_REQUEST, "the name of the object (%s) does not match the name on the URL (%s)",
                      name, target->name);
  if (target->subresource)
    return true;
  const char *version = json_str(patched, "apiVersion", ""), *kind = json_str(patched, "kind", "");
  g_autofree char *expected = api_group_version(target->kind);
  if (!g_str_equal(version, expected) || !g_str_equal(kind, target->kind->kind))
    return reason_set(error, REASON_BAD_REQUEST,
                      "the patched object (%s, Kind=%s) does not match the expected type (%s, Kind=%s)", version, kind,
                      expected, target->kind->kind);
  return true;
}

static Object *patch_once(Registry *registry, const Caller *caller, const Target *target, const PatchRequest *request,
                          GError **error)
{
  g_autoptr(Object) current = registry_get(registry, caller, target, error);
  if (!current)
    return NULL;
  g_autoptr(json_t) patched = apply_patch(target, request, object_json(current), error);
  if (!patched || !check_patched(target, current, patched, error))
    return NULL;
  g_autoptr(json_t) value = prune_patched(target, caller, patched, error);
  if (!value)
    return NULL;
  return registry_update(registry, caller, target, value, NULL, error);
}

/* --- server-side apply ---------------------------------------------------------------------------------------------
 */

/* An applied configuration says what it is, and it is what the URL is about. */
static bool check_applied_kind(const Target *target, const json_t *config, GError **error)
{
  const ApiKind *kind = target->kind;
  const ApiSubresource *sub = target->subresource ? api_kind_subresource(kind, target->subresource) : NULL;
  bool other = sub && sub->group;
  const char *group = other ? sub->group : kind->group, *version = other ? sub->version : kind->version;
  const char *given = json_str(config, "apiVersion", ""), *given_kind = json_str(config, "kind", "");
  g_autofree char *expected = *group ? g_strconcat(group, "/", version, NULL) : g_strdup(version);
  if (g_str_equal(given, expected) && g_str_equal(given_kind, other ? sub->kind : kind->kind))
    return true;
  return reason_set(error, REASON_BAD_REQUEST, "invalid object type: %s%s, Kind=%s", strchr(given, '/') ? "" : "/",
                    given, given_kind);
}

static bool check_apply(const Caller *caller, const Target *target, const json_t *config, GError **error)
{
  if (!json_is_object(config))
    return reason_set(
        error, REASON_BAD_REQUEST,
        "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal %s into "
        "Go value of type map[string]interface {}",
        json_is_array(config)    ? "array"
        : json_is_string(config) ? "string"
                                 : "value");
  if (!check_applied_kind(target, config, error))
    return false;
  if (!caller || !caller->field_manager || !*caller->field_manager)
    return api_error_invalid(error, "PatchOptions", "meta.k8s.io", "", "FieldValueRequired", "fieldManager",
                             "is required for apply patch");
  const json_t *metadata = json_object_get(config, "metadata");
  if (json_array_size(json_object_get(metadata, "managedFields")) > 0)
    return reason_set(error, REASON_BAD_REQUEST, "metadata.managedFields must be nil");
  const char *name = json_str(metadata, "name", "");
  if (*name && !g_str_equal(name, target->name))
    return reason_set(error, REASON_BAD_REQUEST, "the name of the object (%s) does not match the name on the URL (%s)",
                      name, target->name);
  return true;
}

/* The configuration with what the URL already says. */
static json_t *complete_config(const Target *target, const json_t *config, GError **error)
{
  g_autoptr(json_t) complete = json_deep_copy(config);
  g_autofree char *version = api_group_version(target->kind);
  json_t *metadata = json_ensure_object(complete, "metadata", NULL);
  if (!subresource_message(target)) {
    json_object_set_new(complete, "apiVersion", json_string(version));
    json_object_set_new(complete, "kind", json_string(target->kind->kind));
  }
  json_object_set_new(metadata, "name", json_string(target->name));
  if (target->kind->namespaced && target->namespace_)
    json_object_set_new(metadata, "namespace", json_string(target->namespace_));
  return prune_applied(target, complete, error);
}

static Object *apply_once(Registry *registry, const Caller *caller, const Target *target, const json_t *config,
                          bool force, bool *created, bool *lost, GError **error)
{
  g_assert(caller);
  g_auto(Write) write = { .registry = registry,
                          .caller = caller,
                          .target = target,
                          .storage = registry_write_kind(target->kind),
                          .fields_managed = true };
  FieldManager manager = { .name = caller->field_manager,
                           .subresource = target->subresource ? target->subresource : "",
                           .now_us = timestamp_now_us(),
                           .scheme = registry->scheme };
  if (!registry_catch_up(registry, error) || !write_load(&write, error))
    return NULL;
  if (!write.old && target->subresource) {
    api_error_not_found(error, target->kind, target->name);
    return NULL;
  }
  const char *uid = json_str(json_object_get(config, "metadata"), "uid", "");
  if (!write.old && *uid) {
    g_autofree char *why =
        g_strdup_printf("uid mismatch: the provided object specified uid %s, and no existing object was found", uid);
    api_error_conflict(error, target->kind, target->name, why);
    return NULL;
  }
  g_autoptr(Object) shown = write.old ? registry_view(target->kind, write.old, error) : NULL;
  if (write.old && !shown)
    return NULL;
  g_autoptr(json_t) merged =
      managed_fields_apply(target->kind, shown ? object_json(shown) : NULL, config, &manager, force, error);
  if (!merged)
    return NULL;
  const char *version = json_str(json_object_get(config, "metadata"), "resourceVersion", "");
  g_autofree char *current =
      write.old ? g_strdup_printf("%" G_GINT64_FORMAT, object_revision(write.old)) : g_strdup("");
  if (*version && !g_str_equal(version, current)) {
    api_error_conflict(error, target->kind, target->name, NULL);
    return NULL;
  }
  if (!write.old)
    json_object_del(json_object_get(merged, "metadata"), "resourceVersion");
  write.value = write.old && target->subresource ? subresource_merge(&write, merged, error)
                                                 : write_prepare(&write, merged, error);
  if (!write.value)
    return NULL;
  g_autoptr(Object) stored = write.old ? write_replace(&write, error) : write_create(&write, error);
  *lost = write.lost;
  if (created)
    *created = stored && !write.old;
  return stored ? registry_show(target, stored, error) : NULL;
}

static Object *apply(Registry *registry, const Caller *caller, const Target *target, const json_t *patch, bool force,
                     bool *created, GError **error)
{
  if (!check_apply(caller, target, patch, error))
    return NULL;
  g_autoptr(json_t) config = complete_config(target, patch, error);
  if (!config)
    return NULL;
  g_auto(WriteTurn) turn = { 0 };
  write_turn_begin(&turn, registry, target);
  for (int attempt = 1;; attempt++) {
    g_autoptr(GError) problem = NULL;
    bool lost = false;
    Object *stored = apply_once(registry, caller, target, config, force, created, &lost, &problem);
    bool again = lost || reason_is(problem, REASON_ALREADY_EXISTS);
    if (stored || !again || attempt >= CONFLICT_RETRIES) {
      if (!stored)
        g_propagate_error(error, g_steal_pointer(&problem));
      return stored;
    }
    write_turn_lost(&turn);
  }
}

Object *registry_patch(Registry *registry, const Caller *caller, const Target *target, PatchType type,
                       const json_t *patch, bool force, bool *created, GError **error)
{
  if (created)
    *created = false;
  if (type == PATCH_STRATEGIC && target->kind->custom) {
    reason_set(error, REASON_UNSUPPORTED_MEDIA_TYPE,
               "the body of the request was in an unknown format - accepted media types include: "
               "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml");
    return NULL;
  }
  if (type == PATCH_APPLY)
    return apply(registry, caller, target, patch, force, created, error);
  PatchRequest request = { type, patch, force };
  /* a version inside the patch is a precondition: then a conflict is the client's to solve */
  bool versioned = type != PATCH_JSON && *json_str(json_object_get(patch, "metadata"), "resourceVersion", "") != '\0';
  g_auto(WriteTurn) turn = { 0 };
  write_turn_begin(&turn, registry, target);
  for (int attempt = 1;; attempt++) {
    g_autoptr(GError) problem = NULL;
    Object *stored = patch_once(registry, caller, target, &request, &problem);
    if (stored || !reason_is(problem, REASON_CONFLICT) || versioned || attempt >= CONFLICT_RETRIES) {
      if (!stored)
        g_propagate_error(error, g_steal_pointer(&problem));
      return stored;
    }
    write_turn_lost(&turn);
  }
}
