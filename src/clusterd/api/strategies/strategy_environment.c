/* Environment variables, and the members of the pod and resources of containers that they and files can show. */
#include "clusterd/api/strategies/strategy_environment.h"

#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/validation.h"

#define HUGE_PAGES_REQUESTS "requests.hugepages-"
#define HUGE_PAGES_LIMITS "limits.hugepages-"

/* What a field path may be at all: upstream's conversion of field labels of pods. */
static const char *const pod_labels[] = { "metadata.annotations",
                                          "metadata.labels",
                                          "metadata.name",
                                          "metadata.namespace",
                                          "metadata.uid",
                                          "spec.nodeName",
                                          "spec.restartPolicy",
                                          "spec.serviceAccountName",
                                          "spec.schedulerName",
                                          "status.phase",
                                          "status.hostIP",
                                          "status.hostIPs",
                                          "status.podIP",
                                          "status.podIPs",
                                          NULL };

/* The subscript of "metadata.labels['x']", NULL when there is none; BARE is the path before it. */
static char *split_subscript(const char *field_path, char **bare)
{
  const char *open = strstr(field_path, "['");
  *bare = g_strdup(field_path);
  if (!open || !g_str_has_suffix(open + 2, "']"))
    return NULL;
  (*bare)[open - field_path] = '\0';
  return g_strndup(open + 2, strlen(open + 2) - 2);
}

void environment_check_field(const json_t *reference, const char *const *supported, const char *path,
                             FieldErrors *errors)
{
  const json_t *field_path = json_object_get(reference, "fieldPath");
  const char *text = json_str(reference, "fieldPath", ""), *version = json_str(reference, "apiVersion", "");
  g_autofree char *bare = NULL, *subscript = split_subscript(text, &bare);
  g_autoptr(json_t) bare_value = json_string(bare), subscript_value = json_string(subscript ? subscript : "");
  bool keyed = strcmp(bare, "metadata.labels") == 0 || strcmp(bare, "metadata.annotations") == 0;
  if (!*version)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "apiVersion", NULL, NULL);
  else if (!*text)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "fieldPath", NULL, NULL);
  else if (strcmp(version, "v1") != 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "fieldPath", field_path,
                        "error converting fieldPath: unsupported pod version: %s", version);
  else if (!g_strv_contains(pod_labels, bare) || (subscript && !keyed))
    field_errors_add_at(errors, FIELD_INVALID, path, "fieldPath", field_path,
                        "error converting fieldPath: field label not supported: %s", text);
  else if (subscript)
    api_validate_format("qualifiedName", subscript_value, path, errors);
  else if (!g_strv_contains(supported, bare)) {
    g_autofree char *member_path = field_path_child(path, "fieldPath");
    field_errors_add_unsupported(errors, member_path, bare_value, supported);
  }
}

static void check_divisor(const json_t *reference, const char *path, FieldErrors *errors)
{
  static const char *const cpu[] = { "1m", "1", NULL };
  static const char *const bytes[] = { "1",   "1k",  "1M",  "1G",  "1T",  "1P",  "1E",
                                       "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei", NULL };
  const char *resource = json_str(reference, "resource", ""), *divisor = json_str(reference, "divisor", "0");
  const json_t *shown = json_object_get(reference, "resource");
  const char *name = strchr(resource, '.') ? strchr(resource, '.') + 1 : "";
  const char *what = strcmp(name, "memory") == 0              ? "memory"
                     : strcmp(name, "ephemeral-storage") == 0 ? "local ephemeral storage"
                     : g_str_has_prefix(name, "hugepages-")   ? "hugepages"
                                                              : NULL;
  Quantity quantity;
  if (!quantity_parse(divisor, &quantity, NULL) || quantity.nano == 0)
    return;
  if (strcmp(name, "cpu") == 0 && !g_strv_contains(cpu, divisor))
    field_errors_add_at(errors, FIELD_INVALID, path, "divisor", shown,
                        "only divisor's values 1m and 1 are supported with the cpu resource");
  else if (what && !g_strv_contains(bytes, divisor))
    field_errors_add_at(errors, FIELD_INVALID, path, "divisor", shown,
                        "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported "
                        "with the %s resource",
                        what);
}

void environment_check_resource(const json_t *reference, bool in_volume, const char *path, FieldErrors *errors)
{
  static const char *const supported[] = { "limits.cpu",
                                           "limits.ephemeral-storage",
                                           "limits.memory",
                                           "requests.cpu",
                                           "requests.ephemeral-storage",
                                           "requests.memory",
                                           NULL };
  const char *resource = json_str(reference, "resource", "");
  g_autofree char *resource_path = field_path_child(path, "resource");
  if (in_volume && !*json_str(reference, "containerName", ""))
    field_errors_add_at(errors, FIELD_REQUIRED, path, "containerName", NULL, NULL);
  else if (!*resource)
    field_errors_add(errors, FIELD_REQUIRED, resource_path, NULL, NULL);
  else if (!g_strv_contains(supported, resource) && !g_str_has_prefix(resource, HUGE_PAGES_REQUESTS) &&
           !g_str_has_prefix(resource, HUGE_PAGES_LIMITS))
    field_errors_add_unsupported(errors, resource_path, json_object_get(reference, "resource"), supported);
  check_divisor(reference, path, errors);
}

void validate_env_var(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const supported[] = {
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs", NULL
  };
  const json_t *source = json_object_get(value, "valueFrom"), *field = json_object_get(source, "fieldRef");
  const json_t *resource = json_object_get(source, "resourceFieldRef");
  g_autofree char *source_path = field_path_child(path, "valueFrom");
  g_autofree char *field_path = field_path_child(source_path, "fieldRef");
  g_autofree char *resource_path = field_path_child(source_path, "resourceFieldRef");
  g_autoptr(json_t) empty = json_string("");
  if (!source)
    return;
  if (field)
    environment_check_field(field, supported, field_path, errors);
  if (resource)
    environment_check_resource(resource, false, resource_path, errors);
  if (json_object_size(source) == 0)
    field_errors_add(errors, FIELD_INVALID, source_path, empty,
                     "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`");
  else if (*json_str(value, "value", ""))
    field_errors_add(errors, FIELD_INVALID, source_path, empty, "may not be specified when `value` is not empty");
  else if (json_object_size(source) > 1)
    field_errors_add(errors, FIELD_INVALID, source_path, empty, "may not have more than one field specified at a time");
}

/* Upstream reports these on the list, not on the item. */
void environment_check_from(const json_t *container, const char *path, FieldErrors *errors)
{
  size_t index;
  json_t *source;
  g_autoptr(json_t) empty = json_string("");
  json_array_foreach (json_object_get(container, "envFrom"), index, source) {
    bool config = json_object_get(source, "configMapRef"), secret = json_object_get(source, "secretRef");
    if (!config && !secret)
      field_errors_add_at(errors, FIELD_INVALID, path, "envFrom", empty,
                          "must specify one of: `configMapRef` or `secretRef`");
    else if (config && secret)
      field_errors_add_at(errors, FIELD_INVALID, path, "envFrom", empty,
                          "may not have more than one field specified at a time");
  }
}

void validate_env_source(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *name = json_object_get(value, "name");
  g_autofree char *name_path = field_path_child(path, "name");
  if (json_string_length(name) == 0)
    field_errors_add(errors, FIELD_REQUIRED, name_path, NULL, NULL);
  else
    api_validate_format("dns1123subdomain", name, name_path, errors);
}

void validate_named_reference(const json_t *value, const char *path, FieldErrors *errors)
{
  if (!*json_str(value, "name", ""))
    field_errors_add_at(errors, FIELD_REQUIRED, path, "name", NULL, NULL);
}

void validate_key_selector(const json_t *value, const char *path, FieldErrors *errors)
{
  g_autofree char *name_path = field_path_child(path, "name");
  g_autoptr(json_t) name = json_string(json_str(value, "name", ""));
  api_validate_format("dns1123subdomain", name, name_path, errors);
}
