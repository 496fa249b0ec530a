#include "clusterd/controllers/autoscaling/metric_proposal.h"

#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "base/reason.h"

void metric_proposal_clear(MetricProposal *proposal)
{
  g_clear_pointer(&proposal->name, g_free);
  g_clear_pointer(&proposal->why, g_free);
  g_clear_pointer(&proposal->status, json_decref);
}

/* --- texts ------------------------------------------------------------------------------------------------------- */

static json_t *milli_quantity(int64_t milli)
{
  g_autofree char *text = quantity_text((Quantity){ .nano = (__int128)milli * 1000000, .format = QUANTITY_DECIMAL_SI });
  return json_string(text);
}

static int64_t milli_of(const json_t *target, const char *member)
{
  Quantity quantity;
  return quantity_parse(json_str(target, member, "0"), &quantity, NULL) ? quantity_milli(quantity) : 0;
}

static int compare_keys(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_expressions(GString *text, const json_t *expressions)
{
  size_t i, j;
  json_t *expression, *value;
  json_array_foreach (expressions, i, expression) {
    g_string_append_printf(text, "LabelSelectorRequirement{Key:%s,Operator:%s,Values:[",
                           json_str(expression, "key", ""), json_str(expression, "operator", ""));
    json_array_foreach (json_object_get(expression, "values"), j, value)
      g_string_append_printf(text, "%s%s", j ? " " : "", json_string_value(value));
    g_string_append(text, "],},");
  }
}

/* A LabelSelector as Go prints it, which is what events have. The caller frees. */
static char *selector_text(const json_t *selector)
{
  if (!selector)
    return g_strdup("nil");
  g_autoptr(GString) text = g_string_new("&LabelSelector{MatchLabels:map[string]string{");
  g_autoptr(GPtrArray) keys = g_ptr_array_new();
  const json_t *labels = json_object_get(selector, "matchLabels");
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)labels, key, value)
    g_ptr_array_add(keys, (char *)(uintptr_t)key);
  g_ptr_array_sort(keys, compare_keys);
  for (guint i = 0; i < keys->len; i++)
    g_string_append_printf(text, "%s: %s,", (char *)keys->pdata[i], json_str(labels, keys->pdata[i], ""));
  g_string_append(text, "},MatchExpressions:[]LabelSelectorRequirement{");
  add_expressions(text, json_object_get(selector, "matchExpressions"));
  g_string_append(text, "},}");
  return g_string_free(g_steal_pointer(&text), FALSE);
}

/* --- failures ---------------------------------------------------------------------------------------------------- */

/* Keeps what ERROR says up to here for the event. Returns false. */
static bool fail(MetricProposal *proposal, const char *failure, GError **error)
{
  proposal->failure = failure;
  proposal->why = g_strdup(error && *error ? (*error)->message : "");
  return false;
}

/* ", on Deployment default/web" behind the text of ERROR. */
static void add_behind(GError **error, const char *text)
{
  g_autofree char *old = g_steal_pointer(&(*error)->message);
  (*error)->message = g_strconcat(old, text, NULL);
}

/* --- resources --------------------------------------------------------------------------------------------------- */

static bool ask_resource(const MetricContext *context, const json_t *source, MetricProposal *proposal, json_t **current,
                         GError **error)
{
  const char *resource = json_str(source, "name", ""), *container = json_str(source, "container", NULL);
  const json_t *target = json_object_get(source, "target");
  const json_t *percent = json_object_get(target, "averageUtilization");
  bool raw = json_object_get(target, "averageValue") != NULL;
  ReplicaProposal found;
  if (!raw && !percent)
    return reason_set(error, REASON_INVALID,
                      "invalid resource metric source: neither an average utilization target nor an average value "
                      "(usage) target was set");
  g_autoptr(GHashTable) samples =
      metric_source_resource(context->source, context->namespace_, resource, container, context->target->pods, error);
  ReplicaPods pods = { context->pods, samples, resource, container, context->now_us };
  bool told = samples && (raw ? replicas_by_average(&pods, context->rules, context->target->wanted,
                                                    milli_of(target, "averageValue"), &found, error)
                              : replicas_by_utilization(&pods, context->rules, context->target->wanted,
                                                        json_integer_value(percent), &found, error));
  if (!samples)
    g_prefix_error(error, "unable to get metrics for resource %s: ", resource);
  if (!told) {
    g_prefix_error(error, "failed to get %s %s: ", resource, raw ? "usage" : "utilization");
    return false;
  }
  *current = json_pack("{s:o}", "averageValue", milli_quantity(found.milli));
  if (!raw)
    json_object_set_new(*current, "averageUtilization", json_integer(found.percent));
  proposal->replicas = found.replicas;
  proposal->name = raw ? g_strdup_printf("%s resource", resource)
                       : g_strdup_printf("%s %sresource utilization (percentage of request)", resource,
                                         container ? "container " : "");
  return true;
}

static bool propose_resource(const MetricContext *context, const json_t *source, MetricProposal *proposal,
                             GError **error)
{
  json_t *current = NULL;
  if (!ask_resource(context, source, proposal, &current, error)) {
    fail(proposal, "FailedGetResourceMetric", error);
    g_prefix_error(error, "failed to get %s resource metric value: ", json_str(source, "name", ""));
    return false;
  }
  proposal->status = json_pack("{s:s, s:{s:O, s:o}}", "type", "Resource", "resource", "name",
                               json_object_get(source, "name"), "current", current);
  return true;
}

static bool propose_container(const MetricContext *context, const json_t *source, MetricProposal *proposal,
                              GError **error)
{
  json_t *current = NULL;
  if (!ask_resource(context, source, proposal, &current, error)) {
    fail(proposal, "FailedGetContainerResourceMetric", error);
    g_prefix_error(error, "failed to get %s container metric value: ", json_str(source, "container", ""));
    return false;
  }
  proposal->status =
      json_pack("{s:s, s:{s:O, s:O, s:o}}", "type", "ContainerResource", "containerResource", "name",
                json_object_get(source, "name"), "container", json_object_get(source, "container"), "current", current);
  return true;
}

/* --- custom metrics ---------------------------------------------------------------------------------------------- */

static const char *metric_name(const json_t *source)
{
  return json_str(json_object_get(source, "metric"), "name", "");
}

static const json_t *metric_labels(const json_t *source)
{
  return json_at(source, "metric", "selector", NULL);
}

static bool ask_pods(const MetricContext *context, const json_t *source, ReplicaProposal *found, GError **error)
{
  g_autoptr(GHashTable) samples = metric_source_pods(context->source, context->namespace_, metric_name(source),
                                                     metric_labels(source), context->target->pods, error);
  ReplicaPods pods = { .pods = context->pods, .samples = samples, .now_us = context->now_us };
  if (samples)
    return replicas_by_average(&pods, context->rules, context->target->wanted,
                               milli_of(json_object_get(source, "target"), "averageValue"), found, error);
  g_prefix_error(error, "unable to get metric %s: ", metric_name(source));
  return false;
}

static bool propose_pods(const MetricContext *context, const json_t *source, MetricProposal *proposal, GError **error)
{
  ReplicaProposal found;
  if (!ask_pods(context, source, &found, error)) {
    fail(proposal, "FailedGetPodsMetric", error);
    g_prefix_error(error, "failed to get pods metric value: ");
    return false;
  }
  proposal->replicas = found.replicas;
  proposal->name = g_strdup_printf("pods metric %s", metric_name(source));
  proposal->status =
      json_pack("{s:s, s:{s:O, s:{s:o}}}", "type", "Pods", "pods", "metric", json_object_get(source, "metric"),
                "current", "averageValue", milli_quantity(found.milli));
  return true;
}

/* The count for a measure MILLI of something else than the pods. */
static bool weigh(const MetricContext *context, const json_t *target, bool average, int64_t milli,
                  ReplicaProposal *found, GError **error)
{
  if (!average)
    return replicas_by_value(context->pods, context->rules, context->target->wanted, milli, milli_of(target, "value"),
                             found, error);
  replicas_by_share(context->rules, context->target->present, milli, milli_of(target, "averageValue"), found);
  return true;
}

static bool ask_object(const MetricContext *context, const json_t *source, bool average, ReplicaProposal *found,
                       GError **error)
{
  const json_t *reference = json_object_get(source, "describedObject"), *target = json_object_get(source, "target");
  const char *kind = json_str(reference, "kind", "");
  int64_t milli;
  if (metric_source_object(context->source, context->namespace_, reference, metric_name(source), metric_labels(source),
                           &milli, error))
    return weigh(context, target, average, milli, found, error);
  g_autofree char *on = g_strdup_printf(" on %s %s/%s", kind, context->namespace_, json_str(reference, "name", ""));
  g_prefix_error(error, "unable to get metric %s: ", metric_name(source));
  add_behind(error, on);
  return false;
}

static bool propose_object(const MetricContext *context, const json_t *source, MetricProposal *proposal, GError **error)
{
  const json_t *target = json_object_get(source, "target");
  const char *type = json_str(target, "type", ""), *name = metric_name(source);
  bool average = strcmp(type, "AverageValue") == 0 && json_object_get(target, "averageValue");
  ReplicaProposal found;
  bool valid = average || (strcmp(type, "Value") == 0 && json_object_get(target, "value"));
  if (!valid)
    reason_set(error, REASON_INVALID,
               "invalid object metric source: neither a value target nor an average value target was set");
  if (!valid || !ask_object(context, source, average, &found, error)) {
    fail(proposal, "FailedGetObjectMetric", error);
    if (average)
      g_prefix_error(error, "failed to get %s object metric: ", name);
    g_prefix_error(error, "failed to get object metric value: ");
    return false;
  }
  g_autofree char *labels = selector_text(metric_labels(source));
  proposal->replicas = found.replicas;
  proposal->name =
      average ? g_strdup_printf("external metric %s(%s)", name, labels)
              : g_strdup_printf("%s metric %s", json_str(json_object_get(source, "describedObject"), "kind", ""), name);
  proposal->status =
      json_pack("{s:s, s:{s:O, s:O, s:{s:o}}}", "type", "Object", "object", "metric", json_object_get(source, "metric"),
                "describedObject", json_object_get(source, "describedObject"), "current",
                average ? "averageValue" : "value", milli_quantity(found.milli));
  return true;
}

/* --- external metrics -------------------------------------------------------------------------------------------- */

static bool ask_external(const MetricContext *context, const json_t *source, bool average, ReplicaProposal *found,
                         GError **error)
{
  int64_t milli;
  if (metric_source_external(context->source, context->namespace_, metric_name(source), metric_labels(source), &milli,
                             error))
    return weigh(context, json_object_get(source, "target"), average, milli, found, error);
  g_autofree char *labels = selector_text(metric_labels(source));
  g_prefix_error(error, "unable to get external metric %s/%s/%s: ", context->namespace_, metric_name(source), labels);
  return false;
}

static bool propose_external(const MetricContext *context, const json_t *source, MetricProposal *proposal,
                             GError **error)
{
  const json_t *target = json_object_get(source, "target");
  const char *name = metric_name(source);
  bool average = json_object_get(target, "averageValue") != NULL, value = json_object_get(target, "value") != NULL;
  ReplicaProposal found;
  if (!average && !value)
    reason_set(error, REASON_INVALID,
               "invalid external metric source: neither a value target nor an average value target was set");
  if ((!average && !value) || !ask_external(context, source, average, &found, error)) {
    fail(proposal, "FailedGetExternalMetric", error);
    if (average)
      g_prefix_error(error, "failed to get %s external metric: ", name);
    else if (value)
      g_prefix_error(error, "failed to get external metric %s: ", name);
    g_prefix_error(error, "failed to get %s external metric value: ", name);
    return false;
  }
  g_autofree char *labels = selector_text(metric_labels(source));
  proposal->replicas = found.replicas;
  proposal->name = g_strdup_printf("external metric %s(%s)", name, labels);
  proposal->status =
      json_pack("{s:s, s:{s:O, s:{s:o}}}", "type", "External", "external", "metric", json_object_get(source, "metric"),
                "current", average ? "averageValue" : "value", milli_quantity(found.milli));
  return true;
}

/* --- all of them ------------------------------------------------------------------------------------------------- */

static const struct {
  const char *type, *member;
  bool (*propose)(const MetricContext *context, const json_t *source, MetricProposal *proposal, GError **error);
} rows[] = {
  { "Resource", "resource", propose_resource },
  { "ContainerResource", "containerResource", propose_container },
  { "Pods", "pods", propose_pods },
  { "Object", "object", propose_object },
  { "External", "external", propose_external },
};

bool metric_propose(const MetricContext *context, const json_t *metric, MetricProposal *proposal, GError **error)
{
  const char *type = json_str(metric, "type", "");
  g_autoptr(GError) problem = NULL;
  *proposal = (MetricProposal){ 0 };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    if (strcmp(rows[i].type, type) != 0)
      continue;
    if (rows[i].propose(context, json_object_get(metric, rows[i].member), proposal, &problem))
      return true;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  reason_set(&problem, REASON_INVALID, "unknown metric source type \"%s\"", type);
  fail(proposal, "InvalidMetricSourceType", &problem);
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}
