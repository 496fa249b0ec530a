#include "clusterd/api/patch/patch_strategic.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/patch/patch.h"

#define DIRECTIVE "$patch"
#define RETAIN_KEYS "$retainKeys"

/* Both sides of a merge are private copies: TARGET becomes the result, PATCH loses what has been dealt with. */
static bool merge_objects(const ApiMessage *message, json_t **target, json_t *patch, GError **error);

static const ApiField *field_of(const ApiMessage *message, const char *name)
{
  return message ? api_message_field(message, name) : NULL;
}

/* The message that describes a member of FIELD's object: of the element, for a map. */
static const ApiMessage *message_of(const ApiField *field)
{
  return field && field->type == API_MESSAGE ? field->message : NULL;
}

static bool has_prefix(const char *key)
{
  return g_str_has_prefix(key, STRATEGIC_DELETE_PREFIX) || g_str_has_prefix(key, STRATEGIC_ORDER_PREFIX);
}

/* Removes directives and nulls from a value that is taken over whole, at every depth. Upstream also drops list elements
 * that carry $patch. */
static void drop_directives(json_t *value)
{
  const char *key;
  json_t *member;
  void *next;
  json_object_foreach_safe (value, next, key, member) {
    if (json_is_null(member) || strcmp(key, DIRECTIVE) == 0 || strcmp(key, RETAIN_KEYS) == 0 || has_prefix(key))
      json_object_del(value, key);
    else
      drop_directives(member);
  }
  for (size_t i = json_array_size(value); i-- > 0;) {
    json_t *element = json_array_get(value, i);
    if (json_object_get(element, DIRECTIVE))
      json_array_remove(value, i);
    else
      drop_directives(element);
  }
}

/* A map whose patch carries $patch: *DONE tells whether the directive settled it. */
static bool run_map_directive(json_t **target, json_t *patch, bool *done, GError **error)
{
  const json_t *directive = json_object_get(patch, DIRECTIVE);
  const char *name = json_is_string(directive) ? json_string_value(directive) : "";
  *done = directive != NULL && strcmp(name, "merge") != 0;
  if (!directive)
    return true;
  if (strcmp(name, "replace") == 0) {
    json_object_del(patch, DIRECTIVE);
    drop_directives(patch);
    json_decref(*target);
    *target = json_incref(patch);
    return true;
  }
  if (strcmp(name, "delete") == 0) {
    json_object_clear(*target);
    return true;
  }
  if (strcmp(name, "merge") == 0) {
    json_object_del(patch, DIRECTIVE);
    return true;
  }
  g_autofree char *type = strategic_go_text(directive);
  g_autofree char *map = strategic_go_text(patch);
  return reason_set(error, REASON_INTERNAL, "unknown patch type: %s in map: %s", type, map);
}

/* $retainKeys: what the list does not name is cleared; what the patch sets must be named. */
static bool run_retain_keys(json_t *target, json_t *patch, GError **error)
{
  g_autoptr(json_t) keys = json_incref(json_object_get(patch, RETAIN_KEYS));
  if (!keys)
    return true;
  json_object_del(patch, RETAIN_KEYS);
  if (!json_is_array(keys))
    return reason_set(error, REASON_BAD_REQUEST, "invalid patch format of retainKeys");
  const char *key;
  json_t *value;
  void *next;
  json_object_foreach (patch, key, value)
    if (!json_is_null(value) && !has_prefix(key) && !json_has_text(keys, key))
      return reason_set(error, REASON_BAD_REQUEST, "invalid patch format of retainKeys");
  json_object_foreach_safe (target, next, key, value)
    if (!json_has_text(keys, key))
      json_object_del(target, key);
  return true;
}

bool strategic_merge_element(const ApiMessage *message, json_t *list, size_t index, json_t *patch, GError **error)
{
  g_autoptr(json_t) element = json_incref(json_array_get(list, index));
  if (!merge_objects(message, &element, patch, error))
    return false;
  json_array_set(list, index, element);
  return true;
}

/* One $setElementOrder/NAME of PATCH: merges the list NAME, if both sides have it, and puts it in order. */
static bool run_element_order(const ApiMessage *message, json_t *target, json_t *patch, const char *directive,
                              GError **error)
{
  const char *name = directive + strlen(STRATEGIC_ORDER_PREFIX);
  g_autoptr(json_t) order = json_incref(json_object_get(patch, directive));
  g_autofree char *list_name = g_strdup(name); /* DIRECTIVE dies with its member */
  json_object_del(patch, directive);
  json_t *original = json_object_get(target, list_name);
  g_autoptr(json_t) changes = json_incref(json_object_get(patch, list_name));
  if (!json_is_array(order) || !*list_name || strchr(list_name, '/') || (original && !json_is_array(original)) ||
      (changes && !json_is_array(changes)))
    return reason_set(error, REASON_BAD_REQUEST, "invalid patch format of setElementOrder list");
  const ApiField *field = field_of(message, list_name);
  const char *merge_key = field ? field->merge_key : NULL;
  if (!strategic_check_order(changes, order, merge_key, error))
    return false;
  if (!original && !changes)
    return true;
  g_autoptr(json_t) before = original ? json_copy(original) : json_array();
  g_autoptr(json_t) merged = NULL;
  if (!original) {
    drop_directives(changes);
    merged = json_incref(changes);
  } else if (!changes) {
    merged = json_incref(original);
  } else if (!(merged = strategic_merge_lists(field, original, changes, false, error))) {
    return false;
  }
  json_t *ordered = strategic_order_list(merged, order, before, merge_key, error);
  if (!ordered)
    return false;
  json_object_set_new(target, list_name, ordered);
  json_object_del(patch, list_name);
  return true;
}

static bool run_element_orders(const ApiMessage *message, json_t *target, json_t *patch, GError **error)
{
  const char *key;
  json_t *value;
  void *next;
  /* a directive takes itself and its list out of the patch: collect the names first */
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  json_object_foreach_safe (patch, next, key, value)
    if (g_str_has_prefix(key, STRATEGIC_ORDER_PREFIX))
      g_ptr_array_add(names, g_strdup(key));
  for (guint i = 0; i < names->len; i++)
    if (!run_element_order(message, target, patch, names->pdata[i], error))
      return false;
  return true;
}

/* Merges the member NAME, of which the target has a value of the same JSON type as VALUE. */
static bool merge_member(const ApiField *field, json_t *target, const char *name, json_t *value, bool deletes,
                         GError **error)
{
  json_t *original = json_object_get(target, name);
  bool replace = field && (field->flags & API_FIELD_PATCH_REPLACE);
  if (json_is_object(value) && !replace) {
    g_autoptr(json_t) merged = json_incref(original);
    if (!merge_objects(message_of(field), &merged, value, error))
      return false;
    json_object_set(target, name, merged);
    return true;
  }
  if (json_is_array(value)) {
    json_t *merged = strategic_merge_lists(field, original, value, deletes, error);
    return merged && json_object_set_new(target, name, merged) == 0;
  }
  drop_directives(value);
  json_object_set(target, name, value);
  return true;
}

static bool merge_objects(const ApiMessage *message, json_t **target, json_t *patch, GError **error)
{
  bool done;
  if (!run_map_directive(target, patch, &done, error))
    return false;
  if (done)
    return true;
  if (!run_retain_keys(*target, patch, error) || !run_element_orders(message, *target, patch, error))
    return false;
  const char *key;
  json_t *value;
  json_object_foreach (patch, key, value) {
    bool deletes = g_str_has_prefix(key, STRATEGIC_DELETE_PREFIX);
    const char *name = deletes ? key + strlen(STRATEGIC_DELETE_PREFIX) : key;
    if (deletes && (!*name || strchr(name, '/')))
      return reason_set(error, REASON_BAD_REQUEST, "invalid patch format of primitive list");
    json_t *original = json_object_get(*target, name);
    if (json_is_null(value)) {
      json_object_del(*target, name);
    } else if (original && json_typeof(original) == json_typeof(value)) {
      if (!merge_member(field_of(message, name), *target, name, value, deletes, error))
        return false;
    } else if (!deletes) {
      drop_directives(value);
      json_object_set(*target, name, value);
    }
  }
  return true;
}

json_t *patch_strategic(const ApiMessage *message, const json_t *target, const json_t *patch, GError **error)
{
  if (!json_is_object(patch)) {
    reason_set(error, REASON_BAD_REQUEST, "invalid JSON document");
    return NULL;
  }
  g_autoptr(json_t) result = json_is_object(target) ? json_deep_copy(target) : json_object();
  g_autoptr(json_t) changes = json_deep_copy(patch);
  if (!merge_objects(message, &result, changes, error))
    return NULL;
  return g_steal_pointer(&result);
}
