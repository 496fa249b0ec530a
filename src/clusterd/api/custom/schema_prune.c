/* What a schema lets stay of a value, and what it fills in. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/custom/schema.h"
#include "clusterd/api/json_prune.h"
#include "clusterd/api/scheme.h"

#define OBJECT_META "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

typedef struct Prune {
  GPtrArray *reports;
  GString *path;
  unsigned depth;
  GError **error;
} Prune;

static json_t *prune_value(Prune *prune, const ApiSchema *schema, const json_t *value, bool root);

static bool is_type_member(const char *name)
{
  return strcmp(name, "apiVersion") == 0 || strcmp(name, "kind") == 0;
}

static bool is_forbidden_null(const ApiSchema *schema, const json_t *value)
{
  return json_is_null(value) && schema && !schema->nullable;
}

static json_t *share(const json_t *value)
{
  return json_incref((json_t *)(uintptr_t)value);
}

static void report_unknown(const Prune *prune, const char *name)
{
  if (prune->reports && prune->reports->len < PRUNE_REPORTS_MAX)
    g_ptr_array_add(prune->reports,
                    g_strdup_printf("unknown field \"%s%s%s\"", prune->path->str, prune->path->len ? "." : "", name));
}

/* The metadata of a resource inside another one. */
static json_t *prune_metadata(const Prune *prune, const json_t *value)
{
  g_autoptr(GPtrArray) reports = g_ptr_array_new_with_free_func(g_free);
  json_t *pruned = json_prune(api_builtin_message(OBJECT_META), "ObjectMeta", value, reports, prune->error);
  for (guint i = 0; pruned && i < reports->len; i++) {
    const char *quote = strchr(reports->pdata[i], '"');
    g_autofree char *name = quote ? g_strdup_printf("metadata.%.*s", (int)strlen(quote) - 2, quote + 1) : NULL;
    if (name)
      report_unknown(prune, name);
  }
  return pruned;
}

/* What becomes of the member NAME of an object: a new reference, or NULL, which is an error when *FAILED. */
static json_t *prune_member(Prune *prune, const ApiSchema *schema, const char *name, const json_t *value, bool root,
                            bool *failed)
{
  bool resource = root || schema->embedded;
  const ApiSchema *member = schema_member(schema, name);
  if (resource && (is_type_member(name) || (root && strcmp(name, "metadata") == 0)))
    return share(value);
  if (resource && strcmp(name, "metadata") == 0) {
    json_t *metadata = prune_metadata(prune, value);
    *failed = !metadata;
    return metadata;
  }
  if (!member) {
    if (schema->preserve_unknown || schema->any_additional)
      return share(value);
    report_unknown(prune, name);
    return NULL;
  }
  if (is_forbidden_null(member, value))
    return NULL;
  gsize length = prune->path->len;
  g_string_append_printf(prune->path, "%s%s", length ? "." : "", name);
  json_t *pruned = prune_value(prune, member, value, false);
  g_string_truncate(prune->path, length);
  *failed = !pruned;
  return pruned;
}

static json_t *prune_object(Prune *prune, const ApiSchema *schema, const json_t *value, bool root)
{
  g_autoptr(json_t) result = json_object();
  const char *name;
  json_t *member;
  json_object_foreach ((json_t *)(uintptr_t)value, name, member) {
    bool failed = false;
    json_t *pruned = prune_member(prune, schema, name, member, root, &failed);
    if (failed)
      return NULL;
    if (pruned)
      json_object_set_new(result, name, pruned);
  }
  return g_steal_pointer(&result);
}

static json_t *prune_array(Prune *prune, const ApiSchema *schema, const json_t *value)
{
  g_autoptr(json_t) result = json_array();
  gsize length = prune->path->len;
  for (size_t i = 0; i < json_array_size(value); i++) {
    g_string_append_printf(prune->path, "[%zu]", i);
    json_t *item = prune_value(prune, schema->items, json_array_get(value, i), false);
    g_string_truncate(prune->path, length);
    if (!item)
      return NULL;
    json_array_append_new(result, item);
  }
  return g_steal_pointer(&result);
}

static json_t *prune_value(Prune *prune, const ApiSchema *schema, const json_t *value, bool root)
{
  json_t *result;
  if (++prune->depth > SCHEMA_DEPTH_MAX) {
    reason_set(prune->error, REASON_BAD_REQUEST, "json: exceeded max depth");
    return NULL;
  }
  if (json_is_object(value))
    result = prune_object(prune, schema, value, root);
  else if (json_is_array(value) && schema->items)
    result = prune_array(prune, schema, value);
  else
    result = share(value);
  prune->depth--;
  return result;
}

json_t *schema_prune(const ApiSchema *schema, const json_t *value, bool root, GPtrArray *reports, GError **error)
{
  g_autoptr(GString) path = g_string_new(NULL);
  Prune prune = { .reports = reports, .path = path, .error = error };
  return prune_value(&prune, schema, value, root);
}

/* --- defaults ------------------------------------------------------------------------------------------------------
 */

static bool wants_default(const ApiSchema *schema, const json_t *value)
{
  return schema->default_value && (!value || is_forbidden_null(schema, value));
}

static void default_value(const ApiSchema *schema, json_t *value, unsigned depth);

static void default_properties(const ApiSchema *schema, json_t *value)
{
  GHashTableIter iterator;
  void *name, *property;
  if (!schema->properties)
    return;
  g_hash_table_iter_init(&iterator, schema->properties);
  while (g_hash_table_iter_next(&iterator, &name, &property)) {
    const ApiSchema *member = property;
    if (wants_default(member, json_object_get(value, name)))
      json_object_set_new(value, name, json_deep_copy(member->default_value));
  }
}

static void default_value(const ApiSchema *schema, json_t *value, unsigned depth)
{
  const char *name;
  json_t *member;
  size_t i;
  void *next;
  if (depth > SCHEMA_DEPTH_MAX)
    return;
  if (json_is_object(value)) {
    default_properties(schema, value);
    json_object_foreach_safe (value, next, name, member) {
      const ApiSchema *of_member = schema_member(schema, name);
      if (of_member && wants_default(of_member, member))
        json_object_set_new(value, name, json_deep_copy(of_member->default_value));
      if (of_member)
        default_value(of_member, json_object_get(value, name), depth + 1);
    }
  } else if (json_is_array(value) && schema->items) {
    json_array_foreach (value, i, member) {
      if (wants_default(schema->items, member))
        json_array_set_new(value, i, json_deep_copy(schema->items->default_value));
      default_value(schema->items, json_array_get(value, i), depth + 1);
    }
  }
}

void schema_set_defaults(const ApiSchema *schema, json_t *value)
{
  default_value(schema, value, 0);
}

static bool lacks_property(const ApiSchema *schema, const json_t *value)
{
  GHashTableIter iterator;
  void *name, *property;
  if (!schema->properties)
    return false;
  g_hash_table_iter_init(&iterator, schema->properties);
  while (g_hash_table_iter_next(&iterator, &name, &property))
    if (wants_default(property, json_object_get(value, name)))
      return true;
  return false;
}

static bool lacks(const ApiSchema *schema, const json_t *value, unsigned depth)
{
  const char *name;
  json_t *member;
  size_t i;
  if (depth > SCHEMA_DEPTH_MAX)
    return false;
  if (json_is_object(value)) {
    if (lacks_property(schema, value))
      return true;
    json_object_foreach ((json_t *)(uintptr_t)value, name, member) {
      const ApiSchema *of_member = schema_member(schema, name);
      if (of_member && (wants_default(of_member, member) || lacks(of_member, member, depth + 1)))
        return true;
    }
  } else if (schema->items) {
    json_array_foreach (value, i, member)
      if (wants_default(schema->items, member) || lacks(schema->items, member, depth + 1))
        return true;
  }
  return false;
}

bool schema_lacks_defaults(const ApiSchema *schema, const json_t *value)
{
  return lacks(schema, value, 0);
}
