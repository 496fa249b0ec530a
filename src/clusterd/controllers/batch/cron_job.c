#include "clusterd/controllers/batch/cron_job.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/batch/cron_children.h"
#include "clusterd/controllers/batch/cron_plan.h"
#include "clusterd/controllers/batch/cron_times.h"
#include "clusterd/controllers/pods/owner.h"

#define N_WORKERS 2

struct CronJobController {
  Client *client;
  Recorder *recorder;
  AlarmClock *clock;
  Informer *cron_jobs, *jobs;
  WorkQueue *work;
};

/* --- one cron job ----------------------------------------------------------------------------------------------- */

/* Mon, 02 Jan 2006 15:04:05 +0000 */
static char *mail_time(int64_t time_us)
{
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(time_us / G_USEC_PER_SEC);
  static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
  static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
  g_autofree char *clock = g_date_time_format(time, "%Y %H:%M:%S +0000");
  return g_strdup_printf("%s, %02d %s %s", days[g_date_time_get_day_of_week(time) - 1],
                         g_date_time_get_day_of_month(time), months[g_date_time_get_month(time) - 1], clock);
}

static void warn(const CronJobController *controller, const json_t *cron_job, const CronPlan *plan)
{
  const json_t *spec = json_object_get(cron_job, "spec");
  const char *schedule = json_str(spec, "schedule", "");
  Recorder *recorder = controller->recorder;
  if (strstr(schedule, "TZ") && plan->step != CRON_SUSPENDED && plan->step != CRON_UNKNOWN_ZONE)
    recorder_event(recorder, cron_job, NULL, "Warning", "UnsupportedSchedule",
                   "CRON_TZ or TZ used in schedule \"%s\" is not officially supported, see "
                   "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details",
                   schedule);
  if (plan->step == CRON_UNKNOWN_ZONE)
    recorder_event(recorder, cron_job, NULL, "Warning", "UnknownTimeZone", "invalid timeZone: \"%s\": %s",
                   json_str(spec, "timeZone", ""), plan->problem);
  if (plan->step == CRON_UNPARSEABLE)
    recorder_event(recorder, cron_job, NULL, "Warning", "UnparseableSchedule", "unparseable schedule: \"%s\" : %s",
                   schedule, plan->problem);
  if (plan->step == CRON_INVALID)
    recorder_event(recorder, cron_job, NULL, "Warning", "InvalidSchedule", "invalid schedule: %s : %s", schedule,
                   plan->problem);
  if (plan->is_behind)
    recorder_event(recorder, cron_job, NULL, "Warning", "TooManyMissedTimes",
                   "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew");
  if (plan->step == CRON_MISSED) {
    g_autofree char *time = mail_time(plan->scheduled_us);
    recorder_event(recorder, cron_job, NULL, "Warning", "MissSchedule", "Missed scheduled time to start a job: %s",
                   time);
  }
}

static bool start(const CronChildren *children, int64_t scheduled_us, GError **error)
{
  const json_t *cron_job = object_json(children->cron_job);
  const char *policy = json_str(json_object_get(cron_job, "spec"), "concurrencyPolicy", "Allow");
  bool busy = json_array_size(json_object_get(children->status, "active")) > 0;
  if (busy && strcmp(policy, "Forbid") == 0) {
    recorder_event(children->recorder, cron_job, NULL, "Normal", "JobAlreadyActive",
                   "Not starting job because prior execution is running and concurrency policy is Forbid");
    return true;
  }
  if (busy && strcmp(policy, "Replace") == 0 && !cron_children_replace(children, error))
    return false;
  return cron_children_start(children, scheduled_us, error);
}

static bool follow_plan(CronJobController *controller, const char *key, const CronChildren *children, GError **error)
{
  const json_t *cron_job = object_json(children->cron_job);
  if (pod_is_deleting(cron_job)) /* the member is every object's */
    return true;
  g_autoptr(CronPlan) plan = cron_plan_new(cron_job, alarm_clock_now_us(controller->clock));
  warn(controller, cron_job, plan);
  if (plan->next_us > 0)
    alarm_clock_add(controller->clock, controller->work, key, plan->next_us);
  return plan->step != CRON_START || start(children, plan->scheduled_us, error);
}

static bool write_status(CronJobController *controller, const Object *cron_job, const json_t *status, GError **error)
{
  int64_t revision;
  if (json_same(status, json_object_get(object_json(cron_job), "status")))
    return true;
  if (!status_write(controller->client, "batch/v1", "cronjobs", cron_job, status, &revision, error))
    return false;
  informer_wait_revision(controller->cron_jobs, revision);
  return true;
}

static bool sync_cron_job(CronJobController *controller, const char *key, const Object *cron_job, GError **error)
{
  const json_t *old = json_object_get(object_json(cron_job), "status");
  g_autoptr(json_t) status = old ? json_deep_copy(old) : json_object();
  g_autoptr(GPtrArray) known = informer_by_index(controller->jobs, OWNER_INDEX_UID, object_uid(cron_job));
  CronChildren children = { .client = controller->client,
                            .recorder = controller->recorder,
                            .jobs = controller->jobs,
                            .cron_job = cron_job,
                            .known = known,
                            .status = status };
  GError *problem = NULL;
  bool done = cron_children_note(&children, &problem) && follow_plan(controller, key, &children, &problem) &&
              cron_children_trim(&children, &problem);
  /* What was done is written down, whatever came after it. */
  bool written = write_status(controller, cron_job, status, problem ? NULL : error);
  if (problem)
    g_propagate_error(error, problem);
  return done && written;
}

static bool reconcile(const char *key, void *data)
{
  CronJobController *controller = data;
  g_autofree char *namespace_ = NULL, *name = NULL;
  g_autoptr(GError) error = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) cron_job = informer_get(controller->cron_jobs, namespace_, name);
  if (!cron_job) {
    alarm_clock_drop(controller->clock, controller->work, key);
    return true;
  }
  bool done = sync_cron_job(controller, key, cron_job, &error);
  if (!done)
    g_info("CronJob %s: %s", key, error ? error->message : "tried again");
  return done;
}

/* --- what informers tell ---------------------------------------------------------------------------------------- */

static bool has_new_schedule(const json_t *old, const json_t *now)
{
  const json_t *a = json_object_get(old, "spec"), *b = json_object_get(now, "spec");
  return !json_same(json_object_get(a, "schedule"), json_object_get(b, "schedule")) ||
         !json_same(json_object_get(a, "timeZone"), json_object_get(b, "timeZone"));
}

/* When CRON_JOB is to be looked at first after its schedule has changed; 0: at once. */
static int64_t first_time(const CronJobController *controller, const json_t *cron_job)
{
  CronSchedule schedule;
  g_autoptr(GTimeZone) zone = NULL;
  g_autofree char *problem = NULL;
  if (cron_plan_parse(cron_job, &schedule, &zone, &problem) != CRON_WAIT)
    return 0;
  return cron_next(&schedule, zone, alarm_clock_now_us(controller->clock));
}

/* A new schedule is good for what is to come: what it would have missed is no reason to start. */
static void on_cron_job(Object *old, Object *new_object, void *data)
{
  const CronJobController *controller = data;
  g_autofree char *key = informer_key(new_object ? new_object : old);
  bool changed = old && new_object && has_new_schedule(object_json(old), object_json(new_object));
  int64_t first_us = changed ? first_time(controller, object_json(new_object)) : 0;
  if (first_us > 0)
    alarm_clock_add(controller->clock, controller->work, key, first_us);
  else
    work_queue_add(controller->work, key);
}

static void queue_owner(const CronJobController *controller, const Object *job)
{
  const json_t *owner = job ? owner_of(object_json(job)) : NULL;
  if (!owner || !owner_is(owner, "batch", "CronJob"))
    return;
  g_autofree char *key = g_strconcat(object_namespace(job), "/", json_str(owner, "name", ""), NULL);
  work_queue_add(controller->work, key);
}

static void on_job(Object *old, Object *new_object, void *data)
{
  queue_owner(data, old);
  queue_owner(data, new_object);
}

CronJobController *cron_job_controller_new(const ControllerContext *context)
{
  CronJobController *controller = g_new0(CronJobController, 1);
  controller->client = client_new(context->registry, "cronjob-controller");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->clock = context->clock;
  controller->cron_jobs = informer_set_get(context->informers, "batch/v1", "cronjobs");
  controller->jobs = informer_set_get(context->informers, "batch/v1", "jobs");
  controller->work = work_queue_new("CronJob", N_WORKERS, reconcile, controller);
  owner_add_indexes(controller->jobs);
  informer_add_handler(controller->cron_jobs, on_cron_job, controller);
  informer_add_handler(controller->jobs, on_job, controller);
  work_queue_start(controller->work);
  return controller;
}

void cron_job_controller_free(CronJobController *controller)
{
  work_queue_stop(controller->work);
  alarm_clock_forget(controller->clock, controller->work);
  work_queue_free(controller->work);
  recorder_free(controller->recorder);
  client_free(controller->client);
  g_free(controller);
}
