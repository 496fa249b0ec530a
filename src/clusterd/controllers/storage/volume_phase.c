/* A volume's phase: Available while nobody has it, Bound to a claim, Released when that is gone. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/controllers/storage/volume_binder_private.h"

static const json_t *value_of(const Object *object)
{
  return object_json((Object *)(uintptr_t)object);
}

static bool make_available(VolumeBinder *binder, const Object *volume, GError **error)
{
  if (!binding_set_phase(binder, volume, "Available", "", NULL, error))
    return false;
  binder_wake_claims(binder, volume);
  return true;
}

/* A phase Failed stays for people to see, while it is tried again. */
static bool release(VolumeBinder *binder, const Object *volume, GError **error)
{
  const char *phase = json_str(json_object_get(value_of(volume), "status"), "phase", "");
  if (strcmp(phase, "Released") != 0 && strcmp(phase, "Failed") != 0 &&
      !binding_set_phase(binder, volume, "Released", "", NULL, error))
    return false;
  return volume_reclaim(binder, volume, error);
}

/* The claim REFERENCE is about, as it is now: what is given up must not depend on how far an informer has come. *CLAIM
 * is NULL when it is gone, or another has its name. False with the error when nobody knows. */
static bool find_claim(const VolumeBinder *binder, const json_t *reference, Object **claim, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) found = client_get(binder->client, "v1", "persistentvolumeclaims",
                                       json_str(reference, "namespace", ""), json_str(reference, "name", ""), &problem);
  *claim = NULL;
  if (!found && !reason_is(problem, REASON_NOT_FOUND)) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  if (found && strcmp(object_uid(found), json_str(reference, "uid", "")) == 0)
    *claim = g_steal_pointer(&found);
  return true;
}

static void say_mode_mismatch(VolumeBinder *binder, const Object *volume, const Object *claim)
{
  g_autofree char *key = informer_key(claim);
  g_autofree char *text = g_strdup_printf(
      "Cannot bind PersistentVolume \"%s\" to requested PersistentVolumeClaim due to incompatible volumeMode.",
      object_name(volume));
  binder_tell(binder, key, claim, "Warning", "VolumeMismatch", text);
  recorder_event(
      binder->recorder, value_of(volume), NULL, "Warning", "VolumeMismatch",
      "Cannot bind PersistentVolume to requested PersistentVolumeClaim \"%s\" due to incompatible volumeMode.",
      object_name(claim));
}

/* The claim has another volume. One that was made for it is of no use to anybody else. */
static bool leave_claim(VolumeBinder *binder, const Object *volume, GError **error)
{
  const json_t *value = value_of(volume);
  const char *policy = json_str(json_object_get(value, "spec"), "persistentVolumeReclaimPolicy", "");
  if (volume_annotation(value, VOLUME_PROVISIONED_BY) && strcmp(policy, "Delete") == 0)
    return release(binder, volume, error);
  return binding_untie(binder, volume, error);
}

bool volume_phase_sync(VolumeBinder *binder, const Object *volume, GError **error)
{
  const json_t *value = value_of(volume), *reference = json_at(value, "spec", "claimRef", NULL);
  g_autoptr(Object) claim = NULL;
  if (!reference || !*json_str(reference, "uid", ""))
    return make_available(binder, volume, error);
  if (!find_claim(binder, reference, &claim, error))
    return false;
  if (!claim)
    return release(binder, volume, error);
  const char *name = json_str(json_object_get(value_of(claim), "spec"), "volumeName", "");
  if (strcmp(name, object_name(volume)) == 0)
    return binding_set_phase(binder, volume, "Bound", "", NULL, error);
  if (*name)
    return leave_claim(binder, volume, error);
  if (strcmp(volume_mode(value_of(claim)), volume_mode(value)) != 0) {
    say_mode_mismatch(binder, volume, claim);
    return true;
  }
  g_autofree char *key = informer_key(claim);
  work_queue_add(binder->queue, key); /* one end is tied: the claim's sync ties the other */
  return true;
}
