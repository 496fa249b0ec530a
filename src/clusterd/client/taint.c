#include "clusterd/client/taint.h"

#include <string.h>

#include "base/json.h"

bool taint_is_tolerated_by(const json_t *taint, const json_t *toleration)
{
  const char *effect = json_str(toleration, "effect", ""), *key = json_str(toleration, "key", "");
  if (*effect && strcmp(effect, json_str(taint, "effect", "")) != 0)
    return false;
  if (*key && strcmp(key, json_str(taint, "key", "")) != 0)
    return false;
  if (strcmp(json_str(toleration, "operator", "Equal"), "Exists") == 0)
    return true;
  return *key && strcmp(json_str(toleration, "value", ""), json_str(taint, "value", "")) == 0;
}

bool taint_is_tolerated(const json_t *taint, const json_t *pod)
{
  size_t i;
  json_t *toleration;
  json_array_foreach (json_at(pod, "spec", "tolerations", NULL), i, toleration)
    if (taint_is_tolerated_by(taint, toleration))
      return true;
  return false;
}

json_t *taint_find(const json_t *node, const char *key, const char *effect)
{
  size_t i;
  json_t *taint;
  json_array_foreach (json_at(node, "spec", "taints", NULL), i, taint)
    if (strcmp(json_str(taint, "key", ""), key) == 0 && strcmp(json_str(taint, "effect", ""), effect) == 0)
      return taint;
  return NULL;
}
