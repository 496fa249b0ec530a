/* Whether a rule of a FlowSchema is about a request. */
#include <string.h>

#include "base/json.h"
#include "clusterd/server/flow/flow_private.h"

#define ACCOUNT_PREFIX "system:serviceaccount:"

static bool lists(const json_t *list, const char *text)
{
  size_t i;
  json_t *item;
  json_array_foreach (list, i, item) {
    const char *name = json_string_value(item);
    if (name && (g_str_equal(name, "*") || g_str_equal(name, text)))
      return true;
  }
  return false;
}

static bool named(const json_t *subject, const char *member, const char *name)
{
  const char *wanted = json_str(json_object_get(subject, member), "name", "");
  return g_str_equal(wanted, "*") || g_str_equal(wanted, name);
}

static bool is_account(const json_t *subject, const char *user)
{
  const char *namespace_ = json_str(json_object_get(subject, "serviceAccount"), "namespace", "");
  gsize length = strlen(namespace_);
  if (!g_str_has_prefix(user, ACCOUNT_PREFIX))
    return false;
  const char *rest = user + strlen(ACCOUNT_PREFIX);
  return strncmp(rest, namespace_, length) == 0 && rest[length] == ':' &&
         named(subject, "serviceAccount", rest + length + 1);
}

static bool matches_subject(const json_t *subject, const Identity *identity)
{
  const char *kind = json_str(subject, "kind", "");
  if (g_str_equal(kind, "User"))
    return named(subject, "user", identity->name);
  if (g_str_equal(kind, "ServiceAccount"))
    return is_account(subject, identity->name);
  for (char **group = identity->groups; group && *group; group++)
    if (named(subject, "group", *group))
      return true;
  return false;
}

static bool matches_resource(const json_t *rule, const RequestInfo *info)
{
  g_autofree char *joined = info->subresource ? g_strconcat(info->resource, "/", info->subresource, NULL) : NULL;
  bool scoped = info->namespace_ && *info->namespace_;
  return lists(json_object_get(rule, "verbs"), info->verb) && lists(json_object_get(rule, "apiGroups"), info->group) &&
         lists(json_object_get(rule, "resources"), joined ? joined : info->resource) &&
         (scoped ? lists(json_object_get(rule, "namespaces"), info->namespace_)
                 : json_flag(rule, "clusterScope", false));
}

static bool matches_path(const json_t *rule, const RequestInfo *info, const char *path)
{
  size_t i;
  json_t *item;
  if (!lists(json_object_get(rule, "verbs"), info->verb))
    return false;
  json_array_foreach (json_object_get(rule, "nonResourceURLs"), i, item) {
    const char *url = json_string_value(item);
    gsize length = url ? strlen(url) : 0;
    if (length == 0)
      continue;
    if (g_str_equal(url, path) || (url[length - 1] == '*' && strncmp(url, path, length - 1) == 0))
      return true;
  }
  return false;
}

bool flow_rule_matches(const json_t *rule, const Identity *identity, const RequestInfo *info, const char *path)
{
  size_t i;
  json_t *item;
  bool by_subject = false;
  json_array_foreach (json_object_get(rule, "subjects"), i, item)
    by_subject = by_subject || matches_subject(item, identity);
  if (!by_subject)
    return false;
  json_array_foreach (json_object_get(rule, info->is_resource ? "resourceRules" : "nonResourceRules"), i, item)
    if (info->is_resource ? matches_resource(item, info) : matches_path(item, info, path))
      return true;
  return false;
}
