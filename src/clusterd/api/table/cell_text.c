#include "clusterd/api/table/cell_text.h"

#include <string.h>

#include "base/timestamp.h"

json_t *cell_string(const json_t *value, const char *fallback)
{
  const char *text = json_is_string(value) ? json_string_value(value) : "";
  return json_string(*text ? text : fallback);
}

json_t *cell_integer(const json_t *value)
{
  return json_integer(json_is_integer(value) ? json_integer_value(value) : 0);
}

json_t *cell_boolean(const json_t *value, bool fallback)
{
  return json_boolean(json_is_boolean(value) ? json_is_true(value) : fallback);
}

json_t *cell_take(char *text, const char *fallback)
{
  g_autofree char *owned = text;
  return json_string(owned && *owned ? owned : fallback);
}

char *cell_since_text(const json_t *time, int64_t now_us)
{
  int64_t time_us;
  if (!json_is_string(time) || !timestamp_parse(json_string_value(time), &time_us))
    return g_strdup("<unknown>");
  return timestamp_human_duration(now_us - time_us);
}

json_t *cell_since(const json_t *time, int64_t now_us)
{
  return cell_take(cell_since_text(time, now_us), "<unknown>");
}

static gint compare_keys(gconstpointer a, gconstpointer b)
{
  const char *const *first = a, *const *second = b;
  return strcmp(*first, *second);
}

json_t *cell_labels(const json_t *map)
{
  g_autoptr(GPtrArray) keys = g_ptr_array_new();
  GString *text = g_string_new(NULL);
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)map, key, value)
    g_ptr_array_add(keys, (gpointer)(uintptr_t)key);
  g_ptr_array_sort(keys, compare_keys);
  for (guint i = 0; i < keys->len; i++)
    g_string_append_printf(text, "%s%s=%s", i > 0 ? "," : "", (const char *)keys->pdata[i],
                           json_str(map, keys->pdata[i], ""));
  return cell_take(g_string_free(text, FALSE), "<none>");
}

char *cell_join(const json_t *list, const char *name, const char *separator)
{
  GString *text = g_string_new(NULL);
  size_t i;
  json_t *element;
  json_array_foreach (list, i, element) {
    const char *part = name ? json_str(element, name, "") : json_is_string(element) ? json_string_value(element) : "";
    g_string_append_printf(text, "%s%s", i > 0 ? separator : "", part);
  }
  return g_string_free(text, FALSE);
}

char *cell_join_more(GPtrArray *texts, unsigned count, unsigned max)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < texts->len && i < max; i++)
    g_string_append_printf(text, "%s%s", i > 0 ? "," : "", (const char *)texts->pdata[i]);
  if (count > max)
    g_string_append_printf(text, " + %u more...", count - max);
  return g_string_free(text, FALSE);
}

bool cell_condition_true(const json_t *conditions, const char *type)
{
  return strcmp(json_str(json_find(conditions, "type", type), "status", ""), "True") == 0;
}
