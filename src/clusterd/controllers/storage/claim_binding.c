/* A claim's way to a volume: unbound until it carries the annotation bind-completed, then bound or lost. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/controllers/storage/volume_binder_private.h"

static const json_t *value_of(const Object *object)
{
  return object_json((Object *)(uintptr_t)object);
}

/* The smallest volume that is reserved for CLAIM and can serve it; its class is that of whoever reserved it. */
static Object *find_reserved(const VolumeBinder *binder, const char *key, const json_t *claim)
{
  g_autoptr(GPtrArray) volumes = informer_by_index(binder->volumes, VOLUMES_BY_CLAIM, key);
  Object *found = NULL;
  for (unsigned i = 0; i < volumes->len; i++) {
    Object *volume = g_ptr_array_index(volumes, i);
    const json_t *value = object_json(volume);
    if (!volume_is_for(value, claim) || json_at(value, "metadata", "deletionTimestamp", NULL) ||
        strcmp(volume_mode(value), volume_mode(claim)) != 0 || !volume_has_access_modes(value, claim) ||
        quantity_compare(volume_size(value), claim_size(claim)) < 0)
      continue;
    if (!found || quantity_compare(volume_size(value), volume_size(object_json(found))) < 0)
      found = volume;
  }
  return found ? object_ref(found) : NULL;
}

/* Where binding waits for a pod, the scheduler either reserves a volume or names the node that the volume, of those
 * there are or a new one, must be reached from. */
static Object *find_volume(const VolumeBinder *binder, const char *key, const json_t *claim, const json_t *class)
{
  Object *reserved = find_reserved(binder, key, claim);
  if (reserved || !storage_class_waits(class))
    return reserved ? reserved : volume_index_find(binder->available, claim, NULL, NULL);
  const char *node_name = volume_annotation(claim, VOLUME_SELECTED_NODE);
  g_autoptr(Object) node = node_name ? informer_get(binder->nodes, NULL, node_name) : NULL;
  return node ? volume_index_find(binder->available, claim, object_json(node), NULL) : NULL;
}

static bool say_mismatch(VolumeBinder *binder, const char *key, const Object *claim, const Object *volume,
                         const char *why, GError **error)
{
  g_autofree char *text = g_strdup_printf("Cannot bind to requested volume \"%s\": %s", object_name(volume), why);
  binder_tell(binder, key, claim, "Warning", "VolumeMismatch", text);
  return binding_set_claim_phase(binder, claim, "Pending", NULL, error);
}

/* The claim names the volume it wants. */
static bool sync_requested(VolumeBinder *binder, const char *key, const Object *claim, const char *name, GError **error)
{
  g_autoptr(Object) volume = informer_get(binder->volumes, NULL, name);
  if (!volume)
    return binding_set_claim_phase(binder, claim, "Pending", NULL, error);
  const json_t *value = object_json(volume);
  if (!json_at(value, "spec", "claimRef", NULL)) {
    const char *why = volume_mismatch(value, value_of(claim));
    return why ? say_mismatch(binder, key, claim, volume, why, error) : binding_tie(binder, volume, claim, error);
  }
  if (volume_is_for(value, value_of(claim)))
    return binding_tie(binder, volume, claim, error);
  g_autofree char *text = g_strdup_printf("volume \"%s\" already bound to a different claim.", name);
  binder_tell(binder, key, claim, "Warning", "FailedBinding", text);
  return binding_set_claim_phase(binder, claim, "Pending", NULL, error);
}

static bool sync_unbound(VolumeBinder *binder, const char *key, const Object *claim, GError **error)
{
  const json_t *value = value_of(claim);
  const char *name = json_str(json_object_get(value, "spec"), "volumeName", "");
  if (json_at(value, "metadata", "deletionTimestamp", NULL)) {
    binder_wake_for_rest(binder, value, NULL); /* it is leaving: others may have what it could have had */
    return true;
  }
  if (*name)
    return sync_requested(binder, key, claim, name, error);
  g_autoptr(Object) class = informer_get(binder->classes, NULL, volume_class(value));
  const json_t *class_value = class ? object_json(class) : NULL;
  g_autoptr(Object) volume = find_volume(binder, key, value, class_value);
  if (!volume)
    return claim_provision(binder, key, claim, class_value, error);
  if (!binding_tie(binder, volume, claim, error))
    return false;
  binder_wake_for_rest(binder, value, object_name(volume));
  return true;
}

static bool lose(VolumeBinder *binder, const Object *claim, const char *reason, const char *text, GError **error)
{
  bool changed;
  if (!binding_set_claim_phase(binder, claim, "Lost", &changed, error))
    return false;
  if (changed)
    recorder_event(binder->recorder, value_of(claim), NULL, "Warning", reason, "%s", text);
  return true;
}

static bool sync_bound(VolumeBinder *binder, const Object *claim, GError **error)
{
  const json_t *value = value_of(claim);
  const char *name = json_str(json_object_get(value, "spec"), "volumeName", "");
  if (!*name)
    return lose(binder, claim, "ClaimLost",
                "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!", error);
  g_autoptr(Object) volume = informer_get(binder->volumes, NULL, name);
  if (!volume)
    return lose(binder, claim, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!",
                error);
  const json_t *reference = json_at(object_json(volume), "spec", "claimRef", NULL);
  if (!reference || strcmp(json_str(reference, "uid", ""), object_uid(claim)) == 0)
    return binding_tie(binder, volume, claim, error);
  return lose(binder, claim, "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly",
              error);
}

bool claim_binding_sync(VolumeBinder *binder, const char *key, const Object *claim, GError **error)
{
  if (!volume_annotation(value_of(claim), VOLUME_BIND_COMPLETED))
    return sync_unbound(binder, key, claim, error);
  binder_forget(binder, key);
  return sync_bound(binder, claim, error);
}
