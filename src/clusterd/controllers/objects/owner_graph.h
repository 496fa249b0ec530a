#pragma once
/* Who owns what, over all kinds: only objects with owner references are held. Not thread-safe: the garbage collector's
 * lock guards it. */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/api/object.h"

/* Where an object is found. */
typedef struct OwnedObject {
  char *uid;
  const ApiKind *kind;
  char *namespace_; /* NULL for cluster-scoped kinds */
  char *name;
  char **owners; /* their uids, NULL-terminated */
} OwnedObject;

OwnedObject *owned_object_new(const Object *object);
OwnedObject *owned_object_copy(const OwnedObject *owned);
void owned_object_free(OwnedObject *owned);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OwnedObject, owned_object_free)

typedef struct OwnerGraph OwnerGraph;

OwnerGraph *owner_graph_new(void);
void owner_graph_free(OwnerGraph *graph);

/* Takes in the newest state of OBJECT. True when its owner references are new or changed, and there are any. */
bool owner_graph_put(OwnerGraph *graph, const Object *object);
void owner_graph_remove(OwnerGraph *graph, const char *uid);

/* Borrowed, or NULL when the object has no owner. */
const OwnedObject *owner_graph_find(const OwnerGraph *graph, const char *uid);

/* What names UID as an owner: copies, in an array that frees them. */
GPtrArray *owner_graph_dependents(const OwnerGraph *graph, const char *uid);
