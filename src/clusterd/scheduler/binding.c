/* Writing where a pod goes: first its volumes, then its binding. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/scheduler/plugins/volume_claims.h"
#include "clusterd/scheduler/scheduler_private.h"

void binding_free(Binding *binding)
{
  if (!binding)
    return;
  object_unref(binding->pod);
  volume_choices_free(binding->volumes);
  g_clear_error(&binding->error);
  g_free(binding->scheduler_name);
  g_free(binding->node);
  g_free(binding);
}

/* --- the binders' threads --------------------------------------------------------------------------------------- */

/* Not over another's choice: then the volume is chosen anew. */
static bool reserve_volume(json_t *value, void *data)
{
  const Object *claim = ((const VolumeChoice *)data)->claim;
  if (*json_str(json_at(value, "spec", "claimRef", NULL), "uid", ""))
    return false;
  json_object_set_new(json_ensure_object(value, "spec", NULL), "claimRef",
                      json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "kind", "PersistentVolumeClaim", "apiVersion", "v1",
                                "namespace", object_namespace(claim), "name", object_name(claim), "uid",
                                object_uid(claim), "resourceVersion",
                                json_sprintf("%" G_GINT64_FORMAT, object_revision(claim))));
  json_object_set_new(json_ensure_object(value, "metadata", "annotations", NULL), VOLUME_BOUND_BY_CONTROLLER,
                      json_string("yes"));
  return true;
}

static bool select_node(json_t *value, void *data)
{
  json_object_set_new(json_ensure_object(value, "metadata", "annotations", NULL), VOLUME_SELECTED_NODE,
                      json_string(data));
  return true;
}

static bool write_choice(Client *client, VolumeChoice *choice, const char *node, GError **error)
{
  if (!choice->volume) {
    g_autoptr(Object) stored =
        client_modify(client, "v1", "persistentvolumeclaims", object_namespace(choice->claim),
                      object_name(choice->claim), NULL, select_node, (void *)(uintptr_t)node, error);
    choice->revision = stored ? object_revision(stored) : 0;
    return stored != NULL;
  }
  g_autoptr(Object) stored = client_modify(client, "v1", "persistentvolumes", NULL, object_name(choice->volume), NULL,
                                           reserve_volume, choice, error);
  if (!stored)
    return false;
  const char *uid = json_str(json_at(object_json(stored), "spec", "claimRef", NULL), "uid", "");
  return strcmp(uid, object_uid(choice->claim)) == 0 ||
         reason_set(error, REASON_CONFLICT, "volume \"%s\" is bound to another claim", object_name(choice->volume));
}

static void write_volumes(Scheduler *scheduler, Binding *binding)
{
  for (unsigned i = 0; i < binding->volumes->len && !binding->error; i++)
    write_choice(scheduler->client, &g_array_index(binding->volumes, VolumeChoice, i), binding->node, &binding->error);
  if (binding->error)
    g_prefix_error(&binding->error, "running PreBind plugin \"VolumeBinding\": binding volumes: ");
  binding->volumes_written = true;
}

static void write_binding(Scheduler *scheduler, Binding *binding)
{
  g_autoptr(json_t) value =
      json_pack("{s:s, s:s, s:{s:s, s:s, s:s}, s:{s:s, s:s}}", "apiVersion", "v1", "kind", "Binding", "metadata",
                "name", object_name(binding->pod), "namespace", object_namespace(binding->pod), "uid",
                object_uid(binding->pod), "target", "kind", "Node", "name", binding->node);
  Caller caller = { .field_manager = binding->scheduler_name };
  Target target = { .kind = client_kind(scheduler->client, "v1", "pods"),
                    .namespace_ = object_namespace(binding->pod),
                    .name = object_name(binding->pod),
                    .subresource = "binding" };
  g_autoptr(Object) stored =
      registry_create(client_registry(scheduler->client), &caller, &target, value, &binding->error);
  if (stored)
    recorder_event(scheduler_recorder(scheduler, binding->scheduler_name), object_json(binding->pod), NULL, "Normal",
                   "Scheduled", "Successfully assigned %s/%s to %s", object_namespace(binding->pod),
                   object_name(binding->pod), binding->node);
  else
    g_prefix_error(&binding->error, "running Bind plugin \"DefaultBinder\": ");
}

void binding_write(void *item, void *data)
{
  Binding *binding = item;
  bool volumes_first = binding->volumes && !binding->volumes_written;
  if (volumes_first)
    write_volumes(data, binding);
  else
    write_binding(data, binding);
  scheduler_notify(data, (Notice){ .type = volumes_first ? NOTICE_VOLUMES : NOTICE_BOUND, .binding = binding });
}

/* --- the scheduler's thread ------------------------------------------------------------------------------------- */

void binding_begin(Scheduler *scheduler, Cycle *cycle, NodeInfo *node)
{
  ClusterState *state = scheduler->state;
  Binding *binding = g_new0(Binding, 1);
  binding->pod = object_ref(cycle->pod->object);
  binding->node = g_strdup(node->name);
  binding->scheduler_name = g_strdup(cycle->profile->name);
  binding->timeout_us = cycle->profile->bind_timeout_seconds * G_USEC_PER_SEC;
  binding->volumes = volume_plan_choose(cycle, node);
  volume_choices_assume(state, binding->volumes, true);
  cluster_state_nominate(state, cycle->pod, NULL);
  cluster_state_add_pod(state, cycle->pod, binding->node);
  scheduler_wake(scheduler, &(ClusterEvent){ .types = EVENT_POD_ADDED, .pod = cycle->pod });
  g_thread_pool_push(scheduler->binders, binding, NULL);
}

/* The pod stays where it was: nowhere. */
static void give_up(Scheduler *scheduler, Binding *binding)
{
  const char *uid = object_uid(binding->pod);
  PodInfo *info = g_hash_table_lookup(scheduler->state->pods, uid);
  bool is_assumed = info && pod_queue_get(scheduler->queue, uid);
  volume_choices_assume(scheduler->state, binding->volumes, false);
  if (is_assumed) {
    pod_info_ref(info);
    cluster_state_remove_pod(scheduler->state, uid);
    if (reason_is(binding->error, REASON_NOT_FOUND))
      pod_queue_remove(scheduler->queue, uid);
    else
      report_failure(scheduler, binding->pod, binding->error->message);
    pod_queue_failed(scheduler->queue, uid, g_get_monotonic_time());
    scheduler_wake(scheduler, &(ClusterEvent){ .types = EVENT_POD_REMOVED, .pod = info });
    pod_info_unref(scheduler->state->tally, info);
  }
  g_info("Cannot bind pod %s/%s: %s", object_namespace(binding->pod), object_name(binding->pod),
         binding->error->message);
  binding_free(binding);
}

/* True when BINDING waits on. */
static bool check_volumes(Scheduler *scheduler, Binding *binding, int64_t now_us)
{
  if (!g_hash_table_contains(scheduler->state->pods, object_uid(binding->pod)))
    reason_set(&binding->error, REASON_NOT_FOUND, "the pod is gone");
  else
    switch (volume_choices_progress(scheduler->state, binding->volumes, binding->node)) {
    case VOLUME_WAITS:
      if (now_us < binding->deadline_us)
        return true;
      reason_set(&binding->error, REASON_TIMEOUT,
                 "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded");
      break;
    case VOLUME_FAILED:
      reason_set(&binding->error, REASON_CONFLICT,
                 "running PreBind plugin \"VolumeBinding\": binding volumes: provisioning failed");
      break;
    default:
      g_thread_pool_push(scheduler->binders, binding, NULL);
      return false;
    }
  give_up(scheduler, binding);
  return false;
}

void binding_check_volumes(Scheduler *scheduler, int64_t now_us)
{
  GHashTableIter iter;
  void *binding;
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  g_hash_table_iter_init(&iter, scheduler->waiting);
  while (g_hash_table_iter_next(&iter, NULL, &binding))
    g_ptr_array_add(all, binding);
  for (unsigned i = 0; i < all->len; i++) {
    Binding *one = g_ptr_array_index(all, i);
    g_autofree char *uid = g_strdup(object_uid(one->pod));
    if (!check_volumes(scheduler, one, now_us))
      g_hash_table_remove(scheduler->waiting, uid);
  }
}

int64_t binding_next_deadline(const Scheduler *scheduler)
{
  int64_t next_us = 0;
  GHashTableIter iter;
  void *binding;
  g_hash_table_iter_init(&iter, scheduler->waiting);
  while (g_hash_table_iter_next(&iter, NULL, &binding)) {
    int64_t deadline_us = ((const Binding *)binding)->deadline_us;
    next_us = next_us ? MIN(next_us, deadline_us) : deadline_us;
  }
  return next_us;
}

void binding_note(Scheduler *scheduler, const Notice *notice)
{
  Binding *binding = notice->binding;
  if (binding->error) {
    give_up(scheduler, binding);
  } else if (notice->type == NOTICE_BOUND) {
    binding_free(binding);
  } else {
    int64_t now_us = g_get_monotonic_time();
    binding->deadline_us = now_us + binding->timeout_us;
    if (check_volumes(scheduler, binding, now_us))
      g_hash_table_insert(scheduler->waiting, g_strdup(object_uid(binding->pod)), binding);
  }
}
