/* How the store's events become the newest state, the history and the calls of the watches' handlers. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/custom/custom_version.h"
#include "clusterd/server/registry/registry_private.h"
#include "clusterd/server/registry/storage_key.h"

struct Watch {
  gatomicrefcount references; /* of the owner and of the dispatcher */
  Registry *registry;
  Resource *resource;
  const ApiKind *kind;
  char *namespace_; /* NULL: all */
  char *name;       /* NULL: all */
  const LabelSelector *labels;
  const FieldSelector *fields;
  WatchHandler handler;
  void *data;
  bool aside;  /* showing an object may mean to ask a webhook: the thread for that delivers */
  GMutex lock; /* held while the handler runs and the selectors are used */
  bool stopped;
  int64_t from; /* nothing up to here; another server may have been further than this one is */
};

typedef enum MessageKind { MESSAGE_CHANGE, MESSAGE_START, MESSAGE_STOP, MESSAGE_CLOSE, MESSAGE_QUIT } MessageKind;

typedef struct Message {
  MessageKind kind;
  Resource *resource;
  Change *change;     /* MESSAGE_CHANGE */
  Watch *watch;       /* MESSAGE_START, MESSAGE_STOP */
  const ApiKind *of;  /* MESSAGE_CLOSE: whose watches end */
  GPtrArray *backlog; /* MESSAGE_START: Change* */
  int64_t revision;   /* MESSAGE_START: where the backlog ends */
} Message;

struct Dispatcher {
  Registry *registry;
  GAsyncQueue *queue;
  GThread *thread;
  GPtrArray *watches; /* Watch*, all; the thread's */
  int64_t revision;   /* newest delivered; the thread's */
  GAsyncQueue *aside; /* Delivery*: what must not hold up the others */
  GThread *aside_thread;
};

/* One thing to deliver to a watch that is served aside. */
typedef struct Delivery {
  Watch *watch;   /* NULL: the thread ends */
  Change *change; /* NULL: a bookmark, or the end */
  int64_t revision;
  bool close;
} Delivery;

/* --- changes -------------------------------------------------------------------------------------------------------
 */

static Change *change_new(WatchType type, Object *object, Object *old, int64_t revision)
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

static Change *change_ref(Change *change)
{
  g_atomic_ref_count_inc(&change->references);
  return change;
}

static void change_unref(void *data)
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
    Object *object = custom_version_load(registry->scheme, resource->kind, event->entry.value, revision, &error);
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

static void remember(Resource *resource, Change *change)
{
  g_queue_push_tail(&resource->history, change_ref(change));
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

static Message *message_new(MessageKind kind, Resource *resource)
{
  Message *message = g_new0(Message, 1);
  message->kind = kind;
  message->resource = resource;
  return message;
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
  Message *message = message_new(MESSAGE_CHANGE, resource);
  message->change = change_ref(change);
  g_async_queue_push(registry->dispatcher->queue, message);
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

/* --- to the watches ------------------------------------------------------------------------------------------------
 */

static void watch_unref(Watch *watch)
{
  if (!g_atomic_ref_count_dec(&watch->references))
    return;
  g_mutex_clear(&watch->lock);
  g_free(watch->namespace_);
  g_free(watch->name);
  g_free(watch);
}

static bool watch_selects(const Watch *watch, Object *object)
{
  if (!object || (watch->namespace_ && !g_str_equal(watch->namespace_, object_namespace(object))) ||
      (watch->name && !g_str_equal(watch->name, object_name(object))))
    return false;
  return object_selected(object, watch->labels, watch->fields);
}

static void watch_bookmark(Watch *watch, int64_t revision)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&watch->lock);
  if (!watch->stopped)
    watch->handler(WATCH_BOOKMARK, NULL, NULL, MAX(revision, watch->from), watch->data);
}

/* What CHANGE is to WATCH. False when it is nothing. Called with the watch's lock held. */
static bool judge(const Watch *watch, const Change *change, WatchType *type)
{
  if (watch->stopped || change->revision <= watch->from)
    return false;
  bool before = change->type != WATCH_ADDED && watch_selects(watch, change->old);
  bool after = change->type != WATCH_DELETED && watch_selects(watch, change->object);
  *type = !before ? WATCH_ADDED : after ? WATCH_MODIFIED : WATCH_DELETED;
  return before || after;
}

static void watch_deliver(Watch *watch, const Change *change)
{
  WatchType type;
  g_mutex_lock(&watch->lock);
  bool wanted = judge(watch, change, &type);
  g_mutex_unlock(&watch->lock);
  if (!wanted)
    return;
  g_autoptr(Object) left = NULL; /* what leaves the selection is shown as it was, at the revision of its leaving */
  Object *shown = change->object;
  if (type == WATCH_DELETED && change->type != WATCH_DELETED)
    shown = left = object_with_revision(change->old, change->revision);
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) object = registry_view(watch->kind, shown, &error);
  g_autoptr(Object) old = type == WATCH_ADDED || watch->aside ? NULL : registry_view(watch->kind, change->old, NULL);
  if (!object) {
    g_warning("watch: %s", error->message);
    return;
  }
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&watch->lock);
  if (!watch->stopped)
    watch->handler(type, object, old, change->revision, watch->data);
}

/* The last call of the handler; the watch stays until its owner lets it go. */
static void watch_close(Watch *watch)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&watch->lock);
  if (watch->stopped)
    return;
  watch->stopped = true;
  watch->handler(WATCH_CLOSED, NULL, NULL, 0, watch->data);
}

/* False for a custom resource whose definition went while the request for the watch was on its way. */
static bool is_served(const Watch *watch)
{
  const ApiKind *kind = watch->kind;
  return !kind->custom || !kind->custom->served ||
         api_scheme_kind(watch->registry->scheme, kind->group, kind->version, kind->kind);
}

/* Delivers CHANGE, a bookmark at REVISION, or the end: here, or by the thread for what may take long. */
static void dispatch_to(const Dispatcher *dispatcher, Watch *watch, Change *change, int64_t revision, bool close)
{
  if (watch->aside) {
    Delivery *delivery = g_new(Delivery, 1);
    g_atomic_ref_count_inc(&watch->references);
    *delivery = (Delivery){ watch, change ? change_ref(change) : NULL, revision, close };
    g_async_queue_push(dispatcher->aside, delivery);
  } else if (change) {
    watch_deliver(watch, change);
  } else if (close) {
    watch_close(watch);
  } else {
    watch_bookmark(watch, revision);
  }
}

static void delivery_free(Delivery *delivery)
{
  g_clear_pointer(&delivery->change, change_unref);
  g_clear_pointer(&delivery->watch, watch_unref);
  g_free(delivery);
}

static void *aside_main(void *data)
{
  Dispatcher *dispatcher = data;
  for (bool more = true; more;) {
    Delivery *delivery = g_async_queue_pop(dispatcher->aside);
    more = delivery->watch != NULL;
    if (delivery->change)
      watch_deliver(delivery->watch, delivery->change);
    else if (delivery->close)
      watch_close(delivery->watch);
    else if (delivery->watch)
      watch_bookmark(delivery->watch, delivery->revision);
    delivery_free(delivery);
  }
  return NULL;
}

static void dispatch_close(const Dispatcher *dispatcher, const Message *message)
{
  const GPtrArray *watches = message->resource->watches;
  for (guint i = 0; i < watches->len; i++) {
    Watch *watch = watches->pdata[i];
    if (g_str_equal(watch->kind->version, message->of->version))
      dispatch_to(dispatcher, watch, NULL, 0, true);
  }
}

static void dispatch_start(Dispatcher *dispatcher, const Message *message)
{
  Watch *watch = message->watch;
  for (guint i = 0; i < message->backlog->len; i++)
    dispatch_to(dispatcher, watch, message->backlog->pdata[i], 0, false);
  dispatch_to(dispatcher, watch, NULL, message->revision, false);
  g_ptr_array_add(watch->resource->watches, watch);
  g_ptr_array_add(dispatcher->watches, watch);
  if (!is_served(watch))
    dispatch_to(dispatcher, watch, NULL, 0, true);
}

static void dispatch_stop(Dispatcher *dispatcher, Watch *watch)
{
  g_ptr_array_remove_fast(watch->resource->watches, watch);
  g_ptr_array_remove_fast(dispatcher->watches, watch);
  watch_unref(watch);
}

static void dispatch_change(Dispatcher *dispatcher, const Resource *resource, Change *change)
{
  g_assert(change);
  for (guint i = 0; i < resource->watches->len; i++)
    dispatch_to(dispatcher, resource->watches->pdata[i], change, 0, false);
  dispatcher->revision = change->revision;
}

static void message_free(Message *message)
{
  g_clear_pointer(&message->change, change_unref);
  g_clear_pointer(&message->backlog, g_ptr_array_unref);
  g_free(message);
}

/* False when it is time to end. */
static bool dispatch_message(Dispatcher *dispatcher, Message *message)
{
  switch (message->kind) {
  case MESSAGE_CHANGE:
    dispatch_change(dispatcher, message->resource, message->change);
    break;
  case MESSAGE_START:
    dispatch_start(dispatcher, message);
    break;
  case MESSAGE_STOP:
    dispatch_stop(dispatcher, message->watch);
    break;
  case MESSAGE_CLOSE:
    dispatch_close(dispatcher, message);
    break;
  case MESSAGE_QUIT:
    break;
  }
  bool go_on = message->kind != MESSAGE_QUIT;
  message_free(message);
  return go_on;
}

static void dispatch_bookmarks(Dispatcher *dispatcher)
{
  for (guint i = 0; i < dispatcher->watches->len; i++)
    dispatch_to(dispatcher, dispatcher->watches->pdata[i], NULL, dispatcher->revision, false);
}

static void *dispatcher_main(void *data)
{
  Dispatcher *dispatcher = data;
  int64_t next = g_get_monotonic_time() + BOOKMARK_SECONDS * G_USEC_PER_SEC;
  for (;;) {
    int64_t left = next - g_get_monotonic_time();
    Message *message = left > 0 ? g_async_queue_timeout_pop(dispatcher->queue, (guint64)left) : NULL;
    if (message) {
      if (!dispatch_message(dispatcher, message))
        return NULL;
      continue;
    }
    dispatch_bookmarks(dispatcher);
    next = g_get_monotonic_time() + BOOKMARK_SECONDS * G_USEC_PER_SEC;
  }
}

Dispatcher *dispatcher_new(Registry *registry)
{
  Dispatcher *dispatcher = g_new0(Dispatcher, 1);
  dispatcher->registry = registry;
  dispatcher->queue = g_async_queue_new();
  dispatcher->watches = g_ptr_array_new();
  dispatcher->revision = registry->revision;
  dispatcher->aside = g_async_queue_new();
  dispatcher->thread = g_thread_new("watch", dispatcher_main, dispatcher);
  dispatcher->aside_thread = g_thread_new("watch-aside", aside_main, dispatcher);
  return dispatcher;
}

void dispatcher_free(Dispatcher *dispatcher)
{
  if (!dispatcher)
    return;
  g_async_queue_push(dispatcher->queue, message_new(MESSAGE_QUIT, NULL));
  g_thread_join(dispatcher->thread);
  g_async_queue_push(dispatcher->aside, g_new0(Delivery, 1));
  g_thread_join(dispatcher->aside_thread);
  g_async_queue_unref(dispatcher->aside);
  Message *message;
  while ((message = g_async_queue_try_pop(dispatcher->queue))) {
    if (message->watch)
      watch_unref(message->watch);
    message_free(message);
  }
  g_async_queue_unref(dispatcher->queue);
  g_ptr_array_unref(dispatcher->watches);
  g_free(dispatcher);
}

/* --- calls ---------------------------------------------------------------------------------------------------------
 */

static GPtrArray *backlog_of_state(const Resource *resource, const char *namespace_)
{
  GPtrArray *backlog = g_ptr_array_new_with_free_func(change_unref);
  g_autofree char *prefix = namespace_ ? g_strconcat(namespace_, "/", NULL) : g_strdup("");
  for (GTreeNode *node = g_tree_lower_bound(resource->objects, prefix); node; node = g_tree_node_next(node)) {
    if (!g_str_has_prefix(g_tree_node_key(node), prefix))
      break;
    Object *object = g_tree_node_value(node);
    g_ptr_array_add(backlog, change_new(WATCH_ADDED, object, NULL, object_revision(object)));
  }
  return backlog;
}

static GPtrArray *backlog_of_history(const Resource *resource, int64_t from, GError **error)
{
  if (from < resource->forgotten) {
    reason_set(error, REASON_EXPIRED, "too old resource version: %" G_GINT64_FORMAT " (%" G_GINT64_FORMAT ")", from,
               resource->forgotten);
    return NULL;
  }
  GPtrArray *backlog = g_ptr_array_new_with_free_func(change_unref);
  for (const GList *link = resource->history.head; link; link = link->next) {
    Change *change = link->data;
    if (change->revision > from)
      g_ptr_array_add(backlog, change_ref(change));
  }
  return backlog;
}

static Watch *watch_new(Registry *registry, Resource *resource, const Target *target, const ListOptions *options)
{
  Watch *watch = g_new0(Watch, 1);
  g_atomic_ref_count_init(&watch->references);
  g_atomic_ref_count_inc(&watch->references);
  g_mutex_init(&watch->lock);
  watch->registry = registry;
  watch->resource = resource;
  watch->kind = target->kind;
  watch->aside = custom_version_may_ask(target->kind);
  watch->namespace_ = target->kind->namespaced ? g_strdup(target->namespace_) : NULL;
  watch->name = g_strdup(target->name);
  watch->labels = options ? options->labels : NULL;
  watch->fields = options ? options->fields : NULL;
  return watch;
}

Watch *registry_watch(Registry *registry, const Caller *caller, const Target *target, const ListOptions *options,
                      int64_t from, WatchHandler handler, void *data, GError **error)
{
  Resource *resource = registry_resource(registry, target->kind, error);
  if (!resource || (from == 0 && !registry_catch_up(registry, error)))
    return NULL;
  Watch *watch = NULL;
  g_rw_lock_reader_lock(&registry->state);
  GPtrArray *backlog = from == 0 ? backlog_of_state(resource, target->kind->namespaced ? target->namespace_ : NULL)
                                 : backlog_of_history(resource, from, error);
  if (backlog) {
    watch = watch_new(registry, resource, target, options);
    watch->from = from;
    watch->handler = handler;
    watch->data = data;
    Message *message = message_new(MESSAGE_START, resource);
    message->watch = watch;
    message->backlog = backlog;
    message->revision = MAX(resource->newest, registry->revision);
    g_async_queue_push(registry->dispatcher->queue, message);
  }
  g_rw_lock_reader_unlock(&registry->state);
  return watch;
}

void registry_close_watches(Registry *registry, const ApiKind *kind)
{
  g_autofree char *prefix = registry_prefix(kind);
  g_rw_lock_reader_lock(&registry->state);
  Resource *resource = g_hash_table_lookup(registry->resources, prefix);
  g_rw_lock_reader_unlock(&registry->state);
  if (!resource) /* nobody ever watched */
    return;
  Message *message = message_new(MESSAGE_CLOSE, resource);
  message->of = kind;
  g_async_queue_push(registry->dispatcher->queue, message);
}

void registry_unwatch(Watch *watch)
{
  if (!watch)
    return;
  g_mutex_lock(&watch->lock);
  watch->stopped = true;
  g_mutex_unlock(&watch->lock);
  Message *message = message_new(MESSAGE_STOP, watch->resource);
  message->watch = watch;
  g_async_queue_push(watch->registry->dispatcher->queue, message);
  watch_unref(watch);
}
