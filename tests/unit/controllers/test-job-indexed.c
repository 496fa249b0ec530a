/* Indexed jobs: what tells their pods apart, which indexes are done or lost, and when some are enough. */
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/batch/job_policy.h"
#include "clusterd/controllers/batch/job_state.h"
#include "jobs.h"

/* --- tables ----------------------------------------------------------------------------------------------------- */

static void test_text(void)
{
  static const struct {
    const char *from;
    int64_t limit, count;
    const char *to;
  } rows[] = {
    { "", 10, 0, "" },
    { "0", 10, 1, "0" },
    { "0,1", 10, 2, "0,1" },
    { "0-1", 10, 2, "0,1" },
    { "0-2,5", 10, 4, "0-2,5" },
    { "1,3-5,7", 10, 5, "1,3-5,7" },
    { "3,4,5", 10, 3, "3-5" },
    { "7,0-2", 10, 4, "0-2,7" },
    { "2-9", 5, 3, "2-4" },
    { "5,6", 5, 0, "" },
    { "x,1,2-y,4", 10, 2, "1,4" },
    { "0-1000000000", 1000000001, 1000000001, "0-1000000000" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    JobIndexes *indexes = job_indexes_parse(rows[i].from, rows[i].limit);
    g_autofree char *text = job_indexes_text(indexes);
    g_assert_cmpstr(text, ==, rows[i].to);
    g_assert_cmpint(job_indexes_count(indexes), ==, rows[i].count);
    job_indexes_free(indexes);
  }
}

static void test_sets(void)
{
  JobIndexes *a = job_indexes_parse("0-3,8-9", 100), *b = job_indexes_parse("2-8,20", 100);
  g_assert_cmpint(job_indexes_count_common(a, b), ==, 3);
  g_assert_cmpint(job_indexes_count_common(b, a), ==, 3);
  g_assert_true(job_indexes_has(a, 8));
  g_assert_false(job_indexes_has(a, 4));
  g_assert_false(job_indexes_has(a, 10));
  job_indexes_add_all(a, b);
  g_autofree char *text = job_indexes_text(a);
  g_assert_cmpstr(text, ==, "0-9,20");
  job_indexes_free(a);
  job_indexes_free(b);
}

static void test_success_rules(void)
{
  static const struct {
    const char *rules, *done, *message;
  } rows[] = {
    { "[{succeededCount: 2}]", "1", NULL },
    { "[{succeededCount: 2}]", "1,7", "Matched rules at index 0" },
    { "[{succeededIndexes: \"0,2-3\"}]", "0,2", NULL },
    { "[{succeededIndexes: \"0,2-3\"}]", "0-3", "Matched rules at index 0" },
    { "[{succeededIndexes: \"0-3\", succeededCount: 2}]", "0,5-6", NULL },
    { "[{succeededIndexes: \"0-3\", succeededCount: 2}]", "0,3,5", "Matched rules at index 0" },
    { "[{succeededIndexes: \"9\"}, {succeededCount: 1}]", "3", "Matched rules at index 1" },
    { "[{succeededCount: 0}]", "", NULL },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *yaml = g_strdup_printf("{spec: {completions: 10, successPolicy: {rules: %s}}}", rows[i].rules);
    g_autoptr(json_t) job = yaml_parse(yaml, strlen(yaml), NULL);
    JobIndexes *done = job_indexes_parse(rows[i].done, 10);
    g_autofree char *message = job_policy_success(job, done);
    g_assert_cmpstr(message, ==, rows[i].message);
    job_indexes_free(done);
  }
}

/* --- jobs ------------------------------------------------------------------------------------------------------- */

static const json_t *find_index(GPtrArray *pods, int index)
{
  for (unsigned i = 0; i < pods->len; i++)
    if (job_pod_count(object_json(pods->pdata[i]), JOB_INDEX) == index)
      return object_json(pods->pdata[i]);
  return NULL;
}

static void test_identity(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "part", "completionMode: Indexed, completions: 3, parallelism: 3");
  cluster_wait(jobs_status(jobs, "part", "{active: 3, ready: 3, completedIndexes: null, failedIndexes: null}"));
  g_autoptr(GPtrArray) pods = jobs_active(jobs, "part");
  for (int index = 0; index < 3; index++) {
    g_autofree char *number = g_strdup_printf("%d", index), *host = g_strdup_printf("part-%d", index);
    g_autofree char *prefix = g_strconcat(host, "-", NULL);
    const json_t *pod = find_index(pods, index), *metadata = json_object_get(pod, "metadata");
    g_assert_nonnull(pod);
    g_assert_cmpstr(json_str(json_object_get(metadata, "annotations"), JOB_INDEX, ""), ==, number);
    g_assert_cmpstr(json_str(json_object_get(metadata, "labels"), JOB_INDEX, ""), ==, number);
    g_assert_null(json_object_get(json_object_get(metadata, "annotations"), JOB_INDEX_FAILURES));
    g_assert_cmpstr(json_str(json_object_get(pod, "spec"), "hostname", ""), ==, host);
    g_assert_true(g_str_has_prefix(json_str(metadata, "name", ""), prefix));
    const json_t *env = json_object_get(json_array_get(json_at(pod, "spec", "containers", NULL), 0), "env");
    const json_t *variable = json_find(env, "name", "JOB_COMPLETION_INDEX");
    g_assert_cmpstr(json_str(json_at(variable, "valueFrom", "fieldRef", NULL), "fieldPath", ""), ==,
                    "metadata.labels['" JOB_INDEX "']");
  }
  jobs_end_one(jobs, "part", 2, 0);
  cluster_wait(jobs_status(jobs, "part", "{succeeded: 1, completedIndexes: \"2\"}"));
  jobs_end_one(jobs, "part", 1, 0);
  cluster_wait(jobs_status(jobs, "part", "{succeeded: 2, completedIndexes: \"1,2\", active: 1}"));
  jobs_end_one(jobs, "part", 0, 0);
  cluster_wait(jobs_condition(jobs, "part", "Complete", "CompletionsReached"));
  g_assert_true(jobs_status(jobs, "part", "{succeeded: 3, completedIndexes: 0-2, uncountedTerminatedPods: {}}"));
}

/* A failed index is tried again, the lowest ones first. */
static void test_retries(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "retry", "completionMode: Indexed, completions: 4, parallelism: 2");
  cluster_wait(jobs_status(jobs, "retry", "{active: 2, ready: 2}"));
  jobs_end_one(jobs, "retry", 0, 1);
  cluster_wait(jobs_status(jobs, "retry", "{active: 1, failed: 1}"));
  jobs_wait_alarm(jobs, 10);
  jobs_pass(jobs, 10);
  cluster_wait(jobs_status(jobs, "retry", "{active: 2, ready: 2}"));
  g_autoptr(GPtrArray) pods = jobs_active(jobs, "retry");
  g_assert_nonnull(find_index(pods, 0));
  g_assert_nonnull(find_index(pods, 1));
  for (int index = 0; index < 4; index++)
    jobs_end_one(jobs, "retry", index, 0);
  cluster_wait(jobs_condition(jobs, "retry", "Complete", "CompletionsReached"));
  g_assert_true(jobs_status(jobs, "retry", "{succeeded: 4, failed: 1, completedIndexes: 0-3}"));
}

static void test_elastic(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "gum", "completionMode: Indexed, completions: 3, parallelism: 3");
  cluster_wait(jobs_status(jobs, "gum", "{active: 3, ready: 3}"));
  jobs_end_one(jobs, "gum", 2, 0);
  cluster_wait(jobs_status(jobs, "gum", "{succeeded: 1, completedIndexes: \"2\"}"));
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "gum", "{spec: {completions: 5, parallelism: 5}}");
  cluster_wait(jobs_status(jobs, "gum", "{active: 4, ready: 4, succeeded: 1}"));
  /* Fewer: what lies beyond is taken back and was never done. */
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "gum", "{spec: {completions: 2, parallelism: 2}}");
  cluster_wait(
      jobs_status(jobs, "gum", "{active: 2, ready: 2, succeeded: null, failed: null, completedIndexes: null}"));
  g_autoptr(GPtrArray) pods = jobs_active(jobs, "gum");
  g_assert_nonnull(find_index(pods, 0));
  g_assert_nonnull(find_index(pods, 1));
  jobs_end_one(jobs, "gum", 0, 0);
  jobs_end_one(jobs, "gum", 1, 0);
  cluster_wait(jobs_condition(jobs, "gum", "Complete", "CompletionsReached"));
}

/* A second pod of an index, and one without any, are too many. */
static void test_doubles(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "twin", "completionMode: Indexed, completions: 2, parallelism: 2");
  cluster_wait(jobs_status(jobs, "twin", "{active: 2, ready: 2}"));
  g_autoptr(json_t) job = cluster_get(jobs->cluster, "batch/v1", "jobs", true, "twin");
  const char *uid = json_str(json_object_get(job, "metadata"), "uid", "");
  static const char *const annotations[] = { "{" JOB_INDEX ": \"1\"}", "{}", "{" JOB_INDEX ": \"7\"}" };
  for (size_t i = 0; i < G_N_ELEMENTS(annotations); i++) {
    g_autofree char *yaml = g_strdup_printf(
        "{metadata: {name: extra-%zu, labels: {app: twin, batch.kubernetes.io/controller-uid: %s}, annotations: %s}, "
        "spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}",
        i, uid, annotations[i]);
    cluster_create(jobs->cluster, "v1", "pods", true, yaml);
    cluster_wait(cluster_count(jobs->cluster, "v1", "pods", "twin") == 2);
  }
  cluster_wait(jobs_status(jobs, "twin", "{active: 2, ready: 2, failed: null}"));
  g_autoptr(GPtrArray) pods = jobs_active(jobs, "twin");
  g_assert_nonnull(find_index(pods, 0));
  g_assert_nonnull(find_index(pods, 1));
}

static void test_limits_per_index(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "each", "completionMode: Indexed, completions: 3, parallelism: 3, backoffLimitPerIndex: 1");
  cluster_wait(jobs_status(jobs, "each", "{active: 3, ready: 3, failedIndexes: \"\"}"));
  jobs_end_one(jobs, "each", 0, 1);
  /* The failed pod stays until its successor carries on the count. */
  jobs_wait_alarm(jobs, 10);
  g_assert_cmpuint(jobs_count_tracked(jobs, "each", true), ==, 3);
  jobs_end_one(jobs, "each", 1, 1);
  jobs_pass(jobs, 10);
  cluster_wait(jobs_status(jobs, "each", "{active: 3, ready: 3, failed: 2, failedIndexes: \"\"}"));
  cluster_wait(jobs_count_tracked(jobs, "each", true) == 3);
  g_autoptr(GPtrArray) pods = jobs_active(jobs, "each");
  g_assert_cmpint(job_pod_count(find_index(pods, 0), JOB_INDEX_FAILURES), ==, 1);
  g_assert_cmpint(job_pod_count(find_index(pods, 2), JOB_INDEX_FAILURES), ==, 0);
  /* The second failure is one too many for this index, and no reason to end the others. */
  jobs_end_one(jobs, "each", 0, 1);
  cluster_wait(jobs_status(jobs, "each", "{active: 2, failed: 3, failedIndexes: \"0\"}"));
  jobs_end_one(jobs, "each", 1, 0);
  jobs_end_one(jobs, "each", 2, 0);
  cluster_wait(jobs_condition(jobs, "each", "Failed", "FailedIndexes"));
  g_assert_true(jobs_condition(jobs, "each", "FailureTarget", "FailedIndexes"));
  g_assert_true(
      jobs_status(jobs, "each", "{completedIndexes: \"1,2\", failedIndexes: \"0\", succeeded: 2, failed: 3}"));
  cluster_wait(cluster_has_event(jobs->cluster, "each", "FailedIndexes", "Job has failed indexes"));
}

static void test_max_failed_indexes(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "most",
              "completionMode: Indexed, completions: 5, parallelism: 5, backoffLimitPerIndex: 0, maxFailedIndexes: 1");
  cluster_wait(jobs_status(jobs, "most", "{active: 5, ready: 5}"));
  jobs_end_one(jobs, "most", 3, 1);
  cluster_wait(jobs_status(jobs, "most", "{active: 4, failedIndexes: \"3\", conditions: null}"));
  jobs_end_one(jobs, "most", 1, 1);
  cluster_wait(jobs_condition(jobs, "most", "Failed", "MaxFailedIndexesExceeded"));
  g_assert_true(jobs_status(jobs, "most", "{active: null, failed: 5, failedIndexes: \"1,3\"}"));
  cluster_wait(cluster_has_event(jobs->cluster, "most", "MaxFailedIndexesExceeded",
                                 "Job has exceeded the specified maximal number of failed indexes"));
}

static void test_fail_index(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "code",
              "completionMode: Indexed, completions: 2, parallelism: 2, backoffLimitPerIndex: 5, podFailurePolicy: "
              "{rules: [{action: FailIndex, onExitCodes: {operator: In, values: [42]}}, {action: Ignore, onExitCodes: "
              "{operator: In, values: [7]}}]}");
  cluster_wait(jobs_status(jobs, "code", "{active: 2, ready: 2}"));
  jobs_end_one(jobs, "code", 1, 7);
  cluster_wait(jobs_status(jobs, "code", "{active: 1, ready: 1}"));
  jobs_wait_alarm(jobs, 10);
  jobs_pass(jobs, 10);
  cluster_wait(jobs_status(jobs, "code", "{active: 2, ready: 2, failed: null, failedIndexes: \"\"}"));
  g_autoptr(GPtrArray) pods = jobs_active(jobs, "code");
  g_assert_cmpint(job_pod_count(find_index(pods, 1), JOB_INDEX_FAILURES), ==, 0);
  g_assert_cmpint(job_pod_count(find_index(pods, 1), JOB_INDEX_IGNORED), ==, 1);
  jobs_end_one(jobs, "code", 1, 42);
  cluster_wait(jobs_status(jobs, "code", "{active: 1, failed: 1, failedIndexes: \"1\"}"));
  jobs_end_one(jobs, "code", 0, 0);
  cluster_wait(jobs_condition(jobs, "code", "Failed", "FailedIndexes"));
}

static void test_success_policy(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "lead",
              "completionMode: Indexed, completions: 4, parallelism: 4, successPolicy: {rules: [{succeededIndexes: "
              "\"0\"}]}");
  cluster_wait(jobs_status(jobs, "lead", "{active: 4, ready: 4}"));
  jobs_end_one(jobs, "lead", 2, 0);
  cluster_wait(jobs_status(jobs, "lead", "{active: 3, conditions: null}"));
  jobs_end_one(jobs, "lead", 0, 0);
  cluster_wait(jobs_condition(jobs, "lead", "Complete", "SuccessPolicy"));
  g_assert_true(jobs_condition(jobs, "lead", "SuccessCriteriaMet", "SuccessPolicy"));
  /* The rest is deleted, and has not failed. */
  g_assert_true(jobs_status(jobs, "lead", "{active: null, succeeded: 2, failed: null, completedIndexes: \"0,2\"}"));
  cluster_wait(cluster_count(jobs->cluster, "v1", "pods", "lead") == 2);
  g_autoptr(json_t) job = cluster_get(jobs->cluster, "batch/v1", "jobs", true, "lead");
  g_assert_cmpstr(json_str(condition_get(json_object_get(job, "status"), "Complete"), "message", ""), ==,
                  "Matched rules at index 0");
}

/* Counts of indexes and of their failures live in the store alone. */
static void test_restart(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "keep", "completionMode: Indexed, completions: 3, parallelism: 3, backoffLimitPerIndex: 1");
  cluster_wait(jobs_status(jobs, "keep", "{active: 3, ready: 3}"));
  jobs_end_one(jobs, "keep", 0, 1);
  cluster_stop(jobs->cluster); /* whether it was seen or not */
  jobs_end_one(jobs, "keep", 2, 0);
  cluster_resume(jobs->cluster);
  cluster_wait(jobs_status(jobs, "keep", "{active: 1, succeeded: 1, completedIndexes: \"2\"}"));
  jobs_wait_alarm(jobs, 10);
  cluster_stop(jobs->cluster);
  cluster_resume(jobs->cluster);
  jobs_pass(jobs, 10);
  cluster_wait(jobs_status(jobs, "keep", "{active: 2, ready: 2, failed: 1}"));
  jobs_end_one(jobs, "keep", 0, 1);
  cluster_wait(jobs_status(jobs, "keep", "{active: 1, failed: 2, failedIndexes: \"0\"}"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/job-indexed/text", test_text);
  g_test_add_func("/job-indexed/sets", test_sets);
  g_test_add_func("/job-indexed/success-rules", test_success_rules);
  g_test_add_func("/job-indexed/identity", test_identity);
  g_test_add_func("/job-indexed/retries", test_retries);
  g_test_add_func("/job-indexed/elastic", test_elastic);
  g_test_add_func("/job-indexed/doubles", test_doubles);
  g_test_add_func("/job-indexed/limits-per-index", test_limits_per_index);
  g_test_add_func("/job-indexed/max-failed-indexes", test_max_failed_indexes);
  g_test_add_func("/job-indexed/fail-index", test_fail_index);
  g_test_add_func("/job-indexed/success-policy", test_success_policy);
  g_test_add_func("/job-indexed/restart", test_restart);
  return g_test_run();
}
