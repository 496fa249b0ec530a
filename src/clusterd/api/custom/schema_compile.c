/* From the JSON of a schema to its tree. What is malformed is left out: the definition's own validation has told of it.
 */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/custom/schema.h"

typedef struct Compile {
  unsigned depth, nodes;
  GError **error;
} Compile;

static const char *const type_names[] = {
  [SCHEMA_ANY] = "",
  [SCHEMA_OBJECT] = "object",
  [SCHEMA_ARRAY] = "array",
  [SCHEMA_STRING] = "string",
  [SCHEMA_INTEGER] = "integer",
  [SCHEMA_NUMBER] = "number",
  [SCHEMA_BOOLEAN] = "boolean",
};

const char *schema_type_name(SchemaType type)
{
  return type_names[type];
}

static ApiSchema *compile_node(Compile *compile, const json_t *json);

static void free_schema(void *schema)
{
  schema_free(schema);
}

/* The JSON is shared, not copied: its reference counts are atomic, and nobody changes it. */
static json_t *share(const json_t *json)
{
  return json_incref((json_t *)(uintptr_t)json);
}

static SchemaType type_of(const json_t *json)
{
  const char *name = json_str(json, "type", "");
  for (gsize i = 1; i < G_N_ELEMENTS(type_names); i++)
    if (strcmp(type_names[i], name) == 0)
      return (SchemaType)i;
  return SCHEMA_ANY;
}

/* The strings of an array, or NULL when there are none. */
static char **strings_of(const json_t *array)
{
  g_autoptr(GPtrArray) texts = g_ptr_array_new();
  size_t i;
  json_t *item;
  json_array_foreach (array, i, item)
    if (json_is_string(item))
      g_ptr_array_add(texts, g_strdup(json_string_value(item)));
  if (texts->len == 0)
    return NULL;
  g_ptr_array_add(texts, NULL);
  return (char **)g_ptr_array_steal(texts, NULL);
}

static SchemaBound bound_of(const json_t *json, const char *name, const char *exclusive)
{
  const json_t *value = json_object_get(json, name);
  return (SchemaBound){ json_is_number(value), json_flag(json, exclusive, false), json_number_value(value) };
}

static SchemaCount count_of(const json_t *json, const char *name)
{
  const json_t *value = json_object_get(json, name);
  return (SchemaCount){ json_is_number(value), (int64_t)json_number_value(value) };
}

static bool compile_pattern(Compile *compile, ApiSchema *schema, const json_t *json)
{
  const char *pattern = json_str(json, "pattern", "");
  g_autoptr(GError) problem = NULL;
  if (!*pattern)
    return true;
  if (strlen(pattern) > SCHEMA_PATTERN_MAX)
    return reason_set(compile->error, REASON_INVALID, "a pattern may have at most %d bytes", SCHEMA_PATTERN_MAX);
  schema->pattern = g_strdup(pattern);
  /* as in Go, `$` is the end of the text and not the newline before it */
  schema->expression = g_regex_new(pattern, G_REGEX_DOLLAR_ENDONLY | G_REGEX_OPTIMIZE, 0, &problem);
  return schema->expression || reason_set(compile->error, REASON_INVALID, "%s", problem->message);
}

/* Compiles the member NAME into *CHILD when it is an object. */
static bool compile_child(Compile *compile, const json_t *json, const char *name, ApiSchema **child)
{
  const json_t *value = json_object_get(json, name);
  return !json_is_object(value) || (*child = compile_node(compile, value)) != NULL;
}

static bool compile_list(Compile *compile, const json_t *json, const char *name, GPtrArray **list)
{
  const json_t *array = json_object_get(json, name);
  if (json_array_size(array) == 0)
    return true;
  *list = g_ptr_array_new_with_free_func(free_schema);
  for (size_t i = 0; i < json_array_size(array); i++) {
    ApiSchema *child = compile_node(compile, json_array_get(array, i));
    if (!child)
      return false;
    g_ptr_array_add(*list, child);
  }
  return true;
}

static bool compile_properties(Compile *compile, ApiSchema *schema, const json_t *json)
{
  const char *name;
  json_t *value, *properties = json_object_get(json, "properties");
  if (json_object_size(properties) == 0)
    return true;
  schema->properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_schema);
  json_object_foreach (properties, name, value) {
    ApiSchema *child = compile_node(compile, value);
    if (!child)
      return false;
    g_hash_table_insert(schema->properties, g_strdup(name), child);
  }
  return true;
}

static void compile_structure(ApiSchema *schema, const json_t *json)
{
  const char *list_type = json_str(json, "x-kubernetes-list-type", "");
  const json_t *fallback = json_object_get(json, "default");
  schema->type = type_of(json);
  schema->nullable = json_flag(json, "nullable", false);
  schema->preserve_unknown = json_flag(json, "x-kubernetes-preserve-unknown-fields", false);
  schema->embedded = json_flag(json, "x-kubernetes-embedded-resource", false);
  schema->int_or_string = json_flag(json, "x-kubernetes-int-or-string", false);
  schema->any_additional = json_is_true(json_object_get(json, "additionalProperties"));
  schema->map_atomic = strcmp(json_str(json, "x-kubernetes-map-type", ""), "atomic") == 0;
  schema->has_rules = json_array_size(json_object_get(json, "x-kubernetes-validations")) > 0;
  schema->list_map_keys = strings_of(json_object_get(json, "x-kubernetes-list-map-keys"));
  schema->list_type = strcmp(list_type, "set") == 0                            ? SCHEMA_LIST_SET
                      : strcmp(list_type, "map") == 0 && schema->list_map_keys ? SCHEMA_LIST_MAP
                                                                               : SCHEMA_LIST_ATOMIC;
  if (fallback && !json_is_null(fallback))
    schema->default_value = share(fallback);
}

static void compile_constraints(ApiSchema *schema, const json_t *json)
{
  const json_t *allowed = json_object_get(json, "enum");
  const char *format = json_str(json, "format", "");
  schema->required = strings_of(json_object_get(json, "required"));
  schema->allowed = json_array_size(allowed) > 0 ? share(allowed) : NULL;
  schema->format = *format ? g_strdup(format) : NULL;
  schema->minimum = bound_of(json, "minimum", "exclusiveMinimum");
  schema->maximum = bound_of(json, "maximum", "exclusiveMaximum");
  schema->multiple_of = json_number_value(json_object_get(json, "multipleOf"));
  schema->min_length = count_of(json, "minLength");
  schema->max_length = count_of(json, "maxLength");
  schema->min_items = count_of(json, "minItems");
  schema->max_items = count_of(json, "maxItems");
  schema->min_properties = count_of(json, "minProperties");
  schema->max_properties = count_of(json, "maxProperties");
  schema->unique_items = json_flag(json, "uniqueItems", false);
}

/* CEL rules anywhere below make the whole tree one with rules. */
static void note_rules(ApiSchema *schema)
{
  GHashTableIter iterator;
  void *child;
  schema->has_rules |=
      (schema->additional && schema->additional->has_rules) || (schema->items && schema->items->has_rules);
  if (!schema->properties)
    return;
  g_hash_table_iter_init(&iterator, schema->properties);
  while (g_hash_table_iter_next(&iterator, NULL, &child))
    schema->has_rules |= ((const ApiSchema *)child)->has_rules;
}

static ApiSchema *compile_node(Compile *compile, const json_t *json)
{
  if (++compile->nodes > SCHEMA_NODES_MAX || compile->depth >= SCHEMA_DEPTH_MAX) {
    reason_set(compile->error, REASON_INVALID, "a schema may be %d levels deep and have %u parts", SCHEMA_DEPTH_MAX,
               SCHEMA_NODES_MAX);
    return NULL;
  }
  g_autoptr(ApiSchema) schema = g_new0(ApiSchema, 1);
  compile->depth++;
  compile_structure(schema, json);
  compile_constraints(schema, json);
  bool ok =
      compile_pattern(compile, schema, json) && compile_properties(compile, schema, json) &&
      compile_child(compile, json, "additionalProperties", &schema->additional) &&
      compile_child(compile, json, "items", &schema->items) && compile_child(compile, json, "not", &schema->not_) &&
      compile_list(compile, json, "allOf", &schema->all_of) && compile_list(compile, json, "anyOf", &schema->any_of) &&
      compile_list(compile, json, "oneOf", &schema->one_of);
  compile->depth--;
  if (!ok)
    return NULL;
  note_rules(schema);
  return g_steal_pointer(&schema);
}

ApiSchema *schema_compile(const json_t *json, GError **error)
{
  Compile compile = { .error = error };
  ApiSchema *schema = compile_node(&compile, json);
  if (schema)
    schema->json = share(json);
  return schema;
}

void schema_free(ApiSchema *schema)
{
  if (!schema)
    return;
  json_decref(schema->json);
  g_strfreev(schema->list_map_keys);
  json_decref(schema->default_value);
  g_clear_pointer(&schema->properties, g_hash_table_unref);
  schema_free(schema->additional);
  schema_free(schema->items);
  g_strfreev(schema->required);
  json_decref(schema->allowed);
  g_free(schema->format);
  g_free(schema->pattern);
  g_clear_pointer(&schema->expression, g_regex_unref);
  g_clear_pointer(&schema->all_of, g_ptr_array_unref);
  g_clear_pointer(&schema->any_of, g_ptr_array_unref);
  g_clear_pointer(&schema->one_of, g_ptr_array_unref);
  schema_free(schema->not_);
  g_free(schema);
}

const ApiSchema *schema_member(const ApiSchema *schema, const char *name)
{
  const ApiSchema *member = schema->properties ? g_hash_table_lookup(schema->properties, name) : NULL;
  return member ? member : schema->additional;
}
