#include "base/json.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/reason.h"

json_t *json_parse(const char *text, size_t length, bool strict, GError **error)
{
  json_error_t where;
  size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | (strict ? JSON_REJECT_DUPLICATES : 0);
  if (length > JSON_TEXT_MAX) {
    reason_set(error, REASON_REQUEST_TOO_LARGE, "JSON text of %zu bytes is longer than %u", length, JSON_TEXT_MAX);
    return NULL;
  }
  json_t *value = json_loadb(text, length, flags, &where);
  if (!value)
    reason_set(error, REASON_BAD_REQUEST, "json parse error: line %d, column %d: %s", where.line, where.column,
               where.text);
  return value;
}

json_t *json_read_file(const char *path, GError **error)
{
  g_autoptr(GBytes) bytes = file_read(path, JSON_TEXT_MAX, error);
  if (!bytes)
    return NULL;
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  g_autoptr(GError) inner = NULL;
  json_t *value = json_parse(text ? text : "", length, true, &inner);
  if (!value)
    reason_set(error, REASON_CONFIG, "%s: %s", path, inner->message);
  return value;
}

static char *text_of(const json_t *value, size_t flags)
{
  char *raw = json_dumps(value, flags | JSON_ENCODE_ANY);
  g_assert(raw);
  char *text = g_strdup(raw);
  free(raw);
  return text;
}

char *json_text(const json_t *value)
{
  return text_of(value, JSON_COMPACT);
}

char *json_text_pretty(const json_t *value)
{
  return text_of(value, JSON_INDENT(2));
}

char *json_text_sorted(const json_t *value)
{
  return text_of(value, JSON_COMPACT | JSON_SORT_KEYS);
}

json_t *json_at(const json_t *value, ...)
{
  va_list keys;
  const char *key;
  /* jansson's getters take const and return non-const: the walk keeps that convention. */
  json_t *here = NULL;
  va_start(keys, value);
  for (const json_t *step = value; (key = va_arg(keys, const char *)); step = here) {
    here = json_object_get(step, key);
    if (!here)
      break;
  }
  va_end(keys);
  return here;
}

void json_append_to(json_t *object, const char *member, json_t *item)
{
  json_t *array = json_copy(json_object_get(object, member));
  if (!json_is_array(array)) {
    json_decref(array);
    array = json_array();
  }
  json_array_append_new(array, item);
  json_object_set_new(object, member, array);
}

json_t *json_ensure_object(json_t *value, ...)
{
  va_list keys;
  const char *key;
  va_start(keys, value);
  while ((key = va_arg(keys, const char *))) {
    json_t *next = json_object_get(value, key);
    if (!json_is_object(next)) {
      next = json_object();
      json_object_set_new(value, key, next);
    }
    value = next;
  }
  va_end(keys);
  return value;
}

const char *json_str(const json_t *value, const char *key, const char *fallback)
{
  const json_t *member = json_object_get(value, key);
  return json_is_string(member) ? json_string_value(member) : fallback;
}

int64_t json_int(const json_t *value, const char *key, int64_t fallback)
{
  const json_t *member = json_object_get(value, key);
  return json_is_integer(member) ? json_integer_value(member) : fallback;
}

bool json_flag(const json_t *value, const char *key, bool fallback)
{
  const json_t *member = json_object_get(value, key);
  return json_is_boolean(member) ? json_is_true(member) : fallback;
}

bool json_has_text(const json_t *array, const char *text)
{
  size_t i;
  json_t *item;
  json_array_foreach (array, i, item)
    if (text && g_strcmp0(json_string_value(item), text) == 0)
      return true;
  return false;
}

json_t *json_find(const json_t *array, const char *key, const char *text)
{
  size_t i;
  json_t *item;
  json_array_foreach (array, i, item)
    if (g_strcmp0(json_str(item, key, ""), text) == 0)
      return item;
  return NULL;
}

bool json_same(const json_t *a, const json_t *b)
{
  return (!a && !b) || json_equal(a, b);
}
