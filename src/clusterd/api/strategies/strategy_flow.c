/* Flow schemas and priority levels. Source: k8s.io/kubernetes/pkg/apis/flowcontrol/validation. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"

#define PRECEDENCE_DEFAULT 1000
#define PRECEDENCE_MAX 10000
#define QUEUES_MAX 10000000
#define HASH_BITS_MAX 60 /* what dealing a flow its queues may use of a request's hash */

static void default_number(json_t *object, const char *member, json_int_t value)
{
  if (json_int(object, member, 0) == 0)
    json_object_set_new(object, member, json_integer(value));
}

void default_queuing(json_t *value)
{
  default_number(value, "queues", 64);
  default_number(value, "handSize", 8);
  default_number(value, "queueLengthLimit", 50);
}

void default_flow_schema_spec(json_t *value)
{
  default_number(value, "matchingPrecedence", PRECEDENCE_DEFAULT);
}

/* A list that may not be empty (MISSING says so) and has nothing beside "*" (WHAT names its items). True when its items
 * are to be looked at. */
static bool check_list(const json_t *rule, const char *member, const char *missing, const char *what, const char *path,
                       FieldErrors *errors)
{
  const json_t *list = json_object_get(rule, member);
  bool wildcard = json_has_text(list, "*");
  if (json_array_size(list) == 0)
    field_errors_add_at(errors, FIELD_REQUIRED, path, member, NULL, "%s", missing);
  else if (wildcard && json_array_size(list) > 1)
    field_errors_add_at(errors, FIELD_INVALID, path, member, list, "if '*' is present, must not specify other %s",
                        what);
  return !wildcard;
}

static void check_verbs(const json_t *rule, const char *path, FieldErrors *errors)
{
  static const char *const verbs[] = { "create", "delete", "deletecollection", "get",   "list",
                                       "patch",  "proxy",  "update",           "watch", NULL };
  const json_t *list = json_object_get(rule, "verbs");
  g_autofree char *list_path = field_path_child(path, "verbs");
  size_t index;
  json_t *verb;
  if (!check_list(rule, "verbs", "verbs must contain at least one value", "verbs", path, errors))
    return;
  json_array_foreach ((json_t *)(uintptr_t)list, index, verb) {
    if (!g_strv_contains(verbs, json_string_value(verb))) {
      field_errors_add_unsupported(errors, list_path, list, verbs);
      return;
    }
  }
}

static const char *url_fault(const char *text)
{
  const char *star = strchr(text, '*');
  if (!*text)
    return "must not be empty";
  if (strcmp(text, "/") == 0)
    return NULL;
  if (*text != '/')
    return "must start with slash";
  if (strchr(text, ' '))
    return "must not contain white-space";
  if (strstr(text, "//"))
    return "must not contain double slash";
  return star && (star[1] || star[-1] != '/') ? "wildcard can only do suffix matching" : NULL;
}

static void check_non_resource_rule(const json_t *rule, const char *path, FieldErrors *errors)
{
  size_t index;
  json_t *url;
  check_verbs(rule, path, errors);
  if (!check_list(rule, "nonResourceURLs", "nonResourceURLs must contain at least one value", "non-resource URLs", path,
                  errors))
    return;
  json_array_foreach (json_object_get(rule, "nonResourceURLs"), index, url) {
    const char *fault = url_fault(json_string_value(url));
    g_autofree char *item_path = g_strdup_printf("%s.nonResourceURLs[%zu]", path, index);
    if (fault)
      field_errors_add(errors, FIELD_INVALID, item_path, url, "%s", fault);
  }
}

static void check_resource_rule(const json_t *rule, const char *path, FieldErrors *errors)
{
  const json_t *namespaces = json_object_get(rule, "namespaces");
  size_t index;
  json_t *name;
  check_verbs(rule, path, errors);
  check_list(rule, "apiGroups", "resource rules must supply at least one api group", "api groups", path, errors);
  check_list(rule, "resources", "resource rules must supply at least one resource", "resources", path, errors);
  if (json_array_size(namespaces) == 0 && json_flag(rule, "clusterScope", false))
    return;
  if (!check_list(rule, "namespaces", "resource rules that are not cluster scoped must supply at least one namespace",
                  "namespaces", path, errors))
    return;
  json_array_foreach ((json_t *)(uintptr_t)namespaces, index, name) {
    g_autofree char *item_path = g_strdup_printf("%s.namespaces[%zu]", path, index);
    if (!api_is_dns_label(json_string_value(name)))
      field_errors_add(errors, FIELD_INVALID, item_path, name,
                       "each member of this list must be '*' or a DNS-1123 label; %s", api_label_text);
  }
}

static void check_service_account(const json_t *account, const char *path, FieldErrors *errors)
{
  const json_t *name = json_object_get(account, "name"), *namespace_ = json_object_get(account, "namespace");
  g_autofree char *name_path = field_path_child(path, "name"), *namespace_path = field_path_child(path, "namespace");
  if (json_string_length(name) == 0)
    field_errors_add(errors, FIELD_REQUIRED, name_path, NULL, NULL);
  else if (strcmp(json_string_value(name), "*") != 0)
    api_validate_format("dns1123subdomain", name, name_path, errors);
  if (json_string_length(namespace_) == 0)
    field_errors_add(errors, FIELD_REQUIRED, namespace_path, NULL, "must specify namespace for service account");
  else
    api_validate_format("dns1123label", namespace_, namespace_path, errors);
}

static const struct {
  const char *kind, *member;
} subject_kinds[] = { { "Group", "group" }, { "ServiceAccount", "serviceAccount" }, { "User", "user" } };

static void check_subject(const json_t *subject, const char *path, FieldErrors *errors)
{
  static const char *const kinds[] = { "Group", "ServiceAccount", "User", NULL };
  const char *kind = json_str(subject, "kind", "");
  g_autofree char *kind_path = field_path_child(path, "kind");
  if (!g_strv_contains(kinds, kind)) {
    field_errors_add_unsupported(errors, kind_path, json_object_get(subject, "kind"), kinds);
    return;
  }
  for (size_t i = 0; i < G_N_ELEMENTS(subject_kinds); i++) {
    const json_t *who = json_object_get(subject, subject_kinds[i].member);
    g_autofree char *who_path = field_path_child(path, subject_kinds[i].member);
    if (strcmp(kind, subject_kinds[i].kind) != 0) {
      if (who)
        field_errors_add(errors, FIELD_FORBIDDEN, who_path, NULL, "%s is forbidden when subject kind is not '%s'",
                         subject_kinds[i].member, subject_kinds[i].kind);
    } else if (!who) {
      field_errors_add(errors, FIELD_REQUIRED, who_path, NULL, "%s is required when subject kind is '%s'",
                       subject_kinds[i].member, kind);
    } else if (strcmp(kind, "ServiceAccount") == 0) {
      check_service_account(who, who_path, errors);
    } else if (!*json_str(who, "name", "")) {
      field_errors_add_at(errors, FIELD_REQUIRED, who_path, "name", NULL, NULL);
    }
  }
}

static void check_flow_rule(const json_t *rule, const char *path, FieldErrors *errors)
{
  const json_t *subjects = json_object_get(rule, "subjects"), *resources = json_object_get(rule, "resourceRules");
  const json_t *others = json_object_get(rule, "nonResourceRules");
  size_t index;
  json_t *item;
  if (json_array_size(subjects) == 0)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "subjects", NULL, "subjects must contain at least one value");
  json_array_foreach ((json_t *)(uintptr_t)subjects, index, item) {
    g_autofree char *item_path = g_strdup_printf("%s.subjects[%zu]", path, index);
    check_subject(item, item_path, errors);
  }
  if (json_array_size(resources) == 0 && json_array_size(others) == 0)
    field_errors_add(errors, FIELD_REQUIRED, path, NULL,
                     "at least one of resourceRules and nonResourceRules has to be non-empty");
  json_array_foreach ((json_t *)(uintptr_t)resources, index, item) {
    g_autofree char *item_path = g_strdup_printf("%s.resourceRules[%zu]", path, index);
    check_resource_rule(item, item_path, errors);
  }
  json_array_foreach ((json_t *)(uintptr_t)others, index, item) {
    g_autofree char *item_path = g_strdup_printf("%s.nonResourceRules[%zu]", path, index);
    check_non_resource_rule(item, item_path, errors);
  }
}

static void check_precedence(const json_t *object, FieldErrors *errors)
{
  const json_t *precedence = json_at(object, "spec", "matchingPrecedence", NULL);
  int64_t number = json_integer_value(precedence);
  if (number <= 0)
    field_errors_add(errors, FIELD_INVALID, "spec.matchingPrecedence", precedence, "must be a positive value");
  if (number > PRECEDENCE_MAX)
    field_errors_add(errors, FIELD_INVALID, "spec.matchingPrecedence", precedence, "must not be greater than %d",
                     PRECEDENCE_MAX);
  if (number == 1 && strcmp(json_str(json_object_get(object, "metadata"), "name", ""), "exempt") != 0)
    field_errors_add(errors, FIELD_INVALID, "spec.matchingPrecedence", precedence,
                     "only the schema named 'exempt' may have matchingPrecedence 1");
}

static void flow_schema_validate_create(const json_t *object, FieldErrors *errors)
{
  static const char *const methods[] = { "ByNamespace", "ByUser", NULL };
  const json_t *spec = json_object_get(object, "spec");
  const json_t *method = json_object_get(spec, "distinguisherMethod");
  const json_t *level = json_at(spec, "priorityLevelConfiguration", "name", NULL);
  size_t index;
  json_t *rule;
  check_precedence(object, errors);
  if (method && !g_strv_contains(methods, json_str(method, "type", "")))
    field_errors_add_unsupported(errors, "spec.distinguisherMethod.type", json_object_get(method, "type"), methods);
  if (json_string_length(level) == 0)
    field_errors_add(errors, FIELD_REQUIRED, "spec.priorityLevelConfiguration.name", NULL,
                     "must reference a priority level");
  else
    api_validate_format("dns1123subdomain", level, "spec.priorityLevelConfiguration.name", errors);
  json_array_foreach (json_object_get(spec, "rules"), index, rule) {
    g_autofree char *path = field_path_index("spec.rules", index);
    check_flow_rule(rule, path, errors);
  }
}

static void flow_schema_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                        FieldErrors *errors)
{
  if (!context || !context->subresource)
    flow_schema_validate_create(object, errors);
}

const ApiStrategy strategy_flow_schema = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
  .validate_create = flow_schema_validate_create,
  .validate_update = flow_schema_validate_update,
};

static void check_queuing(const json_t *queuing, const char *path, FieldErrors *errors)
{
  const json_t *length = json_object_get(queuing, "queueLengthLimit"), *hand = json_object_get(queuing, "handSize");
  const json_t *deck = json_object_get(queuing, "queues");
  int64_t queues = json_integer_value(deck), hand_size = json_integer_value(hand);
  double bits = 0;
  if (json_integer_value(length) <= 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "queueLengthLimit", length, "must be positive");
  if (queues <= 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "queues", deck, "must be positive");
  else if (queues > QUEUES_MAX)
    field_errors_add_at(errors, FIELD_INVALID, path, "queues", deck, "must not be greater than %d", QUEUES_MAX);
  for (int64_t i = 0; i < hand_size && i < queues && bits <= HASH_BITS_MAX; i++)
    bits += log2((double)(queues - i));
  if (hand_size <= 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "handSize", hand, "must be positive");
  else if (hand_size > queues)
    field_errors_add_at(errors, FIELD_INVALID, path, "handSize", hand,
                        "should not be greater than queues (%" G_GINT64_FORMAT ")", queues);
  else if (ceil(bits) > HASH_BITS_MAX)
    field_errors_add_at(errors, FIELD_INVALID, path, "handSize", hand,
                        "required entropy bits of deckSize %" G_GINT64_FORMAT " and handSize %" G_GINT64_FORMAT
                        " should not be greater than %d",
                        queues, hand_size, HASH_BITS_MAX);
}

static void check_shares(const json_t *level, const char *path, FieldErrors *errors)
{
  const json_t *shares = json_object_get(level, "nominalConcurrencyShares");
  if (json_integer_value(shares) < 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "nominalConcurrencyShares", shares,
                        "must be a non-negative integer");
}

static void check_lendable(const json_t *level, const char *path, FieldErrors *errors)
{
  const json_t *percent = json_object_get(level, "lendablePercent");
  if (json_integer_value(percent) < 0 || json_integer_value(percent) > 100)
    field_errors_add_at(errors, FIELD_INVALID, path, "lendablePercent", percent,
                        "must be between 0 and 100, inclusive");
}

static void check_limited(const json_t *limited, FieldErrors *errors)
{
  static const char *const types[] = { "Queue", "Reject", NULL };
  const json_t *response = json_object_get(limited, "limitResponse"), *queuing = json_object_get(response, "queuing");
  const json_t *borrowing = json_object_get(limited, "borrowingLimitPercent");
  const char *type = json_str(response, "type", "");
  check_shares(limited, "spec.limited", errors);
  if (strcmp(type, "Reject") == 0 && queuing)
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.limited.limitResponse.queuing", NULL,
                     "must be nil if limited.limitResponse.type is not Limited");
  else if (strcmp(type, "Queue") == 0 && !queuing)
    field_errors_add(errors, FIELD_REQUIRED, "spec.limited.limitResponse.queuing", NULL,
                     "must not be empty if limited.limitResponse.type is Limited");
  else if (strcmp(type, "Queue") == 0)
    check_queuing(queuing, "spec.limited.limitResponse.queuing", errors);
  else if (strcmp(type, "Reject") != 0) {
    g_autoptr(json_t) value = json_string(type);
    field_errors_add_unsupported(errors, "spec.limited.limitResponse.type", value, types);
  }
  check_lendable(limited, "spec.limited", errors);
  if (json_integer_value(borrowing) < 0)
    field_errors_add(errors, FIELD_INVALID, "spec.limited.borrowingLimitPercent", borrowing,
                     "if specified, must be a non-negative integer");
}

static void priority_level_validate_create(const json_t *object, FieldErrors *errors)
{
  static const char *const types[] = { "Exempt", "Limited", NULL };
  const json_t *spec = json_object_get(object, "spec"), *limited = json_object_get(spec, "limited");
  const json_t *exempt = json_object_get(spec, "exempt");
  const char *type = json_str(spec, "type", ""), *name = json_str(json_object_get(object, "metadata"), "name", "");
  bool is_exempt = strcmp(type, "Exempt") == 0;
  g_autoptr(json_t) type_value = json_string(type);
  if (is_exempt != (strcmp(name, "exempt") == 0))
    field_errors_add(errors, FIELD_INVALID, "spec.type", type_value,
                     "type must be 'Exempt' if and only if name is 'exempt'");
  if (is_exempt) {
    if (limited)
      field_errors_add(errors, FIELD_FORBIDDEN, "spec.limited", NULL, "must be nil if the type is not Limited");
    check_shares(exempt, "spec.exempt", errors);
    check_lendable(exempt, "spec.exempt", errors);
  } else if (strcmp(type, "Limited") == 0) {
    if (exempt)
      field_errors_add(errors, FIELD_FORBIDDEN, "spec.exempt", NULL, "must be nil if the type is Limited");
    if (limited)
      check_limited(limited, errors);
    else
      field_errors_add(errors, FIELD_REQUIRED, "spec.limited", NULL, "must not be empty when type is Limited");
  } else {
    field_errors_add_unsupported(errors, "spec.type", type_value, types);
  }
}

static void priority_level_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                           FieldErrors *errors)
{
  if (!context || !context->subresource)
    priority_level_validate_create(object, errors);
}

const ApiStrategy strategy_priority_level = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
  .validate_create = priority_level_validate_create,
  .validate_update = priority_level_validate_update,
};
