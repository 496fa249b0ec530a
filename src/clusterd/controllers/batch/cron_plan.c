#include "clusterd/controllers/batch/cron_plan.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/controllers/batch/cron_times.h"

#define MISSED_MAX 100

static GTimeZone *find_zone(const char *name, char **problem)
{
  GTimeZone *zone = g_time_zone_new_identifier(name);
  if (!zone)
    *problem = g_strdup_printf("unknown time zone %s", name);
  return zone;
}

CronStep cron_plan_parse(const json_t *cron_job, CronSchedule *schedule, GTimeZone **zone, char **problem)
{
  const json_t *spec = json_object_get(cron_job, "spec");
  const char *text = json_str(spec, "schedule", ""), *name = json_str(spec, "timeZone", NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char *own = NULL;
  *problem = NULL;
  *zone = name ? find_zone(name, problem) : g_time_zone_new_utc();
  if (!*zone)
    return CRON_UNKNOWN_ZONE;
  /* "TZ=Europe/Zurich 0 * * * *": no longer taken by the API, but such cron jobs may be there. */
  if (g_str_has_prefix(text, "TZ=") || g_str_has_prefix(text, "CRON_TZ=")) {
    const char *begin = strchr(text, '=') + 1;
    own = g_strndup(begin, strcspn(begin, " "));
    text = begin + strlen(own) + strspn(begin + strlen(own), " ");
    g_clear_pointer(zone, g_time_zone_unref);
    *zone = find_zone(own, problem);
    if (!*zone)
      return CRON_UNPARSEABLE;
  }
  if (cron_schedule_parse(text, schedule, &error))
    return CRON_WAIT;
  *problem = g_strdup(error->message);
  return CRON_UNPARSEABLE;
}

/* From when on times that have passed are looked for. */
static int64_t earliest(const json_t *cron_job, int64_t now_us)
{
  const json_t *deadline = json_at(cron_job, "spec", "startingDeadlineSeconds", NULL);
  int64_t time_us = 0;
  if (!timestamp_parse(json_str(json_object_get(cron_job, "status"), "lastScheduleTime", NULL), &time_us))
    timestamp_parse(json_str(json_object_get(cron_job, "metadata"), "creationTimestamp", NULL), &time_us);
  if (deadline)
    time_us = MAX(time_us, now_us - json_integer_value(deadline) * G_USEC_PER_SEC);
  return time_us;
}

/* The schedule is fine by itself. */
static void plan_time(CronPlan *plan, const json_t *cron_job, const CronSchedule *schedule, GTimeZone *zone,
                      int64_t now_us)
{
  const json_t *deadline = json_at(cron_job, "spec", "startingDeadlineSeconds", NULL);
  unsigned count;
  plan->next_us = cron_next(schedule, zone, now_us);
  plan->scheduled_us = cron_latest(schedule, zone, earliest(cron_job, now_us), now_us, MISSED_MAX, &count);
  plan->is_behind = count > MISSED_MAX;
  if (plan->scheduled_us == 0 && plan->next_us == 0) {
    plan->step = CRON_INVALID;
    plan->problem = g_strdup("time difference between two schedules is less than 1 second");
  } else if (plan->scheduled_us > 0) {
    bool late = deadline && plan->scheduled_us + json_integer_value(deadline) * (int64_t)G_USEC_PER_SEC < now_us;
    plan->step = late ? CRON_MISSED : CRON_START;
  }
}

CronPlan *cron_plan_new(const json_t *cron_job, int64_t now_us)
{
  CronPlan *plan = g_new0(CronPlan, 1);
  g_autoptr(GTimeZone) zone = NULL;
  CronSchedule schedule;
  plan->step = cron_plan_parse(cron_job, &schedule, &zone, &plan->problem);
  if (plan->step == CRON_UNKNOWN_ZONE)
    return plan;
  if (json_flag(json_object_get(cron_job, "spec"), "suspend", false))
    plan->step = CRON_SUSPENDED;
  else if (plan->step == CRON_WAIT)
    plan_time(plan, cron_job, &schedule, zone, now_us);
  return plan;
}

void cron_plan_free(CronPlan *plan)
{
  if (!plan)
    return;
  g_free(plan->problem);
  g_free(plan);
}
