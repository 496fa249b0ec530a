/* Rules of versions and kinds that upstream has given up. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"

void default_template_labels(json_t *value)
{
  json_t *spec = json_object_get(value, "spec"), *labels = json_at(spec, "template", "metadata", "labels", NULL);
  if (json_object_size(labels) == 0)
    return;
  strategy_default(spec, "selector", json_pack("{s:o}", "matchLabels", json_copy(labels)));
  json_t *metadata = json_ensure_object(value, "metadata", NULL);
  if (json_object_size(json_object_get(metadata, "labels")) == 0)
    json_object_set_new(metadata, "labels", json_copy(labels));
}

void default_extensions_deployment_strategy(json_t *value)
{
  if (strcmp(json_str(value, "type", ""), "RollingUpdate") == 0)
    strategy_default(value, "rollingUpdate", json_pack("{s:i, s:i}", "maxUnavailable", 1, "maxSurge", 1));
}

void validate_pod_preset_spec(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const given[] = { "env", "envFrom", "volumes", "volumeMounts" };
  const json_t *mounts = json_object_get(value, "volumeMounts");
  bool any = false;
  for (size_t i = 0; i < G_N_ELEMENTS(given); i++)
    any = any || json_array_size(json_object_get(value, given[i])) > 0;
  if (!any) {
    g_autofree char *members = g_strconcat(path, ".volumes.env.envFrom.volumeMounts", NULL);
    field_errors_add(errors, FIELD_REQUIRED, members, NULL, "must specify at least one");
  }
  for (size_t i = 0; i < json_array_size(mounts); i++) {
    const json_t *name = json_object_get(json_array_get(mounts, i), "name");
    if (!json_is_string(name) || json_find(json_object_get(value, "volumes"), "name", json_string_value(name)))
      continue;
    g_autofree char *name_path = g_strdup_printf("%s.volumeMounts[%zu].name", path, i);
    field_errors_add(errors, FIELD_NOT_FOUND, name_path, name, NULL);
  }
}
