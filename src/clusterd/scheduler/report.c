/* What is said of a pod that was not placed: an event, its condition, the node it is promised; and its victims. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/scheduler/scheduler_private.h"

typedef struct Report {
  Object *pod;
  char *scheduler_name;
  const char *reason; /* of the condition */
  char *message;
  char *nominated;    /* "": none any more; NULL: as it was */
  GPtrArray *victims; /* Object*, or NULL */
  GPtrArray *demoted; /* Object*: pods of lower priority that were promised the node; or NULL */
} Report;

static void report_free(Report *report)
{
  object_unref(report->pod);
  g_free(report->scheduler_name);
  g_free(report->message);
  g_free(report->nominated);
  g_clear_pointer(&report->victims, g_ptr_array_unref);
  g_clear_pointer(&report->demoted, g_ptr_array_unref);
  g_free(report);
}

/* --- the reporter's thread -------------------------------------------------------------------------------------- */

static bool is_bound_or_another(const json_t *value, const Object *pod)
{
  return strcmp(json_str(json_object_get(value, "metadata"), "uid", ""), object_uid(pod)) != 0 || *pod_node(value);
}

static bool set_condition(json_t *value, void *data)
{
  const Report *report = data;
  if (is_bound_or_another(value, report->pod))
    return false;
  json_t *status = json_ensure_object(value, "status", NULL);
  bool changed = condition_set(status, "PodScheduled", "False", report->reason, report->message);
  const char *known = json_str(status, "nominatedNodeName", "");
  if (report->nominated && strcmp(known, report->nominated) != 0) {
    changed = true;
    if (*report->nominated)
      json_object_set_new(status, "nominatedNodeName", json_string(report->nominated));
    else
      json_object_del(status, "nominatedNodeName");
  }
  return changed;
}

static bool clear_nomination(json_t *value, void *data)
{
  json_t *status = json_object_get(value, "status");
  if (is_bound_or_another(value, data) || !json_object_get(status, "nominatedNodeName"))
    return false;
  json_object_del(status, "nominatedNodeName");
  return true;
}

static bool set_disruption(json_t *value, void *data)
{
  const Report *report = data;
  g_autofree char *message =
      g_strdup_printf("%s: preempting to accommodate a higher priority pod", report->scheduler_name);
  return condition_set(json_ensure_object(value, "status", NULL), "DisruptionTarget", "True", "PreemptionByScheduler",
                       message);
}

static void modify_status(Scheduler *scheduler, const Object *pod, RegistryChange change, void *data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) stored = client_modify(scheduler->client, "v1", "pods", object_namespace(pod), object_name(pod),
                                           "status", change, data, &error);
  if (!stored && !reason_is(error, REASON_NOT_FOUND))
    g_info("Cannot change the status of pod %s/%s: %s", object_namespace(pod), object_name(pod), error->message);
}

static void end_victim(Scheduler *scheduler, Report *report, const Object *victim)
{
  g_autoptr(GError) error = NULL;
  modify_status(scheduler, victim, set_disruption, report);
  DeleteOptions options = { .grace_period_seconds = -1, .precondition_uid = object_uid(victim) };
  if (client_delete(scheduler->client, "v1", "pods", object_namespace(victim), object_name(victim), &options, &error))
    recorder_event(scheduler_recorder(scheduler, report->scheduler_name), object_json(victim), NULL, "Normal",
                   "Preempted", "Preempted by pod %s on node %s", object_uid(report->pod), report->nominated);
  else if (!reason_is(error, REASON_NOT_FOUND))
    g_warning("Cannot preempt pod %s/%s: %s", object_namespace(victim), object_name(victim), error->message);
}

void report_write(void *item, void *data)
{
  Report *report = item;
  Scheduler *scheduler = data;
  for (unsigned i = 0; report->victims && i < report->victims->len; i++) {
    const Object *victim = g_ptr_array_index(report->victims, i);
    if (!pod_is_deleting(object_json(victim)))
      end_victim(scheduler, report, victim);
  }
  for (unsigned i = 0; report->demoted && i < report->demoted->len; i++)
    modify_status(scheduler, g_ptr_array_index(report->demoted, i), clear_nomination,
                  g_ptr_array_index(report->demoted, i));
  recorder_event(scheduler_recorder(scheduler, report->scheduler_name), object_json(report->pod), NULL, "Warning",
                 "FailedScheduling", "%s", report->message);
  modify_status(scheduler, report->pod, set_condition, report);
  report_free(report);
}

/* --- the scheduler's thread ------------------------------------------------------------------------------------- */

static Report *report_new(const Object *pod, const char *reason, char *message)
{
  Report *report = g_new0(Report, 1);
  report->pod = object_ref((Object *)(uintptr_t)pod);
  report->scheduler_name =
      g_strdup(json_str(json_object_get(object_json(pod), "spec"), "schedulerName", DEFAULT_SCHEDULER_NAME));
  report->reason = reason;
  report->message = message;
  return report;
}

static void unref_object(void *object)
{
  object_unref(object);
}

/* Pods of lower priority that were promised the node lose it: they look again. */
static GPtrArray *demote(Scheduler *scheduler, const PodInfo *pod, const char *node_name)
{
  const NodeInfo *node = cluster_state_node(scheduler->state, node_name);
  g_autoptr(GPtrArray) lower = g_ptr_array_new();
  for (unsigned i = 0; node && i < node->nominated->len; i++) {
    PodInfo *other = g_ptr_array_index(node->nominated, i);
    if (other->priority < pod->priority)
      g_ptr_array_add(lower, pod_info_ref(other));
  }
  GPtrArray *objects = g_ptr_array_new_with_free_func(unref_object);
  for (unsigned i = 0; i < lower->len; i++) {
    PodInfo *other = g_ptr_array_index(lower, i);
    g_ptr_array_add(objects, object_ref(other->object));
    cluster_state_nominate(scheduler->state, other, NULL);
    pod_info_unref(scheduler->state->tally, other);
  }
  return objects;
}

void report_refusal(Scheduler *scheduler, const PodInfo *pod, const char *message, const Preemption *preemption)
{
  char *text = preemption && preemption->message ? g_strconcat(message, " preemption: ", preemption->message, NULL)
                                                 : g_strdup(message);
  Report *report = report_new(pod->object, "Unschedulable", text);
  if (preemption && preemption->node) {
    report->nominated = g_strdup(preemption->node);
    report->victims = g_ptr_array_ref(preemption->victims);
    report->demoted = demote(scheduler, pod, preemption->node);
  } else if (preemption && !preemption->not_eligible) {
    report->nominated = g_strdup("");
  }
  g_thread_pool_push(scheduler->reporter, report, NULL);
}

void report_failure(Scheduler *scheduler, const Object *pod, const char *message)
{
  g_thread_pool_push(scheduler->reporter, report_new(pod, "SchedulerError", g_strdup(message)), NULL);
}
