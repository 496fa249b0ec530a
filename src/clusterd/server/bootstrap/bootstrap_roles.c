/* Makes the roles and bindings of bootstrap_rbac.c at every start. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/access/rbac_rules.h"
#include "clusterd/server/bootstrap/bootstrap_private.h"
#include "clusterd/server/bootstrap/bootstrap_rbac.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"
#define AGGREGATE_LABEL "rbac.authorization.k8s.io/aggregate-to-"
#define AUTOUPDATE "rbac.authorization.kubernetes.io/autoupdate"
#define RBAC_THREADS 16

/* "a,b" as an array; "core" is the group "". */
static json_t *items_of(const char *text)
{
  json_t *items = json_array();
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);
  for (int i = 0; parts[i]; i++)
    json_array_append_new(items, json_string(g_str_equal(parts[i], "core") ? "" : parts[i]));
  return items;
}

static json_t *rules_of(const char *text)
{
  json_t *rules = json_array();
  g_auto(GStrv) list = g_strsplit(text, ";", -1);
  for (int i = 0; list[i] && *list[i]; i++) {
    g_auto(GStrv) parts = g_strsplit(list[i], " | ", 4);
    json_t *rule = json_object();
    json_object_set_new(rule, "verbs", items_of(parts[0]));
    if (g_str_equal(parts[1], "url")) {
      json_object_set_new(rule, "nonResourceURLs", items_of(parts[2]));
    } else {
      json_object_set_new(rule, "apiGroups", items_of(parts[1]));
      json_object_set_new(rule, "resources", items_of(parts[2]));
      if (parts[3])
        json_object_set_new(rule, "resourceNames", items_of(parts[3]));
    }
    json_array_append_new(rules, rule);
  }
  return rules;
}

json_t *bootstrap_rules(const char *name)
{
  for (const BootstrapRole *role = bootstrap_roles; role->name; role++)
    if (!role->namespace_ && g_str_equal(role->name, name))
      return rules_of(role->rules);
  return NULL;
}

static json_t *default_metadata(void)
{
  return json_pack("{s:{s:s}, s:{s:s}}", "annotations", "rbac.authorization.kubernetes.io/autoupdate", "true", "labels",
                   "kubernetes.io/bootstrapping", "rbac-defaults");
}

static json_t *role_of(const BootstrapRole *row)
{
  json_t *role = json_pack("{s:o, s:o}", "metadata", default_metadata(), "rules", rules_of(row->rules));
  g_auto(GStrv) targets = g_strsplit(row->aggregate_to ? row->aggregate_to : "", ",", -1);
  for (char **target = targets; *target; target++) {
    g_autofree char *label = g_strconcat(AGGREGATE_LABEL, *target, NULL);
    json_object_set_new(json_at(role, "metadata", "labels", NULL), label, json_string("true"));
  }
  if (row->aggregates) {
    g_autofree char *label = g_strconcat(AGGREGATE_LABEL, row->aggregates, NULL);
    json_object_set_new(role, "aggregationRule",
                        json_pack("{s:[{s:{s:s}}]}", "clusterRoleSelectors", "matchLabels", label, "true"));
  }
  return role;
}

static json_t *subjects_of(const char *text)
{
  json_t *subjects = json_array();
  g_auto(GStrv) list = g_strsplit(text, ";", -1);
  for (int i = 0; list[i] && *list[i]; i++) {
    g_auto(GStrv) parts = g_strsplit(list[i], " ", 2);
    if (g_str_equal(parts[0], "ServiceAccount")) {
      g_auto(GStrv) account = g_strsplit(parts[1], ":", 2);
      json_array_append_new(subjects, json_pack("{s:s, s:s, s:s}", "kind", "ServiceAccount", "name", account[1],
                                                "namespace", account[0]));
    } else {
      json_array_append_new(subjects,
                            json_pack("{s:s, s:s, s:s}", "kind", parts[0], "apiGroup", RBAC_GROUP, "name", parts[1]));
    }
  }
  return subjects;
}

static json_t *binding_of(const BootstrapBinding *row)
{
  return json_pack("{s:o, s:{s:s, s:s, s:s}, s:o}", "metadata", default_metadata(), "roleRef", "apiGroup", RBAC_GROUP,
                   "kind", row->role_kind, "name", row->role, "subjects", subjects_of(row->subjects));
}

/* --- reconciliation: an upgrade brings new rules, and whoever took some away gets them back -------------------------
 */

/* Adds to OBJECT what WANTED has and it lacks. False when it lacks nothing. */
typedef bool (*Lack)(json_t *object, const json_t *wanted);

/* Members of the map WANTED that are absent or different. */
static bool add_members(json_t *object, const char *map, const json_t *wanted)
{
  const json_t *source = json_at(wanted, "metadata", map, NULL);
  json_t *target = json_ensure_object(object, "metadata", map, NULL);
  bool added = false;
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)source, key, value) {
    if (json_equal(json_object_get(target, key), value))
      continue;
    json_object_set(target, key, value);
    added = true;
  }
  return added;
}

/* Items of the array MEMBER that are not in it. */
static bool add_items(json_t *object, const char *member, const json_t *wanted)
{
  json_t *target = json_object_get(object, member);
  bool added = false;
  size_t i, j;
  json_t *value, *item;
  json_array_foreach (json_object_get(wanted, member), i, value) {
    bool found = false;
    json_array_foreach (target, j, item)
      found = found || json_equal(item, value);
    if (found)
      continue;
    if (!json_is_array(target)) {
      target = json_array();
      json_object_set_new(object, member, target);
    }
    json_array_append(target, value);
    added = true;
  }
  return added;
}

static bool lack_of_role(json_t *role, const json_t *wanted)
{
  bool added = add_members(role, "labels", wanted);
  if (!json_object_get(wanted, "aggregationRule")) {
    json_t *rules = json_object_get(role, "rules");
    g_autoptr(json_t) missing = rbac_rules_missing(rules, json_object_get(wanted, "rules"));
    return json_array_size(missing) > 0 ? add_items(role, "rules", wanted) || added : added;
  }
  json_t *aggregation = json_ensure_object(role, "aggregationRule", NULL);
  return add_items(aggregation, "clusterRoleSelectors", json_object_get(wanted, "aggregationRule")) || added;
}

static bool lack_of_binding(json_t *binding, const json_t *wanted)
{
  bool added = add_members(binding, "labels", wanted);
  return add_items(binding, "subjects", wanted) || added;
}

typedef struct Reconciliation {
  const json_t *wanted;
  Lack lack;
} Reconciliation;

static bool reconcile(json_t *object, void *data)
{
  const Reconciliation *reconciliation = data;
  const char *update = json_str(json_at(object, "metadata", "annotations", NULL), AUTOUPDATE, "false");
  return g_str_equal(update, "true") && reconciliation->lack(object, reconciliation->wanted);
}

/* A binding to another role than it should be to cannot be changed, only made anew. */
static bool leads_elsewhere(const Object *present, const json_t *wanted)
{
  const json_t *reference = json_object_get(wanted, "roleRef");
  return reference && !json_equal(reference, json_object_get(object_json(present), "roleRef")) &&
         g_str_equal(json_str(json_at(object_json(present), "metadata", "annotations", NULL), AUTOUPDATE, ""), "true");
}

/* Creates the object (reference to VALUE taken), or gives the one that is there what it lacks. */
static bool make(Registry *registry, Target target, json_t *value, Lack lack, GError **error)
{
  g_autoptr(json_t) wanted = value;
  g_autoptr(Object) present = NULL;
  if (!bootstrap_ensure(registry, target, json_incref(wanted), &present, error))
    return false;
  if (!present)
    return true;
  if (leads_elsewhere(present, wanted)) {
    DeleteOptions options = { .grace_period_seconds = -1, .precondition_uid = object_uid(present) };
    g_autoptr(Object) gone = registry_delete(registry, &bootstrap_self, &target, &options, NULL, error);
    return gone && bootstrap_ensure(registry, target, json_incref(wanted), NULL, error);
  }
  Reconciliation reconciliation = { wanted, lack };
  g_autoptr(Object) stored = registry_modify(registry, &bootstrap_self, &target, reconcile, &reconciliation, error);
  return stored != NULL;
}

/* --- all of them ---------------------------------------------------------------------------------------------------
 */

/* The rows are made by several threads at once, so that the store commits many of them together. */
typedef struct RbacWork {
  Registry *registry;
  int next; /* row to take: roles first, then bindings; atomic */
  int n_roles, n_rows;
  GMutex lock;
  GError *problem; /* the first, under the lock */
} RbacWork;

static bool make_role(Registry *registry, const BootstrapRole *role, GError **error)
{
  const char *plural = role->namespace_ ? "roles" : "clusterroles";
  return make(registry, bootstrap_target(registry, RBAC_GROUP, "v1", plural, role->namespace_, role->name),
              role_of(role), lack_of_role, error);
}

static bool make_metrics_roles(Registry *registry, GError **error)
{
  const BootstrapRole *role = bootstrap_metrics_roles;
  bool served = api_scheme_resource(registry_scheme(registry), "metrics.k8s.io", "v1beta1", "pods") != NULL;
  while (served && role->name)
    if (!make_role(registry, role++, error))
      return false;
  return true;
}

static bool make_row(Registry *registry, const RbacWork *work, int row, GError **error)
{
  if (row < work->n_roles)
    return make_role(registry, &bootstrap_roles[row], error);
  const BootstrapBinding *binding = &bootstrap_bindings[row - work->n_roles];
  const char *plural = binding->namespace_ ? "rolebindings" : "clusterrolebindings";
  return make(registry, bootstrap_target(registry, RBAC_GROUP, "v1", plural, binding->namespace_, binding->name),
              binding_of(binding), lack_of_binding, error);
}

static void *make_rows(void *data)
{
  RbacWork *work = data;
  for (int row; (row = g_atomic_int_add(&work->next, 1)) < work->n_rows;) {
    GError *problem = NULL;
    if (make_row(work->registry, work, row, &problem))
      continue;
    g_mutex_lock(&work->lock);
    if (work->problem)
      g_error_free(problem);
    else
      work->problem = problem;
    g_mutex_unlock(&work->lock);
  }
  return NULL;
}

bool bootstrap_rbac_objects(Registry *registry, GError **error)
{
  RbacWork work = { .registry = registry };
  GThread *threads[RBAC_THREADS];
  while (bootstrap_roles[work.n_roles].name)
    work.n_roles++;
  work.n_rows = work.n_roles;
  while (bootstrap_bindings[work.n_rows - work.n_roles].name)
    work.n_rows++;
  g_mutex_init(&work.lock);
  for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
    threads[i] = g_thread_new("bootstrap", make_rows, &work);
  for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
    g_thread_join(threads[i]);
  g_mutex_clear(&work.lock);
  if (!work.problem)
    return make_metrics_roles(registry, error);
  g_propagate_error(error, work.problem);
  return false;
}
