/* An empty selector of a v1beta1 disruption budget chooses no pods, one of v1 chooses all. A requirement on a label
 * nobody has says the one in the words of the other. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/conversion/conversion.h"

#define NOBODYS_LABEL "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"

static json_t *requirement(const char *operator)
{
  return json_pack("{s:[{s:s, s:s}]}", "matchExpressions", "key", NOBODYS_LABEL, "operator", operator);
}

static bool is_requirement(const json_t *selector, const char *operator)
{
  g_autoptr(json_t) expected = requirement(operator);
  return json_same(selector, expected);
}

/* Beside what the user wants the requirement would mean something else. */
static void strip_requirement(json_t *selector)
{
  json_t *expressions = json_object_get(selector, "matchExpressions");
  for (size_t i = json_array_size(expressions); i-- > 0;)
    if (strcmp(json_str(json_array_get(expressions, i), "key", ""), NOBODYS_LABEL) == 0)
      json_array_remove(expressions, i);
  if (expressions && json_array_size(expressions) == 0)
    json_object_del(selector, "matchExpressions");
}

json_t *convert_pod_disruption_budget_v1beta1_to_storage(const json_t *object)
{
  json_t *result = json_deep_copy(object), *spec = json_object_get(result, "spec");
  json_t *selector = json_object_get(spec, "selector");
  if (selector && json_object_size(selector) == 0)
    json_object_set_new(spec, "selector", requirement("Exists"));
  else if (is_requirement(selector, "DoesNotExist"))
    json_object_set_new(spec, "selector", json_object());
  else if (selector)
    strip_requirement(selector);
  return result;
}

json_t *convert_pod_disruption_budget_v1beta1_from_storage(const json_t *object)
{
  json_t *result = json_deep_copy(object), *spec = json_object_get(result, "spec");
  const json_t *selector = json_object_get(spec, "selector");
  if (selector && json_object_size(selector) == 0)
    json_object_set_new(spec, "selector", requirement("DoesNotExist"));
  else if (is_requirement(selector, "Exists"))
    json_object_set_new(spec, "selector", json_object());
  return result;
}
