/* Events: older ones only have to lie where their object does; newer ones, with an eventTime, say who did what, and
 * what comes by events.k8s.io/v1 is always one of those and stays as it was, but for its series. Source:
 * k8s.io/kubernetes/pkg/apis/core/validation/events.go. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"

#define TEXT_MAX 128
#define MESSAGE_MAX 1024

static void check_text(const json_t *event, const char *member, bool required, size_t most, FieldErrors *errors)
{
  g_autoptr(json_t) nothing = json_string("");
  size_t length = strlen(json_str(event, member, ""));
  if (required && length == 0)
    field_errors_add(errors, FIELD_REQUIRED, member, NULL, NULL);
  if (length > most)
    field_errors_add(errors, FIELD_INVALID, member, nothing, "can have at most %zu characters", most);
}

static void refuse_namespace(const json_t *event, FieldErrors *errors)
{
  const char *namespace_ = json_str(json_object_get(event, "involvedObject"), "namespace", "");
  g_autoptr(json_t) shown = json_string(namespace_);
  field_errors_add(errors, FIELD_INVALID, "involvedObject.namespace", shown, "does not match event.namespace");
}

/* REPORTER is what the request calls reportingComponent. */
static void check_event(const json_t *event, const char *reporter, FieldErrors *errors)
{
  const char *own = json_str(json_object_get(event, "metadata"), "namespace", "");
  const char *of_object = json_str(json_object_get(event, "involvedObject"), "namespace", "");
  bool is_default = strcmp(own, "default") == 0;
  if (!*json_str(event, "eventTime", "")) {
    if (*of_object ? strcmp(own, of_object) != 0 : *own && !is_default)
      refuse_namespace(event, errors);
    return;
  }
  if (!*of_object && !is_default && strcmp(own, "kube-system") != 0)
    refuse_namespace(event, errors);
  const json_t *component = json_object_get(event, "reportingComponent");
  g_autoptr(json_t) nothing = json_string("");
  if (json_string_length(component) == 0)
    field_errors_add(errors, FIELD_REQUIRED, reporter, NULL, NULL);
  api_validate_format("qualifiedName", component ? component : nothing, reporter, errors);
  check_text(event, "reportingInstance", true, TEXT_MAX, errors);
  check_text(event, "action", true, TEXT_MAX, errors);
  check_text(event, "reason", true, TEXT_MAX, errors);
  check_text(event, "message", false, MESSAGE_MAX, errors);
}

/* --- by events.k8s.io/v1 -------------------------------------------------------------------------------------------
 */

static void check_series(const json_t *event, FieldErrors *errors)
{
  const json_t *series = json_object_get(event, "series");
  g_autoptr(json_t) nothing = json_string("");
  if (!json_is_object(series))
    return;
  if (json_int(series, "count", 0) < 2)
    field_errors_add(errors, FIELD_INVALID, "series.count", nothing, "should be at least 2");
  if (!*json_str(series, "lastObservedTime", ""))
    field_errors_add(errors, FIELD_REQUIRED, "series.lastObservedTime", NULL, NULL);
}

static void check_new(const json_t *event, FieldErrors *errors)
{
  const json_t *source = json_object_get(event, "source");
  const char *type = json_str(event, "type", "");
  g_autoptr(json_t) nothing = json_string("");
  const struct {
    const char *member;
    bool set;
  } older[] = { { "firstTimestamp", *json_str(event, "firstTimestamp", "") },
                { "lastTimestamp", *json_str(event, "lastTimestamp", "") },
                { "count", json_int(event, "count", 0) != 0 },
                { "source", *json_str(source, "component", "") || *json_str(source, "host", "") } };
  check_series(event, errors);
  if (!*json_str(event, "eventTime", ""))
    field_errors_add(errors, FIELD_REQUIRED, "eventTime", NULL, NULL);
  if (strcmp(type, "Normal") != 0 && strcmp(type, "Warning") != 0)
    field_errors_add(errors, FIELD_INVALID, "type", nothing, "has invalid value: %s", type);
  for (size_t i = 0; i < G_N_ELEMENTS(older); i++)
    if (older[i].set)
      field_errors_add(errors, FIELD_INVALID, older[i].member, nothing, "needs to be unset");
}

/* What is not set is written in more than one way. */
static const json_t *given(const json_t *event, const char *member)
{
  const json_t *value = json_object_get(event, member);
  bool unset = json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0) ||
               (json_is_integer(value) && json_integer_value(value) == 0) ||
               (json_is_object(value) && json_object_size(value) == 0);
  return unset ? NULL : value;
}

static void check_changes(const json_t *event, const json_t *old, FieldErrors *errors)
{
  static const struct {
    const char *member, *called;
  } fixed[] = { { "involvedObject", "involvedObject" },
                { "reason", "reason" },
                { "message", "message" },
                { "source", "source" },
                { "firstTimestamp", "firstTimestamp" },
                { "lastTimestamp", "lastTimestamp" },
                { "count", "count" },
                { "type", "type" },
                { "eventTime", "eventTime" },
                { "action", "action" },
                { "related", "related" },
                { "reportingComponent", "reportingController" },
                { "reportingInstance", "reportingInstance" } };
  if (!json_same(json_object_get(event, "series"), json_object_get(old, "series")))
    check_series(event, errors);
  for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++)
    strategy_check_immutable(given(event, fixed[i].member), given(old, fixed[i].member), fixed[i].called, errors);
}

static void validate_request(const json_t *event, const json_t *old, const ApiWriteContext *context,
                             FieldErrors *errors)
{
  const ApiKind *asked = context ? context->asked : NULL;
  bool by_core = !asked || !*asked->group;
  check_event(event, by_core ? "reportingComponent" : "reportingController", errors);
  if (by_core || strcmp(asked->version, "v1") != 0)
    return;
  if (old)
    check_changes(event, old, errors);
  else
    check_new(event, errors);
}

const ApiStrategy strategy_event = { .validate_request = validate_request };
