/* Defaults of versions that the cluster no longer stores. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies.h"
#include "clusterd/api/strategy_common.h"

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
