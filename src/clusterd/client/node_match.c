#include "clusterd/client/node_match.h"

#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/client/taint.h"

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"

static bool matches_number(const json_t *values, const char *value, bool greater)
{
  const char *bound_text = json_string_value(json_array_get(values, 0));
  char *value_end, *bound_end;
  if (!value || !bound_text)
    return false;
  gint64 number = g_ascii_strtoll(value, &value_end, 10), bound = g_ascii_strtoll(bound_text, &bound_end, 10);
  if (value_end == value || *value_end || bound_end == bound_text || *bound_end)
    return false;
  return greater ? number > bound : number < bound;
}

/* VALUE is NULL when the label is absent. */
static bool matches_expression(const json_t *expression, const char *value)
{
  const char *operator= json_str(expression, "operator", "");
  const json_t *values = json_object_get(expression, "values");
  if (strcmp(operator, "In") == 0)
    return value && json_has_text(values, value);
  if (strcmp(operator, "NotIn") == 0)
    return !value || !json_has_text(values, value);
  if (strcmp(operator, "Exists") == 0)
    return value != NULL;
  if (strcmp(operator, "DoesNotExist") == 0)
    return value == NULL;
  return matches_number(values, value, strcmp(operator, "Gt") == 0);
}

/* A term without any expression matches nothing. */
static bool matches_term(const json_t *term, const json_t *node)
{
  const json_t *labels = json_at(node, "metadata", "labels", NULL);
  const json_t *by_label = json_object_get(term, "matchExpressions"), *by_field = json_object_get(term, "matchFields");
  if (json_array_size(by_label) + json_array_size(by_field) == 0)
    return false;
  size_t i;
  json_t *expression;
  json_array_foreach (by_label, i, expression)
    if (!matches_expression(expression, json_str(labels, json_str(expression, "key", ""), NULL)))
      return false;
  json_array_foreach (by_field, i, expression) {
    bool is_name = strcmp(json_str(expression, "key", ""), "metadata.name") == 0;
    const char *name = is_name ? json_str(json_object_get(node, "metadata"), "name", "") : NULL;
    if (!matches_expression(expression, name))
      return false;
  }
  return true;
}

bool node_match_selector(const json_t *selector, const json_t *node)
{
  size_t i;
  json_t *term;
  json_array_foreach (json_object_get(selector, "nodeSelectorTerms"), i, term)
    if (matches_term(term, node))
      return true;
  return false;
}

bool node_match_required(const json_t *pod, const json_t *node)
{
  const json_t *spec = json_object_get(pod, "spec");
  const json_t *labels = json_at(node, "metadata", "labels", NULL);
  const char *key;
  json_t *value;
  json_object_foreach (json_object_get(spec, "nodeSelector"), key, value)
    if (!json_same(json_object_get(labels, key), value))
      return false;
  const json_t *required = json_at(spec, "affinity", "nodeAffinity", REQUIRED, NULL);
  return !required || node_match_selector(required, node);
}

int64_t node_match_preferred(const json_t *pod, const json_t *node)
{
  int64_t sum = 0;
  size_t i;
  json_t *entry;
  json_array_foreach (json_at(pod, "spec", "affinity", "nodeAffinity", PREFERRED, NULL), i, entry)
    if (matches_term(json_object_get(entry, "preference"), node))
      sum += json_int(entry, "weight", 0);
  return sum;
}

const json_t *node_match_untolerated(const json_t *pod, const json_t *node, const char *const *effects)
{
  size_t i;
  json_t *taint;
  json_array_foreach (json_at(node, "spec", "taints", NULL), i, taint)
    if (g_strv_contains(effects, json_str(taint, "effect", "")) && !taint_is_tolerated(taint, pod))
      return taint;
  return NULL;
}

int node_match_count_disliked(const json_t *pod, const json_t *node)
{
  int count = 0;
  size_t i;
  json_t *taint;
  json_array_foreach (json_at(node, "spec", "taints", NULL), i, taint)
    count += strcmp(json_str(taint, "effect", ""), "PreferNoSchedule") == 0 && !taint_is_tolerated(taint, pod);
  return count;
}
