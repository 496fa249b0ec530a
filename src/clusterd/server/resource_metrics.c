#include "clusterd/server/resource_metrics.h"

#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry/registry_private.h"

#define NANO 1000000000

static json_t *usage_of(const json_t *numbers)
{
  Quantity cpu = { (__int128)json_int(numbers, "cpuNanoCores", 0), QUANTITY_DECIMAL_SI };
  Quantity memory = { (__int128)json_int(numbers, "memoryBytes", 0) * NANO, QUANTITY_BINARY_SI };
  g_autofree char *cpu_text = quantity_text(cpu), *memory_text = quantity_text(memory);
  return json_pack("{s:s, s:s}", "cpu", cpu_text, "memory", memory_text);
}

/* What both kinds have in common. ABOUT is the node or pod. */
static json_t *value_of(const ApiKind *kind, const Object *about, const json_t *numbers)
{
  g_autofree char *version = api_group_version(kind), *now = timestamp_now();
  g_autofree char *time = timestamp_text(json_int(numbers, "timeUs", 0));
  g_autofree char *window = timestamp_go_duration(json_int(numbers, "windowUs", 0));
  const json_t *labels = object_labels(about);
  json_t *metadata = json_pack("{s:s}", "name", object_name(about));
  if (kind->namespaced)
    json_object_set_new(metadata, "namespace", json_string(object_namespace(about)));
  json_object_set_new(metadata, "creationTimestamp", json_string(now));
  if (json_object_size(labels) > 0)
    json_object_set(metadata, "labels", (json_t *)(uintptr_t)labels); /* shared: nobody changes it */
  return json_pack("{s:s, s:s, s:o, s:s, s:s}", "kind", kind->kind, "apiVersion", version, "metadata", metadata,
                   "timestamp", time, "window", window);
}

static Object *make_node(const ApiKind *kind, const Object *node, const json_t *numbers)
{
  json_t *value = value_of(kind, node, numbers);
  json_object_set_new(value, "usage", usage_of(numbers));
  return object_new(kind, value);
}

static Object *make_pod(const ApiKind *kind, const Object *pod, const json_t *numbers)
{
  json_t *value = value_of(kind, pod, numbers), *containers = json_array();
  size_t i;
  json_t *container;
  json_array_foreach (json_object_get(numbers, "containers"), i, container)
    json_array_append_new(
        containers, json_pack("{s:s, s:o}", "name", json_str(container, "name", ""), "usage", usage_of(container)));
  json_object_set_new(value, "containers", containers);
  return object_new(kind, value);
}

/* --- whose ---------------------------------------------------------------------------------------------------------
 */

typedef struct Selection {
  const MetricsQuery *query;
  GPtrArray *objects;
} Selection;

static bool select_object(Object *object, void *data)
{
  const Selection *selection = data;
  const MetricsQuery *query = selection->query;
  if (object_selected(object, query->labels, query->fields))
    g_ptr_array_add(selection->objects, object_ref(object));
  return false;
}

static int compare(gconstpointer a, gconstpointer b)
{
  const Object *first = *(Object *const *)a, *second = *(Object *const *)b;
  int order = strcmp(object_namespace(first), object_namespace(second));
  return order ? order : strcmp(object_name(first), object_name(second));
}

GPtrArray *resource_metrics_select(Registry *registry, const MetricsQuery *query, GError **error)
{
  const ApiKind *kind = api_scheme_resource(registry_scheme(registry), "", "v1", query->kind->plural);
  g_autoptr(GPtrArray) objects = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  Selection selection = { query, objects };
  if (!query->name) {
    registry_visit(registry, kind, query->namespace_, select_object, &selection);
    g_ptr_array_sort(objects, compare);
    return g_steal_pointer(&objects);
  }
  Object *object = registry_lookup(registry, kind, query->namespace_, query->name);
  if (!object) {
    api_error_not_found(error, kind, query->name);
    return NULL;
  }
  g_ptr_array_add(objects, object);
  return g_steal_pointer(&objects);
}

/* --- together ------------------------------------------------------------------------------------------------------
 */

/* The numbers of each pod by its uid, borrowed from USAGE. */
static GHashTable *index_pods(const json_t *usage)
{
  GHashTable *index = g_hash_table_new(g_str_hash, g_str_equal);
  size_t i;
  json_t *pod;
  json_array_foreach (json_object_get(usage, "pods"), i, pod)
    g_hash_table_insert(index, (gpointer)(uintptr_t)json_str(pod, "uid", ""), pod);
  return index;
}

/* As metrics-server names what has no numbers. */
static void set_no_numbers(const MetricsQuery *query, GError **error)
{
  ApiKind named = *query->kind;
  g_autofree char *plural = g_ascii_strdown(query->kind->kind, -1);
  g_autofree char *name =
      query->namespace_ ? g_strdup_printf("%s/%s", query->namespace_, query->name) : g_strdup(query->name);
  named.plural = plural;
  api_error_not_found(error, &named, name);
}

GPtrArray *resource_metrics_answer(const MetricsQuery *query, GPtrArray *objects, const json_t *usage, GError **error)
{
  g_autoptr(GPtrArray) made = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  g_autoptr(GHashTable) pods = index_pods(usage);
  for (guint i = 0; i < objects->len; i++) {
    const Object *object = objects->pdata[i];
    bool is_own = g_str_equal(object_name(object), json_str(usage, "name", ""));
    const json_t *numbers = query->kind->namespaced ? g_hash_table_lookup(pods, object_uid(object))
                            : is_own                ? json_object_get(usage, "node")
                                                    : NULL;
    if (numbers)
      g_ptr_array_add(made, query->kind->namespaced ? make_pod(query->kind, object, numbers)
                                                    : make_node(query->kind, object, numbers));
  }
  if (query->name && made->len == 0) {
    set_no_numbers(query, error);
    return NULL;
  }
  return g_steal_pointer(&made);
}
