/* CustomResourceDefinitions: what they may say, and what of them may change.
 * Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation, pkg/registry/customresourcedefinition. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/custom/custom_definition.h"
#include "clusterd/api/custom/definition_approval.h"
#include "clusterd/api/custom/definition_schema.h"
#include "clusterd/api/custom/definition_version.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"

static const json_t *spec_of(const json_t *object)
{
  return json_object_get(object, "spec");
}

static void require(const json_t *parent, const char *path, const char *member, FieldErrors *errors)
{
  g_autofree char *at = field_path_child(path, member);
  if (!*json_str(parent, member, ""))
    field_errors_add(errors, FIELD_REQUIRED, at, NULL, NULL);
}

/* A label by the rule of RFC 1035, when it is given at all. */
static void check_label(const json_t *value, const char *path, FieldErrors *errors)
{
  if (json_string_length(value) > 0)
    api_validate_format("dns1035label", value, path, errors);
}

static void check_labels(const json_t *list, const char *path, FieldErrors *errors)
{
  for (size_t i = 0; i < json_array_size(list); i++) {
    g_autofree char *at = field_path_index(path, i);
    api_validate_format("dns1035label", json_array_get(list, i), at, errors);
  }
}

/* A kind may be of mixed case, but must be a label otherwise. */
static void check_kind_name(const json_t *names, const char *member, FieldErrors *errors)
{
  const char *kind = json_str(names, member, "");
  g_autofree char *lower = g_ascii_strdown(kind, -1), *path = field_path_child("spec.names", member);
  g_autoptr(json_t) value = json_string(lower);
  g_autoptr(FieldErrors) probe = field_errors_new();
  if (!*kind)
    return;
  api_validate_format("dns1035label", value, path, probe);
  if (field_errors_count(probe) > 0)
    field_errors_add(errors, FIELD_INVALID, path, json_object_get(names, member),
                     "may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case "
                     "alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric "
                     "character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
                     "'[a-z]([-a-z0-9]*[a-z0-9])?')");
}

static void check_names(const json_t *spec, FieldErrors *errors)
{
  static const char *const required[] = { "plural", "singular", "kind", "listKind" };
  const json_t *names = json_object_get(spec, "names");
  const char *kind = json_str(names, "kind", "");
  for (gsize i = 0; i < G_N_ELEMENTS(required); i++)
    require(names, "spec.names", required[i], errors);
  check_label(json_object_get(names, "plural"), "spec.names.plural", errors);
  check_label(json_object_get(names, "singular"), "spec.names.singular", errors);
  check_kind_name(names, "kind", errors);
  check_kind_name(names, "listKind", errors);
  check_labels(json_object_get(names, "shortNames"), "spec.names.shortNames", errors);
  if (*kind && strcmp(kind, json_str(names, "listKind", "")) == 0)
    field_errors_add(errors, FIELD_INVALID, "spec.names.listKind", json_object_get(names, "listKind"),
                     "kind and listKind may not be the same");
  check_labels(json_object_get(names, "categories"), "spec.names.categories", errors);
}

static void check_group(const json_t *spec, FieldErrors *errors)
{
  const json_t *group = json_object_get(spec, "group");
  unsigned before = field_errors_count(errors);
  if (json_string_length(group) == 0) {
    field_errors_add(errors, FIELD_REQUIRED, "spec.group", NULL, NULL);
    return;
  }
  api_validate_format("dns1123subdomain", group, "spec.group", errors);
  if (field_errors_count(errors) == before && !strchr(json_string_value(group), '.'))
    field_errors_add(errors, FIELD_INVALID, "spec.group", group, "should be a domain with at least one dot");
}

static void check_scope(const json_t *spec, FieldErrors *errors)
{
  static const char *const scopes[] = { "Cluster", "Namespaced", NULL };
  const char *scope = json_str(spec, "scope", "");
  if (!*scope)
    field_errors_add(errors, FIELD_REQUIRED, "spec.scope", NULL, NULL);
  else if (!g_strv_contains(scopes, scope))
    field_errors_add_unsupported(errors, "spec.scope", json_object_get(spec, "scope"), scopes);
}

/* --- conversion ----------------------------------------------------------------------------------------------------
 */

static bool has_known_review(const json_t *versions)
{
  for (size_t i = 0; i < json_array_size(versions); i++)
    if (g_strcmp0(json_string_value(json_array_get(versions, i)), "v1") == 0 ||
        g_strcmp0(json_string_value(json_array_get(versions, i)), "v1beta1") == 0)
      return true;
  return false;
}

static void check_client_config(const json_t *config, FieldErrors *errors)
{
#define PATH "spec.conversion.webhook.clientConfig"
  const json_t *service = json_object_get(config, "service");
  const char *url = json_str(config, "url", "");
  if (!config)
    field_errors_add(errors, FIELD_REQUIRED, PATH, NULL,
                     "required when strategy is set to Webhook, but not allowed otherwise");
  else if ((*url != '\0') == (service != NULL))
    field_errors_add(errors, FIELD_REQUIRED, PATH, NULL, "exactly one of url or service is required");
  else if (*url && !g_str_has_prefix(url, "https://"))
    field_errors_add(errors, FIELD_INVALID, PATH ".url", json_object_get(config, "url"),
                     "'https' is the only allowed URL scheme; desired format: https://host[/path]");
  if (service) {
    require(service, PATH ".service", "name", errors);
    require(service, PATH ".service", "namespace", errors);
  }
#undef PATH
}

static void check_webhook(const json_t *webhook, FieldErrors *errors)
{
  const json_t *versions = json_object_get(webhook, "conversionReviewVersions");
  check_client_config(json_object_get(webhook, "clientConfig"), errors);
  if (json_array_size(versions) == 0)
    field_errors_add(errors, FIELD_REQUIRED, "spec.conversion.webhook.conversionReviewVersions", NULL, NULL);
  else if (!has_known_review(versions))
    field_errors_add(errors, FIELD_INVALID, "spec.conversion.webhook.conversionReviewVersions", versions,
                     "must include at least one of v1, v1beta1");
}

static void check_conversion(const json_t *spec, FieldErrors *errors)
{
  static const char *const strategies[] = { "None", "Webhook", NULL };
  const json_t *conversion = json_object_get(spec, "conversion"), *webhook = json_object_get(conversion, "webhook");
  const char *strategy = json_str(conversion, "strategy", "");
  if (!conversion)
    return;
  if (!*strategy)
    field_errors_add(errors, FIELD_REQUIRED, "spec.conversion.strategy", NULL, NULL);
  else if (!g_strv_contains(strategies, strategy))
    field_errors_add_unsupported(errors, "spec.conversion.strategy", json_object_get(conversion, "strategy"),
                                 strategies);
  if (strcmp(strategy, "Webhook") == 0)
    check_webhook(webhook, errors);
  else if (webhook)
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.conversion.webhook", NULL,
                     "should not be set when strategy is not set to Webhook");
}

/* --- the whole -----------------------------------------------------------------------------------------------------
 */

static void check_spec(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = spec_of(object);
  check_group(spec, errors);
  check_scope(spec, errors);
  if (json_flag(spec, "preserveUnknownFields", false))
    field_errors_add(errors, FIELD_INVALID, "spec.preserveUnknownFields",
                     json_object_get(spec, "preserveUnknownFields"),
                     "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema "
                     "instead");
  definition_versions_validate(spec, errors);
  check_names(spec, errors);
  check_conversion(spec, errors);
}

static void check_stored_versions(const json_t *object, FieldErrors *errors)
{
  const json_t *stored = json_at(object, "status", "storedVersions", NULL);
  for (size_t i = 0; i < json_array_size(stored); i++) {
    const char *name = json_string_value(json_array_get(stored, i));
    g_autofree char *path = field_path_index("status.storedVersions", i);
    if (!definition_version(spec_of(object), name))
      field_errors_add(errors, FIELD_INVALID, path, json_array_get(stored, i), "must appear in spec.versions");
  }
}

static void check_name(const json_t *object, FieldErrors *errors)
{
  const json_t *names = json_object_get(spec_of(object), "names");
  const json_t *name = json_at(object, "metadata", "name", NULL);
  g_autofree char *expected =
      g_strconcat(json_str(names, "plural", ""), ".", json_str(spec_of(object), "group", ""), NULL);
  if (g_strcmp0(json_string_value(name), expected) != 0)
    field_errors_add(errors, FIELD_INVALID, "metadata.name", name, "must be spec.names.plural+\".\"+spec.group");
}

static void check_approval(const json_t *object, FieldErrors *errors)
{
  g_autofree char *message = NULL;
  DefinitionApproval approval = definition_approval(object, &message);
  const char *path = "metadata.annotations[" DEFINITION_APPROVAL_ANNOTATION "]";
  if (approval == DEFINITION_APPROVAL_MISSING)
    field_errors_add(errors, FIELD_REQUIRED, path, NULL, "%s", message);
  else if (approval == DEFINITION_APPROVAL_INVALID)
    field_errors_add(errors, FIELD_INVALID, path,
                     json_object_get(json_at(object, "metadata", "annotations", NULL), DEFINITION_APPROVAL_ANNOTATION),
                     "%s", message);
}

static void validate_create(const json_t *object, FieldErrors *errors)
{
  check_name(object, errors);
  check_spec(object, errors);
  check_stored_versions(object, errors);
  check_approval(object, errors);
}

static bool is_established(const json_t *object)
{
  const json_t *conditions = json_at(object, "status", "conditions", NULL);
  for (size_t i = 0; i < json_array_size(conditions); i++) {
    const json_t *condition = json_array_get(conditions, i);
    if (strcmp(json_str(condition, "type", ""), "Established") == 0)
      return strcmp(json_str(condition, "status", ""), "True") == 0;
  }
  return false;
}

static void check_unchanged(const json_t *spec, const json_t *old, const char *member, FieldErrors *errors)
{
  g_autofree char *path = field_path_child("spec", member);
  strategy_check_immutable(json_object_get(spec, member), json_object_get(old, member), path, errors);
}

static void validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                            FieldErrors *errors)
{
  const json_t *spec = spec_of(object), *old_spec = spec_of(old);
  const json_t *names = json_object_get(spec, "names"), *old_names = json_object_get(old_spec, "names");
  g_autofree char *message = NULL;
  if (!json_same(spec, old_spec))
    check_spec(object, errors);
  if (is_established(old)) {
    check_unchanged(spec, old_spec, "scope", errors);
    strategy_check_immutable(json_object_get(names, "kind"), json_object_get(old_names, "kind"), "spec.names.kind",
                             errors);
  }
  check_unchanged(spec, old_spec, "group", errors);
  strategy_check_immutable(json_object_get(names, "plural"), json_object_get(old_names, "plural"), "spec.names.plural",
                           errors);
  check_stored_versions(object, errors);
  DefinitionApproval before = definition_approval(old, &message);
  if (before != DEFINITION_APPROVAL_MISSING && before != DEFINITION_APPROVAL_INVALID)
    check_approval(object, errors);
}

/* The version objects are stored in from now on is remembered as long as any may be. */
static void note_storage(json_t *object)
{
  json_t *status = json_ensure_object(object, "status", NULL), *version;
  if (!json_is_array(json_object_get(status, "storedVersions")))
    json_object_set_new(status, "storedVersions", json_array());
  json_t *stored = json_object_get(status, "storedVersions");
  size_t i;
  json_array_foreach (json_object_get(spec_of(object), "versions"), i, version) {
    const char *name = json_str(version, "name", "");
    if (!json_flag(version, "storage", false))
      continue;
    if (!json_has_text(stored, name))
      json_array_append_new(stored, json_string(name));
    return;
  }
}

static void prepare_create(json_t *object)
{
  strategy_reset_status(object);
  note_storage(object);
}

static void prepare_update(json_t *object, const json_t *old, const ApiWriteContext *context)
{
  bool main_resource = !context || !context->subresource;
  strategy_split_status(object, old, context);
  if (!main_resource)
    return;
  json_t *status = json_deep_copy(json_object_get(object, "status")); /* shared with OLD until now */
  if (status)
    json_object_set_new(object, "status", status);
  note_storage(object);
}

static void warn(const json_t *object, json_t *warnings)
{
  const json_t *versions = json_object_get(spec_of(object), "versions");
  for (size_t i = 0; i < json_array_size(versions); i++) {
    const json_t *version = json_array_get(versions, i);
    if (!definition_schema_has_rules(json_at(version, "schema", "openAPIV3Schema", NULL)))
      continue;
    json_array_append_new(warnings, json_string("x-kubernetes-validations: the rules are kept, but not enforced yet"));
    return;
  }
}

const ApiStrategy strategy_custom_resource_definition = {
  .prepare_create = prepare_create,
  .prepare_update = prepare_update,
  .validate_create = validate_create,
  .validate_update = validate_update,
  .warn = warn,
};
