#include "clusterd/controllers/network/endpoints.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/client/object_queue.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/network/endpoint_sets.h"
#include "clusterd/controllers/network/endpoint_slices.h"
#include "clusterd/controllers/network/trigger_times.h"

#define N_WORKERS 2
#define INDEX_NAMESPACE "namespace"
#define INDEX_NODE "node"
#define LABEL_ZONE "topology.kubernetes.io/zone"
#define LABEL_HEADLESS "service.kubernetes.io/headless"
#define ANNOTATION_TRUNCATED "endpoints.kubernetes.io/over-capacity"

struct EndpointsController {
  Client *client, *slice_client;
  Informer *services, *pods, *endpoints, *slices, *nodes;
  ObjectQueue queue;
  TriggerTimes *times;
};

static bool is_same_endpoint(const json_t *a, const json_t *b)
{
  return pod_is_ready(a) == pod_is_ready(b) && pod_is_deleting(a) == pod_is_deleting(b) &&
         pod_is_finished(a) == pod_is_finished(b) &&
         json_same(json_at(a, "status", "podIP", NULL), json_at(b, "status", "podIP", NULL)) &&
         json_same(json_at(a, "status", "podIPs", NULL), json_at(b, "status", "podIPs", NULL)) &&
         json_same(json_at(a, "metadata", "labels", NULL), json_at(b, "metadata", "labels", NULL));
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  EndpointsController *controller = data;
  if (old && new_object && is_same_endpoint(object_json(old), object_json(new_object)))
    return;
  const json_t *before = old ? json_at(object_json(old), "metadata", "labels", NULL) : NULL;
  const json_t *after = new_object ? json_at(object_json(new_object), "metadata", "labels", NULL) : NULL;
  g_autoptr(GPtrArray) services =
      informer_by_index(controller->services, INDEX_NAMESPACE, object_namespace(new_object ? new_object : old));
  for (unsigned i = 0; i < services->len; i++) {
    Object *service = g_ptr_array_index(services, i);
    g_autoptr(LabelSelector) selector =
        label_selector_from_map(json_at(object_json(service), "spec", "selector", NULL));
    if ((old && label_selector_matches(selector, before)) || (new_object && label_selector_matches(selector, after)))
      object_queue_add(&controller->queue, service);
  }
}

static const char *zone_of(const Object *node)
{
  return json_str(json_at(object_json(node), "metadata", "labels", NULL), LABEL_ZONE, "");
}

/* Endpoints tell their node's zone, and there are none on nodes that are not there. */
static void on_node(Object *old, Object *new_object, void *data)
{
  EndpointsController *controller = data;
  if (old && new_object && strcmp(zone_of(old), zone_of(new_object)) == 0)
    return;
  g_autoptr(GPtrArray) pods =
      informer_by_index(controller->pods, INDEX_NODE, object_name(new_object ? new_object : old));
  for (unsigned i = 0; i < pods->len; i++)
    on_pod(NULL, g_ptr_array_index(pods, i), controller);
}

/* The zones of the nodes that PODS are on, those that are there. */
static GHashTable *zones_of(const EndpointsController *controller, GPtrArray *pods)
{
  GHashTable *zones = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  for (unsigned i = 0; i < pods->len; i++) {
    const char *name = pod_node(object_json(g_ptr_array_index(pods, i)));
    if (!*name || g_hash_table_contains(zones, name))
      continue;
    g_autoptr(Object) node = informer_get(controller->nodes, NULL, name);
    if (node)
      g_hash_table_insert(zones, g_strdup(name), g_strdup(zone_of(node)));
  }
  return zones;
}

/* Somebody deleted or changed what is ours: made anew from the service. */
static void on_endpoints(Object *old, Object *new_object, void *data)
{
  EndpointsController *controller = data;
  const Object *object = new_object ? new_object : old;
  g_autoptr(Object) service = informer_get(controller->services, object_namespace(object), object_name(object));
  if (service)
    object_queue_add(&controller->queue, service);
}

static void on_slice(Object *old, Object *new_object, void *data)
{
  EndpointsController *controller = data;
  g_auto(GStrv) keys = endpoint_slices_index(new_object ? new_object : old);
  if (keys)
    work_queue_add(controller->queue.work, keys[0]);
}

static GPtrArray *matching_pods(const EndpointsController *controller, const Object *service)
{
  g_autoptr(LabelSelector) selector = label_selector_from_map(json_at(object_json(service), "spec", "selector", NULL));
  GPtrArray *pods = informer_by_index(controller->pods, INDEX_NAMESPACE, object_namespace(service));
  for (unsigned i = pods->len; i-- > 0;) {
    const json_t *labels = json_at(object_json(g_ptr_array_index(pods, i)), "metadata", "labels", NULL);
    if (!label_selector_matches(selector, labels))
      g_ptr_array_remove_index_fast(pods, i);
  }
  return pods;
}

static json_t *make_labels(const Object *service)
{
  const json_t *own = json_at(object_json(service), "metadata", "labels", NULL);
  json_t *labels = own ? json_deep_copy(own) : json_object();
  if (strcmp(json_str(json_object_get(object_json(service), "spec"), "clusterIP", ""), "None") == 0)
    json_object_set_new(labels, LABEL_HEADLESS, json_string(""));
  return labels;
}

typedef struct EndpointsChange {
  const json_t *labels, *subsets;
  bool truncated;
  const char *trigger_time;
} EndpointsChange;

static void set_annotation(json_t *metadata, const char *name, const char *value)
{
  if (value)
    json_object_set_new(json_ensure_object(metadata, "annotations", NULL), name, json_string(value));
  else
    json_object_del(json_object_get(metadata, "annotations"), name);
}

static bool change_endpoints(json_t *value, void *data)
{
  const EndpointsChange *change = data;
  json_t *metadata = json_ensure_object(value, "metadata", NULL);
  json_t *annotations = json_object_get(metadata, "annotations");
  const json_t *labels = json_object_get(metadata, "labels"), *subsets = json_object_get(value, "subsets");
  bool same_labels = json_object_size(labels) == json_object_size(change->labels) &&
                     (json_object_size(labels) == 0 || json_equal(labels, change->labels));
  bool same_subsets = json_array_size(subsets) == json_array_size(change->subsets) &&
                      (json_array_size(subsets) == 0 || json_equal(subsets, change->subsets));
  if (same_labels && same_subsets && (json_object_get(annotations, ANNOTATION_TRUNCATED) != NULL) == change->truncated)
    return false;
  json_object_set_new(metadata, "labels", json_deep_copy(change->labels));
  json_object_set_new(value, "subsets", json_deep_copy(change->subsets));
  set_annotation(metadata, ANNOTATION_TRUNCATED, change->truncated ? "truncated" : NULL);
  set_annotation(metadata, TRIGGER_TIME_ANNOTATION, change->trigger_time);
  return true;
}

static bool write_endpoints(const EndpointsController *controller, const Object *service, const json_t *labels,
                            GPtrArray *pods, const char *trigger_time, GError **error)
{
  bool truncated;
  g_autoptr(json_t) subsets = endpoint_sets_subsets(object_json(service), pods, &truncated);
  EndpointsChange change = {
    .labels = labels, .subsets = subsets, .truncated = truncated, .trigger_time = trigger_time
  };
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) known = informer_get(controller->endpoints, object_namespace(service), object_name(service));
  g_autoptr(Object) stored = NULL;
  if (known) {
    stored = client_modify(controller->client, "v1", "endpoints", object_namespace(service), object_name(service), NULL,
                           change_endpoints, &change, &problem);
  } else {
    g_autoptr(json_t) value = json_pack("{s:{s:s}}", "metadata", "name", object_name(service));
    change_endpoints(value, &change);
    stored = client_create(controller->client, "v1", "endpoints", object_namespace(service), value, &problem);
  }
  if (stored) {
    informer_wait_revision(controller->endpoints, object_revision(stored));
    return true;
  }
  if (reason_is(problem, REASON_FORBIDDEN))
    return true; /* the namespace goes away */
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

static bool sync_service(void *data, const char *key, Object *service, GError **error)
{
  const EndpointsController *controller = data;
  if (json_object_size(json_at(object_json(service), "spec", "selector", NULL)) == 0 ||
      strcmp(json_str(json_object_get(object_json(service), "spec"), "type", ""), "ExternalName") == 0 ||
      json_at(object_json(service), "metadata", "deletionTimestamp", NULL))
    return true;
  g_autoptr(GPtrArray) pods = matching_pods(controller, service);
  g_autoptr(json_t) labels = make_labels(service);
  g_autoptr(GHashTable) zones = zones_of(controller, pods);
  g_autoptr(json_t) groups = endpoint_sets_slices(object_json(service), pods, zones);
  g_autofree char *trigger_time = trigger_times_take(controller->times, key, object_json(service), pods);
  EndpointSlices slices = { .client = controller->slice_client,
                            .slices = controller->slices,
                            .managed_by = "endpointslice-controller.k8s.io",
                            .trigger_time = trigger_time };
  return endpoint_slices_sync(&slices, service, labels, groups, error) &&
         write_endpoints(controller, service, labels, pods, trigger_time, error);
}

/* Slices go with their owner; Endpoints have none and are named like the service. */
static bool forget_service(void *data, const char *namespace_, const char *name, GError **error)
{
  const EndpointsController *controller = data;
  g_autofree char *key = g_strdup_printf("%s/%s", namespace_, name);
  trigger_times_forget(controller->times, key);
  g_autoptr(Object) endpoints = informer_get(controller->endpoints, namespace_, name);
  g_autoptr(GError) problem = NULL;
  if (!endpoints || client_delete(controller->client, "v1", "endpoints", namespace_, name, NULL, &problem) ||
      reason_is(problem, REASON_NOT_FOUND))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

EndpointsController *endpoints_controller_new(const ControllerContext *context)
{
  EndpointsController *controller = g_new0(EndpointsController, 1);
  controller->client = client_new(context->registry, "endpoint-controller");
  controller->slice_client = client_new(context->registry, "endpointslice-controller");
  controller->services = informer_set_get(context->informers, "v1", "services");
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->endpoints = informer_set_get(context->informers, "v1", "endpoints");
  controller->slices = informer_set_get(context->informers, "discovery.k8s.io/v1", "endpointslices");
  controller->nodes = informer_set_get(context->informers, "v1", "nodes");
  controller->times = trigger_times_new();
  controller->queue = (ObjectQueue){ .kind = "Endpoints of",
                                     .objects = controller->services,
                                     .sync = sync_service,
                                     .gone = forget_service,
                                     .controller = controller };
  object_queue_open(&controller->queue, N_WORKERS);
  informer_add_index(controller->services, INDEX_NAMESPACE, informer_index_by_namespace);
  informer_add_index(controller->pods, INDEX_NAMESPACE, informer_index_by_namespace);
  informer_add_index(controller->slices, ENDPOINT_SLICES_INDEX, endpoint_slices_index);
  informer_add_index(controller->pods, INDEX_NODE, informer_index_by_node);
  informer_add_handler(controller->pods, on_pod, controller);
  informer_add_handler(controller->nodes, on_node, controller);
  informer_add_handler(controller->endpoints, on_endpoints, controller);
  informer_add_handler(controller->slices, on_slice, controller);
  work_queue_start(controller->queue.work);
  return controller;
}

void endpoints_controller_free(EndpointsController *controller)
{
  work_queue_free(controller->queue.work);
  trigger_times_free(controller->times);
  client_free(controller->slice_client);
  client_free(controller->client);
  g_free(controller);
}
