#include "clusterd/server/bootstrap.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/bootstrap_rbac.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"
#define AGGREGATE_LABEL "rbac.authorization.k8s.io/aggregate-to-"
#define RBAC_THREADS 16

static const Caller self = { .field_manager = "kube-apiserver" };

static Target target_of(Registry *registry, const char *group, const char *version, const char *plural,
                        const char *namespace_, const char *name)
{
  return (Target){ api_scheme_resource(registry_scheme(registry), group, version, plural), namespace_, name, NULL };
}

/* Creates VALUE (reference taken) unless it exists. A kind this server does not have is skipped. */
static bool ensure(Registry *registry, Target target, json_t *value, GError **error)
{
  g_autoptr(json_t) owned = value;
  g_autoptr(GError) problem = NULL;
  g_autofree char *name = g_strdup(target.name);
  if (!target.kind)
    return true;
  g_autoptr(Object) present = registry_get(registry, NULL, &target, NULL);
  if (present)
    return true;
  json_object_set_new(json_ensure_object(owned, "metadata", NULL), "name", json_string(name));
  target.name = NULL;
  g_autoptr(Object) made = registry_create(registry, &self, &target, owned, &problem);
  if (made || reason_is(problem, REASON_ALREADY_EXISTS))
    return true;
  g_prefix_error(&problem, "cannot make %s %s: ", target.kind->plural, name);
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

/* --- RBAC ----------------------------------------------------------------------------------------------------------
 */

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

static json_t *default_metadata(void)
{
  return json_pack("{s:{s:s}, s:{s:s}}", "annotations", "rbac.authorization.kubernetes.io/autoupdate", "true", "labels",
                   "kubernetes.io/bootstrapping", "rbac-defaults");
}

static json_t *role_of(const BootstrapRole *row)
{
  json_t *role = json_pack("{s:o, s:o}", "metadata", default_metadata(), "rules", rules_of(row->rules));
  if (row->aggregate_to) {
    g_autofree char *label = g_strconcat(AGGREGATE_LABEL, row->aggregate_to, NULL);
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

/* The rows are made by several threads at once, so that the store commits many of them together. */
typedef struct RbacWork {
  Registry *registry;
  int next; /* row to take: roles first, then bindings; atomic */
  int n_roles, n_rows;
  GMutex lock;
  GError *problem; /* the first, under the lock */
} RbacWork;

static bool make_row(Registry *registry, const RbacWork *work, int row, GError **error)
{
  if (row < work->n_roles) {
    const BootstrapRole *role = &bootstrap_roles[row];
    const char *plural = role->namespace_ ? "roles" : "clusterroles";
    return ensure(registry, target_of(registry, RBAC_GROUP, "v1", plural, role->namespace_, role->name), role_of(role),
                  error);
  }
  const BootstrapBinding *binding = &bootstrap_bindings[row - work->n_roles];
  const char *plural = binding->namespace_ ? "rolebindings" : "clusterrolebindings";
  return ensure(registry, target_of(registry, RBAC_GROUP, "v1", plural, binding->namespace_, binding->name),
                binding_of(binding), error);
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

static bool make_rbac(Registry *registry, GError **error)
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
    return true;
  g_propagate_error(error, work.problem);
  return false;
}

/* --- the rest ------------------------------------------------------------------------------------------------------
 */

static bool make_namespaces(Registry *registry, GError **error)
{
  static const char *const names[] = { "default", "kube-system", "kube-public", "kube-node-lease" };
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    if (!ensure(registry, target_of(registry, "", "v1", "namespaces", NULL, names[i]),
                json_pack("{s:{s:[s]}}", "spec", "finalizers", "kubernetes"), error))
      return false;
  return true;
}

static bool make_priority_classes(Registry *registry, GError **error)
{
  static const struct {
    const char *name;
    int value;
    const char *description;
  } classes[] = {
    { "system-cluster-critical", 2000000000, "For pods the cluster cannot do without; they may move to another node." },
    { "system-node-critical", 2000001000, "For pods a node cannot do without; they may not be moved." },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(classes); i++)
    if (!ensure(registry, target_of(registry, "scheduling.k8s.io", "v1", "priorityclasses", NULL, classes[i].name),
                json_pack("{s:i, s:s}", "value", classes[i].value, "description", classes[i].description), error))
      return false;
  return true;
}

static bool make_service(Registry *registry, const ApiServerConfig *config, GError **error)
{
  json_t *service = json_pack("{s:{s:{s:s, s:s}}, s:{s:[{s:s, s:s, s:i, s:i}], s:s, s:s, s:s}}", "metadata", "labels",
                              "component", "apiserver", "provider", "kubernetes", "spec", "ports", "name", "https",
                              "protocol", "TCP", "port", 443, "targetPort", (int)config->port, "clusterIP",
                              config->service_ip, "type", "ClusterIP", "sessionAffinity", "None");
  return ensure(registry, target_of(registry, "", "v1", "services", "default", "kubernetes"), service, error);
}

bool bootstrap_objects(Registry *registry, const ApiServerConfig *config, GError **error)
{
  return make_namespaces(registry, error) && make_rbac(registry, error) && make_priority_classes(registry, error) &&
         make_service(registry, config, error);
}

typedef struct Replacement {
  const char *member;
  json_t *value;
} Replacement;

static bool replace_members(json_t *object, void *data)
{
  const Replacement *replacements = data;
  bool changed = false;
  for (; replacements->member; replacements++) {
    if (json_equal(json_object_get(object, replacements->member), replacements->value))
      continue;
    json_object_set(object, replacements->member, replacements->value);
    changed = true;
  }
  return changed;
}

/* Creates VALUE or gives the object there the members of VALUE besides its metadata. */
static bool keep(Registry *registry, Target target, json_t *value, Replacement *replacements, GError **error)
{
  if (!ensure(registry, target, value, error))
    return false;
  g_autoptr(Object) stored = registry_modify(registry, &self, &target, replace_members, replacements, error);
  return stored != NULL;
}

bool bootstrap_endpoints(Registry *registry, const ApiServerConfig *config, uint16_t port, GError **error)
{
  const char *address = config->advertise_address;
  g_autoptr(json_t) subsets = json_pack("[{s:[{s:s}], s:[{s:s, s:i, s:s}]}]", "addresses", "ip", address, "ports",
                                        "name", "https", "port", (int)port, "protocol", "TCP");
  g_autoptr(json_t) slice_endpoints = json_pack("[{s:[s], s:{s:b}}]", "addresses", address, "conditions", "ready", 1);
  g_autoptr(json_t) slice_ports = json_pack("[{s:s, s:s, s:i}]", "name", "https", "protocol", "TCP", "port", (int)port);
  json_t *endpoints = json_pack("{s:{s:{s:s}}, s:O}", "metadata", "labels", "endpointslice.kubernetes.io/skip-mirror",
                                "true", "subsets", subsets);
  json_t *slice = json_pack("{s:{s:{s:s}}, s:s, s:O, s:O}", "metadata", "labels", "kubernetes.io/service-name",
                            "kubernetes", "addressType", "IPv4", "endpoints", slice_endpoints, "ports", slice_ports);
  Replacement endpoints_members[] = { { "subsets", subsets }, { NULL, NULL } };
  Replacement slice_members[] = { { "endpoints", slice_endpoints }, { "ports", slice_ports }, { NULL, NULL } };
  return keep(registry, target_of(registry, "", "v1", "endpoints", "default", "kubernetes"), endpoints,
              endpoints_members, error) &&
         keep(registry, target_of(registry, "discovery.k8s.io", "v1", "endpointslices", "default", "kubernetes"), slice,
              slice_members, error);
}
