#include "clusterd/controllers/policy/disruption_scale.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/workloads/deployment_math.h"

/* --- the scale of controllers -----------------------------------------------------------------------------------
 */

static const ApiKind *kind_of(Client *client, const json_t *reference, GError **error)
{
  const char *version = json_str(reference, "apiVersion", ""), *kind = json_str(reference, "kind", "");
  const char *slash = strchr(version, '/');
  g_autofree char *group = slash ? g_strndup(version, (gsize)(slash - version)) : g_strdup("");
  const ApiKind *found =
      api_scheme_kind(registry_scheme(client_registry(client)), group, slash ? slash + 1 : version, kind);
  if (!found)
    reason_set(error, REASON_NOT_FOUND, "no matches for kind \"%s\" in version \"%s\"", kind, version);
  return found;
}

/* What REFERENCE points to, or its SUBRESOURCE; NULL without an error when it is not there, or another of that name. */
static Object *fetch(Client *client, const ApiKind *kind, const json_t *reference, const char *namespace_,
                     const char *subresource, GError **error)
{
  g_autoptr(GError) problem = NULL;
  Target target = { kind, namespace_, json_str(reference, "name", ""), subresource };
  g_autoptr(Object) object = registry_get(client_registry(client), NULL, &target, &problem);
  if (!object && !reason_is(problem, REASON_NOT_FOUND))
    g_propagate_error(error, g_steal_pointer(&problem));
  const char *uid = object ? json_str(json_object_get(object_json(object), "metadata"), "uid", "") : "";
  return g_str_equal(uid, json_str(reference, "uid", "-")) ? g_steal_pointer(&object) : NULL;
}

/* A replica set counts with all others of its deployment. New reference to the reference that matters. */
static json_t *top_reference(Client *client, json_t *reference, const char *namespace_)
{
  if (!g_str_equal(json_str(reference, "kind", ""), "ReplicaSet"))
    return json_incref(reference);
  const ApiKind *kind = kind_of(client, reference, NULL);
  g_autoptr(Object) set = kind ? fetch(client, kind, reference, namespace_, NULL, NULL) : NULL;
  if (!set || !owner_is(object_json(set), "apps", "Deployment"))
    return json_incref(reference);
  return json_incref((json_t *)(uintptr_t)owner_of(object_json(set)));
}

/* Adds the replicas of the controller that REFERENCE names to SCALES (uid → number). */
static bool add_scale(Client *client, json_t *reference, const Object *pod, json_t *scales, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) top = top_reference(client, reference, object_namespace(pod));
  const ApiKind *kind = kind_of(client, top, error);
  if (!kind)
    return false;
  if (!api_kind_subresource(kind, "scale"))
    return reason_set(error, REASON_NOT_FOUND, "%s%s%s does not implement the scale subresource", kind->plural,
                      *kind->group ? "." : "", kind->group);
  g_autoptr(Object) scale = fetch(client, kind, top, object_namespace(pod), "scale", &problem);
  if (problem) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  if (!scale)
    return reason_set(error, REASON_NOT_FOUND, "found no controllers for pod \"%s\"", object_name(pod));
  int64_t replicas = json_int(json_object_get(object_json(scale), "spec"), "replicas", 0);
  json_object_set_new(scales, json_str(top, "uid", ""), json_integer(replicas));
  return true;
}

static bool sum_scales(Client *client, GPtrArray *pods, DisruptionScale *scale, GError **error)
{
  g_autoptr(json_t) scales = json_object(), seen = json_object();
  for (unsigned i = 0; i < pods->len; i++) {
    const Object *pod = g_ptr_array_index(pods, i);
    json_t *reference = (json_t *)(uintptr_t)owner_of(object_json(pod));
    const char *uid = json_str(reference, "uid", "");
    if (!reference)
      scale->unmanaged = true;
    if (!reference || json_object_get(seen, uid))
      continue;
    if (!add_scale(client, reference, pod, scales, error))
      return false;
    json_object_set_new(seen, uid, json_true());
  }
  const char *uid;
  json_t *replicas;
  json_object_foreach (scales, uid, replicas)
    scale->expected += json_integer_value(replicas);
  return true;
}

bool disruption_scale_count(Client *client, const json_t *budget, GPtrArray *pods, DisruptionScale *scale,
                            GError **error)
{
  const json_t *spec = json_object_get(budget, "spec");
  const json_t *may_go = json_object_get(spec, "maxUnavailable"), *must_stay = json_object_get(spec, "minAvailable");
  *scale = (DisruptionScale){ 0 };
  if (!may_go && json_is_integer(must_stay)) {
    *scale = (DisruptionScale){ .expected = pods->len, .desired = json_integer_value(must_stay) };
    return true;
  }
  if ((may_go || must_stay) && !sum_scales(client, pods, scale, error))
    return false;
  if (may_go)
    scale->desired = MAX(0, scale->expected - int_or_percent(may_go, scale->expected, true, 0));
  else if (must_stay)
    scale->desired = int_or_percent(must_stay, scale->expected, true, 0);
  return true;
}

/* --- the pods ---------------------------------------------------------------------------------------------------
 */

int64_t disruption_count_healthy(GPtrArray *pods, const json_t *disrupted, int64_t timeout_us, int64_t now_us)
{
  int64_t count = 0;
  for (unsigned i = 0; i < pods->len; i++) {
    const Object *pod = g_ptr_array_index(pods, i);
    int64_t since_us;
    const char *since = json_str(disrupted, object_name(pod), NULL);
    bool goes = since && timestamp_parse(since, &since_us) && since_us + timeout_us > now_us;
    count += !goes && !pod_is_deleting(object_json(pod)) && pod_is_ready(object_json(pod));
  }
  return count;
}

/* --- texts ------------------------------------------------------------------------------------------------------
 */

static int compare_texts(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *disruption_selector_text(const json_t *selector)
{
  g_autoptr(GString) text = g_string_new("&LabelSelector{MatchLabels:map[string]string{");
  json_t *labels = json_object_get(selector, "matchLabels"), *value;
  g_autoptr(GPtrArray) keys = g_ptr_array_new();
  const char *key;
  size_t i, k;
  json_object_foreach (labels, key, value)
    g_ptr_array_add(keys, (void *)(uintptr_t)key);
  g_ptr_array_sort(keys, compare_texts);
  for (i = 0; i < keys->len; i++) {
    key = g_ptr_array_index(keys, i);
    g_string_append_printf(text, "%s: %s,", key, json_str(labels, key, ""));
  }
  g_string_append(text, "},MatchExpressions:[]LabelSelectorRequirement{");
  json_array_foreach (json_object_get(selector, "matchExpressions"), i, value) {
    const json_t *values = json_object_get(value, "values");
    g_string_append_printf(text, "LabelSelectorRequirement{Key:%s,Operator:%s,Values:[", json_str(value, "key", ""),
                           json_str(value, "operator", ""));
    for (k = 0; k < json_array_size(values); k++)
      g_string_append_printf(text, "%s%s", k ? " " : "", json_string_value(json_array_get(values, k)));
    g_string_append(text, "],},");
  }
  g_string_append(text, "},}");
  return g_string_free(g_steal_pointer(&text), FALSE);
}
