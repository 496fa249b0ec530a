#include "clusterd/controllers/storage/volume_attachment.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/recorder.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/controllers/storage/pod_claims.h"

#define API "storage.k8s.io/v1"
#define ATTACHMENTS_BY_KEY "node-volume" /* of attachments that are ours: as the queue has them */
#define MADE_PREFIX "csi-"               /* of the names of attachments that are ours to delete */

struct VolumeAttachments {
  Client *client;
  Recorder *recorder;
  Informer *pods, *claims, *volumes, *drivers, *attachments;
  WorkQueue *queue; /* "node/volume": no other object is meant */
};

static const json_t *value_of(const Object *object)
{
  return object_json((Object *)(uintptr_t)object);
}

static const json_t *csi_of(const Object *volume)
{
  return volume ? json_at(value_of(volume), "spec", "csi", NULL) : NULL;
}

/* A driver that says nothing of it has to attach. */
static bool must_attach(const VolumeAttachments *controller, const json_t *csi)
{
  g_autoptr(Object) driver = informer_get(controller->drivers, NULL, json_str(csi, "driver", ""));
  return csi && (!driver || json_flag(json_object_get(value_of(driver), "spec"), "attachRequired", true));
}

/* The name that kubelets and attachers know as well. The caller frees. */
static char *attachment_name(const json_t *csi, const char *node)
{
  g_autofree char *whole = g_strconcat(json_str(csi, "volumeHandle", ""), json_str(csi, "driver", ""), node, NULL);
  g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, whole, -1);
  return g_strconcat(MADE_PREFIX, sum, NULL);
}

static char *unique_name(const json_t *csi)
{
  return g_strdup_printf("kubernetes.io/csi/%s^%s", json_str(csi, "driver", ""), json_str(csi, "volumeHandle", ""));
}

/* The pods on NODE that use VOLUME and are not over; elements are freed with the array. */
static GPtrArray *users(const VolumeAttachments *controller, const Object *volume, const char *node)
{
  const json_t *reference = json_at(value_of(volume), "spec", "claimRef", NULL);
  g_autofree char *key =
      g_strdup_printf("%s/%s", json_str(reference, "namespace", ""), json_str(reference, "name", ""));
  GPtrArray *pods = informer_by_index(controller->pods, PODS_BY_CLAIM, key);
  for (unsigned i = pods->len; i-- > 0;) {
    const json_t *pod = object_json(g_ptr_array_index(pods, i));
    if (strcmp(pod_node(pod), node) != 0 || pod_is_finished(pod))
      g_ptr_array_remove_index_fast(pods, i);
  }
  return pods;
}

static void tell_users(const VolumeAttachments *controller, const GPtrArray *pods, const char *type, const char *reason,
                       const char *text)
{
  for (unsigned i = 0; i < pods->len; i++)
    recorder_event(controller->recorder, object_json(g_ptr_array_index(pods, i)), NULL, type, reason, "%s", text);
}

/* --- the node's list -----------------------------------------------------------------------------------------------
 */

typedef struct Listing {
  const char *name;
  bool attached, changed;
} Listing;

static bool change_list(json_t *value, void *data)
{
  Listing *listing = data;
  json_t *status = json_ensure_object(value, "status", NULL), *list = json_object_get(status, "volumesAttached");
  json_t *there = json_find(list, "name", listing->name);
  listing->changed = (there != NULL) != listing->attached;
  if (!listing->changed)
    return false;
  if (!list)
    json_object_set_new(status, "volumesAttached", list = json_array());
  if (listing->attached)
    json_array_append_new(list, json_pack("{s:s, s:s}", "name", listing->name, "devicePath", ""));
  for (size_t i = json_array_size(list); !listing->attached && i-- > 0;)
    if (json_array_get(list, i) == there)
      json_array_remove(list, i);
  if (json_array_size(list) == 0)
    json_object_del(status, "volumesAttached");
  return true;
}

/* *CHANGED: whether the list said otherwise. A node that is gone has no list. */
static bool list_on_node(VolumeAttachments *controller, const char *node, const json_t *csi, bool attached,
                         bool *changed, GError **error)
{
  g_autofree char *name = unique_name(csi);
  g_autoptr(GError) problem = NULL;
  Listing listing = { .name = name, .attached = attached };
  g_autoptr(Object) stored =
      client_modify(controller->client, "v1", "nodes", NULL, node, "status", change_list, &listing, &problem);
  *changed = listing.changed;
  if (stored || reason_is(problem, REASON_NOT_FOUND))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

/* --- attaching -----------------------------------------------------------------------------------------------------
 */

static bool create(VolumeAttachments *controller, const Object *volume, const char *node, const char *name,
                   GError **error)
{
  g_autoptr(json_t) value = json_pack("{s:{s:s}, s:{s:s, s:s, s:{s:s}}}", "metadata", "name", name, "spec", "attacher",
                                      json_str(csi_of(volume), "driver", ""), "nodeName", node, "source",
                                      "persistentVolumeName", object_name(volume));
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) made = client_create(controller->client, API, "volumeattachments", NULL, value, &problem);
  if (made || reason_is(problem, REASON_ALREADY_EXISTS))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

/* The attacher has written of it: what went wrong, or that it is done. */
static bool report(VolumeAttachments *controller, const Object *volume, const char *node, const Object *attachment,
                   const GPtrArray *pods, GError **error)
{
  const json_t *status = json_object_get(value_of(attachment), "status");
  const char *problem = json_str(json_object_get(status, "attachError"), "message", NULL);
  bool attached = json_flag(status, "attached", false), changed;
  if (!list_on_node(controller, node, csi_of(volume), attached, &changed, error))
    return false;
  g_autofree char *text =
      attached ? g_strdup_printf("AttachVolume.Attach succeeded for volume \"%s\" ", object_name(volume))
               : g_strdup_printf("AttachVolume.Attach failed for volume \"%s\" : %s", object_name(volume), problem);
  if (attached && changed)
    tell_users(controller, pods, "Normal", "SuccessfulAttachVolume", text);
  else if (!attached && problem)
    tell_users(controller, pods, "Warning", "FailedAttachVolume", text);
  return true;
}

/* The attacher's finalizer holds the attachment until the volume is detached; then the node's list is put right. */
static bool detach(VolumeAttachments *controller, const Object *attachment, GError **error)
{
  g_autoptr(GError) problem = NULL;
  if (json_at(value_of(attachment), "metadata", "deletionTimestamp", NULL) ||
      client_delete(controller->client, API, "volumeattachments", NULL, object_name(attachment), NULL, &problem) ||
      reason_is(problem, REASON_NOT_FOUND))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

/* Attachments of a volume that is gone. */
static bool clear(VolumeAttachments *controller, const char *key, GError **error)
{
  g_autoptr(GPtrArray) left = informer_by_index(controller->attachments, ATTACHMENTS_BY_KEY, key);
  for (unsigned i = 0; i < left->len; i++)
    if (!detach(controller, g_ptr_array_index(left, i), error))
      return false;
  return true;
}

static bool sync_pair(VolumeAttachments *controller, const char *key, const char *node, const char *volume_name,
                      GError **error)
{
  g_autoptr(Object) volume = informer_get(controller->volumes, NULL, volume_name);
  const json_t *csi = csi_of(volume);
  bool changed;
  if (!csi)
    return clear(controller, key, error);
  g_autoptr(GPtrArray) pods = users(controller, volume, node);
  g_autofree char *name = attachment_name(csi, node);
  g_autoptr(Object) attachment = informer_get(controller->attachments, NULL, name);
  bool wanted = pods->len > 0 && must_attach(controller, csi);
  if (wanted && !attachment)
    return create(controller, volume, node, name, error);
  if (wanted && !json_at(value_of(attachment), "metadata", "deletionTimestamp", NULL))
    return report(controller, volume, node, attachment, pods, error);
  return attachment ? detach(controller, attachment, error)
                    : list_on_node(controller, node, csi, false, &changed, error);
}

/* --- what leads to work --------------------------------------------------------------------------------------------
 */

static void add(const VolumeAttachments *controller, const char *node, const char *volume)
{
  g_autofree char *key = g_strdup_printf("%s/%s", node, volume);
  if (*node && *volume)
    work_queue_add(controller->queue, key);
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  VolumeAttachments *controller = data;
  Object *pod = new_object ? new_object : old;
  if (!*pod_node(object_json(pod)) ||
      (old && new_object && pod_is_finished(object_json(old)) == pod_is_finished(object_json(new_object)) &&
       *pod_node(object_json(old))))
    return;
  g_auto(GStrv) keys = pod_claims_index(pod);
  for (int i = 0; keys && keys[i]; i++) {
    g_autofree char *namespace_ = NULL, *name = NULL;
    informer_split_key(keys[i], &namespace_, &name);
    g_autoptr(Object) claim = informer_get(controller->claims, namespace_, name);
    if (claim)
      add(controller, pod_node(object_json(pod)),
          json_str(json_object_get(object_json(claim), "spec"), "volumeName", ""));
  }
}

/* Pods may be on their nodes before their claims are bound, or shown here. */
static void on_claim(Object *old, Object *new_object, void *data)
{
  VolumeAttachments *controller = data;
  const char *volume = new_object ? json_str(json_object_get(object_json(new_object), "spec"), "volumeName", "") : "";
  if (!*volume || (old && *json_str(json_object_get(object_json(old), "spec"), "volumeName", "")))
    return;
  g_autofree char *key = informer_key(new_object);
  g_autoptr(GPtrArray) pods = informer_by_index(controller->pods, PODS_BY_CLAIM, key);
  for (unsigned i = 0; i < pods->len; i++)
    add(controller, pod_node(object_json(g_ptr_array_index(pods, i))), volume);
}

static void on_volume(Object *old, Object *new_object, void *data)
{
  VolumeAttachments *controller = data;
  const json_t *reference = new_object ? json_at(object_json(new_object), "spec", "claimRef", NULL) : NULL;
  if (old || !reference || !csi_of(new_object))
    return;
  g_autofree char *key =
      g_strdup_printf("%s/%s", json_str(reference, "namespace", ""), json_str(reference, "name", ""));
  g_autoptr(GPtrArray) pods = informer_by_index(controller->pods, PODS_BY_CLAIM, key);
  for (unsigned i = 0; i < pods->len; i++)
    add(controller, pod_node(object_json(g_ptr_array_index(pods, i))), object_name(new_object));
}

/* What others made by hand is theirs. */
static char **key_of(const Object *attachment)
{
  const json_t *spec = json_object_get(value_of(attachment), "spec");
  const char *volume = json_str(json_object_get(spec, "source"), "persistentVolumeName", "");
  if (!*volume || !g_str_has_prefix(object_name(attachment), MADE_PREFIX))
    return NULL;
  char **values = g_new0(char *, 2);
  values[0] = g_strdup_printf("%s/%s", json_str(spec, "nodeName", ""), volume);
  return values;
}

static void on_attachment(Object *old, Object *new_object, void *data)
{
  VolumeAttachments *controller = data;
  g_auto(GStrv) keys = key_of(new_object ? new_object : old);
  if (keys)
    work_queue_add(controller->queue, keys[0]);
}

static bool reconcile(const char *key, void *data)
{
  VolumeAttachments *controller = data;
  g_autofree char *node = NULL, *volume = NULL;
  g_autoptr(GError) error = NULL;
  informer_split_key(key, &node, &volume);
  bool done = sync_pair(controller, key, node, volume, &error);
  if (!done)
    g_info("volume %s on node %s: %s", volume, node, error->message);
  return done;
}

VolumeAttachments *volume_attachments_new(const ControllerContext *context)
{
  VolumeAttachments *controller = g_new0(VolumeAttachments, 1);
  controller->client = client_new(context->registry, "attachdetach-controller");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->claims = informer_set_get(context->informers, "v1", "persistentvolumeclaims");
  controller->volumes = informer_set_get(context->informers, "v1", "persistentvolumes");
  controller->drivers = informer_set_get(context->informers, API, "csidrivers");
  controller->attachments = informer_set_get(context->informers, API, "volumeattachments");
  controller->queue = work_queue_new("volume-attachments", 1, reconcile, controller);
  informer_add_index(controller->attachments, ATTACHMENTS_BY_KEY, key_of);
  informer_add_index(controller->pods, PODS_BY_CLAIM, pod_claims_index);
  informer_add_handler(controller->pods, on_pod, controller);
  informer_add_handler(controller->claims, on_claim, controller);
  informer_add_handler(controller->volumes, on_volume, controller);
  informer_add_handler(controller->attachments, on_attachment, controller);
  work_queue_start(controller->queue);
  return controller;
}

void volume_attachments_free(VolumeAttachments *controller)
{
  work_queue_free(controller->queue);
  recorder_free(controller->recorder);
  client_free(controller->client);
  g_free(controller);
}
