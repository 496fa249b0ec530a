#include <string.h>

#include "base/json.h"
#include "clusterd/client/recorder.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/controllers/network/endpoint_sets.h"
#include "clusterd/controllers/network/endpoint_slices.h"
#include "clusterd/controllers/network/endpoints.h"
#include "clusterd/controllers/network/trigger_times.h"

struct EndpointMirrorController {
  Client *client;
  Recorder *recorder;
  Informer *services, *endpoints, *slices;
  WorkQueue *queue;
};

static void on_named(Object *old, Object *new_object, void *data)
{
  EndpointMirrorController *controller = data;
  g_autofree char *key = informer_key(new_object ? new_object : old);
  work_queue_add(controller->queue, key);
}

static void on_slice(Object *old, Object *new_object, void *data)
{
  EndpointMirrorController *controller = data;
  g_auto(GStrv) keys = endpoint_slices_index(new_object ? new_object : old);
  if (keys)
    work_queue_add(controller->queue, keys[0]);
}

/* Only Endpoints people made for a service without a selector are mirrored. */
static bool is_mirrored(const json_t *service, const json_t *endpoints)
{
  const json_t *metadata = json_object_get(endpoints, "metadata");
  const char *skip = json_str(json_object_get(metadata, "labels"), "endpointslice.kubernetes.io/skip-mirror", "");
  const char *leader = "control-plane.alpha.kubernetes.io/leader";
  return json_object_size(json_at(service, "spec", "selector", NULL)) == 0 && strcmp(skip, "true") != 0 &&
         !json_object_get(json_object_get(metadata, "annotations"), leader) &&
         !json_object_get(metadata, "deletionTimestamp");
}

/* All that people wrote but what speaks of the Endpoints alone. New reference. */
static json_t *copy_annotations(const Object *endpoints)
{
  const json_t *own = json_at(object_json(endpoints), "metadata", "annotations", NULL);
  json_t *copy = own ? json_deep_copy(own) : json_object();
  json_object_del(copy, TRIGGER_TIME_ANNOTATION);
  json_object_del(copy, "kubectl.kubernetes.io/last-applied-configuration");
  return copy;
}

static json_t *make_groups(const EndpointMirrorController *controller, const Object *endpoints)
{
  size_t skipped;
  json_t *groups = endpoint_sets_mirror(object_json(endpoints), &skipped);
  if (skipped > 0)
    recorder_event(controller->recorder, object_json(endpoints), NULL, "Warning", "TooManyAddressesToMirror",
                   "A max of %d addresses can be mirrored to EndpointSlices per Endpoints subset. %zu addresses were "
                   "skipped",
                   ENDPOINTS_ADDRESSES_MAX, skipped);
  return groups;
}

static bool reconcile(const char *key, void *data)
{
  EndpointMirrorController *controller = data;
  g_autofree char *namespace_ = NULL, *name = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) service = informer_get(controller->services, namespace_, name);
  g_autoptr(Object) endpoints = informer_get(controller->endpoints, namespace_, name);
  /* Without the one or the other, the garbage collector takes the slices with their owner. */
  if (!endpoints)
    return true;
  bool mirrored = service && is_mirrored(object_json(service), object_json(endpoints));
  g_autoptr(json_t) groups = mirrored ? make_groups(controller, endpoints) : json_array();
  g_autoptr(json_t) annotations = copy_annotations(endpoints);
  EndpointSlices slices = { .client = controller->client,
                            .slices = controller->slices,
                            .managed_by = "endpointslicemirroring-controller.k8s.io",
                            .annotations = annotations,
                            .size_max = ENDPOINTS_ADDRESSES_MAX };
  g_autoptr(GError) error = NULL;
  if (endpoint_slices_sync(&slices, endpoints, json_at(object_json(endpoints), "metadata", "labels", NULL), groups,
                           &error))
    return true;
  g_info("Slices of endpoints %s: %s", key, error->message);
  return false;
}

EndpointMirrorController *endpoint_mirror_controller_new(const ControllerContext *context)
{
  EndpointMirrorController *controller = g_new0(EndpointMirrorController, 1);
  controller->client = client_new(context->registry, "endpointslicemirroring-controller");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->services = informer_set_get(context->informers, "v1", "services");
  controller->endpoints = informer_set_get(context->informers, "v1", "endpoints");
  controller->slices = informer_set_get(context->informers, "discovery.k8s.io/v1", "endpointslices");
  controller->queue = work_queue_new("endpoint-mirror", 1, reconcile, controller);
  informer_add_index(controller->slices, ENDPOINT_SLICES_INDEX, endpoint_slices_index);
  informer_add_handler(controller->services, on_named, controller);
  informer_add_handler(controller->endpoints, on_named, controller);
  informer_add_handler(controller->slices, on_slice, controller);
  work_queue_start(controller->queue);
  return controller;
}

void endpoint_mirror_controller_free(EndpointMirrorController *controller)
{
  work_queue_free(controller->queue);
  recorder_free(controller->recorder);
  client_free(controller->client);
  g_free(controller);
}
