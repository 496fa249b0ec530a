/* Webhook configurations. Source: k8s.io/kubernetes/pkg/apis/admissionregistration/validation. */
#include "clusterd/api/strategies/strategy_admission.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/validation.h"

#define MATCH_CONDITIONS_MAX 64

const char *const admission_failure_policies[] = { "Fail", "Ignore", NULL };
const char *const admission_match_policies[] = { "Equivalent", "Exact", NULL };

void admission_check_supported(const json_t *object, const char *member, const char *const *supported, const char *path,
                               FieldErrors *errors)
{
  const json_t *value = json_object_get(object, member);
  g_autofree char *member_path = field_path_child(path, member);
  if (value && !g_strv_contains(supported, json_string_value(value)))
    field_errors_add_unsupported(errors, member_path, value, supported);
}

/* A list of a rule: not empty, and nothing beside "*". WHAT names its items. */
static void check_rule_list(const json_t *rule, const char *member, const char *what, const char *path,
                            FieldErrors *errors)
{
  const json_t *list = json_object_get(rule, member);
  if (json_array_size(list) == 0)
    field_errors_add_at(errors, FIELD_REQUIRED, path, member, NULL, NULL);
  if (json_array_size(list) > 1 && json_has_text(list, "*"))
    field_errors_add_at(errors, FIELD_INVALID, path, member, list, "if '*' is present, must not specify other %s",
                        what);
}

/* A resource with "/": what came before it may already cover it. */
static void check_subresource(const json_t *resources, size_t at, const char *path, FieldErrors *errors)
{
  const char *text = json_string_value(json_array_get(resources, at)), *slash = strchr(text, '/');
  g_autofree char *resource = g_strndup(text, (gsize)(slash - text));
  g_autofree char *all_of_resource = g_strconcat(resource, "/*", NULL), *all_of_sub = g_strconcat("*", slash, NULL);
  bool covered[2] = { false, false };
  for (size_t i = 0; i < at; i++) {
    const char *earlier = json_string_value(json_array_get(resources, i));
    covered[0] = covered[0] || strcmp(earlier, all_of_resource) == 0;
    covered[1] = covered[1] || strcmp(earlier, all_of_sub) == 0;
  }
  if (covered[0])
    field_errors_add(errors, FIELD_INVALID, path, json_array_get(resources, at),
                     "if '%s' is present, must not specify %s", all_of_resource, text);
  if (covered[1])
    field_errors_add(errors, FIELD_INVALID, path, json_array_get(resources, at),
                     "if '%s' is present, must not specify %s", all_of_sub, text);
}

static void check_resources(const json_t *rule, const char *path, FieldErrors *errors)
{
  const json_t *resources = json_object_get(rule, "resources");
  g_autofree char *list_path = field_path_child(path, "resources");
  bool everything = false, all_resources = false, plain = false;
  size_t index;
  json_t *item;
  if (json_array_size(resources) == 0)
    field_errors_add(errors, FIELD_REQUIRED, list_path, NULL, NULL);
  json_array_foreach ((json_t *)(uintptr_t)resources, index, item) {
    const char *text = json_string_value(item);
    g_autofree char *item_path = field_path_index(list_path, index);
    if (!*text) {
      field_errors_add(errors, FIELD_REQUIRED, item_path, NULL, NULL);
      continue;
    }
    everything = everything || strcmp(text, "*/*") == 0;
    all_resources = all_resources || strcmp(text, "*") == 0;
    if (strchr(text, '/'))
      check_subresource(resources, index, item_path, errors);
    else
      plain = strcmp(text, "*") != 0;
  }
  if (json_array_size(resources) > 1 && everything)
    field_errors_add(errors, FIELD_INVALID, list_path, resources,
                     "if '*/*' is present, must not specify other resources");
  if (all_resources && plain)
    field_errors_add(errors, FIELD_INVALID, list_path, resources,
                     "if '*' is present, must not specify other resources without subresources");
}

void validate_rule_with_operations(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const operations[] = { "*", "CONNECT", "CREATE", "DELETE", "UPDATE", NULL };
  static const char *const scopes[] = { "*", "Cluster", "Namespaced", NULL };
  size_t index;
  json_t *item;
  check_rule_list(value, "operations", "operations", path, errors);
  json_array_foreach (json_object_get(value, "operations"), index, item) {
    g_autofree char *item_path = g_strdup_printf("%s.operations[%zu]", path, index);
    if (!g_strv_contains(operations, json_string_value(item)))
      field_errors_add_unsupported(errors, item_path, item, operations);
  }
  check_rule_list(value, "apiGroups", "API groups", path, errors);
  check_rule_list(value, "apiVersions", "API versions", path, errors);
  json_array_foreach (json_object_get(value, "apiVersions"), index, item) {
    g_autofree char *item_path = g_strdup_printf("%s.apiVersions[%zu]", path, index);
    if (json_string_length(item) == 0)
      field_errors_add(errors, FIELD_REQUIRED, item_path, NULL, NULL);
  }
  check_resources(value, path, errors);
  admission_check_supported(value, "scope", scopes, path, errors);
}

static void check_full_name(const json_t *hook, const char *path, FieldErrors *errors)
{
  const json_t *name = json_object_get(hook, "name");
  const char *text = json_str(hook, "name", "");
  g_autofree char *name_path = field_path_child(path, "name");
  g_auto(GStrv) segments = g_strsplit(text, ".", -1);
  if (!*text)
    field_errors_add(errors, FIELD_REQUIRED, name_path, NULL, NULL);
  else if (!api_is_dns_subdomain(text))
    api_validate_format("dns1123subdomain", name, name_path, errors);
  else if (g_strv_length(segments) < 3)
    field_errors_add(errors, FIELD_INVALID, name_path, name,
                     "should be a domain with at least three segments separated by dots");
}

static void check_url(const json_t *config, const char *path, FieldErrors *errors)
{
  static const char form[] = "; desired format: https://host[/path]";
  g_autofree char *scheme = NULL, *user = NULL, *host = NULL, *query = NULL, *fragment = NULL;
  g_autofree char *url_path = field_path_child(path, "url");
  g_autoptr(GError) parse_error = NULL;
  if (!g_uri_split(json_str(config, "url", ""), G_URI_FLAGS_PARSE_RELAXED, &scheme, &user, &host, NULL, NULL, &query,
                   &fragment, &parse_error)) {
    field_errors_add(errors, FIELD_REQUIRED, url_path, NULL, "url must be a valid URL: %s%s", parse_error->message,
                     form);
    return;
  }
  const struct {
    const char *value, *text;
    bool wrong;
  } parts[] = {
    { scheme, "'https' is the only allowed URL scheme; desired format: https://host[/path]",
      g_strcmp0(scheme, "https") != 0 },
    { host, "host must be provided; desired format: https://host[/path]", !host || !*host },
    { user, "user information is not permitted in the URL", user != NULL },
    { fragment, "fragments are not permitted in the URL", fragment && *fragment },
    { query, "query parameters are not permitted in the URL", query && *query },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
    g_autoptr(json_t) value = json_string(parts[i].value ? parts[i].value : "");
    if (parts[i].wrong)
      field_errors_add(errors, FIELD_INVALID, url_path, value, "%s", parts[i].text);
  }
}

static void check_service_path(const json_t *service, const char *path, FieldErrors *errors)
{
  const json_t *value = json_object_get(service, "path");
  const char *text = json_str(service, "path", "");
  g_autofree char *member_path = field_path_child(path, "path");
  if (!*text || strcmp(text, "/") == 0)
    return;
  if (strcmp(text, "//") == 0) {
    field_errors_add(errors, FIELD_INVALID, member_path, value, "segment[0] may not be empty");
    return;
  }
  if (*text != '/')
    field_errors_add(errors, FIELD_INVALID, member_path, value, "must start with a '/'");
  g_autofree char *inner = g_strdup(text + 1);
  if (g_str_has_suffix(inner, "/"))
    inner[strlen(inner) - 1] = '\0';
  g_auto(GStrv) steps = g_strsplit(inner, "/", -1);
  for (guint i = 0; steps[i]; i++) {
    if (!*steps[i])
      field_errors_add(errors, FIELD_INVALID, member_path, value, "segment[%u] may not be empty", i);
    else if (!api_is_dns_subdomain(steps[i]))
      field_errors_add(errors, FIELD_INVALID, member_path, value, "segment[%u]: %s", i, api_subdomain_text);
  }
}

static void check_client(const json_t *config, const char *path, FieldErrors *errors)
{
  const json_t *service = json_object_get(config, "service"), *port = json_object_get(service, "port");
  bool by_url = json_object_get(config, "url");
  if (by_url == (service != NULL)) {
    field_errors_add(errors, FIELD_REQUIRED, path, NULL, "exactly one of url or service is required");
  } else if (by_url) {
    check_url(config, path, errors);
  } else {
    g_autofree char *service_path = field_path_child(path, "service");
    if (!*json_str(service, "name", ""))
      field_errors_add_at(errors, FIELD_REQUIRED, service_path, "name", NULL, "service name is required");
    if (!*json_str(service, "namespace", ""))
      field_errors_add_at(errors, FIELD_REQUIRED, service_path, "namespace", NULL, "service namespace is required");
    if (json_integer_value(port) < 1 || json_integer_value(port) > 65535)
      field_errors_add_at(errors, FIELD_INVALID, service_path, "port", port,
                          "port is not valid: must be between 1 and 65535, inclusive");
    check_service_path(service, service_path, errors);
  }
}

void admission_check_conditions(const json_t *owner, const char *path, FieldErrors *errors)
{
  const json_t *conditions = json_object_get(owner, "matchConditions");
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *condition;
  if (json_array_size(conditions) > MATCH_CONDITIONS_MAX) {
    g_autoptr(json_t) count = json_integer((json_int_t)json_array_size(conditions));
    field_errors_add_at(errors, FIELD_TOO_MANY, path, "matchConditions", count, "must have at most %d items",
                        MATCH_CONDITIONS_MAX);
  }
  json_array_foreach ((json_t *)(uintptr_t)conditions, index, condition) {
    g_autofree char *item_path = g_strdup_printf("%s.matchConditions[%zu]", path, index);
    g_autofree char *name_path = field_path_child(item_path, "name");
    g_autofree char *expression = g_strstrip(g_strdup(json_str(condition, "expression", "")));
    const char *name = json_str(condition, "name", "");
    if (!*expression)
      field_errors_add_at(errors, FIELD_REQUIRED, item_path, "expression", NULL, NULL);
    if (!*name)
      field_errors_add(errors, FIELD_REQUIRED, name_path, NULL, NULL);
    else
      api_validate_format("qualifiedName", json_object_get(condition, "name"), name_path, errors);
    if (*name && !g_hash_table_add(names, (gpointer)(uintptr_t)name))
      field_errors_add(errors, FIELD_DUPLICATE, name_path, json_object_get(condition, "name"), NULL);
  }
}

static void check_review_versions(const json_t *hook, const char *path, FieldErrors *errors)
{
  const json_t *versions = json_object_get(hook, "admissionReviewVersions");
  g_autofree char *list_path = field_path_child(path, "admissionReviewVersions");
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *version;
  if (json_array_size(versions) == 0) {
    field_errors_add(errors, FIELD_REQUIRED, list_path, NULL, "must specify one of v1, v1beta1");
    return;
  }
  json_array_foreach ((json_t *)(uintptr_t)versions, index, version) {
    g_autofree char *item_path = field_path_index(list_path, index);
    if (!g_hash_table_add(seen, (gpointer)(uintptr_t)json_string_value(version)))
      field_errors_add(errors, FIELD_INVALID, item_path, version, "duplicate version");
    else
      api_validate_format("dns1035label", version, item_path, errors);
  }
  if (!g_hash_table_contains(seen, "v1") && !g_hash_table_contains(seen, "v1beta1"))
    field_errors_add(errors, FIELD_INVALID, list_path, versions, "must include at least one of v1, v1beta1");
}

void validate_webhook(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const effects[] = { "None", "NoneOnDryRun", NULL };
  static const char *const reinvocations[] = { "IfNeeded", "Never", NULL };
  const json_t *timeout = json_object_get(value, "timeoutSeconds");
  g_autofree char *config_path = field_path_child(path, "clientConfig");
  check_full_name(value, path, errors);
  admission_check_supported(value, "failurePolicy", admission_failure_policies, path, errors);
  admission_check_supported(value, "matchPolicy", admission_match_policies, path, errors);
  if (!json_object_get(value, "sideEffects"))
    field_errors_add_at(errors, FIELD_REQUIRED, path, "sideEffects", NULL, "must specify one of None, NoneOnDryRun");
  admission_check_supported(value, "sideEffects", effects, path, errors);
  if (timeout && (json_integer_value(timeout) < 1 || json_integer_value(timeout) > 30))
    field_errors_add_at(errors, FIELD_INVALID, path, "timeoutSeconds", timeout,
                        "the timeout value must be between 1 and 30 seconds");
  admission_check_supported(value, "reinvocationPolicy", reinvocations, path, errors);
  check_client(json_object_get(value, "clientConfig"), config_path, errors);
  admission_check_conditions(value, path, errors);
  check_review_versions(value, path, errors);
}

static void webhook_configuration_validate_create(const json_t *object, FieldErrors *errors)
{
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *hook;
  json_array_foreach (json_object_get(object, "webhooks"), index, hook) {
    const char *name = json_str(hook, "name", "");
    g_autofree char *path = g_strdup_printf("webhooks[%zu].name", index);
    if (*name && !g_hash_table_add(names, (gpointer)(uintptr_t)name))
      field_errors_add(errors, FIELD_DUPLICATE, path, json_object_get(hook, "name"), NULL);
  }
}

static void webhook_configuration_validate_update(const json_t *object, const json_t *old,
                                                  const ApiWriteContext *context, FieldErrors *errors)
{
  webhook_configuration_validate_create(object, errors);
}

const ApiStrategy strategy_webhook_configuration = {
  .validate_create = webhook_configuration_validate_create,
  .validate_update = webhook_configuration_validate_update,
};
