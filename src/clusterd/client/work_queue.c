#include "clusterd/client/work_queue.h"

#define BACKOFF_FIRST_US ((int64_t)5000)
#define BACKOFF_MAX_US ((int64_t)1000 * G_USEC_PER_SEC)

typedef struct Delayed {
  int64_t due_us; /* monotonic */
  char *key;
} Delayed;

struct WorkQueue {
  char *name;
  unsigned n_workers;
  int64_t backoff_max_us;
  WorkReconcile reconcile;
  void *data;

  GMutex lock; /* guards everything below */
  GCond changed;
  bool stopping;
  GQueue ready;            /* char*, borrowed from waiting */
  GHashTable *waiting;     /* set of keys that are to be reconciled (again) */
  GHashTable *running;     /* set of keys a worker holds now */
  GHashTable *failures;    /* key → number of failures in a row */
  GSequence *delayed;      /* Delayed*, by due time */
  GHashTable *delayed_key; /* key → GSequenceIter* */
  GPtrArray *threads;
};

static void delayed_free(void *pointer)
{
  Delayed *delayed = pointer;
  g_free(delayed->key);
  g_free(delayed);
}

static int delayed_compare(const void *a, const void *b, void *data)
{
  const Delayed *left = a, *right = b;
  return left->due_us < right->due_us ? -1 : left->due_us > right->due_us;
}

WorkQueue *work_queue_new(const char *name, unsigned n_workers, WorkReconcile reconcile, void *data)
{
  WorkQueue *queue = g_new0(WorkQueue, 1);
  queue->name = g_strdup(name);
  queue->n_workers = MAX(n_workers, 1);
  queue->backoff_max_us = BACKOFF_MAX_US;
  queue->reconcile = reconcile;
  queue->data = data;
  g_mutex_init(&queue->lock);
  g_cond_init(&queue->changed);
  g_queue_init(&queue->ready);
  queue->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  queue->running = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  queue->failures = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  queue->delayed = g_sequence_new(delayed_free);
  queue->delayed_key = g_hash_table_new(g_str_hash, g_str_equal);
  queue->threads = g_ptr_array_new();
  return queue;
}

/* Marks KEY as to be done; a key that a worker holds is queued when that worker is through. */
static void add_locked(WorkQueue *queue, const char *key)
{
  if (g_hash_table_contains(queue->waiting, key))
    return;
  char *own = g_strdup(key);
  g_hash_table_add(queue->waiting, own);
  if (!g_hash_table_contains(queue->running, key))
    g_queue_push_tail(&queue->ready, own);
  g_cond_broadcast(&queue->changed);
}

static void remove_delayed(WorkQueue *queue, GSequenceIter *iter)
{
  const Delayed *delayed = g_sequence_get(iter);
  g_hash_table_remove(queue->delayed_key, delayed->key);
  g_sequence_remove(iter);
}

static void add_after_locked(WorkQueue *queue, const char *key, int64_t delay_us)
{
  int64_t due_us = g_get_monotonic_time() + delay_us;
  GSequenceIter *known = g_hash_table_lookup(queue->delayed_key, key);
  if (known) {
    const Delayed *earlier = g_sequence_get(known);
    if (earlier->due_us <= due_us)
      return;
    remove_delayed(queue, known);
  }
  Delayed *delayed = g_new(Delayed, 1);
  *delayed = (Delayed){ .due_us = due_us, .key = g_strdup(key) };
  GSequenceIter *iter = g_sequence_insert_sorted(queue->delayed, delayed, delayed_compare, NULL);
  g_hash_table_insert(queue->delayed_key, delayed->key, iter);
  g_cond_broadcast(&queue->changed);
}

/* Moves what is due to the ready keys. Returns when the next delayed key is due, or 0 when there is none. */
static int64_t release_due(WorkQueue *queue)
{
  for (;;) {
    GSequenceIter *first = g_sequence_get_begin_iter(queue->delayed);
    if (g_sequence_iter_is_end(first))
      return 0;
    const Delayed *delayed = g_sequence_get(first);
    if (delayed->due_us > g_get_monotonic_time())
      return delayed->due_us;
    add_locked(queue, delayed->key);
    remove_delayed(queue, first);
  }
}

/* Takes the next key for a worker; NULL when the queue ends. */
static char *take_locked(WorkQueue *queue)
{
  while (!queue->stopping) {
    int64_t next_us = release_due(queue);
    char *key = g_queue_pop_head(&queue->ready);
    if (key) {
      g_hash_table_steal(queue->waiting, key);
      g_hash_table_add(queue->running, key);
      return g_strdup(key);
    }
    if (next_us)
      g_cond_wait_until(&queue->changed, &queue->lock, next_us);
    else
      g_cond_wait(&queue->changed, &queue->lock);
  }
  return NULL;
}

static void note_result(WorkQueue *queue, const char *key, bool done)
{
  if (done) {
    g_hash_table_remove(queue->failures, key);
    return;
  }
  unsigned count = GPOINTER_TO_UINT(g_hash_table_lookup(queue->failures, key));
  int64_t delay_us = count >= 28 ? queue->backoff_max_us : MIN(BACKOFF_FIRST_US << count, queue->backoff_max_us);
  g_hash_table_insert(queue->failures, g_strdup(key), GUINT_TO_POINTER(count + 1));
  add_after_locked(queue, key, delay_us);
}

static void *work(void *pointer)
{
  WorkQueue *queue = pointer;
  char *key;
  g_mutex_lock(&queue->lock);
  while ((key = take_locked(queue))) {
    g_mutex_unlock(&queue->lock);
    bool done = queue->reconcile(key, queue->data);
    g_mutex_lock(&queue->lock);
    g_hash_table_remove(queue->running, key);
    char *again;
    if (g_hash_table_lookup_extended(queue->waiting, key, (void **)&again, NULL))
      g_queue_push_tail(&queue->ready, again);
    note_result(queue, key, done);
    g_cond_broadcast(&queue->changed);
    g_free(key);
  }
  g_mutex_unlock(&queue->lock);
  return NULL;
}

void work_queue_start(WorkQueue *queue)
{
  for (unsigned i = 0; i < queue->n_workers; i++)
    g_ptr_array_add(queue->threads, g_thread_new(queue->name, work, queue));
}

void work_queue_limit_backoff(WorkQueue *queue, int64_t most_us)
{
  queue->backoff_max_us = most_us;
}

void work_queue_stop(WorkQueue *queue)
{
  g_mutex_lock(&queue->lock);
  queue->stopping = true;
  g_cond_broadcast(&queue->changed);
  g_mutex_unlock(&queue->lock);
  for (unsigned i = 0; i < queue->threads->len; i++)
    g_thread_join(g_ptr_array_index(queue->threads, i));
  g_ptr_array_set_size(queue->threads, 0);
}

void work_queue_free(WorkQueue *queue)
{
  if (!queue)
    return;
  work_queue_stop(queue);
  g_ptr_array_free(queue->threads, TRUE);
  g_queue_clear(&queue->ready);
  g_hash_table_destroy(queue->delayed_key);
  g_sequence_free(queue->delayed);
  g_hash_table_destroy(queue->failures);
  g_hash_table_destroy(queue->running);
  g_hash_table_destroy(queue->waiting);
  g_cond_clear(&queue->changed);
  g_mutex_clear(&queue->lock);
  g_free(queue->name);
  g_free(queue);
}

void work_queue_add(WorkQueue *queue, const char *key)
{
  g_mutex_lock(&queue->lock);
  add_locked(queue, key);
  g_mutex_unlock(&queue->lock);
}

void work_queue_add_after(WorkQueue *queue, const char *key, int64_t delay_us)
{
  g_mutex_lock(&queue->lock);
  if (delay_us > 0)
    add_after_locked(queue, key, delay_us);
  else
    add_locked(queue, key);
  g_mutex_unlock(&queue->lock);
}

static bool is_idle(WorkQueue *queue, int64_t horizon_us)
{
  if (g_hash_table_size(queue->waiting) > 0 || g_hash_table_size(queue->running) > 0)
    return false;
  GSequenceIter *first = g_sequence_get_begin_iter(queue->delayed);
  if (g_sequence_iter_is_end(first))
    return true;
  const Delayed *delayed = g_sequence_get(first);
  return delayed->due_us >= g_get_monotonic_time() + horizon_us;
}

void work_queue_drain(WorkQueue *queue, int64_t horizon_us)
{
  g_mutex_lock(&queue->lock);
  while (!queue->stopping && !is_idle(queue, horizon_us))
    g_cond_wait(&queue->changed, &queue->lock);
  g_mutex_unlock(&queue->lock);
}
