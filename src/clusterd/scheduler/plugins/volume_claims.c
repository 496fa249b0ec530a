#include "clusterd/scheduler/plugins/volume_claims.h"

#include <string.h>

#include "base/json.h"

#define NO_PROVISIONER "kubernetes.io/no-provisioner"

bool claim_is_bound(const json_t *claim)
{
  return *json_str(json_object_get(claim, "spec"), "volumeName", "") && volume_annotation(claim, VOLUME_BIND_COMPLETED);
}

const json_t *claim_class(const ClusterState *state, const json_t *claim)
{
  Object *storage_class = object_table_get(&state->tables[SCHEDULER_CLASSES], "", volume_class(claim));
  return storage_class ? object_json(storage_class) : NULL;
}

bool claim_may_have(const json_t *claim, const json_t *volume)
{
  bool is_nobodys = !json_at(volume, "spec", "claimRef", NULL) &&
                    strcmp(json_str(json_object_get(volume, "status"), "phase", ""), "Available") == 0;
  if (!(is_nobodys || volume_is_for(volume, claim)) || volume_mismatch(volume, claim))
    return false;
  const json_t *selector = json_at(claim, "spec", "selector", NULL);
  if (!selector)
    return true;
  g_autoptr(LabelSelector) labels = label_selector_from_json(selector, NULL);
  return labels && label_selector_matches(labels, json_at(volume, "metadata", "labels", NULL));
}

static bool matches_topology(const json_t *term, const json_t *labels)
{
  size_t i;
  json_t *expression;
  json_array_foreach (json_object_get(term, "matchLabelExpressions"), i, expression) {
    const char *value = json_str(labels, json_str(expression, "key", ""), NULL);
    if (!value || !json_has_text(json_object_get(expression, "values"), value))
      return false;
  }
  return true;
}

bool class_provisions_for(const json_t *storage_class, const json_t *node)
{
  const char *provisioner = json_str(storage_class, "provisioner", "");
  if (!*provisioner || strcmp(provisioner, NO_PROVISIONER) == 0)
    return false;
  const json_t *allowed = json_object_get(storage_class, "allowedTopologies");
  size_t i;
  json_t *term;
  json_array_foreach (allowed, i, term)
    if (matches_topology(term, json_at(node, "metadata", "labels", NULL)))
      return true;
  return json_array_size(allowed) == 0;
}
