/* When schedules strike, what a cron job is to do at a time, and clocks that are set. */
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "clusterd/client/alarm_clock.h"
#include "clusterd/controllers/batch/cron_plan.h"
#include "clusterd/controllers/batch/cron_times.h"

static int64_t parse_time(const char *text)
{
  int64_t time_us;
  g_assert_true(timestamp_parse(text, &time_us));
  return time_us;
}

static CronSchedule parse_schedule(const char *text)
{
  CronSchedule schedule;
  g_autoptr(GError) error = NULL;
  cron_schedule_parse(text, &schedule, &error);
  g_assert_no_error(error);
  return schedule;
}

static void test_next(void)
{
  static const struct {
    const char *schedule, *zone, *after, *next; /* NULL: never */
  } rows[] = {
    { "* * * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z" },
    { "* * * * *", "UTC", "2026-01-01T00:00:59Z", "2026-01-01T00:01:00Z" },
    { "*/15 * * * *", "UTC", "2026-01-01T00:14:00Z", "2026-01-01T00:15:00Z" },
    { "*/15 * * * *", "UTC", "2026-12-31T23:45:00Z", "2027-01-01T00:00:00Z" },
    { "20-35/15 * * * *", "UTC", "2026-01-01T00:20:00Z", "2026-01-01T00:35:00Z" },
    { "30 6 * * *", "UTC", "2026-01-01T06:30:00Z", "2026-01-02T06:30:00Z" },
    { "@hourly", "UTC", "2026-01-01T05:59:59Z", "2026-01-01T06:00:00Z" },
    { "@daily", "UTC", "2026-02-28T12:00:00Z", "2026-03-01T00:00:00Z" },
    { "@weekly", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z" }, /* a Sunday */
    { "@monthly", "UTC", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z" },
    { "@yearly", "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z" },
    { "0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z" },
    { "59 23 31 2 *", "UTC", "2026-01-01T00:00:00Z", NULL },
    { "0 0 * * mon-fri", "UTC", "2026-01-02T00:00:00Z", "2026-01-05T00:00:00Z" },
    { "0 12 * jan,jul *", "UTC", "2026-02-01T00:00:00Z", "2026-07-01T12:00:00Z" },
    /* Day of the month and of the week: when both are given, either will do. */
    { "0 0 13 * 5", "UTC", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z" },
    { "0 0 13 * 5", "UTC", "2026-01-13T00:00:00Z", "2026-01-16T00:00:00Z" },
    { "0 0 13 * *", "UTC", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z" },
    { "0 0 */2 * 5", "UTC", "2026-01-01T00:00:00Z", "2026-01-09T00:00:00Z" }, /* a star: both */
    { "@every 90s", "UTC", "2026-01-01T00:00:10.700000Z", "2026-01-01T00:01:40Z" },
    /* Zones, and the days on which their clocks are set. */
    { "0 9 * * *", "Europe/Zurich", "2026-01-01T00:00:00Z", "2026-01-01T08:00:00Z" },
    { "0 9 * * *", "Europe/Zurich", "2026-07-01T00:00:00Z", "2026-07-01T07:00:00Z" },
    { "0 0 * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z", "2026-01-01T18:30:00Z" },
    { "0 0 * * *", "Pacific/Auckland", "2026-01-01T12:00:00Z", "2026-01-02T11:00:00Z" },
    { "30 2 * * *", "Europe/Zurich", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z" }, /* 02:30 was left out */
    { "0 3 * * *", "Europe/Zurich", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z" },
    { "30 2 * * *", "Europe/Zurich", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z" },
    { "30 2 * * *", "Europe/Zurich", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z" }, /* comes twice */
    { "30 2 * * *", "Europe/Zurich", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z" },
    { "15 * * * *", "America/New_York", "2026-03-08T06:15:00Z", "2026-03-08T07:15:00Z" },
    { "*/30 * * * *", "Australia/Lord_Howe", "2026-10-03T15:00:00Z", "2026-10-03T15:30:00Z" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    CronSchedule schedule = parse_schedule(rows[i].schedule);
    g_autoptr(GTimeZone) zone = g_time_zone_new_identifier(rows[i].zone);
    g_test_message("%s after %s in %s", rows[i].schedule, rows[i].after, rows[i].zone);
    if (!zone)
      continue; /* the machine knows no zones */
    int64_t next_us = cron_next(&schedule, zone, parse_time(rows[i].after));
    g_autofree char *next = next_us ? timestamp_text(next_us) : NULL;
    g_assert_cmpstr(next, ==, rows[i].next);
  }
}

/* Ten years, minute by minute and time by time, agree. */
static void test_years(void)
{
  static const char *const schedules[] = { "17 3 * * *", "*/20 2 * * 0", "0 0 1 */3 *", "45 1-3 25-31 3,10 *" };
  g_autoptr(GTimeZone) zone = g_time_zone_new_identifier("Europe/Zurich");
  if (!zone) {
    g_test_skip("the machine knows no zones");
    return;
  }
  for (size_t i = 0; i < G_N_ELEMENTS(schedules); i++) {
    CronSchedule schedule = parse_schedule(schedules[i]);
    int64_t begin_us = parse_time("2024-01-01T00:00:00Z"), end_us = parse_time("2034-01-01T00:00:00Z");
    unsigned count, strikes = 0;
    int64_t last_us = begin_us;
    for (int64_t at_us = begin_us; at_us <= end_us && at_us > 0; at_us = cron_next(&schedule, zone, at_us)) {
      g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(at_us / G_USEC_PER_SEC);
      g_autoptr(GDateTime) local = g_date_time_to_timezone(utc, zone);
      if (at_us == begin_us)
        continue;
      g_assert_cmpint(at_us, >, last_us);
      g_assert_true(schedule.minutes >> g_date_time_get_minute(local) & 1);
      g_assert_true(schedule.hours >> g_date_time_get_hour(local) & 1);
      g_assert_true(schedule.months >> g_date_time_get_month(local) & 1);
      last_us = at_us;
      strikes++;
    }
    g_assert_cmpint(cron_latest(&schedule, zone, begin_us, end_us, G_MAXUINT - 1, &count), ==, last_us);
    g_assert_cmpuint(count, ==, strikes);
    g_assert_cmpint(cron_latest(&schedule, zone, begin_us, end_us, 10, &count), ==, last_us);
    g_assert_cmpuint(count, ==, 11);
  }
}

static void test_latest(void)
{
  g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
  CronSchedule hourly = parse_schedule("@hourly"), every = parse_schedule("@every 1h"),
               never = parse_schedule("0 0 31 2 *");
  int64_t now_us = parse_time("2026-01-05T10:30:00Z");
  unsigned count;
  g_assert_cmpint(cron_latest(&hourly, utc, now_us - 60, now_us, 100, &count), ==, 0);
  g_assert_cmpuint(count, ==, 0);
  g_assert_cmpint(cron_latest(&hourly, utc, parse_time("2026-01-05T08:00:00Z"), now_us, 100, &count), ==,
                  parse_time("2026-01-05T10:00:00Z"));
  g_assert_cmpuint(count, ==, 2);
  g_assert_cmpint(cron_latest(&hourly, utc, 0, now_us, 100, &count), ==, parse_time("2026-01-05T10:00:00Z"));
  g_assert_cmpuint(count, ==, 101);
  g_assert_cmpint(cron_latest(&every, utc, parse_time("2026-01-05T08:15:00Z"), now_us, 100, &count), ==,
                  parse_time("2026-01-05T10:15:00Z"));
  g_assert_cmpuint(count, ==, 2);
  g_assert_cmpint(cron_latest(&every, utc, now_us, parse_time("2025-01-01T00:00:00Z"), 100, &count), ==, 0);
  g_assert_cmpint(cron_latest(&never, utc, 0, now_us, 100, &count), ==, 0);
}

static void test_plan(void)
{
  static const struct {
    const char *spec, *status, *now;
    CronStep step;
    const char *scheduled, *next;
    bool is_behind;
  } rows[] = {
    { "schedule: '0 * * * *'", "{}", "2026-01-01T10:45:00Z", CRON_WAIT, NULL, "2026-01-01T11:00:00Z", false },
    { "schedule: '0 * * * *'", "{}", "2026-01-01T11:00:00Z", CRON_START, "2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z",
      false },
    { "schedule: '0 * * * *'", "{}", "2026-01-01T13:15:00Z", CRON_START, "2026-01-01T13:00:00Z", "2026-01-01T14:00:00Z",
      false },
    { "schedule: '0 * * * *'", "{lastScheduleTime: 2026-01-01T13:00:00Z}", "2026-01-01T13:15:00Z", CRON_WAIT, NULL,
      "2026-01-01T14:00:00Z", false },
    /* After days of silence: the last time, and a warning. */
    { "schedule: '0 * * * *'", "{}", "2026-01-10T13:15:00Z", CRON_START, "2026-01-10T13:00:00Z", "2026-01-10T14:00:00Z",
      true },
    { "schedule: '0 * * * *', startingDeadlineSeconds: 3600", "{}", "2026-01-10T13:15:00Z", CRON_START,
      "2026-01-10T13:00:00Z", "2026-01-10T14:00:00Z", false },
    { "schedule: '0 * * * *', startingDeadlineSeconds: 600", "{}", "2026-01-10T13:15:00Z", CRON_WAIT, NULL,
      "2026-01-10T14:00:00Z", false },
    /* The clock has gone back: what has struck does not strike again. */
    { "schedule: '0 * * * *'", "{lastScheduleTime: 2026-01-01T13:00:00Z}", "2026-01-01T11:15:00Z", CRON_WAIT, NULL,
      "2026-01-01T12:00:00Z", false },
    { "schedule: '0 * * * *', suspend: true", "{}", "2026-01-10T13:15:00Z", CRON_SUSPENDED, NULL, NULL, false },
    { "schedule: '0 * * * *', timeZone: No/Where", "{}", "2026-01-10T13:15:00Z", CRON_UNKNOWN_ZONE, NULL, NULL, false },
    { "schedule: '0 * * *'", "{}", "2026-01-10T13:15:00Z", CRON_UNPARSEABLE, NULL, NULL, false },
    { "schedule: '0 0 31 2 *'", "{}", "2026-01-10T13:15:00Z", CRON_INVALID, NULL, NULL, false },
    { "schedule: '@every 7m'", "{}", "2026-01-01T10:50:00Z", CRON_START, "2026-01-01T10:44:00Z", "2026-01-01T10:57:00Z",
      false },
    { "schedule: 'TZ=UTC 0 * * * *'", "{}", "2026-01-01T11:00:00Z", CRON_START, "2026-01-01T11:00:00Z",
      "2026-01-01T12:00:00Z", false },
    { "schedule: 'CRON_TZ=No/Where 0 * * * *'", "{}", "2026-01-01T11:00:00Z", CRON_UNPARSEABLE, NULL, NULL, false },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *yaml = g_strdup_printf("{metadata: {creationTimestamp: 2026-01-01T10:30:00Z}, spec: {%s}, status: "
                                            "%s}",
                                            rows[i].spec, rows[i].status);
    g_autoptr(json_t) cron_job = yaml_parse(yaml, strlen(yaml), NULL);
    g_autoptr(CronPlan) plan = cron_plan_new(cron_job, parse_time(rows[i].now));
    g_test_message("%s at %s", rows[i].spec, rows[i].now);
    g_autofree char *scheduled = plan->scheduled_us ? timestamp_text(plan->scheduled_us) : NULL;
    g_autofree char *next = plan->next_us ? timestamp_text(plan->next_us) : NULL;
    g_assert_cmpint(plan->step, ==, rows[i].step);
    g_assert_cmpstr(scheduled, ==, rows[i].scheduled);
    g_assert_cmpstr(next, ==, rows[i].next);
    g_assert_cmpint(plan->is_behind, ==, rows[i].is_behind);
    g_assert_cmpint(plan->problem != NULL, ==, plan->step >= CRON_UNKNOWN_ZONE);
  }
}

/* --- the clock -------------------------------------------------------------------------------------------------- */

typedef struct Rung {
  GMutex lock;
  GCond changed;
  GString *keys;
} Rung;

static bool ring(const char *key, void *data)
{
  Rung *rung = data;
  g_mutex_lock(&rung->lock);
  g_string_append(rung->keys, key);
  g_cond_signal(&rung->changed);
  g_mutex_unlock(&rung->lock);
  return true;
}

static void wait_rung(Rung *rung, const char *keys)
{
  gint64 end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
  g_mutex_lock(&rung->lock);
  while (strcmp(rung->keys->str, keys) != 0)
    if (!g_cond_wait_until(&rung->changed, &rung->lock, end_us))
      g_error("rung: %s, not %s", rung->keys->str, keys);
  g_mutex_unlock(&rung->lock);
}

static void test_standing_clock(void)
{
  Rung rung = { .keys = g_string_new(NULL) };
  g_autoptr(AlarmClock) clock = alarm_clock_new_standing(1000);
  g_autoptr(WorkQueue) queue = work_queue_new("rung", 1, ring, &rung), other = work_queue_new("other", 1, ring, &rung);
  work_queue_start(queue);
  work_queue_start(other);
  alarm_clock_add(clock, queue, "a", 2000);
  alarm_clock_add(clock, queue, "a", 3000); /* the earlier one stands */
  alarm_clock_add(clock, queue, "b", 4000);
  alarm_clock_add(clock, queue, "b", 3500);
  alarm_clock_add(clock, other, "a", 3800);
  alarm_clock_add(clock, queue, "n", 1000); /* now */
  wait_rung(&rung, "n");
  g_assert_cmpint(alarm_clock_next_us(clock), ==, 1000);
  alarm_clock_set(clock, 500); /* back: what was to come is farther away */
  g_assert_cmpint(alarm_clock_next_us(clock), ==, 1500);
  alarm_clock_set(clock, 2000);
  wait_rung(&rung, "na");
  alarm_clock_set(clock, 3600); /* a jump: at once */
  wait_rung(&rung, "nab");
  alarm_clock_add(clock, queue, "c", 3700);
  alarm_clock_drop(clock, queue, "c");
  alarm_clock_drop(clock, queue, "unknown");
  g_assert_cmpint(alarm_clock_next_us(clock), ==, 200);
  alarm_clock_forget(clock, other);
  g_assert_cmpint(alarm_clock_next_us(clock), ==, -1);
  alarm_clock_set(clock, 10000);
  work_queue_drain(other, 0);
  g_assert_cmpstr(rung.keys->str, ==, "nab");
  work_queue_stop(queue);
  work_queue_stop(other);
  g_string_free(rung.keys, TRUE);
}

static void test_running_clock(void)
{
  Rung rung = { .keys = g_string_new(NULL) };
  g_autoptr(AlarmClock) clock = alarm_clock_new();
  g_autoptr(WorkQueue) queue = work_queue_new("rung", 1, ring, &rung);
  work_queue_start(queue);
  int64_t now_us = alarm_clock_now_us(clock);
  g_assert_cmpint(ABS(now_us - timestamp_now_us()), <, 60 * G_USEC_PER_SEC);
  alarm_clock_add(clock, queue, "z", now_us + 3600 * (int64_t)G_USEC_PER_SEC);
  alarm_clock_add(clock, queue, "b", now_us + 2 * (int64_t)G_USEC_PER_SEC);
  alarm_clock_add(clock, queue, "a", now_us + 10000);
  wait_rung(&rung, "ab");
  g_assert_cmpint(timestamp_now_us(), >=, now_us + 2 * (int64_t)G_USEC_PER_SEC);
  alarm_clock_forget(clock, queue);
  work_queue_stop(queue);
  g_string_free(rung.keys, TRUE);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/cron-times/next", test_next);
  g_test_add_func("/cron-times/years", test_years);
  g_test_add_func("/cron-times/latest", test_latest);
  g_test_add_func("/cron-times/plan", test_plan);
  g_test_add_func("/cron-times/standing-clock", test_standing_clock);
  g_test_add_func("/cron-times/running-clock", test_running_clock);
  return g_test_run();
}
