#include "clusterd/server/bootstrap/bootstrap_flow.h"

#include <glib.h>
#include <stdbool.h>

#include "base/json.h"
#include "clusterd/server/bootstrap/bootstrap_private.h"

#define QUEUE_LENGTH 50

typedef struct LevelRow {
  const char *name;
  int shares, lendable_percent;
  int queues, hand_size; /* 0: what finds no seat is refused */
} LevelRow;

/* The first is exempt. */
static const LevelRow levels[] = {
  { "exempt", 0, 0, 0, 0 },
  { "catch-all", 5, 0, 0, 0 },
  { "system", 30, 33, 64, 6 },
  { "node-high", 40, 25, 64, 6 },
  { "leader-election", 10, 0, 16, 4 },
  { "workload-high", 40, 50, 128, 6 },
  { "workload-low", 100, 90, 128, 6 },
  { "global-default", 20, 50, 128, 6 },
};

/* Subjects are KIND:NAME, of an account account:NAMESPACE:NAME, with blanks between. Rules are
 * `verbs | groups | resources | namespaces [| cluster]` or `verbs | url | paths`, with semicolons between; NULL is
 * everything. `core` is the group "". */
typedef struct SchemaRow {
  const char *name, *level;
  int precedence;
  const char *distinguisher; /* NULL: none */
  const char *subjects, *rules;
} SchemaRow;

#define EVERYBODY "group:system:unauthenticated group:system:authenticated"
#define LEASES "get,create,update | coordination.k8s.io | leases | *"

static const SchemaRow schemas[] = {
  { "exempt", "exempt", 1, NULL, "group:system:masters", NULL },
  { "probes", "exempt", 2, NULL, EVERYBODY, "get | url | /healthz,/readyz,/livez" },
  { "system-leader-election", "leader-election", 100, "ByUser",
    "user:system:kube-controller-manager user:system:kube-scheduler account:kube-system:*",
    "get,create,update | core | endpoints,configmaps | kube-system;" LEASES },
  { "endpoint-controller", "workload-high", 150, "ByUser",
    "user:system:kube-controller-manager account:kube-system:endpoint-controller "
    "account:kube-system:endpointslicemirroring-controller",
    "get,create,update | core | endpoints | *" },
  { "workload-leader-election", "leader-election", 200, "ByUser", "account:kube-system:*",
    "get,create,update | core | endpoints,configmaps | *;" LEASES },
  { "system-node-high", "node-high", 400, "ByUser", "group:system:nodes",
    "* | core | nodes,nodes/status | * | cluster;* | coordination.k8s.io | leases | *" },
  { "system-nodes", "system", 500, "ByUser", "group:system:nodes", NULL },
  { "kube-controller-manager", "workload-high", 800, "ByNamespace", "user:system:kube-controller-manager", NULL },
  { "kube-scheduler", "workload-high", 800, "ByNamespace", "user:system:kube-scheduler", NULL },
  { "kube-system-service-accounts", "workload-high", 900, "ByNamespace", "account:kube-system:*", NULL },
  { "service-accounts", "workload-low", 9000, "ByUser", "group:system:serviceaccounts", NULL },
  { "global-default", "global-default", 9900, "ByUser", EVERYBODY, NULL },
  { "catch-all", "catch-all", 10000, "ByUser", EVERYBODY, NULL },
};

static json_t *object(const char *name, json_t *spec)
{
  return json_pack("{s:{s:s, s:{s:s}}, s:o}", "metadata", "name", name, "annotations",
                   "apf.kubernetes.io/autoupdate-spec", "true", "spec", spec);
}

static json_t *limited(const LevelRow *row)
{
  json_t *response = json_pack("{s:s}", "type", row->queues ? "Queue" : "Reject");
  if (row->queues)
    json_object_set_new(response, "queuing",
                        json_pack("{s:i, s:i, s:i}", "queues", row->queues, "handSize", row->hand_size,
                                  "queueLengthLimit", QUEUE_LENGTH));
  return json_pack("{s:s, s:{s:i, s:i, s:o}}", "type", "Limited", "limited", "nominalConcurrencyShares", row->shares,
                   "lendablePercent", row->lendable_percent, "limitResponse", response);
}

json_t *bootstrap_priority_level(size_t i)
{
  if (i >= G_N_ELEMENTS(levels))
    return NULL;
  json_t *spec = i == 0 ? json_pack("{s:s, s:{s:i, s:i}}", "type", "Exempt", "exempt", "nominalConcurrencyShares", 0,
                                    "lendablePercent", 0)
                        : limited(&levels[i]);
  return object(levels[i].name, spec);
}

static json_t *words(const char *text)
{
  json_t *list = json_array();
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);
  for (char **part = parts; *part; part++)
    json_array_append_new(list, json_string(g_str_equal(*part, "core") ? "" : *part));
  return list;
}

static json_t *subject(const char *text)
{
  g_auto(GStrv) parts = g_strsplit(text, ":", 2);
  if (!g_str_equal(parts[0], "account"))
    return json_pack("{s:s, s:{s:s}}", "kind", g_str_equal(parts[0], "user") ? "User" : "Group", parts[0], "name",
                     parts[1]);
  g_auto(GStrv) account = g_strsplit(parts[1], ":", 2);
  return json_pack("{s:s, s:{s:s, s:s}}", "kind", "ServiceAccount", "serviceAccount", "namespace", account[0], "name",
                   account[1]);
}

static json_t *subjects_of(const char *text)
{
  json_t *list = json_array();
  g_auto(GStrv) parts = g_strsplit(text, " ", -1);
  for (char **part = parts; *part; part++)
    json_array_append_new(list, subject(*part));
  return list;
}

static void add_rule(json_t *policy, const char *text)
{
  g_auto(GStrv) parts = g_strsplit(text, " | ", -1);
  bool url = g_str_equal(parts[1], "url");
  const char *member = url ? "nonResourceRules" : "resourceRules";
  json_t *rule = url ? json_pack("{s:o, s:o}", "verbs", words(parts[0]), "nonResourceURLs", words(parts[2]))
                     : json_pack("{s:o, s:o, s:o, s:o}", "verbs", words(parts[0]), "apiGroups", words(parts[1]),
                                 "resources", words(parts[2]), "namespaces", words(parts[3]));
  if (!url && parts[4])
    json_object_set_new(rule, "clusterScope", json_true());
  if (!json_object_get(policy, member))
    json_object_set_new(policy, member, json_array());
  json_array_append_new(json_object_get(policy, member), rule);
}

json_t *bootstrap_flow_schema(size_t i)
{
  if (i >= G_N_ELEMENTS(schemas))
    return NULL;
  const SchemaRow *row = &schemas[i];
  json_t *policy = json_pack("{s:o}", "subjects", subjects_of(row->subjects));
  g_auto(GStrv) rules = g_strsplit(row->rules ? row->rules : "* | * | * | * | cluster;* | url | *", ";", -1);
  for (char **rule = rules; *rule; rule++)
    add_rule(policy, *rule);
  json_t *spec = json_pack("{s:{s:s}, s:i, s:[o]}", "priorityLevelConfiguration", "name", row->level,
                           "matchingPrecedence", row->precedence, "rules", policy);
  if (row->distinguisher)
    json_object_set_new(spec, "distinguisherMethod", json_pack("{s:s}", "type", row->distinguisher));
  return object(row->name, spec);
}

/* Each object is made by a thread of its own, so that the store commits them together. */
typedef struct Making {
  Registry *registry;
  const char *plural;
  json_t *value; /* taken */
  GError *problem;
} Making;

static void *make(void *data)
{
  Making *making = data;
  g_autofree char *name = g_strdup(json_str(json_object_get(making->value, "metadata"), "name", ""));
  Target target = bootstrap_target(making->registry, "flowcontrol.apiserver.k8s.io", "v1", making->plural, NULL, name);
  bootstrap_ensure(making->registry, target, making->value, NULL, &making->problem);
  return NULL;
}

bool bootstrap_flow_objects(Registry *registry, GError **error)
{
  enum { N_LEVELS = G_N_ELEMENTS(levels), N = N_LEVELS + G_N_ELEMENTS(schemas) };
  Making makings[N];
  GThread *threads[N];
  bool ok = true;
  for (size_t i = 0; i < N; i++) {
    bool level = i < N_LEVELS;
    makings[i] = (Making){ registry, level ? "prioritylevelconfigurations" : "flowschemas",
                           level ? bootstrap_priority_level(i) : bootstrap_flow_schema(i - N_LEVELS), NULL };
    threads[i] = g_thread_new("bootstrap", make, &makings[i]);
  }
  for (size_t i = 0; i < N; i++) {
    g_thread_join(threads[i]);
    if (!makings[i].problem)
      continue;
    if (ok)
      g_propagate_error(error, makings[i].problem);
    else
      g_error_free(makings[i].problem);
    ok = false;
  }
  return ok;
}
