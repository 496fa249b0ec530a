#include "clusterd/controllers/replica_set.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/client/recorder.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/controllers/owner.h"
#include "clusterd/controllers/pod_control.h"
#include "clusterd/controllers/pod_rank.h"
#include "clusterd/controllers/pod_routes.h"

#define BURST_MAX 500 /* pods made or deleted in one go */
#define N_WORKERS 2

/* The two kinds differ in names and in the form of their selector only. */
typedef struct ReplicaKind {
  const char *component, *api_version, *group, *plural, *kind;
  bool plain_selector;
} ReplicaKind;

struct ReplicaSetController {
  const ReplicaKind *kind;
  Client *client;
  Recorder *recorder;
  Informer *sets, *pods;
  WorkQueue *queue;
  PodRoutes routes;
  PodControl control;
};

static void on_set(Object *old, Object *new_object, void *data)
{
  ReplicaSetController *controller = data;
  g_autofree char *key = informer_key(new_object ? new_object : old);
  work_queue_add(controller->queue, key);
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  ReplicaSetController *controller = data;
  pod_routes_follow(&controller->routes, old, new_object);
}

static GPtrArray *active_pods(const ReplicaSetController *controller, const Object *set, const LabelSelector *selector,
                              GError **error)
{
  const ReplicaKind *kind = controller->kind;
  OwnerClaim claim = { .client = controller->client,
                       .owner_api_version = kind->api_version,
                       .owner_plural = kind->plural,
                       .api_version = "v1",
                       .plural = "pods",
                       .informer = controller->pods };
  GPtrArray *pods = owner_claim(&claim, set, selector, error);
  for (unsigned i = pods ? pods->len : 0; i-- > 0;)
    if (!pod_is_active(object_json(g_ptr_array_index(pods, i))))
      g_ptr_array_remove_index_fast(pods, i);
  return pods;
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
    ok = pod_control_create(&controller->control, set, pod, (unsigned)MIN(missing, BURST_MAX), error);
  } else {
    g_autoptr(GPtrArray) victims = pod_rank_victims(*pods, (unsigned)MIN(-missing, BURST_MAX));
    ok = pod_control_delete(&controller->control, set, victims, error);
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

static bool sync_set(ReplicaSetController *controller, const char *key, const Object *set, GError **error)
{
  const ReplicaKind *kind = controller->kind;
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
    if (!status_write(controller->client, kind->api_version, kind->plural, set, status, &revision, error))
      return false;
    informer_wait_revision(controller->sets, revision);
  }
  if (wait_us >= 0)
    work_queue_add_after(controller->queue, key, wait_us + G_USEC_PER_SEC / 1000);
  if (!failure)
    return true;
  g_propagate_error(error, g_steal_pointer(&failure));
  return false;
}

static bool reconcile(const char *key, void *data)
{
  ReplicaSetController *controller = data;
  g_autofree char *namespace_ = NULL, *name = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) set = informer_get(controller->sets, namespace_, name);
  g_autoptr(GError) error = NULL;
  if (!set || sync_set(controller, key, set, &error))
    return true;
  g_info("%s %s: %s", controller->kind->kind, key, error->message);
  return false;
}

static ReplicaSetController *controller_new(const ControllerContext *context, const ReplicaKind *kind)
{
  ReplicaSetController *controller = g_new0(ReplicaSetController, 1);
  controller->kind = kind;
  controller->client = client_new(context->registry, kind->component);
  controller->recorder = recorder_new(controller->client, NULL);
  controller->sets = informer_set_get(context->informers, kind->api_version, kind->plural);
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->queue = work_queue_new(kind->plural, N_WORKERS, reconcile, controller);
  controller->routes = (PodRoutes){ .group = kind->group,
                                    .kind = kind->kind,
                                    .owners = controller->sets,
                                    .queue = controller->queue,
                                    .plain_selector = kind->plain_selector };
  controller->control =
      (PodControl){ .client = controller->client, .recorder = controller->recorder, .pods = controller->pods };
  informer_add_index(controller->sets, POD_ROUTES_INDEX_NAMESPACE, informer_index_by_namespace);
  owner_add_indexes(controller->pods);
  informer_add_handler(controller->sets, on_set, controller);
  informer_add_handler(controller->pods, on_pod, controller);
  work_queue_start(controller->queue);
  return controller;
}

ReplicaSetController *replica_set_controller_new(const ControllerContext *context)
{
  static const ReplicaKind kind = { .component = "replicaset-controller",
                                    .api_version = "apps/v1",
                                    .group = "apps",
                                    .plural = "replicasets",
                                    .kind = "ReplicaSet" };
  return controller_new(context, &kind);
}

ReplicaSetController *replication_controller_new(const ControllerContext *context)
{
  static const ReplicaKind kind = { .component = "replication-controller",
                                    .api_version = "v1",
                                    .group = "",
                                    .plural = "replicationcontrollers",
                                    .kind = "ReplicationController",
                                    .plain_selector = true };
  return controller_new(context, &kind);
}

void replica_set_controller_free(ReplicaSetController *controller)
{
  work_queue_free(controller->queue);
  recorder_free(controller->recorder);
  client_free(controller->client);
  g_free(controller);
}
