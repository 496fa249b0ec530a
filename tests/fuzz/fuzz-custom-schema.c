/* Schemas of custom resources and values by them: the input is a schema, a newline and a value. Whatever both are, what
 * is pruned stays pruned, what has its defaults lacks none, and the definition's own check never fails to end. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/api/custom/definition_schema.h"
#include "clusterd/api/custom/schema.h"
#include "clusterd/api/json_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_value(const ApiSchema *schema, const json_t *value)
{
  g_autoptr(json_t) before = json_deep_copy(value);
  g_autoptr(json_t) once = schema_prune(schema, value, true, NULL, NULL);
  g_autoptr(FieldErrors) errors = field_errors_new();
  g_assert_true(json_equal(value, before));
  if (!once)
    return;
  g_autoptr(json_t) twice = schema_prune(schema, once, true, NULL, NULL);
  g_assert_true(json_equal(once, twice));
  g_autoptr(json_t) filled = json_deep_copy(once);
  schema_set_defaults(schema, filled);
  schema_validate(schema, filled, once, "", errors);
  g_autofree char *text = schema_go_text(filled);
  g_assert_nonnull(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const uint8_t *line = memchr(data, '\n', size);
  gsize length = line ? (gsize)(line - data) : size;
  g_autofree char *path_text = g_strndup((const char *)data, MIN(length, JSON_PATH_MAX));
  g_autoptr(JsonPath) path = json_path_parse(path_text, NULL);
  g_autoptr(json_t) json = json_parse((const char *)data, length, false, NULL);
  g_autoptr(json_t) value = line ? json_parse((const char *)line + 1, size - length - 1, false, NULL) : NULL;
  if (path && value)
    (void)json_path_first(path, value);
  if (!json_is_object(json))
    return 0;
  g_autoptr(FieldErrors) errors = field_errors_new();
  definition_schema_validate(json, "spec", true, errors);
  g_autoptr(ApiSchema) schema = schema_compile(json, NULL);
  if (schema && json_is_object(value))
    try_value(schema, value);
  return 0;
}
