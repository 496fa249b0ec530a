/* ThreadSanitizer does not see GLib's locks, which are futexes inside a library that is not instrumented, and would
 * call everything they guard a race. In a build with -fsanitize=thread these take their place, made of what it knows.
 */
#ifdef __SANITIZE_THREAD__
#include <dlfcn.h>
#include <glib.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static pthread_mutex_t *mutex_of(GMutex *mutex)
{
  pthread_mutex_t *own = __atomic_load_n((pthread_mutex_t **)&mutex->p, __ATOMIC_ACQUIRE);
  if (own)
    return own;
  pthread_mutex_t *fresh = malloc(sizeof *fresh);
  if (!fresh)
    abort();
  pthread_mutex_init(fresh, NULL);
  pthread_mutex_t *expected = NULL;
  if (__atomic_compare_exchange_n((pthread_mutex_t **)&mutex->p, &expected, fresh, 0, __ATOMIC_ACQ_REL,
                                  __ATOMIC_ACQUIRE))
    return fresh;
  pthread_mutex_destroy(fresh);
  free(fresh);
  return expected;
}

static pthread_cond_t *cond_of(GCond *cond)
{
  pthread_cond_t *own = __atomic_load_n((pthread_cond_t **)&cond->p, __ATOMIC_ACQUIRE);
  if (own)
    return own;
  pthread_cond_t *fresh = malloc(sizeof *fresh);
  if (!fresh)
    abort();
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(fresh, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_cond_t *expected = NULL;
  if (__atomic_compare_exchange_n((pthread_cond_t **)&cond->p, &expected, fresh, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    return fresh;
  pthread_cond_destroy(fresh);
  free(fresh);
  return expected;
}

void g_mutex_init(GMutex *mutex)
{
  mutex->p = NULL;
}

void g_mutex_clear(GMutex *mutex)
{
  if (!mutex->p)
    return;
  pthread_mutex_destroy(mutex->p);
  free(mutex->p);
  mutex->p = NULL;
}

void g_mutex_lock(GMutex *mutex)
{
  pthread_mutex_lock(mutex_of(mutex));
}

gboolean g_mutex_trylock(GMutex *mutex)
{
  return pthread_mutex_trylock(mutex_of(mutex)) == 0;
}

void g_mutex_unlock(GMutex *mutex)
{
  pthread_mutex_unlock(mutex_of(mutex));
}

void g_cond_init(GCond *cond)
{
  cond->p = NULL;
}

void g_cond_clear(GCond *cond)
{
  if (!cond->p)
    return;
  pthread_cond_destroy(cond->p);
  free(cond->p);
  cond->p = NULL;
}

void g_cond_wait(GCond *cond, GMutex *mutex)
{
  pthread_cond_wait(cond_of(cond), mutex_of(mutex));
}

gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
  struct timespec end = { .tv_sec = end_time / G_USEC_PER_SEC, .tv_nsec = end_time % G_USEC_PER_SEC * 1000 };
  return pthread_cond_timedwait(cond_of(cond), mutex_of(mutex), &end) == 0;
}

void g_cond_signal(GCond *cond)
{
  pthread_cond_signal(cond_of(cond));
}

void g_cond_broadcast(GCond *cond)
{
  pthread_cond_broadcast(cond_of(cond));
}

/* --- what passes through GLib's queues and pools ---------------------------------------------------------------- */

extern void __tsan_acquire(void *address);
extern void __tsan_release(void *address);

#define REAL(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

void g_async_queue_push(GAsyncQueue *queue, gpointer data)
{
  __tsan_release(queue);
  REAL(g_async_queue_push)(queue, data);
}

gpointer g_async_queue_pop(GAsyncQueue *queue)
{
  gpointer data = REAL(g_async_queue_pop)(queue);
  __tsan_acquire(queue);
  return data;
}

gpointer g_async_queue_try_pop(GAsyncQueue *queue)
{
  gpointer data = REAL(g_async_queue_try_pop)(queue);
  __tsan_acquire(queue);
  return data;
}

gpointer g_async_queue_timeout_pop(GAsyncQueue *queue, guint64 timeout)
{
  gpointer data = REAL(g_async_queue_timeout_pop)(queue, timeout);
  __tsan_acquire(queue);
  return data;
}

/* A pool's function with what it was made with; lives as long as the process. */
typedef struct PoolFunction {
  GFunc call;
  gpointer data;
} PoolFunction;

static void pool_call(gpointer item, gpointer data)
{
  PoolFunction *function = data;
  __tsan_acquire(function);
  function->call(item, function->data);
  __tsan_release(function);
}

GThreadPool *g_thread_pool_new(GFunc func, gpointer user_data, gint max_threads, gboolean exclusive, GError **error)
{
  PoolFunction *function = g_new(PoolFunction, 1);
  *function = (PoolFunction){ .call = func, .data = user_data };
  return REAL(g_thread_pool_new)(pool_call, function, max_threads, exclusive, error);
}

gboolean g_thread_pool_push(GThreadPool *pool, gpointer data, GError **error)
{
  __tsan_release(pool->user_data);
  return REAL(g_thread_pool_push)(pool, data, error);
}

void g_thread_pool_free(GThreadPool *pool, gboolean immediate, gboolean wait)
{
  PoolFunction *function = pool->user_data;
  REAL(g_thread_pool_free)(pool, immediate, wait);
  __tsan_acquire(function);
}
#endif
