#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"

static bool end_pod(json_t *value, void *data)
{
  json_object_set_new(json_object_get(value, "status"), "phase", json_string(data));
  return true;
}

/* Says for one running pod of APP that it has ended. False when there is none. */
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

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/job/life", test_job);
  g_test_add_func("/job/fails", test_job_fails);
  g_test_add_func("/job/indexed", test_job_indexed);
  return g_test_run();
}
