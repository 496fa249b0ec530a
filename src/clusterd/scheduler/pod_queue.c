#include "clusterd/scheduler/pod_queue.h"

#include <string.h>

#include "base/json.h"

#define BACKOFF_FIRST_US ((int64_t)G_USEC_PER_SEC)
#define BACKOFF_MAX_US ((int64_t)10 * G_USEC_PER_SEC)
#define FORGOTTEN_US ((int64_t)300 * G_USEC_PER_SEC) /* a pod nothing woke is tried again all the same */

typedef enum PodPlace { PLACE_READY, PLACE_WAITING, PLACE_TAKEN } PodPlace;

typedef struct Entry {
  Object *pod;
  PodPlace place;
  GSequenceIter *iter; /* in ready or waiting */
  int64_t priority;
  guint64 number; /* order of arrival */
  unsigned attempts;
  int64_t backoff_end_us, due_us;
  guint64 taken_at; /* the queue's count of wakes then */
} Entry;

struct PodQueue {
  GHashTable *entries; /* uid → Entry* */
  GSequence *ready;    /* by priority, then number */
  GSequence *waiting;  /* by due time */
  guint64 next_number, n_wakes;
};

static void entry_free(void *pointer)
{
  Entry *entry = pointer;
  object_unref(entry->pod);
  g_free(entry);
}

PodQueue *pod_queue_new(void)
{
  PodQueue *queue = g_new0(PodQueue, 1);
  queue->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
  queue->ready = g_sequence_new(NULL);
  queue->waiting = g_sequence_new(NULL);
  return queue;
}

void pod_queue_free(PodQueue *queue)
{
  if (!queue)
    return;
  g_sequence_free(queue->ready);
  g_sequence_free(queue->waiting);
  g_hash_table_destroy(queue->entries);
  g_free(queue);
}

static int by_priority(const void *left, const void *right, void *data)
{
  const Entry *a = left, *b = right;
  if (a->priority != b->priority)
    return a->priority > b->priority ? -1 : 1;
  return a->number < b->number ? -1 : a->number > b->number;
}

static int by_due(const void *left, const void *right, void *data)
{
  const Entry *a = left, *b = right;
  return a->due_us < b->due_us ? -1 : a->due_us > b->due_us;
}

static void leave(Entry *entry)
{
  if (entry->iter)
    g_sequence_remove(g_steal_pointer(&entry->iter));
}

static void make_ready(PodQueue *queue, Entry *entry)
{
  leave(entry);
  entry->place = PLACE_READY;
  entry->iter = g_sequence_insert_sorted(queue->ready, entry, by_priority, NULL);
}

static void make_wait(PodQueue *queue, Entry *entry, int64_t due_us)
{
  leave(entry);
  entry->place = PLACE_WAITING;
  entry->due_us = due_us;
  entry->iter = g_sequence_insert_sorted(queue->waiting, entry, by_due, NULL);
}

void pod_queue_put(PodQueue *queue, Object *pod, bool retry)
{
  Entry *entry = g_hash_table_lookup(queue->entries, object_uid(pod));
  if (entry) {
    object_unref(entry->pod);
    entry->pod = object_ref(pod);
    if (retry && entry->place == PLACE_WAITING)
      make_ready(queue, entry);
    return;
  }
  entry = g_new0(Entry, 1);
  entry->pod = object_ref(pod);
  entry->priority = json_int(json_object_get(object_json(pod), "spec"), "priority", 0);
  entry->number = queue->next_number++;
  g_hash_table_insert(queue->entries, g_strdup(object_uid(pod)), entry);
  make_ready(queue, entry);
}

void pod_queue_remove(PodQueue *queue, const char *uid)
{
  Entry *entry = g_hash_table_lookup(queue->entries, uid);
  if (!entry)
    return;
  leave(entry);
  g_hash_table_remove(queue->entries, uid);
}

Object *pod_queue_take(PodQueue *queue, int64_t now_us, int64_t *next_us)
{
  *next_us = 0;
  for (;;) {
    GSequenceIter *first = g_sequence_get_begin_iter(queue->waiting);
    if (g_sequence_iter_is_end(first))
      break;
    Entry *entry = g_sequence_get(first);
    *next_us = entry->due_us;
    if (entry->due_us > now_us)
      break;
    *next_us = 0;
    make_ready(queue, entry);
  }
  GSequenceIter *first = g_sequence_get_begin_iter(queue->ready);
  if (g_sequence_iter_is_end(first))
    return NULL;
  Entry *entry = g_sequence_get(first);
  leave(entry);
  entry->place = PLACE_TAKEN;
  entry->attempts++;
  entry->taken_at = queue->n_wakes;
  return object_ref(entry->pod);
}

void pod_queue_refused(PodQueue *queue, const char *uid, int64_t now_us)
{
  Entry *entry = g_hash_table_lookup(queue->entries, uid);
  if (!entry || entry->place != PLACE_TAKEN)
    return;
  int64_t backoff_us = entry->attempts > 4 ? BACKOFF_MAX_US : BACKOFF_FIRST_US << (entry->attempts - 1);
  entry->backoff_end_us = now_us + MIN(backoff_us, BACKOFF_MAX_US);
  make_wait(queue, entry, entry->taken_at == queue->n_wakes ? now_us + FORGOTTEN_US : entry->backoff_end_us);
}

void pod_queue_wake(PodQueue *queue, int64_t now_us)
{
  queue->n_wakes++;
  g_autoptr(GPtrArray) waiting = g_ptr_array_new();
  for (GSequenceIter *at = g_sequence_get_begin_iter(queue->waiting); !g_sequence_iter_is_end(at);
       at = g_sequence_iter_next(at))
    g_ptr_array_add(waiting, g_sequence_get(at));
  for (unsigned i = 0; i < waiting->len; i++) {
    Entry *entry = g_ptr_array_index(waiting, i);
    if (entry->backoff_end_us <= now_us)
      make_ready(queue, entry);
    else if (entry->due_us > entry->backoff_end_us)
      make_wait(queue, entry, entry->backoff_end_us);
  }
}
