#include "clusterd/node/pod/pod_status.h"

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/node/pod/container_state.h"
#include "clusterd/node/pod/pod_conditions.h"
#include "clusterd/node/pod_spec.h"
#include "clusterd/node/resources.h"

static bool has_failed(const ContainerRecord *record)
{
  return record_has_exited(record) && record->current->exit_code != 0;
}

/* How the containers that make up the pod's fate stand. */
typedef struct Tally {
  unsigned waiting, running, succeeded, failed;
} Tally;

static void count_main(const ContainerRecord *record, Tally *tally)
{
  if (record_is_running(record))
    tally->running++;
  else if (record_has_exited(record))
    has_failed(record) ? tally->failed++ : tally->succeeded++;
  else if (record->last)
    tally->failed++;
  else
    tally->waiting++;
}

const char *pod_status_phase(const PodState *state)
{
  const char *policy = pod_spec_restart_policy(state->pod);
  Tally tally = { 0 };
  if (state->reason)
    return "Failed";
  for (guint i = 0; i < state->records->len; i++) {
    const ContainerRecord *record = state->records->pdata[i];
    if (record->role == ROLE_INIT && has_failed(record) && g_str_equal(policy, "Never"))
      return "Failed";
    if (record->role == ROLE_MAIN)
      count_main(record, &tally);
  }
  if (tally.running > 0)
    return "Running";
  if (tally.waiting > 0)
    return tally.succeeded + tally.failed > 0 ? "Running" : "Pending";
  if (tally.succeeded + tally.failed == 0)
    return "Pending";
  if (g_str_equal(policy, "Always"))
    return "Running";
  if (tally.failed == 0)
    return "Succeeded";
  return g_str_equal(policy, "Never") ? "Failed" : "Running";
}

static bool is_final(const char *phase)
{
  return g_strcmp0(phase, "Succeeded") == 0 || g_strcmp0(phase, "Failed") == 0;
}

static void add_addresses(json_t *status, const PodState *state, const json_t *old)
{
  AddressPair ips = pod_state_ips(state);
  json_object_set_new(status, "hostIP", json_string(state->host_ips.ip));
  json_object_set_new(status, "hostIPs", address_pair_list(state->host_ips));
  if (ips.ip) {
    json_object_set_new(status, "podIP", json_string(ips.ip));
    json_object_set_new(status, "podIPs", address_pair_list(ips));
  } else if (json_object_get(old, "podIP")) { /* of a pod that has ended: where it was */
    json_object_set(status, "podIP", json_object_get(old, "podIP"));
    json_object_set(status, "podIPs", json_object_get(old, "podIPs"));
  }
}

static void add_containers(json_t *status, const PodState *state)
{
  static const char *const lists[] = { "initContainerStatuses", "initContainerStatuses", "containerStatuses",
                                       "ephemeralContainerStatuses" };
  bool initialized = pod_conditions_initialized(state);
  for (guint i = 0; i < state->records->len; i++) {
    const ContainerRecord *record = state->records->pdata[i];
    const char *list = lists[record->role];
    json_t *array = json_object_get(status, list);
    if (!array) {
      array = json_array();
      json_object_set_new(status, list, array);
    }
    json_array_append_new(array, container_state_status(state, record, initialized));
  }
}

/* Members that others write stay: nominatedNodeName, resize, and what is to come. */
static void keep_foreign(json_t *status, const json_t *old)
{
  static const char *const keys[] = { "nominatedNodeName", "resize", "resourceClaimStatuses", "qosClass" };
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
    json_t *value = json_object_get(old, keys[i]);
    if (value)
      json_object_set(status, keys[i], value);
  }
}

json_t *pod_status_build(const PodState *state, const json_t *old, int64_t now_us)
{
  json_t *status = json_object();
  const char *old_phase = json_str(old, "phase", NULL);
  const char *phase = is_final(old_phase) ? old_phase : pod_status_phase(state);
  g_autofree char *now = timestamp_text(now_us);
  json_object_set_new(status, "phase", json_string(phase));
  keep_foreign(status, old);
  if (!json_object_get(status, "qosClass"))
    json_object_set_new(status, "qosClass", json_string(resources_qos_class(state->pod)));
  json_object_set_new(status, "startTime", json_string(json_str(old, "startTime", now)));
  const char *reason = state->reason ? state->reason : is_final(phase) ? json_str(old, "reason", NULL) : state->blocked;
  const char *message = state->reason     ? state->message
                        : is_final(phase) ? json_str(old, "message", NULL)
                                          : state->blocked_message;
  if (reason)
    json_object_set_new(status, "reason", json_string(reason));
  if (message)
    json_object_set_new(status, "message", json_string(message));
  add_addresses(status, state, old);
  if (!state->refused)
    add_containers(status, state);
  json_object_set_new(status, "conditions",
                      pod_conditions_build(state, json_object_get(old, "conditions"), phase, now));
  return status;
}
