/* What a daemon set makes and ends next. A case lists nodes and the pods on them; the plan answers with names. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "clusterd/api/object.h"
#include "clusterd/api/scheme.h"
#include "clusterd/controllers/workloads/daemon_backoff.h"
#include "clusterd/controllers/workloads/daemon_plan.h"
#include "clusterd/controllers/workloads/daemon_set.h"

#define NOW_US ((int64_t)1700000000 * G_USEC_PER_SEC)
#define ROLLING(limits) "{minReadySeconds: 60, updateStrategy: {type: RollingUpdate, rollingUpdate: {" limits "}}}"
#define ONE ROLLING("maxUnavailable: 1, maxSurge: 0")
#define TWO ROLLING("maxUnavailable: 2, maxSurge: 0")
#define THIRD ROLLING("maxUnavailable: 34%, maxSurge: 0")
#define SURGE ROLLING("maxUnavailable: 0, maxSurge: 1")
#define ON_DELETE "{updateStrategy: {type: OnDelete}}"

static ApiScheme *scheme;

static Object *make_object(const char *plural, json_t *value)
{
  return object_new(api_scheme_resource(scheme, "", "v1", plural), value);
}

/* A pod from a letter for each fact: o(ld) or n(ew) template; then r(eady for long), j(ust ready), w(aiting),
 * f(ailed), s(ucceeded); then d when it is being deleted. Its name is node, number and letters. */
static Object *make_pod(const char *node, unsigned number, const char *letters)
{
  g_autofree char *name = g_strdup_printf("%s%u%s", node, number, letters);
  g_autofree char *created = timestamp_text(NOW_US - (int64_t)(1000 - number) * G_USEC_PER_SEC);
  bool ready = letters[1] == 'r' || letters[1] == 'j';
  const char *phase = letters[1] == 'f' ? "Failed" : letters[1] == 's' ? "Succeeded" : ready ? "Running" : "Pending";
  g_autofree char *since = timestamp_text(NOW_US - (letters[1] == 'j' ? 10 : 600) * G_USEC_PER_SEC);
  json_t *pod =
      json_pack("{s:{s:s, s:s, s:{s:s}}, s:{s:s}, s:{s:s, s:[{s:s, s:s, s:s}]}}", "metadata", "name", name,
                "creationTimestamp", created, "labels", "controller-revision-hash", *letters == 'n' ? "new" : "old",
                "spec", "nodeName", node, "status", "phase", phase, "conditions", "type", "Ready", "status",
                ready ? "True" : "False", "lastTransitionTime", since);
  if (letters[2] == 'd')
    json_object_set_new(json_object_get(pod, "metadata"), "deletionTimestamp", json_string(created));
  return make_object("pods", pod);
}

static void unref_object(void *object)
{
  object_unref(object);
}

/* "a:or,nw b: !c:or": nodes with their pods. "!": no pod is to start there, "!!": none may stay. */
static DaemonPlan *make_plan(const json_t *spec, const char *text, GPtrArray *keep)
{
  DaemonPlan *plan = daemon_plan_new(spec, "new", NOW_US);
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  g_auto(GStrv) words = g_strsplit(text, " ", -1);
  for (char **word = words; *word; word++) {
    unsigned marks = (unsigned)strspn(*word, "!");
    g_auto(GStrv) parts = g_strsplit(*word + marks, ":", 2);
    g_auto(GStrv) letters = g_strsplit(parts[1], ",", -1);
    Object *node = make_object("nodes", json_pack("{s:{s:s}}", "metadata", "name", parts[0]));
    g_ptr_array_add(keep, node);
    daemon_plan_add_node(plan, node, marks == 0, marks < 2);
    for (unsigned i = 0; letters[i]; i++)
      if (*letters[i])
        g_ptr_array_add(pods, make_pod(parts[0], i, letters[i]));
  }
  daemon_plan_add_pods(plan, pods);
  return plan;
}

static int by_text(const void *left, const void *right)
{
  return strcmp(*(char *const *)left, *(char *const *)right);
}

static char *names_of(GPtrArray *objects)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (unsigned i = 0; i < objects->len; i++)
    g_ptr_array_add(names, (void *)(uintptr_t)object_name(g_ptr_array_index(objects, i)));
  g_ptr_array_sort(names, by_text);
  g_ptr_array_add(names, NULL);
  return g_strjoinv(" ", (char **)names->pdata);
}

static json_t *parse(const char *yaml)
{
  g_autoptr(GError) error = NULL;
  json_t *value = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  return value;
}

typedef struct Case {
  const char *spec, *state, *needing, *doomed, *ended;
} Case;

static void check(const Case *cases, size_t n, void (*step)(DaemonPlan *plan))
{
  for (size_t i = 0; i < n; i++) {
    g_autoptr(json_t) spec = parse(cases[i].spec);
    g_autoptr(GPtrArray) keep = g_ptr_array_new_with_free_func(unref_object);
    g_autoptr(DaemonPlan) plan = make_plan(spec, cases[i].state, keep);
    step(plan);
    g_autofree char *needing = names_of(plan->needing), *doomed = names_of(plan->doomed),
                    *ended = names_of(plan->ended);
    g_test_message("%zu: %s", i, cases[i].state);
    g_assert_cmpstr(needing, ==, cases[i].needing);
    g_assert_cmpstr(doomed, ==, cases[i].doomed);
    g_assert_cmpstr(ended, ==, cases[i].ended ? cases[i].ended : "");
  }
}

static void test_manage(void)
{
  static const Case cases[] = {
    { ONE, "a: b:nr c:or", "a", "", NULL },
    /* Misplaced; tolerated though nothing new would start. */
    { ONE, "!a:nr !b: !!c:nr,nrd", "", "c0nr", NULL },
    /* The oldest stays. */
    { ONE, "a:or,nr,nw", "", "a1nr a2nw", NULL },
    /* A pod that is ending is waited for, one that has ended goes first. */
    { ONE, "a:nrd b:nf c:ns d:nf,nr", "", "", "b0nf c0ns d0nf" },
    /* With a surge: two while the new one is not available, and a successor beside the one that ends. */
    { SURGE, "a:or,nw", "", "", NULL },
    { SURGE, "a:or,nj", "", "", NULL },
    { SURGE, "a:or,nr", "", "a0or", NULL },
    { SURGE, "a:ow,nw", "", "a0ow", NULL },
    { SURGE, "a:or,or,nw,nw", "", "a1or a3nw", NULL },
    { SURGE, "a:nrd b:", "a b", "", NULL },
    /* OnDelete never has two. */
    { ON_DELETE, "a:or,nw", "", "a1nw", NULL },
  };
  check(cases, G_N_ELEMENTS(cases), daemon_plan_manage);
}

static void test_update(void)
{
  static const Case cases[] = {
    { ONE, "a:or b:or c:or", "", "a0or", NULL },
    { TWO, "a:or b:or c:or", "", "a0or b0or", NULL },
    { THIRD, "a:or b:or c:or d:or", "", "a0or b0or", NULL }, /* 34 % of 4 rounds up */
    { ONE, "a:nw b:or c:or", "", "", NULL },
    { ONE, "a:nj b:or", "", "", NULL }, /* ready, not yet available */
    { ONE, "a:nr b:or", "", "b0or", NULL },
    { ONE, "a: b:or", "", "", NULL },
    { ONE, "a:ord b:or", "", "", NULL },
    { ONE, "!a: b:or", "", "b0or", NULL },
    /* What does not serve goes at once, whatever is missing. */
    { ONE, "a:nw b:ow c:ow d:or", "", "b0ow c0ow", NULL },
    { SURGE, "a:or b:or", "a", "", NULL },
    { SURGE, "a:or,nw b:or", "", "", NULL },
    { SURGE, "a:or,nr b:or", "b", "a0or", NULL },
    { SURGE, "a:or,nw b:ow", "b", "", NULL },
    { ON_DELETE, "a:or b:ow", "", "", NULL },
    { ROLLING("maxUnavailable: 0, maxSurge: 0"), "a:or b:or", "", "a0or", NULL },
  };
  check(cases, G_N_ELEMENTS(cases), daemon_plan_update);
}

static void test_count(void)
{
  static const struct {
    const char *state, *status;
  } cases[] = {
    { "a: b:", "{currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 2, numberReady: 0, "
               "numberUnavailable: 2}" },
    { "a:nr b:nj c:or !d:nr", "{currentNumberScheduled: 3, numberMisscheduled: 1, desiredNumberScheduled: 3, "
                              "numberReady: 3, updatedNumberScheduled: 2, numberAvailable: 2, numberUnavailable: 1}" },
    { "a:or,nw", "{currentNumberScheduled: 1, numberMisscheduled: 0, desiredNumberScheduled: 1, numberReady: 1, "
                 "numberAvailable: 1}" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(json_t) spec = parse(ONE), wanted = parse(cases[i].status), status = parse("{updatedNumberScheduled: 9}");
    g_autoptr(GPtrArray) keep = g_ptr_array_new_with_free_func(unref_object);
    g_autoptr(DaemonPlan) plan = make_plan(spec, cases[i].state, keep);
    daemon_plan_count(plan, status);
    g_assert_true(json_same(status, wanted));
  }
}

/* A pod that waits for a node that is gone goes; one that ran there is left to the pod collector. */
static void test_lost_node(void)
{
  g_autoptr(json_t) spec = parse(ONE);
  g_autoptr(DaemonPlan) plan = daemon_plan_new(spec, "new", NOW_US);
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  json_t *waiting = parse("{metadata: {name: waiting}, spec: {}}");
  daemon_set_bind_pod(waiting, "gone");
  g_ptr_array_add(pods, make_object("pods", waiting));
  g_ptr_array_add(pods, make_object("pods", parse("{metadata: {name: ran}, spec: {nodeName: gone}}")));
  daemon_plan_add_pods(plan, pods);
  daemon_plan_manage(plan);
  g_autofree char *doomed = names_of(plan->doomed);
  g_assert_cmpstr(doomed, ==, "waiting");
}

/* Tolerations every daemon pod has; cordons neither bar nor evict it. */
static void test_judge(void)
{
  static const struct {
    const char *pod, *taints;
    bool starts, stays;
  } cases[] = {
    { "{spec: {}}", "[]", true, true },
    { "{spec: {}}", "[{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]", true, true },
    { "{spec: {}}", "[{key: node.kubernetes.io/not-ready, effect: NoExecute}]", true, true },
    { "{spec: {}}", "[{key: node.kubernetes.io/unreachable, effect: NoExecute}]", true, true },
    { "{spec: {}}", "[{key: node.kubernetes.io/disk-pressure, effect: NoSchedule}]", true, true },
    { "{spec: {}}", "[{key: node.kubernetes.io/memory-pressure, effect: NoSchedule}]", true, true },
    { "{spec: {}}", "[{key: node.kubernetes.io/pid-pressure, effect: NoSchedule}]", true, true },
    { "{spec: {}}", "[{key: node.kubernetes.io/network-unavailable, effect: NoSchedule}]", false, true },
    { "{spec: {hostNetwork: true}}", "[{key: node.kubernetes.io/network-unavailable, effect: NoSchedule}]", true,
      true },
    { "{spec: {}}", "[{key: role, effect: NoSchedule}]", false, true },
    { "{spec: {}}", "[{key: role, effect: PreferNoSchedule}]", true, true },
    { "{spec: {}}", "[{key: role, effect: NoExecute}]", false, false },
    { "{spec: {tolerations: [{key: role, operator: Exists}]}}", "[{key: role, effect: NoExecute}]", true, true },
    { "{spec: {nodeName: n}}", "[]", true, true },
    { "{spec: {nodeName: m}}", "[]", false, false },
    { "{spec: {nodeSelector: {disk: ssd}}}", "[]", true, true },
    { "{spec: {nodeSelector: {disk: tape}}}", "[]", false, false },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *node_yaml =
        g_strdup_printf("{metadata: {name: n, labels: {disk: ssd}}, spec: {taints: %s}}", cases[i].taints);
    g_autoptr(json_t) pod = parse(cases[i].pod), node = parse(node_yaml);
    bool starts, stays;
    daemon_set_tolerate(pod);
    daemon_plan_judge(pod, node, &starts, &stays);
    g_test_message("%zu", i);
    g_assert_true(starts == cases[i].starts);
    g_assert_true(stays == cases[i].stays);
  }
}

/* The scheduler places them: every term of the affinity names the node. */
static void test_bind(void)
{
  g_autoptr(json_t) pod = parse("{spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
                                "{nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}, "
                                "{matchFields: [{key: metadata.name, operator: In, values: [x]}]}]}}}}}");
  g_autoptr(json_t) wanted = parse("[{matchExpressions: [{key: a, operator: Exists}], matchFields: [{key: "
                                   "metadata.name, operator: In, values: [n]}]}, {matchFields: [{key: metadata.name, "
                                   "operator: In, values: [n]}]}]");
  daemon_set_bind_pod(pod, "n");
  g_assert_true(json_same(json_at(pod, "spec", "affinity", "nodeAffinity",
                                  "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", NULL),
                          wanted));
}

#define SECONDS *(int64_t)G_USEC_PER_SEC

static void test_backoff(void)
{
  g_autoptr(DaemonBackoff) backoff = daemon_backoff_new();
  int64_t now = NOW_US, delay = 1;
  g_assert_cmpint(daemon_backoff_ask(backoff, "a", now), ==, 0);
  for (int i = 0; i < 14; i++, delay = MIN(delay * 2, 900)) {
    g_assert_cmpint(daemon_backoff_ask(backoff, "a", now + 1), ==, delay SECONDS - 1);
    now += delay SECONDS;
    g_assert_cmpint(daemon_backoff_ask(backoff, "b", now), >=, 0);
    g_assert_cmpint(daemon_backoff_ask(backoff, "a", now), ==, 0);
  }
  g_assert_cmpint(delay, ==, 900);
  /* Long without a failure: from the beginning. */
  now += 1801 SECONDS;
  g_assert_cmpint(daemon_backoff_ask(backoff, "a", now), ==, 0);
  g_assert_cmpint(daemon_backoff_ask(backoff, "a", now), ==, 1 SECONDS);
  /* What nobody asks about any more is forgotten. */
  for (int i = 0; i < 3000; i++) {
    g_autofree char *key = g_strdup_printf("%d", i);
    daemon_backoff_ask(backoff, key, now + i * (3600 SECONDS));
  }
  g_assert_cmpuint(daemon_backoff_size(backoff), <=, 1000);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  scheme = api_scheme_new();
  g_test_add_func("/daemon-plan/manage", test_manage);
  g_test_add_func("/daemon-plan/update", test_update);
  g_test_add_func("/daemon-plan/count", test_count);
  g_test_add_func("/daemon-plan/lost-node", test_lost_node);
  g_test_add_func("/daemon-plan/judge", test_judge);
  g_test_add_func("/daemon-plan/bind", test_bind);
  g_test_add_func("/daemon-plan/backoff", test_backoff);
  int status = g_test_run();
  api_scheme_free(scheme);
  return status;
}
