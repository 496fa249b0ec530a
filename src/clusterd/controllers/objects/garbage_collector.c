#include "clusterd/controllers/objects/garbage_collector.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/recorder.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/controllers/objects/owner_graph.h"

#define N_WORKERS 2
#define FOREGROUND "foregroundDeletion"
#define ORPHAN "orphan"

/* Keys of the queue: what to do, and the uid it is about. */
#define KEY_CHECK "check " /* are its owners still there? */
#define KEY_LEAVE "leave " /* it is being deleted and its dependents come first */
#define KEY_KINDS "kinds"  /* watch kinds that are new */

typedef struct KindWatch {
  GarbageCollector *collector;
  Watch *watch;
  bool complete; /* all that was there has been seen; guarded by the collector's lock */
  bool closed;   /* the kind is served no more; guarded by the collector's lock */
} KindWatch;

struct GarbageCollector {
  Client *client;
  Recorder *recorder;
  Informer *namespaces;
  Informer *definitions; /* CustomResourceDefinitions; NULL when there is no such kind */
  WorkQueue *queue;
  GHashTable *watches; /* "plural.group" → KindWatch*; used by one worker at a time (KEY_KINDS) and at the end */

  GMutex lock; /* guards everything below */
  GCond completed;
  unsigned n_incomplete;
  bool stopping;
  OwnerGraph *graph;
  GHashTable *leaving; /* uid → OwnedObject*: being deleted, with one of our finalizers */
};

/* --- what watches tell (the dispatcher's thread) ---------------------------------------------------------------- */

static bool has_finalizer(const json_t *value, const char *name)
{
  return json_has_text(json_at(value, "metadata", "finalizers", NULL), name);
}

static bool is_deleting(const json_t *value)
{
  return json_at(value, "metadata", "deletionTimestamp", NULL) != NULL;
}

static void queue_key(GarbageCollector *collector, const char *what, const char *uid)
{
  g_autofree char *key = g_strconcat(what, uid, NULL);
  work_queue_add(collector->queue, key);
}

static void note_deleted(GarbageCollector *collector, const char *uid)
{
  g_autoptr(GPtrArray) dependents = owner_graph_dependents(collector->graph, uid);
  for (unsigned i = 0; i < dependents->len; i++)
    queue_key(collector, KEY_CHECK, ((const OwnedObject *)g_ptr_array_index(dependents, i))->uid);
  const OwnedObject *owned = owner_graph_find(collector->graph, uid);
  for (char **owner = owned ? owned->owners : NULL; owner && *owner; owner++)
    if (g_hash_table_contains(collector->leaving, *owner))
      queue_key(collector, KEY_LEAVE, *owner);
  owner_graph_remove(collector->graph, uid);
  g_hash_table_remove(collector->leaving, uid);
}

static void note_changed(GarbageCollector *collector, const Object *object)
{
  g_auto(GStrv) before = NULL;
  const OwnedObject *known = owner_graph_find(collector->graph, object_uid(object));
  before = known ? g_strdupv(known->owners) : NULL;
  if (owner_graph_put(collector->graph, object))
    queue_key(collector, KEY_CHECK, object_uid(object));
  /* An owner may have waited for this object, which is no longer its own. */
  for (char **owner = before; owner && *owner; owner++)
    if (g_hash_table_contains(collector->leaving, *owner))
      queue_key(collector, KEY_LEAVE, *owner);
  g_autoptr(json_t) deleting = object_metadata(object, "deletionTimestamp");
  if (!deleting || (!has_finalizer(object_json(object), FOREGROUND) && !has_finalizer(object_json(object), ORPHAN)))
    return;
  OwnedObject *leaving = owned_object_new(object);
  g_hash_table_replace(collector->leaving, leaving->uid, leaving);
  queue_key(collector, KEY_LEAVE, leaving->uid);
}

static void on_watch(WatchType type, Object *object, Object *old, int64_t revision, void *data)
{
  KindWatch *watch = data;
  GarbageCollector *collector = watch->collector;
  g_mutex_lock(&collector->lock);
  if (type == WATCH_BOOKMARK || type == WATCH_CLOSED) {
    if (!watch->complete && --collector->n_incomplete == 0)
      g_cond_broadcast(&collector->completed);
    watch->complete = true;
    watch->closed = type == WATCH_CLOSED;
    if (watch->closed)
      work_queue_add(collector->queue, KEY_KINDS);
  } else if (type == WATCH_DELETED) {
    note_deleted(collector, object_uid(object));
  } else {
    note_changed(collector, object);
  }
  g_mutex_unlock(&collector->lock);
}

static void on_definition(Object *old, Object *new_object, void *data)
{
  GarbageCollector *collector = data;
  work_queue_add(collector->queue, KEY_KINDS);
}

/* --- reading and writing objects of any kind -------------------------------------------------------------------- */

static Caller caller_of(const GarbageCollector *collector)
{
  return (Caller){ .field_manager = client_component(collector->client) };
}

/* The object as it is now; NULL without an error when it is gone or replaced by another of its name. */
static Object *get_live(const GarbageCollector *collector, const ApiKind *kind, const char *namespace_,
                        const char *name, const char *uid, GError **error)
{
  Caller caller = caller_of(collector);
  Target target = { .kind = kind, .namespace_ = namespace_, .name = name };
  GError *problem = NULL;
  Object *object = registry_get(client_registry(collector->client), &caller, &target, &problem);
  if (object && strcmp(object_uid(object), uid) != 0)
    g_clear_pointer(&object, object_unref);
  if (reason_is(problem, REASON_NOT_FOUND))
    g_clear_error(&problem);
  if (problem)
    g_propagate_error(error, problem);
  return object;
}

typedef struct Change {
  const char *uid;       /* of the object */
  GHashTable *owners;    /* set of uids whose references go; or NULL */
  const char *finalizer; /* what goes; or NULL */
  bool unblock;          /* instead: no owner waits for it any more */
} Change;

static bool unblock_owners(json_t *metadata)
{
  bool changed = false;
  size_t i;
  json_t *reference;
  json_array_foreach (json_object_get(metadata, "ownerReferences"), i, reference) {
    if (!json_flag(reference, "blockOwnerDeletion", false))
      continue;
    json_object_set_new(reference, "blockOwnerDeletion", json_false());
    changed = true;
  }
  return changed;
}

static bool change_object(json_t *value, void *data)
{
  const Change *change = data;
  json_t *metadata = json_object_get(value, "metadata");
  if (strcmp(json_str(metadata, "uid", ""), change->uid) != 0)
    return false;
  if (change->unblock)
    return unblock_owners(metadata);
  const char *list_name = change->owners ? "ownerReferences" : "finalizers";
  json_t *list = json_object_get(metadata, list_name);
  bool changed = false;
  for (size_t i = json_array_size(list); i-- > 0;) {
    const json_t *entry = json_array_get(list, i);
    bool goes = change->owners ? g_hash_table_contains(change->owners, json_str(entry, "uid", ""))
                               : strcmp(json_string_value(entry), change->finalizer) == 0;
    if (!goes)
      continue;
    json_array_remove(list, i);
    changed = true;
  }
  if (list && json_array_size(list) == 0)
    json_object_del(metadata, list_name);
  return changed;
}

static bool modify(const GarbageCollector *collector, const OwnedObject *owned, Change *change, GError **error)
{
  Caller caller = caller_of(collector);
  Target target = { .kind = owned->kind, .namespace_ = owned->namespace_, .name = owned->name };
  g_autoptr(GError) problem = NULL;
  change->uid = owned->uid;
  g_autoptr(Object) stored =
      registry_modify(client_registry(collector->client), &caller, &target, change_object, change, &problem);
  if (stored || reason_is(problem, REASON_NOT_FOUND))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

static bool delete_owned(const GarbageCollector *collector, const OwnedObject *owned, const char *propagation,
                         GError **error)
{
  Caller caller = caller_of(collector);
  Target target = { .kind = owned->kind, .namespace_ = owned->namespace_, .name = owned->name };
  DeleteOptions options = { .grace_period_seconds = -1, .propagation = propagation, .precondition_uid = owned->uid };
  g_autoptr(GError) problem = NULL;
  bool gone;
  g_autoptr(Object) last =
      registry_delete(client_registry(collector->client), &caller, &target, &options, &gone, &problem);
  if (last || reason_is(problem, REASON_NOT_FOUND) || reason_is(problem, REASON_CONFLICT))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

/* --- owners that are gone --------------------------------------------------------------------------------------- */

typedef struct Owners {
  GHashTable *going; /* set of uids, borrowed: absent, or waiting for their dependents to be deleted */
  bool any_present;  /* that stays */
  bool any_waiting;
} Owners;

/* An owner is sought where the object is, or in no namespace: one elsewhere is none, and people should know. */
static void tell_foreign(const GarbageCollector *collector, const Object *object, const json_t *reference)
{
  const char *own = object_namespace(object) ? object_namespace(object) : "";
  recorder_event(collector->recorder, object_json(object), NULL, "Warning", "OwnerRefInvalidNamespace",
                 "ownerRef [%s/%s, namespace: %s, name: %s, uid: %s] does not exist in namespace \"%s\"",
                 json_str(reference, "apiVersion", ""), json_str(reference, "kind", ""), own,
                 json_str(reference, "name", ""), json_str(reference, "uid", ""), own);
}

static bool is_elsewhere(const GarbageCollector *collector, const ApiKind *kind, const json_t *reference)
{
  g_autoptr(GPtrArray) namespaces = informer_list(collector->namespaces);
  for (unsigned i = 0; kind->namespaced && i < namespaces->len; i++) {
    g_autoptr(Object) owner = get_live(collector, kind, object_name(g_ptr_array_index(namespaces, i)),
                                       json_str(reference, "name", ""), json_str(reference, "uid", ""), NULL);
    if (owner)
      return true;
  }
  return false;
}

static bool judge_owner(const GarbageCollector *collector, const OwnedObject *owned, const Object *object,
                        const json_t *reference, Owners *owners, GError **error)
{
  const json_t *named = reference; /* apiVersion and kind stand in a reference as in an object */
  const ApiKind *kind = api_scheme_kind_of(registry_scheme(client_registry(collector->client)), named);
  const char *uid = json_str(reference, "uid", "");
  if (!kind)
    return reason_set(error, REASON_NOT_FOUND, "owner %s of an unknown kind %s", json_str(reference, "name", ""),
                      json_str(reference, "kind", ""));
  if (kind->namespaced && !owned->namespace_) {
    owners->any_present = true; /* cannot be resolved: never a reason to delete */
    tell_foreign(collector, object, reference);
    return true;
  }
  GError *problem = NULL;
  g_autoptr(Object) owner = get_live(collector, kind, kind->namespaced ? owned->namespace_ : NULL,
                                     json_str(reference, "name", ""), uid, &problem);
  if (problem) {
    g_propagate_error(error, problem);
    return false;
  }
  if (owner && !(is_deleting(object_json(owner)) && has_finalizer(object_json(owner), FOREGROUND))) {
    owners->any_present = true;
    return true;
  }
  if (!owner && is_elsewhere(collector, kind, reference))
    tell_foreign(collector, object, reference);
  owners->any_waiting |= owner != NULL;
  g_hash_table_add(owners->going, (char *)(uintptr_t)uid);
  return true;
}

static const char *propagation_for(GarbageCollector *collector, const Object *object, bool owner_waits)
{
  const json_t *value = object_json(object);
  g_mutex_lock(&collector->lock);
  g_autoptr(GPtrArray) dependents = owner_graph_dependents(collector->graph, object_uid(object));
  g_mutex_unlock(&collector->lock);
  if ((owner_waits && dependents->len > 0) || has_finalizer(value, FOREGROUND))
    return "Foreground";
  return has_finalizer(value, ORPHAN) ? "Orphan" : "Background";
}

/* Owners that own each other would wait for ever. */
static bool break_circle(GarbageCollector *collector, const OwnedObject *owned, GError **error)
{
  bool circle = false;
  g_mutex_lock(&collector->lock);
  g_autoptr(GPtrArray) dependents = owner_graph_dependents(collector->graph, owned->uid);
  for (unsigned i = 0; i < dependents->len; i++)
    circle |= g_hash_table_contains(collector->leaving, ((const OwnedObject *)g_ptr_array_index(dependents, i))->uid);
  g_mutex_unlock(&collector->lock);
  Change change = { .unblock = true };
  return !circle || modify(collector, owned, &change, error);
}

static bool check(GarbageCollector *collector, const char *uid, GError **error)
{
  g_mutex_lock(&collector->lock);
  const OwnedObject *known = owner_graph_find(collector->graph, uid);
  g_autoptr(OwnedObject) owned = known ? owned_object_copy(known) : NULL;
  g_mutex_unlock(&collector->lock);
  if (!owned)
    return true;
  GError *problem = NULL;
  g_autoptr(Object) object = get_live(collector, owned->kind, owned->namespace_, owned->name, uid, &problem);
  if (problem) {
    g_propagate_error(error, problem);
    return false;
  }
  if (!object || is_deleting(object_json(object)))
    return true;
  g_autoptr(GHashTable) going = g_hash_table_new(g_str_hash, g_str_equal);
  Owners owners = { .going = going };
  size_t i;
  json_t *reference;
  json_array_foreach (json_at(object_json(object), "metadata", "ownerReferences", NULL), i, reference)
    if (!judge_owner(collector, owned, object, reference, &owners, error))
      return false;
  if (g_hash_table_size(going) == 0)
    return true;
  if (owners.any_present) {
    Change change = { .owners = going };
    return modify(collector, owned, &change, error);
  }
  return (!owners.any_waiting || break_circle(collector, owned, error)) &&
         delete_owned(collector, owned, propagation_for(collector, object, owners.any_waiting), error);
}

/* --- owners that wait ------------------------------------------------------------------------------------------- */

static bool orphan_dependents(const GarbageCollector *collector, const OwnedObject *owner, GPtrArray *dependents,
                              GError **error)
{
  g_autoptr(GHashTable) uids = g_hash_table_new(g_str_hash, g_str_equal);
  g_hash_table_add(uids, owner->uid);
  for (unsigned i = 0; i < dependents->len; i++) {
    Change change = { .owners = uids };
    if (!modify(collector, g_ptr_array_index(dependents, i), &change, error))
      return false;
  }
  Change change = { .finalizer = ORPHAN };
  return modify(collector, owner, &change, error);
}

static bool blocks(const Object *dependent, const char *owner_uid)
{
  size_t i;
  json_t *reference;
  json_array_foreach (json_at(object_json(dependent), "metadata", "ownerReferences", NULL), i, reference)
    if (strcmp(json_str(reference, "uid", ""), owner_uid) == 0)
      return json_flag(reference, "blockOwnerDeletion", false);
  return false;
}

static bool delete_dependents(GarbageCollector *collector, const OwnedObject *owner, GPtrArray *dependents,
                              GError **error)
{
  bool blocked = false;
  for (unsigned i = 0; i < dependents->len; i++) {
    const OwnedObject *owned = g_ptr_array_index(dependents, i);
    g_autoptr(Object) object = get_live(collector, owned->kind, owned->namespace_, owned->name, owned->uid, NULL);
    if (!object)
      continue;
    blocked |= blocks(object, owner->uid);
    if (!is_deleting(object_json(object)))
      queue_key(collector, KEY_CHECK, owned->uid);
  }
  if (blocked)
    return true;
  Change change = { .finalizer = FOREGROUND };
  return modify(collector, owner, &change, error);
}

static bool leave(GarbageCollector *collector, const char *uid, GError **error)
{
  g_mutex_lock(&collector->lock);
  const OwnedObject *known = g_hash_table_lookup(collector->leaving, uid);
  g_autoptr(OwnedObject) owner = known ? owned_object_copy(known) : NULL;
  g_autoptr(GPtrArray) dependents = owner_graph_dependents(collector->graph, uid);
  g_mutex_unlock(&collector->lock);
  g_autoptr(Object) object =
      owner ? get_live(collector, owner->kind, owner->namespace_, owner->name, uid, error) : NULL;
  if (!object)
    return !error || !*error;
  if (has_finalizer(object_json(object), ORPHAN))
    return orphan_dependents(collector, owner, dependents, error);
  return !has_finalizer(object_json(object), FOREGROUND) || delete_dependents(collector, owner, dependents, error);
}

/* --- kinds ------------------------------------------------------------------------------------------------------ */

static bool is_collected(const ApiKind *kind)
{
  const uint16_t needed = API_VERB_LIST | API_VERB_WATCH | API_VERB_DELETE;
  return api_kind_is_canonical(kind) && (kind->verbs & needed) == needed && strcmp(kind->plural, "events") != 0;
}

static bool watch_kind(GarbageCollector *collector, const ApiKind *kind, GError **error)
{
  g_autofree char *name = api_qualified_resource(kind);
  if (g_hash_table_contains(collector->watches, name))
    return true;
  KindWatch *watch = g_new0(KindWatch, 1);
  watch->collector = collector;
  g_mutex_lock(&collector->lock);
  collector->n_incomplete++;
  g_mutex_unlock(&collector->lock);
  Caller caller = caller_of(collector);
  Target target = { .kind = kind };
  ListOptions options = { 0 };
  watch->watch =
      registry_watch(client_registry(collector->client), &caller, &target, &options, 0, on_watch, watch, error);
  if (watch->watch) {
    g_hash_table_insert(collector->watches, g_steal_pointer(&name), watch);
    return true;
  }
  g_mutex_lock(&collector->lock);
  collector->n_incomplete--;
  g_mutex_unlock(&collector->lock);
  g_free(watch);
  return false;
}

/* Lets go of watches of kinds that are gone, so that kinds of their names can be watched again. */
static void drop_closed(GarbageCollector *collector)
{
  GHashTableIter iter;
  void *value;
  g_hash_table_iter_init(&iter, collector->watches);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    KindWatch *watch = value;
    g_mutex_lock(&collector->lock);
    bool closed = watch->closed;
    g_mutex_unlock(&collector->lock);
    if (!closed)
      continue;
    registry_unwatch(watch->watch);
    g_hash_table_iter_remove(&iter);
  }
}

static bool watch_kinds(GarbageCollector *collector, GError **error)
{
  drop_closed(collector);
  g_autoptr(GPtrArray) kinds = api_scheme_list(registry_scheme(client_registry(collector->client)));
  for (unsigned i = 0; i < kinds->len; i++) {
    const ApiKind *kind = g_ptr_array_index(kinds, i);
    if (is_collected(kind) && !watch_kind(collector, kind, error))
      return false;
  }
  return true;
}

/* Nothing is judged before all kinds have been seen. False when the collector ends. */
static bool wait_complete(GarbageCollector *collector)
{
  g_mutex_lock(&collector->lock);
  while (collector->n_incomplete > 0 && !collector->stopping)
    g_cond_wait(&collector->completed, &collector->lock);
  bool go = !collector->stopping;
  g_mutex_unlock(&collector->lock);
  return go;
}

static bool reconcile(const char *key, void *data)
{
  GarbageCollector *collector = data;
  g_autoptr(GError) error = NULL;
  bool done;
  if (strcmp(key, KEY_KINDS) == 0)
    done = watch_kinds(collector, &error);
  else if (!wait_complete(collector))
    return true;
  else if (g_str_has_prefix(key, KEY_CHECK))
    done = check(collector, key + strlen(KEY_CHECK), &error);
  else
    done = leave(collector, key + strlen(KEY_LEAVE), &error);
  if (!done)
    g_info("Garbage collector, %s: %s", key, error->message);
  return done;
}

static void free_owned(void *owned)
{
  owned_object_free(owned);
}

GarbageCollector *garbage_collector_new(const ControllerContext *context)
{
  GarbageCollector *collector = g_new0(GarbageCollector, 1);
  collector->client = client_new(context->registry, "garbage-collector");
  collector->recorder = recorder_new(collector->client, NULL);
  collector->namespaces = informer_set_get(context->informers, "v1", "namespaces");
  collector->queue = work_queue_new("garbage", N_WORKERS, reconcile, collector);
  collector->watches = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  collector->graph = owner_graph_new();
  collector->leaving = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_owned);
  g_mutex_init(&collector->lock);
  g_cond_init(&collector->completed);
  const ApiScheme *scheme = registry_scheme(context->registry);
  if (api_scheme_resource(scheme, "apiextensions.k8s.io", "v1", "customresourcedefinitions")) {
    collector->definitions =
        informer_set_get(context->informers, "apiextensions.k8s.io/v1", "customresourcedefinitions");
    informer_add_handler(collector->definitions, on_definition, collector);
  }
  work_queue_add(collector->queue, KEY_KINDS);
  work_queue_start(collector->queue);
  return collector;
}

void garbage_collector_free(GarbageCollector *collector)
{
  g_mutex_lock(&collector->lock);
  collector->stopping = true;
  g_cond_broadcast(&collector->completed);
  g_mutex_unlock(&collector->lock);
  /* The watches' handler queues keys until they have ended; a worker may still be adding watches. */
  work_queue_stop(collector->queue);
  GHashTableIter iter;
  void *watch;
  g_hash_table_iter_init(&iter, collector->watches);
  while (g_hash_table_iter_next(&iter, NULL, &watch))
    registry_unwatch(((KindWatch *)watch)->watch);
  work_queue_free(collector->queue);
  g_hash_table_destroy(collector->watches);
  g_hash_table_destroy(collector->leaving);
  owner_graph_free(collector->graph);
  g_cond_clear(&collector->completed);
  g_mutex_clear(&collector->lock);
  recorder_free(collector->recorder);
  client_free(collector->client);
  g_free(collector);
}
