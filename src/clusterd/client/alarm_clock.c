#include "clusterd/client/alarm_clock.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <time.h>

typedef struct Alarm {
  int64_t due_us;
  WorkQueue *queue;
  char *key;
} Alarm;

/* GLib's conditions wait by the monotonic clock, which stands still while the machine sleeps and knows of no settings;
 * POSIX's wait by the wall clock. */
struct AlarmClock {
  bool standing;
  pthread_mutex_t lock;   /* guards everything below */
  pthread_cond_t changed; /* the first alarm, or stopping */
  int64_t now_us;         /* of a standing clock */
  bool stopping;
  GSequence *alarms; /* Alarm*, by due time */
  GHashTable *known; /* Alarm* → GSequenceIter* */
  GThread *thread;   /* of a clock that runs; made with its first alarm */
};

static void alarm_free(void *pointer)
{
  Alarm *alarm = pointer;
  g_free(alarm->key);
  g_free(alarm);
}

static unsigned alarm_hash(const void *pointer)
{
  const Alarm *alarm = pointer;
  return g_str_hash(alarm->key) ^ g_direct_hash(alarm->queue);
}

static gboolean alarm_equal(const void *left, const void *right)
{
  const Alarm *a = left, *b = right;
  return a->queue == b->queue && g_str_equal(a->key, b->key);
}

static int alarm_compare(const void *left, const void *right, void *data)
{
  const Alarm *a = left, *b = right;
  return a->due_us < b->due_us ? -1 : a->due_us > b->due_us;
}

static AlarmClock *make_clock(bool standing, int64_t now_us)
{
  AlarmClock *clock = g_new0(AlarmClock, 1);
  clock->standing = standing;
  clock->now_us = now_us;
  pthread_mutex_init(&clock->lock, NULL);
  pthread_cond_init(&clock->changed, NULL);
  clock->alarms = g_sequence_new(alarm_free);
  clock->known = g_hash_table_new(alarm_hash, alarm_equal);
  return clock;
}

AlarmClock *alarm_clock_new(void)
{
  return make_clock(false, 0);
}

AlarmClock *alarm_clock_new_standing(int64_t now_us)
{
  return make_clock(true, now_us);
}

void alarm_clock_free(AlarmClock *clock)
{
  if (!clock)
    return;
  pthread_mutex_lock(&clock->lock);
  clock->stopping = true;
  pthread_cond_broadcast(&clock->changed);
  pthread_mutex_unlock(&clock->lock);
  if (clock->thread)
    g_thread_join(clock->thread);
  g_hash_table_destroy(clock->known);
  g_sequence_free(clock->alarms);
  pthread_cond_destroy(&clock->changed);
  pthread_mutex_destroy(&clock->lock);
  g_free(clock);
}

static int64_t now_locked(const AlarmClock *clock)
{
  return clock->standing ? clock->now_us : g_get_real_time();
}

int64_t alarm_clock_now_us(AlarmClock *clock)
{
  pthread_mutex_lock(&clock->lock);
  int64_t now_us = now_locked(clock);
  pthread_mutex_unlock(&clock->lock);
  return now_us;
}

static void remove_locked(AlarmClock *clock, GSequenceIter *iter)
{
  g_hash_table_remove(clock->known, g_sequence_get(iter));
  g_sequence_remove(iter);
}

/* Queues what is due. Returns when the next alarm is, -1: there is none. */
static int64_t ring_locked(AlarmClock *clock)
{
  for (;;) {
    GSequenceIter *first = g_sequence_get_begin_iter(clock->alarms);
    if (g_sequence_iter_is_end(first))
      return -1;
    const Alarm *alarm = g_sequence_get(first);
    if (alarm->due_us > now_locked(clock))
      return alarm->due_us;
    work_queue_add(alarm->queue, alarm->key);
    remove_locked(clock, first);
  }
}

static void *run(void *pointer)
{
  AlarmClock *clock = pointer;
  pthread_mutex_lock(&clock->lock);
  while (!clock->stopping) {
    int64_t next_us = ring_locked(clock);
    if (next_us < 0) {
      pthread_cond_wait(&clock->changed, &clock->lock);
      continue;
    }
    struct timespec until = { .tv_sec = next_us / G_USEC_PER_SEC, .tv_nsec = next_us % G_USEC_PER_SEC * 1000 };
    pthread_cond_timedwait(&clock->changed, &clock->lock, &until);
  }
  pthread_mutex_unlock(&clock->lock);
  return NULL;
}

void alarm_clock_set(AlarmClock *clock, int64_t now_us)
{
  g_return_if_fail(clock->standing);
  pthread_mutex_lock(&clock->lock);
  clock->now_us = now_us;
  ring_locked(clock);
  pthread_mutex_unlock(&clock->lock);
}

static void add_locked(AlarmClock *clock, WorkQueue *queue, const char *key, int64_t due_us)
{
  Alarm wanted = { .queue = queue, .key = (char *)(uintptr_t)key };
  GSequenceIter *known = g_hash_table_lookup(clock->known, &wanted);
  if (known && ((const Alarm *)g_sequence_get(known))->due_us <= due_us)
    return;
  if (known)
    remove_locked(clock, known);
  Alarm *alarm = g_new(Alarm, 1);
  *alarm = (Alarm){ .due_us = due_us, .queue = queue, .key = g_strdup(key) };
  g_hash_table_insert(clock->known, alarm, g_sequence_insert_sorted(clock->alarms, alarm, alarm_compare, NULL));
  if (!clock->standing && !clock->thread)
    clock->thread = g_thread_new("alarm-clock", run, clock);
}

void alarm_clock_add(AlarmClock *clock, WorkQueue *queue, const char *key, int64_t due_us)
{
  pthread_mutex_lock(&clock->lock);
  if (due_us <= now_locked(clock))
    work_queue_add(queue, key);
  else
    add_locked(clock, queue, key, due_us);
  pthread_cond_broadcast(&clock->changed);
  pthread_mutex_unlock(&clock->lock);
}

void alarm_clock_drop(AlarmClock *clock, WorkQueue *queue, const char *key)
{
  Alarm wanted = { .queue = queue, .key = (char *)(uintptr_t)key };
  pthread_mutex_lock(&clock->lock);
  GSequenceIter *known = g_hash_table_lookup(clock->known, &wanted);
  if (known)
    remove_locked(clock, known);
  pthread_mutex_unlock(&clock->lock);
}

void alarm_clock_forget(AlarmClock *clock, WorkQueue *queue)
{
  pthread_mutex_lock(&clock->lock);
  GSequenceIter *iter = g_sequence_get_begin_iter(clock->alarms);
  while (!g_sequence_iter_is_end(iter)) {
    GSequenceIter *next = g_sequence_iter_next(iter);
    if (((const Alarm *)g_sequence_get(iter))->queue == queue)
      remove_locked(clock, iter);
    iter = next;
  }
  pthread_mutex_unlock(&clock->lock);
}

int64_t alarm_clock_next_us(AlarmClock *clock)
{
  pthread_mutex_lock(&clock->lock);
  GSequenceIter *first = g_sequence_get_begin_iter(clock->alarms);
  int64_t left_us = -1;
  if (!g_sequence_iter_is_end(first))
    left_us = MAX(((const Alarm *)g_sequence_get(first))->due_us - now_locked(clock), 0);
  pthread_mutex_unlock(&clock->lock);
  return left_us;
}
