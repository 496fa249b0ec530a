#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"

#define WEB                                                                                                            \
  "{metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels: "    \
  "{app: web}}, spec: {containers: [{name: web, image: i, ports: [{name: http, containerPort: 8080}]}]}}}}"

/* How many addresses Endpoints has, ready or not. */
static size_t count_addresses(Cluster *cluster, const char *name, const char *list)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "endpoints", true, name);
  size_t count = 0, i;
  json_t *subset;
  json_array_foreach (json_object_get(value, "subsets"), i, subset)
    count += json_array_size(json_object_get(subset, list));
  return count;
}

static size_t count_sliced(Cluster *cluster, const char *service, bool ready)
{
  g_autoptr(GPtrArray) slices = cluster_list(cluster, "discovery.k8s.io/v1", "endpointslices", NULL);
  size_t count = 0, k;
  json_t *endpoint;
  for (unsigned i = 0; i < slices->len; i++) {
    const json_t *slice = object_json(g_ptr_array_index(slices, i));
    const json_t *labels = json_at(slice, "metadata", "labels", NULL);
    if (strcmp(json_str(labels, "kubernetes.io/service-name", ""), service) == 0)
      json_array_foreach (json_object_get(slice, "endpoints"), k, endpoint)
        count += json_flag(json_object_get(endpoint, "conditions"), "ready", true) == ready;
  }
  return count;
}

static void test_endpoints(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true,
                 "{metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: http, port: 80, protocol: TCP, "
                 "targetPort: http}]}}");
  cluster_wait(cluster_exists(cluster, "v1", "endpoints", "web"));
  cluster_hold_kubelet(cluster, true);
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  /* A pod without an address has no endpoint. */
  g_assert_cmpuint(count_addresses(cluster, "web", "addresses"), ==, 0);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(count_addresses(cluster, "web", "addresses") == 2);
  cluster_wait(count_sliced(cluster, "web", true) == 2);
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "endpoints", true, "web");
  const json_t *port =
      json_array_get(json_object_get(json_array_get(json_object_get(value, "subsets"), 0), "ports"), 0);
  g_assert_cmpint(json_int(port, "port", 0), ==, 8080);
  g_assert_cmpstr(json_str(port, "name", ""), ==, "http");
  /* An ending pod leaves Endpoints at once and stays in its slice, not ready. */
  cluster_hold_kubelet(cluster, true);
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 1}}");
  cluster_wait(count_addresses(cluster, "web", "addresses") == 1);
  cluster_wait(count_sliced(cluster, "web", true) == 1 && count_sliced(cluster, "web", false) == 1);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(count_sliced(cluster, "web", false) == 0);
  cluster_delete(cluster, "v1", "services", true, "web", NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "endpoints", "web"));
  cluster_wait(cluster_count(cluster, "discovery.k8s.io/v1", "endpointslices", NULL) == 0);
}

static void test_mirror(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true,
                 "{metadata: {name: db}, spec: {ports: [{port: 5432, protocol: TCP}]}}");
  cluster_create(
      cluster, "v1", "endpoints", true,
      "{metadata: {name: db}, subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{port: 5432, protocol: TCP}]}]}");
  cluster_wait(count_sliced(cluster, "db", true) == 1);
  g_assert_cmpuint(count_addresses(cluster, "db", "addresses"), ==, 1);
}

static void test_garbage(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Background");
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 0);
  cluster_wait(cluster_count(cluster, "apps/v1", "replicasets", "web") == 0);

  /* Foreground: the owner is the last to go. */
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_hold_kubelet(cluster, true);
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Foreground");
  cluster_wait(cluster_count_pods(cluster, "web") == 0);
  g_assert_true(cluster_exists(cluster, "apps/v1", "deployments", "web"));
  cluster_hold_kubelet(cluster, false);
  cluster_wait(!cluster_exists(cluster, "apps/v1", "deployments", "web"));

  /* Orphan: what belonged to it stays. */
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Orphan");
  cluster_wait(!cluster_exists(cluster, "apps/v1", "deployments", "web"));
  g_usleep(20000);
  g_assert_cmpuint(cluster_count_pods(cluster, "web"), ==, 2);
}

static void test_namespace(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  Client *client = cluster_client(cluster);
  cluster_create(cluster, "v1", "namespaces", false, "{metadata: {name: lab}, spec: {finalizers: [kubernetes]}}");
  g_autoptr(Object) account = NULL, root = NULL;
  cluster_wait((account = client_get(client, "v1", "serviceaccounts", "lab", "default", NULL)) != NULL);
  cluster_wait((root = client_get(client, "v1", "configmaps", "lab", "kube-root-ca.crt", NULL)) != NULL);
  g_assert_cmpstr(json_str(json_object_get(object_json(root), "data"), "ca.crt", ""), ==, "the certificate");
  /* Both come back when they are deleted. */
  g_assert_true(client_delete(client, "v1", "configmaps", "lab", "kube-root-ca.crt", NULL, NULL));
  object_unref(g_steal_pointer(&root));
  cluster_wait((root = client_get(client, "v1", "configmaps", "lab", "kube-root-ca.crt", NULL)) != NULL);
  g_autoptr(json_t) pod = json_pack("{s:{s:s}, s:{s:[{s:s, s:s}]}}", "metadata", "name", "p", "spec", "containers",
                                    "name", "c", "image", "i");
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) created = client_create(client, "v1", "pods", "lab", pod, &error);
  g_assert_no_error(error);
  cluster_delete(cluster, "v1", "namespaces", false, "lab", NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "namespaces", "lab"));
  g_autoptr(Object) left = client_get(client, "v1", "pods", "lab", "p", NULL);
  g_assert_null(left);
}

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
  cluster_create(cluster, "apps/v1", "deployments", true, WEB);
  cluster_wait(count_addresses(cluster, "web", "addresses") == 0 && cluster_count_pods(cluster, "web") == 2);
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

static bool is_daemon_status(Cluster *cluster, int64_t desired, int64_t available, int64_t updated)
{
  g_autoptr(json_t) set = cluster_get(cluster, "apps/v1", "daemonsets", true, "agent");
  const json_t *status = json_object_get(set, "status");
  return json_int(status, "desiredNumberScheduled", 0) == desired &&
         json_int(status, "numberAvailable", 0) == available &&
         json_int(status, "updatedNumberScheduled", 0) == updated;
}

static void test_daemon_set(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(
      cluster, "apps/v1", "daemonsets", true,
      "{metadata: {name: agent}, spec: {selector: {matchLabels: {app: agent}}, template: {metadata: {labels: "
      "{app: agent}}, spec: {containers: [{name: c, image: one}]}}}}");
  cluster_wait(is_daemon_status(cluster, 1, 1, 1));
  /* A cordoned node keeps its daemon, and gets one when it is new. */
  cluster_patch(cluster, "v1", "nodes", "node-1", "{spec: {unschedulable: true}}");
  cluster_add_node(cluster, "node-2", "2", "{kubernetes.io/hostname: node-2}");
  cluster_wait(is_daemon_status(cluster, 2, 2, 2));
  cluster_patch(cluster, "apps/v1", "daemonsets", "agent",
                "{spec: {template: {spec: {containers: [{name: c, image: two}]}}}}");
  cluster_wait(is_daemon_status(cluster, 2, 2, 2) &&
               cluster_count(cluster, "apps/v1", "controllerrevisions", NULL) == 2 &&
               cluster_count(cluster, "v1", "pods", "agent") == 2);
  cluster_delete(cluster, "apps/v1", "daemonsets", true, "agent", "Background");
  cluster_wait(cluster_count(cluster, "v1", "pods", "agent") == 0);
}

/* Says for one running pod of APP that it has ended. False when there is none. */
static bool end_pod(json_t *value, void *data)
{
  json_object_set_new(json_object_get(value, "status"), "phase", json_string(data));
  return true;
}

static bool end_one(Cluster *cluster, const char *app, const char *phase)
{
  g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", app);
  for (unsigned i = 0; i < pods->len; i++) {
    const Object *pod = g_ptr_array_index(pods, i);
    if (strcmp(pod_phase(object_json(pod)), "Running") != 0)
      continue;
    g_autoptr(Object) stored = client_modify(cluster_client(cluster), "v1", "pods", "default", object_name(pod),
                                             "status", end_pod, (void *)(uintptr_t)phase, NULL);
    return stored != NULL;
  }
  return false;
}

static bool is_job_status(Cluster *cluster, const char *name, int64_t active, int64_t succeeded, int64_t failed)
{
  g_autoptr(json_t) job = cluster_get(cluster, "batch/v1", "jobs", true, name);
  const json_t *status = json_object_get(job, "status");
  return json_int(status, "active", 0) == active && json_int(status, "succeeded", 0) == succeeded &&
         json_int(status, "failed", 0) == failed;
}

static bool is_job_condition(Cluster *cluster, const char *name, const char *condition)
{
  g_autoptr(json_t) job = cluster_get(cluster, "batch/v1", "jobs", true, name);
  return condition_is(json_object_get(job, "status"), condition, "True");
}

static void test_job(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(
      cluster, "batch/v1", "jobs", true,
      "{metadata: {name: sum}, spec: {completions: 3, parallelism: 2, template: {metadata: {labels: {app: sum}}, "
      "spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}");
  cluster_wait(is_job_status(cluster, "sum", 2, 0, 0));
  for (int done = 1; done <= 3; done++) {
    cluster_wait(end_one(cluster, "sum", "Succeeded"));
    cluster_wait(is_job_status(cluster, "sum", MIN(2, 3 - done), done, 0));
  }
  cluster_wait(is_job_condition(cluster, "sum", "Complete"));
  cluster_wait(cluster_has_event(cluster, "sum", "Completed", "Job completed"));
  /* Finished pods stay for their logs, and hold nothing back. */
  g_assert_cmpuint(cluster_count(cluster, "v1", "pods", "sum"), ==, 3);
  cluster_delete(cluster, "batch/v1", "jobs", true, "sum", "Background");
  cluster_wait(cluster_count(cluster, "v1", "pods", "sum") == 0);
}

static void test_job_fails(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(
      cluster, "batch/v1", "jobs", true,
      "{metadata: {name: bad}, spec: {backoffLimit: 0, ttlSecondsAfterFinished: 1, template: {metadata: {labels: "
      "{app: bad}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}");
  cluster_wait(end_one(cluster, "bad", "Failed"));
  cluster_wait(is_job_condition(cluster, "bad", "Failed"));
  cluster_wait(cluster_has_event(cluster, "bad", "BackoffLimitExceeded", "reached the specified backoff limit"));
  cluster_wait(!cluster_exists(cluster, "batch/v1", "jobs", "bad"));
}

static void test_job_indexed(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(
      cluster, "batch/v1", "jobs", true,
      "{metadata: {name: part}, spec: {completionMode: Indexed, completions: 3, parallelism: 3, template: "
      "{metadata: {labels: {app: part}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}");
  for (int done = 0; done < 3; done++)
    cluster_wait(end_one(cluster, "part", "Succeeded"));
  cluster_wait(is_job_condition(cluster, "part", "Complete"));
  g_autoptr(json_t) job = cluster_get(cluster, "batch/v1", "jobs", true, "part");
  g_assert_cmpstr(json_str(json_object_get(job, "status"), "completedIndexes", ""), ==, "0-2");
}

static bool is_set_status(Cluster *cluster, int64_t ready, int64_t updated)
{
  g_autoptr(json_t) set = cluster_get(cluster, "apps/v1", "statefulsets", true, "db");
  const json_t *status = json_object_get(set, "status");
  return json_int(status, "readyReplicas", 0) == ready && json_int(status, "updatedReplicas", 0) == updated &&
         json_int(status, "replicas", 0) == ready;
}

static void test_stateful_set(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_hold_kubelet(cluster, true);
  cluster_create(
      cluster, "apps/v1", "statefulsets", true,
      "{metadata: {name: db}, spec: {serviceName: db, replicas: 3, selector: {matchLabels: {app: db}}, template: "
      "{metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: one}]}}, volumeClaimTemplates: "
      "[{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}}");
  cluster_wait(cluster_exists(cluster, "v1", "pods", "db-0"));
  /* In order: the second waits for the first. */
  g_usleep(50000);
  g_assert_false(cluster_exists(cluster, "v1", "pods", "db-1"));
  cluster_hold_kubelet(cluster, false);
  cluster_wait(is_set_status(cluster, 3, 3));
  g_assert_true(cluster_exists(cluster, "v1", "persistentvolumeclaims", "data-db-2"));
  g_autoptr(json_t) pod = cluster_get(cluster, "v1", "pods", true, "db-1");
  g_assert_cmpstr(json_str(json_object_get(pod, "spec"), "hostname", ""), ==, "db-1");
  g_assert_cmpstr(json_str(json_object_get(pod, "spec"), "subdomain", ""), ==, "db");
  cluster_wait(cluster_has_event(cluster, "db", "SuccessfulCreate", "create Pod db-2 in StatefulSet db successful"));

  /* An update replaces each under its name; scaling down keeps the claims. */
  cluster_patch(cluster, "apps/v1", "statefulsets", "db",
                "{spec: {template: {spec: {containers: [{name: c, image: two}]}}}}");
  cluster_wait(cluster_count(cluster, "apps/v1", "controllerrevisions", NULL) == 2);
  cluster_wait(is_set_status(cluster, 3, 3));
  cluster_patch(cluster, "apps/v1", "statefulsets", "db", "{spec: {replicas: 1}}");
  cluster_wait(is_set_status(cluster, 1, 1));
  g_assert_true(cluster_exists(cluster, "v1", "pods", "db-0"));
  g_assert_true(cluster_exists(cluster, "v1", "persistentvolumeclaims", "data-db-2"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/controllers/endpoints", test_endpoints);
  g_test_add_func("/controllers/mirror", test_mirror);
  g_test_add_func("/controllers/garbage", test_garbage);
  g_test_add_func("/controllers/namespace", test_namespace);
  g_test_add_func("/controllers/taints", test_taints);
  g_test_add_func("/controllers/daemon-set", test_daemon_set);
  g_test_add_func("/controllers/job", test_job);
  g_test_add_func("/controllers/job-fails", test_job_fails);
  g_test_add_func("/controllers/job-indexed", test_job_indexed);
  g_test_add_func("/controllers/stateful-set", test_stateful_set);
  return g_test_run();
}
