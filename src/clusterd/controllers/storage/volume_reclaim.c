/* What becomes of a volume whose claim is gone: kept as it is, emptied for the next, or deleted. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/controllers/storage/volume_binder_private.h"

#define DELETABLE_ROOT "/tmp" /* of hostPath volumes that nobody provisioned, only those below are deleted */

static const json_t *value_of(const Object *object)
{
  return object_json((Object *)(uintptr_t)object);
}

static const char *host_path(const Object *volume)
{
  return json_str(json_at(value_of(volume), "spec", "hostPath", NULL), "path", NULL);
}

/* Marks VOLUME as Failed, with an event the first time. It is tried again: false. */
static bool fail(VolumeBinder *binder, const Object *volume, const char *reason, const char *text, GError **error)
{
  bool changed;
  if (!binding_set_phase(binder, volume, "Failed", text, &changed, error))
    return false;
  if (changed)
    recorder_event(binder->recorder, value_of(volume), NULL, "Warning", reason, "%s", text);
  return reason_set(error, REASON_FILE, "%s", text);
}

static bool recycle(VolumeBinder *binder, const Object *volume, GError **error)
{
  const json_t *reference = json_at(value_of(volume), "spec", "claimRef", NULL);
  g_autofree char *key =
      g_strdup_printf("%s/%s", json_str(reference, "namespace", ""), json_str(reference, "name", ""));
  unsigned count;
  g_autofree char *pods = binder_pods_of(binder, key, false, &count);
  g_autoptr(GError) problem = NULL;
  if (count > 0) {
    recorder_event(binder->recorder, value_of(volume), NULL, "Normal", "VolumeFailedRecycle",
                   "Volume is used by pods: %s", pods);
    return reason_set(error, REASON_CONFLICT, "the volume is used by pods");
  }
  if (!binder->folders || !host_path(volume))
    return fail(binder, volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!", error);
  if (!binder->folders->empty(host_path(volume), &problem)) {
    g_autofree char *text = g_strdup_printf("Recycle failed: %s", problem->message);
    return fail(binder, volume, "VolumeFailedRecycle", text, error);
  }
  recorder_event(binder->recorder, value_of(volume), NULL, "Normal", "VolumeRecycled", "Volume recycled");
  return binding_untie(binder, volume, error);
}

static char *no_deleter(const Object *volume)
{
  return g_strdup_printf("error getting deleter volume plugin for volume \"%s\": no deletable volume plugin matched",
                         object_name(volume));
}

/* Removes the folder of a hostPath volume. NULL, or why not; the caller frees. */
static char *delete_folder(const VolumeBinder *binder, const Object *volume)
{
  const char *path = host_path(volume);
  g_autoptr(GError) error = NULL;
  if (!binder->folders || !path)
    return no_deleter(volume);
  if (!g_str_has_prefix(path, DELETABLE_ROOT "/") || !path[strlen(DELETABLE_ROOT "/")])
    return g_strdup_printf("host_path deleter only supports /tmp/.+ but received provided %s", path);
  return binder->folders->remove(DELETABLE_ROOT, path, &error) ? NULL : g_strdup(error->message);
}

/* A volume that was provisioned is deleted by who did that; it sees the phase. */
static bool delete (VolumeBinder *binder, const Object *volume, GError **error)
{
  const char *maker = volume_annotation(value_of(volume), VOLUME_PROVISIONED_BY);
  g_autoptr(GError) problem = NULL;
  if (maker && !g_str_has_prefix(maker, "kubernetes.io/"))
    return true;
  if (!maker && json_at(value_of(volume), "spec", "csi", NULL))
    return true;
  g_autofree char *failure = delete_folder(binder, volume);
  if (failure)
    return fail(binder, volume, "VolumeFailedDelete", failure, error);
  const DeleteOptions options = { .grace_period_seconds = -1, .precondition_uid = object_uid(volume) };
  if (client_delete(binder->client, "v1", "persistentvolumes", NULL, object_name(volume), &options, &problem) ||
      reason_is(problem, REASON_NOT_FOUND))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

bool volume_reclaim(VolumeBinder *binder, const Object *volume, GError **error)
{
  const char *policy = json_str(json_object_get(value_of(volume), "spec"), "persistentVolumeReclaimPolicy", "");
  if (strcmp(policy, "Retain") == 0)
    return true;
  if (strcmp(policy, "Recycle") == 0)
    return recycle(binder, volume, error);
  return delete (binder, volume, error);
}
