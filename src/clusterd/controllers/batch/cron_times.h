#pragma once
/* When a schedule strikes. Pure. Source: github.com/robfig/cron/v3 SpecSchedule and ConstantDelaySchedule; a time of
 * day that a change to summer time leaves out does not strike, one that comes twice strikes twice. */
#include <glib.h>
#include <stdint.h>

#include "base/cron_schedule.h"

/* The first time after AFTER_US at which SCHEDULE strikes by the clocks of ZONE, in microseconds since 1970; 0: none
 * within five years ("31 2": the 31st of February). */
int64_t cron_next(const CronSchedule *schedule, GTimeZone *zone, int64_t after_us);

/* The last such time after AFTER_US and not after NOW_US; 0: none. *COUNT gets how many there are, but at most MOST
 * + 1.
 */
int64_t cron_latest(const CronSchedule *schedule, GTimeZone *zone, int64_t after_us, int64_t now_us, unsigned most,
                    unsigned *count);
