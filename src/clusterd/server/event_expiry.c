#include "clusterd/server/event_expiry.h"

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/registry/registry_private.h"

typedef struct Entry {
  Object *event;
  int64_t due_us; /* monotonic */
} Entry;

/* The lock guards all below it. The observer runs on the store's thread and only moves entries; the thread deletes
 * without the lock. */
struct EventExpiry {
  Registry *registry;
  const ApiKind *kind;
  int64_t ttl_us;
  GMutex lock;
  GCond changed;
  GQueue queue;        /* Entry*, what is due first in front */
  GHashTable *entries; /* "namespace/name" → its GList* in the queue */
  bool closing;
  GThread *thread;
};

static void entry_free(void *data)
{
  Entry *entry = data;
  object_unref(entry->event);
  g_free(entry);
}

static char *key_of(const Object *event)
{
  return registry_suffix(object_namespace(event), object_name(event));
}

/* With the lock held, as the others that take a key. */
static void forget(EventExpiry *expiry, const char *key)
{
  GList *link = g_hash_table_lookup(expiry->entries, key);
  if (!link)
    return;
  g_hash_table_remove(expiry->entries, key);
  entry_free(link->data);
  g_queue_delete_link(&expiry->queue, link);
}

static void remember(EventExpiry *expiry, Object *event, int64_t due_us)
{
  Entry *entry = g_new(Entry, 1);
  *entry = (Entry){ object_ref(event), due_us };
  g_queue_push_tail(&expiry->queue, entry);
  g_hash_table_insert(expiry->entries, key_of(event), g_queue_peek_tail_link(&expiry->queue));
}

/* Every write begins the time anew, so what is written comes last. */
static void observe(Object *old, Object *event, void *data)
{
  EventExpiry *expiry = data;
  g_autofree char *key = key_of(event ? event : old);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&expiry->lock);
  bool idle = g_queue_is_empty(&expiry->queue);
  forget(expiry, key);
  if (event)
    remember(expiry, event, g_get_monotonic_time() + expiry->ttl_us);
  if (idle)
    g_cond_signal(&expiry->changed);
}

/* --- what is there at the start ------------------------------------------------------------------------------------
 */

/* When EVENT was written last, as far as it says: microseconds since 1970. */
static int64_t last_time(const json_t *event)
{
  const char *const times[] = {
    json_str(event, "lastTimestamp", NULL),
    json_str(json_object_get(event, "series"), "lastObservedTime", NULL),
    json_str(event, "eventTime", NULL),
    json_str(json_object_get(event, "metadata"), "creationTimestamp", NULL),
  };
  int64_t last = 0, time_us;
  for (gsize i = 0; i < G_N_ELEMENTS(times); i++)
    if (timestamp_parse(times[i], &time_us))
      last = MAX(last, time_us);
  return last;
}

static bool load_event(Object *event, void *data)
{
  EventExpiry *expiry = data;
  g_autoptr(json_t) value = object_value(event);
  int64_t age_us = CLAMP(timestamp_now_us() - last_time(value), 0, expiry->ttl_us);
  g_autofree char *key = key_of(event);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&expiry->lock);
  if (!g_hash_table_contains(expiry->entries, key)) /* the observer was faster */
    remember(expiry, event, g_get_monotonic_time() + expiry->ttl_us - age_us);
  return false;
}

static int compare_due(gconstpointer a, gconstpointer b, gpointer data)
{
  const Entry *first = a, *second = b;
  return (first->due_us > second->due_us) - (first->due_us < second->due_us);
}

/* --- the thread ----------------------------------------------------------------------------------------------------
 */

/* A write that came between makes the deletion fail, and has its own entry. */
static void expire(const EventExpiry *expiry, const Object *event)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *prefix = registry_prefix(expiry->kind), *suffix = key_of(event);
  g_autofree char *key = g_strconcat(prefix, suffix, NULL);
  if (!store_delete(expiry->registry->store, key, object_revision(event), NULL, &error) &&
      !reason_is(error, REASON_CONFLICT) && !reason_is(error, REASON_NOT_FOUND))
    g_warning("event %s stays: %s", suffix, error->message);
}

/* With the lock held: waits for the next event that is due and takes it. NULL when it is time to end. */
static Object *next_due(EventExpiry *expiry)
{
  while (!expiry->closing) {
    const Entry *entry = g_queue_peek_head(&expiry->queue);
    if (!entry) {
      g_cond_wait(&expiry->changed, &expiry->lock);
    } else if (entry->due_us > g_get_monotonic_time()) {
      g_cond_wait_until(&expiry->changed, &expiry->lock, entry->due_us);
    } else {
      Object *event = object_ref(entry->event);
      g_autofree char *key = key_of(event);
      forget(expiry, key);
      return event;
    }
  }
  return NULL;
}

static void *run(void *data)
{
  EventExpiry *expiry = data;
  for (;;) {
    g_mutex_lock(&expiry->lock);
    g_autoptr(Object) event = next_due(expiry);
    g_mutex_unlock(&expiry->lock);
    if (!event)
      return NULL;
    expire(expiry, event);
  }
}

EventExpiry *event_expiry_new(Registry *registry, int64_t ttl_us)
{
  EventExpiry *expiry = g_new0(EventExpiry, 1);
  expiry->registry = registry;
  expiry->kind = api_scheme_resource(registry_scheme(registry), "", "v1", "events");
  expiry->ttl_us = ttl_us;
  g_mutex_init(&expiry->lock);
  g_cond_init(&expiry->changed);
  g_queue_init(&expiry->queue);
  expiry->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  registry_observe(registry, "", "events", observe, expiry);
  registry_visit(registry, expiry->kind, NULL, load_event, expiry);
  g_mutex_lock(&expiry->lock);
  g_queue_sort(&expiry->queue, compare_due, NULL);
  g_mutex_unlock(&expiry->lock);
  expiry->thread = g_thread_new("event-expiry", run, expiry);
  return expiry;
}

void event_expiry_free(EventExpiry *expiry)
{
  if (!expiry)
    return;
  registry_unobserve(expiry->registry, expiry);
  g_mutex_lock(&expiry->lock);
  expiry->closing = true;
  g_cond_signal(&expiry->changed);
  g_mutex_unlock(&expiry->lock);
  g_thread_join(expiry->thread);
  g_hash_table_unref(expiry->entries);
  g_queue_clear_full(&expiry->queue, entry_free);
  g_cond_clear(&expiry->changed);
  g_mutex_clear(&expiry->lock);
  g_free(expiry);
}
