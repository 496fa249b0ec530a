#include "cluster.h"

#include "base/json.h"

typedef bool (*Accepts)(const json_t *item, const char *a, const char *b);

static GPtrArray *select_items(const json_t *file, const char *list, Accepts accepts, const char *a, const char *b)
{
  GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
  size_t i;
  json_t *item;
  json_array_foreach (json_object_get(file, list), i, item)
    if (accepts(item, a, b))
      g_ptr_array_add(found, json_incref(item));
  return found;
}

static bool is_service(const json_t *item, const char *namespace_, const char *name)
{
  const json_t *metadata = json_object_get(item, "metadata");
  return g_str_equal(json_str(metadata, "namespace", ""), namespace_) &&
         g_str_equal(json_str(metadata, "name", ""), name);
}

static bool is_slice_of(const json_t *item, const char *namespace_, const char *name)
{
  const json_t *metadata = json_object_get(item, "metadata");
  return g_str_equal(json_str(metadata, "namespace", ""), namespace_) &&
         g_str_equal(json_str(json_object_get(metadata, "labels"), "kubernetes.io/service-name", ""), name);
}

static bool has_cluster_ip(const json_t *item, const char *ip, const char *unused)
{
  const json_t *list = json_at(item, "spec", "clusterIPs", NULL);
  for (size_t i = 0; i < json_array_size(list); i++)
    if (g_str_equal(json_string_value(json_array_get(list, i)), ip))
      return true;
  return g_str_equal(json_str(json_object_get(item, "spec"), "clusterIP", ""), ip);
}

static bool has_endpoint(const json_t *item, const char *ip, const char *unused)
{
  const json_t *endpoint;
  size_t i;
  json_array_foreach (json_object_get(item, "endpoints"), i, endpoint)
    if (g_str_equal(json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0)), ip))
      return true;
  return false;
}

static json_t *service(void *data, const char *namespace_, const char *name)
{
  g_autoptr(GPtrArray) found = select_items(data, "services", is_service, namespace_, name);
  return found->len > 0 ? json_incref(found->pdata[0]) : NULL;
}

static GPtrArray *slices(void *data, const char *namespace_, const char *name)
{
  return select_items(data, "slices", is_slice_of, namespace_, name);
}

static bool namespace_exists(void *data, const char *namespace_)
{
  size_t i;
  const json_t *item;
  json_array_foreach (json_object_get(data, "namespaces"), i, item)
    if (g_str_equal(json_string_value(item), namespace_))
      return true;
  return false;
}

static GPtrArray *services_at(void *data, const char *ip)
{
  return select_items(data, "services", has_cluster_ip, ip, NULL);
}

static GPtrArray *slices_at(void *data, const char *ip)
{
  return select_items(data, "slices", has_endpoint, ip, NULL);
}

static bool pod_at(void *data, const char *namespace_, const char *ip)
{
  return g_strcmp0(json_str(json_object_get(data, "pods"), ip, NULL), namespace_) == 0;
}

static GMutex config_lock; /* guards config */
static json_t *config[2];
static guint64 version = 1;

void cluster_set_config_map(const char *name, json_t *value)
{
  bool first = g_str_equal(name, "coredns");
  g_mutex_lock(&config_lock);
  json_decref(config[first]);
  config[first] = value;
  g_mutex_unlock(&config_lock);
}

static json_t *config_map(void *data, const char *name)
{
  g_mutex_lock(&config_lock);
  json_t *value = json_incref(config[g_str_equal(name, "coredns")]);
  g_mutex_unlock(&config_lock);
  return value;
}

void cluster_changed(void)
{
  __atomic_fetch_add(&version, 1, __ATOMIC_RELEASE);
}

static uint64_t get_version(void *data)
{
  return __atomic_load_n(&version, __ATOMIC_ACQUIRE);
}

DnsFacts cluster_facts(json_t *file)
{
  return (DnsFacts){ .data = file,
                     .service = service,
                     .slices = slices,
                     .namespace_exists = namespace_exists,
                     .services_at = services_at,
                     .slices_at = slices_at,
                     .pod_at = pod_at,
                     .config_map = config_map,
                     .version = get_version };
}
