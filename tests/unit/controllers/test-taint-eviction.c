#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/nodes/taint_eviction.h"

static unsigned count_placed(Cluster *cluster)
{
  g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", "web");
  unsigned count = 0;
  for (unsigned i = 0; i < pods->len; i++)
    count += *pod_node(object_json(g_ptr_array_index(pods, i))) != '\0';
  return count;
}

static void test_taints(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {unschedulable: true}}");
  g_autoptr(json_t) node = NULL;
  cluster_wait((json_decref(node), node = cluster_get(cluster, "v1", "nodes", false, "node-1"),
                json_array_size(json_at(node, "spec", "taints", NULL)) == 1));
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {unschedulable: null}}");
  cluster_wait((json_decref(node), node = cluster_get(cluster, "v1", "nodes", false, "node-1"),
                json_array_size(json_at(node, "spec", "taints", NULL)) == 0));
  /* A NoExecute taint drives out what does not tolerate it. */
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {taints: [{key: away, effect: NoExecute}]}}");
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 2 && count_placed(cluster) == 0);
}

/* --- when ----------------------------------------------------------------------------------------------------------
 */

#define SECOND ((int64_t)G_USEC_PER_SEC)
#define SEEN_US ((int64_t)1700000000 * SECOND)

/* The time, in seconds after SEEN_US; -1 for ever, -2 at once. */
static int64_t time_of(const char *tolerations, const char *taints)
{
  g_autofree char *pod_text = g_strdup_printf(
      "{\"metadata\": {\"creationTimestamp\": \"2023-11-14T22:13:20Z\"}, \"spec\": {\"tolerations\": [%s]}}",
      tolerations);
  g_autofree char *node_text = g_strdup_printf("{\"spec\": {\"taints\": [%s]}}", taints);
  g_autoptr(json_t) pod = json_loads(pod_text, 0, NULL), node = json_loads(node_text, 0, NULL);
  g_assert_true(pod && node);
  int64_t time_us = taint_eviction_time(pod, node, SEEN_US);
  return time_us < 0 ? -1 : time_us == 0 ? -2 : (time_us - SEEN_US) / SECOND;
}

static void test_times(void)
{
  static const char execute[] = "{\"key\": \"k\", \"effect\": \"NoExecute\"}";
  static const char other[] = "{\"key\": \"o\", \"effect\": \"NoExecute\"}";
  static const char old[] = "{\"key\": \"k\", \"effect\": \"NoExecute\", \"timeAdded\": \"2020-01-01T00:00:00Z\"}";
  static const char late[] = "{\"key\": \"k\", \"effect\": \"NoExecute\", \"timeAdded\": \"2023-11-14T22:13:40Z\"}";
  static const char ten[] = "{\"key\": \"k\", \"operator\": \"Exists\", \"tolerationSeconds\": 10}";
  static const char both[] = "{\"key\": \"k\", \"operator\": \"Exists\", \"tolerationSeconds\": 10}, "
                             "{\"key\": \"o\", \"operator\": \"Exists\", \"tolerationSeconds\": 5}";
  static const char always[] = "{\"operator\": \"Exists\"}";
  g_autofree char *two = g_strconcat(execute, ", ", other, NULL);
  g_assert_cmpint(time_of("", ""), ==, -1);
  g_assert_cmpint(time_of("", "{\"key\": \"k\", \"effect\": \"NoSchedule\"}"), ==, -1);
  g_assert_cmpint(time_of("", execute), ==, -2);
  g_assert_cmpint(time_of(always, two), ==, -1);
  g_assert_cmpint(time_of(ten, execute), ==, 10);
  g_assert_cmpint(time_of(ten, two), ==, -2); /* all of them must be tolerated */
  g_assert_cmpint(time_of(both, two), ==, 5); /* and the shortest time counts */
  g_assert_cmpint(time_of(ten, late), ==, 30);
  g_assert_cmpint(time_of(ten, old), ==, 10); /* the taint was there before the pod */
  g_assert_cmpint(time_of("{\"key\": \"k\", \"operator\": \"Exists\", \"tolerationSeconds\": -3}", execute), ==, 0);
}

/* --- what people see -----------------------------------------------------------------------------------------------
 */

#define TAINT "{spec: {taints: [{key: away, effect: NoExecute}]}}"

static void add_pod(Cluster *cluster, const char *name, const char *tolerations)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s, finalizers: [example.com/look]}, spec: {nodeName: node-1, tolerations: "
                      "[%s], containers: [{name: c, image: i}]}}",
                      name, tolerations);
  cluster_create(cluster, "v1", "pods", true, yaml);
}

static bool is_deleting(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, name);
  return pod_is_deleting(pod);
}

static void test_seconds(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_pod(cluster, "none", "");
  add_pod(cluster, "one", "{key: away, operator: Exists, effect: NoExecute, tolerationSeconds: 1}");
  add_pod(cluster, "hour", "{key: away, operator: Exists, effect: NoExecute, tolerationSeconds: 3600}");
  add_pod(cluster, "ever", "{key: away, operator: Exists}");
  cluster_patch(cluster, "v1", "nodes", "node-1", TAINT);
  cluster_wait(is_deleting(cluster, "none"));
  cluster_wait(cluster_has_event(cluster, "none", "TaintManagerEviction", "Marking for deletion Pod default/none"));
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, "none");
  const json_t *condition = condition_get(json_object_get(pod, "status"), "DisruptionTarget");
  g_assert_cmpstr(json_str(condition, "reason", ""), ==, "DeletionByTaintManager");
  g_assert_cmpstr(json_str(condition, "message", ""), ==, "Taint manager: deleting due to NoExecute taint");
  /* a taint that does not say since when counts from when it was seen */
  cluster_wait(is_deleting(cluster, "one"));
  /* a pod that comes later has its whole time */
  add_pod(cluster, "late", "{key: away, operator: Exists, effect: NoExecute, tolerationSeconds: 3600}");
  g_assert_false(is_deleting(cluster, "hour") || is_deleting(cluster, "ever") || is_deleting(cluster, "late"));
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {taints: null}}");
  cluster_wait(cluster_has_event(cluster, "hour", "TaintManagerEviction", "Cancelling deletion of Pod default/hour"));
  g_assert_false(cluster_has_event(cluster, "ever", "TaintManagerEviction", ""));
}

/* Tolerations may be added to a pod that waits for its end. */
static void test_more_tolerations(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_pod(cluster, "p", "{key: away, operator: Exists, effect: NoExecute, tolerationSeconds: 3600}");
  cluster_patch(cluster, "v1", "nodes", "node-1",
                "{spec: {taints: [{key: away, effect: NoExecute}, {key: too, effect: PreferNoSchedule}]}}");
  add_pod(cluster, "marker", ""); /* what was queued before it has been looked at when this one goes */
  cluster_wait(is_deleting(cluster, "marker"));
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, "p");
  g_autoptr(json_t) spec = json_pack("{s:o}", "tolerations", json_deep_copy(json_at(pod, "spec", "tolerations", NULL)));
  json_array_insert_new(json_object_get(spec, "tolerations"), 0, json_pack("{s:s}", "operator", "Exists"));
  g_autoptr(json_t) patch = json_pack("{s:O}", "spec", spec);
  g_autofree char *text = json_dumps(patch, 0);
  cluster_patch(cluster, "v1", "pods", "p", text);
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {taints: [{key: away, effect: NoExecute}]}}");
  cluster_wait(cluster_has_event(cluster, "p", "TaintManagerEviction", "Cancelling deletion of Pod default/p"));
  g_assert_false(is_deleting(cluster, "p"));
}

/* What happened while the controllers were away is made up for. */
static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_pod(cluster, "p", "");
  cluster_stop(cluster);
  cluster_patch(cluster, "v1", "nodes", "node-1", TAINT);
  cluster_resume(cluster);
  cluster_wait(is_deleting(cluster, "p"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/taint-eviction/life", test_taints);
  g_test_add_func("/taint-eviction/times", test_times);
  g_test_add_func("/taint-eviction/seconds", test_seconds);
  g_test_add_func("/taint-eviction/more-tolerations", test_more_tolerations);
  g_test_add_func("/taint-eviction/restart", test_restart);
  return g_test_run();
}
