#include "clusterd/controllers/workloads/deployment.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/object_queue.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/workloads/deployment_rollout.h"

#define N_WORKERS 2
#define INDEX_NAMESPACE "namespace"

struct DeploymentController {
  Client *client;
  Recorder *recorder;
  Informer *deployments, *sets, *pods;
  ObjectQueue queue;
};

static bool queue_owner(DeploymentController *controller, const Object *set)
{
  const json_t *owner = owner_of(object_json(set));
  if (owner && owner_is(owner, "apps", "Deployment")) {
    g_autofree char *key = g_strconcat(object_namespace(set), "/", json_str(owner, "name", ""), NULL);
    work_queue_add(controller->queue.work, key);
  }
  return owner != NULL;
}

static void on_set(Object *old, Object *new_object, void *data)
{
  DeploymentController *controller = data;
  if (old)
    queue_owner(controller, old);
  if (!new_object || queue_owner(controller, new_object))
    return;
  /* An orphan: whoever's selector it matches may adopt it. */
  const json_t *labels = json_at(object_json(new_object), "metadata", "labels", NULL);
  g_autoptr(GPtrArray) all = informer_by_index(controller->deployments, INDEX_NAMESPACE, object_namespace(new_object));
  for (unsigned i = 0; i < all->len; i++) {
    Object *deployment = g_ptr_array_index(all, i);
    g_autoptr(LabelSelector) selector =
        label_selector_from_json(json_at(object_json(deployment), "spec", "selector", NULL), NULL);
    if (selector && label_selector_matches(selector, labels))
      object_queue_add(&controller->queue, deployment);
  }
}

static bool is_recreate(const json_t *spec)
{
  return strcmp(json_str(json_object_get(spec, "strategy"), "type", "RollingUpdate"), "Recreate") == 0;
}

/* Recreate goes on when the last old pod is gone, which no replica set tells: its count leaves out pods that are
 * ending. */
static void on_pod(Object *old, Object *new_object, void *data)
{
  DeploymentController *controller = data;
  if (!old || (new_object && !pod_is_finished(object_json(new_object))))
    return;
  const json_t *owner = owner_of(object_json(old));
  if (!owner || !owner_is(owner, "apps", "ReplicaSet"))
    return;
  g_autoptr(Object) set = informer_get(controller->sets, object_namespace(old), json_str(owner, "name", ""));
  const json_t *set_owner = set ? owner_of(object_json(set)) : NULL;
  g_autoptr(Object) deployment =
      set_owner ? informer_get(controller->deployments, object_namespace(old), json_str(set_owner, "name", "")) : NULL;
  if (deployment && is_recreate(json_object_get(object_json(deployment), "spec")))
    object_queue_add(&controller->queue, deployment);
}

/* True when a pod that can still run belongs to one of the old sets. */
static bool has_old_pods(const DeploymentController *controller, const Rollout *rollout)
{
  for (unsigned i = 0; i < rollout->old_sets->len; i++) {
    const Object *set = g_ptr_array_index(rollout->old_sets, i);
    g_autoptr(GPtrArray) pods = informer_by_index(controller->pods, OWNER_INDEX_UID, object_uid(set));
    for (unsigned k = 0; k < pods->len; k++)
      if (!pod_is_finished(object_json(g_ptr_array_index(pods, k))))
        return true;
  }
  return false;
}

static Object **old_slot(Rollout *rollout, unsigned i)
{
  return (Object **)&rollout->old_sets->pdata[i];
}

static bool empty_old_sets(Rollout *rollout, bool *changed, GError **error)
{
  for (unsigned i = 0; i < rollout->old_sets->len; i++)
    if (rollout_size(*old_slot(rollout, i)).replicas > 0 &&
        !rollout_scale(rollout, old_slot(rollout, i), 0, changed, error))
      return false;
  return true;
}

static bool recreate(DeploymentController *controller, Rollout *rollout, GError **error)
{
  bool changed = false;
  if (!rollout_sync_new_set(rollout, false, error) || !empty_old_sets(rollout, &changed, error))
    return false;
  if (changed || has_old_pods(controller, rollout))
    return true;
  if (!rollout->new_set && !rollout_sync_new_set(rollout, true, error))
    return false;
  return rollout_scale(rollout, &rollout->new_set, json_int(rollout->spec, "replicas", 1), NULL, error);
}

static bool shrink_old_sets(Rollout *rollout, GError **error)
{
  unsigned n = rollout->old_sets->len;
  g_autofree SetSize *sizes = g_new0(SetSize, MAX(n, 1));
  for (unsigned i = 0; i < n; i++)
    sizes[i] = rollout_size(*old_slot(rollout, i));
  SetSize new_size = rollout_size(rollout->new_set);
  if (!deployment_shrink_old(rollout->spec, &new_size, sizes, n))
    return true;
  for (unsigned i = 0; i < n; i++)
    if (sizes[i].target != sizes[i].replicas &&
        !rollout_scale(rollout, old_slot(rollout, i), sizes[i].target, NULL, error))
      return false;
  return true;
}

static bool roll(Rollout *rollout, GError **error)
{
  if (!rollout_sync_new_set(rollout, true, error))
    return false;
  int64_t size = rollout_size(rollout->new_set).replicas, total = size;
  for (unsigned i = 0; i < rollout->old_sets->len; i++)
    total += rollout_size(*old_slot(rollout, i)).replicas;
  bool changed = false;
  int64_t target = deployment_new_set_size(rollout->spec, size, total);
  if (target != size && !rollout_scale(rollout, &rollout->new_set, target, &changed, error))
    return false;
  return changed || shrink_old_sets(rollout, error);
}

/* The sets that have pods, larger first, then newer (when growing) or older. */
static GPtrArray *sets_by_size(Rollout *rollout, bool newer_first)
{
  GPtrArray *slots = g_ptr_array_new();
  unsigned n = rollout->old_sets->len;
  /* Old sets are sorted by age and the new one is the youngest; a stable insertion keeps ages within a size. */
  for (unsigned i = 0; i <= n; i++) {
    unsigned at = newer_first ? n - i : i;
    Object **slot = at == n ? &rollout->new_set : old_slot(rollout, at);
    if (!*slot || rollout_size(*slot).replicas == 0)
      continue;
    unsigned place = 0;
    while (place < slots->len && rollout_size(*(Object **)slots->pdata[place]).replicas >= rollout_size(*slot).replicas)
      place++;
    g_ptr_array_insert(slots, (int)place, slot);
  }
  return slots;
}

static bool share_change(Rollout *rollout, GError **error)
{
  int64_t total = rollout->new_set ? rollout_size(rollout->new_set).replicas : 0;
  for (unsigned i = 0; i < rollout->old_sets->len; i++)
    total += rollout_size(*old_slot(rollout, i)).replicas;
  int64_t replicas = json_int(rollout->spec, "replicas", 1);
  int64_t allowed = replicas > 0 ? replicas + deployment_max_surge(rollout->spec) : 0;
  g_autoptr(GPtrArray) slots = sets_by_size(rollout, allowed > total);
  g_autofree SetSize *sizes = g_new0(SetSize, MAX(slots->len, 1));
  for (unsigned i = 0; i < slots->len; i++)
    sizes[i] = rollout_size(*(Object **)slots->pdata[i]);
  deployment_share(rollout->spec, json_int(rollout->status, "replicas", 0), sizes, slots->len);
  for (unsigned i = 0; i < slots->len; i++)
    if (!rollout_scale(rollout, slots->pdata[i], sizes[i].target, NULL, error))
      return false;
  return true;
}

/* The one set with pods; when none has any, the newest. NULL when there are several or none at all. */
static Object **only_set(Rollout *rollout)
{
  g_autoptr(GPtrArray) slots = sets_by_size(rollout, false);
  if (slots->len > 1)
    return NULL;
  if (slots->len == 1)
    return slots->pdata[0];
  if (rollout->new_set)
    return &rollout->new_set;
  return rollout->old_sets->len > 0 ? old_slot(rollout, rollout->old_sets->len - 1) : NULL;
}

static int64_t desired_of(const Object *set)
{
  const char *text = json_str(json_at(object_json(set), "metadata", "annotations", NULL),
                              "deployment.kubernetes.io/desired-replicas", NULL);
  return text ? g_ascii_strtoll(text, NULL, 10) : -1;
}

/* Follows a change of spec.replicas without rolling: sizes only. */
static bool rescale(Rollout *rollout, GError **error)
{
  int64_t replicas = json_int(rollout->spec, "replicas", 1);
  Object **only = only_set(rollout);
  if (only)
    return rollout_scale(rollout, only, replicas, NULL, error);
  if (rollout->new_set) {
    SetSize size = rollout_size(rollout->new_set);
    if (size.replicas == replicas && size.available == replicas && desired_of(rollout->new_set) == replicas)
      return empty_old_sets(rollout, NULL, error);
  }
  return is_recreate(rollout->spec) || share_change(rollout, error);
}

static bool is_rescale(Rollout *rollout)
{
  int64_t replicas = json_int(rollout->spec, "replicas", 1);
  g_autoptr(GPtrArray) slots = sets_by_size(rollout, false);
  for (unsigned i = 0; i < slots->len; i++) {
    int64_t desired = desired_of(*(Object **)slots->pdata[i]);
    if (desired >= 0 && desired != replicas)
      return true;
  }
  return false;
}

static bool advance(DeploymentController *controller, Rollout *rollout, bool *progress, GError **error)
{
  bool deleting = json_at(object_json(rollout->deployment), "metadata", "deletionTimestamp", NULL) != NULL;
  bool paused = json_flag(rollout->spec, "paused", false);
  *progress = !deleting && !paused;
  if (deleting)
    return true;
  rollout_note_pause(rollout);
  bool asked = false;
  if (!paused && !rollout_roll_back(rollout, &asked, error))
    return false;
  if (asked) {
    *progress = false;
    return true;
  }
  if (paused || is_rescale(rollout)) {
    *progress = false;
    return rollout_sync_new_set(rollout, false, error) && rescale(rollout, error);
  }
  return is_recreate(rollout->spec) ? recreate(controller, rollout, error) : roll(rollout, error);
}

static bool finish(DeploymentController *controller, Rollout *rollout, const char *key, bool progress, GError **error)
{
  rollout_make_status(rollout, progress);
  int64_t revision;
  if (!json_same(rollout->status, json_object_get(object_json(rollout->deployment), "status"))) {
    if (!status_write(controller->client, "apps/v1", "deployments", rollout->deployment, rollout->status, &revision,
                      error))
      return false;
    informer_wait_revision(controller->deployments, revision);
  }
  int64_t deadline_us = progress ? rollout_deadline_us(rollout) : -1;
  if (deadline_us >= 0)
    work_queue_add_after(controller->queue.work, key, MAX(deadline_us - timestamp_now_us(), 0) + G_USEC_PER_SEC);
  bool tidy = rollout_is_complete(rollout) || json_flag(rollout->spec, "paused", false);
  return !tidy || rollout_clean_up(rollout, error);
}

static bool sync_deployment(void *data, const char *key, Object *deployment, GError **error)
{
  DeploymentController *controller = data;
  const json_t *value = object_json(deployment);
  g_autoptr(LabelSelector) selector = label_selector_from_json(json_at(value, "spec", "selector", NULL), NULL);
  if (!selector || label_selector_is_everything(selector)) {
    recorder_event(controller->recorder, value, NULL, "Warning", "SelectingAll",
                   "This deployment is selecting all pods. A non-empty selector is required.");
    return true;
  }
  OwnerClaim claim = { .client = controller->client,
                       .owner_api_version = "apps/v1",
                       .owner_plural = "deployments",
                       .api_version = "apps/v1",
                       .plural = "replicasets",
                       .informer = controller->sets };
  GPtrArray *sets = owner_claim(&claim, deployment, selector, error);
  if (!sets)
    return false;
  g_autoptr(Rollout) rollout = rollout_new(object_ref(deployment), sets);
  rollout->client = controller->client;
  rollout->recorder = controller->recorder;
  rollout->deployments = controller->deployments;
  rollout->sets = controller->sets;
  bool progress;
  return advance(controller, rollout, &progress, error) && finish(controller, rollout, key, progress, error);
}

DeploymentController *deployment_controller_new(const ControllerContext *context)
{
  DeploymentController *controller = g_new0(DeploymentController, 1);
  controller->client = client_new(context->registry, "deployment-controller");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->deployments = informer_set_get(context->informers, "apps/v1", "deployments");
  controller->sets = informer_set_get(context->informers, "apps/v1", "replicasets");
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->queue = (ObjectQueue){
    .kind = "Deployment", .objects = controller->deployments, .sync = sync_deployment, .controller = controller
  };
  object_queue_open(&controller->queue, N_WORKERS);
  informer_add_index(controller->deployments, INDEX_NAMESPACE, informer_index_by_namespace);
  owner_add_indexes(controller->sets);
  owner_add_indexes(controller->pods);
  informer_add_handler(controller->sets, on_set, controller);
  informer_add_handler(controller->pods, on_pod, controller);
  work_queue_start(controller->queue.work);
  return controller;
}

void deployment_controller_free(DeploymentController *controller)
{
  work_queue_free(controller->queue.work);
  recorder_free(controller->recorder);
  client_free(controller->client);
  g_free(controller);
}
