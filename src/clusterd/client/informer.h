#pragma once
/*
 * An informer keeps a live, indexed copy of all objects of one kind and tells its handlers what changes. The objects
 * are the registry's own (shared by reference count): an informer costs a hash table, not a second copy.
 */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/client/client.h"

typedef struct Informer Informer;
typedef struct InformerSet InformerSet;

/* A set shares one informer per kind among all components. informer_set_start starts watching; informer_set_stop
 * returns after the last handler call. */
InformerSet *informer_set_new(Registry *registry);
void informer_set_free(InformerSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(InformerSet, informer_set_free)
bool informer_set_start(InformerSet *set, GError **error);
void informer_set_stop(InformerSet *set);

/* The set's informer of a kind; made on first use; owned by the set. Must be called before informer_set_start, as must
 * the calls that add handlers and indexes. When informer_set_start begins to call handlers, every index is complete. */
Informer *informer_set_get(InformerSet *set, const char *api_version, const char *plural);

/* Called in order, on the informer's own thread, after its index holds the change: OLD NULL: added; NEW_OBJECT NULL:
 * deleted. May enqueue, must not block. Everything already there is reported as added. */
typedef void (*InformerHandler)(Object *old, Object *new_object, void *data);
void informer_add_handler(Informer *informer, InformerHandler handler, void *data);

/* An index: VALUES_OF returns the values (NULL-terminated, freed by the informer; NULL: none) an object is found under.
 */
typedef char **(*InformerIndexer)(const Object *object);
void informer_add_index(Informer *informer, const char *index, InformerIndexer values_of);

/* Ready-made indexers. */
char **informer_index_by_namespace(const Object *object);
char **informer_index_by_owner_uid(const Object *object); /* uid of the controller owner reference */
char **informer_index_by_node(const Object *object);      /* spec.nodeName */

/* Lookups, thread-safe, of the newest known state. New references; arrays of Object* that free their elements. */
Object *informer_get(Informer *informer, const char *namespace_, const char *name);
GPtrArray *informer_list(Informer *informer);
GPtrArray *informer_by_index(Informer *informer, const char *index, const char *value);
/* How many objects informer_by_index would return. */
unsigned informer_count_by_index(Informer *informer, const char *index, const char *value);

/* Blocks until the informer has seen REVISION (that of an object of this kind the caller just wrote), or that OBJECT is
 * deleted or being deleted: so a component reads its own writes and need not keep expectations. False when the set is
 * stopped or after ten seconds. Never call from a handler. */
bool informer_wait_revision(Informer *informer, int64_t revision);
bool informer_wait_deleted(Informer *informer, const Object *object);

/* "namespace/name" or "name", as work queues carry it. The caller frees. */
char *informer_key(const Object *object);
/* Splits a key in place of a copy: *NAMESPACE_ is NULL for cluster-scoped. Both freed by the caller. */
void informer_split_key(const char *key, char **namespace_, char **name);
