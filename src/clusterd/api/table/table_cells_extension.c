/* What extends the API: aggregated servers, webhooks, admission policies; and the flow of its requests. */
#include <string.h>

#include "clusterd/api/selector/selector.h"
#include "clusterd/api/table/cell_text.h"

json_t *cell_api_service_service(const json_t *object, int64_t now_us)
{
  const json_t *service = json_at(object, "spec", "service", NULL);
  if (!service)
    return json_string("Local");
  return cell_take(g_strdup_printf("%s/%s", json_str(service, "namespace", ""), json_str(service, "name", "")), "");
}

json_t *cell_api_service_available(const json_t *object, int64_t now_us)
{
  size_t i;
  json_t *condition;
  json_array_foreach (json_at(object, "status", "conditions", NULL), i, condition) {
    if (strcmp(json_str(condition, "type", ""), "Available") != 0)
      continue;
    const char *status = json_str(condition, "status", "");
    if (strcmp(status, "True") == 0)
      return json_string(status);
    return cell_take(g_strdup_printf("%s (%s)", status, json_str(condition, "reason", "")), "");
  }
  return json_string("Unknown");
}

json_t *cell_webhook_configuration_webhooks(const json_t *object, int64_t now_us)
{
  return json_integer((json_int_t)json_array_size(json_object_get(object, "webhooks")));
}

json_t *cell_validating_admission_policy_validations(const json_t *object, int64_t now_us)
{
  return json_integer((json_int_t)json_array_size(json_at(object, "spec", "validations", NULL)));
}

json_t *cell_validating_admission_policy_param_kind(const json_t *object, int64_t now_us)
{
  const json_t *kind = json_at(object, "spec", "paramKind", NULL);
  if (!kind)
    return json_string("<unset>");
  return cell_take(g_strdup_printf("%s/%s", json_str(kind, "apiVersion", ""), json_str(kind, "kind", "")), "");
}

json_t *cell_validating_admission_policy_binding_param_ref(const json_t *object, int64_t now_us)
{
  const json_t *ref = json_at(object, "spec", "paramRef", NULL), *selector = json_object_get(ref, "selector");
  if (*json_str(ref, "name", ""))
    return cell_take(g_strdup_printf("%s/%s", json_str(ref, "namespace", "*"), json_str(ref, "name", "")), "");
  g_autoptr(LabelSelector) parsed = selector ? label_selector_from_json(selector, NULL) : NULL;
  return parsed ? cell_take(label_selector_text(parsed), "<none>") : json_string("<unset>");
}

json_t *cell_flow_schema_distinguisher(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "spec", "distinguisherMethod", "type", NULL), "<none>");
}

json_t *cell_flow_schema_missing_level(const json_t *object, int64_t now_us)
{
  size_t i;
  json_t *condition;
  json_array_foreach (json_at(object, "status", "conditions", NULL), i, condition) {
    if (strcmp(json_str(condition, "type", ""), "Dangling") == 0)
      return json_string(json_str(condition, "status", ""));
  }
  return json_string("?");
}

/* VALUE as it is, "<none>" when there is none. */
static json_t *or_none(json_t *value)
{
  return value ? json_incref(value) : json_string("<none>");
}

json_t *cell_priority_level_shares(const json_t *object, int64_t now_us)
{
  return or_none(json_at(object, "spec", "limited", "nominalConcurrencyShares", NULL));
}

static json_t *queuing_member(const json_t *object, const char *member)
{
  return or_none(json_at(object, "spec", "limited", "limitResponse", "queuing", member, NULL));
}

json_t *cell_priority_level_queues(const json_t *object, int64_t now_us)
{
  return queuing_member(object, "queues");
}

json_t *cell_priority_level_hand_size(const json_t *object, int64_t now_us)
{
  return queuing_member(object, "handSize");
}

json_t *cell_priority_level_queue_length(const json_t *object, int64_t now_us)
{
  return queuing_member(object, "queueLengthLimit");
}
