#include "clusterd/api/openapi/discovery.h"

#include <string.h>

#include "base/json.h"

/* Verbs in the order upstream lists them: the alphabet's. */
static const ApiVerb verb_order[] = {
  API_VERB_CREATE, API_VERB_DELETE, API_VERB_DELETECOLLECTION, API_VERB_GET,
  API_VERB_LIST,   API_VERB_PATCH,  API_VERB_UPDATE,           API_VERB_WATCH,
};

static json_t *verb_names(uint16_t verbs)
{
  json_t *names = json_array();
  for (gsize i = 0; i < G_N_ELEMENTS(verb_order); i++)
    if (verbs & verb_order[i])
      json_array_append_new(names, json_string(api_verb_name(verb_order[i])));
  return names;
}

static json_t *string_array(const char *const *texts)
{
  json_t *array = json_array();
  for (; texts && *texts; texts++)
    json_array_append_new(array, json_string(*texts));
  return array;
}

static void set_strings(json_t *resource, const char *key, const char *const *texts)
{
  if (texts && *texts)
    json_object_set_new(resource, key, string_array(texts));
}

static bool same_version(const ApiKind *a, const ApiKind *b)
{
  return strcmp(a->group, b->group) == 0 && strcmp(a->version, b->version) == 0;
}

json_t *discovery_api_versions(const char *server_address)
{
  return json_pack("{s:s, s:[s], s:[{s:s, s:s}]}", "kind", "APIVersions", "versions", "v1",
                   "serverAddressByClientCIDRs", "clientCIDR", "0.0.0.0/0", "serverAddress", server_address);
}

/* {groupVersion, version} of KIND's. */
static json_t *version_entry(const ApiKind *kind)
{
  g_autofree char *group_version = api_group_version(kind);
  return json_pack("{s:s, s:s}", "groupVersion", group_version, "version", kind->version);
}

/* All named groups in discovery order; the first version of each is the preferred one. */
static json_t *group_array(const ApiScheme *scheme)
{
  g_autoptr(GPtrArray) kinds = api_scheme_list(scheme);
  json_t *groups = json_array(), *group = NULL;
  const ApiKind *before = NULL;
  for (guint i = 0; i < kinds->len; i++) {
    const ApiKind *kind = kinds->pdata[i];
    if (!*kind->group || (before && same_version(before, kind)))
      continue;
    if (!before || strcmp(before->group, kind->group) != 0) {
      group = json_pack("{s:s, s:[], s:o}", "name", kind->group, "versions", "preferredVersion", version_entry(kind));
      json_array_append_new(groups, group);
    }
    json_array_append_new(json_object_get(group, "versions"), version_entry(kind));
    before = kind;
  }
  return groups;
}

json_t *discovery_group_list(const ApiScheme *scheme)
{
  return json_pack("{s:s, s:s, s:o}", "kind", "APIGroupList", "apiVersion", "v1", "groups", group_array(scheme));
}

json_t *discovery_group(const ApiScheme *scheme, const char *name)
{
  g_autoptr(json_t) groups = group_array(scheme);
  size_t i;
  json_t *group;
  json_array_foreach (groups, i, group)
    if (strcmp(json_str(group, "name", ""), name) == 0) {
      json_t *result = json_pack("{s:s, s:s}", "kind", "APIGroup", "apiVersion", "v1");
      json_object_update(result, group);
      return result;
    }
  return NULL;
}

static json_t *resource_entry(const ApiKind *kind)
{
  json_t *resource = json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", kind->plural, "singularName", kind->singular,
                               "namespaced", kind->namespaced, "kind", kind->kind, "verbs", verb_names(kind->verbs));
  set_strings(resource, "shortNames", kind->short_names);
  set_strings(resource, "categories", kind->categories);
  return resource;
}

/* Group and version are told only where they are not those of the list: by them clients find, say, whose Eviction
 * pods/eviction speaks. */
static json_t *subresource_entry(const ApiKind *kind, const ApiSubresource *subresource)
{
  g_autofree char *name = g_strconcat(kind->plural, "/", subresource->name, NULL);
  json_t *resource = json_pack("{s:s, s:s, s:b}", "name", name, "singularName", "", "namespaced", kind->namespaced);
  bool other = subresource->group &&
               (strcmp(subresource->group, kind->group) != 0 || strcmp(subresource->version, kind->version) != 0);
  if (other && *subresource->group)
    json_object_set_new(resource, "group", json_string(subresource->group));
  if (other)
    json_object_set_new(resource, "version", json_string(subresource->version));
  json_object_set_new(resource, "kind", json_string(subresource->kind ? subresource->kind : kind->kind));
  json_object_set_new(resource, "verbs", verb_names(subresource->verbs));
  return resource;
}

static bool inserts_before(const json_t *entry, const char *name)
{
  return strcmp(json_str(entry, "name", ""), name) > 0;
}

/* Inserts ENTRY by its name: subresources stand right after their resource, unless another name comes between. */
static void insert_sorted(json_t *resources, json_t *entry)
{
  size_t at = json_array_size(resources);
  while (at > 0 && inserts_before(json_array_get(resources, at - 1), json_str(entry, "name", "")))
    at--;
  json_array_insert_new(resources, at, entry);
}

json_t *discovery_resource_list(const ApiScheme *scheme, const char *group, const char *version)
{
  g_autoptr(GPtrArray) kinds = api_scheme_list(scheme);
  g_autoptr(json_t) resources = json_array();
  g_autofree char *group_version = NULL;
  for (guint i = 0; i < kinds->len; i++) {
    const ApiKind *kind = kinds->pdata[i];
    if (strcmp(kind->group, group) != 0 || strcmp(kind->version, version) != 0)
      continue;
    if (!group_version)
      group_version = api_group_version(kind);
    insert_sorted(resources, resource_entry(kind));
    for (unsigned n = 0; n < kind->n_subresources; n++)
      insert_sorted(resources, subresource_entry(kind, &kind->subresources[n]));
  }
  if (!group_version)
    return NULL;
  return json_pack("{s:s, s:s, s:s, s:O}", "kind", "APIResourceList", "apiVersion", "v1", "groupVersion", group_version,
                   "resources", resources);
}

static json_t *response_kind(const char *group, const char *version, const char *kind)
{
  return json_pack("{s:s, s:s, s:s}", "group", group, "version", version, "kind", kind);
}

static json_t *aggregated_resource(const ApiKind *kind)
{
  json_t *resource = json_pack("{s:s, s:o, s:s, s:s, s:o}", "resource", kind->plural, "responseKind",
                               response_kind(kind->group, kind->version, kind->kind), "scope",
                               kind->namespaced ? "Namespaced" : "Cluster", "singularResource", kind->singular, "verbs",
                               verb_names(kind->verbs));
  set_strings(resource, "shortNames", kind->short_names);
  set_strings(resource, "categories", kind->categories);
  json_t *subresources = json_array();
  for (unsigned i = 0; i < kind->n_subresources; i++) {
    const ApiSubresource *sub = &kind->subresources[i];
    json_array_append_new(subresources, json_pack("{s:s, s:o, s:o}", "subresource", sub->name, "responseKind",
                                                  response_kind(sub->group ? sub->group : kind->group,
                                                                sub->group ? sub->version : kind->version,
                                                                sub->kind ? sub->kind : kind->kind),
                                                  "verbs", verb_names(sub->verbs)));
  }
  if (kind->n_subresources > 0)
    json_object_set(resource, "subresources", subresources);
  json_decref(subresources);
  return resource;
}

json_t *discovery_aggregated(const ApiScheme *scheme, bool core, const char *version)
{
  g_autoptr(GPtrArray) kinds = api_scheme_list(scheme);
  g_autofree char *api_version = g_strconcat("apidiscovery.k8s.io/", version, NULL);
  json_t *items = json_array(), *group = NULL, *of_version = NULL;
  const ApiKind *before = NULL;
  for (guint i = 0; i < kinds->len; i++) {
    const ApiKind *kind = kinds->pdata[i];
    if ((*kind->group == '\0') != core)
      continue;
    if (!before || strcmp(before->group, kind->group) != 0) {
      group = json_pack("{s:{s:s*}, s:[]}", "metadata", "name", core ? NULL : kind->group, "versions");
      json_array_append_new(items, group);
    }
    if (!before || !same_version(before, kind)) {
      of_version = json_pack("{s:s, s:[], s:s}", "version", kind->version, "resources", "freshness", "Current");
      json_array_append_new(json_object_get(group, "versions"), of_version);
    }
    json_array_append_new(json_object_get(of_version, "resources"), aggregated_resource(kind));
    before = kind;
  }
  return json_pack("{s:s, s:s, s:{}, s:o}", "kind", "APIGroupDiscoveryList", "apiVersion", api_version, "metadata",
                   "items", items);
}
