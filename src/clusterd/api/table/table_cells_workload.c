/* Cells of what makes pods, and of selectors. */
#include <string.h>

#include "base/timestamp.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/api/table/cell_text.h"

/* Integer cells that are one member each. */
#define INTEGER_CELL(name, ...)                                                                                        \
  json_t *cell_##name(const json_t *object, int64_t now_us)                                                            \
  {                                                                                                                    \
    return cell_integer(json_at(object, __VA_ARGS__, NULL));                                                           \
  }

INTEGER_CELL(daemon_set_available, "status", "numberAvailable")
INTEGER_CELL(daemon_set_current, "status", "currentNumberScheduled")
INTEGER_CELL(daemon_set_desired, "status", "desiredNumberScheduled")
INTEGER_CELL(daemon_set_ready, "status", "numberReady")
INTEGER_CELL(daemon_set_up_to_date, "status", "updatedNumberScheduled")
INTEGER_CELL(deployment_available, "status", "availableReplicas")
INTEGER_CELL(deployment_up_to_date, "status", "updatedReplicas")
INTEGER_CELL(replica_set_current, "status", "replicas")
INTEGER_CELL(replica_set_desired, "spec", "replicas")
INTEGER_CELL(replica_set_ready, "status", "readyReplicas")
INTEGER_CELL(replication_controller_current, "status", "replicas")
INTEGER_CELL(replication_controller_desired, "spec", "replicas")
INTEGER_CELL(replication_controller_ready, "status", "readyReplicas")
INTEGER_CELL(controller_revision_revision, "revision")

static json_t *ready_of_desired(const json_t *object)
{
  return cell_take(g_strdup_printf("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT,
                                   json_int(json_object_get(object, "status"), "readyReplicas", 0),
                                   json_int(json_object_get(object, "spec"), "replicas", 0)),
                   "");
}

json_t *cell_deployment_ready(const json_t *object, int64_t now_us)
{
  return ready_of_desired(object);
}

json_t *cell_stateful_set_ready(const json_t *object, int64_t now_us)
{
  return ready_of_desired(object);
}

/* The containers of the pod template, which a PodTemplate has outside a spec. */
static const json_t *template_containers(const json_t *object)
{
  const json_t *template = json_at(object, "spec", "template", NULL);
  return json_at(template ? template : json_object_get(object, "template"), "spec", "containers", NULL);
}

json_t *cell_template_containers(const json_t *object, int64_t now_us)
{
  return cell_take(cell_join(template_containers(object), "name", ","), "");
}

json_t *cell_template_images(const json_t *object, int64_t now_us)
{
  return cell_take(cell_join(template_containers(object), "image", ","), "");
}

json_t *cell_pod_template_pod_labels(const json_t *object, int64_t now_us)
{
  return cell_labels(json_at(object, "template", "metadata", "labels", NULL));
}

static json_t *selector_cell(const json_t *value)
{
  g_autoptr(LabelSelector) selector = label_selector_from_json(value, NULL);
  return selector ? cell_take(label_selector_text(selector), "<none>") : json_string("<error>");
}

json_t *cell_label_selector(const json_t *object, int64_t now_us)
{
  return selector_cell(json_at(object, "spec", "selector", NULL));
}

json_t *cell_network_policy_pod_selector(const json_t *object, int64_t now_us)
{
  return selector_cell(json_at(object, "spec", "podSelector", NULL));
}

json_t *cell_replication_controller_selector(const json_t *object, int64_t now_us)
{
  return cell_labels(json_at(object, "spec", "selector", NULL));
}

json_t *cell_daemon_set_node_selector(const json_t *object, int64_t now_us)
{
  return cell_labels(json_at(object, "spec", "template", "spec", "nodeSelector", NULL));
}

json_t *cell_controller_revision_controller(const json_t *object, int64_t now_us)
{
  size_t i;
  json_t *owner;
  json_array_foreach (json_at(object, "metadata", "ownerReferences", NULL), i, owner) {
    if (!json_flag(owner, "controller", false))
      continue;
    g_autofree char *kind = g_ascii_strdown(json_str(owner, "kind", ""), -1);
    g_auto(GStrv) version = g_strsplit(json_str(owner, "apiVersion", ""), "/", 2);
    bool grouped = version[0] && version[1];
    return cell_take(
        g_strdup_printf("%s%s%s/%s", kind, grouped ? "." : "", grouped ? version[0] : "", json_str(owner, "name", "")),
        "<none>");
  }
  return json_string("<none>");
}

json_t *cell_job_completions(const json_t *object, int64_t now_us)
{
  const json_t *spec = json_object_get(object, "spec");
  int64_t succeeded = json_int(json_object_get(object, "status"), "succeeded", 0);
  int64_t parallelism = json_int(spec, "parallelism", 0);
  if (json_is_integer(json_object_get(spec, "completions")))
    return cell_take(
        g_strdup_printf("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, succeeded, json_int(spec, "completions", 0)), "");
  if (parallelism > 1)
    return cell_take(g_strdup_printf("%" G_GINT64_FORMAT "/1 of %" G_GINT64_FORMAT, succeeded, parallelism), "");
  return cell_take(g_strdup_printf("%" G_GINT64_FORMAT "/1", succeeded), "");
}

json_t *cell_job_duration(const json_t *object, int64_t now_us)
{
  const json_t *status = json_object_get(object, "status");
  int64_t start_us, end_us = now_us;
  if (!timestamp_parse(json_str(status, "startTime", NULL), &start_us))
    return json_string("");
  timestamp_parse(json_str(status, "completionTime", NULL), &end_us);
  return cell_take(timestamp_human_duration(end_us - start_us), "");
}

json_t *cell_job_status(const json_t *object, int64_t now_us)
{
  static const char *const ended[] = { "Complete", "Failed" };
  static const char *const others[] = { "Suspended", "FailureTarget", "SuccessCriteriaMet" };
  const json_t *conditions = json_at(object, "status", "conditions", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(ended); i++)
    if (cell_condition_true(conditions, ended[i]))
      return json_string(ended[i]);
  if (json_at(object, "metadata", "deletionTimestamp", NULL))
    return json_string("Terminating");
  for (gsize i = 0; i < G_N_ELEMENTS(others); i++)
    if (cell_condition_true(conditions, others[i]))
      return json_string(others[i]);
  return json_string("Running");
}

json_t *cell_cron_job_active(const json_t *object, int64_t now_us)
{
  return json_integer((json_int_t)json_array_size(json_at(object, "status", "active", NULL)));
}

json_t *cell_cron_job_last_schedule(const json_t *object, int64_t now_us)
{
  const json_t *last = json_at(object, "status", "lastScheduleTime", NULL);
  return json_is_string(last) ? cell_since(last, now_us) : json_string("<none>");
}

json_t *cell_cron_job_suspend(const json_t *object, int64_t now_us)
{
  const json_t *suspend = json_at(object, "spec", "suspend", NULL);
  return json_string(!json_is_boolean(suspend) ? "<unset>" : json_is_true(suspend) ? "True" : "False");
}

json_t *cell_cron_job_timezone(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "spec", "timeZone", NULL), "<none>");
}

json_t *cell_cron_job_containers(const json_t *object, int64_t now_us)
{
  return cell_template_containers(json_at(object, "spec", "jobTemplate", NULL), now_us);
}

json_t *cell_cron_job_images(const json_t *object, int64_t now_us)
{
  return cell_template_images(json_at(object, "spec", "jobTemplate", NULL), now_us);
}

json_t *cell_cron_job_selector(const json_t *object, int64_t now_us)
{
  return selector_cell(json_at(object, "spec", "jobTemplate", "spec", "selector", NULL));
}

/* An IntOrString, "N/A" when absent. */
static json_t *amount_cell(const json_t *value)
{
  if (json_is_integer(value))
    return cell_take(g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value)), "");
  return cell_string(value, "N/A");
}

json_t *cell_pod_disruption_budget_min_available(const json_t *object, int64_t now_us)
{
  return amount_cell(json_at(object, "spec", "minAvailable", NULL));
}

json_t *cell_pod_disruption_budget_max_unavailable(const json_t *object, int64_t now_us)
{
  return amount_cell(json_at(object, "spec", "maxUnavailable", NULL));
}

INTEGER_CELL(pod_disruption_budget_allowed_disruptions, "status", "disruptionsAllowed")
