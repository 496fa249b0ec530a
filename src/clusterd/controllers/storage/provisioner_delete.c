/* Volumes of the provisioner that are given back: the folder goes, then the volume. A finalizer holds one that
 * somebody deletes before, so that its folder is not left behind. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/controllers/storage/volume_provisioner_private.h"

static const json_t *value_of(const Object *object)
{
  return object_json((Object *)(uintptr_t)object);
}

static bool is_held(const json_t *volume)
{
  return json_has_text(json_at(volume, "metadata", "finalizers", NULL), PROVISIONER_FINALIZER);
}

static bool hold(json_t *value, void *data)
{
  json_t *metadata = json_ensure_object(value, "metadata", NULL), *list = json_object_get(metadata, "finalizers");
  if (is_held(value) || json_object_get(metadata, "deletionTimestamp"))
    return false;
  if (!list)
    json_object_set_new(metadata, "finalizers", list = json_array());
  json_array_append_new(list, json_string(PROVISIONER_FINALIZER));
  return true;
}

static bool let_go(json_t *value, void *data)
{
  json_t *list = json_at(value, "metadata", "finalizers", NULL);
  bool held = is_held(value);
  for (size_t i = json_array_size(list); i-- > 0;)
    if (strcmp(json_string_value(json_array_get(list, i)), PROVISIONER_FINALIZER) == 0)
      json_array_remove(list, i);
  return held;
}

static bool change(VolumeProvisioner *provisioner, const Object *volume, RegistryChange change_value, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) stored = client_modify(provisioner->client, "v1", "persistentvolumes", NULL, object_name(volume),
                                           NULL, change_value, NULL, &problem);
  if (stored || reason_is(problem, REASON_NOT_FOUND))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

/* A folder that another volume stands for as well stays: its data is not this one's alone. */
static bool remove_folder(const VolumeProvisioner *provisioner, const Object *volume, GError **error)
{
  const char *path = json_str(json_at(value_of(volume), "spec", "hostPath", NULL), "path", NULL);
  if (!path)
    return true;
  g_autoptr(GPtrArray) all = informer_by_index(provisioner->volumes, VOLUMES_BY_PATH, path);
  for (unsigned i = 0; i < all->len; i++)
    if (strcmp(object_uid(g_ptr_array_index(all, i)), object_uid(volume)) != 0)
      return true;
  return provisioner->folders->remove(provisioner->folders->root, path, error);
}

static bool delete_volume(VolumeProvisioner *provisioner, const Object *volume, GError **error)
{
  const DeleteOptions options = { .grace_period_seconds = -1, .precondition_uid = object_uid(volume) };
  g_autoptr(GError) problem = NULL;
  if (!remove_folder(provisioner, volume, &problem)) {
    recorder_event(provisioner->recorder, value_of(volume), NULL, "Warning", "VolumeFailedDelete", "%s",
                   problem->message);
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  if (client_delete(provisioner->client, "v1", "persistentvolumes", NULL, object_name(volume), &options, &problem))
    return change(provisioner, volume, let_go, error);
  if (reason_is(problem, REASON_NOT_FOUND) || reason_is(problem, REASON_CONFLICT))
    return true; /* it is gone, and may be another by now */
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

bool provisioner_sync_volume(VolumeProvisioner *provisioner, const Object *volume, GError **error)
{
  const json_t *value = value_of(volume);
  const char *policy = json_str(json_object_get(value, "spec"), "persistentVolumeReclaimPolicy", "");
  const char *phase = json_str(json_object_get(value, "status"), "phase", "");
  bool held = is_held(value), leaves = json_at(value, "metadata", "deletionTimestamp", NULL) != NULL;
  if (!provisioner_made(value))
    return true;
  if (strcmp(policy, "Delete") != 0)
    return !held || change(provisioner, volume, let_go, error);
  if (strcmp(phase, "Released") == 0 && (held || !leaves))
    return delete_volume(provisioner, volume, error);
  if (strcmp(phase, "Bound") == 0 && !held && !leaves)
    return change(provisioner, volume, hold, error);
  return true;
}
