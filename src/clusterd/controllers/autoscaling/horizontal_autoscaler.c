#include "clusterd/controllers/autoscaling/horizontal_autoscaler.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/recorder.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/controllers/autoscaling/horizontal_claims.h"
#include "clusterd/controllers/autoscaling/metric_proposal.h"
#include "clusterd/controllers/autoscaling/scale_rules.h"
#include "clusterd/controllers/pods/pod_routes.h"

#define N_WORKERS 2
#define SECOND ((int64_t)G_USEC_PER_SEC)

static const HorizontalConfig upstream = { .sync_us = 15 * SECOND,
                                           .stabilization_us = 300 * SECOND,
                                           .cpu_initialization_us = 300 * SECOND,
                                           .readiness_delay_us = 30 * SECOND,
                                           .tolerance = 0.1 };

struct HorizontalController {
  Registry *registry;
  Client *client;
  Recorder *recorder;
  Informer *autoscalers, *pods;
  WorkQueue *queue;
  HorizontalConfig config;
  ReplicaRules rules;
  MetricSource source;
  HorizontalClaims *claims;

  GMutex lock;
  GHashTable *histories; /* key → ScaleHistory*, which only who works on the key uses; the table is under the lock */
};

/* One look at one autoscaler. */
typedef struct Sync {
  HorizontalController *controller;
  const char *key;
  const Object *autoscaler;
  const json_t *spec;
  json_t *status;  /* what it becomes */
  json_t *metrics; /* currentMetrics; NULL: no measure was asked for */
  char *reason;    /* why there shall be another number of pods; NULL: there shall not */
  ScaleTarget target;
  ScaleHistory *history; /* borrowed */
  int64_t min, max, now_us;
} Sync;

/* --- telling ----------------------------------------------------------------------------------------------------- */

static void warn(const Sync *sync, const char *reason, const char *text)
{
  recorder_event(sync->controller->recorder, object_json((Object *)(uintptr_t)sync->autoscaler), NULL, "Warning",
                 reason, "%s", text);
}

static void set_condition(Sync *sync, const char *type, bool value, const char *reason, const char *format, ...)
    G_GNUC_PRINTF(5, 6);

static void set_condition(Sync *sync, const char *type, bool value, const char *reason, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  condition_set(sync->status, type, value ? "True" : "False", reason, message);
}

static void set_status(Sync *sync, int64_t desired, bool rescaled)
{
  json_t *status = sync->status;
  json_object_del(status, "currentReplicas");
  json_object_del(status, "currentMetrics");
  if (sync->target.wanted)
    json_object_set_new(status, "currentReplicas", json_integer(sync->target.wanted));
  json_object_set_new(status, "desiredReplicas", json_integer(desired));
  if (sync->metrics)
    json_object_set(status, "currentMetrics", sync->metrics);
  if (!rescaled)
    return;
  g_autofree char *now = timestamp_text(sync->now_us);
  json_object_set_new(status, "lastScaleTime", json_string(now));
}

static void write_status(Sync *sync)
{
  g_autoptr(GError) error = NULL;
  int64_t revision;
  if (json_same(sync->status, json_object_get(object_json((Object *)(uintptr_t)sync->autoscaler), "status")))
    return;
  if (status_write(sync->controller->client, "autoscaling/v2", "horizontalpodautoscalers", sync->autoscaler,
                   sync->status, &revision, &error))
    informer_wait_revision(sync->controller->autoscalers, revision);
  else
    warn(sync, "FailedUpdateStatus", error->message);
}

/* --- measures ---------------------------------------------------------------------------------------------------- */

/* The pods SELECTOR matches: Object*. */
static GPtrArray *find_pods(const Sync *sync, const LabelSelector *selector)
{
  GPtrArray *pods =
      informer_by_index(sync->controller->pods, POD_ROUTES_INDEX_NAMESPACE, object_namespace(sync->autoscaler));
  for (guint i = pods->len; i-- > 0;)
    if (!label_selector_matches(selector, object_labels(pods->pdata[i])))
      g_ptr_array_remove_index_fast(pods, i);
  return pods;
}

/* A problem of the selector: *WHY is the event and the error, and the condition unless MESSAGE is given. NULL. */
static GPtrArray *refuse_selector(Sync *sync, const char *event, const char *reason, const char *message,
                                  const char *why, GError **error)
{
  warn(sync, event, why);
  set_condition(sync, "ScalingActive", false, reason, "%s", message ? message : why);
  reason_set(error, REASON_INVALID, "%s", why);
  return NULL;
}

/* The target's pods, when it is this autoscaler alone that looks after them. */
static GPtrArray *claim_pods(Sync *sync, GError **error)
{
  g_autoptr(GError) problem = NULL;
  if (!*sync->target.pods)
    return refuse_selector(sync, "SelectorRequired", "InvalidSelector", "the HPA target's scale is missing a selector",
                           "selector is required", error);
  g_autoptr(LabelSelector) selector = label_selector_parse(sync->target.pods, &problem);
  if (!selector) {
    g_autofree char *why = g_strdup_printf(
        "couldn't convert selector into a corresponding internal selector object: %s", problem->message);
    return refuse_selector(sync, "InvalidSelector", "InvalidSelector", NULL, why, error);
  }
  g_autoptr(GPtrArray) pods = find_pods(sync, selector);
  g_autofree char *others =
      horizontal_claims_put(sync->controller->claims, sync->key, g_steal_pointer(&selector), pods);
  if (!others)
    return g_steal_pointer(&pods);
  g_autofree char *why =
      g_strdup_printf("pods by selector %s are controlled by multiple HPAs: [%s]", sync->target.pods, others);
  return refuse_selector(sync, "AmbiguousSelector", "AmbiguousSelector", NULL, why, error);
}

/* What all measures came to. */
typedef struct Wish {
  int64_t replicas;
  char *name;            /* of the measure that asks for the most */
  unsigned valid, wrong; /* measures */
  GError *error;         /* of the first wrong one … */
  char *failure, *why;   /* … and its condition */
} Wish;

static void wish_clear(Wish *wish)
{
  g_clear_pointer(&wish->name, g_free);
  g_clear_pointer(&wish->failure, g_free);
  g_clear_pointer(&wish->why, g_free);
  g_clear_error(&wish->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Wish, wish_clear)

static void wish_add(Sync *sync, const MetricContext *context, const json_t *metric, Wish *wish)
{
  g_auto(MetricProposal) proposal = { 0 };
  g_autoptr(GError) error = NULL;
  if (metric_propose(context, metric, &proposal, &error)) {
    json_array_append_new(sync->metrics, g_steal_pointer(&proposal.status));
    if (wish->valid++ > 0 && wish->replicas != 0 && proposal.replicas <= wish->replicas)
      return;
    wish->replicas = proposal.replicas;
    g_free(wish->name);
    wish->name = g_steal_pointer(&proposal.name);
    return;
  }
  json_array_append_new(sync->metrics, json_pack("{s:s}", "type", ""));
  warn(sync, proposal.failure, proposal.why);
  if (wish->wrong++ > 0)
    return;
  wish->failure = g_strdup(proposal.failure);
  wish->why = g_steal_pointer(&proposal.why);
  wish->error = g_steal_pointer(&error);
}

/* Asks all measures. False with an error when nothing can be done: none could be told, or fewer pods would follow from
 * only some of them. */
static bool ask_measures(Sync *sync, Wish *wish, GError **error)
{
  const json_t *metrics = json_object_get(sync->spec, "metrics");
  g_autoptr(GPtrArray) pods = claim_pods(sync, error);
  size_t i;
  json_t *metric;
  if (!pods)
    return false;
  MetricContext context = { .source = &sync->controller->source,
                            .rules = &sync->controller->rules,
                            .namespace_ = object_namespace(sync->autoscaler),
                            .target = &sync->target,
                            .pods = pods,
                            .now_us = sync->now_us };
  sync->metrics = json_array();
  json_array_foreach (metrics, i, metric)
    wish_add(sync, &context, metric, wish);
  if (wish->valid > 0 && (wish->wrong == 0 || wish->replicas >= sync->target.wanted)) {
    set_condition(sync, "ScalingActive", true, "ValidMetricFound",
                  "the HPA was able to successfully calculate a replica count from %s", wish->name);
    return true;
  }
  set_condition(sync, "ScalingActive", false, wish->failure ? wish->failure : "InvalidMetricSourceType",
                "the HPA was unable to compute the replica count: %s", wish->why ? wish->why : "no metrics");
  return reason_set(error, REASON_INTERNAL, "invalid metrics (%u invalid out of %zu), first error is: %s", wish->wrong,
                    json_array_size(metrics), wish->error ? wish->error->message : "no metrics");
}

/* --- scaling ----------------------------------------------------------------------------------------------------- */

/* Within what the spec allows and as fast as it allows. */
static int64_t normalize(Sync *sync, int64_t wish)
{
  ScaleQuestion question = { .behavior = json_object_get(sync->spec, "behavior"),
                             .window_us = sync->controller->config.stabilization_us,
                             .min = sync->min,
                             .max = sync->max,
                             .current = sync->target.wanted,
                             .wish = wish,
                             .now_us = sync->now_us };
  ScaleDecision decision;
  scale_decide(sync->history, &question, &decision);
  set_condition(sync, "AbleToScale", true, decision.able_reason, "%s", decision.able_message);
  set_condition(sync, "ScalingLimited", decision.limited, decision.limited_reason, "%s", decision.limited_message);
  return decision.replicas;
}

/* How many pods there shall be; the present number when nothing is to be done. False with an error when the measures do
 * not tell. */
static bool decide(Sync *sync, int64_t *replicas, GError **error)
{
  int64_t current = sync->target.wanted;
  *replicas = current;
  if (current == 0 && sync->min != 0) {
    set_condition(sync, "ScalingActive", false, "ScalingDisabled",
                  "scaling is disabled since the replica count of the target is zero");
  } else if (current > sync->max) {
    *replicas = sync->max;
    sync->reason = g_strdup("Current number of replicas above Spec.MaxReplicas");
  } else if (current < sync->min) {
    *replicas = sync->min;
    sync->reason = g_strdup("Current number of replicas below Spec.MinReplicas");
  } else {
    g_auto(Wish) wish = { 0 };
    if (!ask_measures(sync, &wish, error))
      return false;
    *replicas = normalize(sync, wish.replicas);
    if (wish.replicas > current)
      sync->reason = g_strdup_printf("%s above target", wish.name);
    else if (wish.replicas < current)
      sync->reason = g_strdup("All metrics below target");
  }
  return true;
}

static bool rescale(Sync *sync, int64_t replicas)
{
  const char *reason = sync->reason ? sync->reason : "";
  HorizontalController *controller = sync->controller;
  const json_t *value = object_json((Object *)(uintptr_t)sync->autoscaler);
  g_autoptr(GError) error = NULL;
  if (!scale_target_set(controller->registry, &sync->target, replicas, &error)) {
    recorder_event(controller->recorder, value, NULL, "Warning", "FailedRescale",
                   "New size: %" G_GINT64_FORMAT "; reason: %s; error: %s", replicas, reason, error->message);
    set_condition(sync, "AbleToScale", false, "FailedUpdateScale",
                  "the HPA controller was unable to update the target scale: %s", error->message);
    return false;
  }
  set_condition(sync, "AbleToScale", true, "SucceededRescale",
                "the HPA controller was able to update the target scale to %" G_GINT64_FORMAT, replicas);
  recorder_event(controller->recorder, value, NULL, "Normal", "SuccessfulRescale",
                 "New size: %" G_GINT64_FORMAT "; reason: %s", replicas, reason);
  scale_history_note(sync->history, json_object_get(sync->spec, "behavior"), sync->target.wanted, replicas,
                     sync->now_us);
  return true;
}

static bool find_target(Sync *sync)
{
  g_autoptr(GError) error = NULL;
  if (!scale_target_get(sync->controller->registry, object_namespace(sync->autoscaler),
                        json_object_get(sync->spec, "scaleTargetRef"), &sync->target, &error)) {
    warn(sync, "FailedGetScale", error->message);
    set_condition(sync, "AbleToScale", false, "FailedGetScale",
                  "the HPA controller was unable to get the target's current scale: %s", error->message);
    return false;
  }
  set_condition(sync, "AbleToScale", true, "SucceededGetScale",
                "the HPA controller was able to get the target's current scale");
  scale_history_begin(sync->history, sync->target.wanted, sync->now_us);
  return true;
}

static void follow(Sync *sync)
{
  g_autoptr(GError) error = NULL;
  int64_t current, before = json_int(sync->status, "desiredReplicas", 0), replicas;
  if (!find_target(sync)) {
    if (!json_object_get(sync->status, "desiredReplicas"))
      json_object_set_new(sync->status, "desiredReplicas", json_integer(0));
    write_status(sync);
    return;
  }
  current = sync->target.wanted;
  if (!decide(sync, &replicas, &error)) {
    set_status(sync, before, false);
    write_status(sync);
    warn(sync, "FailedComputeMetricsReplicas", error->message);
    return;
  }
  bool rescaled = replicas != current;
  if (rescaled && !rescale(sync, replicas))
    set_status(sync, before, false);
  else
    set_status(sync, replicas, rescaled);
  write_status(sync);
}

/* --- the queue --------------------------------------------------------------------------------------------------- */

static ScaleHistory *history_of(HorizontalController *controller, const char *key)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&controller->lock);
  ScaleHistory *history = g_hash_table_lookup(controller->histories, key);
  if (!history)
    g_hash_table_insert(controller->histories, g_strdup(key), history = scale_history_new());
  return history;
}

static void forget(HorizontalController *controller, const char *key)
{
  horizontal_claims_drop(controller->claims, key);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&controller->lock);
  g_hash_table_remove(controller->histories, key);
}

static bool reconcile(const char *key, void *data)
{
  HorizontalController *controller = data;
  g_autofree char *namespace_ = NULL, *name = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) autoscaler = informer_get(controller->autoscalers, namespace_, name);
  if (!autoscaler) {
    forget(controller, key);
    return true;
  }
  const json_t *value = object_json(autoscaler), *spec = json_object_get(value, "spec");
  const json_t *status = json_object_get(value, "status");
  g_autoptr(json_t) changed = status ? json_deep_copy(status) : json_object();
  Sync sync = { .controller = controller,
                .key = key,
                .autoscaler = autoscaler,
                .spec = spec,
                .status = changed,
                .history = history_of(controller, key),
                .min = json_int(spec, "minReplicas", 1),
                .max = json_int(spec, "maxReplicas", 1),
                .now_us = timestamp_now_us() };
  follow(&sync);
  scale_target_clear(&sync.target);
  g_free(sync.reason);
  json_decref(sync.metrics);
  work_queue_add_after(controller->queue, key, controller->config.sync_us);
  return true;
}

/* What is asked for is looked at as soon as it changes; what this controller itself writes is not. */
static void on_autoscaler(Object *old, Object *new_object, void *data)
{
  const HorizontalController *controller = data;
  g_autofree char *key = informer_key(new_object ? new_object : old);
  if (!old || !new_object || strcmp(object_uid(old), object_uid(new_object)) != 0 ||
      !json_same(json_object_get(object_json(old), "spec"), json_object_get(object_json(new_object), "spec")))
    work_queue_add(controller->queue, key);
}

static void history_free(void *history)
{
  scale_history_free(history);
}

HorizontalController *horizontal_controller_new(const ControllerContext *context)
{
  HorizontalController *controller = g_new0(HorizontalController, 1);
  const ControllersConfig *config = context->config;
  controller->registry = context->registry;
  controller->client = client_new(context->registry, "horizontal-pod-autoscaler");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->config = config->horizontal ? *config->horizontal : upstream;
  controller->rules = (ReplicaRules){ .tolerance = controller->config.tolerance,
                                      .cpu_initialization_us = controller->config.cpu_initialization_us,
                                      .readiness_delay_us = controller->config.readiness_delay_us };
  controller->source = (MetricSource){ config->get_metrics, config->issuer, registry_scheme(context->registry) };
  controller->claims = horizontal_claims_new();
  g_mutex_init(&controller->lock);
  controller->histories = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, history_free);
  controller->autoscalers = informer_set_get(context->informers, "autoscaling/v2", "horizontalpodautoscalers");
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  informer_add_index(controller->pods, POD_ROUTES_INDEX_NAMESPACE, informer_index_by_namespace);
  controller->queue = work_queue_new("horizontal-autoscaler", N_WORKERS, reconcile, controller);
  informer_add_handler(controller->autoscalers, on_autoscaler, controller);
  work_queue_start(controller->queue);
  return controller;
}

void horizontal_controller_free(HorizontalController *controller)
{
  work_queue_free(controller->queue);
  recorder_free(controller->recorder);
  g_hash_table_unref(controller->histories);
  g_mutex_clear(&controller->lock);
  horizontal_claims_free(controller->claims);
  client_free(controller->client);
  g_free(controller);
}
