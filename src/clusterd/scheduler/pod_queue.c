#include "clusterd/scheduler/pod_queue.h"

#include <string.h>

#define FORGOTTEN_US ((int64_t)300 * G_USEC_PER_SEC) /* a pod nothing woke is tried again all the same */
#define PLUGIN_BITS 32

typedef enum PodPlace { PLACE_ACTIVE, PLACE_BACKOFF, PLACE_PARKED, PLACE_TAKEN } PodPlace;

typedef struct Entry {
  PodInfo *info;
  PodPlace place;
  GSequenceIter *iter; /* in the sequence of its place */
  guint64 number;      /* order of arrival among the active */
  unsigned attempts;
  unsigned plugins; /* that refused it */
  int64_t backoff_end_us, due_us;
} Entry;

struct PodQueue {
  Tally *tally;
  int64_t first_us, most_us;
  GHashTable *entries;                   /* uid → Entry* */
  GSequence *active;                     /* by priority, then number */
  GSequence *backoff;                    /* by due time */
  GSequence *parked;                     /* by due time */
  unsigned n_parked_by[PLUGIN_BITS + 1]; /* pods each plugin refused; the last: nobody in particular */
  guint64 next_number;
};

PodQueue *pod_queue_new(Tally *tally, int64_t first_us, int64_t most_us)
{
  PodQueue *queue = g_new0(PodQueue, 1);
  queue->tally = tally;
  queue->first_us = first_us;
  queue->most_us = most_us;
  queue->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  queue->active = g_sequence_new(NULL);
  queue->backoff = g_sequence_new(NULL);
  queue->parked = g_sequence_new(NULL);
  return queue;
}

void pod_queue_free(PodQueue *queue)
{
  if (!queue)
    return;
  GHashTableIter iter;
  void *entry;
  g_hash_table_iter_init(&iter, queue->entries);
  while (g_hash_table_iter_next(&iter, NULL, &entry)) {
    pod_info_unref(queue->tally, ((Entry *)entry)->info);
    g_free(entry);
  }
  g_sequence_free(queue->active);
  g_sequence_free(queue->backoff);
  g_sequence_free(queue->parked);
  g_hash_table_destroy(queue->entries);
  g_free(queue);
}

static int by_priority(const void *left, const void *right, void *data)
{
  const Entry *a = left, *b = right;
  if (a->info->priority != b->info->priority)
    return a->info->priority > b->info->priority ? -1 : 1;
  return a->number < b->number ? -1 : a->number > b->number;
}

static int by_due(const void *left, const void *right, void *data)
{
  const Entry *a = left, *b = right;
  return a->due_us < b->due_us ? -1 : a->due_us > b->due_us;
}

static void count_parked(PodQueue *queue, const Entry *entry, int sign)
{
  for (unsigned i = 0; i < PLUGIN_BITS; i++)
    if (entry->plugins & (1u << i))
      queue->n_parked_by[i] += (unsigned)sign;
  if (!entry->plugins)
    queue->n_parked_by[PLUGIN_BITS] += (unsigned)sign;
}

static void leave(PodQueue *queue, Entry *entry)
{
  if (entry->place == PLACE_PARKED)
    count_parked(queue, entry, -1);
  if (entry->iter)
    g_sequence_remove(g_steal_pointer(&entry->iter));
}

static void make_active(PodQueue *queue, Entry *entry)
{
  leave(queue, entry);
  entry->place = PLACE_ACTIVE;
  entry->number = queue->next_number++;
  entry->iter = g_sequence_insert_sorted(queue->active, entry, by_priority, NULL);
}

static void make_wait(PodQueue *queue, Entry *entry, PodPlace place, int64_t due_us)
{
  leave(queue, entry);
  entry->place = place;
  entry->due_us = due_us;
  entry->iter = g_sequence_insert_sorted(place == PLACE_PARKED ? queue->parked : queue->backoff, entry, by_due, NULL);
  if (place == PLACE_PARKED)
    count_parked(queue, entry, 1);
}

/* A parked pod may be tried again: at once, or when its backoff ends. */
static void release(PodQueue *queue, Entry *entry, int64_t now_us)
{
  if (entry->backoff_end_us <= now_us)
    make_active(queue, entry);
  else
    make_wait(queue, entry, PLACE_BACKOFF, entry->backoff_end_us);
}

PodInfo *pod_queue_get(const PodQueue *queue, const char *uid)
{
  const Entry *entry = g_hash_table_lookup(queue->entries, uid);
  return entry ? entry->info : NULL;
}

unsigned pod_queue_size(const PodQueue *queue)
{
  return g_hash_table_size(queue->entries);
}

void pod_queue_put(PodQueue *queue, PodInfo *info, bool retry, int64_t now_us)
{
  const char *uid = object_uid(info->object);
  Entry *entry = g_hash_table_lookup(queue->entries, uid);
  pod_info_ref(info);
  if (!entry) {
    entry = g_new0(Entry, 1);
    entry->info = info;
    entry->place = PLACE_TAKEN;
    g_hash_table_insert(queue->entries, g_strdup(uid), entry);
    make_active(queue, entry);
    return;
  }
  /* Its place among the active depends on its priority. */
  bool moves = entry->place == PLACE_ACTIVE && entry->info->priority != info->priority;
  if (moves)
    leave(queue, entry);
  pod_info_unref(queue->tally, entry->info);
  entry->info = info;
  if (moves)
    make_active(queue, entry);
  else if (retry && entry->place == PLACE_PARKED)
    release(queue, entry, now_us);
}

void pod_queue_remove(PodQueue *queue, const char *uid)
{
  Entry *entry = g_hash_table_lookup(queue->entries, uid);
  if (!entry)
    return;
  leave(queue, entry);
  g_hash_table_remove(queue->entries, uid);
  pod_info_unref(queue->tally, entry->info);
  g_free(entry);
}

/* Makes active what is due of SEQUENCE. Returns when the next is, 0: there is none. */
static int64_t release_due(PodQueue *queue, GSequence *sequence, int64_t now_us)
{
  for (;;) {
    GSequenceIter *first = g_sequence_get_begin_iter(sequence);
    if (g_sequence_iter_is_end(first))
      return 0;
    Entry *entry = g_sequence_get(first);
    if (entry->due_us > now_us)
      return entry->due_us;
    make_active(queue, entry);
  }
}

PodInfo *pod_queue_take(PodQueue *queue, int64_t now_us, int64_t *next_us)
{
  int64_t backoff_us = release_due(queue, queue->backoff, now_us),
          parked_us = release_due(queue, queue->parked, now_us);
  *next_us = backoff_us && parked_us ? MIN(backoff_us, parked_us) : MAX(backoff_us, parked_us);
  GSequenceIter *first = g_sequence_get_begin_iter(queue->active);
  if (g_sequence_iter_is_end(first))
    return NULL;
  Entry *entry = g_sequence_get(first);
  leave(queue, entry);
  entry->place = PLACE_TAKEN;
  entry->attempts++;
  return pod_info_ref(entry->info);
}

static Entry *taken(PodQueue *queue, const char *uid, int64_t now_us)
{
  Entry *entry = g_hash_table_lookup(queue->entries, uid);
  if (!entry || entry->place != PLACE_TAKEN)
    return NULL;
  int64_t backoff_us = queue->first_us;
  for (unsigned i = 1; i < entry->attempts && backoff_us < queue->most_us; i++)
    backoff_us *= 2;
  entry->backoff_end_us = now_us + MIN(backoff_us, queue->most_us);
  return entry;
}

void pod_queue_refused(PodQueue *queue, const char *uid, unsigned plugins, int64_t now_us)
{
  Entry *entry = taken(queue, uid, now_us);
  if (!entry)
    return;
  entry->plugins = plugins;
  make_wait(queue, entry, PLACE_PARKED, now_us + FORGOTTEN_US);
}

void pod_queue_failed(PodQueue *queue, const char *uid, int64_t now_us)
{
  Entry *entry = taken(queue, uid, now_us);
  if (entry)
    make_wait(queue, entry, PLACE_BACKOFF, entry->backoff_end_us);
}

static bool concerns_any(const PodQueue *queue, unsigned plugins)
{
  bool any = queue->n_parked_by[PLUGIN_BITS] > 0;
  for (unsigned i = 0; i < PLUGIN_BITS && !any; i++)
    any = (plugins & (1u << i)) && queue->n_parked_by[i] > 0;
  return any;
}

void pod_queue_wake(PodQueue *queue, unsigned plugins, PodQueueHelps helps, void *data, int64_t now_us)
{
  if (!concerns_any(queue, plugins))
    return;
  GSequenceIter *at = g_sequence_get_begin_iter(queue->parked);
  while (!g_sequence_iter_is_end(at)) {
    Entry *entry = g_sequence_get(at);
    at = g_sequence_iter_next(at);
    unsigned concerned = entry->plugins & plugins;
    if (!entry->plugins || (concerned && helps(entry->info, concerned, data)))
      release(queue, entry, now_us);
  }
}
