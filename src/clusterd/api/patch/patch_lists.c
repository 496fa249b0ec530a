/* The lists of a strategic merge patch: merging, directives, order. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/patch/patch_strategic.h"

static void append_go_text(GString *text, const json_t *value);

static gint compare_names(gconstpointer a, gconstpointer b)
{
  const char *const *first = a, *const *second = b;
  return strcmp(*first, *second);
}

static void append_go_map(GString *text, const json_t *map)
{
  g_autoptr(GPtrArray) keys = g_ptr_array_new();
  const char *key;
  json_t *member;
  json_object_foreach ((json_t *)(uintptr_t)map, key, member)
    g_ptr_array_add(keys, (gpointer)(uintptr_t)key);
  g_ptr_array_sort(keys, compare_names);
  g_string_append(text, "map[");
  for (guint i = 0; i < keys->len; i++) {
    g_string_append_printf(text, "%s%s:", i > 0 ? " " : "", (const char *)keys->pdata[i]);
    append_go_text(text, json_object_get(map, keys->pdata[i]));
  }
  g_string_append_c(text, ']');
}

static void append_go_text(GString *text, const json_t *value)
{
  size_t i;
  json_t *element;
  switch (value ? json_typeof(value) : JSON_NULL) {
  case JSON_OBJECT:
    append_go_map(text, value);
    break;
  case JSON_ARRAY:
    g_string_append_c(text, '[');
    json_array_foreach (value, i, element) {
      if (i > 0)
        g_string_append_c(text, ' ');
      append_go_text(text, element);
    }
    g_string_append_c(text, ']');
    break;
  case JSON_STRING:
    g_string_append(text, json_string_value(value));
    break;
  case JSON_INTEGER:
    g_string_append_printf(text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    break;
  case JSON_REAL:
    g_string_append_printf(text, "%g", json_real_value(value));
    break;
  case JSON_NULL:
    g_string_append(text, "<nil>");
    break;
  default:
    g_string_append(text, json_is_true(value) ? "true" : "false");
  }
}

char *strategic_go_text(const json_t *value)
{
  GString *text = g_string_new(NULL);
  append_go_text(text, value);
  return g_string_free(text, FALSE);
}

static bool fail_merge_key(const json_t *element, const char *merge_key, GError **error)
{
  g_autofree char *text = strategic_go_text(element);
  return reason_set(error, REASON_UNKNOWN, "map: %s does not contain declared merge key: %s", text, merge_key);
}

/* Scalars are told apart by themselves, objects by their merge key. NULL when it is absent. */
static const json_t *identity_of(const json_t *element, const char *merge_key)
{
  return merge_key && json_is_object(element) ? json_object_get(element, merge_key) : element;
}

/* The place of the element with IDENTITY, or -1. */
static gssize find(const json_t *list, const json_t *identity, const char *merge_key)
{
  size_t i;
  json_t *element;
  json_array_foreach (list, i, element) {
    const json_t *other = identity_of(element, merge_key);
    if (other && identity && json_equal(other, identity))
      return (gssize)i;
  }
  return -1;
}

/* Finding an element is a walk: the longest list that may still be merged that way. */
static bool check_length(const json_t *list, GError **error)
{
  enum { ELEMENTS_MAX = 10000 };
  return json_array_size(list) <= ELEMENTS_MAX ||
         reason_set(error, REASON_REQUEST_TOO_LARGE,
                    "Request entity too large: a list of %zu elements cannot be merged", json_array_size(list));
}

/* All elements of both lists must be of one type, and that no list. *TYPE gets it. */
static bool check_elements(const json_t *a, const json_t *b, json_type *type, GError **error)
{
  const json_t *lists[] = { a, b };
  int seen = -1;
  for (int n = 0; n < 2; n++) {
    size_t i;
    json_t *element;
    json_array_foreach (lists[n], i, element) {
      json_type here = json_is_false(element) ? JSON_TRUE : json_typeof(element);
      if (here == JSON_ARRAY)
        return reason_set(error, REASON_INVALID, "lists of lists are not supported");
      if (seen >= 0 && (json_type)seen != here)
        return reason_set(error, REASON_INTERNAL, "list element types are not identical");
      seen = (int)here;
    }
  }
  *type = seen < 0 ? JSON_NULL : (json_type)seen;
  return true;
}

static json_t *delete_scalars(const json_t *original, const json_t *deleted)
{
  json_t *result = json_array();
  size_t i;
  json_t *element;
  json_array_foreach (original, i, element)
    if (find(deleted, element, NULL) < 0)
      json_array_append(result, element);
  return result;
}

static json_t *unite_scalars(const json_t *original, const json_t *added)
{
  json_t *result = json_array();
  const json_t *lists[] = { original, added };
  for (int n = 0; n < 2; n++) {
    size_t i;
    json_t *element;
    json_array_foreach (lists[n], i, element)
      if (find(result, element, NULL) < 0)
        json_array_append(result, element);
  }
  return result;
}

/* Runs the $patch directives among the elements of CHANGES and takes those elements out. *REPLACE: what is left of
 * CHANGES is the result. */
static bool run_list_directives(json_t *original, json_t *changes, const char *merge_key, bool *replace, GError **error)
{
  for (size_t i = 0; i < json_array_size(changes);) {
    const json_t *element = json_array_get(changes, i);
    const json_t *directive = json_object_get(element, "$patch");
    const char *name = json_is_string(directive) ? json_string_value(directive) : "";
    if (!directive) {
      i++;
      continue;
    }
    if (strcmp(name, "delete") == 0) {
      const json_t *identity = json_object_get(element, merge_key);
      if (!identity)
        return fail_merge_key(element, merge_key, error);
      for (gssize at; (at = find(original, identity, merge_key)) >= 0;)
        json_array_remove(original, (size_t)at);
    } else if (strcmp(name, "replace") == 0) {
      *replace = true;
    } else if (strcmp(name, "merge") == 0) {
      return reason_set(error, REASON_INTERNAL, "merging lists cannot yet be specified in the patch");
    } else {
      g_autofree char *type = strategic_go_text(directive);
      g_autofree char *map = strategic_go_text(element);
      return reason_set(error, REASON_INTERNAL, "unknown patch type: %s in map: %s", type, map);
    }
    json_array_remove(changes, i);
  }
  return true;
}

/* Merges every element of CHANGES into its fellow of ORIGINAL, or appends it. */
static bool merge_elements(const ApiField *field, json_t *original, json_t *changes, GError **error)
{
  size_t i;
  json_t *change;
  json_array_foreach (changes, i, change) {
    const json_t *identity = json_object_get(change, field->merge_key);
    if (!identity)
      return fail_merge_key(change, field->merge_key, error);
    gssize at = find(original, identity, field->merge_key);
    if (at < 0) {
      at = (gssize)json_array_size(original);
      json_array_append_new(original, json_object());
    }
    if (!strategic_merge_element(field->message, original, (size_t)at, change, error))
      return false;
  }
  return true;
}

static json_t *merge_object_lists(const ApiField *field, json_t *original, json_t *changes, GError **error)
{
  if (!field || !field->merge_key) {
    reason_set(error, REASON_INTERNAL, "cannot merge lists without merge key for %s", field ? field->name : "");
    return NULL;
  }
  bool replace = false;
  if (!run_list_directives(original, changes, field->merge_key, &replace, error))
    return NULL;
  if (replace)
    return json_incref(changes);
  /* what stood there before the patch decides where elements it does not name go */
  g_autoptr(json_t) before = json_copy(original);
  g_autoptr(json_t) order = json_deep_copy(changes);
  if (!merge_elements(field, original, changes, error))
    return NULL;
  return strategic_order_list(original, order, before, field->merge_key, error);
}

json_t *strategic_merge_lists(const ApiField *field, json_t *original, json_t *changes, bool deletes, GError **error)
{
  json_type type;
  if (!deletes && !(field && (field->flags & API_FIELD_PATCH_MERGE)))
    return json_incref(changes);
  if (!check_length(original, error) || !check_length(changes, error) ||
      !check_elements(original, changes, &type, error))
    return NULL;
  if (type == JSON_OBJECT)
    return merge_object_lists(field, original, changes, error);
  if (deletes)
    return delete_scalars(original, changes);
  g_autoptr(json_t) united = unite_scalars(original, changes);
  return strategic_order_list(united, changes, original, NULL, error);
}

static void append_range(json_t *to, const json_t *list, size_t from)
{
  for (size_t i = from; i < json_array_size(list); i++)
    json_array_append(to, json_array_get(list, i));
}

/* Weaves OTHERS into NAMED: an element of OTHERS goes first only where both stood in BEFORE, in this order. */
static json_t *weave(const json_t *others, const json_t *named, const json_t *before, const char *merge_key)
{
  json_t *result = json_array();
  size_t i = 0, j = 0;
  while (i < json_array_size(others) && j < json_array_size(named)) {
    gssize left = find(before, identity_of(json_array_get(others, i), merge_key), merge_key);
    gssize right = find(before, identity_of(json_array_get(named, j), merge_key), merge_key);
    if (left >= 0 && right >= 0 && left < right)
      json_array_append(result, json_array_get(others, i++));
    else
      json_array_append(result, json_array_get(named, j++));
  }
  append_range(result, named, j);
  append_range(result, others, i);
  return result;
}

json_t *strategic_order_list(json_t *list, const json_t *order, const json_t *before, const char *merge_key,
                             GError **error)
{
  g_autoptr(json_t) named = json_array();
  g_autoptr(json_t) others = json_array();
  size_t i;
  json_t *element;
  if (!check_length(order, error) || !check_length(list, error))
    return NULL;
  json_array_foreach (order, i, element) {
    const json_t *identity = identity_of(element, merge_key);
    if (!identity) {
      fail_merge_key(element, merge_key, error);
      return NULL;
    }
    gssize at = find(list, identity, merge_key);
    if (at >= 0 && find(named, identity, merge_key) < 0)
      json_array_append(named, json_array_get(list, (size_t)at));
  }
  json_array_foreach (list, i, element)
    if (find(named, identity_of(element, merge_key), merge_key) < 0)
      json_array_append(others, element);
  return weave(others, named, before, merge_key);
}

bool strategic_check_order(const json_t *changes, const json_t *order, const char *merge_key, GError **error)
{
  size_t i, at = 0;
  json_t *element;
  json_array_foreach (changes, i, element) {
    if (json_object_get(element, "$patch"))
      continue;
    const json_t *identity = identity_of(element, merge_key);
    if (!identity)
      return fail_merge_key(element, merge_key, error);
    while (at < json_array_size(order) && !json_same(identity_of(json_array_get(order, at), merge_key), identity))
      at++;
    if (at++ < json_array_size(order))
      continue;
    g_autofree char *patch = strategic_go_text(changes);
    g_autofree char *list = strategic_go_text(order);
    return reason_set(error, REASON_INTERNAL,
                      "The order in patch list:\n%s\n doesn't match $setElementOrder list:\n%s\n", patch, list);
  }
  return true;
}
