#include "clusterd/controllers/workloads/daemon_set.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/node_match.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/pods/revision_history.h"
#include "clusterd/controllers/pods/workload.h"
#include "clusterd/controllers/workloads/deployment_math.h"

#define FAILED_DELAY_US ((int64_t)G_USEC_PER_SEC) /* between the deletion of a failed pod and its successor */

struct DaemonSetController {
  Workload workload;
  Informer *nodes, *revisions;
};

/* One pass over one set. */
typedef struct Daemons {
  const Object *set;
  const char *hash;  /* of the present template */
  GPtrArray *pods;   /* Object* */
  GPtrArray *doomed; /* Object*: to be deleted */
  int64_t desired, current, misplaced, ready, available, updated, wait_us;
  bool retry; /* a failed pod was deleted: its successor comes a little later */
} Daemons;

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

/* The node a pod is on or meant for. */
static const char *node_of(const json_t *pod)
{
  if (*pod_node(pod))
    return pod_node(pod);
  const json_t *terms = json_at(pod, "spec", "affinity", "nodeAffinity",
                                "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", NULL);
  const json_t *field = json_array_get(json_object_get(json_array_get(terms, 0), "matchFields"), 0);
  const char *name = json_string_value(json_array_get(json_object_get(field, "values"), 0));
  return name ? name : "";
}

static json_t *make_pod(const Daemons *daemons, const Object *node)
{
  json_t *pod = pod_control_make(daemons->set, json_at(object_json(daemons->set), "spec", "template", NULL));
  json_object_set_new(json_ensure_object(pod, "metadata", "labels", NULL), REVISION_LABEL, json_string(daemons->hash));
  daemon_set_bind_pod(pod, object_name(node));
  return pod;
}

static bool is_updated(const Daemons *daemons, const json_t *pod)
{
  return strcmp(json_str(json_at(pod, "metadata", "labels", NULL), REVISION_LABEL, ""), daemons->hash) == 0;
}

static void doom(Daemons *daemons, Object *pod)
{
  if (!pod_is_deleting(object_json(pod)))
    g_ptr_array_add(daemons->doomed, object_ref(pod));
}

static void count_pod(Daemons *daemons, const json_t *pod)
{
  int64_t wait_us = -1, min_ready = json_int(json_object_get(object_json(daemons->set), "spec"), "minReadySeconds", 0);
  daemons->current++;
  daemons->ready += pod_is_ready(pod);
  daemons->available += pod_is_available(pod, min_ready, timestamp_now_us(), &wait_us);
  daemons->updated += is_updated(daemons, pod);
  if (wait_us >= 0 && (daemons->wait_us < 0 || wait_us < daemons->wait_us))
    daemons->wait_us = wait_us;
}

/* The pods of one node: one stays, failed and surplus ones go. True when none is left, not even one that is ending. */
static bool sort_out(DaemonSetController *controller, Daemons *daemons, const Object *node, bool stays)
{
  Object *kept = NULL;
  bool any = false;
  for (unsigned i = 0; i < daemons->pods->len; i++) {
    Object *pod = g_ptr_array_index(daemons->pods, i);
    const json_t *value = object_json(pod);
    if (strcmp(node_of(value), object_name(node)) != 0)
      continue;
    any = true;
    if (pod_is_deleting(value))
      continue;
    if (pod_is_finished(value)) {
      recorder_event(controller->workload.recorder, object_json(daemons->set), NULL, "Warning", "FailedDaemonPod",
                     "Found failed daemon pod %s/%s on node %s, will try to kill it", object_namespace(pod),
                     object_name(pod), object_name(node));
      daemons->retry = true;
      doom(daemons, pod);
    } else if (!stays || kept) {
      doom(daemons, pod);
    } else {
      kept = pod;
    }
  }
  if (kept)
    count_pod(daemons, object_json(kept));
  return !any;
}

static bool visit_node(DaemonSetController *controller, Daemons *daemons, const Object *node, GError **error)
{
  static const char *const barring[] = { "NoSchedule", "NoExecute", NULL }, *const evicting[] = { "NoExecute", NULL };
  g_autoptr(json_t) pod = make_pod(daemons, node);
  bool fits = node_match_required(pod, object_json(node));
  bool starts = fits && !node_match_untolerated(pod, object_json(node), barring);
  bool stays = fits && !node_match_untolerated(pod, object_json(node), evicting);
  int64_t before = daemons->current;
  bool none = sort_out(controller, daemons, node, stays);
  daemons->desired += starts;
  if (!starts && daemons->current > before)
    daemons->misplaced++;
  if (!starts || !none || daemons->retry)
    return true;
  g_autoptr(Object) created = pod_control_create_one(&controller->workload.control, daemons->set, pod, error);
  if (created)
    count_pod(daemons, object_json(created));
  return created != NULL;
}

/* RollingUpdate: old pods that serve go while no more than maxUnavailable are missing; those that do not serve go at
 * once. */
static void choose_updates(Daemons *daemons)
{
  const json_t *strategy = json_at(object_json(daemons->set), "spec", "updateStrategy", NULL);
  if (strcmp(json_str(strategy, "type", "RollingUpdate"), "RollingUpdate") != 0)
    return;
  const json_t *limit = json_at(strategy, "rollingUpdate", "maxUnavailable", NULL);
  int64_t allowed = MAX(int_or_percent(limit, daemons->desired, true, 1), 1);
  allowed -= daemons->desired - daemons->available;
  for (unsigned i = 0; i < daemons->pods->len; i++) {
    Object *pod = g_ptr_array_index(daemons->pods, i);
    const json_t *value = object_json(pod);
    if (is_updated(daemons, value) || !pod_is_active(value))
      continue;
    if (!pod_is_ready(value))
      doom(daemons, pod);
    else if (allowed-- > 0)
      doom(daemons, pod);
  }
}

static bool write_status(DaemonSetController *controller, const Daemons *daemons, GError **error)
{
  const json_t *value = object_json(daemons->set), *old = json_object_get(value, "status");
  g_autoptr(json_t) status = old ? json_deep_copy(old) : json_object();
  json_object_set_new(status, "currentNumberScheduled", json_integer(daemons->current - daemons->misplaced));
  json_object_set_new(status, "numberMisscheduled", json_integer(daemons->misplaced));
  json_object_set_new(status, "desiredNumberScheduled", json_integer(daemons->desired));
  json_object_set_new(status, "numberReady", json_integer(daemons->ready));
  const struct {
    const char *key;
    int64_t count;
  } optional[] = { { "observedGeneration", json_int(json_object_get(value, "metadata"), "generation", 0) },
                   { "updatedNumberScheduled", daemons->updated },
                   { "numberAvailable", daemons->available },
                   { "numberUnavailable", MAX(daemons->desired - daemons->available, 0) } };
  for (size_t i = 0; i < G_N_ELEMENTS(optional); i++) {
    json_object_del(status, optional[i].key);
    if (optional[i].count)
      json_object_set_new(status, optional[i].key, json_integer(optional[i].count));
  }
  return json_same(status, old) ||
         status_write(controller->workload.client, "apps/v1", "daemonsets", daemons->set, status, NULL, error);
}

static bool run_daemons(DaemonSetController *controller, Daemons *daemons, GError **error)
{
  if (!json_at(object_json(daemons->set), "metadata", "deletionTimestamp", NULL)) {
    g_autoptr(GPtrArray) nodes = informer_list(controller->nodes);
    for (unsigned i = 0; i < nodes->len; i++)
      if (!visit_node(controller, daemons, g_ptr_array_index(nodes, i), error))
        return false;
    choose_updates(daemons);
  }
  return pod_control_delete(&controller->workload.control, daemons->set, daemons->doomed, error) &&
         write_status(controller, daemons, error);
}

static bool sync_set(void *data, const char *key, Object *set, GError **error)
{
  DaemonSetController *controller = data;
  g_autoptr(LabelSelector) selector = pod_routes_selector(object_json(set), false);
  if (!selector || label_selector_is_everything(selector))
    return true;
  RevisionHistory history = { .client = controller->workload.client, .revisions = controller->revisions };
  g_autoptr(Object) revision = revision_history_sync(&history, set, error);
  g_autoptr(GPtrArray) pods = revision ? workload_claim(&controller->workload, set, selector, error) : NULL;
  if (!pods)
    return false;
  g_autoptr(GPtrArray) doomed = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  Daemons daemons = {
    .set = set, .hash = revision_history_hash(revision, set), .pods = pods, .doomed = doomed, .wait_us = -1
  };
  bool done = run_daemons(controller, &daemons, error);
  workload_requeue(&controller->workload, key, daemons.retry ? FAILED_DELAY_US : -1);
  workload_requeue(&controller->workload, key, daemons.wait_us);
  g_autoptr(GHashTable) in_use = g_hash_table_new(g_str_hash, g_str_equal);
  for (unsigned i = 0; i < pods->len; i++)
    g_hash_table_add(
        in_use, (char *)(uintptr_t)json_str(
                    json_at(object_json(g_ptr_array_index(pods, i)), "metadata", "labels", NULL), REVISION_LABEL, ""));
  g_hash_table_add(in_use, (char *)(uintptr_t)daemons.hash);
  revision_history_trim(&history, set, in_use);
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
  g_free(controller);
}
