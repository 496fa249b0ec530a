/* Containers: image pull policy, probes, environment, mounts, resources, tolerations. */
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "clusterd/api/strategies.h"
#include "clusterd/api/strategy_common.h"
#include "clusterd/api/validation.h"

/* True when an image reference has no tag or the tag "latest", and no digest. */
static bool is_latest(const char *image)
{
  const char *slash = strrchr(image, '/'), *name = slash ? slash + 1 : image, *colon = strrchr(name, ':');
  if (strchr(name, '@'))
    return false;
  return !colon || strcmp(colon, ":latest") == 0;
}

void default_container(json_t *value)
{
  const char *image = json_str(value, "image", "");
  if (!*json_str(value, "imagePullPolicy", ""))
    json_object_set_new(value, "imagePullPolicy", json_string(is_latest(image) ? "Always" : "IfNotPresent"));
}

static void check_port_names(const json_t *container, const char *path, FieldErrors *errors)
{
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *port;
  json_array_foreach (json_object_get(container, "ports"), index, port) {
    const json_t *name = json_object_get(port, "name");
    if (json_string_length(name) == 0 || g_hash_table_add(names, (gpointer)(uintptr_t)json_string_value(name)))
      continue;
    g_autofree char *name_path = g_strdup_printf("%s.ports[%zu].name", path, index);
    field_errors_add(errors, FIELD_DUPLICATE, name_path, name, NULL);
  }
}

/* These two probes end at their first success. */
static void check_success_threshold(const json_t *container, const char *probe, const char *path, FieldErrors *errors)
{
  const json_t *threshold = json_at(container, probe, "successThreshold", NULL);
  if (!threshold || json_integer_value(threshold) == 1)
    return;
  g_autofree char *member_path = g_strdup_printf("%s.%s.successThreshold", path, probe);
  field_errors_add(errors, FIELD_INVALID, member_path, threshold, "must be 1");
}

void validate_container(const json_t *value, const char *path, FieldErrors *errors)
{
  check_port_names(value, path, errors);
  check_success_threshold(value, "livenessProbe", path, errors);
  check_success_threshold(value, "startupProbe", path, errors);
  if (json_at(value, "readinessProbe", "terminationGracePeriodSeconds", NULL)) {
    g_autofree char *member_path = field_path_child(path, "readinessProbe.terminationGracePeriodSeconds");
    field_errors_add(errors, FIELD_INVALID, member_path,
                     json_at(value, "readinessProbe", "terminationGracePeriodSeconds", NULL),
                     "must not be set for readinessProbes");
  }
}

static void check_port(const json_t *port, const char *path, FieldErrors *errors)
{
  json_int_t number = json_integer_value(port);
  if (json_is_integer(port) && (number < 1 || number > 65535))
    field_errors_add(errors, FIELD_INVALID, path, port, "must be between 1 and 65535, inclusive");
  if (json_is_string(port))
    api_validate_format("portName", port, path, errors);
}

/* Exactly one of NAMES must be there. */
static void check_handlers(const json_t *value, const char *const *names, const char *path, FieldErrors *errors)
{
  unsigned found = 0;
  for (size_t i = 0; names[i]; i++) {
    if (!json_object_get(value, names[i]))
      continue;
    g_autofree char *member_path = field_path_child(path, names[i]);
    if (found++ > 0)
      field_errors_add(errors, FIELD_FORBIDDEN, member_path, NULL, "may not specify more than 1 handler type");
    const json_t *port = json_at(value, names[i], "port", NULL);
    g_autofree char *port_path = field_path_child(member_path, "port");
    check_port(port, port_path, errors);
    g_autofree char *command_path = field_path_child(member_path, "command");
    if (strcmp(names[i], "exec") == 0 && json_array_size(json_at(value, "exec", "command", NULL)) == 0)
      field_errors_add(errors, FIELD_REQUIRED, command_path, NULL, NULL);
  }
  if (found == 0)
    field_errors_add(errors, FIELD_REQUIRED, path, NULL, "must specify a handler type");
}

void validate_probe(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const names[] = { "exec", "httpGet", "tcpSocket", "grpc", NULL };
  check_handlers(value, names, path, errors);
}

void validate_lifecycle_handler(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const names[] = { "exec", "httpGet", "tcpSocket", "sleep", NULL };
  check_handlers(value, names, path, errors);
}

void validate_env_var(const json_t *value, const char *path, FieldErrors *errors)
{
  g_autofree char *source_path = field_path_child(path, "valueFrom");
  if (*json_str(value, "value", "") && json_object_get(value, "valueFrom"))
    field_errors_add(errors, FIELD_INVALID, source_path, NULL, "may not be specified when `value` is not empty");
}

void validate_env_var_source(const json_t *value, const char *path, FieldErrors *errors)
{
  size_t count = json_object_size(value);
  g_autoptr(json_t) empty = json_string("");
  if (count == 0)
    field_errors_add(errors, FIELD_INVALID, path, empty,
                     "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`");
  else if (count > 1)
    field_errors_add(errors, FIELD_INVALID, path, empty, "may not have more than one field specified at a time");
}

static void check_sub_path(const json_t *mount, const char *member, const char *path, FieldErrors *errors)
{
  const json_t *sub_path = json_object_get(mount, member);
  if (!sub_path)
    return;
  g_autofree char *member_path = field_path_child(path, member);
  g_auto(GStrv) parts = g_strsplit(json_string_value(sub_path), "/", -1);
  if (json_string_value(sub_path)[0] == '/')
    field_errors_add(errors, FIELD_INVALID, member_path, sub_path, "must be a relative path");
  if (g_strv_contains((const char *const *)parts, ".."))
    field_errors_add(errors, FIELD_INVALID, member_path, sub_path, "must not contain '..'");
}

void validate_volume_mount(const json_t *value, const char *path, FieldErrors *errors)
{
  check_sub_path(value, "subPath", path, errors);
  check_sub_path(value, "subPathExpr", path, errors);
  if (json_object_get(value, "subPath") && json_object_get(value, "subPathExpr")) {
    g_autofree char *member_path = field_path_child(path, "subPathExpr");
    field_errors_add(errors, FIELD_INVALID, member_path, json_object_get(value, "subPathExpr"),
                     "subPathExpr and subPath are mutually exclusive");
  }
}

void validate_toleration(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *key = json_object_get(value, "key"), *operator= json_object_get(value, "operator");
  const char *text = json_str(value, "operator", "");
  g_autofree char *key_path = field_path_child(path, "key"), *operator_path = field_path_child(path, "operator");
  g_autofree char *effect_path = field_path_child(path, "effect");
  if (json_string_length(key) > 0)
    api_validate_format("qualifiedName", key, key_path, errors);
  else if (strcmp(text, "Exists") != 0)
    field_errors_add(errors, FIELD_INVALID, operator_path, operator,
                     "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
  if (json_object_get(value, "tolerationSeconds") && strcmp(json_str(value, "effect", ""), "NoExecute") != 0)
    field_errors_add(errors, FIELD_INVALID, effect_path, json_object_get(value, "effect"),
                     "effect must be 'NoExecute' when `tolerationSeconds` is set");
  if (strcmp(text, "Exists") == 0 && *json_str(value, "value", ""))
    field_errors_add(errors, FIELD_INVALID, operator_path, json_object_get(value, "value"),
                     "value must be empty when `operator` is 'Exists'");
}

static void check_resource_list(const json_t *list, const char *path, FieldErrors *errors)
{
  const char *name;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)list, name, value) {
    Quantity quantity;
    g_autofree char *item_path = field_path_key(path, name);
    g_autoptr(json_t) text = json_string(name);
    api_validate_format("qualifiedName", text, item_path, errors);
    if (quantity_parse(json_string_value(value), &quantity, NULL) && quantity.nano < 0)
      field_errors_add(errors, FIELD_INVALID, item_path, value, "must be greater than or equal to 0");
  }
}

void validate_resources(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *limits = json_object_get(value, "limits"), *requests = json_object_get(value, "requests");
  g_autofree char *limits_path = field_path_child(path, "limits"), *requests_path = field_path_child(path, "requests");
  const char *name;
  json_t *request;
  check_resource_list(limits, limits_path, errors);
  check_resource_list(requests, requests_path, errors);
  json_object_foreach ((json_t *)(uintptr_t)requests, name, request) {
    const char *limit = json_str(limits, name, "");
    Quantity asked, allowed;
    if (*limit && quantity_parse(json_string_value(request), &asked, NULL) && quantity_parse(limit, &allowed, NULL) &&
        quantity_compare(asked, allowed) > 0)
      field_errors_add(errors, FIELD_INVALID, requests_path, request, "must be less than or equal to %s limit of %s",
                       name, limit);
  }
}
