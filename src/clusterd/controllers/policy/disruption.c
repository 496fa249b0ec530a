#include "clusterd/controllers/policy/disruption.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/object_queue.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/recorder.h"
#include "clusterd/controllers/policy/disruption_scale.h"
#include "clusterd/server/disruption_budget.h"

#define TIMEOUT_US ((int64_t)2 * 60 * G_USEC_PER_SEC) /* an eviction has until then to show */
#define N_WORKERS 1
#define INDEX_NAMESPACE "namespace"

struct DisruptionController {
  Client *client;
  Recorder *recorder;
  Informer *budgets, *pods;
  ObjectQueue queue;
  WorkQueue *stale; /* pods whose announced disruption may not come */
  int64_t timeout_us;
};

/* --- budgets ----------------------------------------------------------------------------------------------------
 */

static GPtrArray *pods_of(const DisruptionController *controller, const Object *budget, GError **error)
{
  g_autoptr(LabelSelector) selector =
      label_selector_from_json(json_at(object_json(budget), "spec", "selector", NULL), error);
  if (!selector)
    return NULL;
  GPtrArray *pods = informer_by_index(controller->pods, INDEX_NAMESPACE, object_namespace(budget));
  for (unsigned i = pods->len; i-- > 0;)
    if (!label_selector_matches(selector, json_at(object_json(g_ptr_array_index(pods, i)), "metadata", "labels", NULL)))
      g_ptr_array_remove_index_fast(pods, i);
  return pods;
}

/* The evictions that have been granted and are still to show. *NEXT_US gets when the first of them has had its time. */
static json_t *build_disrupted(const DisruptionController *controller, const Object *budget, GPtrArray *pods,
                               int64_t now_us, int64_t *next_us)
{
  const json_t *known = json_at(object_json(budget), "status", "disruptedPods", NULL);
  json_t *result = json_object();
  for (unsigned i = 0; i < pods->len; i++) {
    const Object *pod = g_ptr_array_index(pods, i);
    json_t *since = json_object_get(known, object_name(pod));
    int64_t until_us;
    if (!since || pod_is_deleting(object_json(pod)) || !timestamp_parse(json_string_value(since), &until_us))
      continue;
    until_us += controller->timeout_us;
    if (until_us < now_us) {
      recorder_event(controller->recorder, object_json(pod), NULL, "Warning", "NotDeleted",
                     "Pod was expected by PDB %s/%s to be deleted but it wasn't", object_namespace(budget),
                     object_name(budget));
      continue;
    }
    *next_us = *next_us ? MIN(*next_us, until_us) : until_us;
    json_object_set(result, object_name(pod), since);
  }
  return result;
}

/* Only over what was looked at: an eviction meanwhile must not be undone. */
static bool write_status(const DisruptionController *controller, const Object *budget, const json_t *status,
                         GError **error)
{
  if (json_same(json_object_get(object_json(budget), "status"), status))
    return true;
  g_autoptr(json_t) value = json_copy(object_json(budget));
  json_object_set_new(value, "status", json_deep_copy(status));
  g_autoptr(Object) stored =
      client_update(controller->client, "policy/v1", "poddisruptionbudgets", "status", value, error);
  return stored && (informer_wait_revision(controller->budgets, object_revision(stored)), true);
}

static json_t *copy_status(const Object *budget)
{
  const json_t *status = json_object_get(object_json(budget), "status");
  return status ? json_deep_copy(status) : json_object();
}

static json_t *make_status(const Object *budget, const DisruptionScale *scale, int64_t healthy, json_t *disrupted)
{
  json_t *status = copy_status(budget);
  int64_t generation = json_int(json_object_get(object_json(budget), "metadata"), "generation", 0);
  /* without pods nothing may go: the first ones may be there before this has seen them */
  int64_t allowed = scale->expected > 0 ? MAX(0, healthy - scale->desired) : 0;
  json_object_set_new(status, "currentHealthy", json_integer(healthy));
  json_object_set_new(status, "desiredHealthy", json_integer(scale->desired));
  json_object_set_new(status, "expectedPods", json_integer(scale->expected));
  json_object_set_new(status, "disruptionsAllowed", json_integer(allowed));
  if (json_object_size(disrupted))
    json_object_set(status, "disruptedPods", disrupted);
  else
    json_object_del(status, "disruptedPods");
  if (generation)
    json_object_set_new(status, "observedGeneration", json_integer(generation));
  disruption_budget_set_condition(status);
  return status;
}

static bool count_budget(const DisruptionController *controller, const Object *budget, GPtrArray *pods,
                         DisruptionScale *scale, GError **error)
{
  const json_t *about = object_json(budget);
  g_autoptr(GError) problem = NULL;
  if (pods->len == 0)
    recorder_event(controller->recorder, about, NULL, "Normal", "NoPods", "No matching pods found");
  if (!disruption_scale_count(controller->client, about, pods, scale, &problem)) {
    recorder_event(controller->recorder, about, NULL, "Warning", "CalculateExpectedPodCountFailed",
                   "Failed to calculate the number of expected pods: %s", problem->message);
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  if (!scale->unmanaged)
    return true;
  g_autofree char *selector = disruption_selector_text(json_at(about, "spec", "selector", NULL));
  recorder_event(controller->recorder, about, NULL, "Warning", "UnmanagedPods",
                 "Pods selected by this PodDisruptionBudget (selector: %s) were found to be unmanaged. As a result, "
                 "the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To "
                 "account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value.",
                 selector);
  return true;
}

/* What cannot be counted allows nothing. */
static bool fail_safe(const DisruptionController *controller, const Object *budget, const GError *why, GError **error)
{
  g_autoptr(json_t) status = copy_status(budget);
  json_object_set_new(status, "disruptionsAllowed", json_integer(0));
  disruption_budget_set_failed(status, why->message);
  return write_status(controller, budget, status, error);
}

static bool sync_budget(void *data, const char *key, Object *budget, GError **error)
{
  const DisruptionController *controller = data;
  int64_t now_us = timestamp_now_us(), next_us = 0;
  DisruptionScale scale;
  g_autoptr(GError) problem = NULL;
  g_autoptr(GPtrArray) pods = pods_of(controller, budget, &problem);
  if (!pods || !count_budget(controller, budget, pods, &scale, &problem))
    return fail_safe(controller, budget, problem, error);
  g_autoptr(json_t) disrupted = build_disrupted(controller, budget, pods, now_us, &next_us);
  int64_t healthy = disruption_count_healthy(pods, disrupted, controller->timeout_us, now_us);
  g_autoptr(json_t) status = make_status(budget, &scale, healthy, disrupted);
  if (!write_status(controller, budget, status, error))
    return reason_is(*error, REASON_NOT_FOUND);
  if (next_us)
    work_queue_add_after(controller->queue.work, key, next_us - now_us + G_USEC_PER_SEC / 100);
  return true;
}

/* --- announced disruptions that do not come ----------------------------------------------------------------------
 */

/* Microseconds from now until POD's announcement is void (0: it is); -1: it has none. The kubelet's own may take as
 * long as they like, and who has ended keeps what ended it. */
static int64_t stale_after(const DisruptionController *controller, const json_t *pod)
{
  const json_t *condition = condition_get(json_object_get(pod, "status"), "DisruptionTarget");
  int64_t since_us;
  if (pod_is_deleting(pod) || pod_is_finished(pod) || strcmp(json_str(condition, "status", ""), "True") != 0 ||
      strcmp(json_str(condition, "reason", ""), "TerminationByKubelet") == 0 ||
      !timestamp_parse(json_str(condition, "lastTransitionTime", NULL), &since_us))
    return -1;
  return MAX(0, since_us + controller->timeout_us - timestamp_now_us());
}

static bool reconcile_stale(const char *key, void *data)
{
  DisruptionController *controller = data;
  g_autofree char *namespace_ = NULL, *name = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) pod = informer_get(controller->pods, namespace_, name);
  int64_t wait_us = pod ? stale_after(controller, object_json(pod)) : -1;
  if (wait_us > 0)
    work_queue_add_after(controller->stale, key, wait_us);
  if (wait_us != 0)
    return true;
  g_autoptr(json_t) status = json_deep_copy(json_object_get(object_json(pod), "status"));
  condition_set(status, "DisruptionTarget", "False", NULL, NULL);
  g_autoptr(GError) error = NULL;
  if (status_write(controller->client, "v1", "pods", pod, status, NULL, &error))
    return true;
  g_info("Pod %s: %s", key, error->message);
  return false;
}

/* --- what is watched ---------------------------------------------------------------------------------------------
 */

/* True when a budget may count POD otherwise than before. */
static bool is_changed(const json_t *before, const json_t *after)
{
  return !before || !after || pod_is_ready(before) != pod_is_ready(after) ||
         pod_is_deleting(before) != pod_is_deleting(after) ||
         !json_same(json_at(before, "metadata", "labels", NULL), json_at(after, "metadata", "labels", NULL)) ||
         !json_same(json_at(before, "metadata", "ownerReferences", NULL),
                    json_at(after, "metadata", "ownerReferences", NULL));
}

static void queue_budgets(const DisruptionController *controller, const Object *pod)
{
  const Object *first = NULL;
  bool several = false;
  g_autoptr(GPtrArray) budgets = informer_by_index(controller->budgets, INDEX_NAMESPACE, object_namespace(pod));
  for (unsigned i = 0; i < budgets->len; i++) {
    const Object *budget = g_ptr_array_index(budgets, i);
    g_autoptr(LabelSelector) selector =
        label_selector_from_json(json_at(object_json(budget), "spec", "selector", NULL), NULL);
    if (!selector || !label_selector_matches(selector, json_at(object_json(pod), "metadata", "labels", NULL)))
      continue;
    several |= first != NULL;
    first = first ? first : budget;
    object_queue_add(&controller->queue, budget);
  }
  if (several)
    recorder_event(controller->recorder, object_json(pod), NULL, "Warning", "MultiplePodDisruptionBudgets",
                   "Pod \"%s\"/\"%s\" matches multiple PodDisruptionBudgets.  Chose \"%s\" arbitrarily.",
                   object_namespace(pod), object_name(pod), object_name(first));
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  DisruptionController *controller = data;
  const json_t *before = old ? object_json(old) : NULL, *after = new_object ? object_json(new_object) : NULL;
  int64_t wait_us = after ? stale_after(controller, after) : -1;
  if (wait_us >= 0) {
    g_autofree char *key = informer_key(new_object);
    work_queue_add_after(controller->stale, key, wait_us);
  }
  if (!is_changed(before, after))
    return;
  if (old && new_object &&
      !json_same(json_at(before, "metadata", "labels", NULL), json_at(after, "metadata", "labels", NULL)))
    queue_budgets(controller, old);
  queue_budgets(controller, new_object ? new_object : old);
}

DisruptionController *disruption_controller_new(const ControllerContext *context)
{
  DisruptionController *controller = g_new0(DisruptionController, 1);
  controller->client = client_new(context->registry, "disruption-controller");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->timeout_us = context->config->times.disruption_us ? context->config->times.disruption_us : TIMEOUT_US;
  controller->budgets = informer_set_get(context->informers, "policy/v1", "poddisruptionbudgets");
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->stale = work_queue_new("disruption-targets", 1, reconcile_stale, controller);
  controller->queue = (ObjectQueue){
    .kind = "PodDisruptionBudget", .objects = controller->budgets, .sync = sync_budget, .controller = controller
  };
  object_queue_open(&controller->queue, N_WORKERS);
  informer_add_index(controller->budgets, INDEX_NAMESPACE, informer_index_by_namespace);
  informer_add_index(controller->pods, INDEX_NAMESPACE, informer_index_by_namespace);
  informer_add_handler(controller->pods, on_pod, controller);
  work_queue_start(controller->queue.work);
  work_queue_start(controller->stale);
  return controller;
}

void disruption_controller_free(DisruptionController *controller)
{
  work_queue_free(controller->queue.work);
  work_queue_free(controller->stale);
  recorder_free(controller->recorder);
  client_free(controller->client);
  g_free(controller);
}
