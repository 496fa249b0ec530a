/* Admission policies in CEL and their bindings: kept and shown, but not enforced yet, and writers are told so.
 * Source: k8s.io/kubernetes/pkg/apis/admissionregistration/validation. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_admission.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"

#define AUDIT_ANNOTATIONS_MAX 20
#define AUDIT_EXPRESSION_BYTES_MAX (5 * 1024)

static bool is_blank(const json_t *object, const char *member)
{
  const char *text = json_str(object, member, "");
  return text[strspn(text, " \t\r\n")] == '\0';
}

void validate_match_resources(const json_t *value, const char *path, FieldErrors *errors)
{
  admission_check_supported(value, "matchPolicy", admission_match_policies, path, errors);
}

void validate_named_rule(const json_t *value, const char *path, FieldErrors *errors)
{
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *name;
  json_array_foreach (json_object_get(value, "resourceNames"), index, name) {
    g_autofree char *item_path = g_strdup_printf("%s.resourceNames[%zu]", path, index);
    api_validate_format("pathSegment", name, item_path, errors);
    if (!g_hash_table_add(names, (gpointer)(uintptr_t)json_string_value(name)))
      field_errors_add(errors, FIELD_DUPLICATE, item_path, name, NULL);
  }
}

static void check_param_kind(const json_t *kind, FieldErrors *errors)
{
  const char *api_version = json_str(kind, "apiVersion", ""), *slash = strchr(api_version, '/');
  const char *version = slash ? slash + 1 : api_version;
  g_autofree char *group = g_strndup(api_version, slash ? (gsize)(slash - api_version) : 0);
  g_autofree char *lower = g_ascii_strdown(json_str(kind, "kind", ""), -1);
  g_autoptr(json_t) group_value = json_string(group), version_value = json_string(version);
  if (!*api_version)
    field_errors_add(errors, FIELD_REQUIRED, "spec.paramKind.apiVersion", NULL, NULL);
  else if (strchr(version, '/'))
    field_errors_add(errors, FIELD_INVALID, "spec.paramKind.apiVersion", json_object_get(kind, "apiVersion"),
                     "unexpected GroupVersion string: %s", api_version);
  else if (!*version)
    field_errors_add(errors, FIELD_INVALID, "spec.paramKind.apiVersion", json_object_get(kind, "apiVersion"),
                     "version must be specified");
  else
    api_validate_format("dns1035label", version_value, "spec.paramKind.apiVersion", errors);
  if (*group && !strchr(version, '/'))
    api_validate_format("dns1123subdomain", group_value, "spec.paramKind.apiVersion", errors);
  if (!*lower)
    field_errors_add(errors, FIELD_REQUIRED, "spec.paramKind.kind", NULL, NULL);
  else if (!api_is_dns_label(lower) || !g_ascii_islower(*lower))
    field_errors_add(errors, FIELD_INVALID, "spec.paramKind.kind", json_object_get(kind, "kind"),
                     "may have mixed case, but should otherwise match: %s", api_label_1035_text);
}

static bool is_cel_name(const char *text)
{
  static const char *const reserved[] = { "true",   "false",    "null",  "in",      "as",        "break",
                                          "const",  "continue", "else",  "for",     "function",  "if",
                                          "import", "let",      "loop",  "package", "namespace", "return",
                                          "var",    "void",     "while", NULL };
  static const char rest[] = "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  return *text && !g_ascii_isdigit(*text) && text[strspn(text, rest)] == '\0' && !g_strv_contains(reserved, text);
}

static void check_variables(const json_t *spec, FieldErrors *errors)
{
  size_t index;
  json_t *variable;
  json_array_foreach (json_object_get(spec, "variables"), index, variable) {
    g_autofree char *path = field_path_index("spec.variables", index);
    if (is_blank(variable, "name"))
      field_errors_add_at(errors, FIELD_REQUIRED, path, "name", NULL, "name is not specified");
    else if (!is_cel_name(json_str(variable, "name", "")))
      field_errors_add_at(errors, FIELD_INVALID, path, "name", json_object_get(variable, "name"),
                          "name is not a valid CEL identifier");
    if (is_blank(variable, "expression"))
      field_errors_add_at(errors, FIELD_REQUIRED, path, "expression", NULL, "expression is not specified");
  }
}

static void check_validation(const json_t *validation, const char *path, FieldErrors *errors)
{
  static const char *const reasons[] = { "Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized", NULL };
  const json_t *message = json_object_get(validation, "message");
  if (is_blank(validation, "expression"))
    field_errors_add_at(errors, FIELD_REQUIRED, path, "expression", NULL, "expression is not specified");
  if (json_object_get(validation, "messageExpression") && is_blank(validation, "messageExpression"))
    field_errors_add_at(errors, FIELD_INVALID, path, "messageExpression",
                        json_object_get(validation, "messageExpression"), "must be non-empty if specified");
  if (message && is_blank(validation, "message")) {
    field_errors_add_at(errors, FIELD_INVALID, path, "message", message, "message must be non-empty if specified");
  } else if (message) {
    g_autofree char *text = g_strstrip(g_strdup(json_string_value(message)));
    if (strpbrk(text, "\r\n"))
      field_errors_add_at(errors, FIELD_INVALID, path, "message", message, "message must not contain line breaks");
  }
  admission_check_supported(validation, "reason", reasons, path, errors);
}

static void check_audit_annotations(const json_t *object, FieldErrors *errors)
{
  const json_t *annotations = json_at(object, "spec", "auditAnnotations", NULL);
  const char *name = json_str(json_object_get(object, "metadata"), "name", "");
  g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *annotation;
  if (json_array_size(annotations) > AUDIT_ANNOTATIONS_MAX)
    field_errors_add(errors, FIELD_INVALID, "spec.auditAnnotations", annotations,
                     "must not have more than %d auditAnnotations", AUDIT_ANNOTATIONS_MAX);
  json_array_foreach ((json_t *)(uintptr_t)annotations, index, annotation) {
    g_autofree char *path = field_path_index("spec.auditAnnotations", index), *key_path = field_path_child(path, "key");
    g_autofree char *full = g_strconcat(name, "/", json_str(annotation, "key", ""), NULL);
    g_autoptr(json_t) full_key = json_string(full);
    api_validate_format("qualifiedName", full_key, key_path, errors);
    if (is_blank(annotation, "valueExpression"))
      field_errors_add_at(errors, FIELD_REQUIRED, path, "valueExpression", NULL, "valueExpression is not specified");
    else if (strlen(json_str(annotation, "valueExpression", "")) > AUDIT_EXPRESSION_BYTES_MAX)
      field_errors_add_at(errors, FIELD_REQUIRED, path, "valueExpression", NULL, "must not exceed %d bytes in length",
                          AUDIT_EXPRESSION_BYTES_MAX);
    if (!g_hash_table_add(keys, (gpointer)(uintptr_t)json_str(annotation, "key", "")))
      field_errors_add(errors, FIELD_DUPLICATE, key_path, json_object_get(annotation, "key"), NULL);
  }
}

static void policy_validate_create(const json_t *object, FieldErrors *errors)
{
  static const char nothing[] = "validations or auditAnnotations must contain at least one item";
  const json_t *spec = json_object_get(object, "spec"), *validations = json_object_get(spec, "validations");
  size_t index;
  json_t *validation;
  admission_check_supported(spec, "failurePolicy", admission_failure_policies, "spec", errors);
  if (json_object_get(spec, "paramKind"))
    check_param_kind(json_object_get(spec, "paramKind"), errors);
  if (!json_object_get(spec, "matchConstraints"))
    field_errors_add(errors, FIELD_REQUIRED, "spec.matchConstraints", NULL, NULL);
  else if (json_array_size(json_at(spec, "matchConstraints", "resourceRules", NULL)) == 0)
    field_errors_add(errors, FIELD_REQUIRED, "spec.matchConstraints.resourceRules", NULL, NULL);
  admission_check_conditions(spec, "spec", errors);
  check_variables(spec, errors);
  if (json_array_size(validations) == 0 && json_array_size(json_object_get(spec, "auditAnnotations")) == 0) {
    field_errors_add(errors, FIELD_REQUIRED, "spec.validations", NULL, "%s", nothing);
    field_errors_add(errors, FIELD_REQUIRED, "spec.auditAnnotations", NULL, "%s", nothing);
  }
  json_array_foreach ((json_t *)(uintptr_t)validations, index, validation) {
    g_autofree char *path = field_path_index("spec.validations", index);
    check_validation(validation, path, errors);
  }
  check_audit_annotations(object, errors);
}

static void policy_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                   FieldErrors *errors)
{
  if (!context || !context->subresource)
    policy_validate_create(object, errors);
}

static void policy_warn(const json_t *object, json_t *warnings)
{
  json_array_append_new(warnings,
                        json_string("the policy is stored, but this server does not evaluate CEL expressions: "
                                    "it is not enforced"));
}

const ApiStrategy strategy_validating_admission_policy = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
  .validate_create = policy_validate_create,
  .validate_update = policy_validate_update,
  .warn = policy_warn,
};

static void check_param_ref(const json_t *ref, FieldErrors *errors)
{
  static const char *const actions[] = { "Deny", "Allow", NULL };
  static const char both[] = "name and selector are mutually exclusive";
  const json_t *selector = json_object_get(ref, "selector");
  bool named = *json_str(ref, "name", "");
  if (named)
    api_validate_format("pathSegment", json_object_get(ref, "name"), "spec.paramRef.name", errors);
  if (named && selector) {
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.paramRef.name", NULL, "%s", both);
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.paramRef.selector", NULL, "%s", both);
  }
  if (!named && !selector)
    field_errors_add(errors, FIELD_REQUIRED, "spec.paramRef", NULL, "one of name or selector must be specified");
  if (!*json_str(ref, "parameterNotFoundAction", ""))
    field_errors_add(errors, FIELD_REQUIRED, "spec.paramRef.parameterNotFoundAction", NULL, NULL);
  else
    admission_check_supported(ref, "parameterNotFoundAction", actions, "spec.paramRef", errors);
}

static void check_actions(const json_t *actions, FieldErrors *errors)
{
  static const char *const known[] = { "Audit", "Deny", "Warn", NULL };
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *action;
  json_array_foreach ((json_t *)(uintptr_t)actions, index, action) {
    g_autofree char *path = field_path_index("spec.validationActions", index);
    if (!g_strv_contains(known, json_string_value(action)))
      field_errors_add_unsupported(errors, path, action, known);
    if (!g_hash_table_add(seen, (gpointer)(uintptr_t)json_string_value(action)))
      field_errors_add(errors, FIELD_DUPLICATE, path, action, NULL);
  }
  if (g_hash_table_contains(seen, "Deny") && g_hash_table_contains(seen, "Warn"))
    field_errors_add(
        errors, FIELD_INVALID, "spec.validationActions", actions,
        "must not contain both Deny and Warn (repeating the same validation failure information in the API "
        "response and headers serves no purpose)");
  if (g_hash_table_size(seen) == 0)
    field_errors_add(errors, FIELD_REQUIRED, "spec.validationActions", NULL,
                     "at least one validation action is required");
}

static void binding_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec");
  if (!*json_str(spec, "policyName", ""))
    field_errors_add(errors, FIELD_REQUIRED, "spec.policyName", NULL, NULL);
  else
    api_validate_format("dns1123subdomain", json_object_get(spec, "policyName"), "spec.policyName", errors);
  if (json_object_get(spec, "paramRef"))
    check_param_ref(json_object_get(spec, "paramRef"), errors);
  check_actions(json_object_get(spec, "validationActions"), errors);
}

static void binding_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                    FieldErrors *errors)
{
  binding_validate_create(object, errors);
}

const ApiStrategy strategy_validating_admission_policy_binding = {
  .validate_create = binding_validate_create,
  .validate_update = binding_validate_update,
};
