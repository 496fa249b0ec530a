#include "clusterd/controllers/storage/volume_index.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/client/volume_match.h"

/* Every Entry is in exactly one shelf, which owns it. */
typedef struct Entry {
  Object *volume;
  const char *name; /* the volume's */
  Quantity size;
} Entry;

struct VolumeIndex {
  GMutex lock;         /* of what follows */
  GHashTable *shelves; /* "mode class" → GSequence of Entry, by size and name */
  GHashTable *by_name; /* → GSequenceIter; the key is the Entry's */
};

static void entry_free(void *pointer)
{
  Entry *entry = pointer;
  object_unref(entry->volume);
  g_free(entry);
}

static int compare(const void *a, const void *b, void *unused)
{
  const Entry *left = a, *right = b;
  int order = quantity_compare(left->size, right->size);
  return order != 0 ? order : strcmp(left->name, right->name);
}

VolumeIndex *volume_index_new(void)
{
  VolumeIndex *index = g_new0(VolumeIndex, 1);
  g_mutex_init(&index->lock);
  index->shelves = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_sequence_free);
  index->by_name = g_hash_table_new(g_str_hash, g_str_equal);
  return index;
}

void volume_index_free(VolumeIndex *index)
{
  g_hash_table_unref(index->by_name);
  g_hash_table_unref(index->shelves);
  g_mutex_clear(&index->lock);
  g_free(index);
}

static char *shelf_of(const json_t *object)
{
  return g_strdup_printf("%s %s", volume_mode(object), volume_class(object));
}

static bool is_free(const json_t *volume)
{
  return !json_at(volume, "spec", "claimRef", NULL) && !json_at(volume, "metadata", "deletionTimestamp", NULL) &&
         strcmp(json_str(json_object_get(volume, "status"), "phase", ""), "Available") == 0;
}

static void take_out(VolumeIndex *index, const char *name)
{
  GSequenceIter *place = g_hash_table_lookup(index->by_name, name);
  if (!place)
    return;
  GSequence *shelf = g_sequence_iter_get_sequence(place);
  const Entry *entry = g_sequence_get(place);
  g_autofree char *shelf_name = shelf_of(object_json(entry->volume));
  g_hash_table_remove(index->by_name, name);
  g_sequence_remove(place);
  if (g_sequence_is_empty(shelf))
    g_hash_table_remove(index->shelves, shelf_name);
}

static void put_in(VolumeIndex *index, Object *volume)
{
  g_autofree char *name = shelf_of(object_json(volume));
  GSequence *shelf = g_hash_table_lookup(index->shelves, name);
  if (!shelf) {
    shelf = g_sequence_new(entry_free);
    g_hash_table_insert(index->shelves, g_steal_pointer(&name), shelf);
  }
  Entry *entry = g_new(Entry, 1);
  *entry =
      (Entry){ .volume = object_ref(volume), .name = object_name(volume), .size = volume_size(object_json(volume)) };
  GSequenceIter *place = g_sequence_insert_sorted(shelf, entry, compare, NULL);
  g_hash_table_insert(index->by_name, (gpointer)(uintptr_t)entry->name, place);
}

void volume_index_put(VolumeIndex *index, Object *volume)
{
  g_mutex_lock(&index->lock);
  take_out(index, object_name(volume));
  if (is_free(object_json(volume)))
    put_in(index, volume);
  g_mutex_unlock(&index->lock);
}

void volume_index_remove(VolumeIndex *index, const char *name)
{
  g_mutex_lock(&index->lock);
  take_out(index, name);
  g_mutex_unlock(&index->lock);
}

static bool fits(const json_t *volume, const json_t *claim, const LabelSelector *selector, const json_t *node)
{
  return !volume_mismatch(volume, claim) && (!node || volume_reaches(volume, node)) &&
         (!selector || label_selector_matches(selector, json_at(volume, "metadata", "labels", NULL)));
}

Object *volume_index_find(VolumeIndex *index, const json_t *claim, const json_t *node, const char *except)
{
  const json_t *wanted = json_at(claim, "spec", "selector", NULL);
  g_autoptr(LabelSelector) selector = wanted ? label_selector_from_json(wanted, NULL) : NULL;
  g_autofree char *name = shelf_of(claim);
  const Entry least = { .name = "", .size = claim_size(claim) };
  Object *found = NULL;
  if (wanted && !selector)
    return NULL;
  g_mutex_lock(&index->lock);
  GSequence *shelf = g_hash_table_lookup(index->shelves, name);
  GSequenceIter *place = shelf ? g_sequence_search(shelf, (gpointer)(uintptr_t)&least, compare, NULL) : NULL;
  for (; place && !found && !g_sequence_iter_is_end(place); place = g_sequence_iter_next(place)) {
    const Entry *entry = g_sequence_get(place);
    if (g_strcmp0(entry->name, except) != 0 && fits(object_json(entry->volume), claim, selector, node))
      found = object_ref(entry->volume);
  }
  g_mutex_unlock(&index->lock);
  return found;
}
