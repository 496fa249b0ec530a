/* A pod's priority class becomes its priority. Source: plugin/pkg/admission/priority. */
#include "base/json.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/registry/registry_private.h"

#define GROUP "scheduling.k8s.io"

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

/* New reference; NULL: there is none. */
static Object *default_class(const AdmissionRequest *request)
{
  Object *found = NULL;
  const ApiKind *kind = api_scheme_resource(registry_scheme(request->registry), GROUP, "v1", "priorityclasses");
  registry_visit(request->registry, kind, NULL, find_default, &found);
  return found;
}

/* The pod may say its priority, when it says the right one. */
static bool set_priority(const AdmissionRequest *request, json_t *spec, int64_t priority, GError **error)
{
  const json_t *given = json_object_get(spec, "priority");
  if (json_is_integer(given) && json_integer_value(given) != priority)
    return admission_forbid(request, error,
                            "the integer value of priority (%d) must not be provided in pod spec; priority admission "
                            "controller computed %d from the given PriorityClass name",
                            (int)json_integer_value(given), (int)priority);
  json_object_set_new(spec, "priority", json_integer(priority));
  return true;
}

static bool set_preemption(const AdmissionRequest *request, json_t *spec, const char *policy, GError **error)
{
  const char *given = json_str(spec, "preemptionPolicy", NULL);
  if (given && !g_str_equal(given, policy))
    return admission_forbid(request, error,
                            "the string value of PreemptionPolicy (%s) must not be provided in pod spec; priority "
                            "admission controller computed %s from the given PriorityClass name",
                            given, policy);
  json_object_set_new(spec, "preemptionPolicy", json_string(policy));
  return true;
}

static bool admit_new(const AdmissionRequest *request, GError **error)
{
  json_t *spec = json_ensure_object(request->object, "spec", NULL);
  const char *name = json_str(spec, "priorityClassName", "");
  g_autoptr(Object) class =
      *name ? admission_find(request, GROUP, "v1", "priorityclasses", NULL, name) : default_class(request);
  if (*name && !class)
    return admission_forbid(request, error, "no PriorityClass with name %s was found", name);
  const json_t *value = class ? object_json(class) : NULL;
  if (class)
    json_object_set_new(spec, "priorityClassName", json_string(object_name(class)));
  return set_priority(request, spec, json_int(value, "value", 0), error) &&
         set_preemption(request, spec, json_str(value, "preemptionPolicy", "PreemptLowerPriority"), error);
}

/* A client that does not know these members leaves them as they are. */
static void keep(const AdmissionRequest *request, const char *member)
{
  json_t *before = json_at(request->old, "spec", member, NULL);
  json_t *spec = json_object_get(request->object, "spec");
  if (before && !json_object_get(spec, member))
    json_object_set(spec, member, before);
}

static bool mutate(void *state, AdmissionRequest *request, GError **error)
{
  if (request->operation == ADMISSION_DELETE || !admission_is_about(request, "", "pods"))
    return true;
  if (request->operation == ADMISSION_CREATE)
    return admit_new(request, error);
  keep(request, "priority");
  keep(request, "preemptionPolicy");
  return true;
}

static bool validate(void *state, const AdmissionRequest *request, GError **error)
{
  if (request->operation == ADMISSION_DELETE || !admission_is_about(request, GROUP, "priorityclasses") ||
      !json_flag(request->object, "globalDefault", false))
    return true;
  g_autoptr(Object) other = default_class(request);
  const char *name = json_str(json_object_get(request->object, "metadata"), "name", "");
  return !other || g_str_equal(object_name(other), name) ||
         admission_forbid(request, error, "PriorityClass %s is already marked as default. Only one default can exist",
                          object_name(other));
}

const AdmissionPlugin admission_priority = { .name = "Priority", .mutate = mutate, .validate = validate };
