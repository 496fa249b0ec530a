#include "clusterd/dns/facts.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/json.h"

#define BY_SERVICE "dns-service"
#define BY_ADDRESS "dns-address"

static char **index_slice_by_service(const Object *slice)
{
  const json_t *labels = json_at(object_json(slice), "metadata", "labels", NULL);
  const char *service = json_str(labels, "kubernetes.io/service-name", NULL);
  if (!service)
    return NULL;
  char **values = g_new0(char *, 2);
  values[0] = g_strdup_printf("%s/%s", object_namespace(slice), service);
  return values;
}

/* The address as inet_ntop writes it, under which it is looked up; any other text is left as it is. */
static void add_address(GStrvBuilder *values, const char *ip)
{
  struct in6_addr address;
  char text[INET6_ADDRSTRLEN];
  int family = strchr(ip, ':') ? AF_INET6 : AF_INET;
  if (inet_pton(family, ip, &address) == 1)
    g_strv_builder_add(values, inet_ntop(family, &address, text, sizeof text));
}

static char **index_slice_by_address(const Object *slice)
{
  g_autoptr(GStrvBuilder) values = g_strv_builder_new();
  const json_t *endpoint;
  size_t i;
  json_array_foreach (json_object_get(object_json(slice), "endpoints"), i, endpoint) {
    const char *ip = json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));
    if (ip)
      add_address(values, ip);
  }
  return g_strv_builder_end(values);
}

static char **index_service_by_address(const Object *service)
{
  const json_t *spec = json_object_get(object_json(service), "spec"), *list = json_object_get(spec, "clusterIPs");
  g_autoptr(GStrvBuilder) values = g_strv_builder_new();
  for (size_t i = 0; i < json_array_size(list); i++)
    add_address(values, json_string_value(json_array_get(list, i)));
  if (json_array_size(list) == 0)
    add_address(values, json_str(spec, "clusterIP", ""));
  return g_strv_builder_end(values);
}

static char **index_pod_by_address(const Object *pod)
{
  const json_t *list = json_at(object_json(pod), "status", "podIPs", NULL);
  g_autoptr(GStrvBuilder) values = g_strv_builder_new();
  for (size_t i = 0; i < json_array_size(list); i++)
    add_address(values, json_str(json_array_get(list, i), "ip", ""));
  return g_strv_builder_end(values);
}

static void on_change(Object *old, Object *new_object, void *data)
{
  FactSource *source = data;
  __atomic_fetch_add(&source->version, 1, __ATOMIC_RELEASE);
}

static void on_config_map(Object *old, Object *new_object, void *data)
{
  const FactSource *source = data;
  const Object *object = new_object ? new_object : old;
  if (!g_str_equal(object_namespace(object), "kube-system"))
    return;
  if (source->config_changed &&
      (g_str_equal(object_name(object), "coredns") || g_str_equal(object_name(object), "kube-dns")))
    source->config_changed(source->data);
}

void fact_source_init(FactSource *source, InformerSet *informers, void (*changed)(void *data), void *data)
{
  source->version = 1;
  source->config_changed = changed;
  source->data = data;
  source->services = informer_set_get(informers, "v1", "services");
  source->slices = informer_set_get(informers, "discovery.k8s.io/v1", "endpointslices");
  source->namespaces = informer_set_get(informers, "v1", "namespaces");
  source->config_maps = informer_set_get(informers, "v1", "configmaps");
  informer_add_index(source->services, BY_ADDRESS, index_service_by_address);
  informer_add_index(source->slices, BY_SERVICE, index_slice_by_service);
  informer_add_index(source->slices, BY_ADDRESS, index_slice_by_address);
  source->pods = informer_set_get(informers, "v1", "pods");
  informer_add_index(source->pods, BY_ADDRESS, index_pod_by_address);
  informer_add_handler(source->services, on_change, source);
  informer_add_handler(source->slices, on_change, source);
  informer_add_handler(source->namespaces, on_change, source);
  informer_add_handler(source->config_maps, on_config_map, source);
}

static GPtrArray *values_by_index(Informer *informer, const char *index, const char *value)
{
  GPtrArray *values = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
  g_autoptr(GPtrArray) objects = informer_by_index(informer, index, value);
  for (guint i = 0; i < objects->len; i++)
    g_ptr_array_add(values, json_incref(object_json(objects->pdata[i])));
  return values;
}

static json_t *get_service(void *data, const char *namespace_, const char *name)
{
  const FactSource *source = data;
  g_autoptr(Object) service = informer_get(source->services, namespace_, name);
  return service ? json_incref(object_json(service)) : NULL;
}

static GPtrArray *get_slices(void *data, const char *namespace_, const char *service)
{
  const FactSource *source = data;
  g_autofree char *key = g_strdup_printf("%s/%s", namespace_, service);
  return values_by_index(source->slices, BY_SERVICE, key);
}

static bool has_namespace(void *data, const char *namespace_)
{
  const FactSource *source = data;
  g_autoptr(Object) object = informer_get(source->namespaces, NULL, namespace_);
  return object != NULL;
}

static GPtrArray *get_services_at(void *data, const char *ip)
{
  const FactSource *source = data;
  return values_by_index(source->services, BY_ADDRESS, ip);
}

static GPtrArray *get_slices_at(void *data, const char *ip)
{
  const FactSource *source = data;
  return values_by_index(source->slices, BY_ADDRESS, ip);
}

static bool get_pod_at(void *data, const char *namespace_, const char *ip)
{
  const FactSource *source = data;
  g_autoptr(GPtrArray) pods = informer_by_index(source->pods, BY_ADDRESS, ip);
  for (guint i = 0; i < pods->len; i++)
    if (g_str_equal(object_namespace(pods->pdata[i]), namespace_))
      return true;
  return false;
}

static json_t *get_config_map(void *data, const char *name)
{
  const FactSource *source = data;
  g_autoptr(Object) object = informer_get(source->config_maps, "kube-system", name);
  return object ? json_incref(object_json(object)) : NULL;
}

static uint64_t get_version(void *data)
{
  const FactSource *source = data;
  return __atomic_load_n(&source->version, __ATOMIC_ACQUIRE);
}

DnsFacts fact_source_facts(FactSource *source)
{
  return (DnsFacts){ .data = source,
                     .service = get_service,
                     .slices = get_slices,
                     .namespace_exists = has_namespace,
                     .services_at = get_services_at,
                     .slices_at = get_slices_at,
                     .pod_at = get_pod_at,
                     .config_map = get_config_map,
                     .version = get_version };
}
