#include "clusterd/controllers/storage/ephemeral_volumes.h"

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/recorder.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/storage/pod_claims.h"

struct EphemeralVolumes {
  Client *client;
  Recorder *recorder;
  Informer *pods, *claims;
  WorkQueue *queue; /* pods */
};

static bool has_ephemeral(const json_t *pod)
{
  size_t i;
  json_t *volume;
  json_array_foreach (json_at(pod, "spec", "volumes", NULL), i, volume)
    if (json_object_get(volume, "ephemeral"))
      return true;
  return false;
}

/* A pod's volumes never change: one look is enough. */
static void on_pod(Object *old, Object *new_object, void *data)
{
  EphemeralVolumes *controller = data;
  if (old || pod_is_deleting(object_json(new_object)) || !has_ephemeral(object_json(new_object)))
    return;
  g_autofree char *key = informer_key(new_object);
  work_queue_add(controller->queue, key);
}

/* A claim that somebody deleted is made again while its pod needs it. */
static void on_claim(Object *old, Object *new_object, void *data)
{
  EphemeralVolumes *controller = data;
  if (new_object)
    return;
  g_autofree char *key = informer_key(old);
  g_autoptr(GPtrArray) pods = informer_by_index(controller->pods, PODS_BY_CLAIM, key);
  for (unsigned i = 0; i < pods->len; i++)
    on_pod(NULL, g_ptr_array_index(pods, i), controller);
}

static json_t *make_claim(const Object *pod, const char *name, const json_t *template)
{
  const json_t *metadata = json_object_get(template, "metadata");
  json_t *made = json_pack("{s:s, s:[o]}", "name", name, "ownerReferences",
                           owner_reference_new(object_json((Object *)(uintptr_t)pod)));
  static const char *const copied[] = { "labels", "annotations" };
  for (gsize i = 0; i < G_N_ELEMENTS(copied); i++)
    if (json_object_get(metadata, copied[i]))
      json_object_set(made, copied[i], json_object_get(metadata, copied[i]));
  return json_pack("{s:o, s:O}", "metadata", made, "spec", json_object_get(template, "spec"));
}

static bool check_owner(const Object *pod, const char *name, const json_t *claim, GError **error)
{
  return pod_claims_is_owner(object_json((Object *)(uintptr_t)pod), claim) ||
         reason_set(error, REASON_CONFLICT, "PVC %s/%s was not created for pod %s/%s (pod is not owner)",
                    object_namespace(pod), name, object_namespace(pod), object_name(pod));
}

static bool ensure_claim(EphemeralVolumes *controller, const Object *pod, const json_t *volume, GError **error)
{
  const json_t *template = json_at(volume, "ephemeral", "volumeClaimTemplate", NULL);
  g_autofree char *name = pod_claims_ephemeral_name(object_json((Object *)(uintptr_t)pod), volume);
  g_autoptr(Object) there =
      client_get(controller->client, "v1", "persistentvolumeclaims", object_namespace(pod), name, NULL);
  if (there)
    return check_owner(pod, name, object_json(there), error);
  g_autoptr(json_t) claim = make_claim(pod, name, template);
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) made =
      client_create(controller->client, "v1", "persistentvolumeclaims", object_namespace(pod), claim, &problem);
  return made || reason_set(error, REASON_CONFLICT, "create PVC %s: %s", name, problem->message);
}

static bool sync_pod(EphemeralVolumes *controller, const Object *pod)
{
  const json_t *value = object_json((Object *)(uintptr_t)pod);
  size_t i;
  json_t *volume;
  json_array_foreach (json_at(value, "spec", "volumes", NULL), i, volume) {
    g_autoptr(GError) error = NULL;
    if (!json_object_get(volume, "ephemeral") || ensure_claim(controller, pod, volume, &error))
      continue;
    recorder_event(controller->recorder, value, NULL, "Warning", "FailedBinding", "ephemeral volume %s: %s",
                   json_str(volume, "name", ""), error->message);
    return false;
  }
  return true;
}

static bool reconcile(const char *key, void *data)
{
  EphemeralVolumes *controller = data;
  g_autofree char *namespace_ = NULL, *name = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) pod = informer_get(controller->pods, namespace_, name);
  return !pod || pod_is_deleting(object_json(pod)) || sync_pod(controller, pod);
}

EphemeralVolumes *ephemeral_volumes_new(const ControllerContext *context)
{
  EphemeralVolumes *controller = g_new0(EphemeralVolumes, 1);
  controller->client = client_new(context->registry, "ephemeral_volume");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->claims = informer_set_get(context->informers, "v1", "persistentvolumeclaims");
  controller->queue = work_queue_new("ephemeral-volumes", 1, reconcile, controller);
  informer_add_index(controller->pods, PODS_BY_CLAIM, pod_claims_index);
  informer_add_handler(controller->pods, on_pod, controller);
  informer_add_handler(controller->claims, on_claim, controller);
  work_queue_start(controller->queue);
  return controller;
}

void ephemeral_volumes_free(EphemeralVolumes *controller)
{
  work_queue_free(controller->queue);
  recorder_free(controller->recorder);
  client_free(controller->client);
  g_free(controller);
}
