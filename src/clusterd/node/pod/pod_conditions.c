#include "clusterd/node/pod/pod_conditions.h"

#include "base/json.h"
#include "clusterd/client/conditions.h"

typedef struct Condition {
  const char *type;
  bool value;
  const char *reason;
  char *message; /* owned */
} Condition;

bool pod_conditions_initialized(const PodState *state)
{
  for (guint i = 0; i < state->records->len; i++) {
    const ContainerRecord *record = state->records->pdata[i];
    if (record->role == ROLE_MAIN && record_is_current(state, record))
      return true;
  }
  for (guint i = 0; i < state->records->len; i++) {
    const ContainerRecord *record = state->records->pdata[i];
    bool done = record_has_exited(record) && record->current->exit_code == 0;
    if ((record->role == ROLE_INIT || record->role == ROLE_SIDECAR) && !record_is_current(state, record))
      return false;
    if (record->role == ROLE_INIT && !done)
      return false;
    if (record->role == ROLE_SIDECAR && !(record_is_running(record) && record->started))
      return false;
  }
  return true;
}

/* "[a b]" of the containers of ROLE that ACCEPTS refuses; NULL when there is none. */
static char *names_without(const PodState *state, bool (*accepts)(const ContainerRecord *), bool init)
{
  GString *names = NULL;
  for (guint i = 0; i < state->records->len; i++) {
    const ContainerRecord *record = state->records->pdata[i];
    bool is_init = record->role == ROLE_INIT || record->role == ROLE_SIDECAR;
    if (record->role == ROLE_EPHEMERAL || (is_init != init && !(record->role == ROLE_SIDECAR && !init)) ||
        accepts(record))
      continue;
    if (!names)
      names = g_string_new("[");
    else
      g_string_append_c(names, ' ');
    g_string_append(names, record->name);
  }
  if (!names)
    return NULL;
  g_string_append_c(names, ']');
  return g_string_free(names, FALSE);
}

static bool is_ready(const ContainerRecord *record)
{
  return record_is_running(record) && record->ready;
}

static bool is_initialized(const ContainerRecord *record)
{
  return record->role == ROLE_SIDECAR ? record_is_running(record) && record->started
                                      : record_has_exited(record) && record->current->exit_code == 0;
}

static Condition initialized(const PodState *state, bool succeeded)
{
  Condition condition = { .type = "Initialized", .value = true };
  if (succeeded) {
    condition.reason = "PodCompleted";
  } else if (!pod_conditions_initialized(state)) {
    g_autofree char *names = names_without(state, is_initialized, true);
    condition.value = false;
    condition.reason = "ContainersNotInitialized";
    condition.message = g_strdup_printf("containers with incomplete status: %s", names);
  }
  return condition;
}

static Condition containers_ready(const PodState *state, const char *phase)
{
  Condition condition = { .type = "ContainersReady", .value = true };
  g_autofree char *names = names_without(state, is_ready, false);
  if (g_str_equal(phase, "Succeeded")) {
    condition.value = false;
    condition.reason = "PodCompleted";
  } else if (g_str_equal(phase, "Failed")) {
    condition.value = false;
    condition.reason = "PodFailed";
  } else if (names) {
    condition.value = false;
    condition.reason = "ContainersNotReady";
    condition.message = g_strdup_printf("containers with unready status: %s", names);
  }
  return condition;
}

/* The pod is ready when its containers and its readiness gates are. */
static Condition pod_ready(const PodState *state, const json_t *old, const Condition *containers)
{
  Condition condition = *containers;
  const json_t *gate;
  size_t i;
  condition.type = "Ready";
  condition.message = g_strdup(containers->message);
  if (!containers->value)
    return condition;
  json_array_foreach (json_at(state->pod, "spec", "readinessGates", NULL), i, gate) {
    const char *type = json_str(gate, "conditionType", "");
    const json_t *there = condition_in(old, type);
    if (g_str_equal(json_str(there, "status", ""), "True"))
      continue;
    condition.value = false;
    condition.reason = "ReadinessGatesNotReady";
    g_free(condition.message);
    condition.message =
        there ? g_strdup_printf("the status of pod readiness gate \"%s\" is not \"True\", but %s", type,
                                json_str(there, "status", ""))
              : g_strdup_printf("corresponding condition of pod readiness gate \"%s\" does not exist.", type);
    break;
  }
  return condition;
}

static json_t *condition_json(const Condition *condition, const json_t *old, const char *now)
{
  const char *status = condition->value ? "True" : "False";
  const json_t *before = condition_in(old, condition->type);
  bool same = before && g_str_equal(json_str(before, "status", ""), status);
  json_t *value = json_pack("{s:s, s:s, s:n, s:s}", "type", condition->type, "status", status, "lastProbeTime",
                            "lastTransitionTime", same ? json_str(before, "lastTransitionTime", now) : now);
  if (condition->reason)
    json_object_set_new(value, "reason", json_string(condition->reason));
  if (condition->message)
    json_object_set_new(value, "message", json_string(condition->message));
  return value;
}

/* Why the node ended a pod that had done nothing wrong. */
static json_t *disruption_json(const PodState *state, const json_t *old, const char *now)
{
  const json_t *before = condition_in(old, "DisruptionTarget");
  bool same = before && g_str_equal(json_str(before, "status", ""), "True");
  return json_pack("{s:s, s:s, s:n, s:s, s:s, s:s}", "type", "DisruptionTarget", "status", "True", "lastProbeTime",
                   "lastTransitionTime", same ? json_str(before, "lastTransitionTime", now) : now, "reason",
                   "TerminationByKubelet", "message", state->message);
}

static bool is_ours(const char *type)
{
  static const char *const types[] = { "PodReadyToStartContainers", "Initialized",  "Ready",
                                       "ContainersReady",           "PodScheduled", NULL };
  return g_strv_contains(types, type);
}

json_t *pod_conditions_build(const PodState *state, const json_t *old, const char *phase, const char *now)
{
  json_t *conditions = json_array();
  bool succeeded = g_str_equal(phase, "Succeeded"), over = succeeded || g_str_equal(phase, "Failed");
  Condition containers = containers_ready(state, phase);
  Condition all[] = {
    { .type = "PodReadyToStartContainers", .value = state->sandbox_ready && !over },
    initialized(state, succeeded),
    pod_ready(state, old, &containers),
    containers,
    { .type = "PodScheduled", .value = true },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(all); i++) {
    json_array_append_new(conditions, condition_json(&all[i], old, now));
    g_free(all[i].message);
  }
  if (state->disrupted)
    json_array_append_new(conditions, disruption_json(state, old, now));
  json_t *item;
  size_t i;
  json_array_foreach (old, i, item)
    if (!is_ours(json_str(item, "type", "")) && !condition_in(conditions, json_str(item, "type", "")))
      json_array_append(conditions, item);
  return conditions;
}
