#include "clusterd/client/informer_index.h"

#include <string.h>

#include "base/json.h"

typedef struct Lookup {
  char *name;
  InformerIndexer values_of;
  GHashTable *buckets; /* value → set of Object*, borrowed from InformerIndex.objects */
} Lookup;

struct InformerIndex {
  GHashTable *objects; /* key → Object* */
  GPtrArray *lookups;  /* Lookup* */
};

static void lookup_free(void *pointer)
{
  Lookup *lookup = pointer;
  g_free(lookup->name);
  g_hash_table_destroy(lookup->buckets);
  g_free(lookup);
}

static void unref_object(void *object)
{
  object_unref(object);
}

InformerIndex *informer_index_new(void)
{
  InformerIndex *index = g_new0(InformerIndex, 1);
  index->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_object);
  index->lookups = g_ptr_array_new_with_free_func(lookup_free);
  return index;
}

void informer_index_free(InformerIndex *index)
{
  if (!index)
    return;
  g_ptr_array_free(index->lookups, TRUE);
  g_hash_table_destroy(index->objects);
  g_free(index);
}

static Lookup *find_lookup(const InformerIndex *index, const char *name)
{
  for (unsigned i = 0; i < index->lookups->len; i++) {
    Lookup *lookup = g_ptr_array_index(index->lookups, i);
    if (strcmp(lookup->name, name) == 0)
      return lookup;
  }
  return NULL;
}

void informer_index_add(InformerIndex *index, const char *name, InformerIndexer values_of)
{
  g_return_if_fail(g_hash_table_size(index->objects) == 0);
  if (find_lookup(index, name))
    return;
  Lookup *lookup = g_new(Lookup, 1);
  lookup->name = g_strdup(name);
  lookup->values_of = values_of;
  lookup->buckets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_destroy);
  g_ptr_array_add(index->lookups, lookup);
}

static void lookup_put(Lookup *lookup, Object *object)
{
  g_auto(GStrv) values = lookup->values_of(object);
  for (char **value = values; value && *value; value++) {
    GHashTable *bucket = g_hash_table_lookup(lookup->buckets, *value);
    if (!bucket) {
      bucket = g_hash_table_new(NULL, NULL);
      g_hash_table_insert(lookup->buckets, g_strdup(*value), bucket);
    }
    g_hash_table_add(bucket, object);
  }
}

static void lookup_take(Lookup *lookup, Object *object)
{
  g_auto(GStrv) values = lookup->values_of(object);
  for (char **value = values; value && *value; value++) {
    GHashTable *bucket = g_hash_table_lookup(lookup->buckets, *value);
    if (!bucket)
      continue;
    g_hash_table_remove(bucket, object);
    if (g_hash_table_size(bucket) == 0)
      g_hash_table_remove(lookup->buckets, *value);
  }
}

Object *informer_index_take(InformerIndex *index, const char *key)
{
  char *own_key;
  Object *object;
  if (!g_hash_table_steal_extended(index->objects, key, (void **)&own_key, (void **)&object))
    return NULL;
  g_free(own_key);
  for (unsigned i = 0; i < index->lookups->len; i++)
    lookup_take(g_ptr_array_index(index->lookups, i), object);
  return object;
}

Object *informer_index_put(InformerIndex *index, Object *object)
{
  g_autofree char *key = informer_key(object);
  Object *old = informer_index_take(index, key);
  g_hash_table_insert(index->objects, g_steal_pointer(&key), object_ref(object));
  for (unsigned i = 0; i < index->lookups->len; i++)
    lookup_put(g_ptr_array_index(index->lookups, i), object);
  return old;
}

Object *informer_index_get(const InformerIndex *index, const char *key)
{
  return g_hash_table_lookup(index->objects, key);
}

GPtrArray *informer_index_all(const InformerIndex *index)
{
  GPtrArray *result = g_ptr_array_new_full(g_hash_table_size(index->objects), unref_object);
  GHashTableIter iter;
  void *object;
  g_hash_table_iter_init(&iter, index->objects);
  while (g_hash_table_iter_next(&iter, NULL, &object))
    g_ptr_array_add(result, object_ref(object));
  return result;
}

unsigned informer_index_count(const InformerIndex *index, const char *name, const char *value)
{
  const Lookup *lookup = find_lookup(index, name);
  g_return_val_if_fail(lookup != NULL, 0);
  GHashTable *bucket = g_hash_table_lookup(lookup->buckets, value);
  return bucket ? g_hash_table_size(bucket) : 0;
}

GPtrArray *informer_index_find(const InformerIndex *index, const char *name, const char *value)
{
  GPtrArray *result = g_ptr_array_new_with_free_func(unref_object);
  const Lookup *lookup = find_lookup(index, name);
  g_return_val_if_fail(lookup != NULL, result);
  GHashTable *bucket = g_hash_table_lookup(lookup->buckets, value);
  if (!bucket)
    return result;
  GHashTableIter iter;
  void *object;
  g_hash_table_iter_init(&iter, bucket);
  while (g_hash_table_iter_next(&iter, &object, NULL))
    g_ptr_array_add(result, object_ref(object));
  return result;
}

static char **one_value(const char *value)
{
  if (!value || !*value)
    return NULL;
  char **values = g_new0(char *, 2);
  values[0] = g_strdup(value);
  return values;
}

char **informer_index_by_namespace(const Object *object)
{
  return one_value(object_namespace(object));
}

char **informer_index_by_owner_uid(const Object *object)
{
  const json_t *owners = json_at(object_json(object), "metadata", "ownerReferences", NULL);
  size_t i;
  json_t *owner;
  json_array_foreach (owners, i, owner)
    if (json_flag(owner, "controller", false))
      return one_value(json_str(owner, "uid", NULL));
  return NULL;
}

char **informer_index_by_node(const Object *object)
{
  return one_value(json_str(json_object_get(object_json(object), "spec"), "nodeName", NULL));
}

char *informer_key(const Object *object)
{
  const char *namespace_ = object_namespace(object);
  return *namespace_ ? g_strconcat(namespace_, "/", object_name(object), NULL) : g_strdup(object_name(object));
}

void informer_split_key(const char *key, char **namespace_, char **name)
{
  const char *slash = strchr(key, '/');
  *namespace_ = slash ? g_strndup(key, (gsize)(slash - key)) : NULL;
  *name = g_strdup(slash ? slash + 1 : key);
}
