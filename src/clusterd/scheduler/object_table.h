#pragma once
/* The objects of one kind the scheduler looks up while it places pods, by namespace and name. Not thread-safe. */
#include <glib.h>

#include "clusterd/api/object.h"

typedef struct ObjectTable {
  GHashTable *namespaces; /* name ("" for cluster-scoped) → table of name → Object* */
} ObjectTable;

void object_table_init(ObjectTable *table);
void object_table_clear(ObjectTable *table);

/* Keeps OBJECT (a reference is taken) in the place of what has its name. */
void object_table_put(ObjectTable *table, Object *object);
void object_table_remove(ObjectTable *table, const Object *object);

/* Borrowed; NULL: there is none. */
Object *object_table_get(const ObjectTable *table, const char *namespace_, const char *name);

/* name → Object*, borrowed; NULL: there are none. */
GHashTable *object_table_in(const ObjectTable *table, const char *namespace_);
