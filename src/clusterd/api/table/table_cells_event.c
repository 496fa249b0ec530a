#include <string.h>

#include "clusterd/api/table/cell_text.h"

/* An event is served in two shapes: core/v1, and events.k8s.io/v1 with other names for the same members. */
static const json_t *either(const json_t *event, const char *core, const char *modern)
{
  const json_t *value = json_object_get(event, core);
  return value ? value : json_object_get(event, modern);
}

static json_t *first_seen(const json_t *event, int64_t now_us)
{
  const json_t *first = either(event, "firstTimestamp", "deprecatedFirstTimestamp");
  return cell_since(json_is_string(first) ? first : json_object_get(event, "eventTime"), now_us);
}

json_t *cell_event_first_seen(const json_t *object, int64_t now_us)
{
  return first_seen(object, now_us);
}

json_t *cell_event_last_seen(const json_t *object, int64_t now_us)
{
  const json_t *series = json_object_get(object, "series");
  const json_t *last = either(object, "lastTimestamp", "deprecatedLastTimestamp");
  if (json_is_object(series))
    return cell_since(json_object_get(series, "lastObservedTime"), now_us);
  return json_is_string(last) ? cell_since(last, now_us) : first_seen(object, now_us);
}

json_t *cell_event_count(const json_t *object, int64_t now_us)
{
  const json_t *series = json_object_get(object, "series");
  if (json_is_object(series))
    return cell_integer(json_object_get(series, "count"));
  json_int_t count = json_integer_value(either(object, "count", "deprecatedCount"));
  return json_integer(count > 0 ? count : 1);
}

json_t *cell_event_object(const json_t *object, int64_t now_us)
{
  const json_t *about = either(object, "involvedObject", "regarding");
  const char *name = json_str(about, "name", "");
  g_autofree char *kind = g_ascii_strdown(json_str(about, "kind", ""), -1);
  return cell_take(g_strconcat(kind, *name ? "/" : "", name, NULL), "");
}

json_t *cell_event_subobject(const json_t *object, int64_t now_us)
{
  return cell_string(json_object_get(either(object, "involvedObject", "regarding"), "fieldPath"), "");
}

json_t *cell_event_source(const json_t *object, int64_t now_us)
{
  const json_t *source = either(object, "source", "deprecatedSource");
  const char *component = json_str(source, "component", ""), *host = json_str(source, "host", "");
  if (!*component) {
    const char *reporter = json_str(object, "reportingComponent", "");
    component = *reporter ? reporter : json_str(object, "reportingController", "");
    host = json_str(object, "reportingInstance", host);
  }
  return cell_take(g_strconcat(component, *host ? ", " : "", host, NULL), "");
}

json_t *cell_event_message(const json_t *object, int64_t now_us)
{
  const json_t *message = either(object, "message", "note");
  char *text = g_strdup(json_is_string(message) ? json_string_value(message) : "");
  return cell_take(g_strstrip(text), "");
}
