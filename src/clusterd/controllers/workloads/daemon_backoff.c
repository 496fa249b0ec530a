#include "clusterd/controllers/workloads/daemon_backoff.h"

#include <stdbool.h>

#define FIRST_US ((int64_t)G_USEC_PER_SEC)
#define LONGEST_US ((int64_t)15 * 60 * G_USEC_PER_SEC)
#define SWEEP_SIZE 1000 /* beyond it what has expired is forgotten */

typedef struct Entry {
  int64_t delay_us, since_us;
} Entry;

struct DaemonBackoff {
  GHashTable *entries; /* char* → Entry* */
};

DaemonBackoff *daemon_backoff_new(void)
{
  DaemonBackoff *backoff = g_new0(DaemonBackoff, 1);
  backoff->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return backoff;
}

void daemon_backoff_free(DaemonBackoff *backoff)
{
  if (!backoff)
    return;
  g_hash_table_destroy(backoff->entries);
  g_free(backoff);
}

static bool has_expired(const Entry *entry, int64_t now_us)
{
  return now_us - entry->since_us > 2 * LONGEST_US;
}

static gboolean is_sweepable(void *key, void *entry, void *now_us)
{
  return has_expired(entry, *(const int64_t *)now_us);
}

int64_t daemon_backoff_ask(DaemonBackoff *backoff, const char *key, int64_t now_us)
{
  Entry *entry = g_hash_table_lookup(backoff->entries, key);
  if (entry && !has_expired(entry, now_us)) {
    int64_t missing_us = entry->since_us + entry->delay_us - now_us;
    if (missing_us > 0)
      return missing_us;
    *entry = (Entry){ .delay_us = MIN(entry->delay_us * 2, LONGEST_US), .since_us = now_us };
    return 0;
  }
  if (g_hash_table_size(backoff->entries) >= SWEEP_SIZE)
    g_hash_table_foreach_remove(backoff->entries, is_sweepable, &now_us);
  entry = g_new(Entry, 1);
  *entry = (Entry){ .delay_us = FIRST_US, .since_us = now_us };
  g_hash_table_insert(backoff->entries, g_strdup(key), entry);
  return 0;
}

unsigned daemon_backoff_size(const DaemonBackoff *backoff)
{
  return g_hash_table_size(backoff->entries);
}
