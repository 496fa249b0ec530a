#include "clusterd/server/audit/audit_policy.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/yaml.h"

typedef struct AuditRule {
  AuditLevel level;
  unsigned omitted;
  bool omit_managed_fields;
  json_t *value; /* the rule as it was read: its lists are looked into as they are */
} AuditRule;

struct AuditPolicy {
  GArray *rules; /* AuditRule */
};

static const char *const level_names[] = { "None", "Metadata", "Request", "RequestResponse" };
static const char *const stage_names[] = { "RequestReceived", "ResponseStarted", "ResponseComplete", "Panic" };

const char *audit_level_name(AuditLevel level)
{
  return level_names[level];
}

const char *audit_stage_name(AuditStage stage)
{
  for (gsize i = 0; i < G_N_ELEMENTS(stage_names); i++)
    if (stage == 1u << i)
      return stage_names[i];
  return "";
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

static void problem(GPtrArray *problems, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void problem(GPtrArray *problems, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_ptr_array_add(problems, g_strdup_vprintf(format, args));
  va_end(args);
}

static unsigned read_stages(const json_t *list, const char *where, GPtrArray *problems)
{
  unsigned stages = 0;
  size_t i, j;
  json_t *item;
  json_array_foreach (list, i, item) {
    const char *name = json_is_string(item) ? json_string_value(item) : "";
    for (j = 0; j < G_N_ELEMENTS(stage_names) && !g_str_equal(stage_names[j], name); j++)
      ;
    if (j < G_N_ELEMENTS(stage_names))
      stages |= 1u << j;
    else
      problem(problems,
              "%somitStages[%zu]: Invalid value: \"%s\": allowed stages are "
              "RequestReceived,ResponseStarted,ResponseComplete,Panic",
              where, i, name);
  }
  return stages;
}

static void check_list(const json_t *rule, const char *member, const char *where, GPtrArray *problems)
{
  const json_t *list = json_object_get(rule, member);
  size_t i;
  json_t *item;
  if (list && !json_is_array(list))
    problem(problems, "%s%s: must be a list", where, member);
  json_array_foreach (list, i, item)
    if (!json_is_string(item))
      problem(problems, "%s%s[%zu]: must be a string", where, member, i);
}

static void check_urls(const json_t *rule, const char *where, GPtrArray *problems)
{
  size_t i;
  json_t *item;
  json_array_foreach (json_object_get(rule, "nonResourceURLs"), i, item) {
    const char *url = json_is_string(item) ? json_string_value(item) : "";
    const char *star = strchr(url, '*');
    if (!g_str_equal(url, "*") && url[0] != '/')
      problem(problems, "%snonResourceURLs[%zu]: Invalid value: \"%s\": non-resource URL must start with /", where, i,
              url);
    else if (star && star[1])
      problem(problems,
              "%snonResourceURLs[%zu]: Invalid value: \"%s\": non-resource URL wildcards '*' must be the final "
              "character",
              where, i, url);
  }
}

static void check_rule(const json_t *rule, const char *where, GPtrArray *problems)
{
  static const char *const lists[] = { "users", "userGroups", "verbs", "namespaces", "nonResourceURLs" };
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++)
    check_list(rule, lists[i], where, problems);
  check_urls(rule, where, problems);
  bool urls = json_array_size(json_object_get(rule, "nonResourceURLs")) > 0;
  if (urls &&
      (json_array_size(json_object_get(rule, "resources")) || json_array_size(json_object_get(rule, "namespaces"))))
    problem(problems,
            "%snonResourceURLs: Invalid value: rules cannot apply to both regular resources and non-resource "
            "URLs",
            where);
}

static bool read_level(const json_t *rule, AuditLevel *level)
{
  const char *name = json_str(rule, "level", "");
  for (gsize i = 0; i < G_N_ELEMENTS(level_names); i++) {
    if (!g_str_equal(level_names[i], name))
      continue;
    *level = (AuditLevel)i;
    return true;
  }
  return false;
}

static void read_rules(AuditPolicy *policy, const json_t *value, GPtrArray *problems)
{
  unsigned omitted = read_stages(json_object_get(value, "omitStages"), "", problems);
  bool no_fields = json_flag(value, "omitManagedFields", false);
  size_t i;
  json_t *item;
  json_array_foreach (json_object_get(value, "rules"), i, item) {
    g_autofree char *where = g_strdup_printf("rules[%zu].", i);
    AuditRule rule = { .omit_managed_fields = json_flag(item, "omitManagedFields", no_fields) };
    if (!read_level(item, &rule.level))
      problem(problems,
              "%slevel: Unsupported value: \"%s\": supported values: \"None\", \"Metadata\", \"Request\", "
              "\"RequestResponse\"",
              where, json_str(item, "level", ""));
    rule.omitted = omitted | read_stages(json_object_get(item, "omitStages"), where, problems);
    check_rule(item, where, problems);
    rule.value = json_incref(item);
    g_array_append_val(policy->rules, rule);
  }
}

static void clear_rule(void *data)
{
  AuditRule *rule = data;
  json_decref(rule->value);
}

AuditPolicy *audit_policy_read(const char *path, GError **error)
{
  g_autoptr(GBytes) bytes = file_read(path, AUDIT_POLICY_MAX, error);
  if (!bytes)
    return NULL;
  g_autoptr(json_t) value = yaml_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), error);
  if (!value)
    return NULL;
  g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(AuditPolicy) policy = g_new0(AuditPolicy, 1);
  policy->rules = g_array_new(FALSE, TRUE, sizeof(AuditRule));
  g_array_set_clear_func(policy->rules, clear_rule);
  if (!g_str_equal(json_str(value, "kind", ""), "Policy") ||
      !g_str_has_prefix(json_str(value, "apiVersion", ""), "audit.k8s.io/v1"))
    problem(problems, "must be a Policy of audit.k8s.io/v1");
  read_rules(policy, value, problems);
  if (policy->rules->len == 0)
    problem(problems, "loaded illegal policy with 0 rules");
  if (problems->len == 0)
    return g_steal_pointer(&policy);
  g_ptr_array_add(problems, NULL);
  g_autofree char *text = g_strjoinv("; ", (char **)problems->pdata);
  reason_set(error, REASON_CONFIG, "audit policy %s: %s", path, text);
  return NULL;
}

void audit_policy_free(AuditPolicy *policy)
{
  if (!policy)
    return;
  g_array_unref(policy->rules);
  g_free(policy);
}

/* --- deciding ------------------------------------------------------------------------------------------------------
 */

/* True when the list is empty, which is everything. */
static bool holds_or_empty(const json_t *list, const char *text)
{
  return json_array_size(list) == 0 || json_has_text(list, text);
}

static bool fits_user(const json_t *rule, const Identity *identity)
{
  const json_t *users = json_object_get(rule, "users"), *groups = json_object_get(rule, "userGroups");
  bool in_group = json_array_size(groups) == 0;
  if (json_array_size(users) > 0 && (!identity || !json_has_text(users, identity->name)))
    return false;
  for (int i = 0; identity && !in_group && identity->groups[i]; i++)
    in_group = json_has_text(groups, identity->groups[i]);
  return in_group;
}

static bool fits_url(const json_t *rule, const char *path)
{
  size_t i;
  json_t *item;
  json_array_foreach (json_object_get(rule, "nonResourceURLs"), i, item) {
    const char *pattern = json_is_string(item) ? json_string_value(item) : "";
    gsize length = strlen(pattern);
    if (length && pattern[length - 1] == '*' ? strncmp(pattern, path, length - 1) == 0 : g_str_equal(pattern, path))
      return true;
  }
  return false;
}

/* A resource, one of its subresources or all of them, one subresource of all resources, or everything. */
static bool names_resource(const json_t *list, const RequestInfo *info)
{
  g_autofree char *full = info->subresource ? g_strconcat(info->resource, "/", info->subresource, NULL) : NULL;
  g_autofree char *any_sub = g_strconcat(info->resource, "/*", NULL);
  g_autofree char *any_of = info->subresource ? g_strconcat("*/", info->subresource, NULL) : NULL;
  if (json_array_size(list) == 0 || json_has_text(list, "*"))
    return true;
  if (!info->subresource)
    return json_has_text(list, info->resource);
  return json_has_text(list, full) || json_has_text(list, any_sub) || json_has_text(list, any_of);
}

static bool fits_resource(const json_t *rule, const RequestInfo *info)
{
  const json_t *resources = json_object_get(rule, "resources");
  size_t i;
  json_t *item;
  if (!holds_or_empty(json_object_get(rule, "namespaces"), info->namespace_ ? info->namespace_ : ""))
    return false;
  if (json_array_size(resources) == 0)
    return true;
  json_array_foreach (resources, i, item)
    if (g_str_equal(json_str(item, "group", ""), info->group) &&
        names_resource(json_object_get(item, "resources"), info) &&
        holds_or_empty(json_object_get(item, "resourceNames"), info->name ? info->name : ""))
      return true;
  return false;
}

static bool fits(const AuditRule *rule, const Identity *identity, const RequestInfo *info, const char *path)
{
  const json_t *value = rule->value;
  if (!fits_user(value, identity) || !holds_or_empty(json_object_get(value, "verbs"), info ? info->verb : ""))
    return false;
  bool of_resources = json_array_size(json_object_get(value, "namespaces")) > 0 ||
                      json_array_size(json_object_get(value, "resources")) > 0;
  bool of_urls = json_array_size(json_object_get(value, "nonResourceURLs")) > 0;
  if (!of_resources && !of_urls)
    return true;
  if (info && info->is_resource)
    return of_resources && fits_resource(value, info);
  return of_urls && fits_url(value, path);
}

AuditDecision audit_policy_decide(const AuditPolicy *policy, const Identity *identity, const RequestInfo *info,
                                  const char *path)
{
  for (guint i = 0; i < policy->rules->len; i++) {
    const AuditRule *rule = &g_array_index(policy->rules, AuditRule, i);
    if (fits(rule, identity, info, path))
      return (AuditDecision){ rule->level, rule->omitted, rule->omit_managed_fields };
  }
  return (AuditDecision){ AUDIT_NONE, 0, false };
}
