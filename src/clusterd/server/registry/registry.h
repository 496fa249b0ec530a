#pragma once
/*
 * The one pipeline of every request, whether it came over HTTP or from a component in this process:
 * authorize → decode → convert → default → mutate (admission) → validate → strategy → store transaction → watch event.
 * The registry holds the newest version of every object in memory, fed by the store, and serves reads and watches from
 * there. All calls are thread-safe and may block on the disk; none may be made from a watch handler.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/api/codec.h"
#include "clusterd/api/object.h"
#include "clusterd/api/scheme.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/server/access/identity.h"
#include "clusterd/store/store.h"

typedef struct Registry Registry;

/* STORE and SCHEME must outlive the registry. Loads every object; NULL when the store cannot be read. */
Registry *registry_new(Store *store, ApiScheme *scheme, GError **error);
void registry_free(Registry *registry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Registry, registry_free)

/* The range cluster IPs of services are given out from; 10.96.0.0/12 without this. REASON_CONFIG. */
bool registry_use_service_range(Registry *registry, const char *cidr, GError **error);

/* Which admission plugins run, by upstream's names: those that are on by default, without those in DISABLE, with those
 * in ENABLE (NULL-terminated; either may be NULL). To be called before the registry serves anyone. REASON_CONFIG, in
 * kube-apiserver's words, for a name that is unknown or in both. */
bool registry_choose_admission(Registry *registry, const char *const *enable, const char *const *disable,
                               GError **error);

const ApiScheme *registry_scheme(const Registry *registry);

/* What a request is about. */
typedef struct Target {
  const ApiKind *kind;
  const char *namespace_;  /* NULL for cluster-scoped kinds and for all namespaces */
  const char *name;        /* NULL for collections */
  const char *subresource; /* NULL for the main resource */
} Target;

/* Who asks and how; every member but IDENTITY may be zero. */
typedef struct Caller {
  const Identity *identity;  /* NULL: this process itself, allowed everything (in-process components) */
  const char *field_manager; /* managedFields' manager */
  bool dry_run;
  FieldValidation field_validation;
  json_t *warnings;    /* array the warnings of the write are appended to, or NULL */
  json_t *annotations; /* object the audit annotations of the write are put in, or NULL */
} Caller;

typedef enum VersionMatch { VERSION_MATCH_UNSET, VERSION_MATCH_NOT_OLDER_THAN, VERSION_MATCH_EXACT } VersionMatch;

typedef struct ListOptions {
  const LabelSelector *labels;  /* NULL: everything */
  const FieldSelector *fields;  /* NULL: everything */
  const char *resource_version; /* NULL: newest; "0": any */
  VersionMatch match;
  unsigned limit;             /* 0: all */
  const char *continue_token; /* NULL: from the start */
} ListOptions;

typedef struct ObjectList {
  GPtrArray *objects;   /* Object*, ordered by namespace and name */
  int64_t revision;     /* of the snapshot */
  char *continue_token; /* NULL on the last page */
  int64_t remaining;    /* -1: unknown (selectors given) */
} ObjectList;
void object_list_free(ObjectList *list);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ObjectList, object_list_free)

/* Reads. New reference; NULL with REASON_NOT_FOUND, REASON_FORBIDDEN, … */
Object *registry_get(Registry *registry, const Caller *caller, const Target *target, GError **error);
/* Waits until what is read is not older than VERSION (NULL, "" or "0": any). False with REASON_TIMEOUT when that does
 * not come, REASON_UNKNOWN when it is no version. */
bool registry_wait_not_older(Registry *registry, const char *version, GError **error);
ObjectList *registry_list(Registry *registry, const Caller *caller, const Target *target, const ListOptions *options,
                          GError **error);

/* How many objects of KIND there are; 0 when the store cannot be read. */
unsigned registry_count(Registry *registry, const ApiKind *kind);

/* Writes. VALUE and PATCH are borrowed and not changed. Each returns what is stored afterwards (new reference) or NULL
 * with the error upstream gives. *CREATED (may be NULL) tells whether the object was made (201) by an update or patch.
 */
Object *registry_create(Registry *registry, const Caller *caller, const Target *target, const json_t *value,
                        GError **error);
Object *registry_update(Registry *registry, const Caller *caller, const Target *target, const json_t *value,
                        bool *created, GError **error);

typedef enum PatchType { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_APPLY } PatchType;
Object *registry_patch(Registry *registry, const Caller *caller, const Target *target, PatchType type,
                       const json_t *patch, bool force, bool *created, GError **error);

typedef struct DeleteOptions {
  int64_t grace_period_seconds; /* -1: the object's own default */
  const char *propagation;      /* "Background", "Foreground", "Orphan"; NULL: the kind's default */
  const char *precondition_uid; /* NULL: none */
  const char *precondition_resource_version;
} DeleteOptions;

/* Deletes, or marks for deletion. *GONE tells which. Returns the object's last state, new reference. */
Object *registry_delete(Registry *registry, const Caller *caller, const Target *target, const DeleteOptions *options,
                        bool *gone, GError **error);

/* Read-modify-write without a lost update: CHANGE gets a deep copy of the stored value to modify in place (false: leave
 * everything as it is, which is success) and may run several times. The write goes to TARGET's subresource. */
typedef bool (*RegistryChange)(json_t *value, void *data);
Object *registry_modify(Registry *registry, const Caller *caller, const Target *target, RegistryChange change,
                        void *data, GError **error);

/* Watches. HANDLER runs on the registry's dispatcher thread: it must not block and must not call the registry; it takes
 * its own references. OLD is the previous version (NULL when added). From revision FROM on, exclusive; FROM 0: first an
 * ADDED for everything there is, then what happens. Selectors are applied by the registry: an object that leaves them
 * is DELETED, one that enters them is ADDED. The selectors of OPTIONS (which may be NULL) must live until
 * registry_unwatch. Bookmarks carry only a revision (OBJECT NULL); the first one comes when everything that was there
 * or had happened before the call is delivered, later ones about once a minute. NULL with REASON_EXPIRED when FROM is
 * too old. WATCH_CLOSED (OBJECT NULL) is the last call: the kind is no longer served, as a CustomResourceDefinition may
 * have it. registry_unwatch returns after the last call of HANDLER. */
typedef enum WatchType { WATCH_ADDED, WATCH_MODIFIED, WATCH_DELETED, WATCH_BOOKMARK, WATCH_CLOSED } WatchType;
typedef void (*WatchHandler)(WatchType type, Object *object, Object *old, int64_t revision, void *data);
typedef struct Watch Watch;
Watch *registry_watch(Registry *registry, const Caller *caller, const Target *target, const ListOptions *options,
                      int64_t from, WatchHandler handler, void *data, GError **error);
void registry_unwatch(Watch *watch);

/* From now on bookmarks come every INTERVAL_US microseconds, for all watches: about a minute without this. */
void registry_pace_bookmarks(Registry *registry, int64_t interval_us);

/* The newest revision of the store. */
int64_t registry_revision(Registry *registry);
