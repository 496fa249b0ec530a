/* What remote API servers serve, in this server's discovery documents. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/openapi/openapi.h"
#include "clusterd/server/aggregation/aggregator_private.h"

/* Remote APIServices, the best group first, and of a group the best version first. */
static int compare(gconstpointer a, gconstpointer b)
{
  const json_t *first = json_object_get(object_json(*(Object *const *)a), "spec");
  const json_t *second = json_object_get(object_json(*(Object *const *)b), "spec");
  static const char *const members[] = { "groupPriorityMinimum", "versionPriority" };
  int order = 0;
  for (gsize i = 0; order == 0 && i < G_N_ELEMENTS(members); i++) {
    int64_t difference = json_int(second, members[i], 0) - json_int(first, members[i], 0);
    order = difference > 0 ? 1 : difference < 0 ? -1 : 0;
    if (order == 0 && i == 0)
      order = strcmp(json_str(first, "group", ""), json_str(second, "group", ""));
  }
  return order ? order : strcmp(json_str(second, "version", ""), json_str(first, "version", ""));
}

static GPtrArray *list_remote(Aggregator *aggregator)
{
  GPtrArray *list = aggregator_list(aggregator);
  for (guint i = list->len; i-- > 0;)
    if (!aggregator_is_remote(list->pdata[i]))
      g_ptr_array_remove_index(list, i);
  g_ptr_array_sort(list, compare);
  return list;
}

static json_t *version_entry(const char *group, const char *version)
{
  g_autofree char *both = g_strdup_printf("%s/%s", group, version);
  return json_pack("{s:s, s:s}", "groupVersion", both, "version", version);
}

/* The element of ARRAY whose member KEY is TEXT; borrowed. */
static json_t *find(const json_t *array, const char *key, const char *text)
{
  size_t i;
  json_t *item;
  json_array_foreach (array, i, item)
    if (g_str_equal(json_str(item, key, ""), text))
      return item;
  return NULL;
}

static void add_version(json_t *group, const char *name, const char *version)
{
  json_t *versions = json_object_get(group, "versions");
  if (find(versions, "version", version))
    return;
  json_array_append_new(versions, version_entry(name, version));
  if (!json_object_get(group, "preferredVersion"))
    json_object_set_new(group, "preferredVersion", version_entry(name, version));
}

void aggregator_add_groups(Aggregator *aggregator, json_t *group_list)
{
  json_t *groups = json_object_get(group_list, "groups");
  g_autoptr(GPtrArray) remote = list_remote(aggregator);
  for (guint i = 0; i < remote->len; i++) {
    const json_t *spec = json_object_get(object_json(remote->pdata[i]), "spec");
    const char *name = json_str(spec, "group", "");
    json_t *group = find(groups, "name", name);
    if (!group) {
      group = json_pack("{s:s, s:[]}", "name", name, "versions");
      json_array_append_new(groups, group);
    }
    add_version(group, name, json_str(spec, "version", ""));
  }
}

json_t *aggregator_add_group(Aggregator *aggregator, const char *group, json_t *document)
{
  g_autoptr(GPtrArray) remote = list_remote(aggregator);
  for (guint i = 0; i < remote->len; i++) {
    const json_t *spec = json_object_get(object_json(remote->pdata[i]), "spec");
    if (!g_str_equal(json_str(spec, "group", ""), group))
      continue;
    if (!document)
      document = json_pack("{s:s, s:s, s:s, s:[]}", "kind", "APIGroup", "apiVersion", "v1", "name", group, "versions");
    add_version(document, group, json_str(spec, "version", ""));
  }
  return document;
}

/* --- the aggregated form -------------------------------------------------------------------------------------------
 */

static void copy_members(json_t *to, const json_t *from, const char *const *members)
{
  for (; *members; members++)
    if (json_object_get(from, *members))
      json_object_set(to, *members, json_object_get(from, *members));
}

static json_t *response_kind(const json_t *resource, const char *group, const char *version)
{
  return json_pack("{s:s, s:s, s:s}", "group", json_str(resource, "group", group), "version",
                   json_str(resource, "version", version), "kind", json_str(resource, "kind", ""));
}

static void add_subresource(json_t *parent, const json_t *resource, const char *name, const char *group,
                            const char *version)
{
  json_t *list = json_object_get(parent, "subresources");
  json_t *entry = json_pack("{s:s, s:o}", "subresource", name, "responseKind", response_kind(resource, group, version));
  copy_members(entry, resource, (const char *const[]){ "verbs", NULL });
  if (!list) {
    list = json_array();
    json_object_set_new(parent, "subresources", list);
  }
  json_array_append_new(list, entry);
}

/* An APIResourceList's resources as the aggregated form lists them: subresources below their resource. */
static json_t *convert_resources(const json_t *resource_list, const char *group, const char *version)
{
  json_t *converted = json_array();
  size_t i;
  json_t *resource;
  json_array_foreach (json_object_get(resource_list, "resources"), i, resource) {
    const char *name = json_str(resource, "name", "");
    const char *slash = strchr(name, '/');
    g_autofree char *plural = slash ? g_strndup(name, (gsize)(slash - name)) : g_strdup(name);
    json_t *parent = find(converted, "resource", plural);
    if (!parent) {
      parent =
          json_pack("{s:s, s:o, s:s, s:s}", "resource", plural, "responseKind", response_kind(resource, group, version),
                    "scope", json_flag(resource, "namespaced", false) ? "Namespaced" : "Cluster", "singularResource",
                    slash ? "" : json_str(resource, "singularName", ""));
      json_array_append_new(converted, parent);
    }
    if (slash)
      add_subresource(parent, resource, slash + 1, group, version);
    else
      copy_members(parent, resource, (const char *const[]){ "verbs", "shortNames", "categories", NULL });
  }
  return converted;
}

/* New reference; NULL: the server was never reached. */
static json_t *known_resources(Aggregator *aggregator, const char *name, bool *fresh)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&aggregator->lock);
  const Remote *remote = g_hash_table_lookup(aggregator->remotes, name);
  *fresh = remote && remote->fresh;
  return remote ? json_incref(remote->resources) : NULL;
}

static json_t *find_item(const json_t *items, const char *group)
{
  size_t i;
  json_t *item;
  json_array_foreach (items, i, item)
    if (g_str_equal(json_str(json_object_get(item, "metadata"), "name", ""), group))
      return item;
  return NULL;
}

void aggregator_add_discovery(Aggregator *aggregator, json_t *discovery_list)
{
  json_t *items = json_object_get(discovery_list, "items");
  g_autoptr(GPtrArray) remote = list_remote(aggregator);
  for (guint i = 0; i < remote->len; i++) {
    const json_t *spec = json_object_get(object_json(remote->pdata[i]), "spec");
    const char *group = json_str(spec, "group", ""), *version = json_str(spec, "version", "");
    bool fresh;
    g_autoptr(json_t) resources = known_resources(aggregator, object_name(remote->pdata[i]), &fresh);
    json_t *item = find_item(items, group);
    if (!item) {
      item = json_pack("{s:{s:s}, s:[]}", "metadata", "name", group, "versions");
      json_array_append_new(items, item);
    }
    json_t *versions = json_object_get(item, "versions");
    json_t *own = find(versions, "version", version);
    if (own && api_builtin_is_measured(group, version))
      json_object_update_new(own, json_pack("{s:o, s:s}", "resources", convert_resources(resources, group, version),
                                            "freshness", fresh ? "Current" : "Stale"));
    else if (!own)
      json_array_append_new(versions, json_pack("{s:s, s:o, s:s}", "version", version, "resources",
                                                convert_resources(resources, group, version), "freshness",
                                                fresh ? "Current" : "Stale"));
  }
}

void aggregator_add_swagger(Aggregator *aggregator, json_t *swagger)
{
  g_autoptr(GPtrArray) remote = list_remote(aggregator);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&aggregator->lock);
  for (guint i = 0; i < remote->len; i++) {
    const Remote *known = g_hash_table_lookup(aggregator->remotes, object_name(remote->pdata[i]));
    if (known && known->swagger)
      openapi_v2_merge(swagger, known->swagger);
  }
}

unsigned aggregator_swagger_generation(Aggregator *aggregator)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&aggregator->lock);
  return aggregator->generation;
}

void aggregator_add_openapi(Aggregator *aggregator, json_t *index)
{
  json_t *paths = json_object_get(index, "paths");
  g_autoptr(GPtrArray) remote = list_remote(aggregator);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&aggregator->lock);
  for (guint i = 0; i < remote->len; i++) {
    const json_t *spec = json_object_get(object_json(remote->pdata[i]), "spec");
    const Remote *known = g_hash_table_lookup(aggregator->remotes, object_name(remote->pdata[i]));
    const char *group = json_str(spec, "group", ""), *version = json_str(spec, "version", "");
    g_autofree char *path = g_strdup_printf("apis/%s/%s", group, version);
    if (known && known->openapi && (api_builtin_is_measured(group, version) || !json_object_get(paths, path)))
      json_object_set(paths, path, known->openapi);
  }
}
