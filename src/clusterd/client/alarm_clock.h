#pragma once
/*
 * The time of day, and keys that are to be worked on at a time of day: schedules, deadlines, backoffs from a time that
 * an object carries. Unlike the delays of a work queue, alarms follow the wall clock: they are due when that has come,
 * also after it was set, or after the machine has slept. A clock that stands still until a test sets it takes years in
 * no time. Thread-safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/client/work_queue.h"

typedef struct AlarmClock AlarmClock;

/* The system's clock. */
AlarmClock *alarm_clock_new(void);

/* A clock that says NOW_US (since 1970) until alarm_clock_set. */
AlarmClock *alarm_clock_new_standing(int64_t now_us);

/* No queue may have alarms any more. */
void alarm_clock_free(AlarmClock *clock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AlarmClock, alarm_clock_free)

/* In microseconds since 1970. */
int64_t alarm_clock_now_us(AlarmClock *clock);

/* Sets a standing clock, to an earlier time, too; what is due by then is queued before this returns. */
void alarm_clock_set(AlarmClock *clock, int64_t now_us);

/* Adds KEY to QUEUE at DUE_US: at once when that is past. Of several times for one key the earliest stands, until it
 * has come. */
void alarm_clock_add(AlarmClock *clock, WorkQueue *queue, const char *key, int64_t due_us);

/* Drops the alarm of KEY: the object is gone, or has nothing to wait for any more. */
void alarm_clock_drop(AlarmClock *clock, WorkQueue *queue, const char *key);

/* Drops all alarms of QUEUE: nothing is added to it any more when this returns. */
void alarm_clock_forget(AlarmClock *clock, WorkQueue *queue);

/* How long until the first alarm, in microseconds; -1: there is none. For tests. */
int64_t alarm_clock_next_us(AlarmClock *clock);
