/* autoscaling/v2beta1: each kind of metric lies flat, where v2 groups its name and its target or current values. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/conversion/conversion.h"
#include "clusterd/api/conversion/conversion_annotation.h"
#include "clusterd/api/json_prune.h"
#include "clusterd/api/scheme.h"

#define BEHAVIOR AUTOSCALING_ANNOTATION "behavior"

/* Where v2 keeps a member of v2beta1. GROUP NULL: under another name in the same place. */
typedef struct Moved {
  const char *metric; /* the member of the metric it belongs to */
  const char *old, *group, *now;
  bool filled; /* v2beta1 always has it: "0" when v2 says nothing */
} Moved;

static const Moved moved[] = {
  { "resource", "targetAverageUtilization", "target", "averageUtilization", false },
  { "resource", "targetAverageValue", "target", "averageValue", false },
  { "resource", "currentAverageUtilization", "current", "averageUtilization", false },
  { "resource", "currentAverageValue", "current", "averageValue", true },
  { "containerResource", "targetAverageUtilization", "target", "averageUtilization", false },
  { "containerResource", "targetAverageValue", "target", "averageValue", false },
  { "containerResource", "currentAverageUtilization", "current", "averageUtilization", false },
  { "containerResource", "currentAverageValue", "current", "averageValue", true },
  { "external", "metricName", "metric", "name", false },
  { "external", "metricSelector", "metric", "selector", false },
  { "external", "targetValue", "target", "value", false },
  { "external", "targetAverageValue", "target", "averageValue", false },
  { "external", "currentValue", "current", "value", true },
  { "external", "currentAverageValue", "current", "averageValue", false },
  { "object", "target", NULL, "describedObject", false },
  { "object", "metricName", "metric", "name", false },
  { "object", "selector", "metric", "selector", false },
  { "object", "targetValue", "target", "value", true },
  { "object", "currentValue", "current", "value", true },
  { "object", "averageValue", "target", "averageValue", false },
  { "object", "averageValue", "current", "averageValue", false },
  { "pods", "metricName", "metric", "name", false },
  { "pods", "selector", "metric", "selector", false },
  { "pods", "targetAverageValue", "target", "averageValue", true },
  { "pods", "currentAverageValue", "current", "averageValue", true },
};

/* VALUES is what a metric is measured by: "target" in spec, "current" in status. */
static bool is_about(const Moved *row, const char *metric, const char *values)
{
  return strcmp(row->metric, metric) == 0 &&
         (!row->group || strcmp(row->group, "metric") == 0 || strcmp(row->group, values) == 0);
}

static const Moved *row_of(const char *metric, const char *values, const char *old)
{
  for (size_t i = 0; i < G_N_ELEMENTS(moved); i++)
    if (is_about(&moved[i], metric, values) && strcmp(moved[i].old, old) == 0)
      return &moved[i];
  return NULL;
}

/* What v2beta1 leaves to be seen from which values are given. */
static const char *target_type(const char *metric, const json_t *target)
{
  bool average = json_object_get(target, "averageValue") != NULL, value = json_object_get(target, "value") != NULL;
  if (json_object_get(target, "averageUtilization"))
    return "Utilization";
  return value && !(average && strcmp(metric, "object") == 0) ? "Value" : "AverageValue";
}

static json_t *metric_to_storage(const char *metric, const char *values, const json_t *old)
{
  json_t *result = json_object();
  const char *name;
  json_t *member;
  json_object_foreach ((json_t *)(uintptr_t)old, name, member) {
    const Moved *row = row_of(metric, values, name);
    json_t *place = row && row->group ? json_ensure_object(result, row->group, NULL) : result;
    json_object_set(place, row ? row->now : name, member);
  }
  if (strcmp(values, "current") == 0) {
    json_ensure_object(result, values, NULL);
    return result;
  }
  json_t *target = json_ensure_object(result, values, NULL);
  /* the value an average goes without is only there because v2beta1 cannot leave it out */
  if (json_object_get(target, "averageValue") && strcmp(json_str(target, "value", ""), "0") == 0)
    json_object_del(target, "value");
  json_object_set_new(target, "type", json_string(target_type(metric, target)));
  return result;
}

static json_t *metric_from_storage(const char *metric, const char *values, const json_t *stored)
{
  json_t *result = json_object();
  const char *name;
  json_t *member;
  json_object_foreach ((json_t *)(uintptr_t)stored, name, member) {
    if (strcmp(name, "describedObject") != 0 && strcmp(name, "metric") != 0 && strcmp(name, values) != 0)
      json_object_set(result, name, member);
  }
  for (size_t i = 0; i < G_N_ELEMENTS(moved); i++) {
    const Moved *row = &moved[i];
    if (!is_about(row, metric, values))
      continue;
    json_t *value = json_object_get(row->group ? json_object_get(stored, row->group) : stored, row->now);
    if (value)
      json_object_set(result, row->old, value);
    else if (row->filled)
      json_object_set_new(result, row->old, json_string("0"));
  }
  return result;
}

typedef json_t *(*MetricConversion)(const char *metric, const char *values, const json_t *value);

static void convert_metrics(json_t *metrics, const char *values, MetricConversion convert)
{
  static const char *const names[] = { "resource", "containerResource", "external", "object", "pods" };
  size_t i;
  json_t *metric;
  json_array_foreach (metrics, i, metric) {
    for (size_t j = 0; j < G_N_ELEMENTS(names); j++) {
      const json_t *value = json_object_get(metric, names[j]);
      if (value)
        json_object_set_new(metric, names[j], convert(names[j], values, value));
    }
  }
}

static json_t *convert(const json_t *object, MetricConversion conversion)
{
  json_t *result = json_deep_copy(object);
  convert_metrics(json_at(result, "spec", "metrics", NULL), "target", conversion);
  convert_metrics(json_at(result, "status", "currentMetrics", NULL), "current", conversion);
  return result;
}

json_t *convert_autoscaling_v2beta1_to_storage(const json_t *object)
{
  const ApiMessage *message = api_builtin_message_of("autoscaling", "v2", "HorizontalPodAutoscaler");
  g_autoptr(json_t) result = convert(object, metric_to_storage);
  conversion_reveal(result, "spec", "behavior", BEHAVIOR);
  /* the annotation is the client's: what it brings must fit as if it had come as a member, or it stays an annotation */
  json_t *pruned = json_prune(message, "HorizontalPodAutoscaler", result, NULL, NULL);
  return pruned ? pruned : convert(object, metric_to_storage);
}

json_t *convert_autoscaling_v2beta1_from_storage(const json_t *object)
{
  json_t *result = convert(object, metric_from_storage);
  conversion_hide(result, "spec", "behavior", BEHAVIOR);
  return result;
}
