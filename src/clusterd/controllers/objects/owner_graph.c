#include "clusterd/controllers/objects/owner_graph.h"

#include "base/json.h"

struct OwnerGraph {
  GHashTable *objects;    /* uid → OwnedObject* */
  GHashTable *dependents; /* uid of an owner → set of OwnedObject*, borrowed */
};

static char **owners_of(const Object *object)
{
  GPtrArray *uids = g_ptr_array_new();
  size_t i;
  json_t *reference;
  g_autoptr(json_t) references = object_metadata(object, "ownerReferences");
  json_array_foreach (references, i, reference)
    g_ptr_array_add(uids, g_strdup(json_str(reference, "uid", "")));
  g_ptr_array_add(uids, NULL);
  return (char **)g_ptr_array_free(uids, FALSE);
}

OwnedObject *owned_object_new(const Object *object)
{
  OwnedObject *owned = g_new0(OwnedObject, 1);
  owned->uid = g_strdup(object_uid(object));
  owned->kind = object_kind(object);
  owned->namespace_ = *object_namespace(object) ? g_strdup(object_namespace(object)) : NULL;
  owned->name = g_strdup(object_name(object));
  owned->owners = owners_of(object);
  return owned;
}

OwnedObject *owned_object_copy(const OwnedObject *owned)
{
  OwnedObject *copy = g_new0(OwnedObject, 1);
  copy->uid = g_strdup(owned->uid);
  copy->kind = owned->kind;
  copy->namespace_ = g_strdup(owned->namespace_);
  copy->name = g_strdup(owned->name);
  copy->owners = g_strdupv(owned->owners);
  return copy;
}

void owned_object_free(OwnedObject *owned)
{
  if (!owned)
    return;
  g_free(owned->uid);
  g_free(owned->namespace_);
  g_free(owned->name);
  g_strfreev(owned->owners);
  g_free(owned);
}

static void free_owned(void *owned)
{
  owned_object_free(owned);
}

OwnerGraph *owner_graph_new(void)
{
  OwnerGraph *graph = g_new0(OwnerGraph, 1);
  graph->objects = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_owned);
  graph->dependents = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_destroy);
  return graph;
}

void owner_graph_free(OwnerGraph *graph)
{
  if (!graph)
    return;
  g_hash_table_destroy(graph->dependents);
  g_hash_table_destroy(graph->objects);
  g_free(graph);
}

void owner_graph_remove(OwnerGraph *graph, const char *uid)
{
  OwnedObject *owned = g_hash_table_lookup(graph->objects, uid);
  if (!owned)
    return;
  for (char **owner = owned->owners; *owner; owner++) {
    GHashTable *set = g_hash_table_lookup(graph->dependents, *owner);
    if (set && g_hash_table_remove(set, owned) && g_hash_table_size(set) == 0)
      g_hash_table_remove(graph->dependents, *owner);
  }
  g_hash_table_remove(graph->objects, uid);
}

bool owner_graph_put(OwnerGraph *graph, const Object *object)
{
  const OwnedObject *known = owner_graph_find(graph, object_uid(object));
  g_autoptr(json_t) references = object_metadata(object, "ownerReferences");
  if (!known && json_array_size(references) == 0)
    return false;
  OwnedObject *owned = owned_object_new(object);
  if (known && g_strv_equal((const char *const *)known->owners, (const char *const *)owned->owners)) {
    owned_object_free(owned);
    return false;
  }
  owner_graph_remove(graph, object_uid(object));
  if (!*owned->owners) {
    owned_object_free(owned);
    return false;
  }
  g_hash_table_insert(graph->objects, owned->uid, owned);
  for (char **owner = owned->owners; *owner; owner++) {
    GHashTable *set = g_hash_table_lookup(graph->dependents, *owner);
    if (!set) {
      set = g_hash_table_new(NULL, NULL);
      g_hash_table_insert(graph->dependents, g_strdup(*owner), set);
    }
    g_hash_table_add(set, owned);
  }
  return true;
}

const OwnedObject *owner_graph_find(const OwnerGraph *graph, const char *uid)
{
  return g_hash_table_lookup(graph->objects, uid);
}

GPtrArray *owner_graph_dependents(const OwnerGraph *graph, const char *uid)
{
  GPtrArray *result = g_ptr_array_new_with_free_func(free_owned);
  GHashTable *set = g_hash_table_lookup(graph->dependents, uid);
  if (!set)
    return result;
  GHashTableIter iter;
  void *owned;
  g_hash_table_iter_init(&iter, set);
  while (g_hash_table_iter_next(&iter, &owned, NULL))
    g_ptr_array_add(result, owned_object_copy(owned));
  return result;
}
