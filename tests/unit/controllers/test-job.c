/* The life of jobs: completions, work queues, suspension, deadlines, ownership, and what a restart must not change. */
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/batch/job_state.h"
#include "jobs.h"

static const char *text_of(const json_t *value, const char *map, const char *key)
{
  return json_str(json_at(value, "metadata", map, NULL), key, "");
}

static void check_labels(Jobs *jobs, const char *name)
{
  g_autoptr(json_t) job = cluster_get(jobs->cluster, "batch/v1", "jobs", true, name);
  const char *uid = json_str(json_object_get(job, "metadata"), "uid", "");
  g_autoptr(GPtrArray) pods = jobs_active(jobs, name);
  const json_t *pod = object_json(pods->pdata[0]);
  g_assert_cmpstr(text_of(pod, "labels", "job-name"), ==, name);
  g_assert_cmpstr(text_of(pod, "labels", "batch.kubernetes.io/job-name"), ==, name);
  g_assert_cmpstr(text_of(pod, "labels", "controller-uid"), ==, uid);
  g_assert_cmpstr(text_of(pod, "labels", "batch.kubernetes.io/controller-uid"), ==, uid);
  g_assert_cmpstr(json_str(json_array_get(json_at(pod, "metadata", "ownerReferences", NULL), 0), "uid", ""), ==, uid);
  g_assert_true(job_pod_is_tracked(pod));
  g_autofree char *prefix = g_strconcat(name, "-", NULL);
  g_assert_true(g_str_has_prefix(text_of(pod, "labels", "job-name"), name));
  g_assert_true(g_str_has_prefix(object_name(pods->pdata[0]), prefix));
}

static void test_completions(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "sum", "completions: 3, parallelism: 2");
  cluster_wait(jobs_status(jobs, "sum", "{active: 2, ready: 2, terminating: 0, succeeded: null, failed: null}"));
  check_labels(jobs, "sum");
  for (int done = 1; done < 3; done++) {
    g_autofree char *wanted =
        g_strdup_printf("{active: %d, succeeded: %d, uncountedTerminatedPods: {}}", MIN(2, 3 - done), done);
    jobs_end_one(jobs, "sum", -1, 0);
    cluster_wait(jobs_status(jobs, "sum", wanted));
  }
  jobs_end_one(jobs, "sum", -1, 0);
  cluster_wait(jobs_condition(jobs, "sum", "Complete", "CompletionsReached"));
  g_assert_true(jobs_condition(jobs, "sum", "SuccessCriteriaMet", "CompletionsReached"));
  g_assert_true(jobs_status(jobs, "sum", "{active: null, ready: 0, terminating: 0, succeeded: 3, failed: null}"));
  g_autofree char *now = timestamp_text(alarm_clock_now_us(jobs->clock));
  g_autofree char *times = g_strdup_printf("{startTime: \"%s\", completionTime: \"%s\"}", now, now);
  g_assert_true(jobs_status(jobs, "sum", times));
  g_autoptr(json_t) job = cluster_get(jobs->cluster, "batch/v1", "jobs", true, "sum");
  const json_t *complete = condition_get(json_object_get(job, "status"), "Complete");
  g_assert_cmpstr(json_str(complete, "message", ""), ==, "Reached expected number of succeeded pods");
  g_assert_cmpstr(json_str(complete, "lastProbeTime", ""), ==, now);
  cluster_wait(cluster_has_event(jobs->cluster, "sum", "Completed", "Job completed"));
  g_assert_true(cluster_has_event(jobs->cluster, "sum", "SuccessfulCreate", "Created pod: sum-"));
  /* Finished pods stay for their logs, and hold nothing back. */
  g_assert_cmpuint(jobs_count_tracked(jobs, "sum", false), ==, 3);
  cluster_delete(jobs->cluster, "batch/v1", "jobs", true, "sum", "Background");
  cluster_wait(cluster_count(jobs->cluster, "v1", "pods", "sum") == 0);
}

static void test_work_queue(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "queue", "parallelism: 3");
  cluster_wait(jobs_status(jobs, "queue", "{active: 3, ready: 3}"));
  jobs_end_one(jobs, "queue", -1, 0);
  /* One pod says that the queue is empty: no new ones, but those that run may end. */
  cluster_wait(jobs_status(jobs, "queue", "{active: 2, succeeded: 1, uncountedTerminatedPods: {}}"));
  jobs_end_one(jobs, "queue", -1, 1);
  cluster_wait(jobs_status(jobs, "queue", "{active: 1, succeeded: 1, failed: 1, conditions: null}"));
  jobs_end_one(jobs, "queue", -1, 0);
  cluster_wait(jobs_condition(jobs, "queue", "Complete", "CompletionsReached"));
  g_assert_true(jobs_status(jobs, "queue", "{succeeded: 2, failed: 1}"));
  g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "queue"), ==, 3);
}

static void test_parallelism(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "wide", "completions: 10, parallelism: 0");
  cluster_wait(jobs_status(jobs, "wide", "{active: null, ready: 0}"));
  g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "wide"), ==, 0);
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "wide", "{spec: {parallelism: 4}}");
  cluster_wait(jobs_status(jobs, "wide", "{active: 4, ready: 4}"));
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "wide", "{spec: {parallelism: 1}}");
  /* What the job itself takes back is no failure, and goes at once. */
  cluster_wait(jobs_status(jobs, "wide", "{active: 1, ready: 1, terminating: 0, failed: null}"));
  g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "wide"), ==, 1);
  cluster_wait(cluster_has_event(jobs->cluster, "wide", "SuccessfulDelete", "Deleted pod: wide-"));
}

static void test_suspend(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "rest", "parallelism: 2, completions: 2, suspend: true");
  cluster_wait(jobs_condition(jobs, "rest", "Suspended", "JobSuspended"));
  cluster_wait(cluster_has_event(jobs->cluster, "rest", "Suspended", "Job suspended"));
  g_assert_true(jobs_status(jobs, "rest", "{startTime: null, active: null}"));
  jobs_pass(jobs, 60);
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "rest", "{spec: {suspend: false}}");
  cluster_wait(jobs_status(jobs, "rest", "{active: 2, ready: 2}"));
  g_autofree char *now = timestamp_text(alarm_clock_now_us(jobs->clock));
  g_autofree char *first = g_strdup_printf("{startTime: \"%s\"}", now);
  g_assert_true(jobs_status(jobs, "rest", first));
  cluster_wait(cluster_has_event(jobs->cluster, "rest", "Resumed", "Job resumed"));
  g_autoptr(json_t) job = cluster_get(jobs->cluster, "batch/v1", "jobs", true, "rest");
  const json_t *condition = condition_get(json_object_get(job, "status"), "Suspended");
  g_assert_cmpstr(json_str(condition, "status", ""), ==, "False");
  g_assert_cmpstr(json_str(condition, "reason", ""), ==, "JobResumed");
  /* Again: its pods are deleted, which is no failure, and the time starts anew. */
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "rest", "{spec: {suspend: true}}");
  cluster_wait(jobs_status(jobs, "rest", "{active: null, ready: 0, terminating: 0, failed: null}"));
  g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "rest"), ==, 0);
  g_assert_true(jobs_condition(jobs, "rest", "Suspended", "JobSuspended"));
  jobs_pass(jobs, 60);
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "rest", "{spec: {suspend: false}}");
  cluster_wait(jobs_status(jobs, "rest", "{active: 2}"));
  g_autofree char *later = timestamp_text(alarm_clock_now_us(jobs->clock));
  g_autofree char *second = g_strdup_printf("{startTime: \"%s\"}", later);
  g_assert_true(jobs_status(jobs, "rest", second));
}

static void test_deadline(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "late", "activeDeadlineSeconds: 100, backoffLimit: 0, parallelism: 2, completions: 2");
  cluster_wait(jobs_status(jobs, "late", "{active: 2, ready: 2}"));
  jobs_wait_alarm(jobs, 100);
  /* The time in which it is suspended does not count. */
  jobs_pass(jobs, 90);
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "late", "{spec: {suspend: true}}");
  cluster_wait(jobs_status(jobs, "late", "{active: null, terminating: 0}"));
  jobs_pass(jobs, 90);
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "late", "{spec: {suspend: false}}");
  cluster_wait(jobs_status(jobs, "late", "{active: 2, ready: 2}"));
  jobs_wait_alarm(jobs, 100);
  jobs_pass(jobs, 99);
  g_assert_true(jobs_status(jobs, "late", "{active: 2}"));
  jobs_pass(jobs, 1);
  /* Its pods are deleted, and count as failed: the deadline, not their number, is why it ends. */
  cluster_wait(jobs_condition(jobs, "late", "Failed", "DeadlineExceeded"));
  g_assert_true(jobs_condition(jobs, "late", "FailureTarget", "DeadlineExceeded"));
  g_assert_true(jobs_status(jobs, "late", "{active: null, failed: 2, completionTime: null}"));
  cluster_wait(cluster_has_event(jobs->cluster, "late", "DeadlineExceeded", "active longer than specified deadline"));
  cluster_wait(cluster_count(jobs->cluster, "v1", "pods", "late") == 0);
}

static void test_managed_by(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "theirs", "managedBy: example.com/other");
  jobs_create(jobs, "ours", "managedBy: kubernetes.io/job-controller");
  cluster_wait(jobs_status(jobs, "ours", "{active: 1}"));
  g_autoptr(json_t) job = cluster_get(jobs->cluster, "batch/v1", "jobs", true, "theirs");
  g_assert_cmpuint(json_object_size(json_object_get(job, "status")), ==, 0);
  g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "theirs"), ==, 0);
}

static bool is_owned(Jobs *jobs, const char *pod)
{
  g_autoptr(json_t) value = cluster_get(jobs->cluster, "v1", "pods", true, pod);
  return json_at(value, "metadata", "ownerReferences", NULL) && job_pod_is_tracked(value);
}

static void test_manual_selector(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  cluster_create(jobs->cluster, "v1", "pods", true,
                 "{metadata: {name: stray, labels: {app: hand}}, spec: {restartPolicy: Never, containers: [{name: c, "
                 "image: i}]}}");
  jobs_create(jobs, "hand",
              "manualSelector: true, selector: {matchLabels: {app: hand}}, completions: 2, parallelism: 2");
  /* A pod that matches is adopted, and kept until it is counted. */
  cluster_wait(jobs_status(jobs, "hand", "{active: 2, ready: 2}"));
  g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "hand"), ==, 2);
  g_assert_true(is_owned(jobs, "stray"));
  /* One that no longer does is let go, with nothing that would hold it, and replaced. */
  cluster_patch(jobs->cluster, "v1", "pods", "stray", "{metadata: {labels: {app: none}}}");
  cluster_wait(cluster_count(jobs->cluster, "v1", "pods", "hand") == 2);
  g_autoptr(json_t) stray = cluster_get(jobs->cluster, "v1", "pods", true, "stray");
  g_assert_null(json_at(stray, "metadata", "ownerReferences", NULL));
  g_assert_null(json_at(stray, "metadata", "finalizers", NULL));
}

static void test_orphans(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "parent", "completions: 2, parallelism: 2");
  cluster_wait(jobs_status(jobs, "parent", "{active: 2, ready: 2}"));
  cluster_delete(jobs->cluster, "batch/v1", "jobs", true, "parent", "Orphan");
  cluster_wait(!cluster_exists(jobs->cluster, "batch/v1", "jobs", "parent"));
  cluster_wait(jobs_count_tracked(jobs, "parent", false) == 2);
  g_assert_cmpuint(cluster_count_pods(jobs->cluster, "parent"), ==, 2);
  /* Gone in the foreground: its pods first. */
  jobs_create(jobs, "fore", "completions: 2, parallelism: 2");
  cluster_wait(jobs_status(jobs, "fore", "{active: 2, ready: 2}"));
  cluster_delete(jobs->cluster, "batch/v1", "jobs", true, "fore", "Foreground");
  cluster_wait(!cluster_exists(jobs->cluster, "batch/v1", "jobs", "fore"));
  cluster_wait(cluster_count(jobs->cluster, "v1", "pods", "fore") == 0);
}

/* A job of the same name takes nothing over, and what the first left is not held for ever. */
static void test_same_name(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  for (int round = 0; round < 5; round++) {
    jobs_create(jobs, "again", "completions: 3, parallelism: 3");
    if (round % 2 == 0)
      cluster_wait(cluster_count(jobs->cluster, "v1", "pods", "again") > 0);
    cluster_delete(jobs->cluster, "batch/v1", "jobs", true, "again", "Background");
  }
  jobs_create(jobs, "again", "completions: 3, parallelism: 3");
  cluster_wait(jobs_status(jobs, "again", "{active: 3, ready: 3, failed: null}"));
  cluster_wait(cluster_count(jobs->cluster, "v1", "pods", "again") == 3);
}

/* A pod that is deleted while it runs has failed: it may never come to say so itself. */
static void test_deleted_pod(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "robbed", "completions: 1");
  cluster_wait(jobs_status(jobs, "robbed", "{active: 1, ready: 1}"));
  g_autoptr(GPtrArray) pods = jobs_active(jobs, "robbed");
  cluster_delete(jobs->cluster, "v1", "pods", true, object_name(pods->pdata[0]), NULL);
  cluster_wait(jobs_status(jobs, "robbed", "{failed: 1, uncountedTerminatedPods: {}}"));
  cluster_wait(!cluster_exists(jobs->cluster, "v1", "pods", object_name(pods->pdata[0])));
  /* It is replaced after the first backoff, which is remembered though the pod is gone. */
  cluster_wait(alarm_clock_next_us(jobs->clock) > 0);
  g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "robbed"), ==, 0);
  jobs_pass(jobs, 20);
  cluster_wait(jobs_status(jobs, "robbed", "{active: 1, failed: 1}"));
}

static bool end_all(Jobs *jobs, const char *app)
{
  g_autoptr(GPtrArray) pods = jobs_active(jobs, app);
  for (unsigned i = 0; i < pods->len; i++)
    if (strcmp(pod_phase(object_json(pods->pdata[i])), "Running") == 0)
      jobs_end_pod(jobs, object_name(pods->pdata[i]), 0);
  return jobs_condition(jobs, app, "Complete", "CompletionsReached");
}

/* More at a time than are worked on at once. */
static void test_many(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "crowd", "completions: 90, parallelism: 40");
  cluster_wait(jobs_status(jobs, "crowd", "{active: 40, ready: 40}"));
  cluster_wait(end_all(jobs, "crowd"));
  g_assert_true(jobs_status(jobs, "crowd", "{succeeded: 90, failed: null, active: null}"));
  g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "crowd"), ==, 90);
}

/* Pods that nobody takes are tried again, and what is wrong can be read. */
static void test_refused(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  cluster_create(jobs->cluster, "batch/v1", "jobs", true,
                 "{metadata: {name: shy}, spec: {template: {metadata: {labels: {app: shy}}, spec: {serviceAccountName: "
                 "late, restartPolicy: Never, containers: [{name: c, image: i}]}}}}");
  cluster_wait(cluster_has_event(jobs->cluster, "shy", "FailedCreate", "Error creating: "));
  cluster_wait(jobs_status(jobs, "shy", "{active: null, ready: 0, failed: null}"));
  cluster_create(jobs->cluster, "v1", "serviceaccounts", true, "{metadata: {name: late}}");
  cluster_wait(jobs_status(jobs, "shy", "{active: 1, ready: 1}"));
}

/* What is to happen at a time is forgotten with the job. */
static void test_alarms(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "soon", "activeDeadlineSeconds: 1000000, ttlSecondsAfterFinished: 2000000");
  jobs_wait_alarm(jobs, 1000000);
  jobs_end_one(jobs, "soon", -1, 0);
  jobs_wait_alarm(jobs, 2000000);
  cluster_delete(jobs->cluster, "batch/v1", "jobs", true, "soon", "Background");
  cluster_wait(alarm_clock_next_us(jobs->clock) < 0);
}

/* --- what ends in between --------------------------------------------------------------------------------------- */

static void set_finalizers(Jobs *jobs, const char *pod, bool tracked)
{
  cluster_patch(jobs->cluster, "v1", "pods", pod,
                tracked ? "{metadata: {finalizers: [" JOB_FINALIZER "]}}" : "{metadata: {finalizers: null}}");
}

/* Every state in which the controller can have been ended while it counted. */
static void test_exactly_once(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "count", "completions: 10, parallelism: 5, backoffLimit: 10");
  cluster_wait(jobs_status(jobs, "count", "{active: 5, ready: 5}"));
  g_autoptr(GPtrArray) pods = jobs_active(jobs, "count");
  cluster_stop(jobs->cluster);
  for (unsigned i = 0; i < 4; i++)
    jobs_end_pod(jobs, object_name(pods->pdata[i]), i == 3);
  /* 0: ended, not seen. 1: listed. 2: listed, and let go. 3: failed, listed, and let go; 4 runs. */
  set_finalizers(jobs, object_name(pods->pdata[2]), false);
  set_finalizers(jobs, object_name(pods->pdata[3]), false);
  g_autofree char *status =
      g_strdup_printf("{active: 5, uncountedTerminatedPods: {succeeded: [%s, %s], failed: [%s]}}",
                      object_uid(pods->pdata[1]), object_uid(pods->pdata[2]), object_uid(pods->pdata[3]));
  cluster_set_status(jobs->cluster, "batch/v1", "jobs", "count", status);
  cluster_resume(jobs->cluster);
  cluster_wait(jobs_status(jobs, "count", "{succeeded: 3, failed: 1, uncountedTerminatedPods: {}}"));
  g_assert_true(is_owned(jobs, object_name(pods->pdata[4])));
  /* The failure came last as far as anybody can tell: all ended in the same second, so the success wins. */
  cluster_wait(jobs_status(jobs, "count", "{active: 5, succeeded: 3, failed: 1}"));
}

static void test_restarts(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "steady", "completions: 12, parallelism: 3");
  for (int done = 1; done <= 12; done++) {
    g_autofree char *wanted = g_strdup_printf("{succeeded: %d, failed: null}", done);
    jobs_end_one(jobs, "steady", -1, 0);
    if (done % 3 == 0) {
      cluster_stop(jobs->cluster);
      cluster_resume(jobs->cluster);
    }
    cluster_wait(jobs_status(jobs, "steady", wanted));
  }
  cluster_wait(jobs_condition(jobs, "steady", "Complete", "CompletionsReached"));
  g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "steady"), ==, 12);
  g_assert_true(jobs_status(jobs, "steady", "{succeeded: 12, failed: null, uncountedTerminatedPods: {}}"));
}

typedef struct Storm {
  Jobs *jobs;
  int stop; /* atomic */
} Storm;

static void *disturb(void *data)
{
  Storm *storm = data;
  for (int i = 0; !g_atomic_int_get(&storm->stop); i++) {
    g_autofree char *patch = g_strdup_printf("{metadata: {annotations: {n: \"%d\"}}}", i);
    cluster_patch(storm->jobs->cluster, "batch/v1", "jobs", "storm", patch);
    g_autoptr(GPtrArray) pods = cluster_list(storm->jobs->cluster, "v1", "pods", "storm");
    for (unsigned k = 0; k < pods->len; k++)
      cluster_patch(storm->jobs->cluster, "v1", "pods", object_name(pods->pdata[k]), patch);
  }
  return NULL;
}

static void test_conflicts(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  Storm storm = { .jobs = jobs };
  jobs_create(jobs, "storm", "completions: 8, parallelism: 4");
  GThread *thread = g_thread_new("storm", disturb, &storm);
  for (int done = 0; done < 8; done++)
    jobs_end_one(jobs, "storm", -1, 0);
  cluster_wait(jobs_condition(jobs, "storm", "Complete", "CompletionsReached"));
  g_atomic_int_set(&storm.stop, 1);
  g_thread_join(thread);
  g_assert_true(jobs_status(jobs, "storm", "{succeeded: 8, failed: null}"));
  g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "storm"), ==, 8);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/job/completions", test_completions);
  g_test_add_func("/job/work-queue", test_work_queue);
  g_test_add_func("/job/parallelism", test_parallelism);
  g_test_add_func("/job/suspend", test_suspend);
  g_test_add_func("/job/deadline", test_deadline);
  g_test_add_func("/job/managed-by", test_managed_by);
  g_test_add_func("/job/manual-selector", test_manual_selector);
  g_test_add_func("/job/orphans", test_orphans);
  g_test_add_func("/job/same-name", test_same_name);
  g_test_add_func("/job/deleted-pod", test_deleted_pod);
  g_test_add_func("/job/refused", test_refused);
  g_test_add_func("/job/alarms", test_alarms);
  g_test_add_func("/job/many", test_many);
  g_test_add_func("/job/exactly-once", test_exactly_once);
  g_test_add_func("/job/restarts", test_restarts);
  g_test_add_func("/job/conflicts", test_conflicts);
  return g_test_run();
}
