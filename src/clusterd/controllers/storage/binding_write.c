/* The writes of a binding: the volume's claimRef, its phase, the claim's volumeName, its phase; in this order. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/controllers/storage/volume_binder_private.h"

typedef struct Binding {
  const Object *volume, *claim;
  const char *phase, *message; /* NULL: not what is changed */
  bool lost;                   /* somebody else was faster */
  bool changed;
} Binding;

static const json_t *value_of(const Object *object)
{
  return object_json((Object *)(uintptr_t)object);
}

static bool is_same(const json_t *value, const Object *object)
{
  return strcmp(json_str(json_object_get(value, "metadata"), "uid", ""), object_uid(object)) == 0;
}

static bool lose(Binding *binding)
{
  binding->lost = true;
  return false;
}

static void annotate(json_t *value, const char *name)
{
  json_object_set_new(json_ensure_object(value, "metadata", "annotations", NULL), name, json_string("yes"));
}

/* --- the volume ----------------------------------------------------------------------------------------------------
 */

static bool point_at_claim(json_t *value, void *data)
{
  Binding *binding = data;
  const Object *claim = binding->claim;
  json_t *spec = json_ensure_object(value, "spec", NULL), *reference = json_object_get(spec, "claimRef");
  if (!is_same(value, binding->volume) || (reference && !volume_is_for(value, value_of(claim))) ||
      (!reference && json_at(value, "metadata", "deletionTimestamp", NULL)))
    return lose(binding);
  if (reference && *json_str(reference, "uid", ""))
    return false;
  if (!reference)
    annotate(value, VOLUME_BOUND_BY_CONTROLLER);
  json_t *version = json_at(value_of(claim), "metadata", "resourceVersion", NULL);
  json_object_set_new(spec, "claimRef",
                      json_pack("{s:s, s:s, s:s, s:s, s:s, s:O}", "kind", "PersistentVolumeClaim", "namespace",
                                object_namespace(claim), "name", object_name(claim), "uid", object_uid(claim),
                                "apiVersion", "v1", "resourceVersion", version));
  return true;
}

static bool let_claim_go(json_t *value, void *data)
{
  Binding *binding = data;
  json_t *spec = json_object_get(value, "spec"), *reference = json_object_get(spec, "claimRef");
  json_t *annotations = json_at(value, "metadata", "annotations", NULL);
  if (!is_same(value, binding->volume) || !reference)
    return false;
  if (!json_object_get(annotations, VOLUME_BOUND_BY_CONTROLLER))
    return json_object_del(reference, "uid") == 0; /* it stays reserved, as whoever made it said */
  json_object_del(annotations, VOLUME_BOUND_BY_CONTROLLER);
  json_object_del(spec, "claimRef");
  return true;
}

static bool set_phase(json_t *value, void *data)
{
  Binding *binding = data;
  json_t *status = json_ensure_object(value, "status", NULL);
  if (strcmp(json_str(status, "phase", ""), binding->phase) == 0)
    return false;
  json_object_set_new(status, "phase", json_string(binding->phase));
  if (*binding->message)
    json_object_set_new(status, "message", json_string(binding->message));
  else
    json_object_del(status, "message");
  binding->changed = true;
  return true;
}

/* Runs CHANGE on a volume or claim, and waits until its informer shows the outcome. */
static bool change(VolumeBinder *binder, const Object *object, const char *subresource, RegistryChange change_value,
                   Binding *binding, GError **error)
{
  bool is_claim = *object_namespace(object) != '\0';
  g_autoptr(Object) stored = client_modify(
      binder->client, "v1", is_claim ? "persistentvolumeclaims" : "persistentvolumes",
      is_claim ? object_namespace(object) : NULL, object_name(object), subresource, change_value, binding, error);
  if (!stored)
    return false;
  if (binding->lost)
    return reason_set(error, REASON_CONFLICT, "%s has changed meanwhile", object_name(object));
  informer_wait_revision(is_claim ? binder->claims : binder->volumes, object_revision(stored));
  return true;
}

bool binding_set_phase(VolumeBinder *binder, const Object *volume, const char *phase, const char *message,
                       bool *changed, GError **error)
{
  Binding binding = { .volume = volume, .phase = phase, .message = message };
  bool ok = change(binder, volume, "status", set_phase, &binding, error);
  if (changed)
    *changed = binding.changed;
  return ok;
}

bool binding_untie(VolumeBinder *binder, const Object *volume, GError **error)
{
  Binding binding = { .volume = volume };
  return change(binder, volume, NULL, let_claim_go, &binding, error) &&
         binding_set_phase(binder, volume, "Available", "", NULL, error);
}

/* --- the claim -----------------------------------------------------------------------------------------------------
 */

static bool point_at_volume(json_t *value, void *data)
{
  Binding *binding = data;
  json_t *spec = json_ensure_object(value, "spec", NULL);
  const char *name = json_str(spec, "volumeName", "");
  if (!is_same(value, binding->claim) || (*name && strcmp(name, object_name(binding->volume)) != 0))
    return lose(binding);
  if (*name && volume_annotation(value, VOLUME_BIND_COMPLETED))
    return false;
  if (!*name) {
    json_object_set_new(spec, "volumeName", json_string(object_name(binding->volume)));
    annotate(value, VOLUME_BOUND_BY_CONTROLLER);
  }
  annotate(value, VOLUME_BIND_COMPLETED);
  return true;
}

static bool set_member(json_t *status, const char *name, json_t *value)
{
  json_t *old = json_object_get(status, name);
  if (json_same(old, value))
    return false;
  if (value)
    json_object_set(status, name, value);
  else
    json_object_del(status, name);
  return true;
}

/* The capacity is the volume's when the claim becomes bound; afterwards whoever lets it grow says how far that is. */
static bool set_claim_phase(json_t *value, void *data)
{
  Binding *binding = data;
  json_t *status = json_ensure_object(value, "status", NULL);
  const json_t *spec = binding->volume ? json_object_get(value_of(binding->volume), "spec") : NULL;
  if (!is_same(value, binding->claim))
    return lose(binding);
  binding->changed = strcmp(json_str(status, "phase", ""), binding->phase) != 0;
  bool other = set_member(status, "accessModes", json_object_get(spec, "accessModes"));
  if (binding->changed || !spec)
    other |= set_member(status, "capacity", json_object_get(spec, "capacity"));
  if (binding->changed)
    json_object_set_new(status, "phase", json_string(binding->phase));
  return binding->changed || other;
}

bool binding_set_claim_phase(VolumeBinder *binder, const Object *claim, const char *phase, bool *changed,
                             GError **error)
{
  Binding binding = { .claim = claim, .phase = phase };
  bool ok = change(binder, claim, "status", set_claim_phase, &binding, error);
  if (changed)
    *changed = binding.changed;
  return ok;
}

bool binding_tie(VolumeBinder *binder, const Object *volume, const Object *claim, GError **error)
{
  Binding binding = { .volume = volume, .claim = claim };
  g_autoptr(GError) problem = NULL;
  if (!change(binder, volume, NULL, point_at_claim, &binding, error) ||
      !binding_set_phase(binder, volume, "Bound", "", NULL, error))
    return false;
  if (!change(binder, claim, NULL, point_at_volume, &binding, &problem)) {
    /* A claim that went in between has never used the volume: it is free again. */
    g_autoptr(Object) there =
        client_get(binder->client, "v1", "persistentvolumeclaims", object_namespace(claim), object_name(claim), NULL);
    if ((!there || strcmp(object_uid(there), object_uid(claim)) != 0) &&
        !volume_annotation(value_of(claim), VOLUME_BIND_COMPLETED))
      return binding_untie(binder, volume, error);
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  binding.phase = "Bound";
  return change(binder, claim, "status", set_claim_phase, &binding, error);
}
