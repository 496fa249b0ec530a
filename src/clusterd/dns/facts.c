#include "clusterd/dns/facts.h"

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

static char **index_slice_by_address(const Object *slice)
{
  g_autoptr(GStrvBuilder) values = g_strv_builder_new();
  const json_t *endpoint;
  size_t i;
  json_array_foreach (json_object_get(object_json(slice), "endpoints"), i, endpoint) {
    const char *ip = json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));
    if (ip)
      g_strv_builder_add(values, ip);
  }
  return g_strv_builder_end(values);
}

static char **index_service_by_address(const Object *service)
{
  const char *ip = json_str(json_object_get(object_json(service), "spec"), "clusterIP", "");
  if (!*ip || g_str_equal(ip, "None"))
    return NULL;
  char **values = g_new0(char *, 2);
  values[0] = g_strdup(ip);
  return values;
}

void fact_source_init(FactSource *source, InformerSet *informers)
{
  source->services = informer_set_get(informers, "v1", "services");
  source->slices = informer_set_get(informers, "discovery.k8s.io/v1", "endpointslices");
  source->namespaces = informer_set_get(informers, "v1", "namespaces");
  source->config_maps = informer_set_get(informers, "v1", "configmaps");
  informer_add_index(source->services, BY_ADDRESS, index_service_by_address);
  informer_add_index(source->slices, BY_SERVICE, index_slice_by_service);
  informer_add_index(source->slices, BY_ADDRESS, index_slice_by_address);
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

static json_t *get_config_map(void *data)
{
  const FactSource *source = data;
  g_autoptr(Object) object = informer_get(source->config_maps, "kube-system", "kube-dns");
  return object ? json_incref(object_json(object)) : NULL;
}

DnsFacts fact_source_facts(FactSource *source)
{
  return (DnsFacts){ .data = source,
                     .service = get_service,
                     .slices = get_slices,
                     .namespace_exists = has_namespace,
                     .services_at = get_services_at,
                     .slices_at = get_slices_at,
                     .config_map = get_config_map };
}
