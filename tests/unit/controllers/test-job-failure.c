/* How jobs fail: backoff and its limit, restarts in the pod, failure policies, and what replaces a pod when. */
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/batch/job_backoff.h"
#include "clusterd/controllers/batch/job_policy.h"
#include "jobs.h"

/* --- tables ----------------------------------------------------------------------------------------------------- */

static void test_backoff(void)
{
  static const int64_t seconds[] = { 0, 10, 20, 40, 80, 160, 320, 360, 360 };
  for (size_t i = 0; i < G_N_ELEMENTS(seconds); i++) {
    JobBackoff backoff = { .failures = (int64_t)i, .last_failure_us = 5 };
    g_assert_cmpint(job_backoff_due_us(backoff), ==, i ? seconds[i] * G_USEC_PER_SEC + 5 : 0);
  }
  g_assert_cmpint(job_backoff_due_us((JobBackoff){ G_MAXINT32, 0 }), ==, 360 * (int64_t)G_USEC_PER_SEC);
}

static json_t *parse(const char *yaml)
{
  g_autoptr(GError) error = NULL;
  json_t *value = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  return value;
}

static void test_end(void)
{
  static const struct {
    const char *pod, *end;
  } rows[] = {
    { "{status: {containerStatuses: [{name: a, state: {terminated: {finishedAt: 2026-01-01T00:00:10Z}}}, {name: b, "
      "state: {terminated: {finishedAt: 2026-01-01T00:00:20Z}}}]}}",
      "2026-01-01T00:00:20Z" },
    /* A container that says nothing of its end: the condition tells. */
    { "{status: {containerStatuses: [{name: a, state: {terminated: {finishedAt: 2026-01-01T00:00:10Z}}}, {name: b, "
      "state: {}}], conditions: [{type: Ready, status: 'False', lastTransitionTime: 2026-01-01T00:00:30Z}]}}",
      "2026-01-01T00:00:30Z" },
    { "{metadata: {deletionTimestamp: 2026-01-01T00:01:00Z, deletionGracePeriodSeconds: 30}, status: {conditions: "
      "[{type: Ready, status: 'True', lastTransitionTime: 2026-01-01T00:00:01Z}]}}",
      "2026-01-01T00:00:30Z" },
    { "{metadata: {creationTimestamp: 2026-01-01T00:00:00Z}}", "2026-01-01T00:00:00Z" },
    /* A sidecar outlives the containers; an init container does not count. */
    { "{spec: {initContainers: [{name: s, restartPolicy: Always}, {name: i}]}, status: {containerStatuses: [{name: a, "
      "state: {terminated: {finishedAt: 2026-01-01T00:00:10Z}}}], initContainerStatuses: [{name: s, state: "
      "{terminated: {finishedAt: 2026-01-01T00:00:40Z}}}, {name: i, state: {terminated: {finishedAt: "
      "2026-01-01T00:00:50Z}}}]}}",
      "2026-01-01T00:00:40Z" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(json_t) pod = parse(rows[i].pod);
    g_autofree char *end = timestamp_text(job_pod_end_us(pod));
    g_assert_cmpstr(end, ==, rows[i].end);
  }
}

static void test_policy(void)
{
  static const struct {
    const char *rules, *status;
    JobAction action;
    const char *message;
  } rows[] = {
    { "[]", "{}", JOB_ACTION_NONE, NULL },
    { "[{action: FailJob, onExitCodes: {operator: In, values: [3, 42]}}]",
      "{containerStatuses: [{name: m, state: {terminated: {exitCode: 42}}}]}", JOB_ACTION_FAIL_JOB,
      "Container m for pod default/p failed with exit code 42 matching FailJob rule at index 0" },
    { "[{action: FailJob, onExitCodes: {operator: In, values: [3]}}]",
      "{containerStatuses: [{name: m, state: {terminated: {exitCode: 42}}}]}", JOB_ACTION_NONE, NULL },
    { "[{action: Count, onExitCodes: {operator: NotIn, values: [3]}}]",
      "{containerStatuses: [{name: m, state: {terminated: {exitCode: 42}}}]}", JOB_ACTION_COUNT, NULL },
    /* Success is no code to match, nor is a container that still runs. */
    { "[{action: FailJob, onExitCodes: {operator: NotIn, values: [3]}}]",
      "{containerStatuses: [{name: m, state: {terminated: {exitCode: 0}}}, {name: r, state: {running: {}}}]}",
      JOB_ACTION_NONE, NULL },
    { "[{action: Ignore, onExitCodes: {containerName: other, operator: In, values: [1]}}, {action: FailIndex, "
      "onExitCodes: {containerName: m, operator: In, values: [1]}}]",
      "{containerStatuses: [{name: m, state: {terminated: {exitCode: 1}}}]}", JOB_ACTION_FAIL_INDEX, NULL },
    { "[{action: FailJob, onExitCodes: {operator: In, values: [5]}}]",
      "{initContainerStatuses: [{name: i, state: {terminated: {exitCode: 5}}}]}", JOB_ACTION_FAIL_JOB,
      "Container i for pod default/p failed with exit code 5 matching FailJob rule at index 0" },
    { "[{action: Ignore, onPodConditions: [{type: DisruptionTarget}]}]",
      "{conditions: [{type: DisruptionTarget, status: 'True'}]}", JOB_ACTION_IGNORE, NULL },
    { "[{action: Ignore, onPodConditions: [{type: DisruptionTarget, status: 'True'}]}]",
      "{conditions: [{type: DisruptionTarget, status: 'False'}]}", JOB_ACTION_NONE, NULL },
    { "[{action: Count, onPodConditions: [{type: A, status: 'True'}]}, {action: FailJob, onPodConditions: [{type: "
      "ConfigIssue, status: 'True'}]}]",
      "{conditions: [{type: ConfigIssue, status: 'True'}]}", JOB_ACTION_FAIL_JOB,
      "Pod default/p has condition ConfigIssue matching FailJob rule at index 1" },
    /* The first rule that matches stands. */
    { "[{action: Ignore, onExitCodes: {operator: In, values: [1]}}, {action: FailJob, onExitCodes: {operator: In, "
      "values: [1]}}]",
      "{containerStatuses: [{name: m, state: {terminated: {exitCode: 1}}}]}", JOB_ACTION_IGNORE, NULL },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *job_yaml = g_strdup_printf("{spec: {podFailurePolicy: {rules: %s}}}", rows[i].rules);
    g_autofree char *pod_yaml =
        g_strdup_printf("{metadata: {name: p, namespace: default}, status: %s}", rows[i].status);
    g_autoptr(json_t) job = parse(job_yaml), pod = parse(pod_yaml);
    g_autofree char *message = NULL;
    g_assert_cmpint(job_policy_action(job, pod, &message), ==, rows[i].action);
    g_assert_cmpstr(message, ==, rows[i].message);
  }
}

/* --- the limit -------------------------------------------------------------------------------------------------- */

static void test_limit(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "bad", "backoffLimit: 3");
  for (int failures = 1; failures <= 3; failures++) {
    g_autofree char *wanted =
        g_strdup_printf("{active: null, failed: %d, conditions: null, uncountedTerminatedPods: {}}", failures);
    jobs_end_one(jobs, "bad", -1, 1);
    cluster_wait(jobs_status(jobs, "bad", wanted));
    /* 10 s, 20 s, 40 s: no sooner. */
    jobs_wait_alarm(jobs, 5 << failures);
    jobs_pass(jobs, (5 << failures) - 1);
    jobs_wait_alarm(jobs, 1);
    g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "bad"), ==, failures);
    jobs_pass(jobs, 1);
    cluster_wait(jobs_status(jobs, "bad", "{active: 1}"));
  }
  jobs_end_one(jobs, "bad", -1, 1);
  cluster_wait(jobs_condition(jobs, "bad", "Failed", "BackoffLimitExceeded"));
  g_assert_true(jobs_condition(jobs, "bad", "FailureTarget", "BackoffLimitExceeded"));
  g_assert_true(jobs_status(jobs, "bad", "{failed: 4, active: null, completionTime: null}"));
  cluster_wait(
      cluster_has_event(jobs->cluster, "bad", "BackoffLimitExceeded", "Job has reached the specified backoff limit"));
  g_assert_cmpuint(jobs_count_tracked(jobs, "bad", false), ==, 4);
}

/* A success begins the count of failures in a row anew, not that of the limit. */
static void test_success_between(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "mixed", "completions: 3");
  jobs_end_one(jobs, "mixed", -1, 1);
  jobs_wait_alarm(jobs, 10);
  jobs_pass(jobs, 10);
  jobs_end_one(jobs, "mixed", -1, 1);
  jobs_wait_alarm(jobs, 20);
  /* What the pods tell is enough for another controller. */
  cluster_stop(jobs->cluster);
  cluster_resume(jobs->cluster);
  jobs_wait_alarm(jobs, 20);
  jobs_pass(jobs, 20);
  jobs_end_one(jobs, "mixed", -1, 0);
  cluster_wait(jobs_status(jobs, "mixed", "{active: 1, ready: 1, succeeded: 1, failed: 2}"));
  jobs_pass(jobs, 5);
  jobs_end_one(jobs, "mixed", -1, 1);
  jobs_wait_alarm(jobs, 10);
}

/* The others are ended with it, and have failed. */
static void test_active_end_too(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "crew", "backoffLimit: 0, completions: 4, parallelism: 4");
  cluster_wait(jobs_status(jobs, "crew", "{active: 4, ready: 4}"));
  cluster_hold_kubelet(jobs->cluster, true);
  jobs_end_one(jobs, "crew", -1, 1);
  /* While pods are on their way out the job is about to fail, no more. */
  cluster_wait(jobs_condition(jobs, "crew", "FailureTarget", "BackoffLimitExceeded"));
  cluster_wait(jobs_status(jobs, "crew", "{active: null, ready: 0, terminating: 3, failed: 4}"));
  g_assert_false(jobs_condition(jobs, "crew", "Failed", "BackoffLimitExceeded"));
  cluster_hold_kubelet(jobs->cluster, false);
  cluster_wait(jobs_condition(jobs, "crew", "Failed", "BackoffLimitExceeded"));
  g_assert_true(jobs_status(jobs, "crew", "{terminating: 0, failed: 4}"));
}

static void test_restarts_in_pod(void)
{
  static const char restarted[] = "{phase: Running, initContainerStatuses: [{name: i, image: i, imageID: '', ready: "
                                  "true, restartCount: %d}], containerStatuses: [{name: c, image: i, imageID: '', "
                                  "ready: true, restartCount: %d}]}";
  g_autoptr(Jobs) jobs = jobs_new();
  cluster_create(jobs->cluster, "batch/v1", "jobs", true,
                 "{metadata: {name: loop}, spec: {backoffLimit: 3, template: {metadata: {labels: {app: loop}}, spec: "
                 "{restartPolicy: OnFailure, initContainers: [{name: i, image: i}], containers: [{name: c, image: "
                 "i}]}}}}");
  cluster_wait(jobs_status(jobs, "loop", "{active: 1, ready: 1}"));
  g_autoptr(GPtrArray) pods = jobs_active(jobs, "loop");
  g_autofree char *two = g_strdup_printf(restarted, 1, 1), *three = g_strdup_printf(restarted, 1, 2);
  cluster_set_status(jobs->cluster, "v1", "pods", object_name(pods->pdata[0]), two);
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "loop", "{spec: {activeDeadlineSeconds: 77}}");
  jobs_wait_alarm(jobs, 77); /* it was looked at */
  g_assert_true(jobs_status(jobs, "loop", "{active: 1, conditions: null}"));
  cluster_set_status(jobs->cluster, "v1", "pods", object_name(pods->pdata[0]), three);
  cluster_wait(jobs_condition(jobs, "loop", "Failed", "BackoffLimitExceeded"));
  cluster_wait(cluster_count(jobs->cluster, "v1", "pods", "loop") == 0);
}

/* --- policies --------------------------------------------------------------------------------------------------- */

static void test_fail_job(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "rule",
              "completions: 3, parallelism: 2, backoffLimit: 6, podFailurePolicy: {rules: [{action: FailJob, "
              "onExitCodes: {operator: In, values: [42]}}]}");
  cluster_wait(jobs_status(jobs, "rule", "{active: 2, ready: 2}"));
  jobs_end_one(jobs, "rule", -1, 42);
  cluster_wait(jobs_condition(jobs, "rule", "Failed", "PodFailurePolicy"));
  g_assert_true(jobs_condition(jobs, "rule", "FailureTarget", "PodFailurePolicy"));
  g_autoptr(json_t) job = cluster_get(jobs->cluster, "batch/v1", "jobs", true, "rule");
  const char *message = json_str(condition_get(json_object_get(job, "status"), "Failed"), "message", "");
  g_assert_true(g_str_has_prefix(message, "Container c for pod default/rule-"));
  g_assert_true(g_str_has_suffix(message, " failed with exit code 42 matching FailJob rule at index 0"));
  cluster_wait(cluster_has_event(jobs->cluster, "rule", "PodFailurePolicy", "failed with exit code 42"));
}

static void test_ignore(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "drop",
              "backoffLimit: 0, podFailurePolicy: {rules: [{action: Ignore, onPodConditions: [{type: "
              "DisruptionTarget}]}]}");
  cluster_wait(jobs_status(jobs, "drop", "{active: 1, ready: 1}"));
  g_autoptr(GPtrArray) pods = jobs_active(jobs, "drop");
  cluster_set_status(jobs->cluster, "v1", "pods", object_name(pods->pdata[0]),
                     "{conditions: [{type: DisruptionTarget, status: 'True', reason: EvictionByEvictionAPI}]}");
  jobs_end_pod(jobs, object_name(pods->pdata[0]), 1);
  cluster_wait(jobs_count_tracked(jobs, "drop", false) == 1);
  jobs_wait_alarm(jobs, 10);
  jobs_pass(jobs, 10);
  cluster_wait(jobs_status(jobs, "drop", "{active: 1, ready: 1, failed: null, conditions: null}"));
  /* One that no rule matches counts. */
  jobs_end_one(jobs, "drop", -1, 1);
  cluster_wait(jobs_condition(jobs, "drop", "Failed", "BackoffLimitExceeded"));
}

static void test_replacement(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "wait", "podReplacementPolicy: Failed");
  cluster_wait(jobs_status(jobs, "wait", "{active: 1, ready: 1}"));
  cluster_hold_kubelet(jobs->cluster, true);
  g_autoptr(GPtrArray) pods = jobs_active(jobs, "wait");
  cluster_delete(jobs->cluster, "v1", "pods", true, object_name(pods->pdata[0]), NULL);
  cluster_wait(jobs_status(jobs, "wait", "{active: null, terminating: 1, failed: null}"));
  jobs_pass(jobs, 1000);
  g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "wait"), ==, 1);
  /* Once it has failed it counts, and has a successor. */
  jobs_end_pod(jobs, object_name(pods->pdata[0]), 1);
  cluster_wait(jobs_status(jobs, "wait", "{terminating: 0, failed: 1, uncountedTerminatedPods: {}}"));
  jobs_wait_alarm(jobs, 10);
  jobs_pass(jobs, 10);
  cluster_wait(jobs_status(jobs, "wait", "{active: 1, failed: 1}"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/job-failure/backoff", test_backoff);
  g_test_add_func("/job-failure/end", test_end);
  g_test_add_func("/job-failure/policy", test_policy);
  g_test_add_func("/job-failure/limit", test_limit);
  g_test_add_func("/job-failure/success-between", test_success_between);
  g_test_add_func("/job-failure/active-end-too", test_active_end_too);
  g_test_add_func("/job-failure/restarts-in-pod", test_restarts_in_pod);
  g_test_add_func("/job-failure/fail-job", test_fail_job);
  g_test_add_func("/job-failure/ignore", test_ignore);
  g_test_add_func("/job-failure/replacement", test_replacement);
  return g_test_run();
}
