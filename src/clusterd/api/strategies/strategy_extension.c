/* CustomResourceDefinitions and APIServices. What a definition must look like is judged where it is put to work. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"

#define GROUP_PRIORITY_MAX 20000
#define VERSION_PRIORITY_MAX 1000

static void default_names(json_t *names)
{
  const char *kind = json_str(names, "kind", "");
  if (!*json_str(names, "singular", "")) {
    g_autofree char *singular = g_ascii_strdown(kind, -1);
    json_object_set_new(names, "singular", json_string(singular));
  }
  if (!*json_str(names, "listKind", "") && *kind) {
    g_autofree char *list_kind = g_strconcat(kind, "List", NULL);
    json_object_set_new(names, "listKind", json_string(list_kind));
  }
}

void default_custom_resource_definition(json_t *value)
{
  json_t *spec = json_object_get(value, "spec"), *names = json_object_get(spec, "names");
  json_t *status = json_ensure_object(value, "status", NULL), *version;
  size_t index;
  if (json_is_object(names))
    default_names(names);
  if (json_is_object(spec))
    strategy_default(spec, "conversion", json_pack("{s:s}", "strategy", "None"));
  strategy_default(status, "conditions", json_array());
  if (json_array_size(json_object_get(status, "storedVersions")) > 0)
    return;
  json_t *stored = json_array();
  json_array_foreach (json_object_get(spec, "versions"), index, version) {
    if (json_flag(version, "storage", false) && json_array_size(stored) == 0)
      json_array_append_new(stored, json_string(json_str(version, "name", "")));
  }
  json_object_set_new(status, "storedVersions", stored);
}

static void api_service_prepare_create(json_t *object)
{
  strategy_reset_status(object);
  if (json_at(object, "spec", "service", NULL))
    return;
  json_t *condition = json_pack("{s:s, s:s, s:O?, s:s, s:s}", "type", "Available", "status", "True",
                                "lastTransitionTime", json_at(object, "metadata", "creationTimestamp", NULL), "reason",
                                "Local", "message", "Local APIServices are always available");
  json_object_set_new(json_object_get(object, "status"), "conditions", json_pack("[o]", condition));
}

static void check_priority(const json_t *spec, const char *member, int64_t maximum, FieldErrors *errors)
{
  int64_t priority = json_int(spec, member, 0);
  if (priority > 0 && priority <= maximum)
    return;
  g_autofree char *path = field_path_child("spec", member);
  g_autoptr(json_t) value = json_integer(priority);
  field_errors_add(errors, FIELD_INVALID, path, value, "must be positive and less than %" G_GINT64_FORMAT, maximum);
}

static void check_group_version(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *name = json_at(object, "metadata", "name", NULL);
  const char *group = json_str(spec, "group", ""), *version = json_str(spec, "version", "");
  g_autofree char *wanted = g_strconcat(version, ".", group, NULL);
  g_autoptr(json_t) version_value = json_string(version);
  if (json_is_string(name) && strcmp(json_string_value(name), wanted) != 0)
    field_errors_add(errors, FIELD_INVALID, "metadata.name", name, "must be `spec.version+\".\"+spec.group`: \"%s\"",
                     wanted);
  if (!*group && strcmp(version, "v1") != 0)
    field_errors_add(errors, FIELD_REQUIRED, "spec.group", NULL,
                     "only v1 may have an empty group and it better be legacy kube");
  if (*group)
    api_validate_format("dns1123subdomain", json_object_get(spec, "group"), "spec.group", errors);
  api_validate_format("dns1035label", version_value, "spec.version", errors);
}

static void check_local_service(const json_t *spec, FieldErrors *errors)
{
  const json_t *bundle = json_object_get(spec, "caBundle");
  if (json_string_length(bundle) > 0) {
    gsize length = 0;
    g_autofree guchar *bytes = g_base64_decode(json_string_value(bundle), &length);
    g_autofree char *text = g_strdup_printf("%zu bytes", length);
    g_autoptr(json_t) shown = json_string(text);
    field_errors_add(errors, FIELD_INVALID, "spec.caBundle", shown, "local APIServices may not have a caBundle");
  }
  if (json_flag(spec, "insecureSkipTLSVerify", false))
    field_errors_add(errors, FIELD_INVALID, "spec.insecureSkipTLSVerify",
                     json_object_get(spec, "insecureSkipTLSVerify"),
                     "local APIServices may not have insecureSkipTLSVerify");
}

static void check_remote_service(const json_t *spec, FieldErrors *errors)
{
  const json_t *service = json_object_get(spec, "service"), *port = json_object_get(service, "port");
  if (!*json_str(service, "namespace", ""))
    field_errors_add(errors, FIELD_REQUIRED, "spec.service.namespace", NULL, NULL);
  if (!*json_str(service, "name", ""))
    field_errors_add(errors, FIELD_REQUIRED, "spec.service.name", NULL, NULL);
  if (json_integer_value(port) < 1 || json_integer_value(port) > 65535)
    field_errors_add(errors, FIELD_INVALID, "spec.service.port", port,
                     "port is not valid: must be between 1 and 65535, inclusive");
  if (json_flag(spec, "insecureSkipTLSVerify", false) && *json_str(spec, "caBundle", ""))
    field_errors_add(errors, FIELD_INVALID, "spec.insecureSkipTLSVerify",
                     json_object_get(spec, "insecureSkipTLSVerify"), "may not be true if caBundle is present");
}

static void api_service_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec");
  check_group_version(object, errors);
  check_priority(spec, "groupPriorityMinimum", GROUP_PRIORITY_MAX, errors);
  check_priority(spec, "versionPriority", VERSION_PRIORITY_MAX, errors);
  if (json_object_get(spec, "service"))
    check_remote_service(spec, errors);
  else
    check_local_service(spec, errors);
}

static void api_service_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                        FieldErrors *errors)
{
  static const char *const states[] = { "True", "False", "Unknown", NULL };
  size_t index;
  json_t *condition;
  if (!context || !context->subresource) {
    api_service_validate_create(object, errors);
    return;
  }
  json_array_foreach (json_at(object, "status", "conditions", NULL), index, condition) {
    g_autofree char *path = g_strdup_printf("status.conditions[%zu].status", index);
    if (!g_strv_contains(states, json_str(condition, "status", "")))
      field_errors_add_unsupported(errors, path, json_object_get(condition, "status"), states);
  }
}

const ApiStrategy strategy_api_service = {
  .prepare_create = api_service_prepare_create,
  .prepare_update = strategy_split_status,
  .validate_create = api_service_validate_create,
  .validate_update = api_service_validate_update,
};
