/* Ingresses and endpoint slices as they were before their v1. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/conversion/conversion.h"

#define LABEL_ZONE "topology.kubernetes.io/zone"
#define LABEL_HOSTNAME "kubernetes.io/hostname"

/* --- ingress -------------------------------------------------------------------------------------------------------
 */

/* {serviceName, servicePort} → {service: {name, port: {number or name}}}, in place. */
static void backend_to_storage(json_t *backend)
{
  json_t *name = json_object_get(backend, "serviceName"), *port = json_object_get(backend, "servicePort");
  bool named = json_is_string(port);
  if (name || named || json_integer_value(port) != 0) {
    json_t *service_port = json_object();
    if (named)
      json_object_set(service_port, "name", port);
    else if (json_integer_value(port) != 0)
      json_object_set(service_port, "number", port);
    json_object_set_new(backend, "service",
                        json_pack("{s:s, s:o}", "name", name ? json_string_value(name) : "", "port", service_port));
  }
  json_object_del(backend, "serviceName");
  json_object_del(backend, "servicePort");
}

static void backend_from_storage(json_t *backend)
{
  const json_t *service = json_object_get(backend, "service"), *port = json_object_get(service, "port");
  if (!service)
    return;
  json_object_set_new(backend, "serviceName", json_string(json_str(service, "name", "")));
  int64_t number = json_int(port, "number", 0);
  const char *name = json_str(port, "name", "");
  json_object_set_new(backend, "servicePort", number > 0 || !*name ? json_integer(number) : json_string(name));
  json_object_del(backend, "service");
}

static void convert_rules(json_t *rules, void (*convert)(json_t *backend))
{
  size_t i, j;
  json_t *rule, *path;
  json_array_foreach (rules, i, rule) {
    json_array_foreach (json_at(rule, "http", "paths", NULL), j, path) {
      json_t *backend = json_object_get(path, "backend");
      if (backend)
        convert(backend);
    }
  }
}

/* A deep copy of OBJECT with all backends converted and the default one renamed. */
static json_t *convert_ingress(const json_t *object, const char *from, const char *to, void (*convert)(json_t *backend))
{
  json_t *result = json_deep_copy(object), *spec = json_object_get(result, "spec");
  json_t *backend = json_object_get(spec, from);
  if (backend) {
    convert(backend);
    json_object_set(spec, to, backend);
    json_object_del(spec, from);
  }
  convert_rules(json_object_get(spec, "rules"), convert);
  return result;
}

json_t *convert_ingress_v1beta1_to_storage(const json_t *object)
{
  return convert_ingress(object, "backend", "defaultBackend", backend_to_storage);
}

json_t *convert_ingress_v1beta1_from_storage(const json_t *object)
{
  return convert_ingress(object, "defaultBackend", "backend", backend_from_storage);
}

/* --- endpoint slice ------------------------------------------------------------------------------------------------
 */

/* The zone and the node's name have members of their own in v1; what else topology says is kept aside. */
static void endpoint_to_storage(json_t *endpoint)
{
  g_autoptr(json_t) topology = json_incref(json_object_get(endpoint, "topology"));
  json_object_del(endpoint, "topology");
  if (!topology)
    return;
  json_t *zone = json_object_get(topology, LABEL_ZONE), *node = json_object_get(topology, LABEL_HOSTNAME);
  if (zone)
    json_object_set(endpoint, "zone", zone);
  json_object_del(topology, LABEL_ZONE);
  if (node && !json_object_get(endpoint, "nodeName"))
    json_object_set(endpoint, "nodeName", node);
  if (node && json_same(node, json_object_get(endpoint, "nodeName")))
    json_object_del(topology, LABEL_HOSTNAME);
  if (json_object_size(topology) > 0)
    json_object_set(endpoint, "deprecatedTopology", topology);
}

static void endpoint_from_storage(json_t *endpoint)
{
  json_t *zone = json_object_get(endpoint, "zone"), *node = json_object_get(endpoint, "nodeName");
  json_t *topology = json_object_get(endpoint, "deprecatedTopology");
  if (!zone && !node && !topology)
    return;
  g_autoptr(json_t) shown = topology ? json_copy(topology) : json_object();
  if (zone)
    json_object_set(shown, LABEL_ZONE, zone);
  if (node && !json_object_get(shown, LABEL_HOSTNAME))
    json_object_set(shown, LABEL_HOSTNAME, node);
  json_object_set(endpoint, "topology", shown);
  json_object_del(endpoint, "zone");
  json_object_del(endpoint, "deprecatedTopology");
}

static json_t *convert_slice(const json_t *object, void (*convert)(json_t *endpoint))
{
  json_t *result = json_deep_copy(object);
  size_t i;
  json_t *endpoint;
  json_array_foreach (json_object_get(result, "endpoints"), i, endpoint)
    convert(endpoint);
  return result;
}

json_t *convert_endpoint_slice_v1beta1_to_storage(const json_t *object)
{
  return convert_slice(object, endpoint_to_storage);
}

json_t *convert_endpoint_slice_v1beta1_from_storage(const json_t *object)
{
  return convert_slice(object, endpoint_from_storage);
}
