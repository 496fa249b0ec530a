/* How changes become calls of the watches' handlers: one thread for all, and one more for what must ask a webhook. */
#include <malloc.h>
#include <string.h>

#include "base/reason.h"
#include "clusterd/server/custom/custom_version.h"
#include "clusterd/server/registry/registry_private.h"

/* After this many changes, and then this long without anything to deliver, what was freed goes back to the system: the
 * allocator alone keeps all pages but those at the end, and a burst leaves holes between what stays. */
#define TRIM_CHANGES 512
#define TRIM_QUIET_US G_USEC_PER_SEC

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

typedef enum MessageKind {
  MESSAGE_CHANGE,
  MESSAGE_START,
  MESSAGE_STOP,
  MESSAGE_CLOSE,
  MESSAGE_PACE,
  MESSAGE_QUIT
} MessageKind;

typedef struct Message {
  MessageKind kind;
  Resource *resource;
  Change *change;     /* MESSAGE_CHANGE */
  Watch *watch;       /* MESSAGE_START, MESSAGE_STOP */
  const ApiKind *of;  /* MESSAGE_CLOSE: whose watches end */
  GPtrArray *backlog; /* MESSAGE_START: Change* */
  int64_t revision;   /* MESSAGE_START: where the backlog ends */
  int64_t pace_us;    /* MESSAGE_PACE: time between bookmarks */
} Message;

struct Dispatcher {
  Registry *registry;
  GAsyncQueue *queue;
  GThread *thread;
  GPtrArray *watches; /* Watch*, all; the thread's */
  int64_t revision;   /* newest delivered; the thread's */
  unsigned untrimmed; /* changes since memory was given back; the thread's */
  int64_t pace_us;    /* time between bookmarks; the thread's */
  int64_t next_us;    /* when the next ones are due, monotonic; the thread's */
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

static Message *message_new(MessageKind kind, Resource *resource)
{
  Message *message = g_new0(Message, 1);
  message->kind = kind;
  message->resource = resource;
  return message;
}

/* --- watches -------------------------------------------------------------------------------------------------------
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

/* Selectors look at what the client sees: an object of another version may have other fields and labels. New reference
 * (OBJECT may be NULL, and cannot be shown then either). */
static Object *to_select(const Watch *watch, Object *object)
{
  if (!object)
    return NULL;
  if (!watch->kind->custom || (!watch->labels && !watch->fields))
    return object_ref(object);
  g_autoptr(GError) error = NULL;
  Object *shown = registry_view(watch->kind, object, &error);
  if (!shown)
    g_warning("watch: %s", error->message);
  return shown;
}

static void watch_bookmark(Watch *watch, int64_t revision)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&watch->lock);
  if (!watch->stopped)
    watch->handler(WATCH_BOOKMARK, NULL, NULL, MAX(revision, watch->from), watch->data);
}

/* What CHANGE is to WATCH, of which OLD and OBJECT are what its selectors look at. False when it is nothing. Called
 * with the watch's lock held. */
static bool judge(const Watch *watch, const Change *change, Object *old, Object *object, WatchType *type)
{
  if (watch->stopped || change->revision <= watch->from)
    return false;
  bool before = change->type != WATCH_ADDED && watch_selects(watch, old);
  bool after = change->type != WATCH_DELETED && watch_selects(watch, object);
  *type = !before ? WATCH_ADDED : after ? WATCH_MODIFIED : WATCH_DELETED;
  return before || after;
}

static void watch_deliver(Watch *watch, const Change *change)
{
  WatchType type;
  g_autoptr(Object) before = to_select(watch, change->old), after = to_select(watch, change->object);
  g_mutex_lock(&watch->lock);
  bool wanted = judge(watch, change, before, after, &type);
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
  dispatcher->untrimmed++;
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
  case MESSAGE_PACE:
    dispatcher->pace_us = message->pace_us;
    dispatcher->next_us = g_get_monotonic_time() + dispatcher->pace_us;
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

/* The next message; NULL when none comes until bookmarks are due. Gives memory back while it waits, at most once after
 * a burst: nothing wakes an idle process. */
static Message *next_message(Dispatcher *dispatcher)
{
  int64_t left = dispatcher->next_us - g_get_monotonic_time();
  if (left > TRIM_QUIET_US && dispatcher->untrimmed >= TRIM_CHANGES) {
    Message *message = g_async_queue_timeout_pop(dispatcher->queue, TRIM_QUIET_US);
    if (message)
      return message;
    malloc_trim(0);
    dispatcher->untrimmed = 0;
    left = dispatcher->next_us - g_get_monotonic_time();
  }
  return left > 0 ? g_async_queue_timeout_pop(dispatcher->queue, (guint64)left) : NULL;
}

static void *dispatcher_main(void *data)
{
  Dispatcher *dispatcher = data;
  for (;;) {
    Message *message = next_message(dispatcher);
    if (message) {
      if (!dispatch_message(dispatcher, message))
        return NULL;
      continue;
    }
    dispatch_bookmarks(dispatcher);
    dispatcher->next_us = g_get_monotonic_time() + dispatcher->pace_us;
  }
}

Dispatcher *dispatcher_new(Registry *registry)
{
  Dispatcher *dispatcher = g_new0(Dispatcher, 1);
  dispatcher->registry = registry;
  dispatcher->queue = g_async_queue_new();
  dispatcher->watches = g_ptr_array_new();
  dispatcher->revision = registry->revision;
  dispatcher->pace_us = BOOKMARK_SECONDS * G_USEC_PER_SEC;
  dispatcher->next_us = g_get_monotonic_time() + dispatcher->pace_us;
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

void dispatcher_change(Dispatcher *dispatcher, Resource *resource, Change *change)
{
  Message *message = message_new(MESSAGE_CHANGE, resource);
  message->change = change_ref(change);
  g_async_queue_push(dispatcher->queue, message);
}

void registry_pace_bookmarks(Registry *registry, int64_t interval_us)
{
  Message *message = message_new(MESSAGE_PACE, NULL);
  message->pace_us = MAX(interval_us, BOOKMARK_US_MIN);
  g_async_queue_push(registry->dispatcher->queue, message);
}

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
