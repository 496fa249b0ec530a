#include "clusterd/node/pod/pod_state.h"

#include "base/json.h"
#include "clusterd/node/pod_spec.h"

static void record_free(ContainerRecord *record)
{
  g_free(record->name);
  if (record->current)
    container_status_free(record->current);
  if (record->last)
    container_status_free(record->last);
  g_free(record->current_message);
  g_free(record->last_message);
  g_free(record->waiting_message);
  g_free(record);
}

AddressPair pod_state_ips(const PodState *state)
{
  if (json_flag(json_object_get(state->pod, "spec"), "hostNetwork", false))
    return state->host_ips;
  return (AddressPair){ state->ip, state->other_ip };
}

void pod_state_init(PodState *state)
{
  *state = (PodState){ .records = g_ptr_array_new_with_free_func((GDestroyNotify)record_free) };
}

void pod_state_clear(PodState *state)
{
  if (state->pod)
    json_decref(state->pod);
  g_free(state->sandbox_id);
  g_free(state->ip);
  g_free(state->other_ip);
  g_ptr_array_unref(state->records);
}

ContainerRecord *pod_state_record(const PodState *state, const char *name)
{
  for (guint i = 0; i < state->records->len; i++) {
    ContainerRecord *record = state->records->pdata[i];
    if (g_str_equal(record->name, name))
      return record;
  }
  return NULL;
}

/* What the API remembers of a container that the runtime may have forgotten. */
static unsigned remembered_attempts(const json_t *pod, const char *name)
{
  static const char *const lists[] = { "containerStatuses", "initContainerStatuses" };
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    const json_t *status;
    size_t k;
    json_array_foreach (json_at(pod, "status", lists[i], NULL), k, status)
      if (g_str_equal(json_str(status, "name", ""), name) && *json_str(status, "containerID", ""))
        return (unsigned)json_int(status, "restartCount", 0) + 1;
  }
  return 0;
}

static void add_records(PodState *state, GPtrArray *old, const char *list, ContainerRole role)
{
  json_t *container;
  size_t i;
  json_array_foreach (json_at(state->pod, "spec", list, NULL), i, container) {
    const char *name = json_str(container, "name", "");
    ContainerRecord *record = NULL;
    for (guint k = 0; k < old->len && !record; k++)
      if (g_str_equal(((ContainerRecord *)old->pdata[k])->name, name))
        record = g_ptr_array_steal_index(old, k);
    if (!record) {
      record = g_new0(ContainerRecord, 1);
      record->name = g_strdup(name);
      record->next_attempt = remembered_attempts(state->pod, name);
    }
    record->spec = container;
    record->role = role == ROLE_INIT && pod_spec_is_sidecar(container) ? ROLE_SIDECAR : role;
    g_ptr_array_add(state->records, record);
  }
}

void pod_state_set_pod(PodState *state, json_t *pod)
{
  g_autoptr(GPtrArray) old = state->records;
  json_t *previous = state->pod;
  state->pod = json_incref(pod);
  state->records = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
  add_records(state, old, "initContainers", ROLE_INIT);
  add_records(state, old, "containers", ROLE_MAIN);
  add_records(state, old, "ephemeralContainers", ROLE_EPHEMERAL);
  if (previous)
    json_decref(previous);
}

static void forget(ContainerStatus **status, char **message)
{
  g_clear_pointer(status, container_status_free);
  g_clear_pointer(message, g_free);
}

/* STATUS is a newer sight of the same attempt, a newer attempt, or an older one. Returns what is no longer needed. */
static ContainerStatus *record_take(ContainerRecord *record, ContainerStatus *status)
{
  ContainerStatus *current = record->current, *surplus = NULL;
  record->next_attempt = MAX(record->next_attempt, status->attempt + 1);
  if (current && current->attempt == status->attempt) {
    container_status_free(current);
    record->current = status;
    return NULL;
  }
  if (!current || current->attempt < status->attempt) {
    surplus = record->last;
    g_free(record->last_message);
    record->last = current;
    record->last_message = g_steal_pointer(&record->current_message);
    record->current = status;
    return surplus;
  }
  if (!record->last || record->last->attempt <= status->attempt) {
    if (record->last && record->last->attempt < status->attempt)
      surplus = record->last;
    else if (record->last)
      container_status_free(record->last);
    record->last = status;
    return surplus;
  }
  return status;
}

/* Attempts that are gone from the runtime are gone from the records. */
static void drop_vanished(PodState *state, GPtrArray *containers)
{
  g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < containers->len; i++)
    g_hash_table_add(ids, ((ContainerStatus *)containers->pdata[i])->id);
  for (guint i = 0; i < state->records->len; i++) {
    ContainerRecord *record = state->records->pdata[i];
    if (record->current && !g_hash_table_contains(ids, record->current->id))
      forget(&record->current, &record->current_message);
    if (record->last && !g_hash_table_contains(ids, record->last->id))
      forget(&record->last, &record->last_message);
  }
}

GPtrArray *pod_state_observe(PodState *state, GPtrArray *containers)
{
  GPtrArray *surplus = g_ptr_array_new_with_free_func((GDestroyNotify)container_status_free);
  drop_vanished(state, containers);
  while (containers->len > 0) {
    ContainerStatus *status = g_ptr_array_steal_index_fast(containers, containers->len - 1);
    ContainerRecord *record = pod_state_record(state, status->name);
    ContainerStatus *old = record ? record_take(record, status) : status;
    if (old)
      g_ptr_array_add(surplus, old);
  }
  return surplus;
}

bool record_is_current(const PodState *state, const ContainerRecord *record)
{
  return record->current && g_strcmp0(record->current->sandbox_id, state->sandbox_id) == 0;
}

bool record_is_running(const ContainerRecord *record)
{
  return record->current && record->current->state == CONTAINER_RUNNING;
}

bool record_has_exited(const ContainerRecord *record)
{
  return record->current && (record->current->state == CONTAINER_EXITED || record->current->state == CONTAINER_UNKNOWN);
}

void record_set_waiting(ContainerRecord *record, const char *reason, const char *message)
{
  record->waiting_reason = reason;
  g_free(record->waiting_message);
  record->waiting_message = g_strdup(message);
}
