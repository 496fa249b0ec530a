/* How the store's events become the newest state and the history. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/custom/custom_version.h"
#include "clusterd/server/registry/registry_private.h"
#include "clusterd/server/registry/storage_key.h"
#include "clusterd/server/registry/stored_object.h"

/* --- changes -------------------------------------------------------------------------------------------------------
 */

Change *change_new(WatchType type, Object *object, Object *old, int64_t revision)
{
  Change *change = g_new0(Change, 1);
  g_atomic_ref_count_init(&change->references);
  change->type = type;
  change->object = object_ref(object);
  change->old = old ? object_ref(old) : NULL;
  change->revision = revision;
  change->time_us = g_get_monotonic_time();
  return change;
}

Change *change_ref(Change *change)
{
  g_atomic_ref_count_inc(&change->references);
  return change;
}

void change_unref(void *data)
{
  Change *change = data;
  if (!g_atomic_ref_count_dec(&change->references))
    return;
  object_unref(change->object);
  if (change->old)
    object_unref(change->old);
  g_free(change);
}

static int compare_keys(const void *a, const void *b, void *data)
{
  return strcmp(a, b);
}

Resource *watch_cache_resource_new(const ApiKind *kind)
{
  Resource *resource = g_new0(Resource, 1);
  resource->kind = kind;
  resource->prefix = registry_prefix(kind);
  resource->objects = g_tree_new_full(compare_keys, NULL, g_free, (GDestroyNotify)object_unref);
  g_queue_init(&resource->history);
  resource->watches = g_ptr_array_new();
  return resource;
}

void watch_cache_resource_free(Resource *resource)
{
  g_tree_unref(resource->objects);
  g_queue_clear_full(&resource->history, change_unref);
  g_ptr_array_unref(resource->watches);
  g_free(resource->prefix);
  g_free(resource);
}

/* --- from the store ------------------------------------------------------------------------------------------------
 */

/* The value as it was handed to the store by this process, else parsed from the bytes. */
static Object *object_of(Registry *registry, Resource *resource, const StoreEvent *event)
{
  int64_t revision = event->entry.mod_revision;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&registry->flights_lock);
  Flight *flight = g_hash_table_lookup(registry->flights, event->entry.value);
  if (!flight) {
    g_autoptr(GError) error = NULL;
    Object *object = stored_object_load(registry->scheme, resource->kind, event->entry.value, revision, &error);
    if (!object)
      g_critical("%s: %s", event->entry.key, error->message);
    return object;
  }
  flight->object = object_with_revision(flight->draft, revision);
  return resource->kind->compact ? object_twin(flight->object) : object_ref(flight->object);
}

static gsize change_size(const Change *change)
{
  return g_bytes_get_size(object_bytes(change->object));
}

/* CHANGE as the history keeps it: without the parsed values, which take four times the room of the bytes and would
 * outlive by minutes whoever worked with them. */
static Change *change_twin(const Change *change)
{
  g_autoptr(Object) object = object_twin(change->object), old = change->old ? object_twin(change->old) : NULL;
  Change *twin = change_new(change->type, object, old, change->revision);
  twin->time_us = change->time_us;
  return twin;
}

static void remember(Resource *resource, const Change *news)
{
  Change *change = change_twin(news);
  g_queue_push_tail(&resource->history, change);
  resource->history_bytes += change_size(change);
  resource->newest = change->revision;
  for (;;) {
    Change *oldest = g_queue_peek_head(&resource->history);
    bool fits = resource->history.length <= HISTORY_MAX && resource->history_bytes <= HISTORY_BYTES_MAX;
    if (oldest == change || (fits && change->time_us - oldest->time_us <= HISTORY_SECONDS * G_USEC_PER_SEC))
      return;
    resource->forgotten = oldest->revision;
    resource->history_bytes -= change_size(oldest);
    change_unref(g_queue_pop_head(&resource->history));
  }
}

/* Called with the state locked for writing. The change is queued under the same lock as it is made visible, so a watch
 * that starts (under the read lock) sees it either in its backlog or after, never twice, never not at all. */
static Change *apply(Registry *registry, Resource *resource, const char *key, const StoreEvent *event)
{
  int64_t revision = event->entry.mod_revision;
  Object *old = g_tree_lookup(resource->objects, key);
  Change *change = NULL;
  if (event->type == STORE_DELETED) {
    if (!old)
      return NULL;
    g_autoptr(Object) last = object_with_revision(old, revision);
    change = change_new(WATCH_DELETED, last, old, revision);
    g_tree_remove(resource->objects, key);
  } else {
    g_autoptr(Object) object = object_of(registry, resource, event);
    if (!object)
      return NULL;
    change = change_new(old ? WATCH_MODIFIED : WATCH_ADDED, object, old, revision);
    g_tree_replace(resource->objects, g_strdup(key), object_ref(object));
  }
  remember(resource, change);
  dispatcher_change(registry->dispatcher, resource, change);
  return change;
}

static bool is_resource(const char *prefix, const void *resources)
{
  return g_hash_table_contains((GHashTable *)(uintptr_t)resources, prefix);
}

/* The resource KEY's object is in, *LENGTH its prefix's. A kind nobody has used yet has none: it is loaded when
 * somebody does. Called with the state locked. */
static Resource *resource_of(Registry *registry, const char *key, gsize *length)
{
  *length = storage_prefix_length(key, is_resource, registry->resources);
  g_autofree char *prefix = g_strndup(key, *length);
  return *length ? g_hash_table_lookup(registry->resources, prefix) : NULL;
}

static void tell_observers(Registry *registry, const Resource *resource, const Change *change)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&registry->observations_lock);
  for (guint i = 0; i < registry->observations->len; i++) {
    const Observation *observation = registry->observations->pdata[i];
    if (g_str_has_prefix(resource->prefix, observation->prefix))
      observation->observer(change->old, change->type == WATCH_DELETED ? NULL : change->object, observation->data);
  }
}

static void advance(Registry *registry, int64_t revision)
{
  g_mutex_lock(&registry->advance_lock);
  registry->revision = revision;
  g_cond_broadcast(&registry->advanced);
  g_mutex_unlock(&registry->advance_lock);
}

void watch_cache_event(const StoreEvent *event, void *data)
{
  Registry *registry = data;
  Change *change = NULL;
  Resource *resource = NULL;
  if (event->type != STORE_PROGRESS) {
    gsize length = 0;
    g_rw_lock_writer_lock(&registry->state);
    resource = resource_of(registry, event->entry.key, &length);
    if (resource && event->entry.mod_revision > resource->loaded)
      change = apply(registry, resource, event->entry.key + length, event);
    g_rw_lock_writer_unlock(&registry->state);
  }
  if (change) {
    tell_observers(registry, resource, change);
    change_unref(change);
  }
  advance(registry, event->entry.mod_revision);
}
