#include "clusterd/dns/cache.h"

#include <string.h>

typedef struct Entry {
  CacheKey key;
  Answer *answer;
  uint64_t epoch;        /* of the cluster; 0: does not depend on it */
  uint32_t put, seconds; /* 0: for any time */
  GList link;            /* in the queue of use */
} Entry;

struct Cache {
  GHashTable *entries; /* set of Entry*, which begins with its key */
  GQueue use;          /* most recently used first */
  unsigned entries_max;
  size_t bytes, bytes_max;
};

static guint hash_seed;

void cache_key_init(CacheKey *key, const Question *question)
{
  key->type = question->type;
  key->bits = (uint8_t)(question->dnssec_ok | (question->flags & FLAG_CD ? 2 : 0));
  key->length = question->name_length;
  memcpy(key->name, question->name, question->name_length);
}

/* FNV-1a over four bytes at a time, from a start nobody can guess. */
guint cache_key_hash(gconstpointer data)
{
  const CacheKey *key = data;
  uint64_t hash = hash_seed ^ ((uint64_t)key->type << 32 | (uint64_t)key->bits << 48);
  size_t i = 0;
  for (; i + 4 <= key->length; i += 4) {
    uint32_t word;
    memcpy(&word, key->name + i, sizeof word);
    hash = (hash ^ word) * 0x100000001b3u;
    hash ^= hash >> 29;
  }
  for (; i < key->length; i++)
    hash = (hash ^ key->name[i]) * 0x100000001b3u;
  return (guint)(hash ^ hash >> 32);
}

gboolean cache_key_equal(gconstpointer a, gconstpointer b)
{
  const CacheKey *x = a, *y = b;
  return x->type == y->type && x->bits == y->bits && x->length == y->length && memcmp(x->name, y->name, x->length) == 0;
}

static void entry_free(void *data)
{
  Entry *entry = data;
  answer_unref(entry->answer);
  g_free(entry);
}

Cache *cache_new(unsigned entries_max, size_t bytes_max)
{
  Cache *cache = g_new0(Cache, 1);
  static gsize seeded;
  if (g_once_init_enter(&seeded)) {
    hash_seed = g_random_int();
    g_once_init_leave(&seeded, 1);
  }
  cache->entries = g_hash_table_new_full(cache_key_hash, cache_key_equal, entry_free, NULL);
  cache->entries_max = entries_max;
  cache->bytes_max = bytes_max;
  return cache;
}

void cache_clear(Cache *cache)
{
  g_queue_init(&cache->use);
  cache->bytes = 0;
  g_hash_table_remove_all(cache->entries);
}

void cache_free(Cache *cache)
{
  if (!cache)
    return;
  g_hash_table_unref(cache->entries);
  g_free(cache);
}

unsigned cache_entries(const Cache *cache)
{
  return g_hash_table_size(cache->entries);
}

static size_t entry_size(const Entry *entry)
{
  return sizeof *entry + answer_size(entry->answer);
}

static void drop(Cache *cache, Entry *entry)
{
  g_queue_unlink(&cache->use, &entry->link);
  cache->bytes -= entry_size(entry);
  g_hash_table_remove(cache->entries, entry);
}

const Answer *cache_find(Cache *cache, const Question *question, uint64_t epoch, uint32_t now, uint32_t *age)
{
  CacheKey key;
  cache_key_init(&key, question);
  Entry *entry = g_hash_table_lookup(cache->entries, &key);
  if (!entry)
    return NULL;
  uint32_t passed = now - entry->put;
  if ((entry->epoch != 0 && entry->epoch != epoch) || (entry->seconds > 0 && passed >= entry->seconds)) {
    drop(cache, entry);
    return NULL;
  }
  if (cache->use.head != &entry->link) {
    g_queue_unlink(&cache->use, &entry->link);
    g_queue_push_head_link(&cache->use, &entry->link);
  }
  *age = entry->seconds > 0 ? passed : 0;
  return entry->answer;
}

void cache_put(Cache *cache, const CacheKey *key, Answer *answer, uint32_t seconds, uint64_t epoch, uint32_t now)
{
  Entry *there = g_hash_table_lookup(cache->entries, key);
  if (there)
    drop(cache, there);
  Entry *entry = g_new0(Entry, 1);
  entry->key = *key;
  entry->answer = answer_ref(answer);
  entry->epoch = epoch;
  entry->put = now;
  entry->seconds = seconds;
  entry->link.data = entry;
  g_queue_push_head_link(&cache->use, &entry->link);
  g_hash_table_add(cache->entries, entry);
  cache->bytes += entry_size(entry);
  while (cache->use.length > cache->entries_max || (cache->bytes > cache->bytes_max && cache->use.length > 0))
    drop(cache, cache->use.tail->data);
}
