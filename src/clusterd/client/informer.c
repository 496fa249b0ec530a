#include "clusterd/client/informer.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/informer_index.h"

#define WAIT_MAX_US ((int64_t)10 * G_USEC_PER_SEC)
#define START_TRIES_MAX 5

typedef struct Handler {
  InformerHandler call;
  void *data;
} Handler;

struct Informer {
  InformerSet *set;
  Target target;
  GArray *handlers; /* Handler; fixed once the set runs */
  Watch *watch;

  GMutex lock; /* guards everything below */
  GCond changed;
  InformerIndex *index;
  int64_t revision; /* everything up to here is in the index */
  unsigned n_waiting;
  bool stopped;
};

/* One change on its way from the registry's dispatcher to the set's thread. */
typedef struct Change {
  Informer *informer;
  WatchType type;
  Object *object; /* NULL in a bookmark */
  int64_t revision;
  bool indexed; /* part of the first list: the index holds it already */
} Change;

struct InformerSet {
  Registry *registry;
  Client *client;
  GHashTable *informers; /* "apiVersion plural" → Informer* */
  GThread *thread;

  GMutex lock; /* guards what follows */
  GCond arrived;
  GQueue changes; /* Change* */
  bool stopping;
};

static void informer_free(void *pointer)
{
  Informer *informer = pointer;
  g_array_free(informer->handlers, TRUE);
  informer_index_free(informer->index);
  g_cond_clear(&informer->changed);
  g_mutex_clear(&informer->lock);
  g_free(informer);
}

static void change_free(Change *change)
{
  if (change->object)
    object_unref(change->object);
  g_free(change);
}

InformerSet *informer_set_new(Registry *registry)
{
  InformerSet *set = g_new0(InformerSet, 1);
  set->registry = registry;
  set->client = client_new(registry, "informer");
  set->informers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, informer_free);
  g_mutex_init(&set->lock);
  g_cond_init(&set->arrived);
  g_queue_init(&set->changes);
  return set;
}

void informer_set_free(InformerSet *set)
{
  if (!set)
    return;
  informer_set_stop(set);
  g_hash_table_destroy(set->informers);
  g_cond_clear(&set->arrived);
  g_mutex_clear(&set->lock);
  client_free(set->client);
  g_free(set);
}

Informer *informer_set_get(InformerSet *set, const char *api_version, const char *plural)
{
  g_autofree char *id = g_strconcat(api_version, " ", plural, NULL);
  Informer *informer = g_hash_table_lookup(set->informers, id);
  if (informer)
    return informer;
  informer = g_new0(Informer, 1);
  informer->set = set;
  informer->target.kind = client_kind(set->client, api_version, plural);
  informer->handlers = g_array_new(FALSE, FALSE, sizeof(Handler));
  informer->index = informer_index_new();
  g_mutex_init(&informer->lock);
  g_cond_init(&informer->changed);
  g_hash_table_insert(set->informers, g_steal_pointer(&id), informer);
  return informer;
}

void informer_add_handler(Informer *informer, InformerHandler handler, void *data)
{
  Handler entry = { .call = handler, .data = data };
  g_array_append_val(informer->handlers, entry);
}

void informer_add_index(Informer *informer, const char *index, InformerIndexer values_of)
{
  informer_index_add(informer->index, index, values_of);
}

static void push_change(Informer *informer, WatchType type, Object *object, int64_t revision, bool indexed)
{
  InformerSet *set = informer->set;
  Change *change = g_new(Change, 1);
  *change = (Change){ .informer = informer,
                      .type = type,
                      .object = object ? object_ref(object) : NULL,
                      .revision = revision,
                      .indexed = indexed };
  g_mutex_lock(&set->lock);
  g_queue_push_tail(&set->changes, change);
  g_cond_signal(&set->arrived);
  g_mutex_unlock(&set->lock);
}

static void on_watch(WatchType type, Object *object, Object *old, int64_t revision, void *data)
{
  push_change(data, type, object, revision, false);
}

/* Brings the index up to the change. *OLD gets what was there before (owned, may be NULL). */
static void apply_change(Informer *informer, const Change *change, Object **old)
{
  *old = NULL;
  g_mutex_lock(&informer->lock);
  if (change->object && !change->indexed) {
    if (change->type == WATCH_DELETED) {
      g_autofree char *key = informer_key(change->object);
      *old = informer_index_take(informer->index, key);
    } else {
      *old = informer_index_put(informer->index, change->object);
    }
  }
  informer->revision = MAX(informer->revision, change->revision);
  if (informer->n_waiting > 0)
    g_cond_broadcast(&informer->changed);
  g_mutex_unlock(&informer->lock);
}

static void deliver(const Change *change)
{
  Informer *informer = change->informer;
  g_autoptr(Object) old = NULL;
  apply_change(informer, change, &old);
  if (!change->object || (change->type == WATCH_DELETED && !old))
    return;
  /* The deletion event's own object carries the last state, which may be newer than what the index held. */
  Object *before = change->type == WATCH_DELETED ? change->object : old;
  Object *after = change->type == WATCH_DELETED ? NULL : change->object;
  for (unsigned i = 0; i < informer->handlers->len; i++) {
    const Handler *handler = &g_array_index(informer->handlers, Handler, i);
    handler->call(before, after, handler->data);
  }
}

static void *run(void *pointer)
{
  InformerSet *set = pointer;
  g_mutex_lock(&set->lock);
  for (;;) {
    Change *change = g_queue_pop_head(&set->changes);
    if (change) {
      g_mutex_unlock(&set->lock);
      deliver(change);
      change_free(change);
      g_mutex_lock(&set->lock);
    } else if (set->stopping) {
      break;
    } else {
      g_cond_wait(&set->arrived, &set->lock);
    }
  }
  g_mutex_unlock(&set->lock);
  return NULL;
}

/* Compares a fresh list with the index: what is new or changed is put there at once and reported as already indexed;
 * what vanished is reported as deleted. */
static bool list_all(Informer *informer, GError **error)
{
  Caller caller = { 0 };
  ListOptions options = { 0 };
  g_autoptr(ObjectList) list = registry_list(informer->set->registry, &caller, &informer->target, &options, error);
  if (!list)
    return false;
  g_autoptr(GHashTable) present = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_mutex_lock(&informer->lock);
  g_autoptr(GPtrArray) before = informer_index_all(informer->index);
  for (unsigned i = 0; i < list->objects->len; i++) {
    Object *object = g_ptr_array_index(list->objects, i);
    g_hash_table_add(present, informer_key(object));
    g_autoptr(Object) old = informer_index_put(informer->index, object);
    if (!old || object_revision(old) != object_revision(object))
      push_change(informer, old ? WATCH_MODIFIED : WATCH_ADDED, object, list->revision, true);
  }
  for (unsigned i = 0; i < before->len; i++) {
    Object *object = g_ptr_array_index(before, i);
    g_autofree char *key = informer_key(object);
    if (!g_hash_table_contains(present, key))
      push_change(informer, WATCH_DELETED, object, list->revision, false);
  }
  informer->revision = list->revision;
  g_mutex_unlock(&informer->lock);
  return true;
}

static bool start_watch(Informer *informer, GError **error)
{
  Caller caller = { 0 };
  ListOptions options = { 0 };
  for (unsigned tries = 1;; tries++) {
    g_autoptr(GError) problem = NULL;
    informer->watch = registry_watch(informer->set->registry, &caller, &informer->target, &options, informer->revision,
                                     on_watch, informer, &problem);
    if (informer->watch)
      return true;
    if (!reason_is(problem, REASON_EXPIRED) || tries == START_TRIES_MAX) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return false;
    }
    if (!list_all(informer, error))
      return false;
  }
}

/* Every index is full before the first handler runs, so that no component decides on half a picture. */
bool informer_set_start(InformerSet *set, GError **error)
{
  GHashTableIter iter;
  void *informer;
  g_hash_table_iter_init(&iter, set->informers);
  while (g_hash_table_iter_next(&iter, NULL, &informer))
    if (!list_all(informer, error))
      return false;
  g_hash_table_iter_init(&iter, set->informers);
  while (g_hash_table_iter_next(&iter, NULL, &informer))
    if (!start_watch(informer, error))
      return false;
  set->thread = g_thread_new("informers", run, set);
  return true;
}

void informer_set_stop(InformerSet *set)
{
  GHashTableIter iter;
  void *pointer;
  g_hash_table_iter_init(&iter, set->informers);
  while (g_hash_table_iter_next(&iter, NULL, &pointer)) {
    Informer *informer = pointer;
    if (informer->watch)
      registry_unwatch(g_steal_pointer(&informer->watch));
    g_mutex_lock(&informer->lock);
    informer->stopped = true;
    g_cond_broadcast(&informer->changed);
    g_mutex_unlock(&informer->lock);
  }
  g_mutex_lock(&set->lock);
  set->stopping = true;
  Change *change;
  while ((change = g_queue_pop_head(&set->changes)))
    change_free(change);
  g_cond_signal(&set->arrived);
  g_mutex_unlock(&set->lock);
  if (set->thread)
    g_thread_join(g_steal_pointer(&set->thread));
}

Object *informer_get(Informer *informer, const char *namespace_, const char *name)
{
  g_autofree char *key = namespace_ && *namespace_ ? g_strconcat(namespace_, "/", name, NULL) : g_strdup(name);
  g_mutex_lock(&informer->lock);
  Object *object = informer_index_get(informer->index, key);
  if (object)
    object_ref(object);
  g_mutex_unlock(&informer->lock);
  return object;
}

GPtrArray *informer_list(Informer *informer)
{
  g_mutex_lock(&informer->lock);
  GPtrArray *objects = informer_index_all(informer->index);
  g_mutex_unlock(&informer->lock);
  return objects;
}

GPtrArray *informer_by_index(Informer *informer, const char *index, const char *value)
{
  g_mutex_lock(&informer->lock);
  GPtrArray *objects = informer_index_find(informer->index, index, value);
  g_mutex_unlock(&informer->lock);
  return objects;
}

unsigned informer_count_by_index(Informer *informer, const char *index, const char *value)
{
  g_mutex_lock(&informer->lock);
  unsigned count = informer_index_count(informer->index, index, value);
  g_mutex_unlock(&informer->lock);
  return count;
}

typedef bool (*WaitDone)(Informer *informer, const Object *object, int64_t revision);

static bool wait_until(Informer *informer, WaitDone is_done, const Object *object, int64_t revision)
{
  int64_t end_us = g_get_monotonic_time() + WAIT_MAX_US;
  g_mutex_lock(&informer->lock);
  informer->n_waiting++;
  bool done;
  while (!(done = is_done(informer, object, revision)) && !informer->stopped)
    if (!g_cond_wait_until(&informer->changed, &informer->lock, end_us))
      break;
  informer->n_waiting--;
  g_mutex_unlock(&informer->lock);
  return done;
}

static bool has_revision(Informer *informer, const Object *object, int64_t revision)
{
  return informer->revision >= revision;
}

static bool is_leaving(Informer *informer, const Object *object, int64_t revision)
{
  g_autofree char *key = informer_key(object);
  const Object *now = informer_index_get(informer->index, key);
  return !now || strcmp(object_uid(now), object_uid(object)) != 0 ||
         json_at(object_json(now), "metadata", "deletionTimestamp", NULL) != NULL;
}

bool informer_wait_revision(Informer *informer, int64_t revision)
{
  return wait_until(informer, has_revision, NULL, revision);
}

bool informer_wait_deleted(Informer *informer, const Object *object)
{
  return wait_until(informer, is_leaving, object, 0);
}
