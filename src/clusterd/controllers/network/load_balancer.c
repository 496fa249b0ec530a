#include "clusterd/controllers/network/load_balancer.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/object_queue.h"
#include "clusterd/client/recorder.h"
#include "clusterd/controllers/network/balancer_ports.h"

#define FINALIZER "service.kubernetes.io/load-balancer-cleanup"
#define NODE_PORT_MIN 30000
#define NODE_PORT_MAX 32767

struct LoadBalancerController {
  Client *client;
  Recorder *recorder;
  Informer *services;
  ObjectQueue queue;
  char *address; /* NULL: services get none */
  bool proxied;

  /* of the one worker alone */
  BalancerPorts *ports;
  GHashTable *waiting; /* keys of services whose ports others have */
  bool loaded;         /* what the statuses said at the start is in ports */
};

/* --- what services say ------------------------------------------------------------------------------------------
 */

static bool is_balanced(const json_t *service)
{
  return strcmp(json_str(json_object_get(service, "spec"), "type", ""), "LoadBalancer") == 0;
}

/* Another controller's, by its class. */
static bool is_foreign(const json_t *service)
{
  return json_at(service, "spec", "loadBalancerClass", NULL) != NULL;
}

static bool has_finalizer(const json_t *service)
{
  return json_has_text(json_at(service, "metadata", "finalizers", NULL), FINALIZER);
}

static bool is_wanted(const json_t *service)
{
  return is_balanced(service) && !json_at(service, "metadata", "deletionTimestamp", NULL);
}

/* status.loadBalancer as it is for one who has the address. New reference. */
static json_t *make_ingress(const LoadBalancerController *controller)
{
  return json_pack("{s:[{s:s, s:s}]}", "ingress", "ip", controller->address, "ipMode",
                   controller->proxied ? "Proxy" : "VIP");
}

static bool has_address(const LoadBalancerController *controller, const json_t *service)
{
  const json_t *ingress = json_at(service, "status", "loadBalancer", "ingress", NULL);
  return controller->address && json_find(ingress, "ip", controller->address);
}

/* --- writing ----------------------------------------------------------------------------------------------------
 */

static bool add_finalizer(json_t *service, void *data)
{
  json_t *metadata = json_object_get(service, "metadata"), *list = json_object_get(metadata, "finalizers");
  if (has_finalizer(service) || json_object_get(metadata, "deletionTimestamp"))
    return false;
  if (!list)
    json_object_set_new(metadata, "finalizers", list = json_array());
  json_array_append_new(list, json_string(FINALIZER));
  return true;
}

static bool remove_finalizer(json_t *service, void *data)
{
  json_t *list = json_at(service, "metadata", "finalizers", NULL);
  bool found = false;
  for (size_t i = json_array_size(list); i-- > 0;)
    if (g_str_equal(json_string_value(json_array_get(list, i)), FINALIZER)) {
      json_array_remove(list, i);
      found = true;
    }
  return found;
}

static bool change_service(const LoadBalancerController *controller, const Object *service, RegistryChange change,
                           GError **error)
{
  g_autoptr(Object) stored = client_modify(controller->client, "v1", "services", object_namespace(service),
                                           object_name(service), NULL, change, NULL, error);
  return stored != NULL;
}

static bool write_ingress(const LoadBalancerController *controller, const Object *service, json_t *balancer,
                          GError **error)
{
  const json_t *old = json_object_get(object_json(service), "status");
  g_autoptr(json_t) status = old ? json_deep_copy(old) : json_object();
  json_object_set(status, "loadBalancer", balancer);
  int64_t revision = 0;
  if (!status_write(controller->client, "v1", "services", service, status, &revision, error))
    return false;
  if (revision)
    informer_wait_revision(controller->services, revision);
  return true;
}

static void tell(const LoadBalancerController *controller, const Object *service, const char *reason,
                 const char *message)
{
  recorder_event(controller->recorder, object_json(service), NULL, "Normal", reason, "%s", message);
}

/* --- ports ------------------------------------------------------------------------------------------------------
 */

static int compare_age(const void *a, const void *b)
{
  const json_t *left = object_json(*(Object *const *)a), *right = object_json(*(Object *const *)b);
  return strcmp(json_str(json_object_get(left, "metadata"), "creationTimestamp", ""),
                json_str(json_object_get(right, "metadata"), "creationTimestamp", ""));
}

/* Who had the address before this process began keeps it: the statuses tell. */
static void load_ports(LoadBalancerController *controller)
{
  g_autoptr(GPtrArray) services = informer_list(controller->services);
  g_ptr_array_sort(services, compare_age);
  for (unsigned i = 0; i < services->len; i++) {
    const Object *service = g_ptr_array_index(services, i);
    g_autofree char *key = informer_key(service);
    if (is_wanted(object_json(service)) && !is_foreign(object_json(service)) &&
        has_address(controller, object_json(service)))
      balancer_ports_take(controller->ports, key, json_object_get(object_json(service), "spec"), NULL);
  }
}

/* A node port is open on the same address: of which service, besides OWN, is NUMBER one? Borrowed from SERVICES. */
static const Object *find_node_port(GPtrArray *services, const Object *own, int64_t number, const char *protocol)
{
  for (unsigned i = 0; i < services->len; i++) {
    const Object *service = g_ptr_array_index(services, i);
    size_t k;
    json_t *port;
    if (g_str_equal(object_uid(service), object_uid(own)))
      continue;
    json_array_foreach (json_at(object_json(service), "spec", "ports", NULL), k, port)
      if (json_int(port, "nodePort", 0) == number && strcmp(json_str(port, "protocol", "TCP"), protocol) == 0)
        return service;
  }
  return NULL;
}

static bool check_node_ports(const LoadBalancerController *controller, const Object *service, GError **error)
{
  size_t i;
  json_t *port;
  json_array_foreach (json_at(object_json(service), "spec", "ports", NULL), i, port) {
    int64_t number = json_int(port, "port", 0);
    const char *protocol = json_str(port, "protocol", "TCP");
    if (number < NODE_PORT_MIN || number > NODE_PORT_MAX)
      continue;
    g_autoptr(GPtrArray) services = informer_list(controller->services);
    const Object *other = find_node_port(services, service, number, protocol);
    if (other)
      return reason_set(error, REASON_CONFLICT, "port %d/%s of %s is the node port of service %s/%s", (int)number,
                        protocol, controller->address, object_namespace(other), object_name(other));
  }
  return true;
}

static void wake_waiting(const LoadBalancerController *controller)
{
  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init(&iter, controller->waiting);
  while (g_hash_table_iter_next(&iter, &key, NULL))
    work_queue_add(controller->queue.work, key);
}

static void release(const LoadBalancerController *controller, const char *key)
{
  g_hash_table_remove(controller->waiting, key);
  if (balancer_ports_release(controller->ports, key))
    wake_waiting(controller);
}

/* --- work -------------------------------------------------------------------------------------------------------
 */

/* It is to go, or is none any more. */
static bool clean_up(const LoadBalancerController *controller, const char *key, const Object *service, GError **error)
{
  bool had = has_address(controller, object_json(service)), guarded = has_finalizer(object_json(service));
  release(controller, key);
  if (!had && !guarded)
    return true;
  tell(controller, service, "DeletingLoadBalancer", "Deleting load balancer");
  g_autoptr(json_t) none = json_object();
  if ((had && !write_ingress(controller, service, none, error)) ||
      (guarded && !change_service(controller, service, remove_finalizer, error)))
    return false;
  tell(controller, service, "DeletedLoadBalancer", "Deleted load balancer");
  return true;
}

/* Its ports are another's: it has no address until they are free. */
static bool refuse(const LoadBalancerController *controller, const char *key, const Object *service, const GError *why,
                   GError **error)
{
  g_hash_table_add(controller->waiting, g_strdup(key));
  recorder_event(controller->recorder, object_json(service), NULL, "Warning", "SyncLoadBalancerFailed",
                 "Error syncing load balancer: failed to ensure load balancer: %s", why->message);
  g_autoptr(json_t) none = json_object();
  return !has_address(controller, object_json(service)) || write_ingress(controller, service, none, error);
}

static bool ensure(const LoadBalancerController *controller, const char *key, const Object *service, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) ingress = make_ingress(controller);
  bool done = json_same(json_at(object_json(service), "status", "loadBalancer", NULL), ingress);
  if (!change_service(controller, service, add_finalizer, error))
    return false;
  bool had = balancer_ports_release(controller->ports, key);
  if (!done)
    tell(controller, service, "EnsuringLoadBalancer", "Ensuring load balancer");
  bool taken = check_node_ports(controller, service, &problem) &&
               balancer_ports_take(controller->ports, key, json_object_get(object_json(service), "spec"), &problem);
  if (had)
    wake_waiting(controller); /* its ports may be others than before */
  if (!taken)
    return refuse(controller, key, service, problem, error);
  g_hash_table_remove(controller->waiting, key);
  if (done)
    return true;
  if (!write_ingress(controller, service, ingress, error))
    return false;
  tell(controller, service, "EnsuredLoadBalancer", "Ensured load balancer");
  return true;
}

static bool sync_service(void *data, const char *key, Object *service, GError **error)
{
  LoadBalancerController *controller = data;
  g_autoptr(GError) problem = NULL;
  bool wanted = is_wanted(object_json(service));
  if (!controller->loaded)
    load_ports(controller);
  controller->loaded = true;
  if (is_foreign(object_json(service)) || (wanted && !controller->address))
    return true;
  bool ok = wanted ? ensure(controller, key, service, &problem) : clean_up(controller, key, service, &problem);
  if (ok || reason_is(problem, REASON_NOT_FOUND))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

static bool forget_service(void *data, const char *namespace_, const char *name, GError **error)
{
  g_autofree char *key = g_strdup_printf("%s/%s", namespace_, name);
  release(data, key);
  return true;
}

static void on_service(Object *old, Object *new_object, void *data)
{
  LoadBalancerController *controller = data;
  if (!old || !new_object || is_balanced(object_json(old)) == is_balanced(object_json(new_object)))
    return;
  recorder_event(controller->recorder, object_json(new_object), NULL, "Normal", "Type", "%s -> %s",
                 json_str(json_object_get(object_json(old), "spec"), "type", ""),
                 json_str(json_object_get(object_json(new_object), "spec"), "type", ""));
}

LoadBalancerController *load_balancer_controller_new(const ControllerContext *context)
{
  const LoadBalancerConfig *config = &context->config->balancer;
  LoadBalancerController *controller = g_new0(LoadBalancerController, 1);
  controller->client = client_new(context->registry, "service-controller");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->services = informer_set_get(context->informers, "v1", "services");
  controller->address = g_strdup(config->address);
  controller->proxied = config->proxied;
  controller->ports = balancer_ports_new(config);
  controller->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  controller->queue = (ObjectQueue){ .kind = "Load balancer of",
                                     .objects = controller->services,
                                     .sync = sync_service,
                                     .gone = forget_service,
                                     .controller = controller };
  object_queue_open(&controller->queue, 1);
  informer_add_handler(controller->services, on_service, controller);
  work_queue_start(controller->queue.work);
  return controller;
}

void load_balancer_controller_free(LoadBalancerController *controller)
{
  work_queue_free(controller->queue.work);
  recorder_free(controller->recorder);
  client_free(controller->client);
  balancer_ports_free(controller->ports);
  g_hash_table_destroy(controller->waiting);
  g_free(controller->address);
  g_free(controller);
}
