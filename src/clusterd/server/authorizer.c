#include "clusterd/server/authorizer.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/registry_private.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

/* One binding's rules for one subject. */
typedef struct Grant {
  char *namespace_; /* NULL: everywhere */
  json_t *rules;    /* PolicyRule array, shared with the role */
} Grant;

/* All grants as they were at one moment; never changed, shared by reference count. */
typedef struct Index {
  gatomicrefcount references;
  GHashTable *grants; /* "User/alice", "Group/dev" → GPtrArray of Grant* */
} Index;

struct Authorizer {
  Registry *registry;
  bool rules_count, all_may; /* the modes: RBAC, AlwaysAllow. That one of them allows is enough: order does not show. */
  GMutex lock;               /* guards `index` */
  Index *index;
  _Atomic bool stale;
};

/* --- the index -----------------------------------------------------------------------------------------------------
 */

static void grant_free(void *data)
{
  Grant *grant = data;
  g_free(grant->namespace_);
  json_decref(grant->rules);
  g_free(grant);
}

static void index_unref(Index *index)
{
  if (!index || !g_atomic_ref_count_dec(&index->references))
    return;
  g_hash_table_unref(index->grants);
  g_free(index);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Index, index_unref)

static bool collect(Object *object, void *data)
{
  g_ptr_array_add(data, object_ref(object));
  return false;
}

static GPtrArray *objects_of(const Authorizer *authorizer, const char *plural)
{
  GPtrArray *objects = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  const ApiKind *kind = api_scheme_resource(registry_scheme(authorizer->registry), RBAC_GROUP, "v1", plural);
  registry_visit(authorizer->registry, kind, NULL, collect, objects);
  return objects;
}

/* The rules of all roles one of the aggregation rule's selectors matches. New reference. */
static json_t *aggregate(const json_t *selectors, GPtrArray *roles)
{
  json_t *rules = json_array();
  size_t i;
  json_t *value;
  json_array_foreach (selectors, i, value) {
    g_autoptr(LabelSelector) selector = label_selector_from_json(value, NULL);
    for (guint j = 0; selector && j < roles->len; j++) {
      const json_t *role = object_json(roles->pdata[j]);
      if (!json_object_get(role, "aggregationRule") &&
          label_selector_matches(selector, json_at(role, "metadata", "labels", NULL)))
        json_array_extend(rules, json_object_get(role, "rules"));
    }
  }
  return rules;
}

/* ROLE's own rules and those it aggregates from CLUSTER_ROLES. New reference. */
static json_t *rules_of(const Object *role, GPtrArray *cluster_roles)
{
  json_t *own = json_object_get(object_json(role), "rules");
  const json_t *selectors = json_at(object_json(role), "aggregationRule", "clusterRoleSelectors", NULL);
  if (!selectors)
    return own ? json_incref(own) : json_array();
  json_t *all = aggregate(selectors, cluster_roles);
  json_array_extend(all, own);
  return all;
}

/* "namespace/name" (cluster roles: "/name") → rules. */
static GHashTable *rules_by_role(const Authorizer *authorizer)
{
  GHashTable *rules = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_decref);
  g_autoptr(GPtrArray) cluster_roles = objects_of(authorizer, "clusterroles");
  g_autoptr(GPtrArray) roles = objects_of(authorizer, "roles");
  g_ptr_array_extend(roles, cluster_roles, (GCopyFunc)(void (*)(void))object_ref, NULL);
  for (guint i = 0; i < roles->len; i++) {
    const Object *role = roles->pdata[i];
    g_hash_table_insert(rules, g_strdup_printf("%s/%s", object_namespace(role), object_name(role)),
                        rules_of(role, cluster_roles));
  }
  return rules;
}

json_t *authorizer_role_rules(Authorizer *authorizer, const Object *role)
{
  g_autoptr(GPtrArray) cluster_roles = objects_of(authorizer, "clusterroles");
  return rules_of(role, cluster_roles);
}

static char *subject_key(const json_t *subject, const char *namespace_)
{
  const char *kind = json_str(subject, "kind", ""), *name = json_str(subject, "name", "");
  if (g_str_equal(kind, "ServiceAccount"))
    return g_strdup_printf("User/system:serviceaccount:%s:%s", json_str(subject, "namespace", namespace_), name);
  return g_strdup_printf("%s/%s", kind, name);
}

static void add_binding(Index *index, GHashTable *rules, const Object *binding)
{
  const json_t *value = object_json(binding);
  const json_t *role = json_object_get(value, "roleRef");
  const char *namespace_ = object_namespace(binding);
  bool of_cluster = g_strcmp0(json_str(role, "kind", ""), "ClusterRole") == 0;
  g_autofree char *role_key = g_strdup_printf("%s/%s", of_cluster ? "" : namespace_, json_str(role, "name", ""));
  json_t *granted = g_hash_table_lookup(rules, role_key);
  size_t i;
  json_t *subject;
  if (!granted)
    return;
  json_array_foreach (json_object_get(value, "subjects"), i, subject) {
    g_autofree char *key = subject_key(subject, namespace_);
    GPtrArray *grants = g_hash_table_lookup(index->grants, key);
    if (!grants) {
      grants = g_ptr_array_new_with_free_func(grant_free);
      g_hash_table_insert(index->grants, g_steal_pointer(&key), grants);
    }
    Grant *grant = g_new0(Grant, 1);
    grant->namespace_ = *namespace_ ? g_strdup(namespace_) : NULL;
    grant->rules = json_incref(granted);
    g_ptr_array_add(grants, grant);
  }
}

static Index *index_build(const Authorizer *authorizer)
{
  static const char *const bindings[] = { "clusterrolebindings", "rolebindings" };
  Index *index = g_new0(Index, 1);
  g_atomic_ref_count_init(&index->references);
  index->grants = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  g_autoptr(GHashTable) rules = rules_by_role(authorizer);
  for (gsize i = 0; i < G_N_ELEMENTS(bindings); i++) {
    g_autoptr(GPtrArray) objects = objects_of(authorizer, bindings[i]);
    for (guint j = 0; j < objects->len; j++)
      add_binding(index, rules, objects->pdata[j]);
  }
  return index;
}

static Index *index_get(Authorizer *authorizer)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&authorizer->lock);
  /* the mark goes first: a change during the build makes the next request build again */
  if (authorizer->stale) {
    authorizer->stale = false;
    index_unref(authorizer->index);
    authorizer->index = index_build(authorizer);
  }
  g_atomic_ref_count_inc(&authorizer->index->references);
  return authorizer->index;
}

static void mark_stale(Object *old, Object *object, void *data)
{
  Authorizer *authorizer = data;
  authorizer->stale = true;
}

Authorizer *authorizer_new(Registry *registry, const char *const *modes)
{
  static const char *const watched[] = { "clusterroles", "roles", "clusterrolebindings", "rolebindings" };
  Authorizer *authorizer = g_new0(Authorizer, 1);
  authorizer->registry = registry;
  authorizer->rules_count = !modes || g_strv_contains(modes, "RBAC");
  authorizer->all_may = modes && g_strv_contains(modes, "AlwaysAllow");
  authorizer->stale = true;
  g_mutex_init(&authorizer->lock);
  for (gsize i = 0; i < G_N_ELEMENTS(watched); i++)
    registry_observe(registry, RBAC_GROUP, watched[i], mark_stale, authorizer);
  return authorizer;
}

void authorizer_free(Authorizer *authorizer)
{
  if (!authorizer)
    return;
  registry_unobserve(authorizer->registry, authorizer);
  index_unref(authorizer->index);
  g_mutex_clear(&authorizer->lock);
  g_free(authorizer);
}

/* --- rules ---------------------------------------------------------------------------------------------------------
 */

static bool holds(const json_t *array, const char *text)
{
  size_t i;
  json_t *item;
  json_array_foreach (array, i, item)
    if (json_is_string(item) && strcmp(json_string_value(item), text) == 0)
      return true;
  return false;
}

static bool holds_or_star(const json_t *array, const char *text)
{
  return holds(array, "*") || holds(array, text);
}

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
  return holds_or_star(resources, full) || holds(resources, any);
}

static bool rule_allows(const json_t *rule, const Attributes *attributes)
{
  if (!holds_or_star(json_object_get(rule, "verbs"), attributes->verb))
    return false;
  if (attributes->path)
    return url_matches(json_object_get(rule, "nonResourceURLs"), attributes->path);
  const json_t *names = json_object_get(rule, "resourceNames");
  return holds_or_star(json_object_get(rule, "apiGroups"), attributes->group) &&
         resource_matches(json_object_get(rule, "resources"), attributes) &&
         (json_array_size(names) == 0 || (attributes->name && holds(names, attributes->name)));
}

/* Calls VISIT for every rule that applies to IDENTITY in NAMESPACE (NULL: cluster-wide only) until it returns true. */
typedef bool (*RuleVisit)(const json_t *rule, void *data);

static bool visit_subject(const Index *index, const char *key, const char *namespace_, RuleVisit visit, void *data)
{
  const GPtrArray *grants = g_hash_table_lookup(index->grants, key);
  for (guint i = 0; grants && i < grants->len; i++) {
    const Grant *grant = grants->pdata[i];
    size_t j;
    json_t *rule;
    if (grant->namespace_ && g_strcmp0(grant->namespace_, namespace_) != 0)
      continue;
    json_array_foreach (grant->rules, j, rule)
      if (visit(rule, data))
        return true;
  }
  return false;
}

static bool visit_rules(Authorizer *authorizer, const Identity *identity, const char *namespace_, RuleVisit visit,
                        void *data)
{
  g_autoptr(Index) index = index_get(authorizer);
  g_autofree char *user = g_strconcat("User/", identity->name, NULL);
  if (visit_subject(index, user, namespace_, visit, data))
    return true;
  for (int i = 0; identity->groups[i]; i++) {
    g_autofree char *group = g_strconcat("Group/", identity->groups[i], NULL);
    if (visit_subject(index, group, namespace_, visit, data))
      return true;
  }
  return false;
}

static bool visit_allows(const json_t *rule, void *data)
{
  return rule_allows(rule, data);
}

static bool is_master(const Identity *identity)
{
  return !identity || g_strv_contains((const char *const *)identity->groups, "system:masters");
}

bool authorizer_allows(Authorizer *authorizer, const Identity *identity, const Attributes *attributes)
{
  Attributes copy = *attributes;
  return authorizer->all_may || is_master(identity) ||
         (authorizer->rules_count && visit_rules(authorizer, identity, attributes->namespace_, visit_allows, &copy));
}

static bool refuse(const Identity *identity, const Attributes *attributes, GError **error)
{
  if (attributes->path)
    return reason_set_details(error, REASON_FORBIDDEN, json_object(), "forbidden: User \"%s\" cannot %s path \"%s\"",
                              identity->name, attributes->verb, attributes->path);
  const char *sub = attributes->subresource && *attributes->subresource ? attributes->subresource : NULL;
  const char *name = attributes->name ? attributes->name : "";
  g_autofree char *resource = g_strconcat(attributes->resource, sub ? "/" : NULL, sub, NULL);
  g_autofree char *qualified = *attributes->group ? g_strdup_printf("%s.%s", attributes->resource, attributes->group)
                                                  : g_strdup(attributes->resource);
  g_autofree char *quoted = *name ? g_strdup_printf(" \"%s\"", name) : g_strdup("");
  g_autofree char *where = attributes->namespace_ ? g_strdup_printf("in the namespace \"%s\"", attributes->namespace_)
                                                  : g_strdup("at the cluster scope");
  json_t *details = json_object();
  if (*name)
    json_object_set_new(details, "name", json_string(name));
  if (*attributes->group)
    json_object_set_new(details, "group", json_string(attributes->group));
  json_object_set_new(details, "kind", json_string(attributes->resource));
  return reason_set_details(error, REASON_FORBIDDEN, details,
                            "%s%s is forbidden: User \"%s\" cannot %s resource \"%s\" in API group \"%s\" %s",
                            qualified, quoted, identity->name, attributes->verb, resource, attributes->group, where);
}

bool authorizer_check(Authorizer *authorizer, const Identity *identity, const Attributes *attributes, GError **error)
{
  return authorizer_allows(authorizer, identity, attributes) || refuse(identity, attributes, error);
}

/* --- reviews -------------------------------------------------------------------------------------------------------
 */

static bool visit_collect(const json_t *rule, void *data)
{
  json_t *result = data;
  bool urls = json_array_size(json_object_get(rule, "nonResourceURLs")) > 0;
  json_array_append(json_object_get(result, urls ? "nonResourceRules" : "resourceRules"), (json_t *)(uintptr_t)rule);
  return false;
}

json_t *authorizer_rules(Authorizer *authorizer, const Identity *identity, const char *namespace_)
{
  json_t *result = json_pack("{s:[], s:[]}", "resourceRules", "nonResourceRules");
  if (is_master(identity)) {
    json_array_append_new(json_object_get(result, "resourceRules"),
                          json_pack("{s:[s], s:[s], s:[s]}", "verbs", "*", "apiGroups", "*", "resources", "*"));
    json_array_append_new(json_object_get(result, "nonResourceRules"),
                          json_pack("{s:[s], s:[s]}", "verbs", "*", "nonResourceURLs", "*"));
    return result;
  }
  visit_rules(authorizer, identity, namespace_, visit_collect, result);
  return result;
}

static bool covers_all(const json_t *owned, const json_t *wanted)
{
  size_t i;
  json_t *item;
  if (holds(owned, "*"))
    return true;
  json_array_foreach (wanted, i, item)
    if (!json_is_string(item) || !holds(owned, json_string_value(item)))
      return false;
  return true;
}

/* Whether one owned rule gives everything a wanted rule of one verb, group and resource gives. */
static bool visit_covers(const json_t *rule, void *data)
{
  const json_t *wanted = data;
  const json_t *names = json_object_get(rule, "resourceNames"),
               *wanted_names = json_object_get(wanted, "resourceNames");
  bool names_covered =
      json_array_size(names) == 0 || (json_array_size(wanted_names) > 0 && covers_all(names, wanted_names));
  return covers_all(json_object_get(rule, "verbs"), json_object_get(wanted, "verbs")) &&
         covers_all(json_object_get(rule, "apiGroups"), json_object_get(wanted, "apiGroups")) &&
         covers_all(json_object_get(rule, "resources"), json_object_get(wanted, "resources")) &&
         covers_all(json_object_get(rule, "nonResourceURLs"), json_object_get(wanted, "nonResourceURLs")) &&
         names_covered;
}

/* VALUE with MEMBER cut down to each of its items in turn; a rule without the member stays one. New array. */
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

bool authorizer_covers(Authorizer *authorizer, const Identity *identity, const char *namespace_, const json_t *rules)
{
  if (is_master(identity))
    return true;
  /* a rule may be covered piecewise by several: it is taken apart first */
  g_autoptr(json_t) by_verb = split(rules, "verbs");
  g_autoptr(json_t) by_group = split(by_verb, "apiGroups");
  g_autoptr(json_t) by_resource = split(by_group, "resources");
  g_autoptr(json_t) pieces = split(by_resource, "nonResourceURLs");
  size_t i;
  json_t *piece;
  json_array_foreach (pieces, i, piece)
    if (!visit_rules(authorizer, identity, namespace_, visit_covers, piece))
      return false;
  return true;
}
