#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/patch/patch.h"

/* RFC 7386 §2, on a private copy. */
static void merge_into(json_t *target, const json_t *patch)
{
  const char *key;
  json_t *change;
  json_object_foreach ((json_t *)(uintptr_t)patch, key, change) {
    if (json_is_null(change)) {
      json_object_del(target, key);
    } else if (json_is_object(change)) {
      if (!json_is_object(json_object_get(target, key)))
        json_object_set_new(target, key, json_object());
      merge_into(json_object_get(target, key), change);
    } else {
      json_object_set_new(target, key, json_deep_copy(change));
    }
  }
}

json_t *patch_merge(const json_t *target, const json_t *patch, GError **error)
{
  if (!json_is_object(patch)) {
    reason_set(error, REASON_BAD_REQUEST, "error decoding patch: a merge patch must be an object");
    return NULL;
  }
  json_t *result = json_is_object(target) ? json_deep_copy(target) : json_object();
  merge_into(result, patch);
  return result;
}

json_t *patch_merge_diff(const json_t *from, const json_t *to)
{
  json_t *patch = json_object();
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)from, key, value)
    if (!json_object_get(to, key))
      json_object_set_new(patch, key, json_null());
  json_object_foreach ((json_t *)(uintptr_t)to, key, value) {
    json_t *before = json_object_get(from, key);
    if (json_is_object(before) && json_is_object(value)) {
      g_autoptr(json_t) inner = patch_merge_diff(before, value);
      if (json_object_size(inner) > 0)
        json_object_set(patch, key, inner);
    } else if (!json_same(before, value)) {
      json_object_set_new(patch, key, json_deep_copy(value));
    }
  }
  return patch;
}
