#pragma once
/* Answers by name and type, bounded, the least recently used of which go first. Belongs to the DNS thread. */
#include <stdint.h>

#include "clusterd/dns/answer.h"

#define CACHE_ENTRIES_MAX 10000
#define CACHE_BYTES_MAX (8u << 20)

typedef struct Cache Cache;

Cache *cache_new(unsigned entries_max, size_t bytes_max);
void cache_free(Cache *cache);
void cache_clear(Cache *cache);
unsigned cache_entries(const Cache *cache);

/* What of a question decides about its answer. */
typedef struct CacheKey {
  uint16_t type;
  uint8_t bits; /* DNSSEC wanted, checking disabled */
  uint8_t length;
  uint8_t name[NAME_WIRE_MAX];
} CacheKey;

void cache_key_init(CacheKey *key, const Question *question);
guint cache_key_hash(gconstpointer key);
gboolean cache_key_equal(gconstpointer a, gconstpointer b);

/* The answer kept for QUESTION, borrowed until the next call; *AGE gets its seconds in the cache. NULL when there is
 * none, it has expired by NOW (seconds), or belongs to another EPOCH than the present one. */
const Answer *cache_find(Cache *cache, const Question *question, uint64_t epoch, uint32_t now, uint32_t *age);

/* Keeps ANSWER (referenced) for SECONDS from NOW (0: for any time) and while the epoch is EPOCH (0: in every one). */
void cache_put(Cache *cache, const CacheKey *key, Answer *answer, uint32_t seconds, uint64_t epoch, uint32_t now);
