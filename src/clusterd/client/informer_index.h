#pragma once
/* The objects an informer holds: by key, and by the values of any number of indexes. Not thread-safe: the informer's
 * lock guards it. */
#include <glib.h>

#include "clusterd/client/informer.h"

typedef struct InformerIndex InformerIndex;

InformerIndex *informer_index_new(void);
void informer_index_free(InformerIndex *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(InformerIndex, informer_index_free)

/* Adds an index NAME. Only while there are no objects. */
void informer_index_add(InformerIndex *index, const char *name, InformerIndexer values_of);

/* Puts OBJECT (a reference is taken) in the place of what has its key. Returns what was there, owned, or NULL. */
Object *informer_index_put(InformerIndex *index, Object *object);

/* Takes out the object of KEY. Returns it, owned, or NULL. */
Object *informer_index_take(InformerIndex *index, const char *key);

/* Borrowed, or NULL. */
Object *informer_index_get(const InformerIndex *index, const char *key);

/* New arrays of new references, in no particular order. */
GPtrArray *informer_index_all(const InformerIndex *index);
GPtrArray *informer_index_find(const InformerIndex *index, const char *name, const char *value);

/* How many objects informer_index_find would return. */
unsigned informer_index_count(const InformerIndex *index, const char *name, const char *value);
