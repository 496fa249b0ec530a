/* Ingresses, ingress classes and network policies. Source: k8s.io/kubernetes/pkg/apis/networking/validation. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"

#define CLASS_CONTROLLER_MAX 250
#define CLASS_ANNOTATION "kubernetes.io/ingress.class"

static bool is_port(int64_t number)
{
  return number >= 1 && number <= 65535;
}

void validate_ingress_path(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const types[] = { "Exact", "ImplementationSpecific", "Prefix", NULL };
  static const char *const sequences[] = { "//", "/./", "/../", "%2f", "%2F" };
  static const char *const suffixes[] = { "/..", "/." };
  const json_t *type = json_object_get(value, "pathType");
  const char *text = json_str(value, "path", ""), *type_text = json_str(value, "pathType", "");
  bool specific = strcmp(type_text, "ImplementationSpecific") == 0;
  g_autofree char *type_path = field_path_child(path, "pathType"), *text_path = field_path_child(path, "path");
  g_autoptr(json_t) shown = json_string(text);
  if (!type) {
    field_errors_add(errors, FIELD_REQUIRED, type_path, NULL, "pathType must be specified");
    return;
  }
  if (!g_strv_contains(types, type_text)) {
    field_errors_add_unsupported(errors, type_path, type, types);
    return;
  }
  if (*text != '/' && !(specific && !*text))
    field_errors_add(errors, FIELD_INVALID, text_path, shown, "must be an absolute path");
  for (size_t i = 0; !specific && i < G_N_ELEMENTS(sequences); i++) {
    if (strstr(text, sequences[i]))
      field_errors_add(errors, FIELD_INVALID, text_path, shown, "must not contain '%s'", sequences[i]);
  }
  for (size_t i = 0; !specific && i < G_N_ELEMENTS(suffixes); i++) {
    if (g_str_has_suffix(text, suffixes[i]))
      field_errors_add(errors, FIELD_INVALID, text_path, shown, "cannot end with '%s'", suffixes[i]);
  }
}

static void check_backend_port(const json_t *service, const char *path, FieldErrors *errors)
{
  const json_t *port = json_object_get(service, "port"), *name = json_object_get(port, "name");
  const json_t *number = json_object_get(port, "number");
  g_autofree char *name_path = field_path_child(path, "service.port.name");
  g_autoptr(json_t) empty = json_string("");
  bool named = json_string_length(name) > 0, numbered = json_integer_value(number) != 0;
  if (named && numbered)
    field_errors_add(errors, FIELD_INVALID, path, empty, "cannot set both port name & port number");
  else if (named)
    api_validate_format("portName", name, name_path, errors);
  else if (!numbered)
    field_errors_add(errors, FIELD_REQUIRED, path, NULL, "port name or number is required");
  else if (!is_port(json_integer_value(number)))
    field_errors_add_at(errors, FIELD_INVALID, path, "service.port.number", number,
                        "must be between 1 and 65535, inclusive");
}

/* Kind and name of an object that belongs to an ingress. */
static void check_reference(const json_t *reference, const char *path, FieldErrors *errors)
{
  const json_t *group = json_object_get(reference, "apiGroup");
  g_autofree char *group_path = field_path_child(path, "apiGroup");
  api_validate_format("dns1123subdomain", group, group_path, errors);
  strategy_check_reference(reference, path, errors);
}

void validate_ingress_backend(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *service = json_object_get(value, "service"), *resource = json_object_get(value, "resource");
  const json_t *name = json_object_get(service, "name");
  g_autofree char *name_path = field_path_child(path, "service.name"),
                  *resource_path = field_path_child(path, "resource");
  g_autoptr(json_t) empty = json_string("");
  if (service && resource) {
    field_errors_add(errors, FIELD_INVALID, path, empty, "cannot set both resource and service backends");
  } else if (resource) {
    check_reference(resource, resource_path, errors);
  } else if (service) {
    if (json_string_length(name) == 0)
      field_errors_add(errors, FIELD_REQUIRED, name_path, NULL, NULL);
    else
      api_validate_format("dns1035label", name, name_path, errors);
    check_backend_port(service, path, errors);
  } else {
    field_errors_add(errors, FIELD_INVALID, path, empty, "resource or service backend is required");
  }
}

/* A host, perhaps with "*." before it. */
static void check_host(const json_t *host, const char *path, FieldErrors *errors)
{
  const char *text = json_string_value(host);
  if (!text || !*text)
    return;
  if (!strchr(text, '*'))
    api_validate_format("dns1123subdomain", host, path, errors);
  else
    api_validate_format("wildcardSubdomain", host, path, errors);
}

void validate_ingress_rule(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *host = json_object_get(value, "host");
  g_autofree char *host_path = field_path_child(path, "host");
  if (api_is_ip(json_str(value, "host", "")))
    field_errors_add(errors, FIELD_INVALID, host_path, host, "must be a DNS name, not an IP address");
  check_host(host, host_path, errors);
}

void validate_ingress_tls(const json_t *value, const char *path, FieldErrors *errors)
{
  size_t index;
  json_t *host;
  g_autofree char *secret_path = field_path_child(path, "secretName");
  json_array_foreach (json_object_get(value, "hosts"), index, host) {
    g_autofree char *host_path = g_strdup_printf("%s.hosts[%zu]", path, index);
    check_host(host, host_path, errors);
  }
  api_validate_format("dns1123subdomain", json_object_get(value, "secretName"), secret_path, errors);
}

void validate_ingress_spec(const json_t *value, const char *path, FieldErrors *errors)
{
  g_autoptr(json_t) none = json_array();
  if (json_array_size(json_object_get(value, "rules")) == 0 && !json_object_get(value, "defaultBackend"))
    field_errors_add(errors, FIELD_INVALID, path, none, "either `defaultBackend` or `rules` must be specified");
}

static void ingress_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *annotation = json_at(object, "metadata", "annotations", CLASS_ANNOTATION, NULL);
  const json_t *class_name = json_at(object, "spec", "ingressClassName", NULL);
  if (annotation && class_name && !json_equal(annotation, class_name))
    field_errors_add(errors, FIELD_INVALID, "annotations." CLASS_ANNOTATION, annotation,
                     "must match `ingressClassName` when both are specified");
}

const ApiStrategy strategy_ingress = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
  .validate_create = ingress_validate_create,
};

static void check_parameters(const json_t *parameters, FieldErrors *errors)
{
  static const char *const scopes[] = { "Cluster", "Namespace", NULL };
  const json_t *namespace_ = json_object_get(parameters, "namespace");
  const char *scope = json_str(parameters, "scope", "");
  check_reference(parameters, "spec.parameters", errors);
  if (!g_strv_contains(scopes, scope))
    field_errors_add_unsupported(errors, "spec.parameters.scope", json_object_get(parameters, "scope"), scopes);
  else if (strcmp(scope, "Cluster") == 0 && namespace_)
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.parameters.namespace", NULL,
                     "`parameters.scope` is set to 'Cluster'");
  else if (strcmp(scope, "Namespace") == 0 && !namespace_)
    field_errors_add(errors, FIELD_REQUIRED, "spec.parameters.namespace", NULL,
                     "`parameters.scope` is set to 'Namespace'");
  else
    api_validate_format("dns1123label", namespace_, "spec.parameters.namespace", errors);
}

static void ingress_class_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *controller = json_object_get(spec, "controller");
  if (json_string_length(controller) == 0)
    field_errors_add(errors, FIELD_REQUIRED, "spec.controller", NULL, NULL);
  else if (json_string_length(controller) > CLASS_CONTROLLER_MAX)
    field_errors_add(errors, FIELD_TOO_LONG, "spec.controller", NULL, "may not be more than %d bytes",
                     CLASS_CONTROLLER_MAX);
  api_validate_format("domainPrefixedPath", controller, "spec.controller", errors);
  if (json_object_get(spec, "parameters"))
    check_parameters(json_object_get(spec, "parameters"), errors);
}

static void ingress_class_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                          FieldErrors *errors)
{
  strategy_check_immutable(json_at(object, "spec", "controller", NULL), json_at(old, "spec", "controller", NULL),
                           "spec.controller", errors);
  ingress_class_validate_create(object, errors);
}

const ApiStrategy strategy_ingress_class = {
  .validate_create = ingress_class_validate_create,
  .validate_update = ingress_class_validate_update,
};

void validate_policy_port(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *port = json_object_get(value, "port"), *end = json_object_get(value, "endPort");
  int64_t number = json_integer_value(port), last = json_integer_value(end);
  g_autofree char *port_path = field_path_child(path, "port"), *end_path = field_path_child(path, "endPort");
  if (!port) {
    if (end)
      field_errors_add(errors, FIELD_INVALID, end_path, end, "may not be specified when `port` is not specified");
    return;
  }
  if (json_is_string(port)) {
    if (end)
      field_errors_add(errors, FIELD_INVALID, end_path, end, "may not be specified when `port` is non-numeric");
    api_validate_format("portName", port, port_path, errors);
    return;
  }
  if (!is_port(number))
    field_errors_add(errors, FIELD_INVALID, port_path, port, "must be between 1 and 65535, inclusive");
  if (end && last < number)
    field_errors_add(errors, FIELD_INVALID, end_path, end, "must be greater than or equal to `port`");
  if (end && !is_port(last))
    field_errors_add(errors, FIELD_INVALID, end_path, end, "must be between 1 and 65535, inclusive");
}

void validate_policy_peer(const json_t *value, const char *path, FieldErrors *errors)
{
  bool block = json_object_get(value, "ipBlock");
  if (json_object_size(value) == 0)
    field_errors_add(errors, FIELD_REQUIRED, path, NULL, "must specify a peer");
  else if (block && json_object_size(value) > 1)
    field_errors_add(errors, FIELD_FORBIDDEN, path, NULL, "may not specify both ipBlock and another peer");
}

void validate_ip_block(const json_t *value, const char *path, FieldErrors *errors)
{
  size_t index;
  json_t *except;
  const char *cidr = json_str(value, "cidr", "");
  json_array_foreach (json_object_get(value, "except"), index, except) {
    g_autofree char *item_path = g_strdup_printf("%s.except[%zu]", path, index);
    unsigned before = field_errors_count(errors);
    api_validate_format("cidr", except, item_path, errors);
    if (field_errors_count(errors) == before && !api_is_strict_subnet(json_string_value(except), cidr))
      field_errors_add(errors, FIELD_INVALID, item_path, except, "must be a strict subset of `cidr`");
  }
}

void validate_network_policy_spec(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const types[] = { "Ingress", "Egress", NULL };
  const json_t *list = json_object_get(value, "policyTypes");
  size_t index;
  json_t *type;
  if (json_array_size(list) > 2) {
    field_errors_add_at(errors, FIELD_INVALID, path, "policyTypes", list, "may not specify more than two policyTypes");
    return;
  }
  json_array_foreach ((json_t *)(uintptr_t)list, index, type) {
    g_autofree char *type_path = g_strdup_printf("%s.policyTypes[%zu]", path, index);
    if (!g_strv_contains(types, json_string_value(type)))
      field_errors_add_unsupported(errors, type_path, type, types);
  }
}
