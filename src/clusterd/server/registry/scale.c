#include "clusterd/server/registry/scale.h"

#include "base/json.h"
#include "clusterd/api/custom/custom_definition.h"
#include "clusterd/server/api_error.h"

/* A Scale is no resource of its own: it needs a kind for its name only. The first is everybody's but the old ones'. */
static const ApiKind scale_kinds[] = {
  { .group = "autoscaling", .version = "v1", .kind = "Scale", .plural = "scales", .namespaced = true },
  { .group = "extensions", .version = "v1beta1", .kind = "Scale", .plural = "scales", .namespaced = true },
  { .group = "apps", .version = "v1beta1", .kind = "Scale", .plural = "scales", .namespaced = true },
  { .group = "apps", .version = "v1beta2", .kind = "Scale", .plural = "scales", .namespaced = true },
};

static const ApiKind *scale_kind(const ApiKind *kind)
{
  const ApiSubresource *sub = api_kind_subresource(kind, "scale");
  for (gsize i = 1; sub && sub->group && i < G_N_ELEMENTS(scale_kinds); i++)
    if (g_str_equal(scale_kinds[i].group, sub->group) && g_str_equal(scale_kinds[i].version, sub->version))
      return &scale_kinds[i];
  return &scale_kinds[0];
}

static bool is_structured(const json_t *selector)
{
  return json_object_get(selector, "matchLabels") || json_object_get(selector, "matchExpressions");
}

/* spec.selector is a plain map in a ReplicationController and a LabelSelector everywhere else. */
static char *selector_text(const json_t *value)
{
  const json_t *selector = json_at(value, "spec", "selector", NULL);
  bool structured = is_structured(selector);
  g_autoptr(LabelSelector) parsed =
      structured ? label_selector_from_json(selector, NULL) : label_selector_from_map(selector);
  return parsed ? label_selector_text(parsed) : g_strdup("");
}

/* status.selector of the old Scales is a map, where the selector can be told as one; the text has a name of its own. */
static void set_selector(json_t *status, const json_t *value, bool as_map)
{
  g_autofree char *text = selector_text(value);
  const json_t *selector = json_at(value, "spec", "selector", NULL);
  json_t *map = json_object_get(selector, "matchLabels");
  if (*text)
    json_object_set_new(status, as_map ? "targetSelector" : "selector", json_string(text));
  if (as_map && map && json_array_size(json_object_get(selector, "matchExpressions")) == 0)
    json_object_set(status, "selector", map);
}

static json_t *value_at(const json_t *value, char **path)
{
  for (; path && *path && value; path++)
    value = json_object_get(value, *path);
  return path ? (json_t *)(uintptr_t)value : NULL;
}

/* spec and status of a custom resource's Scale: its definition tells where the numbers are. */
static void fill_custom(const ApiScalePaths *paths, const json_t *value, json_t *spec, json_t *status)
{
  json_int_t wanted = json_integer_value(value_at(value, paths->spec_replicas));
  const char *selector = json_string_value(value_at(value, paths->selector));
  if (wanted)
    json_object_set_new(spec, "replicas", json_integer(wanted));
  json_object_set_new(status, "replicas", json_integer(json_integer_value(value_at(value, paths->status_replicas))));
  if (selector && *selector)
    json_object_set_new(status, "selector", json_string(selector));
}

static void fill(const json_t *value, bool as_map, json_t *spec, json_t *status)
{
  int64_t wanted = json_int(json_object_get(value, "spec"), "replicas", 0);
  if (wanted)
    json_object_set_new(spec, "replicas", json_integer(wanted));
  json_object_set_new(status, "replicas", json_integer(json_int(json_object_get(value, "status"), "replicas", 0)));
  set_selector(status, value, as_map);
}

Object *scale_of(const ApiKind *kind, Object *stored)
{
  static const char *const members[] = { "name", "namespace", "uid", "resourceVersion", "creationTimestamp" };
  const json_t *value = object_json(stored);
  const json_t *metadata = json_object_get(value, "metadata");
  json_t *shown = json_object();
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
    if (json_object_get(metadata, members[i]))
      json_object_set(shown, members[i], json_object_get(metadata, members[i]));
  json_t *spec = json_object(), *status = json_object();
  const ApiKind *shown_as = scale_kind(kind);
  g_autofree char *version = api_group_version(shown_as);
  if (kind->custom && kind->custom->scale)
    fill_custom(kind->custom->scale, value, spec, status);
  else
    fill(value, shown_as != &scale_kinds[0], spec, status);
  json_t *scale = json_pack("{s:s, s:s, s:o, s:o, s:o}", "kind", "Scale", "apiVersion", version, "metadata", shown,
                            "spec", spec, "status", status);
  return object_new(shown_as, scale);
}

/* Puts MEMBER (taken) where PATH says, making the objects on the way. */
static void set_at(json_t *value, char **path, json_t *member)
{
  for (; path[1]; path++)
    value = json_ensure_object(value, *path, NULL);
  json_object_set_new(value, *path, member);
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
  if (kind->custom && kind->custom->scale)
    set_at(changed, kind->custom->scale->spec_replicas, json_integer(replicas));
  else
    json_object_set_new(json_ensure_object(changed, "spec", NULL), "replicas", json_integer(replicas));
  return changed;
}
