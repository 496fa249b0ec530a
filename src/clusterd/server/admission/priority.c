/* A pod's priority class becomes its priority. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry_private.h"

static bool find_default(Object *object, void *data)
{
  Object **found = data;
  const json_t *value = object_json(object);
  if (!json_flag(value, "globalDefault", false))
    return false;
  /* of several defaults the lowest counts */
  if (!*found || json_int(value, "value", 0) < json_int(object_json(*found), "value", 0)) {
    if (*found)
      object_unref(*found);
    *found = object_ref(object);
  }
  return false;
}

static void set_priority(json_t *spec, const Object *class)
{
  const json_t *value = class ? object_json(class) : NULL;
  if (class)
    json_object_set_new(spec, "priorityClassName", json_string(object_name(class)));
  json_object_set_new(spec, "priority", json_integer(json_int(value, "value", 0)));
  if (!json_object_get(spec, "preemptionPolicy"))
    json_object_set_new(spec, "preemptionPolicy",
                        json_string(json_str(value, "preemptionPolicy", "PreemptLowerPriority")));
}

static bool mutate(void *state, AdmissionRequest *request, GError **error)
{
  if (request->operation != ADMISSION_CREATE || !admission_is_about(request, "", "pods"))
    return true;
  const ApiKind *kind =
      api_scheme_resource(registry_scheme(request->registry), "scheduling.k8s.io", "v1", "priorityclasses");
  json_t *spec = json_ensure_object(request->object, "spec", NULL);
  const char *name = json_str(spec, "priorityClassName", "");
  g_autoptr(Object) class = NULL;
  if (*name)
    class = registry_lookup(request->registry, kind, NULL, name);
  else
    registry_visit(request->registry, kind, NULL, find_default, &class);
  if (*name && !class)
    return api_error_forbidden(error, request->kind, json_str(json_object_get(request->object, "metadata"), "name", ""),
                               "no PriorityClass with name %s was found", name);
  const json_t *given = json_object_get(spec, "priority");
  if (given && json_integer_value(given) != json_int(class ? object_json(class) : NULL, "value", 0))
    return api_error_forbidden(
        error, request->kind, json_str(json_object_get(request->object, "metadata"), "name", ""),
        "the integer value of priority (%d) must not be provided in pod spec; priority admission "
        "controller computed %d from the given PriorityClass name",
        (int)json_integer_value(given), (int)json_int(class ? object_json(class) : NULL, "value", 0));
  set_priority(spec, class);
  return true;
}

const AdmissionPlugin admission_priority = { .name = "Priority", .mutate = mutate };
