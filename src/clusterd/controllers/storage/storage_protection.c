#include "clusterd/controllers/storage/storage_protection.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/controllers/storage/pod_claims.h"

#define CLAIM_FINALIZER "kubernetes.io/pvc-protection"
#define VOLUME_FINALIZER "kubernetes.io/pv-protection"

struct StorageProtectionController {
  Client *client;
  Informer *claims, *volumes, *pods;
  WorkQueue *queue; /* "namespace/name" of claims, "name" of volumes */
};

static const json_t *value_of(const Object *object)
{
  return object_json((Object *)(uintptr_t)object);
}

static bool is_leaving(const Object *object)
{
  return json_at(value_of(object), "metadata", "deletionTimestamp", NULL) != NULL;
}

/* Not being deleted, and without the finalizer that would hold that up: older than its admission. */
static bool is_bare(const Object *object)
{
  const char *name = *object_namespace(object) ? CLAIM_FINALIZER : VOLUME_FINALIZER;
  return !is_leaving(object) && !json_has_text(json_at(value_of(object), "metadata", "finalizers", NULL), name);
}

static void on_stored(Object *old, Object *new_object, void *data)
{
  StorageProtectionController *controller = data;
  g_autofree char *key =
      new_object && (is_leaving(new_object) || is_bare(new_object)) ? informer_key(new_object) : NULL;
  if (key)
    work_queue_add(controller->queue, key);
}

/* The node is done with the pod, or somebody has given it up: what still holds it may wait for its claims in turn. */
static bool is_shut_down(const json_t *pod)
{
  const json_t *metadata = json_object_get(pod, "metadata");
  return json_object_get(metadata, "deletionTimestamp") && json_int(metadata, "deletionGracePeriodSeconds", -1) == 0;
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  StorageProtectionController *controller = data;
  if (new_object && !is_shut_down(object_json(new_object)))
    return;
  g_auto(GStrv) keys = pod_claims_index(new_object ? new_object : old);
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

static bool add_finalizer(json_t *value, void *data)
{
  json_t *metadata = json_ensure_object(value, "metadata", NULL), *finalizers = json_object_get(metadata, "finalizers");
  if (json_has_text(finalizers, data) || json_object_get(metadata, "deletionTimestamp"))
    return false;
  if (!finalizers)
    json_object_set_new(metadata, "finalizers", finalizers = json_array());
  json_array_append_new(finalizers, json_string(data));
  return true;
}

/* A pod without a node uses nothing yet: its node would not start it with a claim that is being deleted. One that is
 * over still counts: it may be looked at, and what it left belongs to it. */
static bool uses(const json_t *pod, const Object *claim)
{
  size_t i;
  json_t *volume;
  if (!*pod_node(pod))
    return false;
  json_array_foreach (json_at(pod, "spec", "volumes", NULL), i, volume) {
    const char *name = json_str(json_object_get(volume, "persistentVolumeClaim"), "claimName", NULL);
    g_autofree char *ephemeral =
        json_object_get(volume, "ephemeral") && !is_shut_down(pod) && pod_claims_is_owner(pod, value_of(claim))
            ? pod_claims_ephemeral_name(pod, volume)
            : NULL;
    if (g_strcmp0(name, object_name(claim)) == 0 || g_strcmp0(ephemeral, object_name(claim)) == 0)
      return true;
  }
  return false;
}

/* The informer is asked first; that nobody uses the claim only the API itself can say. */
static bool is_used(const StorageProtectionController *controller, const Object *claim)
{
  g_autofree char *key = informer_key(claim);
  g_autoptr(GPtrArray) known = informer_by_index(controller->pods, PODS_BY_CLAIM, key);
  for (unsigned i = 0; i < known->len; i++)
    if (uses(object_json(g_ptr_array_index(known, i)), claim))
      return true;
  g_autoptr(ObjectList) pods = client_list(controller->client, "v1", "pods", object_namespace(claim), NULL, NULL);
  for (unsigned i = 0; pods && i < pods->objects->len; i++)
    if (uses(object_json(g_ptr_array_index(pods->objects, i)), claim))
      return true;
  return !pods;
}

static bool is_bound(const Object *volume)
{
  const json_t *status = json_object_get(value_of(volume), "status");
  return strcmp(json_str(status, "phase", ""), "Bound") == 0;
}

static bool change(const StorageProtectionController *controller, const Object *object, RegistryChange change_value)
{
  g_autoptr(GError) error = NULL;
  bool is_claim = *object_namespace(object) != '\0';
  const char *finalizer = is_claim ? CLAIM_FINALIZER : VOLUME_FINALIZER;
  g_autoptr(Object) changed =
      client_modify(controller->client, "v1", is_claim ? "persistentvolumeclaims" : "persistentvolumes",
                    is_claim ? object_namespace(object) : NULL, object_name(object), NULL, change_value,
                    (void *)(uintptr_t)finalizer, &error);
  if (changed || reason_is(error, REASON_NOT_FOUND))
    return true;
  g_info("Cannot change the finalizer of %s: %s", object_name(object), error->message);
  return false;
}

static bool reconcile(const char *key, void *data)
{
  const StorageProtectionController *controller = data;
  g_autofree char *namespace_ = NULL;
  g_autofree char *name = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) object = informer_get(namespace_ ? controller->claims : controller->volumes, namespace_, name);
  if (!object)
    return true;
  if (is_bare(object))
    return change(controller, object, add_finalizer);
  if (!is_leaving(object) || (namespace_ ? is_used(controller, object) : is_bound(object)))
    return true;
  return change(controller, object, drop_finalizer);
}

StorageProtectionController *storage_protection_controller_new(const ControllerContext *context)
{
  StorageProtectionController *controller = g_new0(StorageProtectionController, 1);
  controller->client = client_new(context->registry, "pvc-protection-controller");
  controller->claims = informer_set_get(context->informers, "v1", "persistentvolumeclaims");
  controller->volumes = informer_set_get(context->informers, "v1", "persistentvolumes");
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->queue = work_queue_new("storage-protection", 1, reconcile, controller);
  informer_add_index(controller->pods, PODS_BY_CLAIM, pod_claims_index);
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
