#include <glib.h>
#include <string.h>

#include "clusterd/client/work_queue.h"

typedef struct Log {
  GMutex lock;
  GPtrArray *keys; /* in the order they were reconciled */
  int running, running_max;
  int fail_first;   /* how many calls ask for a retry */
  int64_t pause_us; /* each call takes this long */
  WorkQueue *queue;
  bool add_again; /* the first call adds its own key */
} Log;

static bool reconcile(const char *key, void *data)
{
  Log *log = data;
  g_mutex_lock(&log->lock);
  g_ptr_array_add(log->keys, g_strdup(key));
  log->running++;
  log->running_max = MAX(log->running_max, log->running);
  bool ok = log->fail_first-- <= 0;
  bool again = log->add_again;
  log->add_again = false;
  g_mutex_unlock(&log->lock);
  if (again)
    work_queue_add(log->queue, key);
  if (log->pause_us)
    g_usleep((gulong)log->pause_us);
  g_mutex_lock(&log->lock);
  log->running--;
  g_mutex_unlock(&log->lock);
  return ok;
}

static void log_clear(Log *log)
{
  work_queue_free(log->queue);
  g_ptr_array_free(log->keys, TRUE);
  g_mutex_clear(&log->lock);
}

static void log_init(Log *log, unsigned n_workers)
{
  memset(log, 0, sizeof *log);
  g_mutex_init(&log->lock);
  log->keys = g_ptr_array_new_with_free_func(g_free);
  log->queue = work_queue_new("test", n_workers, reconcile, log);
}

static void test_equal_keys_are_one(void)
{
  Log log;
  log_init(&log, 1);
  work_queue_add(log.queue, "a");
  work_queue_add(log.queue, "b");
  work_queue_add(log.queue, "a");
  work_queue_start(log.queue);
  work_queue_drain(log.queue, 0);
  g_assert_cmpuint(log.keys->len, ==, 2);
  g_assert_cmpstr(g_ptr_array_index(log.keys, 0), ==, "a");
  g_assert_cmpstr(g_ptr_array_index(log.keys, 1), ==, "b");
  log_clear(&log);
}

static void test_one_worker_a_key(void)
{
  Log log;
  log_init(&log, 4);
  log.pause_us = 2000;
  log.add_again = true;
  work_queue_start(log.queue);
  work_queue_add(log.queue, "a");
  work_queue_drain(log.queue, 0);
  /* The key was added while it was worked on: done twice, never at the same time. */
  g_assert_cmpuint(log.keys->len, ==, 2);
  g_assert_cmpint(log.running_max, ==, 1);
  log_clear(&log);
}

static void test_workers_share(void)
{
  Log log;
  log_init(&log, 4);
  log.pause_us = 20000;
  for (int i = 0; i < 8; i++) {
    g_autofree char *key = g_strdup_printf("k%d", i);
    work_queue_add(log.queue, key);
  }
  work_queue_start(log.queue);
  work_queue_drain(log.queue, 0);
  g_assert_cmpuint(log.keys->len, ==, 8);
  g_assert_cmpint(log.running_max, >, 1);
  log_clear(&log);
}

static void test_failures_come_again(void)
{
  Log log;
  log_init(&log, 1);
  log.fail_first = 3;
  int64_t start_us = g_get_monotonic_time();
  work_queue_start(log.queue);
  work_queue_add(log.queue, "a");
  work_queue_drain(log.queue, G_USEC_PER_SEC);
  g_assert_cmpuint(log.keys->len, ==, 4);
  /* 5 + 10 + 20 milliseconds of backoff */
  g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 35000);
  log_clear(&log);
}

static void test_delays(void)
{
  Log log;
  log_init(&log, 1);
  work_queue_start(log.queue);
  work_queue_add_after(log.queue, "late", 40000);
  work_queue_add_after(log.queue, "soon", 10000);
  work_queue_add_after(log.queue, "soon", 500000); /* the earlier time stands */
  work_queue_add_after(log.queue, "never", (int64_t)3600 * G_USEC_PER_SEC);
  work_queue_drain(log.queue, 200000);
  g_assert_cmpuint(log.keys->len, ==, 2);
  g_assert_cmpstr(g_ptr_array_index(log.keys, 0), ==, "soon");
  g_assert_cmpstr(g_ptr_array_index(log.keys, 1), ==, "late");
  log_clear(&log);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/work-queue/equal-keys-are-one", test_equal_keys_are_one);
  g_test_add_func("/work-queue/one-worker-a-key", test_one_worker_a_key);
  g_test_add_func("/work-queue/workers-share", test_workers_share);
  g_test_add_func("/work-queue/failures-come-again", test_failures_come_again);
  g_test_add_func("/work-queue/delays", test_delays);
  return g_test_run();
}
