#include "clusterd/api/strategies/strategy_common.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_pod.h"
#include "clusterd/api/validation.h"
#include "clusterd/api/validation_metadata.h"

/* %#v of an empty selector */
#define EMPTY_SELECTOR                                                                                                 \
  "v1.LabelSelector{MatchLabels:map[string]string(nil), MatchExpressions:[]v1.LabelSelectorRequirement(nil)}"

void strategy_default(json_t *object, const char *member, json_t *value)
{
  if (json_object_get(object, member))
    json_decref(value);
  else
    json_object_set_new(object, member, value);
}

void strategy_carry(json_t *object, const json_t *old, const char *member)
{
  json_t *before = json_object_get(old, member);
  if (before)
    json_object_set(object, member, before);
  else
    json_object_del(object, member);
}

void strategy_reset_status(json_t *object)
{
  json_object_set_new(object, "status", json_object());
}

void strategy_split_status(json_t *object, const json_t *old, const ApiWriteContext *context)
{
  if (!context || !context->subresource) {
    strategy_carry(object, old, "status");
    return;
  }
  json_t *metadata = json_ensure_object(object, "metadata", NULL);
  strategy_carry(object, old, "spec");
  strategy_carry(metadata, json_object_get(old, "metadata"), "labels");
}

const ApiStrategy strategy_status_only = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
};

void strategy_check_immutable(const json_t *value, const json_t *old, const char *path, FieldErrors *errors)
{
  if (!json_same(value, old))
    field_errors_add(errors, FIELD_INVALID, path, value, "field is immutable");
}

static bool is_percent(const json_t *value, int64_t *percent)
{
  const char *text = json_string_value(value);
  size_t digits = text ? strspn(text, "0123456789") : 0;
  if (digits == 0 || strcmp(text + digits, "%") != 0)
    return false;
  *percent = g_ascii_strtoll(text, NULL, 10);
  return true;
}

int64_t strategy_int_or_percent(const json_t *value)
{
  int64_t percent = 0;
  return is_percent(value, &percent) ? percent : json_integer_value(value);
}

void strategy_check_int_or_percent(const json_t *value, const char *path, FieldErrors *errors)
{
  int64_t percent;
  if (json_is_integer(value) && json_integer_value(value) < 0)
    field_errors_add(errors, FIELD_INVALID, path, value, "must be greater than or equal to 0");
  if (json_is_string(value) && !is_percent(value, &percent))
    field_errors_add(errors, FIELD_INVALID, path, value,
                     "a valid percent string must be a numeric string followed by an ending '%%' (e.g. '1%%',  or "
                     "'93%%', regex used for validation is '[0-9]+%%')");
}

void strategy_check_whole(const json_t *value, const char *path, FieldErrors *errors)
{
  int64_t percent;
  if (is_percent(value, &percent) && percent > 100)
    field_errors_add(errors, FIELD_INVALID, path, value, "must not be greater than 100%%");
}

void strategy_check_restarts(const json_t *spec, const char *kind, FieldErrors *errors)
{
  static const char *const always[] = { "Always", NULL };
  const json_t *policy = json_object_get(spec, "restartPolicy");
  if (json_is_string(policy) && strcmp(json_string_value(policy), "Always") != 0)
    field_errors_add_unsupported(errors, "spec.template.spec.restartPolicy", policy, always);
  if (json_object_get(spec, "activeDeadlineSeconds"))
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.template.spec.activeDeadlineSeconds", NULL,
                     "activeDeadlineSeconds in %s is not Supported", kind);
}

void strategy_check_template(const json_t *object, const char *kind, const char *pods_of, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *selector = json_object_get(spec, "selector");
  const json_t *template = json_object_get(spec, "template");
  const json_t *labels = json_at(template, "metadata", "labels", NULL);
  g_autoptr(json_t) no_labels = json_object(), none = json_object();
  g_autoptr(LabelSelector) parsed = label_selector_from_json(selector ? selector : none, NULL);
  bool everything = parsed && label_selector_is_everything(parsed);
  if (!selector && strcmp(kind, "daemonset") != 0)
    field_errors_add(errors, FIELD_REQUIRED, "spec.selector", NULL, NULL);
  if (selector && everything) {
    g_autofree char *text = g_strdup_printf("empty selector is invalid for %s", kind);
    field_errors_add_shown(errors, FIELD_INVALID, "spec.selector", EMPTY_SELECTOR, text);
  }
  if (!selector || (parsed && !everything && !label_selector_matches(parsed, labels)))
    field_errors_add(errors, FIELD_INVALID, "spec.template.metadata.labels", labels ? labels : no_labels,
                     "`selector` does not match template `labels`");
  validate_template_metadata(json_object_get(template, "metadata"), "spec.template", errors);
  strategy_check_restarts(json_object_get(template, "spec"), pods_of, errors);
}

void validate_pod_template(const json_t *value, const char *path, FieldErrors *errors)
{
  if (json_array_size(json_at(value, "spec", "ephemeralContainers", NULL)) > 0)
    field_errors_add_at(errors, FIELD_FORBIDDEN, path, "spec.ephemeralContainers", NULL,
                        "ephemeral containers not allowed in pod template");
  g_autofree char *annotations = field_path_child(path, "annotations");
  pod_check_annotations(value, annotations, errors);
}

static void check_values(const json_t *value, const char *operator, const char * path, FieldErrors *errors)
{
  bool needs = strcmp(operator, "In") == 0 || strcmp(operator, "NotIn") == 0;
  bool forbids = strcmp(operator, "Exists") == 0 || strcmp(operator, "DoesNotExist") == 0;
  size_t index, count = json_array_size(json_object_get(value, "values"));
  json_t *item;
  g_autofree char *values_path = field_path_child(path, "values");
  if (needs && count == 0)
    field_errors_add(errors, FIELD_REQUIRED, values_path, NULL, "must be specified when `operator` is 'In' or 'NotIn'");
  if (forbids && count > 0)
    field_errors_add(errors, FIELD_FORBIDDEN, values_path, NULL,
                     "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  json_array_foreach (json_object_get(value, "values"), index, item) {
    g_autofree char *item_path = field_path_index(values_path, index);
    api_validate_format("labelValue", item, item_path, errors);
  }
}

void validate_label_requirement(const json_t *value, const char *path, FieldErrors *errors)
{
  check_values(value, json_str(value, "operator", ""), path, errors);
}

void validate_label_selector(const json_t *value, const char *path, FieldErrors *errors)
{
  g_autofree char *labels_path = field_path_child(path, "matchLabels");
  validate_labels(json_object_get(value, "matchLabels"), labels_path, errors);
}

void strategy_check_reference(const json_t *reference, const char *path, FieldErrors *errors)
{
  static const char *const members[] = { "kind", "name" };
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    const json_t *member = json_object_get(reference, members[i]);
    g_autofree char *member_path = field_path_child(path, members[i]);
    if (json_string_length(member) == 0)
      field_errors_add(errors, FIELD_REQUIRED, member_path, NULL, NULL);
    else
      api_validate_format("pathSegment", member, member_path, errors);
  }
}
