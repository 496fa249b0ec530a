/* What extends the API: aggregated servers, webhooks, admission policies; and the flow of its requests. */
#include <string.h>

#include "clusterd/api/cell_text.h"
#include "clusterd/api/selector.h"

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
