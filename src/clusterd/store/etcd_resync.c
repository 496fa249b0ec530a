/* What happened while the watch was away so long that etcd has forgotten it, worked out from what was there before and
 * what is there now. Values between the two are lost, as they are to any client that lists again; that a key went is
 * not, nor that it went and came back. Every event gets a revision of its own, between the last one delivered and now:
 * of a key that is there its own; of one that went one of those no key is at, before its successor's if it has one. As
 * many of them are free as changes happened. */
#include "clusterd/store/etcd_private.h"

typedef struct Removal {
  const char *key; /* the index's */
  int64_t created;
  int64_t before; /* the revision at which the key was made again; the largest: it was not */
} Removal;

typedef struct Resync {
  EtcdWatch *watch;
  GPtrArray *entries;  /* StoreEntry*: what is there now, those that changed first by revision */
  GHashTable *present; /* key → StoreEntry* */
  GArray *removals;    /* Removal, the most urgent first */
} Resync;

static int by_revision(const void *a, const void *b)
{
  const StoreEntry *left = *(StoreEntry *const *)a, *right = *(StoreEntry *const *)b;
  return left->mod_revision < right->mod_revision ? -1 : left->mod_revision > right->mod_revision;
}

static int by_urgency(const void *a, const void *b)
{
  const Removal *left = a, *right = b;
  return left->before < right->before ? -1 : left->before > right->before;
}

static void find_removals(Resync *resync)
{
  GHashTableIter iter;
  void *key, *value;
  g_hash_table_iter_init(&iter, resync->watch->index);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    const EtcdVersion *version = value;
    const StoreEntry *now = g_hash_table_lookup(resync->present, key);
    if (now && now->create_revision == version->created)
      continue;
    Removal removal = { key, version->created, now ? now->create_revision : G_MAXINT64 };
    g_array_append_val(resync->removals, removal);
  }
  g_array_sort(resync->removals, by_urgency);
}

static void deliver_removal(Resync *resync, const Removal *removal, int64_t revision)
{
  StoreEvent event = { .type = STORE_DELETED };
  event.entry.key = g_strdup(removal->key);
  event.entry.create_revision = removal->created;
  event.entry.mod_revision = revision;
  etcd_watch_deliver(resync->watch, &event);
  store_entry_clear(&event.entry);
}

static void deliver_entry(Resync *resync, StoreEntry *entry)
{
  EtcdStore *store = etcd_store(resync->watch->base.store);
  gsize length;
  const char *data = g_bytes_get_data(entry->value, &length);
  ProtobufCBinaryData value = etcd_bytes(data, length);
  const EtcdVersion *before = g_hash_table_lookup(resync->watch->index, entry->key);
  g_autoptr(GBytes) own = etcd_pending_seen(store, entry->key, &value, -1, entry->mod_revision);
  StoreEvent event = { .type = before ? STORE_MODIFIED : STORE_CREATED, .entry = *entry };
  if (own)
    event.entry.value = own;
  etcd_watch_deliver(resync->watch, &event);
}

/* Both lists by revision: a removal takes the next one that no entry is at. */
static void deliver_all(Resync *resync)
{
  int64_t free_revision = resync->watch->delivered;
  guint removed = 0;
  for (guint i = 0; i < resync->entries->len; i++) {
    StoreEntry *entry = resync->entries->pdata[i];
    for (; removed < resync->removals->len && ++free_revision < entry->mod_revision; removed++)
      deliver_removal(resync, &g_array_index(resync->removals, Removal, removed), free_revision);
    free_revision = entry->mod_revision;
    deliver_entry(resync, entry);
  }
  for (; removed < resync->removals->len; removed++)
    deliver_removal(resync, &g_array_index(resync->removals, Removal, removed), ++free_revision);
}

bool etcd_watch_resync(EtcdWatch *watch, GError **error)
{
  int64_t revision = 0, since = watch->delivered;
  g_autoptr(GPtrArray) all =
      etcd_list_all(etcd_store(watch->base.store), watch->base.prefix, 0, false, &revision, error);
  if (!all)
    return false;
  g_autoptr(GHashTable) present = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GPtrArray) changed = g_ptr_array_new();
  g_autoptr(GArray) removals = g_array_new(FALSE, FALSE, sizeof(Removal));
  for (guint i = 0; i < all->len; i++) {
    StoreEntry *entry = all->pdata[i];
    g_hash_table_insert(present, entry->key, entry);
    if (entry->mod_revision > since)
      g_ptr_array_add(changed, entry);
  }
  g_ptr_array_sort(changed, by_revision);
  Resync resync = { watch, changed, present, removals };
  find_removals(&resync);
  g_message("the store has forgotten what happened after revision %" G_GINT64_FORMAT
            ": %u keys changed and %u went until %" G_GINT64_FORMAT,
            since, changed->len, removals->len, revision);
  deliver_all(&resync);
  watch->delivered = MAX(watch->delivered, revision);
  return true;
}
