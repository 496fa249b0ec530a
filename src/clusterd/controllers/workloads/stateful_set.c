#include "clusterd/controllers/workloads/stateful_set.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/pods/revision_history.h"
#include "clusterd/controllers/pods/workload.h"
#include "clusterd/controllers/workloads/stateful_pod.h"

#define N_WORKERS 2

struct StatefulSetController {
  Workload workload;
  Informer *revisions;
};

/* One pass over one set. */
typedef struct Ranks {
  StatefulSetController *controller;
  const Object *set;
  const json_t *spec;
  GPtrArray *pods; /* Object*, brought up to date as the pass goes */
  Object *updated; /* the revision of the present template */
  Object *current; /* the one pods were last all moved to */
  int64_t first, replicas, partition, wait_us;
  bool parallel;
} Ranks;

static Object **find_slot(const Ranks *ranks, int64_t ordinal)
{
  for (unsigned i = 0; i < ranks->pods->len; i++)
    if (stateful_pod_ordinal(ranks->set, object_name(ranks->pods->pdata[i])) == ordinal)
      return (Object **)&ranks->pods->pdata[i];
  return NULL;
}

static const char *hash_of(const Object *pod)
{
  return json_str(json_at(object_json(pod), "metadata", "labels", NULL), REVISION_LABEL, "");
}

static bool is_of(const Ranks *ranks, const Object *pod, const Object *revision)
{
  return strcmp(hash_of(pod), revision_history_hash(revision, ranks->set)) == 0;
}

/* Running, ready, and long enough so. */
static bool is_healthy(Ranks *ranks, const Object *pod)
{
  int64_t wait_us = -1;
  const json_t *value = object_json(pod);
  bool available = pod_is_available(value, json_int(ranks->spec, "minReadySeconds", 0), timestamp_now_us(), &wait_us);
  if (wait_us >= 0)
    ranks->wait_us = ranks->wait_us < 0 ? wait_us : MIN(ranks->wait_us, wait_us);
  return available && !pod_is_deleting(value);
}

static bool ensure_claims(const Ranks *ranks, int64_t ordinal, GError **error)
{
  const StatefulSetController *controller = ranks->controller;
  g_autoptr(json_t) claims = stateful_pod_claims(ranks->set, ordinal);
  size_t i;
  json_t *claim;
  json_array_foreach (claims, i, claim) {
    GError *problem = NULL;
    const char *name = json_str(json_object_get(claim, "metadata"), "name", "");
    g_autoptr(Object) stored = client_create(controller->workload.client, "v1", "persistentvolumeclaims",
                                             object_namespace(ranks->set), claim, &problem);
    if (stored)
      recorder_event(controller->workload.recorder, object_json(ranks->set), NULL, "Normal", "SuccessfulCreate",
                     "create Claim %s Pod %s-%" G_GINT64_FORMAT " in StatefulSet %s success", name,
                     object_name(ranks->set), ordinal, object_name(ranks->set));
    else if (reason_is(problem, REASON_ALREADY_EXISTS))
      g_clear_error(&problem);
    if (problem) {
      recorder_event(controller->workload.recorder, object_json(ranks->set), NULL, "Warning", "FailedCreate",
                     "create Claim %s for Pod %s-%" G_GINT64_FORMAT " in StatefulSet %s failed error: %s", name,
                     object_name(ranks->set), ordinal, object_name(ranks->set), problem->message);
      g_propagate_error(error, problem);
      return false;
    }
  }
  return true;
}

static bool create_pod(Ranks *ranks, int64_t ordinal, GError **error)
{
  const StatefulSetController *controller = ranks->controller;
  const Object *revision = ordinal < ranks->first + ranks->partition ? ranks->current : ranks->updated;
  g_autoptr(json_t) pod = stateful_pod_make(ranks->set, revision_history_template(revision), ordinal,
                                            revision_history_hash(revision, ranks->set));
  const char *name = json_str(json_object_get(pod, "metadata"), "name", "");
  if (!ensure_claims(ranks, ordinal, error))
    return false;
  GError *problem = NULL;
  Object *stored =
      client_create(controller->workload.client, "v1", "pods", object_namespace(ranks->set), pod, &problem);
  if (!stored) {
    recorder_event(controller->workload.recorder, object_json(ranks->set), NULL, "Warning", "FailedCreate",
                   "create Pod %s in StatefulSet %s failed error: %s", name, object_name(ranks->set), problem->message);
    g_propagate_error(error, problem);
    return false;
  }
  informer_wait_revision(controller->workload.pods, object_revision(stored));
  g_ptr_array_add(ranks->pods, stored);
  recorder_event(controller->workload.recorder, object_json(ranks->set), NULL, "Normal", "SuccessfulCreate",
                 "create Pod %s in StatefulSet %s successful", name, object_name(ranks->set));
  return true;
}

/* *SLOT then holds the pod as it is while it ends, or as it was last. */
static bool delete_pod(Ranks *ranks, Object **slot, GError **error)
{
  const StatefulSetController *controller = ranks->controller;
  g_autoptr(GError) problem = NULL;
  DeleteOptions options = { .grace_period_seconds = -1, .precondition_uid = object_uid(*slot) };
  if (!client_delete(controller->workload.client, "v1", "pods", object_namespace(*slot), object_name(*slot), &options,
                     &problem) &&
      !reason_is(problem, REASON_NOT_FOUND)) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  recorder_event(controller->workload.recorder, object_json(ranks->set), NULL, "Normal", "SuccessfulDelete",
                 "delete Pod %s in StatefulSet %s successful", object_name(*slot), object_name(ranks->set));
  informer_wait_deleted(controller->workload.pods, *slot);
  Object *now = informer_get(controller->workload.pods, object_namespace(*slot), object_name(*slot));
  if (now) {
    object_unref(*slot);
    *slot = now;
  } else {
    g_ptr_array_remove(ranks->pods, *slot);
  }
  return true;
}

/* Makes what is missing, in order. *SETTLED tells whether all are there and healthy. */
static bool fill(Ranks *ranks, bool *settled, GError **error)
{
  *settled = true;
  for (int64_t ordinal = ranks->first; ordinal < ranks->first + ranks->replicas; ordinal++) {
    Object **slot = find_slot(ranks, ordinal);
    if (slot && pod_is_finished(object_json(*slot)) && !pod_is_deleting(object_json(*slot))) {
      recorder_event(ranks->controller->workload.recorder, object_json(ranks->set), NULL, "Warning",
                     "RecreatingFailedPod", "StatefulSet %s/%s is recreating failed Pod %s",
                     object_namespace(ranks->set), object_name(ranks->set), object_name(*slot));
      if (!delete_pod(ranks, slot, error))
        return false;
      slot = find_slot(ranks, ordinal);
    }
    if (!slot && !create_pod(ranks, ordinal, error))
      return false;
    slot = find_slot(ranks, ordinal);
    if (slot && is_healthy(ranks, *slot))
      continue;
    *settled = false;
    if (!ranks->parallel)
      return true;
  }
  return true;
}

/* Ends pods beyond the last, the highest first. *SETTLED tells whether none is left. */
static bool shrink(Ranks *ranks, bool *settled, GError **error)
{
  for (;;) {
    int64_t highest = -1;
    for (unsigned i = 0; i < ranks->pods->len; i++) {
      const Object *pod = ranks->pods->pdata[i];
      int64_t ordinal = stateful_pod_ordinal(ranks->set, object_name(pod));
      bool surplus = ordinal >= ranks->first + ranks->replicas || (ordinal >= 0 && ordinal < ranks->first);
      if (!surplus)
        continue;
      *settled = false;
      if (!pod_is_deleting(object_json(pod)))
        highest = MAX(highest, ordinal);
      else if (!ranks->parallel)
        return true; /* one at a time */
    }
    if (highest < 0)
      return true;
    if (!delete_pod(ranks, find_slot(ranks, highest), error))
      return false;
  }
}

/* Replaces pods of an older revision, the highest first, each only when those above are healthy. */
static bool update(Ranks *ranks, GError **error)
{
  const char *type = json_str(json_object_get(ranks->spec, "updateStrategy"), "type", "RollingUpdate");
  if (strcmp(type, "RollingUpdate") != 0)
    return true;
  for (int64_t ordinal = ranks->first + ranks->replicas - 1; ordinal >= ranks->first + ranks->partition; ordinal--) {
    Object **slot = find_slot(ranks, ordinal);
    if (!slot)
      return true;
    if (!is_of(ranks, *slot, ranks->updated) && !pod_is_deleting(object_json(*slot)))
      return delete_pod(ranks, slot, error);
    if (!is_healthy(ranks, *slot))
      return true;
  }
  return true;
}

static void set_count(json_t *status, const char *key, int64_t count)
{
  if (count)
    json_object_set_new(status, key, json_integer(count));
  else
    json_object_del(status, key);
}

static bool write_status(Ranks *ranks, GError **error)
{
  const json_t *value = object_json(ranks->set), *old = json_object_get(value, "status");
  g_autoptr(json_t) status = old ? json_deep_copy(old) : json_object();
  int64_t replicas = 0, ready = 0, available = 0, current = 0, updated = 0;
  for (unsigned i = 0; i < ranks->pods->len; i++) {
    const Object *pod = ranks->pods->pdata[i];
    replicas++;
    ready += pod_is_ready(object_json(pod));
    available += is_healthy(ranks, pod);
    current += !pod_is_deleting(object_json(pod)) && is_of(ranks, pod, ranks->current);
    updated += !pod_is_deleting(object_json(pod)) && is_of(ranks, pod, ranks->updated);
  }
  const Object *reached = ranks->current;
  if (updated == ranks->replicas && replicas == ranks->replicas && ready == ranks->replicas) {
    reached = ranks->updated;
    current = updated;
  }
  set_count(status, "observedGeneration", json_int(json_object_get(value, "metadata"), "generation", 0));
  json_object_set_new(status, "replicas", json_integer(replicas));
  json_object_set_new(status, "availableReplicas", json_integer(available));
  set_count(status, "readyReplicas", ready);
  set_count(status, "currentReplicas", current);
  set_count(status, "updatedReplicas", updated);
  json_object_set_new(status, "currentRevision", json_string(object_name(reached)));
  json_object_set_new(status, "updateRevision", json_string(object_name(ranks->updated)));
  json_object_set_new(status, "collisionCount", json_integer(0));
  int64_t revision;
  if (json_same(status, old))
    return true;
  if (!status_write(ranks->controller->workload.client, "apps/v1", "statefulsets", ranks->set, status, &revision,
                    error))
    return false;
  informer_wait_revision(ranks->controller->workload.owners, revision);
  return true;
}

static bool advance(Ranks *ranks, GError **error)
{
  bool settled = true;
  if (json_at(object_json(ranks->set), "metadata", "deletionTimestamp", NULL))
    return true;
  if (!fill(ranks, &settled, error))
    return false;
  if (!settled && !ranks->parallel)
    return true;
  return shrink(ranks, &settled, error) && ((!settled && !ranks->parallel) || update(ranks, error));
}

static Object *current_revision(const StatefulSetController *controller, const Object *set, Object *updated)
{
  const char *name = json_str(json_object_get(object_json(set), "status"), "currentRevision", "");
  Object *current = *name ? informer_get(controller->revisions, object_namespace(set), name) : NULL;
  return current ? current : object_ref(updated);
}

static void trim(const RevisionHistory *history, const Ranks *ranks)
{
  g_autoptr(GHashTable) in_use = g_hash_table_new(g_str_hash, g_str_equal);
  for (unsigned i = 0; i < ranks->pods->len; i++)
    g_hash_table_add(in_use, (char *)(uintptr_t)hash_of(ranks->pods->pdata[i]));
  g_hash_table_add(in_use, (char *)(uintptr_t)revision_history_hash(ranks->current, ranks->set));
  g_hash_table_add(in_use, (char *)(uintptr_t)revision_history_hash(ranks->updated, ranks->set));
  revision_history_trim(history, ranks->set, in_use);
}

static bool sync_set(void *data, const char *key, Object *set, GError **error)
{
  StatefulSetController *controller = data;
  const json_t *spec = json_object_get(object_json(set), "spec");
  g_autoptr(LabelSelector) selector = pod_routes_selector(object_json(set), false);
  if (!selector || label_selector_is_everything(selector))
    return true;
  RevisionHistory history = { .client = controller->workload.client, .revisions = controller->revisions };
  g_autoptr(Object) updated = revision_history_sync(&history, set, error);
  g_autoptr(GPtrArray) pods = updated ? workload_claim(&controller->workload, set, selector, error) : NULL;
  if (!pods)
    return false;
  g_autoptr(Object) current = current_revision(controller, set, updated);
  Ranks ranks = { .controller = controller,
                  .set = set,
                  .spec = spec,
                  .pods = pods,
                  .updated = updated,
                  .current = current,
                  .first = json_int(json_object_get(spec, "ordinals"), "start", 0),
                  .replicas = json_int(spec, "replicas", 1),
                  .partition = json_int(json_at(spec, "updateStrategy", "rollingUpdate", NULL), "partition", 0),
                  .wait_us = -1,
                  .parallel = strcmp(json_str(spec, "podManagementPolicy", ""), "Parallel") == 0 };
  g_autoptr(GError) failure = NULL;
  bool done = advance(&ranks, &failure);
  if (!write_status(&ranks, done ? error : NULL) && done)
    return false;
  if (!done)
    g_propagate_error(error, g_steal_pointer(&failure));
  workload_requeue(&controller->workload, key, ranks.wait_us);
  trim(&history, &ranks);
  return done;
}

StatefulSetController *stateful_set_controller_new(const ControllerContext *context)
{
  static const WorkloadKind kind = { .component = "statefulset-controller",
                                     .api_version = "apps/v1",
                                     .group = "apps",
                                     .plural = "statefulsets",
                                     .kind = "StatefulSet",
                                     .n_workers = N_WORKERS };
  StatefulSetController *controller = g_new0(StatefulSetController, 1);
  workload_init(&controller->workload, context, &kind, sync_set, NULL, controller);
  controller->revisions = informer_set_get(context->informers, "apps/v1", "controllerrevisions");
  owner_add_indexes(controller->revisions);
  workload_start(&controller->workload);
  return controller;
}

void stateful_set_controller_free(StatefulSetController *controller)
{
  workload_clear(&controller->workload);
  g_free(controller);
}
