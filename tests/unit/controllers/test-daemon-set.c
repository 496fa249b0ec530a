#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/client/pod.h"
#include "workload.h"

#define AGENT(more)                                                                                                    \
  "{metadata: {name: agent, annotations: {kubernetes.io/change-cause: first}}, spec: {selector: {matchLabels: {app: "  \
  "agent}}, template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: c, image: one}]}}" more "}}"
#define IMAGE(name) "{spec: {template: {spec: {containers: [{name: c, image: " name "}]}}}}"

static void add_set(Cluster *cluster, const char *yaml)
{
  cluster_create(cluster, "apps/v1", "daemonsets", true, yaml);
}

static void patch(Cluster *cluster, const char *yaml)
{
  cluster_patch(cluster, "apps/v1", "daemonsets", "agent", yaml);
}

static bool has(Cluster *cluster, const char *member, int64_t count)
{
  return workload_has(cluster, "daemonsets", "agent", member, count);
}

/* What `kubectl rollout status` waits for. */
static bool is_done(Cluster *cluster, int64_t nodes)
{
  return has(cluster, "desiredNumberScheduled", nodes) && has(cluster, "updatedNumberScheduled", nodes) &&
         has(cluster, "numberAvailable", nodes) && has(cluster, "currentNumberScheduled", nodes) &&
         cluster_count(cluster, "v1", "pods", "agent") == nodes;
}

static void add_nodes(Cluster *cluster, int last)
{
  for (int i = 2; i <= last; i++) {
    g_autofree char *name = g_strdup_printf("node-%d", i);
    g_autofree char *labels = g_strdup_printf("{kubernetes.io/hostname: %s}", name);
    cluster_add_node(cluster, name, "2", labels);
  }
}

/* The name of the pod on NODE that is not being deleted, "" when there is none. The caller frees. */
static char *pod_on(Cluster *cluster, const char *node)
{
  g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", "agent");
  for (unsigned i = 0; i < pods->len; i++) {
    const Object *pod = g_ptr_array_index(pods, i);
    if (strcmp(pod_node(object_json(pod)), node) == 0 && !pod_is_deleting(object_json(pod)))
      return g_strdup(object_name(pod));
  }
  return g_strdup("");
}

static bool is_on(Cluster *cluster, const char *node)
{
  g_autofree char *name = pod_on(cluster, node);
  return *name;
}

static unsigned count_revisions(Cluster *cluster)
{
  return cluster_count(cluster, "apps/v1", "controllerrevisions", NULL);
}

static void test_nodes(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, AGENT(""));
  cluster_wait(is_done(cluster, 1));
  cluster_wait(cluster_has_event(cluster, "agent", "SuccessfulCreate", "Created pod: agent-"));
  /* A cordoned node keeps its daemon, and gets one when it is new. */
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {unschedulable: true}}");
  add_nodes(cluster, 3);
  cluster_wait(is_done(cluster, 3));
  cluster_patch(cluster, "v1", "nodes", "node-3", "{spec: {unschedulable: true}}");
  g_autofree char *third = pod_on(cluster, "node-3");
  cluster_delete(cluster, "v1", "pods", true, third, NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "pods", third) && is_done(cluster, 3));
  /* A taint nobody tolerates: what runs may stay where only new pods are barred. */
  cluster_patch(cluster, "v1", "nodes", "node-2", "{spec: {taints: [{key: role, effect: NoSchedule}]}}");
  cluster_wait(has(cluster, "numberMisscheduled", 1) && has(cluster, "desiredNumberScheduled", 2));
  g_assert_true(is_on(cluster, "node-2"));
  cluster_patch(cluster, "v1", "nodes", "node-2", "{spec: {taints: [{key: role, effect: NoExecute}]}}");
  cluster_wait(!is_on(cluster, "node-2") && has(cluster, "numberMisscheduled", 0));
  cluster_patch(cluster, "v1", "nodes", "node-2", "{spec: {taints: null}}");
  cluster_wait(is_done(cluster, 3));
  /* Labels decide too. */
  patch(cluster, "{spec: {template: {spec: {nodeSelector: {disk: ssd}}}}}");
  cluster_wait(has(cluster, "desiredNumberScheduled", 0) && cluster_count(cluster, "v1", "pods", "agent") == 0);
  cluster_patch(cluster, "v1", "nodes", "node-3", "{metadata: {labels: {disk: ssd}}}");
  cluster_wait(is_done(cluster, 1) && is_on(cluster, "node-3"));
  cluster_delete(cluster, "v1", "nodes", false, "node-3", NULL);
  cluster_wait(has(cluster, "desiredNumberScheduled", 0) && has(cluster, "currentNumberScheduled", 0));
}

static void test_pod(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, AGENT(""));
  cluster_wait(is_done(cluster, 1));
  g_autofree char *name = pod_on(cluster, "node-1");
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  g_autofree char *hash = workload_note(cluster, "v1", "pods", name, "labels", "controller-revision-hash");
  g_autofree char *revision = g_strconcat("agent-", hash, NULL);
  g_assert_true(cluster_exists(cluster, "apps/v1", "controllerrevisions", revision));
  g_autofree char *label =
      workload_note(cluster, "apps/v1", "controllerrevisions", revision, "labels", "controller-revision-hash");
  g_assert_cmpstr(label, ==, hash);
  g_autofree char *cause =
      workload_note(cluster, "apps/v1", "controllerrevisions", revision, "annotations", "kubernetes.io/change-cause");
  g_assert_cmpstr(cause, ==, "first");
  const json_t *terms = json_at(pod, "spec", "affinity", "nodeAffinity",
                                "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", NULL);
  const json_t *field = json_array_get(json_object_get(json_array_get(terms, 0), "matchFields"), 0);
  g_assert_cmpstr(json_str(field, "key", ""), ==, "metadata.name");
}

/* One missing at a time; with a hold on the kubelet nothing goes beyond. */
static void test_update(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_nodes(cluster, 4);
  add_set(cluster, AGENT(""));
  cluster_wait(is_done(cluster, 4));
  cluster_hold_kubelet(cluster, true);
  patch(cluster, IMAGE("two"));
  for (unsigned done = 0; done < 4; done++) {
    cluster_wait(cluster_count_pods(cluster, "agent") == 3 && has(cluster, "currentNumberScheduled", 4));
    g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", "agent");
    for (unsigned i = 0; i < pods->len; i++)
      if (pod_is_deleting(object_json(g_ptr_array_index(pods, i))))
        workload_drop_pod(cluster, object_name(g_ptr_array_index(pods, i)));
    cluster_wait(workload_images(cluster, "agent", "two") == done + 1 && cluster_count_pods(cluster, "agent") == 4);
    workload_run_pods(cluster, "agent");
  }
  cluster_wait(is_done(cluster, 4));
}

/* The new pod comes beside the old one, which goes when the new one serves. */
static void test_surge(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_nodes(cluster, 2);
  add_set(cluster, AGENT(", updateStrategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}"));
  cluster_wait(is_done(cluster, 2));
  cluster_hold_kubelet(cluster, true);
  patch(cluster, IMAGE("two"));
  cluster_wait(workload_images(cluster, "agent", "two") == 1 && has(cluster, "numberAvailable", 2));
  g_assert_cmpuint(cluster_count_pods(cluster, "agent"), ==, 3);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_done(cluster, 2) && workload_images(cluster, "agent", "two") == 2);
}

static void test_on_delete(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, AGENT(", updateStrategy: {type: OnDelete}"));
  cluster_wait(is_done(cluster, 1));
  patch(cluster, IMAGE("two"));
  cluster_wait(has(cluster, "updatedNumberScheduled", 0));
  g_assert_cmpuint(workload_images(cluster, "agent", "one"), ==, 1);
  g_autofree char *name = pod_on(cluster, "node-1");
  cluster_delete(cluster, "v1", "pods", true, name, NULL);
  cluster_wait(is_done(cluster, 1) && workload_images(cluster, "agent", "two") == 1);
}

static void test_ended(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, AGENT(""));
  cluster_wait(is_done(cluster, 1));
  g_autofree char *first = pod_on(cluster, "node-1");
  g_autofree char *text =
      g_strdup_printf("Found failed daemon pod default/%s on node node-1, will try to kill it", first);
  workload_end_pod(cluster, first, "Failed");
  cluster_wait(cluster_has_event(cluster, "agent", "FailedDaemonPod", text) && is_done(cluster, 1));
  /* The next within a second stays that long. */
  g_autofree char *second = pod_on(cluster, "node-1");
  workload_end_pod(cluster, second, "Failed");
  cluster_wait(!cluster_exists(cluster, "v1", "pods", second) && is_done(cluster, 1));
  g_autofree char *third = pod_on(cluster, "node-1");
  g_autofree char *end =
      g_strdup_printf("Found succeeded daemon pod default/%s on node node-1, will try to delete it", third);
  workload_end_pod(cluster, third, "Succeeded");
  cluster_wait(cluster_has_event(cluster, "agent", "SucceededDaemonPod", end) && is_done(cluster, 1));
}

static void test_min_ready(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, AGENT(", minReadySeconds: 3600"));
  cluster_wait(has(cluster, "numberReady", 1) && has(cluster, "numberUnavailable", 1));
  patch(cluster, "{spec: {minReadySeconds: 1}}");
  cluster_wait(has(cluster, "numberAvailable", 1)); /* time alone */
}

/* All but the newest count; those of living pods stay. */
static void test_revisions(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, AGENT(", revisionHistoryLimit: 2"));
  cluster_wait(is_done(cluster, 1));
  for (int i = 0; i < 5; i++) {
    g_autofree char *yaml = g_strdup_printf(IMAGE("'%d'"), i), *image = g_strdup_printf("%d", i);
    patch(cluster, yaml);
    cluster_wait(is_done(cluster, 1) && workload_images(cluster, "agent", image) == 1);
  }
  cluster_wait(count_revisions(cluster) == 3);
  /* An old template that comes back is renumbered, not made again. */
  patch(cluster, IMAGE("'3'"));
  cluster_wait(is_done(cluster, 1) && workload_images(cluster, "agent", "3") == 1);
  g_autoptr(GPtrArray) revisions = cluster_list(cluster, "apps/v1", "controllerrevisions", NULL);
  int64_t newest = 0;
  for (unsigned i = 0; i < revisions->len; i++)
    newest = MAX(newest, json_int(object_json(g_ptr_array_index(revisions, i)), "revision", 0));
  g_assert_cmpuint(revisions->len, ==, 3);
  g_assert_cmpint(newest, ==, 7);
  /* A successor adopts pods and revisions, and has nothing to replace. */
  g_autofree char *before = pod_on(cluster, "node-1");
  cluster_delete(cluster, "apps/v1", "daemonsets", true, "agent", "Orphan");
  cluster_wait(!cluster_exists(cluster, "apps/v1", "daemonsets", "agent"));
  cluster_create(
      cluster, "apps/v1", "daemonsets", true,
      "{metadata: {name: agent}, spec: {selector: {matchLabels: {app: agent}}, template: {metadata: {labels: "
      "{app: agent}}, spec: {containers: [{name: c, image: '3'}]}}}}");
  cluster_wait(is_done(cluster, 1));
  g_autofree char *after = pod_on(cluster, "node-1");
  g_assert_cmpstr(after, ==, before);
  g_assert_cmpuint(count_revisions(cluster), ==, 3);
}

#define GENERATION "deprecated.daemonset.template.generation"

static bool is_generation(Cluster *cluster, const char *number)
{
  g_autofree char *now = workload_note(cluster, "apps/v1", "daemonsets", "agent", "annotations", GENERATION);
  return strcmp(now, number) == 0;
}

static bool are_pods_of_generation(Cluster *cluster, const char *number)
{
  g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", "agent");
  for (unsigned i = 0; i < pods->len; i++) {
    const json_t *labels = json_at(object_json(g_ptr_array_index(pods, i)), "metadata", "labels", NULL);
    if (strcmp(json_str(labels, "pod-template-generation", ""), number) != 0)
      return false;
  }
  return pods->len > 0;
}

/* The server counts the changes of the template and of nothing else, and nobody else does. */
static void test_template_generation(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, AGENT(""));
  g_assert_true(is_generation(cluster, "1"));
  cluster_wait(is_done(cluster, 1) && are_pods_of_generation(cluster, "1"));
  patch(cluster, "{spec: {minReadySeconds: 1}, metadata: {labels: {a: b}}}");
  g_assert_true(is_generation(cluster, "1"));
  patch(cluster, "{metadata: {annotations: {" GENERATION ": '7'}}}");
  g_assert_true(is_generation(cluster, "1"));
  patch(cluster, "{metadata: {annotations: null}}");
  g_assert_true(is_generation(cluster, "1"));
  patch(cluster, IMAGE("two"));
  g_assert_true(is_generation(cluster, "2"));
  cluster_wait(is_done(cluster, 1) && are_pods_of_generation(cluster, "2"));
  g_assert_true(is_generation(cluster, "2")); /* what the controller wrote of its status changed nothing */
}

/* A new one may begin at any count from 1. */
static void test_first_generation(void)
{
  static const char *const rows[][2] = { { "7", "7" }, { "0", "1" }, { "-3", "1" } };
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_stop(cluster);
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *set = g_strdup_printf(
        "{metadata: {name: agent, annotations: {" GENERATION ": '%s'}}, spec: {selector: {matchLabels: {a: b}}, "
        "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}",
        rows[i][0]);
    add_set(cluster, set);
    g_assert_true(is_generation(cluster, rows[i][1]));
    cluster_delete(cluster, "apps/v1", "daemonsets", true, "agent", NULL);
  }
}

/* The name a template's hash leads to is another's: the next is taken, and counted. */
static void test_collision(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_set(cluster, AGENT(""));
  cluster_wait(is_done(cluster, 1));
  g_autoptr(GPtrArray) revisions = cluster_list(cluster, "apps/v1", "controllerrevisions", NULL);
  g_assert_cmpuint(revisions->len, ==, 1);
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: %s}, revision: 1, data: {spec: other}}",
                                          object_name(g_ptr_array_index(revisions, 0)));
  cluster_delete(cluster, "apps/v1", "daemonsets", true, "agent", "Foreground");
  cluster_wait(!cluster_exists(cluster, "apps/v1", "daemonsets", "agent") && count_revisions(cluster) == 0);
  cluster_create(cluster, "apps/v1", "controllerrevisions", true, yaml);
  add_set(cluster, AGENT(""));
  cluster_wait(is_done(cluster, 1) && has(cluster, "collisionCount", 1));
  g_assert_cmpuint(count_revisions(cluster), ==, 2);
}

static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_nodes(cluster, 6);
  add_set(cluster, AGENT(""));
  for (int i = 0; i < 6; i++) {
    cluster_wait(cluster_count(cluster, "v1", "pods", "agent") > (unsigned)i);
    cluster_stop(cluster);
    g_autofree char *yaml = g_strdup_printf(IMAGE("'%d'"), i);
    patch(cluster, yaml);
    cluster_resume(cluster);
  }
  cluster_wait(is_done(cluster, 6) && workload_images(cluster, "agent", "5") == 6);
}

static void test_deleted_while_creating(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_nodes(cluster, 20);
  for (int i = 0; i < 4; i++) {
    add_set(cluster, AGENT(""));
    cluster_wait(cluster_count(cluster, "v1", "pods", "agent") > 0);
    cluster_delete(cluster, "apps/v1", "daemonsets", true, "agent", i % 2 ? "Background" : "Foreground");
    cluster_wait(!cluster_exists(cluster, "apps/v1", "daemonsets", "agent") &&
                 cluster_count(cluster, "v1", "pods", "agent") == 0 && count_revisions(cluster) == 0);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/daemon-set/nodes", test_nodes);
  g_test_add_func("/daemon-set/pod", test_pod);
  g_test_add_func("/daemon-set/update", test_update);
  g_test_add_func("/daemon-set/surge", test_surge);
  g_test_add_func("/daemon-set/on-delete", test_on_delete);
  g_test_add_func("/daemon-set/ended", test_ended);
  g_test_add_func("/daemon-set/min-ready", test_min_ready);
  g_test_add_func("/daemon-set/revisions", test_revisions);
  g_test_add_func("/daemon-set/template-generation", test_template_generation);
  g_test_add_func("/daemon-set/first-generation", test_first_generation);
  g_test_add_func("/daemon-set/collision", test_collision);
  g_test_add_func("/daemon-set/restart", test_restart);
  g_test_add_func("/daemon-set/deleted-while-creating", test_deleted_while_creating);
  return g_test_run();
}
