#include "clusterd/scheduler/object_table.h"

static void unref_object(void *object)
{
  object_unref(object);
}

void object_table_init(ObjectTable *table)
{
  table->namespaces =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)(void *)g_hash_table_unref);
}

void object_table_clear(ObjectTable *table)
{
  g_clear_pointer(&table->namespaces, g_hash_table_destroy);
}

void object_table_put(ObjectTable *table, Object *object)
{
  GHashTable *names = object_table_in(table, object_namespace(object));
  if (!names) {
    names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_object);
    g_hash_table_insert(table->namespaces, g_strdup(object_namespace(object)), names);
  }
  g_hash_table_insert(names, g_strdup(object_name(object)), object_ref(object));
}

void object_table_remove(ObjectTable *table, const Object *object)
{
  GHashTable *names = object_table_in(table, object_namespace(object));
  if (!names)
    return;
  g_hash_table_remove(names, object_name(object));
  if (g_hash_table_size(names) == 0)
    g_hash_table_remove(table->namespaces, object_namespace(object));
}

Object *object_table_get(const ObjectTable *table, const char *namespace_, const char *name)
{
  GHashTable *names = object_table_in(table, namespace_);
  return names ? g_hash_table_lookup(names, name) : NULL;
}

GHashTable *object_table_in(const ObjectTable *table, const char *namespace_)
{
  return g_hash_table_lookup(table->namespaces, namespace_);
}
