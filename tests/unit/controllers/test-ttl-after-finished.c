/* Finished jobs that go by themselves. */
#include "base/json.h"
#include "jobs.h"

static void test_complete(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "done", "ttlSecondsAfterFinished: 100");
  jobs_end_one(jobs, "done", -1, 0);
  jobs_wait_alarm(jobs, 100);
  jobs_pass(jobs, 99);
  g_assert_true(cluster_exists(jobs->cluster, "batch/v1", "jobs", "done"));
  jobs_pass(jobs, 1);
  /* With its pods, which go first. */
  cluster_wait(!cluster_exists(jobs->cluster, "batch/v1", "jobs", "done"));
  g_assert_cmpuint(cluster_count(jobs->cluster, "v1", "pods", "done"), ==, 0);
}

static void test_failed(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "bad", "backoffLimit: 0, ttlSecondsAfterFinished: 0");
  jobs_end_one(jobs, "bad", -1, 1);
  cluster_wait(!cluster_exists(jobs->cluster, "batch/v1", "jobs", "bad"));
}

/* One that runs has no such time, and one that says nothing stays. */
static void test_others(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "runs", "ttlSecondsAfterFinished: 5");
  jobs_create(jobs, "stays", "completions: 1");
  jobs_create(jobs, "goes", "ttlSecondsAfterFinished: 5");
  cluster_wait(jobs_status(jobs, "runs", "{active: 1, ready: 1}"));
  jobs_end_one(jobs, "stays", -1, 0);
  cluster_wait(jobs_condition(jobs, "stays", "Complete", "CompletionsReached"));
  jobs_end_one(jobs, "goes", -1, 0);
  jobs_wait_alarm(jobs, 5);
  jobs_pass(jobs, 1000000);
  cluster_wait(!cluster_exists(jobs->cluster, "batch/v1", "jobs", "goes"));
  g_assert_true(cluster_exists(jobs->cluster, "batch/v1", "jobs", "runs"));
  g_assert_true(cluster_exists(jobs->cluster, "batch/v1", "jobs", "stays"));
}

/* The time may be changed, also of a job that is finished. */
static void test_changed(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "more", "ttlSecondsAfterFinished: 100");
  jobs_create(jobs, "less", "completions: 1");
  jobs_end_one(jobs, "more", -1, 0);
  jobs_wait_alarm(jobs, 100);
  jobs_end_one(jobs, "less", -1, 0);
  cluster_wait(jobs_condition(jobs, "less", "Complete", "CompletionsReached"));
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "more", "{spec: {ttlSecondsAfterFinished: 1000}}");
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "less", "{spec: {ttlSecondsAfterFinished: 10}}");
  jobs_wait_alarm(jobs, 10);
  jobs_pass(jobs, 100);
  cluster_wait(!cluster_exists(jobs->cluster, "batch/v1", "jobs", "less"));
  jobs_wait_alarm(jobs, 900);
  g_assert_true(cluster_exists(jobs->cluster, "batch/v1", "jobs", "more"));
  cluster_patch(jobs->cluster, "batch/v1", "jobs", "more", "{spec: {ttlSecondsAfterFinished: null}}");
  jobs_pass(jobs, 900);
  jobs_create(jobs, "mark", "ttlSecondsAfterFinished: 7");
  jobs_end_one(jobs, "mark", -1, 0);
  jobs_wait_alarm(jobs, 7); /* by then the other's time has come and gone */
  g_assert_true(cluster_exists(jobs->cluster, "batch/v1", "jobs", "more"));
}

/* What was due while nobody looked is due at once. */
static void test_restart(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  jobs_create(jobs, "old", "ttlSecondsAfterFinished: 100");
  jobs_end_one(jobs, "old", -1, 0);
  jobs_wait_alarm(jobs, 100);
  cluster_stop(jobs->cluster);
  jobs_pass(jobs, 5000);
  cluster_resume(jobs->cluster);
  cluster_wait(!cluster_exists(jobs->cluster, "batch/v1", "jobs", "old"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/ttl-after-finished/complete", test_complete);
  g_test_add_func("/ttl-after-finished/failed", test_failed);
  g_test_add_func("/ttl-after-finished/others", test_others);
  g_test_add_func("/ttl-after-finished/changed", test_changed);
  g_test_add_func("/ttl-after-finished/restart", test_restart);
  return g_test_run();
}
