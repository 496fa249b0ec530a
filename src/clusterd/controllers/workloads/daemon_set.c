#include "clusterd/controllers/workloads/daemon_set.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/pods/revision_history.h"
#include "clusterd/controllers/pods/workload.h"
#include "clusterd/controllers/workloads/daemon_backoff.h"
#include "clusterd/controllers/workloads/daemon_plan.h"

#define BURST_MAX 250 /* pods made or deleted in one go */

struct DaemonSetController {
  Workload workload;
  Informer *nodes, *revisions;
  DaemonBackoff *backoff; /* by "uid/node"; the one worker's alone */
};

/* One pass over one set. */
typedef struct Daemons {
  const DaemonSetController *controller;
  const Object *set;
  const LabelSelector *selector;
  const char *hash; /* the revision label of the present template */
} Daemons;

static const RevisionKind revision_kind = { .owner_api_version = "apps/v1",
                                            .owner_plural = "daemonsets",
                                            .hash_label = REVISION_LABEL };

static void on_node(Object *old, Object *new_object, void *data)
{
  DaemonSetController *controller = data;
  if (old && new_object &&
      json_same(json_object_get(object_json(old), "spec"), json_object_get(object_json(new_object), "spec")) &&
      json_same(json_at(object_json(old), "metadata", "labels", NULL),
                json_at(object_json(new_object), "metadata", "labels", NULL)))
    return;
  g_autoptr(GPtrArray) sets = informer_list(controller->workload.owners);
  for (unsigned i = 0; i < sets->len; i++)
    object_queue_add(&controller->workload.queue, g_ptr_array_index(sets, i));
}

static json_t *make_pod(const Daemons *daemons, const char *node)
{
  const json_t *value = object_json(daemons->set);
  const char *generation =
      json_str(json_at(value, "metadata", "annotations", NULL), "deprecated.daemonset.template.generation", NULL);
  json_t *pod = pod_control_make(daemons->set, json_at(value, "spec", "template", NULL));
  json_t *labels = json_ensure_object(pod, "metadata", "labels", NULL);
  json_object_set_new(labels, REVISION_LABEL, json_string(daemons->hash));
  if (generation)
    json_object_set_new(labels, "pod-template-generation", json_string(generation));
  daemon_set_bind_pod(pod, node);
  return pod;
}

/* How things are now. The plan's nodes are those of NODES. NULL with an error. */
static DaemonPlan *look(const Daemons *daemons, GPtrArray *nodes, GPtrArray **pods, GError **error)
{
  *pods = workload_claim(&daemons->controller->workload, daemons->set, daemons->selector, error);
  if (!*pods)
    return NULL;
  DaemonPlan *plan =
      daemon_plan_new(json_object_get(object_json(daemons->set), "spec"), daemons->hash, timestamp_now_us());
  g_autoptr(json_t) pod = pod_control_make(daemons->set, json_object_get(plan->spec, "template"));
  daemon_set_tolerate(pod);
  for (unsigned i = 0; i < nodes->len; i++) {
    const Object *node = g_ptr_array_index(nodes, i);
    bool starts, stays;
    daemon_plan_judge(pod, object_json(node), &starts, &stays);
    daemon_plan_add_node(plan, node, starts, stays);
  }
  daemon_plan_add_pods(plan, *pods);
  return plan;
}

/* Pods that ended are deleted, unless their like has just been; then *WAIT_US says how long they stay. */
static void doom_ended(const Daemons *daemons, DaemonPlan *plan, int64_t *wait_us)
{
  for (unsigned i = 0; i < plan->ended->len; i++) {
    Object *pod = g_ptr_array_index(plan->ended, i);
    const char *node = pod_node(object_json(pod));
    bool failed = strcmp(pod_phase(object_json(pod)), "Failed") == 0;
    g_autofree char *key = g_strconcat(object_uid(daemons->set), "/", node, NULL);
    int64_t missing_us = failed ? daemon_backoff_ask(daemons->controller->backoff, key, plan->now_us) : 0;
    if (missing_us > 0) {
      *wait_us = *wait_us < 0 ? missing_us : MIN(*wait_us, missing_us);
      continue;
    }
    recorder_event(daemons->controller->workload.recorder, object_json(daemons->set), NULL,
                   failed ? "Warning" : "Normal", failed ? "FailedDaemonPod" : "SucceededDaemonPod",
                   "Found %s daemon pod %s/%s on node %s, will try to %s it", failed ? "failed" : "succeeded",
                   object_namespace(pod), object_name(pod), node, failed ? "kill" : "delete");
    g_ptr_array_add(plan->doomed, pod);
  }
}

/* *CHANGED tells whether there was anything to do. */
static bool carry_out(const Daemons *daemons, DaemonPlan *plan, bool *changed, GError **error)
{
  const PodControl *control = &daemons->controller->workload.control;
  *changed = plan->needing->len > 0 || plan->doomed->len > 0;
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
  for (unsigned i = 0; i < MIN(plan->needing->len, BURST_MAX); i++)
    g_ptr_array_add(pods, make_pod(daemons, object_name(g_ptr_array_index(plan->needing, i))));
  if (plan->doomed->len > BURST_MAX)
    g_ptr_array_set_size(plan->doomed, BURST_MAX);
  GError *problem = NULL;
  bool made = pod_control_create_all(control, daemons->set, pods, &problem);
  bool ended = pod_control_delete(control, daemons->set, plan->doomed, made ? &problem : NULL);
  if (problem)
    g_propagate_error(error, problem);
  return made && ended;
}

static bool write_status(const Daemons *daemons, DaemonPlan *plan, int64_t collisions, GError **error)
{
  const Workload *workload = &daemons->controller->workload;
  const json_t *value = object_json(daemons->set), *old = json_object_get(value, "status");
  g_autoptr(json_t) status = old ? json_deep_copy(old) : json_object();
  daemon_plan_count(plan, status);
  json_object_set_new(status, "observedGeneration",
                      json_integer(json_int(json_object_get(value, "metadata"), "generation", 0)));
  if (collisions)
    json_object_set_new(status, "collisionCount", json_integer(collisions));
  int64_t revision;
  if (json_same(status, old))
    return true;
  if (!status_write(workload->client, "apps/v1", "daemonsets", daemons->set, status, &revision, error))
    return false;
  informer_wait_revision(workload->owners, revision);
  return true;
}

static void trim(const RevisionHistory *history, const Daemons *daemons, GPtrArray *pods)
{
  g_autoptr(GHashTable) in_use = g_hash_table_new(g_str_hash, g_str_equal);
  for (unsigned i = 0; i < pods->len; i++) {
    const json_t *labels = json_at(object_json(g_ptr_array_index(pods, i)), "metadata", "labels", NULL);
    g_hash_table_add(in_use, (char *)(uintptr_t)json_str(labels, REVISION_LABEL, ""));
  }
  g_hash_table_add(in_use, (char *)(uintptr_t)daemons->hash);
  revision_history_trim(history, daemons->set, in_use);
}

/* What is missing or too much comes first; an update goes on only where nothing is. *WAIT_US: see doom_ended. */
static bool advance(const Daemons *daemons, GPtrArray *nodes, int64_t *wait_us, GError **error)
{
  g_autoptr(GPtrArray) pods = NULL;
  g_autoptr(DaemonPlan) plan = look(daemons, nodes, &pods, error);
  if (!plan)
    return false;
  daemon_plan_manage(plan);
  doom_ended(daemons, plan, wait_us);
  bool changed;
  if (!carry_out(daemons, plan, &changed, error))
    return false;
  if (changed)
    return true;
  daemon_plan_update(plan);
  return carry_out(daemons, plan, &changed, error);
}

static bool finish(const Daemons *daemons, const RevisionHistory *history, GPtrArray *nodes, int64_t collisions,
                   int64_t *wait_us, GError **error)
{
  g_autoptr(GPtrArray) pods = NULL;
  g_autoptr(DaemonPlan) plan = look(daemons, nodes, &pods, error);
  if (!plan || !write_status(daemons, plan, collisions, error))
    return false;
  if (plan->wait_us >= 0)
    *wait_us = *wait_us < 0 ? plan->wait_us : MIN(*wait_us, plan->wait_us);
  trim(history, daemons, pods);
  return true;
}

static bool sync_set(void *data, const char *key, Object *set, GError **error)
{
  DaemonSetController *controller = data;
  g_autoptr(LabelSelector) selector = pod_routes_selector(object_json(set), false);
  if (!selector || label_selector_is_everything(selector) || pod_is_deleting(object_json(set)))
    return true;
  RevisionHistory history = { .kind = &revision_kind,
                              .client = controller->workload.client,
                              .revisions = controller->revisions };
  int64_t collisions = json_int(json_object_get(object_json(set), "status"), "collisionCount", 0), wait_us = -1;
  g_autoptr(Object) revision = revision_history_sync(&history, set, &collisions, error);
  if (!revision)
    return false;
  Daemons daemons = {
    .controller = controller, .set = set, .selector = selector, .hash = revision_history_label(&history, revision, set)
  };
  g_autoptr(GPtrArray) nodes = informer_list(controller->nodes);
  GError *failure = NULL;
  bool done = advance(&daemons, nodes, &wait_us, &failure);
  if (!done)
    g_propagate_error(error, failure);
  done = finish(&daemons, &history, nodes, collisions, &wait_us, done ? error : NULL) && done;
  workload_requeue(&controller->workload, key, wait_us);
  return done;
}

DaemonSetController *daemon_set_controller_new(const ControllerContext *context)
{
  static const WorkloadKind kind = { .component = "daemonset-controller",
                                     .api_version = "apps/v1",
                                     .group = "apps",
                                     .plural = "daemonsets",
                                     .kind = "DaemonSet",
                                     .n_workers = 1 };
  DaemonSetController *controller = g_new0(DaemonSetController, 1);
  workload_init(&controller->workload, context, &kind, sync_set, NULL, controller);
  controller->backoff = daemon_backoff_new();
  controller->nodes = informer_set_get(context->informers, "v1", "nodes");
  controller->revisions = informer_set_get(context->informers, "apps/v1", "controllerrevisions");
  owner_add_indexes(controller->revisions);
  informer_add_handler(controller->nodes, on_node, controller);
  workload_start(&controller->workload);
  return controller;
}

void daemon_set_controller_free(DaemonSetController *controller)
{
  workload_clear(&controller->workload);
  daemon_backoff_free(controller->backoff);
  g_free(controller);
}
