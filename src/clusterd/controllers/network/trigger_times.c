#include "clusterd/controllers/network/trigger_times.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/object.h"
#include "clusterd/client/conditions.h"

/* What was last seen of one service. Times of the API in whole seconds sort as text. */
typedef struct Seen {
  char *service;
  GHashTable *pods; /* name → time */
} Seen;

struct TriggerTimes {
  GMutex lock;
  GHashTable *services; /* key → Seen*; guarded by lock */
};

static void seen_free(void *data)
{
  Seen *seen = data;
  g_free(seen->service);
  g_hash_table_destroy(seen->pods);
  g_free(seen);
}

TriggerTimes *trigger_times_new(void)
{
  TriggerTimes *times = g_new0(TriggerTimes, 1);
  g_mutex_init(&times->lock);
  times->services = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, seen_free);
  return times;
}

void trigger_times_free(TriggerTimes *times)
{
  g_hash_table_destroy(times->services);
  g_mutex_clear(&times->lock);
  g_free(times);
}

static void consider(const char **earliest, const char *before, const char *now)
{
  if (*now && strcmp(now, before ? before : "") > 0 && (!*earliest || strcmp(now, *earliest) < 0))
    *earliest = now;
}

char *trigger_times_take(TriggerTimes *times, const char *key, const json_t *service, GPtrArray *pods)
{
  const char *earliest = NULL, *created = json_str(json_object_get(service, "metadata"), "creationTimestamp", "");
  GHashTable *now = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&times->lock);
  Seen *seen = g_hash_table_lookup(times->services, key);
  if (!seen) {
    seen = g_new0(Seen, 1);
    seen->pods = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_insert(times->services, g_strdup(key), seen);
  }
  consider(&earliest, seen->service, created);
  for (unsigned i = 0; i < pods->len; i++) {
    const Object *pod = g_ptr_array_index(pods, i);
    const json_t *ready = condition_get(json_object_get(object_json(pod), "status"), "Ready");
    const char *since = json_str(ready, "lastTransitionTime", "");
    consider(&earliest, g_hash_table_lookup(seen->pods, object_name(pod)), since);
    g_hash_table_insert(now, g_strdup(object_name(pod)), g_strdup(since));
  }
  g_free(seen->service);
  seen->service = g_strdup(created);
  g_hash_table_destroy(seen->pods);
  seen->pods = now;
  return g_strdup(earliest);
}

void trigger_times_forget(TriggerTimes *times, const char *key)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&times->lock);
  g_hash_table_remove(times->services, key);
}
