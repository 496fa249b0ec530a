/* Cron jobs: when their jobs start, how many run, which are kept, and what silence and restarts do. */
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/batch/job_state.h"
#include "jobs.h"

#define HOUR ((int64_t)3600)

/* Creates the cron job NAME with the members SPEC, and sets the clock to no earlier than that. Its jobs' label app is
 * NAME. */
static void create_cron(Jobs *jobs, const char *name, const char *spec)
{
  g_autofree char *yaml = g_strdup_printf(
      "{metadata: {name: %s}, spec: {%s, jobTemplate: {metadata: {labels: {app: %s}, annotations: {note: kept}}, spec: "
      "{template: {metadata: {labels: {app: %s}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}}}",
      name, spec, name, name);
  cluster_create(jobs->cluster, "batch/v1", "cronjobs", true, yaml);
  g_autoptr(json_t) cron_job = cluster_get(jobs->cluster, "batch/v1", "cronjobs", true, name);
  int64_t created_us;
  g_assert_true(timestamp_parse(json_str(json_object_get(cron_job, "metadata"), "creationTimestamp", ""), &created_us));
  if (created_us > alarm_clock_now_us(jobs->clock))
    alarm_clock_set(jobs->clock, created_us);
}

static void pass_to_hour(Jobs *jobs)
{
  int64_t now = alarm_clock_now_us(jobs->clock) / G_USEC_PER_SEC;
  jobs_pass(jobs, HOUR - now % HOUR);
}

/* The name of the job of the clock's hour. */
static char *job_name(Jobs *jobs, const char *name)
{
  int64_t now = alarm_clock_now_us(jobs->clock) / G_USEC_PER_SEC;
  return g_strdup_printf("%s-%" G_GINT64_FORMAT, name, (now - now % HOUR) / 60);
}

static bool is_cron_status(Jobs *jobs, const char *name, unsigned active, int64_t last_us)
{
  g_autoptr(json_t) cron_job = cluster_get(jobs->cluster, "batch/v1", "cronjobs", true, name);
  g_autofree char *last = timestamp_text(last_us);
  const json_t *status = json_object_get(cron_job, "status");
  return json_array_size(json_object_get(status, "active")) == active &&
         strcmp(json_str(status, "lastScheduleTime", ""), last_us ? last : "") == 0;
}

/* Waits until the alarm of an hourly cron job is for the next hour: then it has been looked at. */
static void wait_next_hour(Jobs *jobs)
{
  int64_t now = alarm_clock_now_us(jobs->clock) / G_USEC_PER_SEC;
  jobs_wait_alarm(jobs, HOUR - now % HOUR);
}

static void end_job(Jobs *jobs, const char *app, int exit_code)
{
  jobs_end_one(jobs, app, -1, exit_code);
}

static void test_start(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "tick", "schedule: '0 * * * *'");
  wait_next_hour(jobs);
  g_assert_cmpuint(cluster_count(jobs->cluster, "batch/v1", "jobs", "tick"), ==, 0);
  g_assert_true(is_cron_status(jobs, "tick", 0, 0));
  pass_to_hour(jobs);
  int64_t first_us = alarm_clock_now_us(jobs->clock);
  g_autofree char *name = job_name(jobs, "tick"), *at = timestamp_text(first_us);
  cluster_wait(is_cron_status(jobs, "tick", 1, first_us));
  g_autoptr(json_t) job = cluster_get(jobs->cluster, "batch/v1", "jobs", true, name);
  g_assert_nonnull(job);
  const json_t *annotations = json_at(job, "metadata", "annotations", NULL);
  g_assert_cmpstr(json_str(annotations, "batch.kubernetes.io/cronjob-scheduled-timestamp", ""), ==, at);
  g_assert_cmpstr(json_str(annotations, "note", ""), ==, "kept");
  const json_t *owner = json_array_get(json_at(job, "metadata", "ownerReferences", NULL), 0);
  g_assert_cmpstr(json_str(owner, "kind", ""), ==, "CronJob");
  g_assert_true(json_flag(owner, "controller", false));
  g_autoptr(json_t) cron_job = cluster_get(jobs->cluster, "batch/v1", "cronjobs", true, "tick");
  const json_t *active = json_array_get(json_at(cron_job, "status", "active", NULL), 0);
  g_assert_cmpstr(json_str(active, "name", ""), ==, name);
  g_assert_cmpstr(json_str(active, "kind", ""), ==, "Job");
  g_autofree char *created = g_strconcat("Created job ", name, NULL);
  cluster_wait(cluster_has_event(jobs->cluster, "tick", "SuccessfulCreate", created));
  end_job(jobs, "tick", 0);
  cluster_wait(is_cron_status(jobs, "tick", 0, first_us));
  g_autofree char *saw = g_strdup_printf("Saw completed job: %s, status: Complete", name);
  cluster_wait(cluster_has_event(jobs->cluster, "tick", "SawCompletedJob", saw));
  g_autoptr(json_t) after = cluster_get(jobs->cluster, "batch/v1", "cronjobs", true, "tick");
  g_assert_cmpstr(json_str(json_object_get(after, "status"), "lastSuccessfulTime", ""), ==, at);
  /* Its jobs go with it. */
  cluster_delete(jobs->cluster, "batch/v1", "cronjobs", true, "tick", "Background");
  cluster_wait(cluster_count(jobs->cluster, "batch/v1", "jobs", "tick") == 0);
}

static void test_allow(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "many", "schedule: '0 * * * *'");
  for (unsigned active = 1; active <= 3; active++) {
    wait_next_hour(jobs);
    pass_to_hour(jobs);
    cluster_wait(is_cron_status(jobs, "many", active, alarm_clock_now_us(jobs->clock)));
  }
  g_assert_cmpuint(cluster_count(jobs->cluster, "batch/v1", "jobs", "many"), ==, 3);
}

static void test_forbid(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "one", "schedule: '0 * * * *', concurrencyPolicy: Forbid");
  wait_next_hour(jobs);
  pass_to_hour(jobs);
  int64_t first_us = alarm_clock_now_us(jobs->clock);
  cluster_wait(is_cron_status(jobs, "one", 1, first_us));
  pass_to_hour(jobs);
  cluster_wait(cluster_has_event(jobs->cluster, "one", "JobAlreadyActive",
                                 "Not starting job because prior execution is running and concurrency policy is "
                                 "Forbid"));
  g_assert_true(is_cron_status(jobs, "one", 1, first_us));
  /* When the first ends, the time that has passed is made up for. */
  end_job(jobs, "one", 0);
  cluster_wait(is_cron_status(jobs, "one", 1, alarm_clock_now_us(jobs->clock)));
  g_assert_cmpuint(cluster_count(jobs->cluster, "batch/v1", "jobs", "one"), ==, 2);
}

static void test_replace(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "new", "schedule: '0 * * * *', concurrencyPolicy: Replace");
  wait_next_hour(jobs);
  pass_to_hour(jobs);
  g_autofree char *first = job_name(jobs, "new");
  cluster_wait(is_cron_status(jobs, "new", 1, alarm_clock_now_us(jobs->clock)));
  cluster_wait(jobs_status(jobs, first, "{active: 1, ready: 1}"));
  pass_to_hour(jobs);
  cluster_wait(is_cron_status(jobs, "new", 1, alarm_clock_now_us(jobs->clock)));
  g_autofree char *deleted = g_strconcat("Deleted job ", first, NULL), *second = job_name(jobs, "new");
  cluster_wait(cluster_has_event(jobs->cluster, "new", "SuccessfulDelete", deleted));
  cluster_wait(!cluster_exists(jobs->cluster, "batch/v1", "jobs", first));
  cluster_wait(cluster_exists(jobs->cluster, "batch/v1", "jobs", second));
  cluster_wait(cluster_count_pods(jobs->cluster, "new") == 1);
}

static void test_missed(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "late", "schedule: '0 * * * *'");
  create_cron(jobs, "strict", "schedule: '0 * * * *', startingDeadlineSeconds: 600");
  wait_next_hour(jobs);
  /* Nobody looks for some hours: the last time is made up for, once, where it is not too late. */
  cluster_stop(jobs->cluster);
  pass_to_hour(jobs);
  jobs_pass(jobs, 5 * HOUR + 1800);
  int64_t due_us = alarm_clock_now_us(jobs->clock) - 1800 * (int64_t)G_USEC_PER_SEC;
  cluster_resume(jobs->cluster);
  cluster_wait(is_cron_status(jobs, "late", 1, due_us));
  wait_next_hour(jobs);
  g_assert_cmpuint(cluster_count(jobs->cluster, "batch/v1", "jobs", "late"), ==, 1);
  g_assert_cmpuint(cluster_count(jobs->cluster, "batch/v1", "jobs", "strict"), ==, 0);
  g_assert_false(cluster_has_event(jobs->cluster, "late", "TooManyMissedTimes", ""));
  /* More than a hundred: it says so. */
  jobs_pass(jobs, 101 * HOUR);
  cluster_wait(is_cron_status(jobs, "late", 2, due_us + 101 * HOUR * G_USEC_PER_SEC));
  cluster_wait(cluster_has_event(jobs->cluster, "late", "TooManyMissedTimes",
                                 "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check "
                                 "clock skew"));
}

static void test_too_late(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "busy", "schedule: '0 * * * *', concurrencyPolicy: Forbid, startingDeadlineSeconds: 600");
  wait_next_hour(jobs);
  pass_to_hour(jobs);
  int64_t first_us = alarm_clock_now_us(jobs->clock);
  cluster_wait(is_cron_status(jobs, "busy", 1, first_us));
  pass_to_hour(jobs);
  cluster_wait(cluster_has_event(jobs->cluster, "busy", "JobAlreadyActive", ""));
  /* By the time the first ends, the second's time is over. */
  jobs_pass(jobs, 601);
  end_job(jobs, "busy", 0);
  cluster_wait(is_cron_status(jobs, "busy", 0, first_us));
  wait_next_hour(jobs);
  g_assert_cmpuint(cluster_count(jobs->cluster, "batch/v1", "jobs", "busy"), ==, 1);
}

static void test_suspend(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "rest", "schedule: '0 * * * *', suspend: true");
  create_cron(jobs, "mark", "schedule: '0 * * * *'");
  wait_next_hour(jobs);
  pass_to_hour(jobs);
  cluster_wait(is_cron_status(jobs, "mark", 1, alarm_clock_now_us(jobs->clock)));
  g_assert_true(is_cron_status(jobs, "rest", 0, 0));
  /* What was due while it rested has been missed, and the last of it is made up for. */
  cluster_patch(jobs->cluster, "batch/v1", "cronjobs", "rest", "{spec: {suspend: false}}");
  cluster_wait(is_cron_status(jobs, "rest", 1, alarm_clock_now_us(jobs->clock)));
}

/* A new schedule is no reason to start what it would have missed. */
static void test_new_schedule(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "turn", "schedule: '0 0 1 1 *', startingDeadlineSeconds: 100000");
  cluster_wait(alarm_clock_next_us(jobs->clock) > 0);
  jobs_pass(jobs, 5 * HOUR);
  cluster_patch(jobs->cluster, "batch/v1", "cronjobs", "turn", "{spec: {schedule: '0 * * * *'}}");
  wait_next_hour(jobs);
  g_assert_true(is_cron_status(jobs, "turn", 0, 0));
  pass_to_hour(jobs);
  cluster_wait(is_cron_status(jobs, "turn", 1, alarm_clock_now_us(jobs->clock)));
}

static void test_zone(void)
{
  g_autoptr(GTimeZone) zone = g_time_zone_new_identifier("Asia/Kolkata");
  if (!zone) {
    g_test_skip("the machine knows no zones");
    return;
  }
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "east", "schedule: '0 * * * *', timeZone: Asia/Kolkata");
  cluster_wait(alarm_clock_next_us(jobs->clock) > 0);
  /* Their hours begin at our half ones. */
  jobs_pass(jobs, alarm_clock_next_us(jobs->clock) / G_USEC_PER_SEC);
  int64_t now_us = alarm_clock_now_us(jobs->clock);
  g_assert_cmpint(now_us / G_USEC_PER_SEC % HOUR, ==, 1800);
  cluster_wait(is_cron_status(jobs, "east", 1, now_us));
  g_autoptr(GPtrArray) made = cluster_list(jobs->cluster, "batch/v1", "jobs", "east");
  const char *at = json_str(json_at(object_json(made->pdata[0]), "metadata", "annotations", NULL),
                            "batch.kubernetes.io/cronjob-scheduled-timestamp", "");
  g_assert_true(g_str_has_suffix(at, ":00:00+05:30"));
}

static unsigned count_jobs(Jobs *jobs, const char *app, const char *condition)
{
  g_autoptr(GPtrArray) all = cluster_list(jobs->cluster, "batch/v1", "jobs", app);
  unsigned count = 0;
  for (unsigned i = 0; i < all->len; i++)
    count += condition_is(json_object_get(object_json(all->pdata[i]), "status"), condition, "True");
  return count;
}

/* Two months of days, some of them bad. */
static void test_history(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "daily", "schedule: '@daily', successfulJobsHistoryLimit: 2, failedJobsHistoryLimit: 1");
  cluster_patch(jobs->cluster, "batch/v1", "cronjobs", "daily", "{spec: {jobTemplate: {spec: {backoffLimit: 0}}}}");
  for (unsigned day = 0; day < 60; day++) {
    cluster_wait(alarm_clock_next_us(jobs->clock) > 0);
    jobs_pass(jobs, alarm_clock_next_us(jobs->clock) / G_USEC_PER_SEC);
    int64_t now_us = alarm_clock_now_us(jobs->clock);
    cluster_wait(is_cron_status(jobs, "daily", 1, now_us));
    end_job(jobs, "daily", day % 5 == 4);
    cluster_wait(is_cron_status(jobs, "daily", 0, now_us));
  }
  cluster_wait(cluster_count(jobs->cluster, "batch/v1", "jobs", "daily") == 3);
  g_assert_cmpuint(count_jobs(jobs, "daily", "Complete"), ==, 2);
  g_assert_cmpuint(count_jobs(jobs, "daily", "Failed"), ==, 1);
  /* The newest are kept. */
  g_autofree char *last = job_name(jobs, "daily");
  g_assert_true(cluster_exists(jobs->cluster, "batch/v1", "jobs", last));
  cluster_wait(cluster_has_event(jobs->cluster, "daily", "SuccessfulDelete", "Deleted job daily-"));
  cluster_patch(jobs->cluster, "batch/v1", "cronjobs", "daily",
                "{spec: {successfulJobsHistoryLimit: 0, failedJobsHistoryLimit: 0}}");
  cluster_wait(cluster_count(jobs->cluster, "batch/v1", "jobs", "daily") == 0);
}

static void test_missing_job(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "gone", "schedule: '0 * * * *'");
  wait_next_hour(jobs);
  pass_to_hour(jobs);
  int64_t now_us = alarm_clock_now_us(jobs->clock);
  g_autofree char *name = job_name(jobs, "gone");
  cluster_wait(is_cron_status(jobs, "gone", 1, now_us));
  cluster_delete(jobs->cluster, "batch/v1", "jobs", true, name, "Background");
  cluster_wait(is_cron_status(jobs, "gone", 0, now_us));
  g_autofree char *text = g_strconcat("Active job went missing: ", name, NULL);
  cluster_wait(cluster_has_event(jobs->cluster, "gone", "MissingJob", text));
  /* That time has had its job. */
  g_assert_false(cluster_exists(jobs->cluster, "batch/v1", "jobs", name));
}

/* True when the status of NAME has the clock's time as that of the last success. */
static bool has_success(Jobs *jobs, const char *name)
{
  g_autofree char *now = timestamp_text(alarm_clock_now_us(jobs->clock));
  g_autoptr(json_t) cron_job = cluster_get(jobs->cluster, "batch/v1", "cronjobs", true, name);
  return strcmp(json_str(json_object_get(cron_job, "status"), "lastSuccessfulTime", ""), now) == 0;
}

/* `kubectl create job --from=cronjob/x`: a job with the cron job as its controller that this did not make. */
static void test_manual_job(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "base", "schedule: '0 0 1 1 *'");
  g_autoptr(json_t) cron_job = cluster_get(jobs->cluster, "batch/v1", "cronjobs", true, "base");
  g_autofree char *yaml = g_strdup_printf(
      "{metadata: {name: by-hand, annotations: {cronjob.kubernetes.io/instantiate: manual}, ownerReferences: "
      "[{apiVersion: batch/v1, kind: CronJob, name: base, uid: %s, controller: true}]}, spec: {template: {metadata: "
      "{labels: {app: base}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}",
      json_str(json_object_get(cron_job, "metadata"), "uid", ""));
  cluster_create(jobs->cluster, "batch/v1", "jobs", true, yaml);
  cluster_wait(cluster_has_event(jobs->cluster, "base", "UnexpectedJob",
                                 "Saw a job that the controller did not create or forgot: by-hand"));
  end_job(jobs, "base", 0);
  cluster_wait(jobs_condition(jobs, "by-hand", "Complete", "CompletionsReached"));
  cluster_wait(has_success(jobs, "base"));
  g_assert_true(is_cron_status(jobs, "base", 0, 0));
}

/* Ended after the job was made, before the status could say so. */
static void test_restart(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "twice", "schedule: '0 * * * *'");
  wait_next_hour(jobs);
  pass_to_hour(jobs);
  int64_t now_us = alarm_clock_now_us(jobs->clock);
  cluster_wait(is_cron_status(jobs, "twice", 1, now_us));
  cluster_stop(jobs->cluster);
  cluster_set_status(jobs->cluster, "batch/v1", "cronjobs", "twice", "{active: null, lastScheduleTime: null}");
  g_assert_true(is_cron_status(jobs, "twice", 0, 0));
  cluster_resume(jobs->cluster);
  cluster_wait(is_cron_status(jobs, "twice", 1, now_us));
  g_assert_cmpuint(cluster_count(jobs->cluster, "batch/v1", "jobs", "twice"), ==, 1);
  /* The time of the last start survives, and so does the next. */
  cluster_stop(jobs->cluster);
  cluster_resume(jobs->cluster);
  wait_next_hour(jobs);
  pass_to_hour(jobs);
  cluster_wait(is_cron_status(jobs, "twice", 2, alarm_clock_now_us(jobs->clock)));
}

/* A job of that name that is not ours is left alone, and nothing is started in its place. */
static void test_foreign_job(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "mine", "schedule: '0 * * * *'");
  wait_next_hour(jobs);
  int64_t next = alarm_clock_now_us(jobs->clock) / G_USEC_PER_SEC;
  next += HOUR - next % HOUR;
  g_autofree char *name = g_strdup_printf("mine-%" G_GINT64_FORMAT, next / 60);
  jobs_create(jobs, name, "suspend: true");
  cluster_wait(jobs_condition(jobs, name, "Suspended", "JobSuspended"));
  pass_to_hour(jobs);
  wait_next_hour(jobs);
  pass_to_hour(jobs);
  cluster_wait(is_cron_status(jobs, "mine", 1, alarm_clock_now_us(jobs->clock)));
  g_assert_true(jobs_status(jobs, name, "{active: null}"));
}

static void test_bad_schedules(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  create_cron(jobs, "never", "schedule: '0 0 31 2 *'");
  cluster_wait(cluster_has_event(jobs->cluster, "never", "InvalidSchedule",
                                 "invalid schedule: 0 0 31 2 * : time difference between two schedules is less than 1 "
                                 "second"));
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
    cluster_patch(storm->jobs->cluster, "batch/v1", "cronjobs", "storm", patch);
  }
  return NULL;
}

static void test_conflicts(void)
{
  g_autoptr(Jobs) jobs = jobs_new();
  Storm storm = { .jobs = jobs };
  create_cron(jobs, "storm", "schedule: '0 * * * *', successfulJobsHistoryLimit: 100");
  GThread *thread = g_thread_new("storm", disturb, &storm);
  for (unsigned hour = 1; hour <= 10; hour++) {
    cluster_wait(alarm_clock_next_us(jobs->clock) > 0);
    pass_to_hour(jobs);
    cluster_wait(is_cron_status(jobs, "storm", 1, alarm_clock_now_us(jobs->clock)));
    end_job(jobs, "storm", 0);
    cluster_wait(is_cron_status(jobs, "storm", 0, alarm_clock_now_us(jobs->clock)));
  }
  g_atomic_int_set(&storm.stop, 1);
  g_thread_join(thread);
  g_assert_cmpuint(cluster_count(jobs->cluster, "batch/v1", "jobs", "storm"), ==, 10);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/cron-job/start", test_start);
  g_test_add_func("/cron-job/allow", test_allow);
  g_test_add_func("/cron-job/forbid", test_forbid);
  g_test_add_func("/cron-job/replace", test_replace);
  g_test_add_func("/cron-job/missed", test_missed);
  g_test_add_func("/cron-job/too-late", test_too_late);
  g_test_add_func("/cron-job/suspend", test_suspend);
  g_test_add_func("/cron-job/new-schedule", test_new_schedule);
  g_test_add_func("/cron-job/zone", test_zone);
  g_test_add_func("/cron-job/history", test_history);
  g_test_add_func("/cron-job/missing-job", test_missing_job);
  g_test_add_func("/cron-job/manual-job", test_manual_job);
  g_test_add_func("/cron-job/restart", test_restart);
  g_test_add_func("/cron-job/foreign-job", test_foreign_job);
  g_test_add_func("/cron-job/bad-schedules", test_bad_schedules);
  g_test_add_func("/cron-job/conflicts", test_conflicts);
  return g_test_run();
}
