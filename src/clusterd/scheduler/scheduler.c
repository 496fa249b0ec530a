#include "clusterd/scheduler/scheduler.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/recorder.h"
#include "clusterd/scheduler/filters.h"
#include "clusterd/scheduler/pod_queue.h"
#include "clusterd/scheduler/preemption.h"
#include "clusterd/scheduler/scores.h"

#define NAME "default-scheduler"
#define BINDERS_MAX 8 /* bindings written at the same time, so that they share one commit */

struct Scheduler {
  Client *client;
  Recorder *recorder;
  Informer *pods, *nodes, *namespaces;
  GThread *thread;
  GThreadPool *binders; /* Binding* */

  GMutex lock; /* guards everything below */
  GCond changed;
  bool stopping;
  ClusterState *state;
  PodQueue *queue;
};

typedef struct Binding {
  Object *pod;
  char *node;
} Binding;

static void binding_free(Binding *binding)
{
  object_unref(binding->pod);
  g_free(binding->node);
  g_free(binding);
}

static bool is_ours(const json_t *pod)
{
  return strcmp(json_str(json_object_get(pod, "spec"), "schedulerName", NAME), NAME) == 0;
}

static bool is_gated(const json_t *pod)
{
  return json_array_size(json_at(pod, "spec", "schedulingGates", NULL)) > 0;
}

/* --- what informers tell (their thread) ------------------------------------------------------------------------- */

static void wake(Scheduler *scheduler)
{
  pod_queue_wake(scheduler->queue, g_get_monotonic_time());
  g_cond_signal(&scheduler->changed);
}

/* A pod on a node: its room counts until it has finished. */
static void note_placed(Scheduler *scheduler, Object *old, Object *pod)
{
  const char *uid = object_uid(pod);
  pod_queue_remove(scheduler->queue, uid);
  if (pod_is_finished(object_json(pod))) {
    cluster_state_remove_pod(scheduler->state, uid);
    wake(scheduler);
    return;
  }
  bool is_news = !old || strcmp(pod_node(object_json(old)), "") == 0 ||
                 !json_same(json_at(object_json(old), "metadata", "labels", NULL),
                            json_at(object_json(pod), "metadata", "labels", NULL));
  cluster_state_set_pod(scheduler->state, pod, pod_node(object_json(pod)));
  /* Somebody may wait for the company of such a pod. */
  if (is_news)
    wake(scheduler);
}

static void note_pending(Scheduler *scheduler, Object *old, Object *pod)
{
  const json_t *value = object_json(pod);
  if (!is_ours(value) || pod_is_finished(value) || pod_is_deleting(value) || is_gated(value)) {
    pod_queue_remove(scheduler->queue, object_uid(pod));
    return;
  }
  /* A change of what the pod asks for may make it fit; our own words in its status do not. */
  bool retry = old && (!json_same(json_object_get(object_json(old), "spec"), json_object_get(value, "spec")) ||
                       !json_same(json_at(object_json(old), "metadata", "labels", NULL),
                                  json_at(value, "metadata", "labels", NULL)));
  pod_queue_put(scheduler->queue, pod, retry);
  g_cond_signal(&scheduler->changed);
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  Scheduler *scheduler = data;
  g_mutex_lock(&scheduler->lock);
  /* A pod of the same name that was replaced between two events. */
  if (old && (!new_object || strcmp(object_uid(old), object_uid(new_object)) != 0)) {
    pod_queue_remove(scheduler->queue, object_uid(old));
    cluster_state_remove_pod(scheduler->state, object_uid(old));
    wake(scheduler);
    old = NULL;
  }
  if (new_object && *pod_node(object_json(new_object)))
    note_placed(scheduler, old, new_object);
  else if (new_object)
    note_pending(scheduler, old, new_object);
  g_mutex_unlock(&scheduler->lock);
}

static bool is_same_node(const json_t *a, const json_t *b)
{
  return json_same(json_object_get(a, "spec"), json_object_get(b, "spec")) &&
         json_same(json_at(a, "metadata", "labels", NULL), json_at(b, "metadata", "labels", NULL)) &&
         json_same(json_at(a, "status", "allocatable", NULL), json_at(b, "status", "allocatable", NULL));
}

static void on_node(Object *old, Object *new_object, void *data)
{
  Scheduler *scheduler = data;
  g_mutex_lock(&scheduler->lock);
  if (!new_object) {
    cluster_state_remove_node(scheduler->state, object_name(old));
  } else {
    cluster_state_set_node(scheduler->state, new_object);
    if (!old || !is_same_node(object_json(old), object_json(new_object)))
      wake(scheduler);
  }
  g_mutex_unlock(&scheduler->lock);
}

/* --- binding (the binders' threads) ----------------------------------------------------------------------------- */

static Object *write_binding(Scheduler *scheduler, const Binding *binding, GError **error)
{
  g_autoptr(json_t) value =
      json_pack("{s:s, s:s, s:{s:s, s:s, s:s}, s:{s:s, s:s}}", "apiVersion", "v1", "kind", "Binding", "metadata",
                "name", object_name(binding->pod), "namespace", object_namespace(binding->pod), "uid",
                object_uid(binding->pod), "target", "kind", "Node", "name", binding->node);
  Caller caller = { .field_manager = NAME };
  Target target = { .kind = client_kind(scheduler->client, "v1", "pods"),
                    .namespace_ = object_namespace(binding->pod),
                    .name = object_name(binding->pod),
                    .subresource = "binding" };
  return registry_create(client_registry(scheduler->client), &caller, &target, value, error);
}

static void bind(void *item, void *data)
{
  Binding *binding = item;
  Scheduler *scheduler = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) stored = write_binding(scheduler, binding, &error);
  if (stored) {
    recorder_event(scheduler->recorder, object_json(binding->pod), NULL, "Normal", "Scheduled",
                   "Successfully assigned %s/%s to %s", object_namespace(binding->pod), object_name(binding->pod),
                   binding->node);
  } else {
    g_mutex_lock(&scheduler->lock);
    cluster_state_remove_pod(scheduler->state, object_uid(binding->pod));
    if (reason_is(error, REASON_NOT_FOUND))
      pod_queue_remove(scheduler->queue, object_uid(binding->pod));
    pod_queue_refused(scheduler->queue, object_uid(binding->pod), g_get_monotonic_time());
    wake(scheduler);
    g_mutex_unlock(&scheduler->lock);
    g_info("Cannot bind pod %s/%s: %s", object_namespace(binding->pod), object_name(binding->pod), error->message);
  }
  binding_free(binding);
}

/* --- placing (the scheduler's thread) --------------------------------------------------------------------------- */

static int by_text(const void *left, const void *right)
{
  return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Why the pod fits nowhere, as upstream words it: "0/2 nodes are available: 1 Insufficient cpu, 1 Too many pods." */
static char *refusal_text(GHashTable *reasons, unsigned n_nodes)
{
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  GHashTableIter iter;
  void *reason, *count;
  g_hash_table_iter_init(&iter, reasons);
  while (g_hash_table_iter_next(&iter, &reason, &count))
    g_ptr_array_add(texts, g_strdup_printf("%d %s", GPOINTER_TO_INT(count), (const char *)reason));
  g_ptr_array_sort(texts, by_text);
  g_ptr_array_add(texts, NULL);
  g_autofree char *all = g_strjoinv(", ", (char **)texts->pdata);
  return g_strdup_printf("0/%u nodes are available: %s.", n_nodes, all);
}

static void count_reasons(GHashTable *reasons, GPtrArray *texts)
{
  for (unsigned i = 0; i < texts->len; i++) {
    const char *text = g_ptr_array_index(texts, i);
    int known = GPOINTER_TO_INT(g_hash_table_lookup(reasons, text));
    g_hash_table_insert(reasons, g_strdup(text), GINT_TO_POINTER(known + 1));
  }
}

/* The node for the pod of CYCLE, or NULL; then *MESSAGE says why, and *VICTIMS who has to go, if that helps. */
static NodeState *place(Scheduler *scheduler, const Cycle *cycle, char **message, Preemption *preemption)
{
  const GPtrArray *nodes = scheduler->state->present;
  if (nodes->len == 0) {
    *message = g_strdup("no nodes available to schedule pods");
    return NULL;
  }
  g_autoptr(GPtrArray) fitting = g_ptr_array_new(), hopeful = g_ptr_array_new();
  g_autoptr(GHashTable) reasons = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (unsigned i = 0; i < nodes->len; i++) {
    NodeState *node = g_ptr_array_index(nodes, i);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    Refusal refusal = { .reasons = texts };
    if (filters_pass(cycle, node, &refusal))
      g_ptr_array_add(fitting, node);
    else if (!refusal.final)
      g_ptr_array_add(hopeful, node);
    count_reasons(reasons, texts);
  }
  NodeState *best = fitting->len > 0 ? scores_best(cycle, fitting) : NULL;
  if (best)
    return best;
  g_autofree char *why = refusal_text(reasons, nodes->len);
  g_autofree char *preempting =
      preemption_choose(scheduler->state, cycle->pod, scheduler->namespaces, hopeful, preemption);
  *message = g_strconcat(why, " preemption: ", preempting, NULL);
  return NULL;
}

static bool is_same_text(const json_t *pod, const char *message)
{
  const json_t *condition = condition_get(json_object_get(pod, "status"), "PodScheduled");
  return strcmp(json_str(condition, "reason", ""), "Unschedulable") == 0 &&
         strcmp(json_str(condition, "message", ""), message) == 0;
}

/* Called without the lock. */
static void report_refusal(Scheduler *scheduler, const Object *pod, const char *message, const char *nominated)
{
  recorder_event(scheduler->recorder, object_json(pod), NULL, "Warning", "FailedScheduling", "%s", message);
  const char *known = json_str(json_object_get(object_json(pod), "status"), "nominatedNodeName", "");
  if (is_same_text(object_json(pod), message) && (!nominated || strcmp(known, nominated) == 0))
    return;
  const json_t *old = json_object_get(object_json(pod), "status");
  g_autoptr(json_t) status = old ? json_deep_copy(old) : json_object();
  condition_set(status, "PodScheduled", "False", "Unschedulable", message);
  if (nominated)
    json_object_set_new(status, "nominatedNodeName", json_string(nominated));
  g_autoptr(GError) error = NULL;
  if (!status_write(scheduler->client, "v1", "pods", pod, status, NULL, &error))
    g_info("Cannot mark pod %s/%s unschedulable: %s", object_namespace(pod), object_name(pod), error->message);
}

static void place_pod(Scheduler *scheduler, Object *pod)
{
  g_autoptr(PodInfo) info = pod_info_new(pod);
  g_autoptr(PodTerms) terms = pod_terms_new(scheduler->state, info, scheduler->namespaces);
  Cycle cycle = { .state = scheduler->state, .pod = info, .terms = terms };
  g_autofree char *message = NULL;
  g_auto(Preemption) preemption = { 0 };
  const NodeState *node = place(scheduler, &cycle, &message, &preemption);
  if (node) {
    Binding *binding = g_new(Binding, 1);
    *binding = (Binding){ .pod = object_ref(pod), .node = g_strdup(node->name) };
    cluster_state_set_pod(scheduler->state, pod, binding->node);
    g_thread_pool_push(scheduler->binders, binding, NULL);
    return;
  }
  pod_queue_refused(scheduler->queue, object_uid(pod), g_get_monotonic_time());
  g_mutex_unlock(&scheduler->lock);
  report_refusal(scheduler, pod, message, preemption.node);
  preemption_carry_out(&preemption, scheduler->client, scheduler->recorder, pod);
  g_mutex_lock(&scheduler->lock);
}

static void *run(void *data)
{
  Scheduler *scheduler = data;
  g_mutex_lock(&scheduler->lock);
  while (!scheduler->stopping) {
    int64_t next_us;
    g_autoptr(Object) pod = pod_queue_take(scheduler->queue, g_get_monotonic_time(), &next_us);
    if (pod)
      place_pod(scheduler, pod);
    else if (next_us)
      g_cond_wait_until(&scheduler->changed, &scheduler->lock, next_us);
    else
      g_cond_wait(&scheduler->changed, &scheduler->lock);
  }
  g_mutex_unlock(&scheduler->lock);
  return NULL;
}

Scheduler *scheduler_start(Registry *registry, InformerSet *informers)
{
  Scheduler *scheduler = g_new0(Scheduler, 1);
  scheduler->client = client_new(registry, NAME);
  scheduler->recorder = recorder_new(scheduler->client, NULL);
  scheduler->pods = informer_set_get(informers, "v1", "pods");
  scheduler->nodes = informer_set_get(informers, "v1", "nodes");
  scheduler->namespaces = informer_set_get(informers, "v1", "namespaces");
  g_mutex_init(&scheduler->lock);
  g_cond_init(&scheduler->changed);
  scheduler->state = cluster_state_new();
  scheduler->queue = pod_queue_new();
  scheduler->binders = g_thread_pool_new(bind, scheduler, BINDERS_MAX, FALSE, NULL);
  informer_add_handler(scheduler->nodes, on_node, scheduler);
  informer_add_handler(scheduler->pods, on_pod, scheduler);
  scheduler->thread = g_thread_new("scheduler", run, scheduler);
  return scheduler;
}

void scheduler_stop(Scheduler *scheduler)
{
  if (!scheduler)
    return;
  g_mutex_lock(&scheduler->lock);
  scheduler->stopping = true;
  g_cond_signal(&scheduler->changed);
  g_mutex_unlock(&scheduler->lock);
  g_thread_join(scheduler->thread);
  g_thread_pool_free(scheduler->binders, FALSE, TRUE);
  pod_queue_free(scheduler->queue);
  cluster_state_free(scheduler->state);
  g_cond_clear(&scheduler->changed);
  g_mutex_clear(&scheduler->lock);
  recorder_free(scheduler->recorder);
  client_free(scheduler->client);
  g_free(scheduler);
}
