#include "clusterd/server/access/rbac_rules.h"

#include <string.h>

#include "base/json.h"

static bool holds_or_star(const json_t *array, const char *text)
{
  return json_has_text(array, "*") || json_has_text(array, text);
}

/* --- what a rule allows --------------------------------------------------------------------------------------------
 */

static bool url_matches(const json_t *urls, const char *path)
{
  size_t i;
  json_t *item;
  json_array_foreach (urls, i, item) {
    const char *pattern = json_is_string(item) ? json_string_value(item) : "";
    gsize length = strlen(pattern);
    if (length && pattern[length - 1] == '*' ? strncmp(pattern, path, length - 1) == 0 : strcmp(pattern, path) == 0)
      return true;
  }
  return false;
}

static bool resource_matches(const json_t *resources, const Attributes *attributes)
{
  if (!attributes->subresource || !*attributes->subresource)
    return holds_or_star(resources, attributes->resource);
  g_autofree char *full = g_strdup_printf("%s/%s", attributes->resource, attributes->subresource);
  g_autofree char *any = g_strdup_printf("*/%s", attributes->subresource);
  return holds_or_star(resources, full) || json_has_text(resources, any);
}

bool rbac_rule_allows(const json_t *rule, const Attributes *attributes)
{
  if (!holds_or_star(json_object_get(rule, "verbs"), attributes->verb))
    return false;
  if (attributes->path)
    return url_matches(json_object_get(rule, "nonResourceURLs"), attributes->path);
  const json_t *names = json_object_get(rule, "resourceNames");
  return holds_or_star(json_object_get(rule, "apiGroups"), attributes->group) &&
         resource_matches(json_object_get(rule, "resources"), attributes) &&
         (json_array_size(names) == 0 || (attributes->name && json_has_text(names, attributes->name)));
}

/* --- what rules cover ----------------------------------------------------------------------------------------------
 */

/* RULES with MEMBER cut down to each of its items in turn; a rule without the member stays one. New array. */
static json_t *split(const json_t *rules, const char *member)
{
  json_t *result = json_array();
  size_t i, j;
  json_t *rule, *item;
  json_array_foreach (rules, i, rule) {
    const json_t *items = json_object_get(rule, member);
    if (json_array_size(items) == 0)
      json_array_append(result, rule);
    json_array_foreach (items, j, item) {
      json_t *part = json_copy(rule);
      json_object_set_new(part, member, json_pack("[O]", item));
      json_array_append_new(result, part);
    }
  }
  return result;
}

/* A rule may have both resources and URLs, which have nothing to do with each other. */
static json_t *split_kinds(const json_t *rules)
{
  static const char *const of_resources[] = { "apiGroups", "resources", "resourceNames" };
  json_t *result = json_array();
  size_t i;
  json_t *rule;
  json_array_foreach (rules, i, rule) {
    bool urls = json_array_size(json_object_get(rule, "nonResourceURLs")) > 0;
    bool resources = json_array_size(json_object_get(rule, "resources")) > 0;
    json_t *of_urls = urls ? json_copy(rule) : NULL;
    json_t *other = resources ? json_copy(rule) : NULL;
    for (gsize j = 0; of_urls && j < G_N_ELEMENTS(of_resources); j++)
      json_object_del(of_urls, of_resources[j]);
    if (other) {
      json_object_del(other, "nonResourceURLs");
      json_array_append_new(result, other);
    }
    if (of_urls)
      json_array_append_new(result, of_urls);
  }
  return result;
}

json_t *rbac_rules_split(const json_t *rules)
{
  static const char *const members[] = { "apiGroups", "resources", "verbs", "resourceNames", "nonResourceURLs" };
  json_t *pieces = split_kinds(rules);
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
    json_t *smaller = split(pieces, members[i]);
    json_decref(pieces);
    pieces = smaller;
  }
  return pieces;
}

/* The one item of a piece's MEMBER; NULL when it has none. */
static const char *only(const json_t *piece, const char *member)
{
  return json_string_value(json_array_get(json_object_get(piece, member), 0));
}

bool rbac_rule_covers(const json_t *rule, const json_t *piece)
{
  const char *verb = only(piece, "verbs"), *url = only(piece, "nonResourceURLs");
  const char *group = only(piece, "apiGroups"), *resource = only(piece, "resources");
  const char *name = only(piece, "resourceNames");
  if (!verb || !holds_or_star(json_object_get(rule, "verbs"), verb))
    return false;
  if (url)
    return url_matches(json_object_get(rule, "nonResourceURLs"), url);
  if (!group || !resource || !holds_or_star(json_object_get(rule, "apiGroups"), group))
    return false;
  const json_t *resources = json_object_get(rule, "resources"), *names = json_object_get(rule, "resourceNames");
  const char *slash = strchr(resource, '/');
  g_autofree char *any = slash ? g_strconcat("*", slash, NULL) : NULL;
  return (holds_or_star(resources, resource) || (any && json_has_text(resources, any))) &&
         (json_array_size(names) == 0 || (name && json_has_text(names, name)));
}

json_t *rbac_rules_missing(const json_t *owned, const json_t *wanted)
{
  g_autoptr(json_t) pieces = rbac_rules_split(wanted);
  json_t *missing = json_array();
  size_t i, j;
  json_t *piece, *rule;
  json_array_foreach (pieces, i, piece) {
    bool covered = false;
    json_array_foreach (owned, j, rule)
      covered = covered || rbac_rule_covers(rule, piece);
    if (!covered)
      json_array_append(missing, piece);
  }
  return missing;
}

/* --- text ----------------------------------------------------------------------------------------------------------
 */

/* A list as Go prints it: ["a" "b"]. */
static void append_list(GString *text, const char *label, const json_t *list)
{
  size_t i;
  json_t *item;
  if (json_array_size(list) == 0)
    return;
  g_string_append_printf(text, "%s%s:[", text->len > 1 ? ", " : "", label);
  json_array_foreach (list, i, item)
    g_string_append_printf(text, "%s\"%s\"", i ? " " : "", json_string_value(item));
  g_string_append_c(text, ']');
}

static char *rule_text(const json_t *rule)
{
  GString *text = g_string_new("{");
  append_list(text, "APIGroups", json_object_get(rule, "apiGroups"));
  append_list(text, "Resources", json_object_get(rule, "resources"));
  append_list(text, "NonResourceURLs", json_object_get(rule, "nonResourceURLs"));
  append_list(text, "ResourceNames", json_object_get(rule, "resourceNames"));
  append_list(text, "Verbs", json_object_get(rule, "verbs"));
  return g_string_free(g_string_append_c(text, '}'), FALSE);
}

static bool is_alike(const json_t *a, const json_t *b)
{
  return json_object_get(a, "resources") &&
         json_same(json_object_get(a, "apiGroups"), json_object_get(b, "apiGroups")) &&
         json_same(json_object_get(a, "resources"), json_object_get(b, "resources")) &&
         json_same(json_object_get(a, "resourceNames"), json_object_get(b, "resourceNames"));
}

/* Pieces that differ in nothing but the verb become one. New array. */
static json_t *compact(const json_t *pieces)
{
  json_t *rules = json_array();
  size_t i, j;
  json_t *piece, *rule;
  json_array_foreach (pieces, i, piece) {
    json_t *same = NULL;
    json_array_foreach (rules, j, rule)
      if (!same && is_alike(rule, piece))
        same = rule;
    if (same)
      json_array_extend(json_object_get(same, "verbs"), json_object_get(piece, "verbs"));
    else
      json_array_append_new(rules, json_deep_copy(piece));
  }
  return rules;
}

static int compare_texts(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

char *rbac_rules_text(const json_t *pieces)
{
  g_autoptr(json_t) rules = compact(pieces);
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  size_t i;
  json_t *rule;
  json_array_foreach (rules, i, rule)
    g_ptr_array_add(lines, rule_text(rule));
  g_ptr_array_sort(lines, compare_texts);
  g_ptr_array_add(lines, NULL);
  return g_strjoinv("\n", (char **)lines->pdata);
}
