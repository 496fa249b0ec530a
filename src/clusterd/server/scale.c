#include "clusterd/server/scale.h"

#include "base/json.h"
#include "clusterd/server/api_error.h"

/* A Scale is no resource of its own: it needs a kind for its name only. */
static const ApiKind scale_kind = {
  .group = "autoscaling", .version = "v1", .kind = "Scale", .plural = "scales", .namespaced = true
};

/* spec.selector is a plain map in a ReplicationController and a LabelSelector everywhere else. */
static char *selector_text(const json_t *value)
{
  const json_t *selector = json_at(value, "spec", "selector", NULL);
  bool structured = json_object_get(selector, "matchLabels") || json_object_get(selector, "matchExpressions");
  g_autoptr(LabelSelector) parsed =
      structured ? label_selector_from_json(selector, NULL) : label_selector_from_map(selector);
  return parsed ? label_selector_text(parsed) : g_strdup("");
}

Object *scale_of(Object *stored)
{
  static const char *const members[] = { "name", "namespace", "uid", "resourceVersion", "creationTimestamp" };
  const json_t *value = object_json(stored);
  const json_t *metadata = json_object_get(value, "metadata");
  json_t *shown = json_object();
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
    if (json_object_get(metadata, members[i]))
      json_object_set(shown, members[i], json_object_get(metadata, members[i]));
  json_t *spec = json_object();
  int64_t replicas = json_int(json_object_get(value, "spec"), "replicas", 0);
  if (replicas)
    json_object_set_new(spec, "replicas", json_integer(replicas));
  g_autofree char *selector = selector_text(value);
  json_t *status =
      json_pack("{s:I}", "replicas", (json_int_t)json_int(json_object_get(value, "status"), "replicas", 0));
  if (*selector)
    json_object_set_new(status, "selector", json_string(selector));
  json_t *scale = json_pack("{s:s, s:s, s:o, s:o, s:o}", "kind", "Scale", "apiVersion", "autoscaling/v1", "metadata",
                            shown, "spec", spec, "status", status);
  return object_new(&scale_kind, scale);
}

json_t *scale_apply(const ApiKind *kind, const json_t *value, const json_t *scale, GError **error)
{
  const char *name = json_str(json_object_get(value, "metadata"), "name", "");
  int64_t replicas = json_int(json_object_get(scale, "spec"), "replicas", 0);
  if (replicas < 0) {
    api_error_invalid(error, "Scale", "autoscaling", name, "FieldValueInvalid", "spec.replicas",
                      "%" G_GINT64_FORMAT ": must be greater than or equal to 0", replicas);
    return NULL;
  }
  json_t *changed = json_deep_copy(value);
  json_object_set_new(json_ensure_object(changed, "spec", NULL), "replicas", json_integer(replicas));
  return changed;
}
