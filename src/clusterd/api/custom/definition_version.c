#include "clusterd/api/custom/definition_version.h"

#include <stdbool.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/api/custom/custom_definition.h"
#include "clusterd/api/custom/definition_schema.h"
#include "clusterd/api/json_path.h"
#include "clusterd/api/validation.h"

const json_t *definition_version(const json_t *spec, const char *name)
{
  return json_find(json_object_get(spec, "versions"), "name", name);
}

static void add(FieldErrors *errors, FieldErrorType type, const char *path, const char *member, const json_t *parent,
                const char *detail)
{
  g_autofree char *at = field_path_child(path, member);
  field_errors_add(errors, type, at, json_object_get(parent, member), "%s", detail);
}

static void require(FieldErrors *errors, const char *path, const char *member, const json_t *parent)
{
  g_autofree char *at = field_path_child(path, member);
  if (!*json_str(parent, member, ""))
    field_errors_add(errors, FIELD_REQUIRED, at, NULL, NULL);
}

/* --- parts of a version --------------------------------------------------------------------------------------------
 */

static void check_schema(const json_t *version, const char *path, FieldErrors *errors)
{
  const json_t *schema = json_at(version, "schema", "openAPIV3Schema", NULL);
  if (schema)
    definition_schema_validate(schema, path, json_at(version, "subresources", "status", NULL) != NULL, errors);
}

/* A path in dots below PREFIX. */
static void check_scale_path(const json_t *scale, const char *path, const char *member, const char *prefix,
                             FieldErrors *errors)
{
  const char *value = json_str(scale, member, "");
  g_autofree char *text = g_strdup_printf("should be a json path under %.*s", (int)strlen(prefix) - 1, prefix);
  if (!*value)
    require(errors, path, member, scale);
  else if (*value != '.')
    add(errors, FIELD_INVALID, path, member, scale, "must be a simple json path starting with .");
  else if (!g_str_has_prefix(value, prefix))
    add(errors, FIELD_INVALID, path, member, scale, text);
}

static void check_subresources(const json_t *version, const char *path, FieldErrors *errors)
{
  const json_t *scale = json_at(version, "subresources", "scale", NULL);
  g_autofree char *at = field_path_child(path, "scale");
  if (!scale)
    return;
  check_scale_path(scale, at, "specReplicasPath", ".spec.", errors);
  check_scale_path(scale, at, "statusReplicasPath", ".status.", errors);
  const char *selector = json_str(scale, "labelSelectorPath", "");
  if (*selector && !g_str_has_prefix(selector, ".spec.") && !g_str_has_prefix(selector, ".status."))
    add(errors, FIELD_INVALID, at, "labelSelectorPath", scale, "should be a json path under either .spec or .status");
}

static void check_json_path(const json_t *parent, const char *path, FieldErrors *errors)
{
  const char *text = json_str(parent, "jsonPath", "");
  g_autoptr(GError) problem = NULL;
  require(errors, path, "jsonPath", parent);
  if (!*text)
    return;
  g_autoptr(JsonPath) parsed = *text == '.' ? json_path_parse(text, &problem) : NULL;
  g_autofree char *detail = problem
                                ? g_strdup_printf("must be a simple json path starting with .: %s", problem->message)
                                : g_strdup("must be a simple json path starting with .");
  if (!parsed)
    add(errors, FIELD_INVALID, path, "jsonPath", parent, detail);
}

static void check_column(const json_t *column, const char *path, FieldErrors *errors)
{
  static const char *const types[] = { "boolean", "date", "integer", "number", "string", NULL };
  static const char *const formats[] = { "binary", "byte",  "date",  "date-time", "double",
                                         "float",  "int32", "int64", "password",  NULL };
  const char *type = json_str(column, "type", ""), *format = json_str(column, "format", "");
  g_autofree char *type_path = field_path_child(path, "type"), *format_path = field_path_child(path, "format");
  require(errors, path, "name", column);
  require(errors, path, "type", column);
  if (*type && !g_strv_contains(types, type))
    field_errors_add_unsupported(errors, type_path, json_object_get(column, "type"), types);
  if (*format && !g_strv_contains(formats, format))
    field_errors_add_unsupported(errors, format_path, json_object_get(column, "format"), formats);
  check_json_path(column, path, errors);
}

static void check_columns(const json_t *version, const char *path, FieldErrors *errors)
{
  const json_t *columns = json_object_get(version, "additionalPrinterColumns");
  if (json_array_size(columns) > CUSTOM_COLUMNS_MAX) {
    g_autoptr(json_t) count = json_integer((json_int_t)json_array_size(columns));
    field_errors_add(errors, FIELD_TOO_MANY, path, count, "must have at most %d items", CUSTOM_COLUMNS_MAX);
    return;
  }
  for (size_t i = 0; i < json_array_size(columns); i++) {
    g_autofree char *at = field_path_index(path, i);
    check_column(json_array_get(columns, i), at, errors);
  }
}

/* The schema of the field at PATH (".spec.color"), or NULL. */
static const json_t *schema_at(const json_t *schema, const char *path)
{
  g_auto(GStrv) steps = g_strsplit(path + 1, ".", -1);
  for (char **step = steps; *step && schema; step++)
    schema = json_object_get(json_object_get(schema, "properties"), *step);
  return schema;
}

static void check_selectable(const json_t *version, const char *path, FieldErrors *errors)
{
  enum { FIELDS_MAX = 8 };
  static const char *const types[] = { "string", "boolean", "integer", NULL };
  const json_t *fields = json_object_get(version, "selectableFields");
  if (json_array_size(fields) > FIELDS_MAX) {
    g_autoptr(json_t) count = json_integer((json_int_t)json_array_size(fields));
    field_errors_add(errors, FIELD_TOO_MANY, path, count, "must have at most %d items", FIELDS_MAX);
  }
  for (size_t i = 0; i < json_array_size(fields); i++) {
    const json_t *field = json_array_get(fields, i);
    const char *text = json_str(field, "jsonPath", "");
    g_autofree char *at = field_path_index(path, i);
    const json_t *schema = *text == '.' ? schema_at(json_at(version, "schema", "openAPIV3Schema", NULL), text) : NULL;
    if (*text != '.')
      check_json_path(field, at, errors);
    else if (g_str_has_prefix(text, ".metadata."))
      add(errors, FIELD_INVALID, at, "jsonPath", field, "must not point to fields in metadata");
    else if (!schema)
      add(errors, FIELD_INVALID, at, "jsonPath", field, "is an invalid path: does not refer to a valid field");
    else if (!g_strv_contains(types, json_str(schema, "type", "")))
      add(errors, FIELD_INVALID, at, "jsonPath", field,
          "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are "
          "allowed.");
  }
}

/* --- all versions --------------------------------------------------------------------------------------------------
 */

/* A part of versions that upstream looks at once when all have the same. */
typedef struct Part {
  const char *member, *common, *below;
  void (*check)(const json_t *version, const char *path, FieldErrors *errors);
} Part;

static const Part parts[] = {
  { "schema", "spec.validation.openAPIV3Schema", "schema.openAPIV3Schema", check_schema },
  { "subresources", "spec.subresources", "subresources", check_subresources },
  { "additionalPrinterColumns", "spec.additionalPrinterColumns", "additionalPrinterColumns", check_columns },
  { "selectableFields", "spec.selectableFields", "selectableFields", check_selectable },
};

static bool is_common(const json_t *versions, const char *member)
{
  for (size_t i = 1; i < json_array_size(versions); i++)
    if (!json_same(json_object_get(json_array_get(versions, 0), member),
                   json_object_get(json_array_get(versions, i), member)))
      return false;
  return true;
}

static void check_part(const json_t *versions, const Part *part, FieldErrors *errors)
{
  if (is_common(versions, part->member)) {
    part->check(json_array_get(versions, 0), part->common, errors);
    return;
  }
  for (size_t i = 0; i < json_array_size(versions); i++) {
    g_autofree char *path = g_strdup_printf("spec.versions[%zu].%s", i, part->below);
    part->check(json_array_get(versions, i), path, errors);
  }
}

static void check_version_names(const json_t *versions, FieldErrors *errors)
{
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  bool unique = true;
  unsigned stored = 0;
  for (size_t i = 0; i < json_array_size(versions); i++) {
    const json_t *version = json_array_get(versions, i);
    g_autofree char *path = g_strdup_printf("spec.versions[%zu].name", i);
    stored += json_flag(version, "storage", false);
    unique = g_hash_table_add(names, (gpointer)(uintptr_t)json_str(version, "name", "")) && unique;
    api_validate_format("dns1035label", json_object_get(version, "name"), path, errors);
    if (json_object_get(version, "deprecationWarning") && !json_flag(version, "deprecated", false)) {
      g_autofree char *at = g_strdup_printf("spec.versions[%zu].deprecationWarning", i);
      field_errors_add(errors, FIELD_INVALID, at, json_object_get(version, "deprecationWarning"),
                       "can only be set for deprecated versions");
    }
  }
  if (!unique)
    field_errors_add(errors, FIELD_INVALID, "spec.versions", versions, "must contain unique version names");
  if (stored != 1)
    field_errors_add(errors, FIELD_INVALID, "spec.versions", versions,
                     "must have exactly one version marked as storage version");
}

void definition_versions_validate(const json_t *spec, FieldErrors *errors)
{
  const json_t *versions = json_object_get(spec, "versions");
  if (json_array_size(versions) > CUSTOM_VERSIONS_MAX) {
    g_autoptr(json_t) count = json_integer((json_int_t)json_array_size(versions));
    field_errors_add(errors, FIELD_TOO_MANY, "spec.versions", count, "must have at most %d items", CUSTOM_VERSIONS_MAX);
    return;
  }
  check_version_names(versions, errors);
  for (size_t i = 0; i < json_array_size(versions); i++) {
    g_autofree char *path = g_strdup_printf("spec.versions[%zu].schema.openAPIV3Schema", i);
    if (!json_at(json_array_get(versions, i), "schema", "openAPIV3Schema", NULL))
      field_errors_add(errors, FIELD_REQUIRED, path, NULL, "schemas are required");
  }
  for (gsize i = 0; i < G_N_ELEMENTS(parts) && json_array_size(versions) > 0; i++)
    check_part(versions, &parts[i], errors);
}
