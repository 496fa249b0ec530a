#include "clusterd/server/registry/eviction.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/api_error.h"

typedef struct BudgetSearch {
  const json_t *pod_labels;
  Object *budget; /* the first that matches */
  unsigned count;
} BudgetSearch;

static bool match_budget(Object *object, void *data)
{
  BudgetSearch *search = data;
  g_autoptr(LabelSelector) selector =
      label_selector_from_json(json_at(object_json(object), "spec", "selector", NULL), NULL);
  if (selector && label_selector_matches(selector, search->pod_labels)) {
    if (search->count++ == 0)
      search->budget = object_ref(object);
  }
  return false;
}

/* Pods that serve nobody are no disruption. */
static bool is_exempt(const json_t *pod)
{
  static const char *const phases[] = { "Succeeded", "Failed", "Pending", NULL };
  const char *phase = json_str(json_object_get(pod, "status"), "phase", "");
  return g_strv_contains(phases, phase) || json_at(pod, "metadata", "deletionTimestamp", NULL);
}

typedef struct Disruption {
  const char *pod;
  bool refused;
  int64_t desired, current;
  bool stale;
} Disruption;

/* Takes one of the disruptions the budget allows, and notes the pod so that the controller counts it once. */
static bool disrupt(json_t *budget, void *data)
{
  Disruption *disruption = data;
  json_t *status = json_ensure_object(budget, "status", NULL);
  int64_t allowed = json_int(status, "disruptionsAllowed", 0);
  disruption->stale =
      json_int(status, "observedGeneration", 0) < json_int(json_object_get(budget, "metadata"), "generation", 0);
  disruption->desired = json_int(status, "desiredHealthy", 0);
  disruption->current = json_int(status, "currentHealthy", 0);
  disruption->refused = disruption->stale || allowed <= 0;
  if (disruption->refused)
    return false;
  g_autofree char *now = timestamp_now();
  json_object_set_new(status, "disruptionsAllowed", json_integer(allowed - 1));
  json_object_set_new(json_ensure_object(status, "disruptedPods", NULL), disruption->pod, json_string(now));
  return true;
}

static bool refuse(GError **error, const Disruption *disruption, const char *budget)
{
  g_autofree char *why =
      disruption->stale ? g_strdup_printf("The disruption budget %s is still being processed by the server.", budget)
                        : g_strdup_printf("The disruption budget %s needs %" G_GINT64_FORMAT
                                          " healthy pods and has %" G_GINT64_FORMAT " currently",
                                          budget, disruption->desired, disruption->current);
  json_t *details = json_pack("{s:[{s:s, s:s}]}", "causes", "reason", "DisruptionBudget", "message", why);
  if (disruption->stale)
    json_object_set_new(details, "retryAfterSeconds", json_integer(10));
  return reason_set_details(error, REASON_TOO_MANY_REQUESTS, details,
                            "Cannot evict pod as it would violate the pod's disruption budget.");
}

static bool consult_budget(Registry *registry, const Caller *caller, Object *pod, GError **error)
{
  const ApiKind *kind = api_scheme_resource(registry_scheme(registry), "policy", "v1", "poddisruptionbudgets");
  BudgetSearch search = { .pod_labels = json_at(object_json(pod), "metadata", "labels", NULL) };
  if (!kind || is_exempt(object_json(pod)))
    return true;
  registry_visit(registry, kind, object_namespace(pod), match_budget, &search);
  g_autoptr(Object) budget = search.budget;
  if (search.count > 1)
    return reason_set(
        error, REASON_INTERNAL,
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.");
  if (!budget)
    return true;
  Disruption disruption = { .pod = object_name(pod) };
  Target target = { kind, object_namespace(pod), object_name(budget), "status" };
  g_autoptr(Object) stored = registry_modify(registry, caller, &target, disrupt, &disruption, error);
  if (!stored)
    return false;
  return !disruption.refused || refuse(error, &disruption, object_name(budget));
}

Object *eviction_create(Registry *registry, const Caller *caller, const Target *target, const json_t *value,
                        GError **error)
{
  const json_t *given = json_object_get(value, "deleteOptions");
  const json_t *preconditions = json_object_get(given, "preconditions");
  DeleteOptions options = {
    .grace_period_seconds = json_int(given, "gracePeriodSeconds", -1),
    .propagation = json_str(given, "propagationPolicy", NULL),
    .precondition_uid = json_str(preconditions, "uid", NULL),
    .precondition_resource_version = json_str(preconditions, "resourceVersion", NULL),
  };
  Target pod_target = { target->kind, target->namespace_, target->name, NULL };
  g_autoptr(Object) pod = registry_get(registry, caller, &pod_target, error);
  if (!pod || !consult_budget(registry, caller, pod, error))
    return NULL;
  return registry_delete(registry, caller, &pod_target, &options, NULL, error);
}
