#include "clusterd/scheduler/plugins/volume_claims.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/client/node_match.h"

#define OLD_CLASS "volume.beta.kubernetes.io/storage-class"
#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"

const char *claim_annotation(const json_t *object, const char *name)
{
  return json_str(json_at(object, "metadata", "annotations", NULL), name, NULL);
}

bool claim_is_bound(const json_t *claim)
{
  return *json_str(json_object_get(claim, "spec"), "volumeName", "") && claim_annotation(claim, BIND_COMPLETED);
}

const char *claim_class_name(const json_t *claim)
{
  const char *old = claim_annotation(claim, OLD_CLASS);
  return old ? old : json_str(json_object_get(claim, "spec"), "storageClassName", "");
}

const json_t *claim_class(const ClusterState *state, const json_t *claim)
{
  Object *storage_class = object_table_get(&state->tables[SCHEDULER_CLASSES], "", claim_class_name(claim));
  return storage_class ? object_json(storage_class) : NULL;
}

bool claim_waits_for_pod(const ClusterState *state, const json_t *claim)
{
  return strcmp(json_str(claim_class(state, claim), "volumeBindingMode", "Immediate"), "WaitForFirstConsumer") == 0;
}

static int64_t bytes_of(const json_t *value, const char *a, const char *b)
{
  const char *text = json_str(b ? json_at(value, "spec", a, b, NULL) : json_at(value, "spec", a, NULL), "storage", "");
  Quantity quantity;
  return quantity_parse(text, &quantity, NULL) ? quantity_value(quantity) : 0;
}

int64_t claim_size(const json_t *claim)
{
  return bytes_of(claim, "resources", "requests");
}

int64_t volume_size(const json_t *volume)
{
  return bytes_of(volume, "capacity", NULL);
}

static bool has_modes(const json_t *volume, const json_t *claim)
{
  const json_t *spec = json_object_get(volume, "spec");
  size_t i;
  json_t *mode;
  json_array_foreach (json_at(claim, "spec", "accessModes", NULL), i, mode)
    if (!json_has_text(json_object_get(spec, "accessModes"), json_string_value(mode)))
      return false;
  return strcmp(json_str(spec, "volumeMode", "Filesystem"),
                json_str(json_object_get(claim, "spec"), "volumeMode", "Filesystem")) == 0;
}

/* Nobody's, or reserved for CLAIM. */
static bool is_free(const json_t *volume, const json_t *claim)
{
  const json_t *reference = json_at(volume, "spec", "claimRef", NULL), *metadata = json_object_get(claim, "metadata");
  if (!reference)
    return strcmp(json_str(json_object_get(volume, "status"), "phase", ""), "Available") == 0;
  const char *uid = json_str(reference, "uid", "");
  return strcmp(json_str(reference, "name", ""), json_str(metadata, "name", "")) == 0 &&
         strcmp(json_str(reference, "namespace", ""), json_str(metadata, "namespace", "")) == 0 &&
         (!*uid || strcmp(uid, json_str(metadata, "uid", "")) == 0);
}

bool volume_would_do(const json_t *volume, const json_t *claim)
{
  const json_t *selector = json_at(claim, "spec", "selector", NULL);
  if (json_at(volume, "metadata", "deletionTimestamp", NULL) || !is_free(volume, claim) || !has_modes(volume, claim) ||
      strcmp(json_str(json_object_get(volume, "spec"), "storageClassName", ""), claim_class_name(claim)) != 0 ||
      volume_size(volume) < claim_size(claim))
    return false;
  if (!selector)
    return true;
  g_autoptr(LabelSelector) labels = label_selector_from_json(selector, NULL);
  return labels && label_selector_matches(labels, json_at(volume, "metadata", "labels", NULL));
}

bool volume_reaches(const json_t *volume, const json_t *node)
{
  json_t *required = json_at(volume, "spec", "nodeAffinity", "required", NULL);
  if (!required)
    return true;
  g_autoptr(json_t) as_pod = json_pack("{s:{s:{s:{s:O}}}}", "spec", "affinity", "nodeAffinity", REQUIRED, required);
  return node_match_required(as_pod, node);
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
