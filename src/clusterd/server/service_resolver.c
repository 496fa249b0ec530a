#include "clusterd/server/service_resolver.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry_private.h"

#define SERVICE_LABEL "kubernetes.io/service-name"

char *service_join(const char *host, int64_t port)
{
  return strchr(host, ':') ? g_strdup_printf("[%s]:%" G_GINT64_FORMAT, host, port)
                           : g_strdup_printf("%s:%" G_GINT64_FORMAT, host, port);
}

/* --- endpoints -----------------------------------------------------------------------------------------------------
 */

typedef struct Search {
  const char *service, *port_name;
  GPtrArray *found; /* "10.1.2.3:8443" */
  bool has_slices;
} Search;

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
  const json_t *slice = object_json(object);
  if (!g_str_equal(json_str(json_at(slice, "metadata", "labels", NULL), SERVICE_LABEL, ""), search->service))
    return false;
  search->has_slices = true;
  int64_t port = port_of(json_object_get(slice, "ports"), search->port_name);
  if (!port || g_str_equal(json_str(slice, "addressType", ""), "FQDN"))
    return false;
  size_t i;
  json_t *endpoint;
  json_array_foreach (json_object_get(slice, "endpoints"), i, endpoint) {
    const char *address = json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));
    if (address && json_flag(json_object_get(endpoint, "conditions"), "ready", true))
      g_ptr_array_add(search->found, service_join(address, port));
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
        g_ptr_array_add(search->found, service_join(json_str(address, "ip", ""), port));
  }
}

char *service_endpoint(Registry *registry, const char *namespace_, const char *name, const char *port_name)
{
  g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
  Search search = { name, port_name, found, false };
  registry_visit(registry, find_kind(registry, "discovery.k8s.io", "endpointslices"), namespace_, visit_slice, &search);
  if (!search.has_slices) { /* nobody has mirrored them yet */
    g_autoptr(Object) endpoints = registry_lookup(registry, find_kind(registry, "", "endpoints"), namespace_, name);
    if (endpoints)
      search_subsets(object_json(endpoints), &search);
  }
  return found->len ? g_strdup(found->pdata[g_random_int_range(0, (gint32)found->len)]) : NULL;
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
