/* Events: older ones only have to lie where their object does; newer ones, with an eventTime, say who did what.
 * Source: k8s.io/kubernetes/pkg/apis/core/validation/events.go. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
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

static void check_event(const json_t *event, FieldErrors *errors)
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
    field_errors_add(errors, FIELD_REQUIRED, "reportingComponent", NULL, NULL);
  api_validate_format("qualifiedName", component ? component : nothing, "reportingComponent", errors);
  check_text(event, "reportingInstance", true, TEXT_MAX, errors);
  check_text(event, "action", true, TEXT_MAX, errors);
  check_text(event, "reason", true, TEXT_MAX, errors);
  check_text(event, "message", false, MESSAGE_MAX, errors);
}

static void validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                            FieldErrors *errors)
{
  check_event(object, errors);
}

const ApiStrategy strategy_event = { .validate_create = check_event, .validate_update = validate_update };
