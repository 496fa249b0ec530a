#include "clusterd/api/typed_path.h"

#include <string.h>

#include "base/json.h"

/* `[name="c"]`, or `[3]` where the list has no keys. */
static void append_entry(GString *text, const ApiField *field, const json_t *entry, size_t index)
{
  if (!field || !(field->flags & API_FIELD_LIST_MAP)) {
    g_string_append_printf(text, "[%zu]", index);
    return;
  }
  const char *separator = "[";
  for (const char *const *key = field->list_map_keys; *key; key++) {
    const json_t *value = json_object_get(entry, *key);
    if (!value)
      continue;
    g_autofree char *shown = json_text(value);
    g_string_append_printf(text, "%s%s=%s", separator, *key, shown);
    separator = ",";
  }
  g_string_append(text, *separator == '[' ? "[]" : "]");
}

char *typed_path(const ApiMessage *message, const json_t *value, const char *path)
{
  GString *text = g_string_new(NULL);
  while (*path) {
    path += *path == '.';
    g_autofree char *name = g_strndup(path, strcspn(path, ".["));
    const ApiField *field = message ? api_message_field(message, name) : NULL;
    g_string_append_printf(text, ".%s", name);
    value = json_object_get(value, name);
    path += strlen(name);
    while (*path == '[') {
      char *end;
      size_t index = strtoul(path + 1, &end, 10);
      value = json_array_get(value, index);
      append_entry(text, field, value, index);
      path = *end == ']' ? end + 1 : end + strlen(end);
    }
    message = field && !(field->flags & API_FIELD_MAP) ? field->message : NULL;
  }
  return g_string_free(text, FALSE);
}
