/* A pod's runtime class says what it costs besides its containers, and where it can run. */
#include "base/json.h"
#include "clusterd/api/resource_list.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/admission/tolerations.h"

/* *CLASS gets the pod's class (NULL: none), a new reference. */
static bool find_class(const AdmissionRequest *request, Object **class, GError **error)
{
  const char *name = json_str(json_object_get(request->object, "spec"), "runtimeClassName", NULL);
  *class = name ? admission_find(request, "node.k8s.io", "v1", "runtimeclasses", NULL, name) : NULL;
  return !name || *class || admission_forbid(request, error, "pod rejected: RuntimeClass \"%s\" not found", name);
}

static const json_t *fixed_overhead(const Object *class)
{
  return class ? json_at(object_json((Object *)(uintptr_t) class), "overhead", "podFixed", NULL) : NULL;
}

static bool same_amounts(const json_t *a, const json_t *b)
{
  g_auto(ResourceList) first = resource_list_from_json(a);
  g_auto(ResourceList) second = resource_list_from_json(b);
  return resource_list_equal(&first, &second);
}

static bool set_overhead(const AdmissionRequest *request, json_t *spec, const json_t *overhead, GError **error)
{
  if (!overhead)
    return true;
  const json_t *given = json_object_get(spec, "overhead");
  if (given && !same_amounts(given, overhead))
    return admission_forbid(request, error,
                            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  json_object_set_new(spec, "overhead", json_deep_copy(overhead));
  return true;
}

static bool set_scheduling(const AdmissionRequest *request, json_t *spec, const json_t *scheduling, GError **error)
{
  const char *key;
  json_t *value;
  json_object_foreach (json_object_get(scheduling, "nodeSelector"), key, value) {
    const char *wanted = json_string_value(value);
    const char *given = json_str(json_object_get(spec, "nodeSelector"), key, NULL);
    if (given && g_strcmp0(given, wanted) != 0)
      return admission_forbid(request, error,
                              "conflict: runtimeClass.scheduling.nodeSelector[%s] = %s; pod.spec.nodeSelector[%s] = %s",
                              key, wanted, key, given);
    json_object_set(json_ensure_object(spec, "nodeSelector", NULL), key, value);
  }
  json_t *tolerations = json_object_get(scheduling, "tolerations");
  if (json_array_size(tolerations))
    json_object_set_new(spec, "tolerations", tolerations_merge(json_object_get(spec, "tolerations"), tolerations));
  return true;
}

static bool mutate(void *state, AdmissionRequest *request, GError **error)
{
  g_autoptr(Object) class = NULL;
  if (!admission_creates(request, "", "pods"))
    return true;
  if (!find_class(request, &class, error))
    return false;
  if (!class)
    return true;
  json_t *spec = json_ensure_object(request->object, "spec", NULL);
  return set_overhead(request, spec, fixed_overhead(class), error) &&
         set_scheduling(request, spec, json_object_get(object_json(class), "scheduling"), error);
}

static bool validate(void *state, const AdmissionRequest *request, GError **error)
{
  g_autoptr(Object) class = NULL;
  if (!admission_creates(request, "", "pods"))
    return true;
  if (!find_class(request, &class, error))
    return false;
  const json_t *given = json_at(request->object, "spec", "overhead", NULL);
  const json_t *overhead = fixed_overhead(class);
  if (overhead && !same_amounts(given, overhead))
    return admission_forbid(request, error,
                            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  return overhead || !given ||
         admission_forbid(request, error,
                          "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
}

const AdmissionPlugin admission_runtime_class = { .name = "RuntimeClass", .mutate = mutate, .validate = validate };
