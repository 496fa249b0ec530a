/* Priority and fairness: which flow schema a request finds, and when its priority level is full. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "clusterd/server/bootstrap/bootstrap_flow.h"
#include "clusterd/server/flow_control.h"

#define GROUP "flowcontrol.apiserver.k8s.io"

typedef struct Fixture {
  char *folder;
  ApiScheme *scheme;
  Store *store;
  Registry *registry;
  FlowControl *control;
} Fixture;

static Target target_of(Fixture *fixture, const char *plural, const char *name)
{
  return (Target){ api_scheme_resource(fixture->scheme, GROUP, "v1", plural), NULL, name, NULL };
}

/* Takes VALUE. */
static void create(Fixture *fixture, const char *plural, json_t *value)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) owned = value;
  Target target = target_of(fixture, plural, NULL);
  g_autoptr(Object) made = registry_create(fixture->registry, NULL, &target, owned, &error);
  g_assert_no_error(error);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  fixture->folder = g_dir_make_tmp("flow-control-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(fixture->folder, "cluster.db", NULL);
  fixture->scheme = api_scheme_new();
  fixture->store = store_open_sqlite(path, &error);
  g_assert_no_error(error);
  fixture->registry = registry_new(fixture->store, fixture->scheme, &error);
  g_assert_no_error(error);
  json_t *value;
  for (size_t i = 0; (value = bootstrap_priority_level(i)); i++)
    create(fixture, "prioritylevelconfigurations", value);
  for (size_t i = 0; (value = bootstrap_flow_schema(i)); i++)
    create(fixture, "flowschemas", value);
  fixture->control = flow_control_new(fixture->registry, 245); /* as many seats as shares */
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  flow_control_free(fixture->control);
  registry_free(fixture->registry);
  store_close(fixture->store);
  api_scheme_free(fixture->scheme);
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->folder);
}

/* False when there is no room. */
static bool begin(Fixture *fixture, const char *user, const char *group, const char *method, const char *path,
                  FlowTicket *ticket)
{
  g_autoptr(GError) error = NULL;
  const char *const groups[] = { group, "system:authenticated", NULL };
  g_autoptr(Identity) identity = identity_new(user, NULL, groups);
  Query *query = query_parse("");
  g_autoptr(RequestInfo) info = request_info_parse(method, path, query, &error);
  g_assert_no_error(error);
  bool entered = flow_control_begin(fixture->control, identity, info, path, ticket);
  query_free(query);
  return entered;
}

/* The name of the object of PLURAL with this uid. */
static char *name_of(Fixture *fixture, const char *plural, const char *uid)
{
  Target target = target_of(fixture, plural, NULL);
  g_autoptr(ObjectList) list = registry_list(fixture->registry, NULL, &target, NULL, NULL);
  for (guint i = 0; i < list->objects->len; i++)
    if (g_strcmp0(object_uid(list->objects->pdata[i]), uid) == 0)
      return g_strdup(object_name(list->objects->pdata[i]));
  return NULL;
}

static void test_schemas(Fixture *fixture, gconstpointer data)
{
  static const struct {
    const char *user, *group, *method, *path, *schema, *level;
  } rows[] = {
    { "admin", "system:masters", "GET", "/api/v1/pods", "exempt", "exempt" },
    { "admin", "system:masters", "GET", "/healthz", "exempt", "exempt" },
    { "bob", "people", "GET", "/healthz", "probes", "exempt" },
    { "bob", "people", "GET", "/version", "global-default", "global-default" },
    { "bob", "people", "GET", "/api/v1/namespaces/x/pods", "global-default", "global-default" },
    { "system:node:n", "system:nodes", "GET", "/api/v1/namespaces/x/pods/p", "system-nodes", "system" },
    { "system:node:n", "system:nodes", "PATCH", "/api/v1/nodes/n/status", "system-node-high", "node-high" },
    { "system:node:n", "system:nodes", "PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n",
      "system-node-high", "node-high" },
    { "system:kube-scheduler", "x", "PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/s",
      "system-leader-election", "leader-election" },
    { "system:kube-scheduler", "x", "GET", "/api/v1/pods", "kube-scheduler", "workload-high" },
    { "system:kube-controller-manager", "x", "PUT", "/api/v1/namespaces/x/endpoints/e", "endpoint-controller",
      "workload-high" },
    { "system:serviceaccount:kube-system:c", "system:serviceaccounts", "GET", "/api/v1/pods",
      "kube-system-service-accounts", "workload-high" },
    { "system:serviceaccount:kube-system:c", "system:serviceaccounts", "PUT", "/api/v1/namespaces/x/configmaps/lock",
      "workload-leader-election", "leader-election" },
    { "system:serviceaccount:kube-systemx:c", "system:serviceaccounts", "GET", "/api/v1/pods", "service-accounts",
      "workload-low" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    FlowTicket ticket = { 0 };
    g_assert_true(begin(fixture, rows[i].user, rows[i].group, rows[i].method, rows[i].path, &ticket));
    g_autofree char *schema = name_of(fixture, "flowschemas", ticket.schema_uid);
    g_autofree char *level = name_of(fixture, "prioritylevelconfigurations", ticket.level_uid);
    g_assert_cmpstr(schema, ==, rows[i].schema);
    g_assert_cmpstr(level, ==, rows[i].level);
    flow_control_end(&ticket);
  }
}

static void create_level(Fixture *fixture, const char *name, int shares)
{
  create(fixture, "prioritylevelconfigurations",
         json_pack("{s:{s:s}, s:{s:s, s:{s:i, s:{s:s}}}}", "metadata", "name", name, "spec", "type", "Limited",
                   "limited", "nominalConcurrencyShares", shares, "limitResponse", "type", "Reject"));
}

static void create_schema(Fixture *fixture, const char *name, const char *level, const char *user)
{
  create(fixture, "flowschemas",
         json_pack("{s:{s:s}, s:{s:{s:s}, s:i, s:[{s:[{s:s, s:{s:s}}], s:[{s:[s], s:[s], s:[s], s:[s], s:b}]}]}}",
                   "metadata", "name", name, "spec", "priorityLevelConfiguration", "name", level, "matchingPrecedence",
                   50, "rules", "subjects", "kind", "User", "user", "name", user, "resourceRules", "verbs", "*",
                   "apiGroups", "*", "resources", "*", "namespaces", "*", "clusterScope", 1));
}

/* A level takes as many as its share, and again as many when they are gone. */
static void test_limit(Fixture *fixture, gconstpointer data)
{
  FlowTicket tickets[3] = { 0 }, more = { 0 };
  create_level(fixture, "small", 3);
  create_schema(fixture, "bob", "small", "bob");
  for (gsize i = 0; i < G_N_ELEMENTS(tickets); i++)
    g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &tickets[i]));
  g_assert_false(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &more));
  g_autofree char *schema = name_of(fixture, "flowschemas", more.schema_uid);
  g_assert_cmpstr(schema, ==, "bob"); /* also who is refused is told why */
  flow_control_end(&more);
  g_assert_true(begin(fixture, "eve", "people", "GET", "/api/v1/pods", &more));
  flow_control_end(&more);
  flow_control_end(&tickets[0]);
  g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &tickets[0]));
  for (gsize i = 0; i < G_N_ELEMENTS(tickets); i++)
    flow_control_end(&tickets[i]);
}

/* No shares: nobody gets in. Who is under way when a level goes ends well. */
static void test_change(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  FlowTicket ticket = { 0 }, under_way = { 0 };
  DeleteOptions options = { .grace_period_seconds = -1 };
  create_level(fixture, "jail", 0);
  create_level(fixture, "open", 5);
  create_schema(fixture, "bob", "jail", "bob");
  create_schema(fixture, "eve", "open", "eve");
  g_assert_false(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &ticket));
  flow_control_end(&ticket);
  g_assert_true(begin(fixture, "eve", "people", "GET", "/api/v1/pods", &under_way));
  Target jail = target_of(fixture, "prioritylevelconfigurations", "jail");
  Target open = target_of(fixture, "prioritylevelconfigurations", "open");
  g_autoptr(Object) first = registry_delete(fixture->registry, NULL, &jail, &options, NULL, &error);
  g_assert_no_error(error);
  g_autoptr(Object) second = registry_delete(fixture->registry, NULL, &open, &options, NULL, &error);
  g_assert_no_error(error);
  /* a schema without its level matches nothing */
  g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &ticket));
  g_autofree char *schema = name_of(fixture, "flowschemas", ticket.schema_uid);
  g_assert_cmpstr(schema, ==, "global-default");
  flow_control_end(&ticket);
  flow_control_end(&under_way);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add(path, Fixture, NULL, set_up, test, tear_down)
  ADD("/flow-control/schemas", test_schemas);
  ADD("/flow-control/limit", test_limit);
  ADD("/flow-control/change", test_change);
  return g_test_run();
}
