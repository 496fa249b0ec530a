#include "clusterd/server/registry/eviction.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/disruption_budget.h"

#define REFUSAL "Cannot evict pod as it would violate the pod's disruption budget."
#define RETRY_SECONDS 10
#define DISRUPTED_PODS_MAX 2000 /* evictions that the controller has not confirmed yet */
#define CONFLICTS_MAX 20        /* of a pod that may go without a budget, and changes meanwhile */

/* One eviction on its way. */
typedef struct Eviction {
  Registry *registry;
  Caller caller; /* dry_run: as the request or its delete options say */
  const Target *pod;
  DeleteOptions options;
} Eviction;

/* --- the budget ----------------------------------------------------------------------------------------------------
 */

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

static bool is_phase(const json_t *pod, const char *phase)
{
  return g_str_equal(json_str(json_object_get(pod, "status"), "phase", ""), phase);
}

/* No container of it will run any more. */
static bool is_over(const json_t *pod)
{
  return is_phase(pod, "Succeeded") || is_phase(pod, "Failed") || json_at(pod, "metadata", "deletionTimestamp", NULL);
}

/* Pods that serve nobody are no disruption. */
static bool is_exempt(const json_t *pod)
{
  return is_over(pod) || is_phase(pod, "Pending");
}

static bool is_ready(const json_t *pod)
{
  const json_t *ready = json_find(json_at(pod, "status", "conditions", NULL), "type", "Ready");
  return g_str_equal(json_str(ready, "status", ""), "True");
}

/* A pod that is not ready is not among the healthy ones, so that its going takes nothing from them. */
static bool is_let_go(const json_t *pod, const json_t *budget)
{
  const json_t *status = json_object_get(budget, "status");
  int64_t desired = json_int(status, "desiredHealthy", 0);
  if (is_ready(pod))
    return false;
  return g_str_equal(json_str(json_object_get(budget, "spec"), "unhealthyPodEvictionPolicy", ""), "AlwaysAllow") ||
         (desired > 0 && json_int(status, "currentHealthy", 0) >= desired);
}

typedef struct Disruption {
  const char *pod;
  GError *refusal;
} Disruption;

static bool refuse(GError **error, bool stale, char *why /* taken */)
{
  json_t *details = json_pack("{s:[{s:s, s:s}]}", "causes", "reason", "DisruptionBudget", "message", why);
  if (stale)
    json_object_set_new(details, "retryAfterSeconds", json_integer(RETRY_SECONDS));
  g_free(why);
  return reason_set_details(error, REASON_TOO_MANY_REQUESTS, details, REFUSAL);
}

static bool refuse_stale(GError **error, const char *budget)
{
  return refuse(error, true,
                g_strdup_printf("The disruption budget %s is still being processed by the server.", budget));
}

static bool forbid(GError **error, const char *budget, const char *why)
{
  json_t *details = json_pack("{s:s, s:s, s:s}", "name", budget, "group", "policy", "kind", "poddisruptionbudget");
  return reason_set_details(error, REASON_FORBIDDEN, details, "poddisruptionbudget.policy \"%s\" is forbidden: %s",
                            budget, why);
}

static bool check_budget(const json_t *budget, GError **error)
{
  const json_t *status = json_object_get(budget, "status"), *metadata = json_object_get(budget, "metadata");
  const char *name = json_str(metadata, "name", "");
  int64_t allowed = json_int(status, "disruptionsAllowed", 0);
  if (json_int(status, "observedGeneration", 0) < json_int(metadata, "generation", 0))
    return refuse_stale(error, name);
  if (allowed < 0)
    return forbid(error, name, "pdb disruptions allowed is negative");
  if (json_object_size(json_object_get(status, "disruptedPods")) > DISRUPTED_PODS_MAX)
    return forbid(error, name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller");
  if (allowed > 0)
    return true;
  return refuse(error, false,
                g_strdup_printf("The disruption budget %s needs %" G_GINT64_FORMAT
                                " healthy pods and has %" G_GINT64_FORMAT " currently",
                                name, json_int(status, "desiredHealthy", 0), json_int(status, "currentHealthy", 0)));
}

/* Takes one of the disruptions the budget allows, and notes the pod so that the controller counts it once. */
static bool disrupt(json_t *budget, void *data)
{
  Disruption *disruption = data;
  g_clear_error(&disruption->refusal);
  if (!check_budget(budget, &disruption->refusal))
    return false;
  json_t *status = json_ensure_object(budget, "status", NULL);
  int64_t left = json_int(status, "disruptionsAllowed", 0) - 1;
  json_object_set_new(status, "disruptionsAllowed", json_integer(left));
  if (left == 0)
    disruption_budget_set_condition(status);
  g_autofree char *now = timestamp_now();
  json_object_set_new(json_ensure_object(status, "disruptedPods", NULL), disruption->pod, json_string(now));
  return true;
}

/* --- the pod -------------------------------------------------------------------------------------------------------
 */

typedef struct Mark {
  const char *version; /* NULL: any */
  bool changed;        /* meanwhile, and is not to be marked */
} Mark;

/* Tells in the pod's status why it goes. */
static bool mark_pod(json_t *pod, void *data)
{
  Mark *mark = data;
  mark->changed =
      mark->version && !g_str_equal(json_str(json_object_get(pod, "metadata"), "resourceVersion", ""), mark->version);
  if (mark->changed)
    return false;
  json_t *status = json_ensure_object(pod, "status", NULL), *conditions = json_object_get(status, "conditions");
  if (!json_is_array(conditions))
    json_object_set_new(status, "conditions", conditions = json_array());
  g_autofree char *now = timestamp_now();
  json_t *known = json_find(conditions, "type", "DisruptionTarget");
  g_autoptr(json_t) wanted =
      json_pack("{s:s, s:s, s:s, s:s, s:n, s:s}", "type", "DisruptionTarget", "status", "True", "reason",
                "EvictionByEvictionAPI", "message", "Eviction API: evicting", "lastProbeTime", "lastTransitionTime",
                g_str_equal(json_str(known, "status", ""), "True") ? json_str(known, "lastTransitionTime", now) : now);
  if (known) {
    json_object_clear(known);
    json_object_update(known, wanted);
  } else {
    json_array_append(conditions, wanted);
  }
  return true;
}

/* Marks and deletes; VERSION (may be NULL) is the only one that may go. */
static Object *remove_pod(const Eviction *eviction, const Object *pod, const char *version, GError **error)
{
  DeleteOptions options = eviction->options;
  g_autofree char *marked = NULL;
  bool other = options.precondition_uid && !g_str_equal(options.precondition_uid, object_uid(pod));
  if (version)
    options.precondition_resource_version = version;
  if (!eviction->caller.dry_run && !other) {
    Target status = { eviction->pod->kind, eviction->pod->namespace_, eviction->pod->name, "status" };
    Caller server = { .field_manager = eviction->caller.field_manager };
    Mark mark = { .version = options.precondition_resource_version };
    g_autoptr(Object) stored = registry_modify(eviction->registry, &server, &status, mark_pod, &mark, error);
    if (!stored)
      return NULL;
    if (!mark.changed && options.precondition_resource_version)
      options.precondition_resource_version = marked = g_strdup_printf("%" G_GINT64_FORMAT, object_revision(stored));
  }
  return registry_delete(eviction->registry, &eviction->caller, eviction->pod, &options, NULL, error);
}

static char *version_of(const Object *pod)
{
  return g_strdup_printf("%" G_GINT64_FORMAT, object_revision(pod));
}

/* A pod that waits may become ready at any moment, and then it counts: it goes as it was looked at, or is looked at
 * again. *EXEMPT tells whether no budget has a say. */
static Object *evict_exempt(const Eviction *eviction, Object **pod, bool *exempt, GError **error)
{
  bool versioned = eviction->options.precondition_resource_version != NULL;
  for (int attempt = 1;; attempt++) {
    g_clear_pointer(pod, object_unref);
    *pod = registry_get(eviction->registry, &eviction->caller, eviction->pod, error);
    *exempt = *pod && is_exempt(object_json(*pod));
    if (!*exempt)
      return NULL;
    g_autoptr(GError) problem = NULL;
    g_autofree char *version = versioned || is_over(object_json(*pod)) ? NULL : version_of(*pod);
    Object *gone = remove_pod(eviction, *pod, version, &problem);
    if (gone || versioned || attempt >= CONFLICTS_MAX || !reason_is(problem, REASON_CONFLICT)) {
      if (!gone)
        g_propagate_error(error, g_steal_pointer(&problem));
      return gone;
    }
  }
}

static Object *evict_unready(const Eviction *eviction, const Object *pod, const Object *budget, GError **error)
{
  g_autoptr(GError) problem = NULL;
  bool versioned = eviction->options.precondition_resource_version != NULL;
  g_autofree char *version = versioned ? NULL : version_of(pod);
  Object *gone = remove_pod(eviction, pod, version, &problem);
  if (gone)
    return gone;
  if (!versioned && reason_is(problem, REASON_CONFLICT))
    refuse_stale(error, object_name(budget));
  else
    g_propagate_error(error, g_steal_pointer(&problem));
  return NULL;
}

static Object *evict(const Eviction *eviction, const Object *pod, GError **error)
{
  Registry *registry = eviction->registry;
  const ApiKind *kind = api_scheme_resource(registry_scheme(registry), "policy", "v1", "poddisruptionbudgets");
  BudgetSearch search = { .pod_labels = json_at(object_json(pod), "metadata", "labels", NULL) };
  registry_visit(registry, kind, object_namespace(pod), match_budget, &search);
  g_autoptr(Object) budget = search.budget;
  if (search.count > 1) {
    reason_set(error, REASON_INTERNAL,
               "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.");
    return NULL;
  }
  if (budget && is_let_go(object_json(pod), object_json(budget)))
    return evict_unready(eviction, pod, budget, error);
  if (budget) {
    Disruption disruption = { .pod = object_name(pod) };
    Target target = { kind, object_namespace(pod), object_name(budget), "status" };
    Caller server = { .field_manager = eviction->caller.field_manager, .dry_run = eviction->caller.dry_run };
    g_autoptr(Object) stored = registry_modify(registry, &server, &target, disrupt, &disruption, error);
    if (!stored) {
      g_clear_error(&disruption.refusal);
      return NULL;
    }
    if (disruption.refusal) {
      g_propagate_error(error, disruption.refusal);
      return NULL;
    }
  }
  return remove_pod(eviction, pod, NULL, error);
}

Object *eviction_create(Registry *registry, const Caller *caller, const Target *target, const json_t *value,
                        GError **error)
{
  const json_t *given = json_object_get(value, "deleteOptions");
  const json_t *preconditions = json_object_get(given, "preconditions");
  Target pod_target = { target->kind, target->namespace_, target->name, NULL };
  Eviction eviction = {
    .registry = registry,
    .pod = &pod_target,
    .options = { .grace_period_seconds = json_int(given, "gracePeriodSeconds", -1),
                 .propagation = json_str(given, "propagationPolicy", NULL),
                 .precondition_uid = json_str(preconditions, "uid", NULL),
                 .precondition_resource_version = json_str(preconditions, "resourceVersion", NULL) },
  };
  if (caller)
    eviction.caller = *caller;
  eviction.caller.dry_run |= json_array_size(json_object_get(given, "dryRun")) > 0;
  if (!g_str_equal(json_str(json_object_get(value, "metadata"), "name", ""), target->name)) {
    reason_set(error, REASON_BAD_REQUEST, "name in URL does not match name in Eviction object");
    return NULL;
  }
  bool exempt;
  g_autoptr(Object) pod = NULL;
  g_autoptr(Object) gone = evict_exempt(&eviction, &pod, &exempt, error);
  if (!pod || exempt)
    return g_steal_pointer(&gone);
  return evict(&eviction, pod, error);
}
