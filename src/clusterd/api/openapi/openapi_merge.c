/* What another server's OpenAPI v2 says of one group and version, as a part of this server's. Source: upstream's
 * kube-openapi aggregator. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/openapi/openapi.h"

#define DEFINITION "#/definitions/"
#define GVK_LIST "x-kubernetes-group-version-kind"

/* Calls VISIT for every "$ref" to a definition in VALUE, with the object it is a member of. */
static void visit_references(json_t *value, void (*visit)(json_t *holder, const char *name, void *data), void *data)
{
  const char *key;
  size_t i;
  json_t *item;
  const char *reference = json_str(value, "$ref", "");
  if (g_str_has_prefix(reference, DEFINITION))
    visit(value, reference + strlen(DEFINITION), data);
  json_array_foreach (value, i, item)
    visit_references(item, visit, data);
  json_object_foreach (value, key, item)
    visit_references(item, visit, data);
}

typedef struct Needs {
  json_t *all, *needed; /* definitions */
  GPtrArray *found;     /* json_t*, borrowed: needed ones */
} Needs;

static void add_needed(json_t *holder, const char *name, void *data)
{
  Needs *needs = data;
  json_t *definition = json_object_get(needs->all, name);
  if (!definition || json_object_get(needs->needed, name))
    return;
  json_object_set(needs->needed, name, definition);
  g_ptr_array_add(needs->found, definition);
}

json_t *openapi_v2_part(const json_t *swagger, const char *group, const char *version)
{
  g_autofree char *own = g_strdup_printf("/apis/%s/%s/", group, version);
  json_t *paths = json_object(), *item;
  g_autoptr(GPtrArray) found = g_ptr_array_new();
  Needs needs = { json_object_get(swagger, "definitions"), json_object(), found };
  const char *path;
  json_object_foreach (json_object_get(swagger, "paths"), path, item)
    if (g_str_has_prefix(path, own))
      json_object_set(paths, path, item);
  visit_references(paths, add_needed, &needs);
  for (guint i = 0; i < found->len; i++)
    visit_references(found->pdata[i], add_needed, &needs);
  return json_pack("{s:o, s:o}", "paths", paths, "definitions", needs.needed);
}

/* --- merging -------------------------------------------------------------------------------------------------------
 */

static void rename_reference(json_t *holder, const char *name, void *names)
{
  const char *other = json_str(names, name, NULL);
  g_autofree char *reference = other ? g_strconcat(DEFINITION, other, NULL) : NULL;
  if (reference)
    json_object_set_new(holder, "$ref", json_string(reference));
}

static char *free_name(const json_t *definitions, const json_t *others, const char *name)
{
  for (unsigned i = 2;; i++) {
    g_autofree char *candidate = g_strdup_printf("%s_v%u", name, i);
    if (!json_object_get(definitions, candidate) && !json_object_get(others, candidate))
      return g_steal_pointer(&candidate);
  }
}

/* Names of PART's definitions that mean something else in SWAGGER → what they are called from now on. */
static json_t *find_conflicts(const json_t *definitions, const json_t *added)
{
  json_t *names = json_object(), *definition;
  const char *name;
  json_object_foreach ((json_t *)(uintptr_t)added, name, definition) {
    const json_t *ours = json_object_get(definitions, name);
    if (!ours || json_equal(ours, definition))
      continue;
    g_autofree char *other = free_name(definitions, added, name);
    json_object_set_new(names, name, json_string(other));
  }
  return names;
}

void openapi_v2_merge(json_t *swagger, const json_t *part)
{
  g_autoptr(json_t) copy = json_deep_copy(part);
  json_t *definitions = json_object_get(swagger, "definitions"), *paths = json_object_get(swagger, "paths"), *item;
  g_autoptr(json_t) names = find_conflicts(definitions, json_object_get(part, "definitions"));
  const char *key;
  visit_references(copy, rename_reference, names);
  json_object_foreach (json_object_get(copy, "definitions"), key, item) {
    const char *other = json_str(names, key, NULL);
    if (other) /* which kinds it is the schema of is said where it has its own name */
      json_object_del(item, GVK_LIST);
    if (other || !json_object_get(definitions, key))
      json_object_set(definitions, other ? other : key, item);
  }
  json_object_foreach (json_object_get(copy, "paths"), key, item)
    if (!json_object_get(paths, key))
      json_object_set(paths, key, item);
}
