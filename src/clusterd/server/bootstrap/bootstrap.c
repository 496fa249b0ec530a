#include "clusterd/server/bootstrap/bootstrap.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/bootstrap/bootstrap_flow.h"
#include "clusterd/server/bootstrap/bootstrap_private.h"

const Caller bootstrap_self = { .field_manager = "kube-apiserver" };

Target bootstrap_target(Registry *registry, const char *group, const char *version, const char *plural,
                        const char *namespace_, const char *name)
{
  return (Target){ api_scheme_resource(registry_scheme(registry), group, version, plural), namespace_, name, NULL };
}

bool bootstrap_ensure(Registry *registry, Target target, json_t *value, Object **present, GError **error)
{
  g_autoptr(json_t) owned = value;
  g_autoptr(GError) problem = NULL;
  g_autofree char *name = g_strdup(target.name);
  g_autoptr(Object) there = target.kind ? registry_get(registry, NULL, &target, NULL) : NULL;
  if (!target.kind || there) {
    if (present)
      *present = g_steal_pointer(&there);
    return true;
  }
  json_object_set_new(json_ensure_object(owned, "metadata", NULL), "name", json_string(name));
  target.name = NULL;
  g_autoptr(Object) made = registry_create(registry, &bootstrap_self, &target, owned, &problem);
  if (made || reason_is(problem, REASON_ALREADY_EXISTS))
    return true;
  g_prefix_error(&problem, "cannot make %s %s: ", target.kind->plural, name);
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

static bool ensure(Registry *registry, Target target, json_t *value, GError **error)
{
  return bootstrap_ensure(registry, target, value, NULL, error);
}

static bool make_namespaces(Registry *registry, GError **error)
{
  static const char *const names[] = { "default", "kube-system", "kube-public", "kube-node-lease" };
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    if (!ensure(registry, bootstrap_target(registry, "", "v1", "namespaces", NULL, names[i]),
                json_pack("{s:{s:[s]}}", "spec", "finalizers", "kubernetes"), error))
      return false;
  return true;
}

static bool make_priority_classes(Registry *registry, GError **error)
{
  static const struct {
    const char *name;
    int value;
    const char *description;
  } classes[] = {
    { "system-cluster-critical", 2000000000, "For pods the cluster cannot do without; they may move to another node." },
    { "system-node-critical", 2000001000, "For pods a node cannot do without; they may not be moved." },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(classes); i++)
    if (!ensure(registry,
                bootstrap_target(registry, "scheduling.k8s.io", "v1", "priorityclasses", NULL, classes[i].name),
                json_pack("{s:i, s:s}", "value", classes[i].value, "description", classes[i].description), error))
      return false;
  return true;
}

static bool make_service(Registry *registry, const ApiServerConfig *config, GError **error)
{
  json_t *service = json_pack("{s:{s:{s:s, s:s}}, s:{s:[{s:s, s:s, s:i, s:i}], s:s, s:s, s:s}}", "metadata", "labels",
                              "component", "apiserver", "provider", "kubernetes", "spec", "ports", "name", "https",
                              "protocol", "TCP", "port", 443, "targetPort", (int)config->port, "clusterIP",
                              config->service_ip, "type", "ClusterIP", "sessionAffinity", "None");
  return ensure(registry, bootstrap_target(registry, "", "v1", "services", "default", "kubernetes"), service, error);
}

/* minikube's addon default-storageclass. What is there stays as it is: the default may have been given to another. */
static bool make_storage_class(Registry *registry, const ApiServerConfig *config, GError **error)
{
  if (!config->default_storage_provisioner)
    return true;
  json_t *class =
      json_pack("{s:{s:{s:s}, s:{s:s}}, s:s, s:s, s:s}", "metadata", "labels", "addonmanager.kubernetes.io/mode",
                "EnsureExists", "annotations", "storageclass.kubernetes.io/is-default-class", "true", "provisioner",
                config->default_storage_provisioner, "reclaimPolicy", "Delete", "volumeBindingMode", "Immediate");
  return ensure(registry, bootstrap_target(registry, "storage.k8s.io", "v1", "storageclasses", NULL, "standard"), class,
                error);
}

bool bootstrap_objects(Registry *registry, const ApiServerConfig *config, GError **error)
{
  return make_namespaces(registry, error) && bootstrap_rbac_objects(registry, error) &&
         bootstrap_flow_objects(registry, error) && make_priority_classes(registry, error) &&
         make_service(registry, config, error) && make_storage_class(registry, config, error);
}

typedef struct Replacement {
  const char *member;
  json_t *value;
} Replacement;

static bool replace_members(json_t *object, void *data)
{
  const Replacement *replacements = data;
  bool changed = false;
  for (; replacements->member; replacements++) {
    if (json_equal(json_object_get(object, replacements->member), replacements->value))
      continue;
    json_object_set(object, replacements->member, replacements->value);
    changed = true;
  }
  return changed;
}

/* Creates VALUE or gives the object there the members of VALUE besides its metadata. */
static bool keep(Registry *registry, Target target, json_t *value, Replacement *replacements, GError **error)
{
  if (!ensure(registry, target, value, error))
    return false;
  g_autoptr(Object) stored = registry_modify(registry, &bootstrap_self, &target, replace_members, replacements, error);
  return stored != NULL;
}

/* One subset for each port, as Endpoints have them. */
static json_t *subsets_of(const json_t *servers)
{
  json_t *subsets = json_array(), *server;
  size_t i;
  json_array_foreach (servers, i, server) {
    json_int_t port = json_int(server, "port", 0);
    json_t *addresses = NULL, *subset;
    size_t j;
    json_array_foreach (subsets, j, subset)
      if (json_int(json_array_get(json_object_get(subset, "ports"), 0), "port", 0) == port)
        addresses = json_object_get(subset, "addresses");
    if (!addresses) {
      subset = json_pack("{s:[], s:[{s:s, s:I, s:s}]}", "addresses", "ports", "name", "https", "port", port, "protocol",
                         "TCP");
      addresses = json_object_get(subset, "addresses");
      json_array_append_new(subsets, subset);
    }
    json_array_append_new(addresses, json_pack("{s:O}", "ip", json_object_get(server, "ip")));
  }
  return subsets;
}

/* A slice has one list of ports: it holds the first subset, which is all of them unless servers listen on several. */
static json_t *slice_endpoints_of(const json_t *subset)
{
  json_t *endpoints = json_array(), *address;
  size_t i;
  json_array_foreach (json_object_get(subset, "addresses"), i, address)
    json_array_append_new(endpoints, json_pack("{s:[O], s:{s:b}}", "addresses", json_object_get(address, "ip"),
                                               "conditions", "ready", 1));
  return endpoints;
}

bool bootstrap_endpoints(Registry *registry, const json_t *servers, GError **error)
{
  g_autoptr(json_t) subsets = subsets_of(servers);
  json_t *first = json_array_get(subsets, 0);
  g_autoptr(json_t) slice_endpoints = slice_endpoints_of(first);
  g_autoptr(json_t) slice_ports = json_deep_copy(json_object_get(first, "ports"));
  json_t *endpoints = json_pack("{s:{s:{s:s}}, s:O}", "metadata", "labels", "endpointslice.kubernetes.io/skip-mirror",
                                "true", "subsets", subsets);
  json_t *slice = json_pack("{s:{s:{s:s}}, s:s, s:O, s:O}", "metadata", "labels", "kubernetes.io/service-name",
                            "kubernetes", "addressType", "IPv4", "endpoints", slice_endpoints, "ports", slice_ports);
  Replacement endpoints_members[] = { { "subsets", subsets }, { NULL, NULL } };
  Replacement slice_members[] = { { "endpoints", slice_endpoints }, { "ports", slice_ports }, { NULL, NULL } };
  return keep(registry, bootstrap_target(registry, "", "v1", "endpoints", "default", "kubernetes"), endpoints,
              endpoints_members, error) &&
         keep(registry, bootstrap_target(registry, "discovery.k8s.io", "v1", "endpointslices", "default", "kubernetes"),
              slice, slice_members, error);
}
