#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/api/conversion/conversion.h"
#include "clusterd/api/conversion/conversion_annotation.h"
#include "clusterd/api/json_prune.h"
#include "clusterd/api/scheme.h"

/* What v1 has no member for: where v2 keeps it, and the end of the annotation's name. */
static const struct {
  const char *part, *member, *annotation;
} extras[] = {
  { "spec", "metrics", AUTOSCALING_ANNOTATION "metrics" },
  { "spec", "behavior", AUTOSCALING_ANNOTATION "behavior" },
  { "status", "currentMetrics", AUTOSCALING_ANNOTATION "current-metrics" },
  { "status", "conditions", AUTOSCALING_ANNOTATION "conditions" },
};

/* The average CPU use in a metric of v2 (TARGET "target" or "current"), or NULL when it says something else. */
static json_t *cpu_utilization(const json_t *metric, const char *target)
{
  const json_t *resource = json_object_get(metric, "resource");
  if (strcmp(json_str(metric, "type", ""), "Resource") != 0 || strcmp(json_str(resource, "name", ""), "cpu") != 0)
    return NULL;
  return json_at(resource, target, "averageUtilization", NULL);
}

/* Moves the first CPU metric of PART's list MEMBER to PART's NUMBER; the list goes when nothing else is in it. */
static void take_cpu(json_t *part, const char *member, const char *target, const char *number)
{
  g_autoptr(json_t) rest = json_array();
  size_t index;
  json_t *metric;
  json_array_foreach (json_object_get(part, member), index, metric) {
    json_t *utilization = cpu_utilization(metric, target);
    if (utilization && !json_object_get(part, number))
      json_object_set(part, number, utilization);
    else
      json_array_append(rest, metric);
  }
  if (json_array_size(rest) > 0)
    json_object_set(part, member, rest);
  else
    json_object_del(part, member);
}

/* The way back: PART's NUMBER becomes the first metric of MEMBER. */
static void put_cpu(json_t *part, const char *member, const char *target, const char *number)
{
  g_autoptr(json_t) utilization = json_incref(json_object_get(part, number));
  if (!utilization)
    return;
  json_t *metric = json_pack("{s:s, s:{s:s, s:{s:O}}}", "type", "Resource", "resource", "name", "cpu", target,
                             "averageUtilization", utilization);
  if (strcmp(target, "target") == 0)
    json_object_set_new(json_at(metric, "resource", "target", NULL), "type", json_string("Utilization"));
  json_t *list = json_object_get(part, member);
  if (!list) {
    list = json_array();
    json_object_set_new(part, member, list);
  }
  json_array_insert_new(list, 0, metric);
  json_object_del(part, number);
}

static void extras_to_annotations(json_t *object)
{
  for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++)
    conversion_hide(object, extras[i].part, extras[i].member, extras[i].annotation);
}

static void annotations_to_extras(json_t *object)
{
  for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++)
    conversion_reveal(object, extras[i].part, extras[i].member, extras[i].annotation);
}

static json_t *to_storage(const json_t *object, bool with_extras)
{
  json_t *result = json_deep_copy(object);
  json_object_set_new(result, "apiVersion", json_string("autoscaling/v2"));
  if (with_extras)
    annotations_to_extras(result);
  put_cpu(json_object_get(result, "spec"), "metrics", "target", "targetCPUUtilizationPercentage");
  put_cpu(json_object_get(result, "status"), "currentMetrics", "current", "currentCPUUtilizationPercentage");
  return result;
}

json_t *convert_autoscaling_v1_to_storage(const json_t *object)
{
  const ApiMessage *message = api_builtin_message_of("autoscaling", "v2", "HorizontalPodAutoscaler");
  g_autoptr(json_t) result = to_storage(object, true);
  /* Annotations are the client's: what they bring must fit as if it had come as members, or it stays an annotation. */
  json_t *pruned = json_prune(message, "HorizontalPodAutoscaler", result, NULL, NULL);
  return pruned ? pruned : to_storage(object, false);
}

json_t *convert_autoscaling_v1_from_storage(const json_t *object)
{
  json_t *result = json_deep_copy(object);
  json_object_set_new(result, "apiVersion", json_string("autoscaling/v1"));
  take_cpu(json_object_get(result, "spec"), "metrics", "target", "targetCPUUtilizationPercentage");
  take_cpu(json_object_get(result, "status"), "currentMetrics", "current", "currentCPUUtilizationPercentage");
  extras_to_annotations(result);
  return result;
}
