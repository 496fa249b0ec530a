#include "clusterd/server/access/authorizer.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/access/node_authorizer.h"
#include "clusterd/server/bootstrap/bootstrap_private.h"
#include "clusterd/server/registry/registry_private.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

/* One binding's rules for one subject. */
typedef struct Grant {
  char *namespace_; /* NULL: everywhere */
  json_t *rules;    /* PolicyRule array, shared with the role */
  char *text;       /* ClusterRoleBinding "b" of ClusterRole "r" to Group "g" */
} Grant;

/* All grants as they were at one moment; never changed, shared by reference count. */
typedef struct Index {
  gatomicrefcount references;
  GHashTable *grants; /* "User/alice", "Group/dev" → GPtrArray of Grant* */
} Index;

struct Authorizer {
  Registry *registry;
  /* The modes: RBAC and AlwaysAllow, and Node below. That one of them allows is enough: their order does not show. */
  bool rules_count, all_may;
  json_t *node_rules; /* what nodes may; NULL: the mode Node is not asked for */
  GMutex lock;        /* guards `index` */
  Index *index;
  _Atomic bool stale;
};

/* --- the index -----------------------------------------------------------------------------------------------------
 */

static void grant_free(void *data)
{
  Grant *grant = data;
  g_free(grant->namespace_);
  g_free(grant->text);
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

/* What a controller keeps in the role itself is worked out here only until it has done so. */
#define AGGREGATION_DEPTH_MAX 8

static json_t *rules_within(const Object *role, GPtrArray *cluster_roles, unsigned depth);

static void aggregate(json_t *rules, const json_t *value, const Object *role, GPtrArray *cluster_roles, unsigned depth)
{
  g_autoptr(LabelSelector) selector = label_selector_from_json(value, NULL);
  for (guint i = 0; selector && i < cluster_roles->len; i++) {
    const Object *other = cluster_roles->pdata[i];
    if (other == role || !label_selector_matches(selector, json_at(object_json(other), "metadata", "labels", NULL)))
      continue;
    g_autoptr(json_t) part = rules_within(other, cluster_roles, depth + 1);
    json_array_extend(rules, part);
  }
}

static json_t *rules_within(const Object *role, GPtrArray *cluster_roles, unsigned depth)
{
  json_t *own = json_object_get(object_json(role), "rules");
  const json_t *selectors = json_at(object_json(role), "aggregationRule", "clusterRoleSelectors", NULL);
  if (json_array_size(own) > 0 || !selectors || depth >= AGGREGATION_DEPTH_MAX)
    return own ? json_incref(own) : json_array();
  json_t *all = json_array();
  size_t i;
  json_t *selector;
  json_array_foreach (selectors, i, selector)
    aggregate(all, selector, role, cluster_roles, depth);
  return all;
}

/* ROLE's own rules, or those it aggregates from CLUSTER_ROLES. New reference. */
static json_t *rules_of(const Object *role, GPtrArray *cluster_roles)
{
  return rules_within(role, cluster_roles, 0);
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

/* How upstream tells of a binding that allowed something. The caller frees. */
static char *grant_text(const Object *binding, const json_t *role, const json_t *subject)
{
  const char *namespace_ = object_namespace(binding), *kind = json_str(subject, "kind", "");
  const char *name = json_str(subject, "name", "");
  bool account = g_str_equal(kind, "ServiceAccount");
  return g_strdup_printf("%s \"%s%s%s\" of %s \"%s\" to %s \"%s%s%s\"",
                         *namespace_ ? "RoleBinding" : "ClusterRoleBinding", object_name(binding),
                         *namespace_ ? "/" : "", namespace_, json_str(role, "kind", ""), json_str(role, "name", ""),
                         kind, name, account ? "/" : "", account ? json_str(subject, "namespace", namespace_) : "");
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
    grant->text = grant_text(binding, role, subject);
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
  authorizer->node_rules = modes && g_strv_contains(modes, "Node") ? bootstrap_rules("system:node") : NULL;
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
  json_decref(authorizer->node_rules);
  g_mutex_clear(&authorizer->lock);
  g_free(authorizer);
}

/* --- decisions -----------------------------------------------------------------------------------------------------
 */

/* Calls VISIT for every rule that applies to IDENTITY in NAMESPACE (NULL: cluster-wide only) until it returns true. */
typedef bool (*RuleVisit)(const Grant *grant, const json_t *rule, void *data);

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
      if (visit(grant, rule, data))
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

typedef struct Question {
  const Attributes *attributes;
  char **why; /* may be NULL */
} Question;

static bool visit_allows(const Grant *grant, const json_t *rule, void *data)
{
  const Question *question = data;
  bool allowed = rbac_rule_allows(rule, question->attributes);
  if (allowed && question->why)
    *question->why = g_strdup_printf("RBAC: allowed by %s", grant->text);
  return allowed;
}

static bool is_master(const Identity *identity)
{
  return !identity || g_strv_contains((const char *const *)identity->groups, "system:masters");
}

static bool decide(Authorizer *authorizer, const Identity *identity, const Attributes *attributes, char **why)
{
  Question question = { attributes, why };
  g_autofree char *objection = NULL;
  if (authorizer->all_may || is_master(identity) ||
      (authorizer->node_rules &&
       node_authorizer_allows(authorizer->registry, authorizer->node_rules, identity, attributes, &objection)) ||
      (authorizer->rules_count && visit_rules(authorizer, identity, attributes->namespace_, visit_allows, &question)))
    return true;
  if (why)
    *why = g_steal_pointer(&objection);
  return false;
}

bool authorizer_allows(Authorizer *authorizer, const Identity *identity, const Attributes *attributes)
{
  return decide(authorizer, identity, attributes, NULL);
}

bool authorizer_decide(Authorizer *authorizer, const Identity *identity, const Attributes *attributes, char **why)
{
  *why = NULL;
  bool allowed = decide(authorizer, identity, attributes, why);
  if (!*why)
    *why = g_strdup("");
  return allowed;
}

bool authorizer_refuse(const Identity *identity, const Attributes *attributes, const char *why, GError **error)
{
  if (attributes->path)
    return reason_set_details(error, REASON_FORBIDDEN, json_object(),
                              "forbidden: User \"%s\" cannot %s path \"%s\"%s%s", identity->name, attributes->verb,
                              attributes->path, why && *why ? ": " : "", why ? why : "");
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
                            "%s%s is forbidden: User \"%s\" cannot %s resource \"%s\" in API group \"%s\" %s%s%s",
                            qualified, quoted, identity->name, attributes->verb, resource, attributes->group, where,
                            why && *why ? ": " : "", why ? why : "");
}

bool authorizer_check(Authorizer *authorizer, const Identity *identity, const Attributes *attributes, GError **error)
{
  g_autofree char *why = NULL;
  bool tells = authorizer->node_rules != NULL; /* others have nothing to say against a request */
  return decide(authorizer, identity, attributes, tells ? &why : NULL) ||
         authorizer_refuse(identity, attributes, why, error);
}

/* --- reviews -------------------------------------------------------------------------------------------------------
 */

static bool visit_collect(const Grant *grant, const json_t *rule, void *data)
{
  json_t *result = data;
  bool urls = json_array_size(json_object_get(rule, "nonResourceURLs")) > 0;
  json_array_append(json_object_get(result, urls ? "nonResourceRules" : "resourceRules"), (json_t *)(uintptr_t)rule);
  return false;
}

json_t *authorizer_rules(Authorizer *authorizer, const Identity *identity, const char *namespace_)
{
  json_t *result = json_pack("{s:[], s:[]}", "resourceRules", "nonResourceRules");
  if (authorizer->all_may) {
    json_array_append_new(json_object_get(result, "resourceRules"),
                          json_pack("{s:[s], s:[s], s:[s]}", "verbs", "*", "apiGroups", "*", "resources", "*"));
    json_array_append_new(json_object_get(result, "nonResourceRules"),
                          json_pack("{s:[s], s:[s]}", "verbs", "*", "nonResourceURLs", "*"));
  }
  if (authorizer->rules_count)
    visit_rules(authorizer, identity, namespace_, visit_collect, result);
  return result;
}

static bool visit_every(const Grant *grant, const json_t *rule, void *data)
{
  json_array_append(data, (json_t *)(uintptr_t)rule);
  return false;
}

json_t *authorizer_missing(Authorizer *authorizer, const Identity *identity, const char *namespace_,
                           const json_t *rules)
{
  if (is_master(identity))
    return json_array();
  g_autoptr(json_t) owned = json_array();
  visit_rules(authorizer, identity, namespace_, visit_every, owned);
  return rbac_rules_missing(owned, rules);
}
