#include "clusterd/controllers/autoscaling/scale_target.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"

static const Caller caller = { .field_manager = "horizontal-pod-autoscaler" };

/* Upstream looks for the kind in all versions of its group, too. */
static const ApiKind *find_kind(Registry *registry, const char *group, const char *kind)
{
  g_autoptr(GPtrArray) kinds = api_scheme_list(registry_scheme(registry));
  for (guint i = 0; i < kinds->len; i++) {
    const ApiKind *known = kinds->pdata[i];
    if (strcmp(known->group, group) == 0 && strcmp(known->kind, kind) == 0)
      return known->storage ? known->storage : known;
  }
  return NULL;
}

static bool resolve(Registry *registry, const json_t *reference, ScaleTarget *target, GError **error)
{
  const char *version = json_str(reference, "apiVersion", ""), *kind = json_str(reference, "kind", "");
  const char *slash = strchr(version, '/');
  if (slash && strchr(slash + 1, '/'))
    return reason_set(error, REASON_INVALID, "unexpected GroupVersion string: %s", version);
  g_autofree char *group = slash ? g_strndup(version, (gsize)(slash - version)) : g_strdup("");
  target->kind = find_kind(registry, group, kind);
  if (!target->kind)
    return reason_set(error, REASON_NOT_FOUND, "no matches for kind \"%s\" in group \"%s\"", kind, group);
  if (!target->kind->namespaced || !api_kind_subresource(target->kind, "scale"))
    return reason_set(error, REASON_NOT_FOUND, "the server could not find the requested resource");
  return true;
}

bool scale_target_get(Registry *registry, const char *namespace_, const json_t *reference, ScaleTarget *target,
                      GError **error)
{
  *target = (ScaleTarget){ 0 };
  if (!resolve(registry, reference, target, error))
    return false;
  Target place = {
    .kind = target->kind, .namespace_ = namespace_, .name = json_str(reference, "name", ""), .subresource = "scale"
  };
  g_autoptr(Object) scale = registry_get(registry, &caller, &place, error);
  if (!scale)
    return false;
  target->scale = json_incref(object_json(scale));
  target->wanted = json_int(json_object_get(target->scale, "spec"), "replicas", 0);
  target->present = json_int(json_object_get(target->scale, "status"), "replicas", 0);
  target->pods = json_str(json_object_get(target->scale, "status"), "selector", "");
  return true;
}

void scale_target_clear(ScaleTarget *target)
{
  g_clear_pointer(&target->scale, json_decref);
}

bool scale_target_set(Registry *registry, const ScaleTarget *target, int64_t replicas, GError **error)
{
  const json_t *metadata = json_object_get(target->scale, "metadata");
  Target place = { .kind = target->kind,
                   .namespace_ = json_str(metadata, "namespace", NULL),
                   .name = json_str(metadata, "name", ""),
                   .subresource = "scale" };
  g_autoptr(json_t) scale = json_deep_copy(target->scale);
  json_object_set_new(json_ensure_object(scale, "spec", NULL), "replicas", json_integer(replicas));
  g_autoptr(Object) stored = registry_update(registry, &caller, &place, scale, NULL, error);
  return stored != NULL;
}
