#include <string.h>

#include "clusterd/api/table/cell_text.h"

json_t *cell_horizontal_pod_autoscaler_reference(const json_t *object, int64_t now_us)
{
  const json_t *target = json_at(object, "spec", "scaleTargetRef", NULL);
  return cell_take(g_strdup_printf("%s/%s", json_str(target, "kind", ""), json_str(target, "name", "")), "");
}

json_t *cell_horizontal_pod_autoscaler_min_pods(const json_t *object, int64_t now_us)
{
  const json_t *min = json_at(object, "spec", "minReplicas", NULL);
  return json_is_integer(min) ? cell_take(g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(min)), "")
                              : json_string("<unset>");
}

json_t *cell_horizontal_pod_autoscaler_max_pods(const json_t *object, int64_t now_us)
{
  return cell_integer(json_at(object, "spec", "maxReplicas", NULL));
}

json_t *cell_horizontal_pod_autoscaler_replicas(const json_t *object, int64_t now_us)
{
  return cell_integer(json_at(object, "status", "currentReplicas", NULL));
}

/* A percentage, or FALLBACK when absent. */
static char *percent_text(const json_t *value, const char *fallback)
{
  return json_is_integer(value) ? g_strdup_printf("%" JSON_INTEGER_FORMAT "%%", json_integer_value(value))
                                : g_strdup(fallback);
}

/* The member of a metric that its type names: {"type":"ContainerResource"} → "containerResource". */
static const json_t *source_of(const json_t *metric, const char *type)
{
  g_autofree char *member = g_strdup(type);
  member[0] = g_ascii_tolower(member[0]);
  return json_object_get(metric, member);
}

/* "current/target" of one metric, as upstream words each type. STATUS may be NULL. */
static char *metric_text(const json_t *metric, const json_t *status)
{
  const char *type = json_str(metric, "type", "");
  const json_t *source = source_of(metric, type);
  const json_t *target = json_object_get(source, "target");
  const json_t *current = status ? json_object_get(source_of(status, type), "current") : NULL;
  const char *average = json_str(target, "averageValue", NULL);
  bool resource = strcmp(type, "Resource") == 0 || strcmp(type, "ContainerResource") == 0;
  if (!source)
    return g_strdup("<unknown type>");
  if (resource && !average) {
    g_autofree char *now = percent_text(json_object_get(current, "averageUtilization"), "<unknown>");
    g_autofree char *goal = percent_text(json_object_get(target, "averageUtilization"), "<auto>");
    return g_strdup_printf("%s: %s/%s", json_str(source, "name", ""), now, goal);
  }
  if (!average)
    return g_strdup_printf("%s/%s", json_str(current, "value", "<unknown>"), json_str(target, "value", ""));
  const char *now = json_str(current, "averageValue", "<unknown>");
  if (resource)
    return g_strdup_printf("%s: %s/%s", json_str(source, "name", ""), now, average);
  return g_strdup_printf("%s/%s%s", now, average, strcmp(type, "Pods") == 0 ? "" : " (avg)");
}

/* autoscaling/v1 knows one metric only. */
static json_t *cpu_cell(const json_t *object)
{
  const json_t *target = json_at(object, "spec", "targetCPUUtilizationPercentage", NULL);
  if (!target)
    return json_string("<none>");
  g_autofree char *now = percent_text(json_at(object, "status", "currentCPUUtilizationPercentage", NULL), "<unknown>");
  g_autofree char *goal = percent_text(target, "<auto>");
  return cell_take(g_strdup_printf("cpu: %s/%s", now, goal), "");
}

json_t *cell_horizontal_pod_autoscaler_targets(const json_t *object, int64_t now_us)
{
  enum { SHOWN = 2 };
  const json_t *metrics = json_at(object, "spec", "metrics", NULL);
  const json_t *statuses = json_at(object, "status", "currentMetrics", NULL);
  size_t count = json_array_size(metrics);
  if (count == 0)
    return cpu_cell(object);
  GString *text = g_string_new(NULL);
  for (size_t i = 0; i < MIN(count, SHOWN); i++) {
    g_autofree char *one = metric_text(json_array_get(metrics, i), json_array_get(statuses, i));
    g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", one);
  }
  if (count > SHOWN)
    g_string_append_printf(text, " + %zu more...", count - SHOWN);
  return cell_take(g_string_free(text, FALSE), "<none>");
}
