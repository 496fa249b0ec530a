/* PodDisruptionBudgets: their status, and the evictions that go by it. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "cluster.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/policy/disruption_scale.h"

#define POD                                                                                                            \
  "{metadata: {name: %s, labels: {app: %s}%s}, spec: {terminationGracePeriodSeconds: 60, containers: [{name: c, "      \
  "image: i}]}}"

static void add_pod(Cluster *cluster, const char *name, const char *app, const char *more)
{
  g_autofree char *yaml = g_strdup_printf(POD, name, app, more);
  cluster_create(cluster, "v1", "pods", true, yaml);
}

static bool is_running(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  return pod && pod_is_ready(pod);
}

static void add_budget(Cluster *cluster, const char *name, const char *spec)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s}, spec: {selector: {matchLabels: {app: web}}, %s}}", name, spec);
  cluster_create(cluster, "policy/v1", "poddisruptionbudgets", true, yaml);
}

/* Whether the budget has just these numbers for its newest generation. */
static bool is_counted(Cluster *cluster, const char *name, int expected, int desired, int healthy, int allowed)
{
  g_autoptr(json_t) budget = cluster_get(cluster, "policy/v1", "poddisruptionbudgets", true, name);
  const json_t *status = json_object_get(budget, "status");
  return json_int(status, "expectedPods", -1) == expected && json_int(status, "desiredHealthy", -1) == desired &&
         json_int(status, "currentHealthy", -1) == healthy && json_int(status, "disruptionsAllowed", -1) == allowed &&
         json_int(status, "observedGeneration", 0) == json_int(json_object_get(budget, "metadata"), "generation", -1);
}

static bool has_condition(Cluster *cluster, const char *name, const char *value, const char *reason,
                          const char *message)
{
  g_autoptr(json_t) budget = cluster_get(cluster, "policy/v1", "poddisruptionbudgets", true, name);
  const json_t *condition = condition_get(json_object_get(budget, "status"), "DisruptionAllowed");
  return strcmp(json_str(condition, "status", ""), value) == 0 &&
         strcmp(json_str(condition, "reason", ""), reason) == 0 && strstr(json_str(condition, "message", "-"), message);
}

static size_t count_disrupted(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) budget = cluster_get(cluster, "policy/v1", "poddisruptionbudgets", true, name);
  return json_object_size(json_at(budget, "status", "disruptedPods", NULL));
}

/* An eviction with DELETE_OPTIONS (JSON, may be NULL): NULL, or the error. */
static GError *evict(Cluster *cluster, const char *name, const char *delete_options, bool dry_run)
{
  GError *error = NULL;
  Registry *registry = client_registry(cluster_client(cluster));
  Target target = { client_kind(cluster_client(cluster), "v1", "pods"), "default", name, "eviction" };
  Caller caller = { .dry_run = dry_run };
  g_autoptr(json_t) body =
      json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "policy/v1", "kind", "Eviction", "metadata", "name", name);
  if (delete_options)
    json_object_set_new(body, "deleteOptions", json_loads(delete_options, 0, NULL));
  g_autoptr(Object) gone = registry_create(registry, &caller, &target, body, &error);
  g_assert_true((gone == NULL) == (error != NULL));
  return error;
}

static void assert_refused(GError *error, const char *cause, int64_t retry_seconds)
{
  g_assert_error(error, LAUNCHER_ERROR, REASON_TOO_MANY_REQUESTS);
  g_assert_cmpstr(error->message, ==, "Cannot evict pod as it would violate the pod's disruption budget.");
  const json_t *details = reason_details(error), *first = json_array_get(json_object_get(details, "causes"), 0);
  g_assert_cmpstr(json_str(first, "reason", ""), ==, "DisruptionBudget");
  g_assert_cmpstr(json_str(first, "message", ""), ==, cause);
  g_assert_cmpint(json_int(details, "retryAfterSeconds", 0), ==, retry_seconds);
  g_error_free(error);
}

static bool is_going(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  return pod_is_deleting(pod);
}

/* --- what is counted ---------------------------------------------------------------------------------------------- */

static void test_whole_min_available(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_budget(cluster, "pdb", "minAvailable: 1");
  cluster_wait(is_counted(cluster, "pdb", 0, 1, 0, 0));
  cluster_wait(has_condition(cluster, "pdb", "False", "InsufficientPods", ""));
  cluster_wait(cluster_has_event(cluster, "pdb", "NoPods", "No matching pods found"));
  add_pod(cluster, "a", "web", "");
  cluster_wait(is_counted(cluster, "pdb", 1, 1, 1, 0));
  add_pod(cluster, "b", "web", "");
  add_pod(cluster, "other", "db", "");
  cluster_wait(is_counted(cluster, "pdb", 2, 1, 2, 1));
  g_assert_true(has_condition(cluster, "pdb", "True", "SufficientPods", ""));
  /* an unready pod is expected, and not healthy */
  cluster_set_status(cluster, "v1", "pods", "b", "{conditions: [{type: Ready, status: 'False'}]}");
  cluster_wait(is_counted(cluster, "pdb", 2, 1, 1, 0));
  /* the spec changes: the condition is about the new generation */
  cluster_patch(cluster, "policy/v1", "poddisruptionbudgets", "pdb", "{spec: {minAvailable: 0}}");
  cluster_wait(is_counted(cluster, "pdb", 2, 0, 1, 1));
  g_autoptr(json_t) budget = cluster_get(cluster, "policy/v1", "poddisruptionbudgets", true, "pdb");
  const json_t *condition = condition_get(json_object_get(budget, "status"), "DisruptionAllowed");
  g_assert_cmpint(json_int(condition, "observedGeneration", 0), ==, 2);
}

static const char *const workloads[][3] = {
  { "apps/v1", "replicasets", "selector: {matchLabels: {app: web}}" },
  { "apps/v1", "deployments", "selector: {matchLabels: {app: web}}" },
  { "apps/v1", "statefulsets", "serviceName: web, podManagementPolicy: Parallel, selector: {matchLabels: {app: web}}" },
  { "v1", "replicationcontrollers", "selector: {app: web}" },
};

/* The denominator is the scale of the pods' owner, even when a pod is missing; percentages are rounded up. */
static void test_scales(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(workloads); i++) {
    g_autoptr(Cluster) cluster = cluster_new();
    g_autofree char *yaml = g_strdup_printf(
        "{metadata: {name: web}, spec: {replicas: 7, %s, template: {metadata: {labels: {app: web}}, spec: "
        "{containers: [{name: c, image: i}]}}}}",
        workloads[i][2]);
    add_budget(cluster, "least", "minAvailable: 50%");
    add_budget(cluster, "most", "maxUnavailable: 30%");
    add_budget(cluster, "two", "maxUnavailable: 2");
    cluster_create(cluster, workloads[i][0], workloads[i][1], true, yaml);
    cluster_wait(is_counted(cluster, "least", 7, 4, 7, 3));
    cluster_wait(is_counted(cluster, "most", 7, 4, 7, 3));
    cluster_wait(is_counted(cluster, "two", 7, 5, 7, 2));
    cluster_patch(cluster, workloads[i][0], workloads[i][1], "web", "{spec: {replicas: 8}}");
    cluster_wait(is_counted(cluster, "least", 8, 4, 8, 4));
    cluster_wait(is_counted(cluster, "most", 8, 5, 8, 3));
    cluster_wait(cluster_has_event(cluster, "web-0", "MultiplePodDisruptionBudgets", "arbitrarily.") ||
                 strcmp(workloads[i][1], "statefulsets") != 0);
  }
}

/* More may go than there are: nothing below zero. */
static void test_max_unavailable_beyond(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_budget(cluster, "pdb", "maxUnavailable: 9");
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(is_counted(cluster, "pdb", 2, 0, 2, 2));
}

#define OWNED                                                                                                          \
  ", ownerReferences: [{apiVersion: %s, kind: %s, name: %s, uid: 'b7329742-8daa-493a-8881-6ca07139172b', controller: " \
  "true}]"

static void test_failures(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_budget(cluster, "pdb", "maxUnavailable: 1");
  add_pod(cluster, "naked", "web", "");
  cluster_wait(cluster_has_event(cluster, "pdb", "UnmanagedPods",
                                 "(selector: &LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:"
                                 "[]LabelSelectorRequirement{},}) were found to be unmanaged."));
  cluster_wait(is_counted(cluster, "pdb", 0, 0, 1, 0));
  cluster_wait(has_condition(cluster, "pdb", "False", "InsufficientPods", ""));
  g_autofree char *odd = g_strdup_printf(OWNED, "example.com/v1", "Thing", "x");
  add_pod(cluster, "odd", "web", odd);
  cluster_wait(has_condition(cluster, "pdb", "False", "SyncFailed",
                             "no matches for kind \"Thing\" in version \"example.com/v1\""));
  cluster_wait(cluster_has_event(cluster, "pdb", "CalculateExpectedPodCountFailed",
                                 "Failed to calculate the number of expected pods: no matches for kind"));
}

static void test_owner_without_scale(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_budget(cluster, "pdb", "maxUnavailable: 1");
  cluster_create(cluster, "apps/v1", "daemonsets", true,
                 "{metadata: {name: web}, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: "
                 "{app: web}}, spec: {containers: [{name: c, image: i}]}}}}");
  cluster_wait(
      has_condition(cluster, "pdb", "False", "SyncFailed", "daemonsets.apps does not implement the scale subresource"));
  /* an integer minAvailable asks no owner */
  cluster_patch(cluster, "policy/v1", "poddisruptionbudgets", "pdb", "{spec: {maxUnavailable: null, minAvailable: 0}}");
  cluster_wait(is_counted(cluster, "pdb", 1, 0, 1, 1));
  g_assert_true(has_condition(cluster, "pdb", "True", "SufficientPods", ""));
}

#define GADGETS                                                                                                        \
  "{metadata: {name: gadgets.example.com}, spec: {group: example.com, scope: Namespaced, names: {plural: gadgets, "    \
  "kind: Gadget}, versions: [{name: v1, served: true, storage: true, subresources: {status: {}, scale: "               \
  "{specReplicasPath: .spec.size, statusReplicasPath: .status.size}}, schema: {openAPIV3Schema: {type: object, "       \
  "properties: {spec: {type: object, properties: {size: {type: integer}}}, status: {type: object, properties: {size: " \
  "{type: integer}}}}}}}]}}"

/* A custom resource with a scale owns pods as others do. */
static void test_custom_scale(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  g_autoptr(GError) error = NULL;
  add_budget(cluster, "pdb", "minAvailable: 25%");
  cluster_create(cluster, "apiextensions.k8s.io/v1", "customresourcedefinitions", false, GADGETS);
  const ApiScheme *scheme = registry_scheme(client_registry(cluster_client(cluster)));
  cluster_wait(api_scheme_kind(scheme, "example.com", "v1", "Gadget") != NULL);
  Target target = { api_scheme_kind(scheme, "example.com", "v1", "Gadget"), "default", NULL, NULL };
  g_autoptr(json_t) value = json_pack("{s:s, s:s, s:{s:s}, s:{s:i}}", "apiVersion", "example.com/v1", "kind", "Gadget",
                                      "metadata", "name", "g", "spec", "size", 6);
  g_autoptr(Object) gadget = registry_create(client_registry(cluster_client(cluster)), NULL, &target, value, &error);
  g_assert_no_error(error);
  g_autofree char *owner = g_strdup_printf(
      ", ownerReferences: [{apiVersion: example.com/v1, kind: Gadget, name: g, uid: '%s', controller: true}]",
      object_uid(gadget));
  add_pod(cluster, "g-0", "web", owner);
  add_pod(cluster, "g-1", "web", owner);
  add_pod(cluster, "g-2", "web", owner);
  cluster_wait(is_counted(cluster, "pdb", 6, 2, 3, 1));
}

/* --- evictions ---------------------------------------------------------------------------------------------------- */

static void test_eviction(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_budget(cluster, "pdb", "minAvailable: 1");
  add_pod(cluster, "a", "web", "");
  add_pod(cluster, "b", "web", "");
  cluster_wait(is_counted(cluster, "pdb", 2, 1, 2, 1));
  cluster_hold_kubelet(cluster, true);
  /* a dry run takes nothing, in the request as in its body */
  g_assert_no_error(evict(cluster, "a", NULL, true));
  g_assert_no_error(evict(cluster, "a", "{\"dryRun\": [\"All\"]}", false));
  g_assert_false(is_going(cluster, "a"));
  g_assert_true(is_counted(cluster, "pdb", 2, 1, 2, 1));
  g_assert_no_error(evict(cluster, "a", "{\"gracePeriodSeconds\": 7}", false));
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, "a");
  g_assert_cmpint(json_int(json_object_get(pod, "metadata"), "deletionGracePeriodSeconds", 0), ==, 7);
  const json_t *condition = condition_get(json_object_get(pod, "status"), "DisruptionTarget");
  g_assert_cmpstr(json_str(condition, "status", ""), ==, "True");
  g_assert_cmpstr(json_str(condition, "reason", ""), ==, "EvictionByEvictionAPI");
  g_assert_cmpstr(json_str(condition, "message", ""), ==, "Eviction API: evicting");
  /* the pod ends, the eviction is history; the other must stay */
  cluster_wait(is_counted(cluster, "pdb", 2, 1, 1, 0) && count_disrupted(cluster, "pdb") == 0);
  assert_refused(evict(cluster, "b", NULL, false), "The disruption budget pdb needs 1 healthy pods and has 1 currently",
                 0);
  assert_refused(evict(cluster, "b", NULL, true), "The disruption budget pdb needs 1 healthy pods and has 1 currently",
                 0);
  /* who ends already may be evicted again, and a plain deletion asks nobody */
  g_assert_no_error(evict(cluster, "a", NULL, false));
  cluster_delete(cluster, "v1", "pods", true, "b", NULL);
  g_assert_true(is_going(cluster, "b"));
}

/* Before the controller has seen a change of the budget nothing goes. */
static void test_unseen_generation(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_budget(cluster, "pdb", "minAvailable: 0");
  add_pod(cluster, "a", "web", "");
  cluster_wait(is_counted(cluster, "pdb", 1, 0, 1, 1));
  cluster_stop(cluster);
  cluster_patch(cluster, "policy/v1", "poddisruptionbudgets", "pdb", "{spec: {minAvailable: 1}}");
  assert_refused(evict(cluster, "a", NULL, false), "The disruption budget pdb is still being processed by the server.",
                 10);
  cluster_set_status(cluster, "policy/v1", "poddisruptionbudgets", "pdb",
                     "{observedGeneration: 2, disruptionsAllowed: -1}");
  g_autoptr(GError) negative = evict(cluster, "a", NULL, false);
  g_assert_error(negative, LAUNCHER_ERROR, REASON_FORBIDDEN);
  g_assert_cmpstr(negative->message, ==,
                  "poddisruptionbudget.policy \"pdb\" is forbidden: pdb disruptions allowed is negative");
  g_assert_false(is_going(cluster, "a"));
  /* too many evictions that nobody has confirmed */
  g_autoptr(GString) status = g_string_new("{disruptionsAllowed: 5, disruptedPods: {");
  for (int i = 0; i <= 2000; i++)
    g_string_append_printf(status, "%sp-%d: '2026-01-01T00:00:00Z'", i ? ", " : "", i);
  g_string_append(status, "}}");
  cluster_set_status(cluster, "policy/v1", "poddisruptionbudgets", "pdb", status->str);
  g_autoptr(GError) many = evict(cluster, "a", NULL, false);
  g_assert_error(many, LAUNCHER_ERROR, REASON_FORBIDDEN);
  g_assert_nonnull(strstr(many->message, "DisruptedPods map too big"));
  cluster_resume(cluster);
  cluster_wait(is_counted(cluster, "pdb", 1, 1, 1, 0));
}

static void test_two_budgets(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_budget(cluster, "one", "minAvailable: 0");
  add_budget(cluster, "two", "minAvailable: 0");
  add_pod(cluster, "a", "web", "");
  cluster_wait(is_running(cluster, "a"));
  g_autoptr(GError) error = evict(cluster, "a", NULL, false);
  g_assert_error(error, LAUNCHER_ERROR, REASON_INTERNAL);
  g_assert_cmpstr(error->message, ==,
                  "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.");
  cluster_wait(cluster_has_event(cluster, "a", "MultiplePodDisruptionBudgets",
                                 "Pod \"default\"/\"a\" matches multiple PodDisruptionBudgets.  Chose \""));
}

/* Pending and finished pods serve nobody: any number of budgets lets them go. */
static void test_exempt(void)
{
  static const char *const phases[] = { "Pending", "Succeeded", "Failed" };
  g_autoptr(Cluster) cluster = cluster_new();
  add_budget(cluster, "pdb", "minAvailable: 5");
  for (size_t i = 0; i < G_N_ELEMENTS(phases); i++) {
    g_autofree char *name = g_ascii_strdown(phases[i], -1), *status = g_strdup_printf("{phase: %s}", phases[i]);
    cluster_hold_kubelet(cluster, i == 0);
    add_pod(cluster, name, "web", "");
    if (i > 0) {
      cluster_wait(is_running(cluster, name));
      cluster_hold_kubelet(cluster, true);
      cluster_set_status(cluster, "v1", "pods", name, status);
    }
    g_assert_no_error(evict(cluster, name, NULL, false));
    g_assert_true(is_going(cluster, name) || !cluster_exists(cluster, "v1", "pods", name));
  }
}

/* A pod that runs and is not ready: IfHealthyBudget lets it go when the others are enough, AlwaysAllow anyway. */
static void test_unhealthy(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_budget(cluster, "pdb", "minAvailable: 2");
  add_pod(cluster, "a", "web", "");
  add_pod(cluster, "b", "web", "");
  add_pod(cluster, "sick", "web", "");
  cluster_wait(is_counted(cluster, "pdb", 3, 2, 3, 1));
  cluster_hold_kubelet(cluster, true);
  cluster_set_status(cluster, "v1", "pods", "sick", "{conditions: [{type: Ready, status: 'False'}]}");
  cluster_wait(is_counted(cluster, "pdb", 3, 2, 2, 0));
  g_assert_no_error(evict(cluster, "sick", NULL, true));
  cluster_set_status(cluster, "v1", "pods", "b", "{conditions: [{type: Ready, status: 'False'}]}");
  cluster_wait(is_counted(cluster, "pdb", 3, 2, 1, 0));
  assert_refused(evict(cluster, "sick", NULL, false),
                 "The disruption budget pdb needs 2 healthy pods and has 1 currently", 0);
  cluster_patch(cluster, "policy/v1", "poddisruptionbudgets", "pdb",
                "{spec: {unhealthyPodEvictionPolicy: AlwaysAllow}}");
  g_assert_no_error(evict(cluster, "sick", NULL, false));
  g_assert_true(is_going(cluster, "sick"));
  g_assert_cmpuint(count_disrupted(cluster, "pdb"), ==, 0);
}

static void test_preconditions(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_pod(cluster, "a", "web", "");
  cluster_wait(is_running(cluster, "a"));
  cluster_hold_kubelet(cluster, true);
  g_autoptr(GError) other = evict(cluster, "a", "{\"preconditions\": {\"uid\": \"other\"}}", false);
  g_assert_error(other, LAUNCHER_ERROR, REASON_CONFLICT);
  g_autoptr(GError) old = evict(cluster, "a", "{\"preconditions\": {\"resourceVersion\": \"1\"}}", false);
  g_assert_error(old, LAUNCHER_ERROR, REASON_CONFLICT);
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, "a");
  g_assert_null(condition_get(json_object_get(pod, "status"), "DisruptionTarget"));
  g_autofree char *options = g_strdup_printf("{\"preconditions\": {\"resourceVersion\": \"%s\"}}",
                                             json_str(json_object_get(pod, "metadata"), "resourceVersion", ""));
  g_assert_no_error(evict(cluster, "a", options, false));
  g_assert_true(is_going(cluster, "a"));
  g_autoptr(GError) missing = evict(cluster, "none", NULL, false);
  g_assert_error(missing, LAUNCHER_ERROR, REASON_NOT_FOUND);
}

/* --- races -------------------------------------------------------------------------------------------------------- */

typedef struct Evictor {
  Cluster *cluster;
  int number;
  int *granted; /* atomic */
} Evictor;

static void *run_evictor(void *data)
{
  Evictor *evictor = data;
  g_autofree char *name = g_strdup_printf("p-%d", evictor->number);
  g_autoptr(GError) error = evict(evictor->cluster, name, NULL, false);
  if (!error)
    g_atomic_int_inc(evictor->granted);
  else
    g_assert_error(error, LAUNCHER_ERROR, REASON_TOO_MANY_REQUESTS);
  return NULL;
}

/* However many ask at the same moment, no more go than may. */
static void test_crowd(void)
{
  enum { PODS = 12, MUST_STAY = 7 };
  g_autoptr(Cluster) cluster = cluster_new();
  add_budget(cluster, "pdb", "minAvailable: 7");
  for (int i = 0; i < PODS; i++) {
    g_autofree char *name = g_strdup_printf("p-%d", i);
    add_pod(cluster, name, "web", "");
  }
  cluster_wait(is_counted(cluster, "pdb", PODS, MUST_STAY, PODS, PODS - MUST_STAY));
  cluster_hold_kubelet(cluster, true);
  int granted = 0;
  Evictor evictors[PODS];
  GThread *threads[PODS];
  for (int i = 0; i < PODS; i++) {
    evictors[i] = (Evictor){ cluster, i, &granted };
    threads[i] = g_thread_new("evictor", run_evictor, &evictors[i]);
  }
  for (int i = 0; i < PODS; i++)
    g_thread_join(threads[i]);
  g_assert_cmpint(granted, <=, PODS - MUST_STAY);
  g_assert_cmpint(granted, >=, 1);
  g_assert_cmpuint(cluster_count_pods(cluster, "web"), ==, PODS - granted);
  cluster_wait(is_counted(cluster, "pdb", PODS, MUST_STAY, PODS - granted, PODS - granted - MUST_STAY));
}

/* A granted eviction that does not come is believed for two minutes (here: for one second), then the pod counts again.
 */
static void test_timeout(void)
{
  ControllersConfig config = { .root_ca_pem = "-", .times = { .disruption_us = G_USEC_PER_SEC } };
  g_autoptr(Cluster) cluster = cluster_new_with(&config);
  add_budget(cluster, "pdb", "minAvailable: 1");
  add_pod(cluster, "a", "web", "");
  add_pod(cluster, "b", "web", "");
  cluster_wait(is_counted(cluster, "pdb", 2, 1, 2, 1));
  g_autofree char *now = g_strdup_printf("{disruptionsAllowed: 0, disruptedPods: {a: '2999-01-01T00:00:00Z'}}");
  cluster_set_status(cluster, "policy/v1", "poddisruptionbudgets", "pdb", now);
  cluster_wait(is_counted(cluster, "pdb", 2, 1, 1, 0));
  cluster_set_status(cluster, "policy/v1", "poddisruptionbudgets", "pdb",
                     "{disruptedPods: {a: '2020-01-01T00:00:00Z'}}");
  cluster_wait(is_counted(cluster, "pdb", 2, 1, 2, 1) && count_disrupted(cluster, "pdb") == 0);
  cluster_wait(
      cluster_has_event(cluster, "a", "NotDeleted", "Pod was expected by PDB default/pdb to be deleted but it wasn't"));
  /* and so is the announcement in the pod, but not the kubelet's */
  cluster_hold_kubelet(cluster, true);
  cluster_set_status(cluster, "v1", "pods", "a",
                     "{conditions: [{type: DisruptionTarget, status: 'True', reason: EvictionByEvictionAPI, "
                     "lastTransitionTime: '2020-01-01T00:00:00Z'}]}");
  cluster_set_status(cluster, "v1", "pods", "b",
                     "{conditions: [{type: DisruptionTarget, status: 'True', reason: TerminationByKubelet, "
                     "lastTransitionTime: '2020-01-01T00:00:00Z'}]}");
  g_autoptr(json_t) pod = NULL;
  cluster_wait((json_decref(pod), pod = cluster_get(cluster, "v1", "pods", true, "a"),
                condition_is(json_object_get(pod, "status"), "DisruptionTarget", "False")));
  g_autoptr(json_t) other = cluster_get(cluster, "v1", "pods", true, "b");
  g_assert_true(condition_is(json_object_get(other, "status"), "DisruptionTarget", "True"));
}

static void test_selector_text(void)
{
  g_autoptr(json_t) selector = json_loads("{\"matchLabels\": {\"b\": \"2\", \"a\": \"1\"}, \"matchExpressions\": "
                                          "[{\"key\": \"k\", \"operator\": \"In\", \"values\": [\"x\", \"y\"]}]}",
                                          0, NULL);
  g_autofree char *text = disruption_selector_text(selector);
  g_assert_cmpstr(
      text, ==,
      "&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{"
      "LabelSelectorRequirement{Key:k,Operator:In,Values:[x y],},},}");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/disruption/whole-min-available", test_whole_min_available);
  g_test_add_func("/disruption/scales", test_scales);
  g_test_add_func("/disruption/max-unavailable-beyond", test_max_unavailable_beyond);
  g_test_add_func("/disruption/failures", test_failures);
  g_test_add_func("/disruption/owner-without-scale", test_owner_without_scale);
  g_test_add_func("/disruption/custom-scale", test_custom_scale);
  g_test_add_func("/disruption/eviction", test_eviction);
  g_test_add_func("/disruption/unseen-generation", test_unseen_generation);
  g_test_add_func("/disruption/two-budgets", test_two_budgets);
  g_test_add_func("/disruption/exempt", test_exempt);
  g_test_add_func("/disruption/unhealthy", test_unhealthy);
  g_test_add_func("/disruption/preconditions", test_preconditions);
  g_test_add_func("/disruption/crowd", test_crowd);
  g_test_add_func("/disruption/timeout", test_timeout);
  g_test_add_func("/disruption/selector-text", test_selector_text);
  return g_test_run();
}
