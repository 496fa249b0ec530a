#include "clusterd/server/disruption_budget.h"

#include "base/json.h"
#include "base/timestamp.h"

static bool set_condition(json_t *status, const char *value, const char *reason, const char *message)
{
  json_t *conditions = json_object_get(status, "conditions");
  if (!json_is_array(conditions))
    json_object_set_new(status, "conditions", conditions = json_array());
  json_t *known = json_find(conditions, "type", DISRUPTION_CONDITION);
  g_autofree char *now = timestamp_now();
  bool same = known && g_str_equal(json_str(known, "status", ""), value);
  g_autoptr(json_t) wanted =
      json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", DISRUPTION_CONDITION, "status", value, "reason", reason, "message",
                message, "lastTransitionTime", same ? json_str(known, "lastTransitionTime", now) : now);
  int64_t generation = json_int(status, "observedGeneration", 0);
  if (generation)
    json_object_set_new(wanted, "observedGeneration", json_integer(generation));
  if (!known)
    return json_array_append(conditions, wanted) == 0;
  if (json_equal(known, wanted))
    return false;
  json_object_clear(known);
  return json_object_update(known, wanted) == 0;
}

bool disruption_budget_set_condition(json_t *status)
{
  bool allowed = json_int(status, "disruptionsAllowed", 0) > 0;
  return set_condition(status, allowed ? "True" : "False", allowed ? "SufficientPods" : "InsufficientPods", "");
}

bool disruption_budget_set_failed(json_t *status, const char *message)
{
  return set_condition(status, "False", DISRUPTION_SYNC_FAILED, message);
}
