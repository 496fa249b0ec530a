#include "clusterd/api/custom/definition_schema.h"

#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/api/custom/schema.h"

#define PRESERVE "x-kubernetes-preserve-unknown-fields"
#define EMBEDDED "x-kubernetes-embedded-resource"
#define INT_OR_STRING "x-kubernetes-int-or-string"
#define LIST_TYPE "x-kubernetes-list-type"
#define LIST_MAP_KEYS "x-kubernetes-list-map-keys"
#define MAP_TYPE "x-kubernetes-map-type"
#define RULES "x-kubernetes-validations"

typedef enum Level { LEVEL_ROOT, LEVEL_ITEM, LEVEL_FIELD } Level;

typedef struct Walk {
  FieldErrors *errors;
  unsigned depth;
} Walk;

static void walk_schema(Walk *walk, const json_t *schema, const char *path, Level level);
static void walk_nested(Walk *walk, const json_t *schema, const json_t *outer, const char *path, const char *outer_path,
                        bool skip_any_of);

static void add(Walk *walk, FieldErrorType type, const char *path, const char *member, const json_t *value,
                const char *detail)
{
  g_autofree char *at = field_path_child(path, member);
  field_errors_add(walk->errors, type, at, value, "%s", detail);
}

static void forbid(Walk *walk, const char *path, const char *member, const char *detail)
{
  add(walk, FIELD_FORBIDDEN, path, member, NULL, detail);
}

static bool is_set(const json_t *schema, const char *member)
{
  const json_t *value = json_object_get(schema, member);
  return value && !json_is_null(value) && !json_is_false(value) &&
         !(json_is_object(value) && json_object_size(value) == 0 && strcmp(member, "default") != 0) &&
         !(json_is_array(value) && json_array_size(value) == 0 && strcmp(member, "default") != 0) &&
         !(json_is_string(value) && json_string_length(value) == 0 && strcmp(member, "default") != 0);
}

static const char *type_of(const json_t *schema)
{
  return json_str(schema, "type", "");
}

static char *property_path(const char *path, const char *name)
{
  return g_strdup_printf("%s.properties[%s]", path, name);
}

/* --- what every schema must not say --------------------------------------------------------------------------------
 */

static void check_unsupported(Walk *walk, const json_t *schema, const char *path)
{
  static const struct {
    const char *member, *text;
  } unsupported[] = {
    { "id", "id is not supported" },
    { "additionalItems", "additionalItems is not supported" },
    { "patternProperties", "patternProperties is not supported" },
    { "definitions", "definitions is not supported" },
    { "dependencies", "dependencies is not supported" },
    { "$ref", "$ref is not supported" },
    { "uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic" },
  };
  const json_t *additional = json_object_get(schema, "additionalProperties");
  for (gsize i = 0; i < G_N_ELEMENTS(unsupported); i++)
    if (is_set(schema, unsupported[i].member))
      forbid(walk, path, unsupported[i].member, unsupported[i].text);
  if (json_is_array(json_object_get(schema, "items")))
    forbid(walk, path, "items", "items must be a schema object and not an array");
  if (json_is_false(additional))
    forbid(walk, path, "additionalProperties", "additionalProperties cannot be set to false");
  if (json_is_object(additional) && is_set(schema, "properties"))
    forbid(walk, path, "additionalProperties", "additionalProperties and properties are mutual exclusive");
}

static void check_type(Walk *walk, const json_t *schema, const char *path)
{
  static const char *const types[] = { "array", "boolean", "integer", "number", "object", "string", NULL };
  const char *type = type_of(schema);
  g_autofree char *at = field_path_child(path, "type");
  if (strcmp(type, "null") == 0)
    forbid(walk, path, "type", "type cannot be set to null, use nullable as an alternative");
  else if (*type && !g_strv_contains(types, type))
    field_errors_add_unsupported(walk->errors, at, json_object_get(schema, "type"), types);
}

static void check_pattern(Walk *walk, const json_t *schema, const char *path)
{
  const char *pattern = json_str(schema, "pattern", "");
  g_autoptr(GError) problem = NULL;
  g_autofree char *at = field_path_child(path, "pattern");
  if (strlen(pattern) > SCHEMA_PATTERN_MAX) {
    field_errors_add(walk->errors, FIELD_TOO_LONG, at, NULL, "may not be more than %d bytes", SCHEMA_PATTERN_MAX);
    return;
  }
  g_autoptr(GRegex) expression = g_regex_new(pattern, 0, 0, &problem);
  if (!expression)
    field_errors_add(walk->errors, FIELD_INVALID, at, json_object_get(schema, "pattern"),
                     "must be a valid regular expression, but isn't: %s", problem->message);
}

static void check_rules(Walk *walk, const json_t *schema, const char *path)
{
  const json_t *rules = json_object_get(schema, RULES);
  for (size_t i = 0; i < json_array_size(rules); i++) {
    g_autofree char *at = g_strdup_printf("%s." RULES "[%zu]", path, i);
    if (!*json_str(json_array_get(rules, i), "rule", ""))
      add(walk, FIELD_REQUIRED, at, "rule", NULL, "rule is not specified");
  }
}

/* --- lists and maps ------------------------------------------------------------------------------------------------
 */

static void check_map_key(Walk *walk, const json_t *schema, const char *path, const char *key)
{
  const json_t *items = json_object_get(schema, "items");
  const json_t *property = json_object_get(json_object_get(items, "properties"), key);
  if (!property) {
    add(walk, FIELD_INVALID, path, LIST_MAP_KEYS, json_object_get(schema, LIST_MAP_KEYS),
        "entries must all be names of item properties");
    return;
  }
  g_autofree char *item_path = field_path_child(path, "items"), *at = property_path(item_path, key);
  if (strcmp(type_of(property), "array") == 0 || strcmp(type_of(property), "object") == 0)
    add(walk, FIELD_INVALID, at, "type", json_object_get(property, "type"),
        "must be a scalar type if parent array's x-kubernetes-list-type is map");
  if (!json_object_get(property, "default") && !json_has_text(json_object_get(items, "required"), key))
    add(walk, FIELD_REQUIRED, at, "default", NULL,
        "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property");
}

static void check_list_map(Walk *walk, const json_t *schema, const char *path)
{
  const json_t *items = json_object_get(schema, "items"), *keys = json_object_get(schema, LIST_MAP_KEYS);
  g_autofree char *item_path = field_path_child(path, "items");
  if (json_is_object(items) && strcmp(type_of(items), "object") != 0)
    add(walk, FIELD_INVALID, item_path, "type", json_object_get(items, "type"),
        "must be object if parent array's x-kubernetes-list-type is map");
  if (json_array_size(keys) == 0)
    add(walk, FIELD_REQUIRED, path, LIST_MAP_KEYS, NULL, "must not be empty if x-kubernetes-list-type is map");
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (size_t i = 0; i < json_array_size(keys); i++) {
    const char *key = json_string_value(json_array_get(keys, i));
    if (!key)
      continue;
    if (!g_hash_table_add(seen, (gpointer)(uintptr_t)key)) {
      g_autofree char *at = g_strdup_printf("%s." LIST_MAP_KEYS "[%zu]", path, i);
      field_errors_add(walk->errors, FIELD_DUPLICATE, at, json_array_get(keys, i), NULL);
    }
    check_map_key(walk, schema, path, key);
  }
}

static void check_list_set(Walk *walk, const json_t *schema, const char *path)
{
  const json_t *items = json_object_get(schema, "items");
  g_autofree char *item_path = field_path_child(path, "items");
  const char *type = type_of(items);
  if (json_flag(items, "nullable", false))
    forbid(walk, item_path, "nullable", "cannot be nullable when x-kubernetes-list-type is set");
  bool splits =
      (strcmp(type, "object") == 0 && strcmp(json_str(items, MAP_TYPE, ""), "atomic") != 0) ||
      (strcmp(type, "array") == 0 && is_set(items, LIST_TYPE) && strcmp(json_str(items, LIST_TYPE, ""), "atomic") != 0);
  if (splits)
    add(walk, FIELD_INVALID, item_path, strcmp(type, "object") == 0 ? MAP_TYPE : LIST_TYPE, NULL,
        "must be atomic as item of a list with x-kubernetes-list-type=set");
}

static void check_list(Walk *walk, const json_t *schema, const char *path)
{
  static const char *const types[] = { "atomic", "map", "set", NULL };
  const json_t *given = json_object_get(schema, LIST_TYPE);
  const char *list_type = json_str(schema, LIST_TYPE, "");
  g_autofree char *at = field_path_child(path, LIST_TYPE);
  if (json_array_size(json_object_get(schema, LIST_MAP_KEYS)) > 0 && strcmp(list_type, "map") != 0)
    add(walk, *list_type ? FIELD_INVALID : FIELD_REQUIRED, path, LIST_TYPE, given,
        "must be map if x-kubernetes-list-map-keys is non-empty");
  if (!*list_type)
    return;
  if (!g_strv_contains(types, list_type))
    field_errors_add_unsupported(walk->errors, at, given, types);
  else if (strcmp(type_of(schema), "array") != 0)
    add(walk, *type_of(schema) ? FIELD_INVALID : FIELD_REQUIRED, path, "type", json_object_get(schema, "type"),
        "must be array if x-kubernetes-list-type is specified");
  else if (strcmp(list_type, "map") == 0)
    check_list_map(walk, schema, path);
  else if (strcmp(list_type, "set") == 0)
    check_list_set(walk, schema, path);
}

static void check_map_type(Walk *walk, const json_t *schema, const char *path)
{
  static const char *const types[] = { "atomic", "granular", NULL };
  const char *map_type = json_str(schema, MAP_TYPE, "");
  g_autofree char *at = field_path_child(path, MAP_TYPE);
  if (*map_type && !g_strv_contains(types, map_type))
    field_errors_add_unsupported(walk->errors, at, json_object_get(schema, MAP_TYPE), types);
  else if (*map_type && strcmp(type_of(schema), "object") != 0)
    add(walk, *type_of(schema) ? FIELD_INVALID : FIELD_REQUIRED, path, "type", json_object_get(schema, "type"),
        "must be object if x-kubernetes-map-type is specified");
}

/* --- structure -----------------------------------------------------------------------------------------------------
 */

static void check_default(Walk *walk, const json_t *schema, const char *path, Level level)
{
  const json_t *value = json_object_get(schema, "default");
  if (!value || json_is_null(value))
    return;
  if (level == LEVEL_ROOT) {
    forbid(walk, path, "default", "default is not supported at the root");
    return;
  }
  g_autoptr(ApiSchema) compiled = schema_compile(schema, NULL);
  g_autoptr(GPtrArray) reports = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *at = field_path_child(path, "default");
  g_autoptr(json_t) pruned = compiled ? schema_prune(compiled, value, false, reports, NULL) : NULL;
  if (!pruned) /* what is wrong with the schema is told elsewhere */
    return;
  if (reports->len > 0)
    field_errors_add(walk->errors, FIELD_INVALID, at, value, "must not have %s", (char *)reports->pdata[0]);
  schema_set_defaults(compiled, pruned);
  schema_validate(compiled, pruned, NULL, at, walk->errors);
}

static void check_extensions(Walk *walk, const json_t *schema, const char *path)
{
  if (!json_flag(schema, INT_OR_STRING, false))
    return;
  if (json_flag(schema, PRESERVE, false))
    add(walk, FIELD_INVALID, path, PRESERVE, json_object_get(schema, PRESERVE),
        "must be false if x-kubernetes-int-or-string is true");
  if (json_flag(schema, EMBEDDED, false))
    add(walk, FIELD_INVALID, path, EMBEDDED, json_object_get(schema, EMBEDDED),
        "must be false if x-kubernetes-int-or-string is true");
}

static void check_type_given(Walk *walk, const json_t *schema, const char *path, Level level)
{
  static const char *const texts[] = {
    [LEVEL_ROOT] = "must not be empty at the root",
    [LEVEL_ITEM] = "must not be empty for specified array items",
    [LEVEL_FIELD] = "must not be empty for specified object fields",
  };
  const char *type = type_of(schema);
  bool embedded = json_flag(schema, EMBEDDED, false), preserves = json_flag(schema, PRESERVE, false);
  if (embedded && strcmp(type, "object") != 0)
    add(walk, *type ? FIELD_INVALID : FIELD_REQUIRED, path, "type", json_object_get(schema, "type"),
        "must be object if x-kubernetes-embedded-resource is true");
  else if (!*type && !json_flag(schema, INT_OR_STRING, false) && !preserves)
    add(walk, FIELD_REQUIRED, path, "type", NULL, texts[level]);
  if (embedded && is_set(schema, "additionalProperties"))
    forbid(walk, path, "additionalProperties", "must not be used if x-kubernetes-embedded-resource is set");
  if (level == LEVEL_ROOT && *type && strcmp(type, "object") != 0)
    add(walk, FIELD_INVALID, path, "type", json_object_get(schema, "type"), "must be object at the root");
  if (embedded && !preserves && !is_set(schema, "properties"))
    add(walk, FIELD_REQUIRED, path, "properties", NULL,
        "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields");
}

/* metadata of a whole object is what it always is: a schema may restrict its names only. */
static void check_object_members(Walk *walk, const json_t *schema, const char *path, Level level)
{
  static const char *const members[] = { "kind", "apiVersion" };
  const json_t *properties = json_object_get(schema, "properties"), *metadata = json_object_get(properties, "metadata");
  if (level != LEVEL_ROOT && !json_flag(schema, EMBEDDED, false))
    return;
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
    const json_t *member = json_object_get(properties, members[i]);
    g_autofree char *at = property_path(path, members[i]);
    if (member && strcmp(type_of(member), "string") != 0)
      add(walk, FIELD_INVALID, at, "type", json_object_get(member, "type"), "must be string");
  }
  g_autofree char *at = property_path(path, "metadata");
  if (metadata && strcmp(type_of(metadata), "object") != 0)
    add(walk, FIELD_INVALID, at, "type", json_object_get(metadata, "type"), "must be object");
  if (!metadata || level != LEVEL_ROOT)
    return;
  const json_t *named = json_object_get(metadata, "properties");
  size_t known = (json_object_get(named, "name") != NULL) + (json_object_get(named, "generateName") != NULL);
  size_t members_given = json_object_size(metadata) - (json_object_get(metadata, "type") != NULL) - (named != NULL) -
                         (json_object_get(metadata, "description") != NULL);
  if (members_given > 0 || json_object_size(named) > known)
    field_errors_add(
        walk->errors, FIELD_FORBIDDEN, at, NULL,
        "must not specify anything other than name and generateName, but metadata is implicitly specified");
}

/* `anyOf: [{type: integer}, {type: string}]`, the one place where types may stand inside. */
static bool is_int_or_string(const json_t *schema)
{
  const json_t *any = json_object_get(schema, "anyOf");
  const json_t *first = json_array_get(any, 0), *second = json_array_get(any, 1);
  return json_array_size(any) == 2 && json_object_size(first) == 1 && json_object_size(second) == 1 &&
         strcmp(type_of(first), "integer") == 0 && strcmp(type_of(second), "string") == 0;
}

static void walk_junctors(Walk *walk, const json_t *schema, const json_t *outer, const char *path,
                          const char *outer_path, bool skip_any_of, bool structural)
{
  static const char *const junctors[] = { "anyOf", "allOf", "oneOf" };
  for (gsize i = 0; i < G_N_ELEMENTS(junctors); i++) {
    const json_t *list = json_object_get(schema, junctors[i]);
    for (size_t n = 0; n < json_array_size(list); n++) {
      g_autofree char *at = g_strdup_printf("%s.%s[%zu]", path, junctors[i], n);
      bool first_all_of = structural && i == 1 && n == 0 && json_flag(schema, INT_OR_STRING, false) &&
                          is_int_or_string(json_array_get(list, 0));
      if (!(skip_any_of && i == 0))
        walk_nested(walk, json_array_get(list, n), outer, at, outer_path, first_all_of);
    }
  }
  g_autofree char *not_path = field_path_child(path, "not");
  if (json_is_object(json_object_get(schema, "not")))
    walk_nested(walk, json_object_get(schema, "not"), outer, not_path, outer_path, false);
}

/* A schema below a junctor says what values must be like, and nothing of their structure. */
static void check_nested(Walk *walk, const json_t *schema, const char *path)
{
  static const struct {
    const char *member, *text;
  } forbidden[] = {
    { "type", "must be empty to be structural" },
    { "additionalProperties", "must be undefined to be structural" },
    { "default", "must be undefined to be structural" },
    { "title", "must be empty to be structural" },
    { "description", "must be empty to be structural" },
    { "nullable", "must be false to be structural" },
    { "externalDocs", "must be undefined to be structural" },
    { PRESERVE, "must be false to be structural" },
    { EMBEDDED, "must be false to be structural" },
    { INT_OR_STRING, "must be false to be structural" },
    { LIST_MAP_KEYS, "must be empty to be structural" },
    { LIST_TYPE, "must be undefined to be structural" },
    { MAP_TYPE, "must be undefined to be structural" },
    { RULES, "must be empty to be structural" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(forbidden); i++)
    if (is_set(schema, forbidden[i].member))
      forbid(walk, path, forbidden[i].member, forbidden[i].text);
  g_autofree char *metadata = property_path(path, "metadata");
  if (json_object_get(json_object_get(schema, "properties"), "metadata"))
    field_errors_add(walk->errors, FIELD_FORBIDDEN, metadata, NULL, "must not be specified in a nested context");
}

/* What a nested schema speaks of must be told of outside: OUTER is that place, NULL where it was missing already. */
static void walk_nested(Walk *walk, const json_t *schema, const json_t *outer, const char *path, const char *outer_path,
                        bool skip_any_of)
{
  const char *name;
  json_t *property;
  if (++walk->depth > SCHEMA_DEPTH_MAX) {
    field_errors_add(walk->errors, FIELD_INVALID, path, NULL, "a schema may be %d levels deep", SCHEMA_DEPTH_MAX);
    walk->depth--;
    return;
  }
  check_unsupported(walk, schema, path);
  check_pattern(walk, schema, path);
  check_nested(walk, schema, path);
  walk_junctors(walk, schema, outer, path, outer_path, skip_any_of, false);
  json_object_foreach (json_object_get(schema, "properties"), name, property) {
    const json_t *there = json_object_get(json_object_get(outer, "properties"), name);
    g_autofree char *at = property_path(path, name), *outer_at = property_path(outer_path, name);
    if (outer && !there)
      field_errors_add(walk->errors, FIELD_REQUIRED, outer_at, NULL, "because it is defined in %s", at);
    walk_nested(walk, property, there, at, outer_at, false);
  }
  const json_t *items = json_object_get(schema, "items"), *outer_items = json_object_get(outer, "items");
  if (json_is_object(items)) {
    g_autofree char *at = field_path_child(path, "items"), *outer_at = field_path_child(outer_path, "items");
    if (outer && !outer_items)
      field_errors_add(walk->errors, FIELD_REQUIRED, outer_at, NULL, "because it is defined in %s", at);
    walk_nested(walk, items, outer_items, at, outer_at, false);
  }
  walk->depth--;
}

static void walk_children(Walk *walk, const json_t *schema, const char *path, Level level)
{
  const char *name;
  json_t *property;
  const json_t *items = json_object_get(schema, "items"), *more = json_object_get(schema, "additionalProperties");
  g_autofree char *item_path = field_path_child(path, "items"),
                  *more_path = field_path_child(path, "additionalProperties");
  if (strcmp(type_of(schema), "array") == 0 && !items)
    add(walk, FIELD_REQUIRED, path, "items", NULL, "must be specified");
  if (json_is_object(items))
    walk_schema(walk, items, item_path, LEVEL_ITEM);
  json_object_foreach (json_object_get(schema, "properties"), name, property) {
    g_autofree char *at = property_path(path, name);
    walk_schema(walk, property, at, LEVEL_FIELD);
  }
  if (more && level == LEVEL_ROOT)
    forbid(walk, path, "additionalProperties", "must not be used at the root");
  if (json_is_object(more))
    walk_schema(walk, more, more_path, LEVEL_FIELD);
}

static void walk_schema(Walk *walk, const json_t *schema, const char *path, Level level)
{
  if (++walk->depth > SCHEMA_DEPTH_MAX) {
    field_errors_add(walk->errors, FIELD_INVALID, path, NULL, "a schema may be %d levels deep", SCHEMA_DEPTH_MAX);
    walk->depth--;
    return;
  }
  check_unsupported(walk, schema, path);
  check_type(walk, schema, path);
  check_pattern(walk, schema, path);
  check_rules(walk, schema, path);
  check_list(walk, schema, path);
  check_map_type(walk, schema, path);
  check_extensions(walk, schema, path);
  check_type_given(walk, schema, path, level);
  check_object_members(walk, schema, path, level);
  walk_children(walk, schema, path, level);
  bool skip = json_flag(schema, INT_OR_STRING, false) && is_int_or_string(schema);
  walk_junctors(walk, schema, schema, path, path, skip, true);
  check_default(walk, schema, path, level);
  walk->depth--;
}

static void check_root(Walk *walk, const json_t *schema, const char *path)
{
  static const char *const allowed[] = { "description",
                                         "type",
                                         "format",
                                         "title",
                                         "maximum",
                                         "exclusiveMaximum",
                                         "minimum",
                                         "exclusiveMinimum",
                                         "maxLength",
                                         "minLength",
                                         "pattern",
                                         "maxItems",
                                         "minItems",
                                         "uniqueItems",
                                         "multipleOf",
                                         "required",
                                         "items",
                                         "properties",
                                         "externalDocs",
                                         "example",
                                         PRESERVE,
                                         RULES,
                                         NULL };
  const char *name;
  json_t *member;
  json_object_foreach ((json_t *)(uintptr_t)schema, name, member) {
    if (g_strv_contains(allowed, name) || !is_set(schema, name))
      continue;
    g_autofree char *list = g_strjoinv(" ", (char **)(uintptr_t)allowed);
    field_errors_add(walk->errors, FIELD_INVALID, path, schema,
                     "only [%s] fields are allowed at the root of the schema if the status subresource is enabled",
                     list);
    return;
  }
}

void definition_schema_validate(const json_t *schema, const char *path, bool has_status, FieldErrors *errors)
{
  Walk walk = { .errors = errors };
  if (has_status)
    check_root(&walk, schema, path);
  walk_schema(&walk, schema, path, LEVEL_ROOT);
}

bool definition_schema_has_rules(const json_t *schema)
{
  g_autoptr(ApiSchema) compiled = json_is_object(schema) ? schema_compile(schema, NULL) : NULL;
  return compiled && compiled->has_rules;
}
