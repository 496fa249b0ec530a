#include "clusterd/server/admission/tolerations.h"

#include <string.h>

#include "base/json.h"

static const char *text_of(const json_t *toleration, const char *member)
{
  return json_str(toleration, member, "");
}

static bool same_text(const json_t *a, const json_t *b, const char *member)
{
  return strcmp(text_of(a, member), text_of(b, member)) == 0;
}

static bool exists(const json_t *toleration)
{
  return strcmp(text_of(toleration, "operator"), "Exists") == 0;
}

static bool is_equal(const json_t *toleration)
{
  return strcmp(text_of(toleration, "operator"), "Equal") == 0;
}

/* An eviction that is put off longer is tolerated more. */
static bool covers_seconds(const json_t *wide, const json_t *narrow)
{
  const json_t *limit = json_object_get(wide, "tolerationSeconds");
  const json_t *wanted = json_object_get(narrow, "tolerationSeconds");
  if (strcmp(text_of(wide, "effect"), "NoExecute") != 0 || !json_is_integer(limit))
    return true;
  return json_is_integer(wanted) && json_integer_value(wanted) <= json_integer_value(limit);
}

bool toleration_covers(const json_t *wide, const json_t *narrow)
{
  if (json_equal(wide, narrow))
    return true;
  bool any_key = !*text_of(wide, "key") && exists(wide);
  if (!any_key && !same_text(wide, narrow, "key"))
    return false;
  if (*text_of(wide, "effect") && !same_text(wide, narrow, "effect"))
    return false;
  if (!covers_seconds(wide, narrow))
    return false;
  if (exists(wide))
    return true;
  return (is_equal(wide) || !*text_of(wide, "operator")) && is_equal(narrow) && same_text(wide, narrow, "value");
}

static bool is_redundant(const json_t *all, size_t index, const json_t *merged)
{
  const json_t *own = json_array_get(all, index);
  for (size_t i = 0; i < json_array_size(merged); i++)
    if (toleration_covers(json_array_get(merged, i), own))
      return true;
  for (size_t i = index + 1; i < json_array_size(all); i++)
    if (!json_equal(own, json_array_get(all, i)) && toleration_covers(json_array_get(all, i), own))
      return true;
  return false;
}

json_t *tolerations_merge(const json_t *first, const json_t *second)
{
  g_autoptr(json_t) all = json_array();
  json_t *merged = json_array();
  if (json_is_array(first))
    json_array_extend(all, (json_t *)(uintptr_t)first);
  if (json_is_array(second))
    json_array_extend(all, (json_t *)(uintptr_t)second);
  for (size_t i = 0; i < json_array_size(all); i++)
    if (!is_redundant(all, i, merged))
      json_array_append_new(merged, json_deep_copy(json_array_get(all, i)));
  return merged;
}

void toleration_add(json_t *spec, const char *key, const char *effect)
{
  json_t *tolerations = json_object_get(spec, "tolerations");
  json_t *added = json_pack("{s:s, s:s, s:s}", "key", key, "operator", "Exists", "effect", effect);
  if (!json_is_array(tolerations)) {
    tolerations = json_array();
    json_object_set_new(spec, "tolerations", tolerations);
  }
  for (size_t i = 0; i < json_array_size(tolerations); i++) {
    if (!same_text(json_array_get(tolerations, i), added, "key") ||
        !same_text(json_array_get(tolerations, i), added, "effect"))
      continue;
    json_array_set_new(tolerations, i, added);
    return;
  }
  json_array_append_new(tolerations, added);
}
