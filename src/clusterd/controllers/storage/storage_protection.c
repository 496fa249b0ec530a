#include "clusterd/controllers/storage/storage_protection.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/work_queue.h"

#define CLAIM_FINALIZER "kubernetes.io/pvc-protection"
#define VOLUME_FINALIZER "kubernetes.io/pv-protection"
#define INDEX_CLAIM "claim" /* of pods: "namespace/name" of the claims a pod on a node uses */

struct StorageProtectionController {
  Client *client;
  Informer *claims, *volumes, *pods;
  WorkQueue *queue; /* "namespace/name" of claims, "name" of volumes */
};

static bool is_leaving(const Object *object)
{
  return json_at(object_json((Object *)(uintptr_t)object), "metadata", "deletionTimestamp", NULL) != NULL;
}

/* A pod without a node uses nothing yet: its node would not start it with a claim that is being deleted. A generic
 * ephemeral volume is a claim named after pod and volume. */
static char **claims_of_pod(const Object *pod)
{
  const json_t *spec = json_object_get(object_json((Object *)(uintptr_t)pod), "spec");
  GPtrArray *keys = g_ptr_array_new();
  size_t i;
  json_t *volume;
  if (*json_str(spec, "nodeName", ""))
    json_array_foreach (json_object_get(spec, "volumes"), i, volume) {
      const char *claim = json_str(json_object_get(volume, "persistentVolumeClaim"), "claimName", NULL);
      if (claim)
        g_ptr_array_add(keys, g_strdup_printf("%s/%s", object_namespace(pod), claim));
      else if (json_object_get(volume, "ephemeral"))
        g_ptr_array_add(
            keys, g_strdup_printf("%s/%s-%s", object_namespace(pod), object_name(pod), json_str(volume, "name", "")));
    }
  g_ptr_array_add(keys, NULL);
  return (char **)g_ptr_array_free(keys, FALSE);
}

static void on_stored(Object *old, Object *new_object, void *data)
{
  StorageProtectionController *controller = data;
  g_autofree char *key = new_object && is_leaving(new_object) ? informer_key(new_object) : NULL;
  if (key)
    work_queue_add(controller->queue, key);
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  StorageProtectionController *controller = data;
  g_auto(GStrv) keys = old && !new_object ? claims_of_pod(old) : NULL;
  for (int i = 0; keys && keys[i]; i++)
    work_queue_add(controller->queue, keys[i]);
}

static bool drop_finalizer(json_t *value, void *data)
{
  json_t *finalizers = json_at(value, "metadata", "finalizers", NULL);
  bool dropped = false;
  for (size_t i = json_array_size(finalizers); i-- > 0;)
    if (g_strcmp0(json_string_value(json_array_get(finalizers, i)), data) == 0) {
      json_array_remove(finalizers, i);
      dropped = true;
    }
  return dropped;
}

static bool is_used(const StorageProtectionController *controller, const Object *claim)
{
  g_autofree char *key = informer_key(claim);
  g_autoptr(GPtrArray) pods = informer_by_index(controller->pods, INDEX_CLAIM, key);
  return pods->len > 0;
}

static bool is_bound(const Object *volume)
{
  const json_t *status = json_object_get(object_json((Object *)(uintptr_t)volume), "status");
  return strcmp(json_str(status, "phase", ""), "Bound") == 0;
}

static bool release(const StorageProtectionController *controller, const char *plural, const Object *object,
                    const char *finalizer)
{
  g_autoptr(GError) error = NULL;
  const char *namespace_ = *object_namespace(object) ? object_namespace(object) : NULL;
  g_autoptr(Object) changed = client_modify(controller->client, "v1", plural, namespace_, object_name(object), NULL,
                                            drop_finalizer, (void *)(uintptr_t)finalizer, &error);
  if (changed || reason_is(error, REASON_NOT_FOUND))
    return true;
  g_info("Cannot let %s %s go: %s", plural, object_name(object), error->message);
  return false;
}

static bool reconcile(const char *key, void *data)
{
  const StorageProtectionController *controller = data;
  g_autofree char *namespace_ = NULL;
  g_autofree char *name = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) object = informer_get(namespace_ ? controller->claims : controller->volumes, namespace_, name);
  if (!object || !is_leaving(object))
    return true;
  if (namespace_)
    return is_used(controller, object) || release(controller, "persistentvolumeclaims", object, CLAIM_FINALIZER);
  return is_bound(object) || release(controller, "persistentvolumes", object, VOLUME_FINALIZER);
}

StorageProtectionController *storage_protection_controller_new(const ControllerContext *context)
{
  StorageProtectionController *controller = g_new0(StorageProtectionController, 1);
  controller->client = client_new(context->registry, "pvc-protection-controller");
  controller->claims = informer_set_get(context->informers, "v1", "persistentvolumeclaims");
  controller->volumes = informer_set_get(context->informers, "v1", "persistentvolumes");
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->queue = work_queue_new("storage-protection", 1, reconcile, controller);
  informer_add_index(controller->pods, INDEX_CLAIM, claims_of_pod);
  informer_add_handler(controller->claims, on_stored, controller);
  informer_add_handler(controller->volumes, on_stored, controller);
  informer_add_handler(controller->pods, on_pod, controller);
  work_queue_start(controller->queue);
  return controller;
}

void storage_protection_controller_free(StorageProtectionController *controller)
{
  work_queue_free(controller->queue);
  client_free(controller->client);
  g_free(controller);
}
