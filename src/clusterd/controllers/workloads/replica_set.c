#include "clusterd/controllers/workloads/replica_set.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/pods/pod_rank.h"
#include "clusterd/controllers/pods/workload.h"

#define BURST_MAX 500 /* pods made or deleted in one go */
#define N_WORKERS 2

struct ReplicaSetController {
  Workload workload;
};

static GPtrArray *active_pods(const ReplicaSetController *controller, const Object *set, const LabelSelector *selector,
                              GError **error)
{
  GPtrArray *pods = workload_claim(&controller->workload, set, selector, error);
  for (unsigned i = pods ? pods->len : 0; i-- > 0;)
    if (!pod_is_active(object_json(g_ptr_array_index(pods, i))))
      g_ptr_array_remove_index_fast(pods, i);
  return pods;
}

/* The pods that can run of all sets of the deployment SET is one of; of SET alone when it belongs to nobody. */
static GPtrArray *related_pods(const ReplicaSetController *controller, const Object *set)
{
  const Workload *workload = &controller->workload;
  const json_t *owner = owner_of(object_json(set));
  g_autoptr(GPtrArray) sets =
      owner ? informer_by_index(workload->owners, OWNER_INDEX_UID, json_str(owner, "uid", "")) : NULL;
  GPtrArray *related = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  for (unsigned i = 0; i < (sets ? sets->len : 1); i++) {
    const Object *one = sets ? g_ptr_array_index(sets, i) : set;
    g_autoptr(GPtrArray) pods = informer_by_index(workload->pods, OWNER_INDEX_UID, object_uid(one));
    for (unsigned k = 0; k < pods->len; k++)
      if (pod_is_active(object_json(g_ptr_array_index(pods, k))))
        g_ptr_array_add(related, object_ref(g_ptr_array_index(pods, k)));
  }
  return related;
}

/* Makes or deletes pods until there are as many as asked for. *PODS is brought up to date. */
static bool manage(ReplicaSetController *controller, const Object *set, const LabelSelector *selector, GPtrArray **pods,
                   GError **error)
{
  const json_t *spec = json_object_get(object_json(set), "spec");
  int64_t missing = json_int(spec, "replicas", 1) - (int64_t)(*pods)->len;
  if (missing == 0)
    return true;
  bool ok;
  if (missing > 0) {
    g_autoptr(json_t) pod = pod_control_make(set, json_object_get(spec, "template"));
    ok = pod_control_create(&controller->workload.control, set, pod, (unsigned)MIN(missing, BURST_MAX), error);
  } else {
    g_autoptr(GPtrArray) related = related_pods(controller, set);
    g_autoptr(GPtrArray) victims =
        pod_rank_victims(*pods, related, (unsigned)MIN(-missing, BURST_MAX), timestamp_now_us());
    ok = pod_control_delete(&controller->workload.control, set, victims, error);
  }
  GPtrArray *now = active_pods(controller, set, selector, NULL);
  if (now) {
    g_ptr_array_free(*pods, TRUE);
    *pods = now;
  }
  return ok;
}

static void set_count(json_t *status, const char *key, int64_t count)
{
  if (count)
    json_object_set_new(status, key, json_integer(count));
  else
    json_object_del(status, key);
}

/* The status of SET with PODS. *WAIT_US gets when the next pod becomes available by age alone, or -1. */
static json_t *make_status(const Object *set, GPtrArray *pods, const GError *failure, int64_t *wait_us)
{
  const json_t *value = object_json(set);
  const json_t *spec = json_object_get(value, "spec");
  const json_t *template_labels = json_at(spec, "template", "metadata", "labels", NULL);
  g_autoptr(LabelSelector) by_template = label_selector_from_map(template_labels);
  int64_t labelled = 0, ready = 0, available = 0, now_us = timestamp_now_us();
  *wait_us = -1;
  for (unsigned i = 0; i < pods->len; i++) {
    const json_t *pod = object_json(g_ptr_array_index(pods, i));
    int64_t missing_us = -1;
    labelled += label_selector_matches(by_template, json_at(pod, "metadata", "labels", NULL));
    ready += pod_is_ready(pod);
    available += pod_is_available(pod, json_int(spec, "minReadySeconds", 0), now_us, &missing_us);
    if (missing_us >= 0 && (*wait_us < 0 || missing_us < *wait_us))
      *wait_us = missing_us;
  }
  const json_t *old = json_object_get(value, "status");
  json_t *status = old ? json_deep_copy(old) : json_object();
  json_object_set_new(status, "replicas", json_integer(pods->len));
  set_count(status, "fullyLabeledReplicas", labelled);
  set_count(status, "readyReplicas", ready);
  set_count(status, "availableReplicas", available);
  set_count(status, "observedGeneration", json_int(json_object_get(value, "metadata"), "generation", 0));
  if (!failure)
    condition_remove(status, "ReplicaFailure");
  else if (!condition_get(status, "ReplicaFailure"))
    condition_set(status, "ReplicaFailure", "True",
                  json_int(spec, "replicas", 1) > (int64_t)pods->len ? "FailedCreate" : "FailedDelete",
                  failure->message);
  return status;
}

static bool sync_set(void *data, const char *key, Object *set, GError **error)
{
  ReplicaSetController *controller = data;
  const WorkloadKind *kind = controller->workload.kind;
  const json_t *value = object_json(set);
  g_autoptr(LabelSelector) selector = pod_routes_selector(value, kind->plain_selector);
  if (!selector)
    return true;
  g_autoptr(GPtrArray) pods = active_pods(controller, set, selector, error);
  if (!pods)
    return false;
  g_autoptr(GError) failure = NULL;
  if (!json_at(value, "metadata", "deletionTimestamp", NULL))
    manage(controller, set, selector, &pods, &failure);
  int64_t wait_us, revision;
  g_autoptr(json_t) status = make_status(set, pods, failure, &wait_us);
  if (!json_same(status, json_object_get(value, "status"))) {
    if (!status_write(controller->workload.client, kind->api_version, kind->plural, set, status, &revision, error))
      return false;
    informer_wait_revision(controller->workload.owners, revision);
  }
  workload_requeue(&controller->workload, key, wait_us);
  if (!failure)
    return true;
  g_propagate_error(error, g_steal_pointer(&failure));
  return false;
}

static ReplicaSetController *controller_new(const ControllerContext *context, const WorkloadKind *kind)
{
  ReplicaSetController *controller = g_new0(ReplicaSetController, 1);
  workload_init(&controller->workload, context, kind, sync_set, NULL, controller);
  informer_add_index(controller->workload.owners, OWNER_INDEX_UID, informer_index_by_owner_uid);
  workload_start(&controller->workload);
  return controller;
}

ReplicaSetController *replica_set_controller_new(const ControllerContext *context)
{
  static const WorkloadKind kind = { .component = "replicaset-controller",
                                     .api_version = "apps/v1",
                                     .group = "apps",
                                     .plural = "replicasets",
                                     .kind = "ReplicaSet",
                                     .n_workers = N_WORKERS };
  return controller_new(context, &kind);
}

ReplicaSetController *replication_controller_new(const ControllerContext *context)
{
  static const WorkloadKind kind = { .component = "replication-controller",
                                     .api_version = "v1",
                                     .group = "",
                                     .plural = "replicationcontrollers",
                                     .kind = "ReplicationController",
                                     .plain_selector = true,
                                     .n_workers = N_WORKERS };
  return controller_new(context, &kind);
}

void replica_set_controller_free(ReplicaSetController *controller)
{
  workload_clear(&controller->workload);
  g_free(controller);
}
