#include "clusterd/api/apply/field_set.h"

#include <string.h>

#include "base/json.h"

#define SELF "."

static bool is_self(const char *element)
{
  return strcmp(element, SELF) == 0;
}

static gint compare_texts(gconstpointer a, gconstpointer b)
{
  const char *const *first = a, *const *second = b;
  return strcmp(*first, *second);
}

/* The elements of SET in byte order, which is upstream's: the set itself, fields, keys, values. Borrowed texts. */
static GPtrArray *sorted_elements(const json_t *set)
{
  GPtrArray *elements = g_ptr_array_new();
  const char *element;
  json_t *child;
  json_object_foreach ((json_t *)(uintptr_t)set, element, child)
    g_ptr_array_add(elements, (gpointer)(uintptr_t)element);
  g_ptr_array_sort(elements, compare_texts);
  return elements;
}

json_t *field_set_from_json(const json_t *fields)
{
  json_t *set = json_object();
  const char *element;
  json_t *child;
  json_object_foreach ((json_t *)(uintptr_t)fields, element, child) {
    if (is_self(element))
      json_object_set_new(set, SELF, json_object());
    else if (json_object_size(child) == 0)
      json_object_set_new(set, element, json_pack("{s:{}}", SELF));
    else
      json_object_set_new(set, element, field_set_from_json(child));
  }
  return set;
}

json_t *field_set_to_json(const json_t *set)
{
  json_t *fields = json_object();
  g_autoptr(GPtrArray) elements = sorted_elements(set);
  for (guint i = 0; i < elements->len; i++) {
    const json_t *child = json_object_get(set, elements->pdata[i]);
    bool leaf = is_self(elements->pdata[i]) || (json_object_size(child) == 1 && json_object_get(child, SELF));
    json_object_set_new(fields, elements->pdata[i], leaf ? json_object() : field_set_to_json(child));
  }
  return fields;
}

bool field_set_is_empty(const json_t *set)
{
  return json_object_size(set) == 0;
}

json_t *field_set_union(const json_t *a, const json_t *b)
{
  json_t *set = json_deep_copy(a);
  const char *element;
  json_t *child;
  json_object_foreach ((json_t *)(uintptr_t)b, element, child) {
    json_t *mine = json_object_get(set, element);
    json_object_set_new(set, element, mine ? field_set_union(mine, child) : json_deep_copy(child));
  }
  return set;
}

json_t *field_set_minus(const json_t *a, const json_t *b)
{
  json_t *set = json_object();
  const char *element;
  json_t *child;
  json_object_foreach ((json_t *)(uintptr_t)a, element, child) {
    const json_t *other = json_object_get(b, element);
    if (is_self(element)) {
      if (!other)
        json_object_set(set, element, child);
      continue;
    }
    json_t *left = other ? field_set_minus(child, other) : json_deep_copy(child);
    if (!field_set_is_empty(left))
      json_object_set(set, element, left);
    json_decref(left);
  }
  return set;
}

json_t *field_set_both(const json_t *a, const json_t *b)
{
  json_t *set = json_object();
  const char *element;
  json_t *child;
  json_object_foreach ((json_t *)(uintptr_t)a, element, child) {
    const json_t *other = json_object_get(b, element);
    if (!other)
      continue;
    json_t *shared = is_self(element) ? json_object() : field_set_both(child, other);
    if (is_self(element) || !field_set_is_empty(shared))
      json_object_set(set, element, shared);
    json_decref(shared);
  }
  return set;
}

bool field_set_touches(const json_t *fields, const json_t *set)
{
  const char *element;
  json_t *child;
  json_object_foreach ((json_t *)(uintptr_t)set, element, child) {
    const json_t *mine = is_self(element) ? NULL : json_object_get(fields, element);
    if (!mine)
      continue;
    bool member = json_object_size(mine) == 0 || json_object_get(mine, SELF);
    if ((member && json_object_get(child, SELF)) || field_set_touches(mine, child))
      return true;
  }
  return false;
}

/* "f:name" → ".name", `k:{"a":1,"b":"x"}` → `[a=1,b="x"]`, `v:"x"` → `[="x"]`. */
static void append_element(GString *path, const char *element)
{
  const char *rest = element + MIN(strlen(element), 2);
  if (*element == 'f') {
    g_string_append_printf(path, ".%s", rest);
    return;
  }
  g_autoptr(json_t) key = *element == 'k' ? json_loads(rest, 0, NULL) : NULL;
  if (!key) {
    g_string_append_printf(path, *element == 'v' ? "[=%s]" : "[%s]", rest);
    return;
  }
  const char *name, *separator = "[";
  json_t *value;
  json_object_foreach (key, name, value) {
    g_autofree char *text = json_text(value);
    g_string_append_printf(path, "%s%s=%s", separator, name, text);
    separator = ",";
  }
  g_string_append_c(path, ']');
}

static void add_paths(const json_t *set, const char *parent, GPtrArray *paths)
{
  g_autoptr(GPtrArray) elements = sorted_elements(set);
  for (guint i = 0; i < elements->len; i++) {
    const char *element = elements->pdata[i];
    if (is_self(element)) {
      g_ptr_array_add(paths, g_strdup(parent));
      continue;
    }
    g_autoptr(GString) path = g_string_new(parent);
    append_element(path, element);
    add_paths(json_object_get(set, element), path->str, paths);
  }
}

void field_set_paths(const json_t *set, GPtrArray *paths)
{
  add_paths(set, "", paths);
}
