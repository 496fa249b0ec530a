/* Values against their schema. The texts are those of kube-openapi's validator, as the API server words them. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/api/custom/schema.h"
#include "clusterd/api/custom/schema_number.h"
#include "clusterd/api/validation_metadata.h"

/* Errors that are about no single field carry this path upstream. */
#define NO_PATH "<nil>"

typedef struct Walk {
  FieldErrors *errors;
  GString *path;
  unsigned depth;
} Walk;

static void walk_value(Walk *walk, const ApiSchema *schema, const json_t *value, const json_t *old);

/* --- one value -----------------------------------------------------------------------------------------------------
 */

const char *schema_type_of(const json_t *value)
{
  switch (value ? json_typeof(value) : JSON_NULL) {
  case JSON_OBJECT:
    return "object";
  case JSON_ARRAY:
    return "array";
  case JSON_STRING:
    return "string";
  case JSON_INTEGER:
    return "integer";
  case JSON_REAL:
    return "number";
  case JSON_TRUE:
  case JSON_FALSE:
    return "boolean";
  case JSON_NULL:
    break;
  }
  return "null";
}

static bool has_type(const ApiSchema *schema, const json_t *value)
{
  if (schema->int_or_string)
    return json_is_integer(value) || json_is_string(value);
  switch (schema->type) {
  case SCHEMA_OBJECT:
    return json_is_object(value);
  case SCHEMA_ARRAY:
    return json_is_array(value);
  case SCHEMA_STRING:
    return json_is_string(value);
  case SCHEMA_NUMBER:
    return json_is_number(value);
  case SCHEMA_BOOLEAN:
    return json_is_boolean(value);
  case SCHEMA_INTEGER:
    return json_is_integer(value) || (json_is_real(value) && floor(json_real_value(value)) == json_real_value(value));
  case SCHEMA_ANY:
    break;
  }
  return true;
}

static void check_type(Walk *walk, const ApiSchema *schema, const json_t *value)
{
  if (has_type(schema, value))
    return;
  const char *expected = schema->int_or_string ? "integer,string" : schema_type_name(schema->type);
  g_autoptr(json_t) actual = json_string(schema_type_of(value));
  field_errors_add(walk->errors, FIELD_TYPE_INVALID, walk->path->str, actual, "%s in body must be of type %s: \"%s\"",
                   walk->path->str, expected, schema_type_of(value));
}

static void check_string(Walk *walk, const ApiSchema *schema, const json_t *value)
{
  const char *text = json_string_value(value), *path = walk->path->str;
  int64_t length = g_utf8_strlen(text, -1);
  if (schema->max_length.is_set && length > schema->max_length.value)
    field_errors_add(walk->errors, FIELD_TOO_LONG, path, NULL, "may not be more than %" G_GINT64_FORMAT " byte%s",
                     schema->max_length.value, schema->max_length.value == 1 ? "" : "s");
  if (schema->min_length.is_set && length < schema->min_length.value)
    field_errors_add(walk->errors, FIELD_INVALID, path, value,
                     "%s in body should be at least %" G_GINT64_FORMAT " chars long", path, schema->min_length.value);
  if (schema->expression && !g_regex_match(schema->expression, text, 0, NULL))
    field_errors_add(walk->errors, FIELD_INVALID, path, value, "%s in body should match '%s'", path, schema->pattern);
  if (schema->format && !schema_format_matches(schema->format, text))
    field_errors_add(walk->errors, FIELD_TYPE_INVALID, path, value, "%s in body must be of type %s: \"%s\"", path,
                     schema->format, text);
}

static void check_bound(Walk *walk, const json_t *value, const SchemaBound *bound, bool upper)
{
  double number = json_number_value(value);
  const char *path = walk->path->str;
  if (!bound->is_set || !schema_number_exceeds(number, bound->value, upper, bound->exclusive))
    return;
  g_autofree char *limit = schema_number_text(bound->value, json_is_integer(value));
  field_errors_add(walk->errors, FIELD_INVALID, path, value, "%s in body should be %s%s %s", path,
                   upper ? "less than" : "greater than", bound->exclusive ? "" : " or equal to", limit);
}

static void check_number(Walk *walk, const ApiSchema *schema, const json_t *value)
{
  const char *path = walk->path->str;
  double number = json_number_value(value);
  if (schema->multiple_of > 0 && fabs(remainder(number, schema->multiple_of)) > 1e-9) {
    g_autofree char *factor = schema_number_text(schema->multiple_of, json_is_integer(value));
    field_errors_add(walk->errors, FIELD_INVALID, path, value, "%s in body should be a multiple of %s", path, factor);
  }
  check_bound(walk, value, &schema->maximum, true);
  check_bound(walk, value, &schema->minimum, false);
  bool narrow = json_is_integer(value) && schema->format && strcmp(schema->format, "int32") == 0;
  if (narrow && (json_integer_value(value) < INT32_MIN || json_integer_value(value) > INT32_MAX))
    field_errors_add(walk->errors, FIELD_INVALID, path, value,
                     "Checked value must be of type integer with format int32");
}

static bool json_number_equal(const json_t *a, const json_t *b)
{
  return json_is_number(a) && json_is_number(b) && json_number_value(a) == json_number_value(b);
}

static void check_allowed(Walk *walk, const ApiSchema *schema, const json_t *value)
{
  size_t i;
  json_t *allowed;
  json_array_foreach (schema->allowed, i, allowed)
    if (json_equal(allowed, value) || json_number_equal(allowed, value))
      return;
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  json_array_foreach (schema->allowed, i, allowed)
    g_ptr_array_add(names, json_is_string(allowed) ? g_strdup(json_string_value(allowed)) : json_text(allowed));
  g_ptr_array_add(names, NULL);
  field_errors_add_unsupported(walk->errors, walk->path->str, value, (const char *const *)names->pdata);
}

/* --- lists ---------------------------------------------------------------------------------------------------------
 */

/* What tells an item of LIST from the others: the item itself in a set, its key members in a map. New reference. */
static json_t *item_identity(const ApiSchema *list, const json_t *item)
{
  if (list->list_type != SCHEMA_LIST_MAP)
    return json_incref((json_t *)(uintptr_t)item);
  json_t *key = json_object();
  for (char **name = list->list_map_keys; *name; name++) {
    const ApiSchema *member = list->items ? schema_member(list->items, *name) : NULL;
    json_t *part = json_object_get(item, *name);
    if (part)
      json_object_set(key, *name, part);
    else if (member && member->default_value)
      json_object_set(key, *name, member->default_value);
  }
  return key;
}

static char *identity_text(const ApiSchema *list, const json_t *item)
{
  g_autoptr(json_t) identity = item_identity(list, item);
  char *text = json_dumps(identity, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
  return text;
}

static void check_duplicates(Walk *walk, const ApiSchema *schema, const json_t *value)
{
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
  bool unnamed = schema->list_type == SCHEMA_LIST_ATOMIC; /* uniqueItems: told of once, about the list */
  for (size_t i = 0; i < json_array_size(value); i++) {
    const json_t *item = json_array_get(value, i);
    if (g_hash_table_add(seen, identity_text(schema, item)))
      continue;
    if (unnamed) {
      field_errors_add(walk->errors, FIELD_INVALID, walk->path->str, NULL, "%s in body shouldn't contain duplicates",
                       walk->path->str);
      return;
    }
    g_autoptr(json_t) identity = item_identity(schema, item);
    g_autofree char *path = field_path_index(walk->path->str, i), *shown = schema_go_text(identity);
    field_errors_add_shown(walk->errors, FIELD_DUPLICATE, path, shown, NULL);
  }
}

/* The item of OLD that ITEM is a newer version of: only lists that are maps know. */
static const json_t *old_item(const ApiSchema *schema, const json_t *old, const json_t *item)
{
  if (schema->list_type != SCHEMA_LIST_MAP || !json_is_array(old))
    return NULL;
  g_autoptr(json_t) wanted = item_identity(schema, item);
  size_t i;
  json_t *candidate;
  json_array_foreach (old, i, candidate) {
    g_autoptr(json_t) identity = item_identity(schema, candidate);
    if (json_equal(identity, wanted))
      return candidate;
  }
  return NULL;
}

static void check_array(Walk *walk, const ApiSchema *schema, const json_t *value, const json_t *old)
{
  int64_t size = (int64_t)json_array_size(value);
  gsize length = walk->path->len;
  g_autoptr(json_t) count = json_integer(size);
  if (schema->min_items.is_set && size < schema->min_items.value)
    field_errors_add(walk->errors, FIELD_INVALID, walk->path->str, count,
                     "%s in body should have at least %" G_GINT64_FORMAT " items", walk->path->str,
                     schema->min_items.value);
  if (schema->max_items.is_set && size > schema->max_items.value)
    field_errors_add(walk->errors, FIELD_TOO_MANY, walk->path->str, count,
                     "must have at most %" G_GINT64_FORMAT " items", schema->max_items.value);
  if (schema->unique_items || schema->list_type != SCHEMA_LIST_ATOMIC)
    check_duplicates(walk, schema, value);
  for (size_t i = 0; schema->items && i < (size_t)size; i++) {
    const json_t *item = json_array_get(value, i);
    g_string_append_printf(walk->path, "[%zu]", i);
    walk_value(walk, schema->items, item, old_item(schema, old, item));
    g_string_truncate(walk->path, length);
  }
}

/* --- objects -------------------------------------------------------------------------------------------------------
 */

static void check_embedded(Walk *walk, const json_t *value)
{
  static const char *const members[] = { "apiVersion", "kind" };
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
    g_autofree char *path = field_path_child(walk->path->str, members[i]);
    if (!*json_str(value, members[i], ""))
      field_errors_add(walk->errors, FIELD_REQUIRED, path, NULL, "must not be empty");
  }
  g_autofree char *metadata = field_path_child(walk->path->str, "metadata");
  validate_template_metadata(json_object_get(value, "metadata"), metadata, walk->errors);
}

static void check_object_size(Walk *walk, const ApiSchema *schema, const json_t *value)
{
  int64_t size = (int64_t)json_object_size(value);
  if (schema->min_properties.is_set && size < schema->min_properties.value) {
    g_autoptr(json_t) limit = json_integer(schema->min_properties.value);
    field_errors_add(walk->errors, FIELD_INVALID, walk->path->str, limit,
                     "%s in body should have at least %" G_GINT64_FORMAT " properties", walk->path->str,
                     schema->min_properties.value);
  }
  if (schema->max_properties.is_set && size > schema->max_properties.value) {
    g_autoptr(json_t) count = json_integer(size);
    field_errors_add(walk->errors, FIELD_TOO_MANY, walk->path->str, count,
                     "must have at most %" G_GINT64_FORMAT " items", schema->max_properties.value);
  }
}

static void check_object(Walk *walk, const ApiSchema *schema, const json_t *value, const json_t *old)
{
  gsize length = walk->path->len;
  const char *name;
  json_t *member;
  check_object_size(walk, schema, value);
  json_object_foreach ((json_t *)(uintptr_t)value, name, member) {
    const ApiSchema *of_member = schema_member(schema, name);
    if (!of_member)
      continue;
    g_string_append_printf(walk->path, "%s%s", length ? "." : "", name);
    walk_value(walk, of_member, member, json_object_get(old, name));
    g_string_truncate(walk->path, length);
  }
  for (char **required = schema->required; required && *required; required++) {
    g_autofree char *path = field_path_child(walk->path->str, *required);
    if (!json_object_get(value, *required))
      field_errors_add(walk->errors, FIELD_REQUIRED, path, NULL, NULL);
  }
  if (schema->embedded)
    check_embedded(walk, value);
}

/* --- all, any, one, none -------------------------------------------------------------------------------------------
 */

/* The errors of VALUE by SCHEMA alone. The caller frees. */
static FieldErrors *try_schema(const Walk *walk, const ApiSchema *schema, const json_t *value)
{
  FieldErrors *errors = field_errors_new();
  Walk attempt = { .errors = errors, .path = walk->path, .depth = walk->depth };
  walk_value(&attempt, schema, value, NULL);
  return errors;
}

/* How many of SCHEMAS let VALUE pass; *BEST gets the errors of the one that came nearest when none did. */
static unsigned count_passing(const Walk *walk, const GPtrArray *schemas, const json_t *value, FieldErrors **best)
{
  unsigned passing = 0;
  for (guint i = 0; i < schemas->len; i++) {
    g_autoptr(FieldErrors) errors = try_schema(walk, schemas->pdata[i], value);
    if (field_errors_count(errors) == 0)
      passing++;
    else if (!*best || field_errors_count(errors) < field_errors_count(*best)) {
      field_errors_free(*best);
      *best = g_steal_pointer(&errors);
    }
  }
  return passing;
}

static void check_any_of(Walk *walk, const ApiSchema *schema, const json_t *value)
{
  g_autoptr(FieldErrors) best = NULL;
  if (!schema->any_of || count_passing(walk, schema->any_of, value, &best) > 0)
    return;
  g_autoptr(json_t) empty = json_string("");
  field_errors_add(walk->errors, FIELD_INVALID, NO_PATH, empty, "\"%s\" must validate at least one schema (anyOf)",
                   walk->path->str);
  field_errors_merge(walk->errors, best);
}

static void check_one_of(Walk *walk, const ApiSchema *schema, const json_t *value)
{
  g_autoptr(FieldErrors) best = NULL;
  unsigned passing = schema->one_of ? count_passing(walk, schema->one_of, value, &best) : 1;
  if (passing == 1)
    return;
  g_autoptr(json_t) empty = json_string("");
  g_autofree char *found =
      passing ? g_strdup_printf("Found %u valid alternatives", passing) : g_strdup("Found none valid");
  field_errors_add(walk->errors, FIELD_INVALID, NO_PATH, empty,
                   "\"%s\" must validate one and only one schema (oneOf). %s", walk->path->str, found);
  if (passing == 0 && best)
    field_errors_merge(walk->errors, best);
}

static void check_all_of(Walk *walk, const ApiSchema *schema, const json_t *value)
{
  unsigned passing = 0, total = schema->all_of ? schema->all_of->len : 0;
  for (guint i = 0; i < total; i++) {
    g_autoptr(FieldErrors) errors = try_schema(walk, schema->all_of->pdata[i], value);
    passing += field_errors_count(errors) == 0;
    field_errors_merge(walk->errors, errors);
  }
  g_autoptr(json_t) empty = json_string("");
  if (passing < total)
    field_errors_add(walk->errors, FIELD_INVALID, NO_PATH, empty, "\"%s\" must validate all the schemas (allOf)%s",
                     walk->path->str, passing ? "" : ". None validated");
}

static void check_not(Walk *walk, const ApiSchema *schema, const json_t *value)
{
  if (!schema->not_)
    return;
  g_autoptr(FieldErrors) errors = try_schema(walk, schema->not_, value);
  g_autoptr(json_t) empty = json_string("");
  if (field_errors_count(errors) == 0)
    field_errors_add(walk->errors, FIELD_INVALID, NO_PATH, empty, "\"%s\" must not validate the schema (not)",
                     walk->path->str);
}

/* --- the walk ------------------------------------------------------------------------------------------------------
 */

static void walk_value(Walk *walk, const ApiSchema *schema, const json_t *value, const json_t *old)
{
  if ((old && json_equal(value, old)) || walk->depth >= SCHEMA_DEPTH_MAX)
    return;
  if (json_is_null(value) && (schema->nullable || (schema->type == SCHEMA_ANY && !schema->int_or_string)))
    return;
  walk->depth++;
  check_type(walk, schema, value);
  check_any_of(walk, schema, value);
  check_one_of(walk, schema, value);
  check_all_of(walk, schema, value);
  check_not(walk, schema, value);
  if (json_is_string(value))
    check_string(walk, schema, value);
  else if (json_is_number(value))
    check_number(walk, schema, value);
  else if (json_is_array(value))
    check_array(walk, schema, value, old);
  if (schema->allowed)
    check_allowed(walk, schema, value);
  if (json_is_object(value))
    check_object(walk, schema, value, old);
  walk->depth--;
}

void schema_validate(const ApiSchema *schema, const json_t *value, const json_t *old, const char *path,
                     FieldErrors *errors)
{
  g_autoptr(GString) at = g_string_new(path);
  Walk walk = { .errors = errors, .path = at };
  walk_value(&walk, schema, value, old);
}
