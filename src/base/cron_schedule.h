#pragma once
/* Schedules in cron's notation: minute, hour, day of the month, month, day of the week; or "@daily" and its like.
 * Source: github.com/robfig/cron/v3, whose error texts clients see. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* A bit for every minute (0-59), hour (0-23), day of the month (1-31), month (1-12) and day of the week (0-6, 0 is
 * Sunday) that matches. */
typedef struct CronSchedule {
  uint64_t minutes, hours, days, months, weekdays;
  bool any_day, any_weekday; /* "*" or "?": when neither is, a day matches that either of the two allows */
  int64_t every_us;          /* "@every 5m": the distance; the bits mean nothing then. 0 otherwise */
} CronSchedule;

/* Parses TEXT. False with REASON_INVALID and upstream's text. */
bool cron_schedule_parse(const char *text, CronSchedule *schedule, GError **error);
