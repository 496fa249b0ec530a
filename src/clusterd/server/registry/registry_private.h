#pragma once
/*
 * What the files of the registry share.
 *
 * Locks: `state` guards the resources' objects, history and revisions. It is written on the store's thread only
 * (watch_cache.c) and when a kind is first used; everybody else reads. `flights_lock` guards `flights`. Lists of
 * watches belong to the dispatcher thread alone. No lock is held while a handler runs but the watch's own.
 */
#include "clusterd/server/outbound/outbound.h"
#include "clusterd/server/registry/registry.h"

/* Changes a resource remembers for watches that come late: enough for a client that lists and then watches. */
#define HISTORY_MAX 1024
#define HISTORY_SECONDS 300
#define HISTORY_BYTES_MAX (16u << 20) /* of a resource; the newest change is kept whatever its size */
/* How long a read waits for a revision that has not come yet, and a bookmark for the next one unless told otherwise; no
 * bookmarks come faster than BOOKMARK_US_MIN. */
#define FUTURE_WAIT_SECONDS 3
#define BOOKMARK_SECONDS 60
#define BOOKMARK_US_MIN 1000
/* Writes that lose against others try again this often before the caller hears of it. */
#define CONFLICT_RETRIES 100

/* One change of one object. The history has its own, of twins (object_twin) without parsed values. */
typedef struct Change {
  gatomicrefcount references;
  WatchType type;
  Object *object; /* of a deletion: the last state, at the revision of the deletion */
  Object *old;    /* NULL when added */
  int64_t revision;
  int64_t time_us; /* monotonic */
} Change;

/* All objects of one stored kind. */
typedef struct Resource {
  const ApiKind *kind; /* the storage version; of custom resources, as it was when the resource was loaded */
  char *prefix;        /* "/registry/deployments/" */
  GTree *objects;      /* "namespace/name" or "name" → Object* */
  GQueue history;      /* Change*, oldest first */
  gsize history_bytes; /* of their objects */
  int64_t loaded;      /* revision of the snapshot it was loaded from */
  int64_t newest;      /* revision of the newest change */
  int64_t forgotten;   /* revision of the newest change that is no longer in the history */
  GPtrArray *watches;  /* Watch*, the dispatcher's */
} Resource;

/* A write under way: the store's thread finds the parsed value by the bytes it was given and need not parse them again.
 */
typedef struct Flight {
  Object *draft;
  Object *object; /* what became of it */
} Flight;

/* Told of every change of a resource on the store's thread, in order, before the writer returns. */
typedef void (*RegistryObserver)(Object *old, Object *object, void *data);
typedef struct Observation {
  char *prefix;
  RegistryObserver observer;
  void *data;
} Observation;

typedef struct Admission Admission;
typedef struct CustomResources CustomResources;
typedef struct Dispatcher Dispatcher;

struct Registry {
  Store *store;
  ApiScheme *scheme;
  Admission *admission;
  CustomResources *custom;
  Outbound *outbound;            /* calls to webhooks */
  struct Authorizer *authorizer; /* the API server's, while there is one; NULL: nobody but this process writes */

  GRWLock state;
  GHashTable *resources; /* prefix → Resource* */
  GMutex observations_lock;
  GPtrArray *observations;  /* Observation* */
  _Atomic int64_t revision; /* newest one applied */
  StoreWatch *feed;

  struct WriteTurns *turns;

  GMutex flights_lock;
  GHashTable *flights; /* GBytes* by identity → Flight* */

  GMutex advance_lock; /* with `advanced`: signals that `revision` grew */
  GCond advanced;

  Dispatcher *dispatcher;
};

/* The version KIND is stored as. */
const ApiKind *registry_storage(const ApiKind *kind);

/* "/registry/pods/"; the caller frees. */
char *registry_prefix(const ApiKind *kind);

/* "namespace/name" or "name"; the caller frees. */
char *registry_suffix(const char *namespace_, const char *name);

/* The resource KIND's objects are in, loaded on first use. Never NULL once the store is readable; NULL with its error.
 */
Resource *registry_resource(Registry *registry, const ApiKind *kind, GError **error);

/* STORED as KIND shows it. New reference. */
Object *registry_view(const ApiKind *kind, Object *stored, GError **error);

/* STORED as TARGET shows it: the object in TARGET's version, or its Scale. New reference. */
Object *registry_show(const Target *target, Object *stored, GError **error);

/* The stored object, new reference, or NULL (without an error) when there is none. */
Object *registry_lookup(Registry *registry, const ApiKind *kind, const char *namespace_, const char *name);

/* Calls FUNCTION for every object of KIND (in NAMESPACE when not NULL) with the state locked: it must not call the
 * registry. Stops when it returns true. */
typedef bool (*RegistryVisit)(Object *object, void *data);
void registry_visit(Registry *registry, const ApiKind *kind, const char *namespace_, RegistryVisit function,
                    void *data);

/* Tells OBSERVER of every later change of PLURAL in GROUP; GROUP NULL: of every kind. */
void registry_observe(Registry *registry, const char *group, const char *plural, RegistryObserver observer, void *data);

/* Ends all observations with this DATA; no call of them runs afterwards. */
void registry_unobserve(Registry *registry, const void *data);

/* Makes sure that what is in memory is no older than this call, where other servers write to the store, too; returns at
 * once where none does. Every read that must be of now and every attempt of a write begins with it. */
bool registry_catch_up(Registry *registry, GError **error);

/* Waits until REVISION is applied. False with REASON_TIMEOUT after FUTURE_WAIT_SECONDS. */
bool registry_wait_for(Registry *registry, int64_t revision, GError **error);

/* The version writes to KIND work in: custom resources are judged as the version they are asked in and converted when
 * they are stored; legacy versions are converted first. */
const ApiKind *registry_write_kind(const ApiKind *kind);

/* Ends the running watches of KIND (its version alone) with WATCH_CLOSED. */
void registry_close_watches(Registry *registry, const ApiKind *kind);

/* watch_cache.c: the store's events, and the history. */
Change *change_new(WatchType type, Object *object, Object *old, int64_t revision); /* takes references of its own */
Change *change_ref(Change *change);
void change_unref(void *change);
void watch_cache_event(const StoreEvent *event, void *registry);
Resource *watch_cache_resource_new(const ApiKind *kind);
void watch_cache_resource_free(Resource *resource);

/* dispatcher.c: the threads that run the watches' handlers. */
Dispatcher *dispatcher_new(Registry *registry);
void dispatcher_free(Dispatcher *dispatcher);
/* To be called with the state locked: under the same lock as the change is made visible. */
void dispatcher_change(Dispatcher *dispatcher, Resource *resource, Change *change);
