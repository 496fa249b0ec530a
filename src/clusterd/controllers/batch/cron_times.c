#include "clusterd/controllers/batch/cron_times.h"

#include <stdbool.h>

#define DAY ((int64_t)86400)
#define JULIAN_OF_1970 719163 /* GDate counts days from the year 1 */
#define YEARS_MAX 5

/* The whole second at or before TIME_US, since 1970. */
static int64_t floor_seconds(int64_t time_us)
{
  return time_us / G_USEC_PER_SEC - (time_us % G_USEC_PER_SEC < 0);
}

static bool has(uint64_t bits, unsigned bit)
{
  return bits >> bit & 1;
}

static bool strikes_on(const CronSchedule *schedule, const GDate *date)
{
  bool day = has(schedule->days, g_date_get_day(date)), weekday = has(schedule->weekdays, g_date_get_weekday(date) % 7);
  if (!has(schedule->months, (unsigned)g_date_get_month(date)))
    return false;
  return schedule->any_day || schedule->any_weekday ? day && weekday : day || weekday;
}

/* The first minute of a day, not before FROM, at which SCHEDULE strikes; -1: none. */
static int strikes_at(const CronSchedule *schedule, int from)
{
  for (int minute = from; minute < 24 * 60; minute++) {
    if (!has(schedule->hours, (unsigned)minute / 60))
      minute += 59 - minute % 60;
    else if (has(schedule->minutes, (unsigned)minute % 60))
      return minute;
  }
  return -1;
}

/* The first second, not before FROM, at which SCHEDULE strikes by a clock that is never set; -1: none. Both since the
 * beginning of 1970 on that clock. */
static int64_t next_local(const CronSchedule *schedule, int64_t from)
{
  int64_t minutes = (from + 59) / 60, day = minutes / (DAY / 60);
  int start = (int)(minutes % (DAY / 60));
  g_autoptr(GDate) date = g_date_new_julian((guint32)(day + JULIAN_OF_1970));
  GDateYear last = g_date_get_year(date) + YEARS_MAX;
  for (; g_date_get_year(date) <= last; start = 0) {
    int minute = strikes_on(schedule, date) ? strikes_at(schedule, start) : -1;
    if (minute >= 0)
      return ((int64_t)g_date_get_julian(date) - JULIAN_OF_1970) * DAY + (int64_t)minute * 60;
    g_date_add_days(date, 1);
  }
  return -1;
}

/* The first second after FROM, and not after TO, of another interval of ZONE than INTERVAL. */
static int64_t end_of_interval(GTimeZone *zone, int interval, int64_t from, int64_t to)
{
  while (to - from > 1) {
    int64_t middle = from + (to - from) / 2;
    if (g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, middle) == interval)
      from = middle;
    else
      to = middle;
  }
  return to;
}

int64_t cron_next(const CronSchedule *schedule, GTimeZone *zone, int64_t after_us)
{
  int64_t second = floor_seconds(after_us) + 1;
  if (schedule->every_us > 0)
    return floor_seconds(after_us) * G_USEC_PER_SEC + schedule->every_us;
  for (;;) {
    /* While clocks are not set, they differ from UTC by the same. */
    int interval = g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, second);
    int64_t offset = g_time_zone_get_offset(zone, interval), local = next_local(schedule, second + offset);
    if (local < 0)
      return 0;
    int64_t found = local - offset;
    if (g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, found) == interval)
      return found * G_USEC_PER_SEC;
    second = end_of_interval(zone, interval, second, found);
  }
}

/* The last time after FROM_US and not after NOW_US, going from one to the next; 0: none. */
static int64_t walk(const CronSchedule *schedule, GTimeZone *zone, int64_t from_us, int64_t now_us, unsigned most,
                    unsigned *count)
{
  int64_t latest_us = 0;
  *count = 0;
  for (int64_t time_us = cron_next(schedule, zone, from_us); time_us > 0 && time_us <= now_us && *count <= most;
       time_us = cron_next(schedule, zone, time_us)) {
    latest_us = time_us;
    ++*count;
  }
  return latest_us;
}

int64_t cron_latest(const CronSchedule *schedule, GTimeZone *zone, int64_t after_us, int64_t now_us, unsigned most,
                    unsigned *count)
{
  if (schedule->every_us > 0) {
    int64_t start_us = floor_seconds(after_us) * G_USEC_PER_SEC;
    int64_t times = MAX(now_us - start_us, 0) / schedule->every_us;
    *count = (unsigned)MIN(times, (int64_t)most + 1);
    return times > 0 ? start_us + times * schedule->every_us : 0;
  }
  int64_t latest_us = walk(schedule, zone, after_us, now_us, most, count);
  if (*count <= most)
    return latest_us;
  /* Too many to go through: looks back from now, farther and farther. */
  unsigned rest = 0;
  for (int64_t back_us = 60 * (int64_t)G_USEC_PER_SEC; rest == 0; back_us *= 2)
    latest_us = walk(schedule, zone, MAX(after_us, now_us - back_us), now_us, G_MAXUINT - 1, &rest);
  return latest_us;
}
