#include "clusterd/server/outbound/service_resolver.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry/registry_private.h"

#define SERVICE_LABEL "kubernetes.io/service-name"

char *service_join(const char *host, int64_t port)
{
  return strchr(host, ':') ? g_strdup_printf("[%s]:%" G_GINT64_FORMAT, host, port)
                           : g_strdup_printf("%s:%" G_GINT64_FORMAT, host, port);
}

/* --- endpoints -----------------------------------------------------------------------------------------------------
 */

typedef struct Endpoint {
  char *address; /* without the port */
  int64_t port;
  char *pod; /* its name; NULL: it is none */
} Endpoint;

typedef struct Search {
  const char *service, *port_name;
  GPtrArray *found; /* Endpoint* */
  bool has_slices;
} Search;

static void endpoint_free(void *data)
{
  Endpoint *endpoint = data;
  g_free(endpoint->address);
  g_free(endpoint->pod);
  g_free(endpoint);
}

static void add_endpoint(Search *search, const char *address, int64_t port, const json_t *target)
{
  bool is_pod = g_str_equal(json_str(target, "kind", ""), "Pod");
  Endpoint *endpoint = g_new0(Endpoint, 1);
  endpoint->address = g_strdup(address);
  endpoint->port = port;
  endpoint->pod = is_pod ? g_strdup(json_str(target, "name", "")) : NULL;
  g_ptr_array_add(search->found, endpoint);
}

/* The number of the TCP port of that name; 0: there is none. */
static int64_t port_of(const json_t *ports, const char *name)
{
  size_t i;
  json_t *port;
  json_array_foreach (ports, i, port)
    if (g_str_equal(json_str(port, "name", ""), name) && g_str_equal(json_str(port, "protocol", "TCP"), "TCP"))
      return json_int(port, "port", 0);
  return 0;
}

/* Called with the registry's state locked. */
static bool visit_slice(Object *object, void *data)
{
  Search *search = data;
  if (!g_str_equal(json_str(object_labels(object), SERVICE_LABEL, ""), search->service))
    return false;
  const json_t *slice = object_json(object);
  search->has_slices = true;
  int64_t port = port_of(json_object_get(slice, "ports"), search->port_name);
  if (!port || g_str_equal(json_str(slice, "addressType", ""), "FQDN"))
    return false;
  size_t i;
  json_t *endpoint;
  json_array_foreach (json_object_get(slice, "endpoints"), i, endpoint) {
    const char *address = json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));
    if (address && json_flag(json_object_get(endpoint, "conditions"), "ready", true))
      add_endpoint(search, address, port, json_object_get(endpoint, "targetRef"));
  }
  return false;
}

static const ApiKind *find_kind(Registry *registry, const char *group, const char *plural)
{
  return api_scheme_resource(registry_scheme(registry), group, "v1", plural);
}

static void search_subsets(const json_t *endpoints, Search *search)
{
  size_t i, j;
  json_t *subset, *address;
  json_array_foreach (json_object_get(endpoints, "subsets"), i, subset) {
    int64_t port = port_of(json_object_get(subset, "ports"), search->port_name);
    json_array_foreach (json_object_get(subset, "addresses"), j, address)
      if (port)
        add_endpoint(search, json_str(address, "ip", ""), port, json_object_get(address, "targetRef"));
  }
}

/* All ready endpoints; the caller frees. */
static GPtrArray *find_endpoints(Registry *registry, const char *namespace_, const char *name, const char *port_name)
{
  Search search = { name, port_name, g_ptr_array_new_with_free_func(endpoint_free), false };
  registry_visit(registry, find_kind(registry, "discovery.k8s.io", "endpointslices"), namespace_, visit_slice, &search);
  if (!search.has_slices) { /* nobody has mirrored them yet */
    g_autoptr(Object) endpoints = registry_lookup(registry, find_kind(registry, "", "endpoints"), namespace_, name);
    if (endpoints)
      search_subsets(object_json(endpoints), &search);
  }
  return search.found;
}

/* Takes one out at random. NULL when there are no more. The caller frees it. */
static Endpoint *take_one(GPtrArray *endpoints)
{
  return endpoints->len ? g_ptr_array_steal_index_fast(endpoints, (guint)g_random_int_range(0, (gint32)endpoints->len))
                        : NULL;
}

char *service_endpoint(Registry *registry, const char *namespace_, const char *name, const char *port_name)
{
  g_autoptr(GPtrArray) found = find_endpoints(registry, namespace_, name, port_name);
  Endpoint *endpoint = take_one(found);
  if (!endpoint)
    return NULL;
  char *address = service_join(endpoint->address, endpoint->port);
  endpoint_free(endpoint);
  return address;
}

static bool is_of_pod(Registry *registry, const char *namespace_, const Endpoint *endpoint)
{
  g_autoptr(Object) pod =
      endpoint->pod ? registry_lookup(registry, find_kind(registry, "", "pods"), namespace_, endpoint->pod) : NULL;
  const json_t *status = pod ? json_object_get(object_json(pod), "status") : NULL;
  size_t i;
  json_t *ip;
  json_array_foreach (json_object_get(status, "podIPs"), i, ip)
    if (g_str_equal(json_str(ip, "ip", ""), endpoint->address))
      return true;
  return status && g_str_equal(json_str(status, "podIP", ""), endpoint->address);
}

char *service_pod_endpoint(Registry *registry, const char *namespace_, const char *name, const char *port_name)
{
  g_autoptr(GPtrArray) found = find_endpoints(registry, namespace_, name, port_name);
  char *address = NULL;
  Endpoint *endpoint;
  while (!address && (endpoint = take_one(found))) {
    if (is_of_pod(registry, namespace_, endpoint))
      address = service_join(endpoint->address, endpoint->port);
    endpoint_free(endpoint);
  }
  return address;
}

/* --- services ------------------------------------------------------------------------------------------------------
 */

static const json_t *find_port(const json_t *spec, int64_t number)
{
  size_t i;
  json_t *port;
  json_array_foreach (json_object_get(spec, "ports"), i, port)
    if (json_int(port, "port", 0) == number)
      return port;
  return NULL;
}

char *service_resolve(Registry *registry, const char *namespace_, const char *name, int64_t port, GError **error)
{
  g_autoptr(Object) service = registry_lookup(registry, find_kind(registry, "", "services"), namespace_, name);
  if (!service) {
    reason_set(error, REASON_NOT_FOUND, "service \"%s\" not found", name);
    return NULL;
  }
  const json_t *spec = json_object_get(object_json(service), "spec");
  const char *address = json_str(spec, "clusterIP", "");
  if (g_str_equal(json_str(spec, "type", ""), "ExternalName"))
    return service_join(json_str(spec, "externalName", ""), port);
  const json_t *found = find_port(spec, port);
  if (!found) {
    reason_set(error, REASON_SERVICE_UNAVAILABLE, "no service port %" G_GINT64_FORMAT " found for service \"%s\"", port,
               name);
    return NULL;
  }
  char *endpoint = service_endpoint(registry, namespace_, name, json_str(found, "name", ""));
  if (endpoint)
    return endpoint;
  if (!*address || g_str_equal(address, "None")) {
    reason_set(error, REASON_INTERNAL, "cannot route to service with ClusterIP \"None\"");
    return NULL;
  }
  return service_join(address, port);
}
