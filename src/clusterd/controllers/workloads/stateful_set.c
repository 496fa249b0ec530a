#include "clusterd/controllers/workloads/stateful_set.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/pods/revision_history.h"
#include "clusterd/controllers/pods/workload.h"
#include "clusterd/controllers/workloads/stateful_pod.h"
#include "clusterd/controllers/workloads/stateful_ranks.h"

#define N_WORKERS 2

struct StatefulSetController {
  Workload workload;
  Informer *revisions, *claims;
};

static const RevisionKind revision_kind = { .owner_api_version = "apps/v1",
                                            .owner_plural = "statefulsets",
                                            .hash_label = "controller.kubernetes.io/hash",
                                            .pods_have_name = true,
                                            .limit_spares_used = true };

/* A pod of another name cannot be one of SET's, whatever its labels. */
static bool is_member(const Object *set, const Object *pod)
{
  return stateful_pod_ordinal(set, object_name(pod)) >= 0;
}

/* A claim that is gone is what a new pod may be waiting for. */
static void on_claim(Object *old, Object *new_object, void *data)
{
  StatefulSetController *controller = data;
  if (new_object)
    return;
  g_autoptr(GPtrArray) sets =
      informer_by_index(controller->workload.owners, POD_ROUTES_INDEX_NAMESPACE, object_namespace(old));
  for (unsigned i = 0; i < sets->len; i++)
    if (stateful_pod_owns_claim(g_ptr_array_index(sets, i), object_name(old)))
      object_queue_add(&controller->workload.queue, g_ptr_array_index(sets, i));
}

static void set_count(json_t *status, const char *key, int64_t count)
{
  if (count)
    json_object_set_new(status, key, json_integer(count));
  else
    json_object_del(status, key);
}

typedef struct Counts {
  int64_t replicas, ready, available, current, updated;
} Counts;

static Counts count(const Ranks *ranks)
{
  Counts counts = { 0 };
  int64_t min_ready = json_int(ranks->spec, "minReadySeconds", 0), now_us = timestamp_now_us();
  GHashTableIter iter;
  void *pod;
  g_hash_table_iter_init(&iter, ranks->pods);
  while (g_hash_table_iter_next(&iter, NULL, &pod)) {
    const json_t *value = object_json(pod);
    bool ready = pod_is_ready(value) && strcmp(pod_phase(value), "Running") == 0, stays = !pod_is_deleting(value);
    counts.replicas++;
    counts.ready += ready;
    counts.available += ready && pod_is_available(value, min_ready, now_us, NULL);
    counts.current += stays && ranks_is_of(pod, ranks->current);
    counts.updated += stays && ranks_is_of(pod, ranks->updated);
  }
  return counts;
}

static bool write_status(StatefulSetController *controller, const Ranks *ranks, int64_t collisions, GError **error)
{
  const json_t *value = object_json(ranks->set), *old = json_object_get(value, "status");
  g_autoptr(json_t) status = old ? json_deep_copy(old) : json_object();
  Counts counts = count(ranks);
  const char *type = json_str(json_object_get(ranks->spec, "updateStrategy"), "type", "RollingUpdate");
  bool reached = strcmp(type, "RollingUpdate") == 0 && counts.updated == ranks->replicas &&
                 counts.replicas == ranks->replicas && counts.ready == ranks->replicas;
  set_count(status, "observedGeneration", json_int(json_object_get(value, "metadata"), "generation", 0));
  json_object_set_new(status, "replicas", json_integer(counts.replicas));
  json_object_set_new(status, "availableReplicas", json_integer(counts.available));
  set_count(status, "readyReplicas", counts.ready);
  set_count(status, "currentReplicas", reached ? counts.updated : counts.current);
  set_count(status, "updatedReplicas", counts.updated);
  json_object_set_new(status, "currentRevision", json_string(object_name(reached ? ranks->updated : ranks->current)));
  json_object_set_new(status, "updateRevision", json_string(object_name(ranks->updated)));
  json_object_set_new(status, "collisionCount", json_integer(collisions));
  int64_t revision;
  if (json_same(status, old))
    return true;
  if (!status_write(controller->workload.client, "apps/v1", "statefulsets", ranks->set, status, &revision, error))
    return false;
  informer_wait_revision(controller->workload.owners, revision);
  return true;
}

/* The revision a member of SET's status names, new reference, or NULL. */
static Object *revision_named(const StatefulSetController *controller, const Object *set, const char *member)
{
  const char *name = json_str(json_object_get(object_json(set), "status"), member, "");
  return *name ? informer_get(controller->revisions, object_namespace(set), name) : NULL;
}

static Object *current_revision(const StatefulSetController *controller, const Object *set, Object *updated)
{
  Object *current = revision_named(controller, set, "currentRevision");
  return current ? current : object_ref(updated);
}

static void trim(const RevisionHistory *history, const Ranks *ranks)
{
  g_autoptr(GHashTable) in_use = g_hash_table_new(g_str_hash, g_str_equal);
  GHashTableIter iter;
  void *pod;
  g_hash_table_iter_init(&iter, ranks->pods);
  while (g_hash_table_iter_next(&iter, NULL, &pod)) {
    const json_t *labels = json_at(object_json(pod), "metadata", "labels", NULL);
    g_hash_table_add(in_use, (char *)(uintptr_t)json_str(labels, REVISION_LABEL, ""));
  }
  g_hash_table_add(in_use, (char *)(uintptr_t)object_name(ranks->current));
  g_hash_table_add(in_use, (char *)(uintptr_t)object_name(ranks->updated));
  revision_history_trim(history, ranks->set, in_use);
}

static Ranks make_ranks(const StatefulSetController *controller, const Object *set)
{
  const json_t *spec = json_object_get(object_json(set), "spec");
  return (Ranks){ .workload = &controller->workload,
                  .claims = controller->claims,
                  .set = set,
                  .spec = spec,
                  .first = json_int(json_object_get(spec, "ordinals"), "start", 0),
                  .replicas = json_int(spec, "replicas", 1),
                  .partition = json_int(json_at(spec, "updateStrategy", "rollingUpdate", NULL), "partition", 0),
                  .wait_us = -1,
                  .parallel = strcmp(json_str(spec, "podManagementPolicy", ""), "Parallel") == 0 };
}

static bool sync_set(void *data, const char *key, Object *set, GError **error)
{
  StatefulSetController *controller = data;
  g_autoptr(LabelSelector) selector = pod_routes_selector(object_json(set), false);
  if (!selector || label_selector_is_everything(selector))
    return true;
  RevisionHistory history = { .kind = &revision_kind,
                              .client = controller->workload.client,
                              .revisions = controller->revisions };
  int64_t collisions = json_int(json_object_get(object_json(set), "status"), "collisionCount", 0);
  bool deleting = pod_is_deleting(object_json(set));
  g_autoptr(Object) updated = deleting ? revision_named(controller, set, "updateRevision")
                                       : revision_history_sync(&history, set, &collisions, error);
  if (deleting && !updated)
    return true; /* the collector has been here; what it took is not made again */
  g_autoptr(GPtrArray) pods = updated ? workload_claim(&controller->workload, set, selector, error) : NULL;
  if (!pods)
    return false;
  g_autoptr(Object) current = current_revision(controller, set, updated);
  g_autoptr(GHashTable) by_number = ranks_by_number(set, pods);
  Ranks ranks = make_ranks(controller, set);
  ranks.pods = by_number;
  ranks.updated = updated;
  ranks.current = current;
  GError *failure = NULL;
  bool done = deleting || ranks_advance(&ranks, &failure);
  if (!done)
    g_propagate_error(error, failure);
  if (!write_status(controller, &ranks, collisions, done ? error : NULL))
    return false;
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
  controller->workload.belongs = is_member;
  controller->revisions = informer_set_get(context->informers, "apps/v1", "controllerrevisions");
  controller->claims = informer_set_get(context->informers, "v1", "persistentvolumeclaims");
  owner_add_indexes(controller->revisions);
  informer_add_handler(controller->claims, on_claim, controller);
  workload_start(&controller->workload);
  return controller;
}

void stateful_set_controller_free(StatefulSetController *controller)
{
  workload_clear(&controller->workload);
  g_free(controller);
}
