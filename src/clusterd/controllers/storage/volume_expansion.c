#include "clusterd/controllers/storage/volume_expansion.h"

#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "base/reason.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/recorder.h"
#include "clusterd/client/volume_match.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/controllers/storage/pod_claims.h"
#include "clusterd/controllers/storage/volume_provisioner.h"

struct VolumeExpansion {
  Client *client;
  Recorder *recorder;
  Informer *claims, *volumes, *pods;
  WorkQueue *queue; /* claims */
};

static const json_t *value_of(const Object *object)
{
  return object_json((Object *)(uintptr_t)object);
}

static Quantity capacity_of(const json_t *claim)
{
  Quantity capacity = { 0 };
  quantity_parse(json_str(json_at(claim, "status", "capacity", NULL), "storage", "0"), &capacity, NULL);
  return capacity;
}

static bool wants_more(const json_t *claim)
{
  return strcmp(json_str(json_object_get(claim, "status"), "phase", ""), "Bound") == 0 &&
         quantity_compare(claim_size(claim), capacity_of(claim)) > 0;
}

/* --- the claim's status --------------------------------------------------------------------------------------------
 */

#define IN_PROGRESS "ControllerResizeInProgress"
#define PENDING "NodeResizePending"

/* Sets how far growing has come; false when that is known already. */
static bool set_progress(json_t *value, const char *progress)
{
  json_t *status = json_ensure_object(value, "status", NULL);
  json_t *statuses = json_ensure_object(status, "allocatedResourceStatuses", NULL);
  if (strcmp(json_str(statuses, "storage", ""), progress) == 0)
    return false;
  json_t *size = json_at(value, "spec", "resources", "requests", "storage", NULL);
  json_object_set(json_ensure_object(status, "allocatedResources", NULL), "storage", size);
  json_object_set_new(statuses, "storage", json_string(progress));
  return true;
}

static bool begin(json_t *value, void *data)
{
  return set_progress(value, IN_PROGRESS) &&
         condition_set(json_object_get(value, "status"), "Resizing", "True", "", "");
}

static bool wait_for_node(json_t *value, void *data)
{
  json_t *status = json_ensure_object(value, "status", NULL);
  if (!set_progress(value, PENDING))
    return false;
  condition_remove(status, "Resizing");
  return condition_set(status, "FileSystemResizePending", "True", "",
                       "Waiting for user to (re-)start a pod to finish file system resize of volume on node.");
}

/* SIZE is what the volume has now. */
static bool finish(json_t *value, void *data)
{
  json_t *status = json_ensure_object(value, "status", NULL);
  json_object_set_new(json_ensure_object(status, "capacity", NULL), "storage", json_string(data));
  json_object_del(status, "allocatedResourceStatuses");
  condition_remove(status, "Resizing");
  condition_remove(status, "FileSystemResizePending");
  return true;
}

static bool change(VolumeExpansion *controller, const Object *object, const char *subresource, RegistryChange change_it,
                   const char *data, GError **error)
{
  bool is_claim = *object_namespace(object) != '\0';
  g_autoptr(Object) stored =
      client_modify(controller->client, "v1", is_claim ? "persistentvolumeclaims" : "persistentvolumes",
                    is_claim ? object_namespace(object) : NULL, object_name(object), subresource, change_it,
                    (void *)(uintptr_t)data, error);
  if (stored)
    informer_wait_revision(is_claim ? controller->claims : controller->volumes, object_revision(stored));
  return stored != NULL;
}

/* --- growing -------------------------------------------------------------------------------------------------------
 */

static bool enlarge(json_t *value, void *data)
{
  Quantity size = volume_size(value), wanted;
  if (!quantity_parse(data, &wanted, NULL) || quantity_compare(size, wanted) >= 0)
    return false;
  json_object_set_new(json_ensure_object(value, "spec", "capacity", NULL), "storage", json_string(data));
  return true;
}

/* Each step is found done when this is begun again after a stop: in the end the claim has what it asked for. */
static bool grow_folder(VolumeExpansion *controller, const Object *claim, const Object *volume, GError **error)
{
  const char *wanted = json_str(json_at(value_of(claim), "spec", "resources", "requests", NULL), "storage", "0");
  recorder_event(controller->recorder, value_of(claim), NULL, "Normal", "Resizing",
                 "External resizer is resizing volume %s", object_name(volume));
  if (!change(controller, claim, "status", begin, NULL, error) ||
      !change(controller, volume, NULL, enlarge, wanted, error) ||
      !change(controller, claim, "status", finish, wanted, error))
    return false;
  recorder_event(controller->recorder, value_of(claim), NULL, "Normal", "VolumeResizeSuccessful",
                 "Resize volume succeeded");
  return true;
}

static bool is_mounted(const VolumeExpansion *controller, const Object *claim)
{
  g_autofree char *key = informer_key(claim);
  g_autoptr(GPtrArray) pods = informer_by_index(controller->pods, PODS_BY_CLAIM, key);
  for (unsigned i = 0; i < pods->len; i++)
    if (strcmp(pod_phase(object_json(g_ptr_array_index(pods, i))), "Running") == 0)
      return true;
  return false;
}

/* The folder of a local volume has no file system of its own that would have to grow. */
static bool grow_local(VolumeExpansion *controller, const Object *claim, const Object *volume, GError **error)
{
  const char *size = json_str(json_at(value_of(volume), "spec", "capacity", NULL), "storage", "0");
  if (!is_mounted(controller, claim))
    return change(controller, claim, "status", wait_for_node, NULL, error);
  if (!change(controller, claim, "status", finish, size, error))
    return false;
  recorder_event(controller->recorder, value_of(claim), NULL, "Normal", "FileSystemResizeSuccessful",
                 "MountVolume.NodeExpandVolume succeeded for volume \"%s\"", object_name(volume));
  return true;
}

static bool sync_claim(VolumeExpansion *controller, const Object *claim, GError **error)
{
  const json_t *value = value_of(claim);
  const char *name = json_str(json_object_get(value, "spec"), "volumeName", "");
  g_autoptr(Object) volume = wants_more(value) ? informer_get(controller->volumes, NULL, name) : NULL;
  if (!volume)
    return true;
  const json_t *spec = json_object_get(object_json(volume), "spec");
  if (strcmp(json_str(json_object_get(spec, "claimRef"), "uid", ""), object_uid(claim)) != 0)
    return true;
  if (g_strcmp0(volume_annotation(object_json(volume), VOLUME_PROVISIONED_BY), VOLUME_PROVISIONER_NAME) == 0)
    return grow_folder(controller, claim, volume, error);
  if (json_object_get(spec, "local") && quantity_compare(volume_size(object_json(volume)), claim_size(value)) >= 0)
    return grow_local(controller, claim, volume, error);
  recorder_event(controller->recorder, value, NULL, json_object_get(spec, "csi") ? "Normal" : "Warning",
                 "ExternalExpanding", "waiting for an external controller to expand this PVC");
  return true;
}

/* --- what leads to work --------------------------------------------------------------------------------------------
 */

/* What others write of a claim that waits for somebody else changes nothing. */
static void on_claim(Object *old, Object *new_object, void *data)
{
  VolumeExpansion *controller = data;
  if (!new_object || !wants_more(object_json(new_object)) ||
      (old && wants_more(object_json(old)) &&
       quantity_compare(claim_size(object_json(old)), claim_size(object_json(new_object))) == 0))
    return;
  g_autofree char *key = informer_key(new_object);
  work_queue_add(controller->queue, key);
}

static void add_if_waiting(VolumeExpansion *controller, const char *namespace_, const char *name)
{
  g_autoptr(Object) claim = informer_get(controller->claims, namespace_, name);
  g_autofree char *key = claim && wants_more(object_json(claim)) ? informer_key(claim) : NULL;
  if (key)
    work_queue_add(controller->queue, key);
}

/* A volume that has grown, or been tied to its claim. */
static void on_volume(Object *old, Object *new_object, void *data)
{
  const json_t *reference = new_object ? json_at(object_json(new_object), "spec", "claimRef", NULL) : NULL;
  if (reference && (!old || quantity_compare(volume_size(object_json(old)), volume_size(object_json(new_object))) != 0))
    add_if_waiting(data, json_str(reference, "namespace", ""), json_str(reference, "name", ""));
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  if (!new_object || strcmp(pod_phase(object_json(new_object)), "Running") != 0 ||
      (old && strcmp(pod_phase(object_json(old)), "Running") == 0))
    return;
  g_auto(GStrv) keys = pod_claims_index(new_object);
  for (int i = 0; keys && keys[i]; i++) {
    g_autofree char *namespace_ = NULL, *name = NULL;
    informer_split_key(keys[i], &namespace_, &name);
    add_if_waiting(data, namespace_, name);
  }
}

static bool reconcile(const char *key, void *data)
{
  VolumeExpansion *controller = data;
  g_autofree char *namespace_ = NULL, *name = NULL;
  g_autoptr(GError) error = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) claim = informer_get(controller->claims, namespace_, name);
  bool done = !claim || sync_claim(controller, claim, &error);
  if (!done)
    g_info("claim %s: %s", key, error->message);
  return done;
}

VolumeExpansion *volume_expansion_new(const ControllerContext *context)
{
  VolumeExpansion *controller = g_new0(VolumeExpansion, 1);
  controller->client = client_new(context->registry, "volume_expand");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->claims = informer_set_get(context->informers, "v1", "persistentvolumeclaims");
  controller->volumes = informer_set_get(context->informers, "v1", "persistentvolumes");
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->queue = work_queue_new("volume-expansion", 1, reconcile, controller);
  informer_add_index(controller->pods, PODS_BY_CLAIM, pod_claims_index);
  informer_add_handler(controller->claims, on_claim, controller);
  informer_add_handler(controller->volumes, on_volume, controller);
  informer_add_handler(controller->pods, on_pod, controller);
  work_queue_start(controller->queue);
  return controller;
}

void volume_expansion_free(VolumeExpansion *controller)
{
  work_queue_free(controller->queue);
  recorder_free(controller->recorder);
  client_free(controller->client);
  g_free(controller);
}
