#include "clusterd/controllers/workloads/deployment_math.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

int64_t int_or_percent(const json_t *value, int64_t total, bool round_up, int64_t fallback)
{
  if (json_is_integer(value))
    return json_integer_value(value);
  const char *text = json_string_value(value);
  char *end = NULL;
  int64_t percent = text ? g_ascii_strtoll(text, &end, 10) : 0;
  if (!text || end == text || strcmp(end, "%") != 0)
    return fallback;
  double share = (double)percent * (double)total / 100;
  return (int64_t)(round_up ? ceil(share) : floor(share));
}

static bool is_rolling(const json_t *spec)
{
  return strcmp(json_str(json_object_get(spec, "strategy"), "type", "RollingUpdate"), "RollingUpdate") == 0;
}

static void resolve(const json_t *spec, int64_t *surge, int64_t *unavailable)
{
  const json_t *rolling = json_at(spec, "strategy", "rollingUpdate", NULL);
  int64_t replicas = json_int(spec, "replicas", 1);
  *surge = int_or_percent(json_object_get(rolling, "maxSurge"), replicas, true, 0);
  *unavailable = int_or_percent(json_object_get(rolling, "maxUnavailable"), replicas, false, 0);
  /* Nothing could ever move. */
  if (*surge == 0 && *unavailable == 0)
    *unavailable = 1;
}

int64_t deployment_max_surge(const json_t *spec)
{
  int64_t surge, unavailable;
  if (!is_rolling(spec))
    return 0;
  resolve(spec, &surge, &unavailable);
  return surge;
}

int64_t deployment_max_unavailable(const json_t *spec)
{
  int64_t surge, unavailable, replicas = json_int(spec, "replicas", 1);
  if (!is_rolling(spec) || replicas == 0)
    return 0;
  resolve(spec, &surge, &unavailable);
  return MIN(unavailable, replicas);
}

int64_t deployment_new_set_size(const json_t *spec, int64_t new_size, int64_t total)
{
  int64_t replicas = json_int(spec, "replicas", 1);
  if (!is_rolling(spec) || new_size > replicas)
    return replicas;
  int64_t room = replicas + deployment_max_surge(spec) - total;
  return room <= 0 ? new_size : new_size + MIN(room, replicas - new_size);
}

bool deployment_shrink_old(const json_t *spec, const SetSize *new_set, SetSize *old, unsigned n_old)
{
  int64_t total = new_set->replicas, old_total = 0, available = new_set->available;
  for (unsigned i = 0; i < n_old; i++) {
    old[i].target = old[i].replicas;
    old_total += old[i].replicas;
    available += old[i].available;
  }
  total += old_total;
  int64_t at_least = json_int(spec, "replicas", 1) - deployment_max_unavailable(spec);
  int64_t budget = total - at_least - (new_set->replicas - new_set->available);
  if (old_total == 0 || budget <= 0)
    return false;

  bool shrunk = false;
  for (unsigned i = 0; i < n_old && budget > 0; i++) {
    int64_t cut = MIN(budget, old[i].replicas - old[i].available);
    if (cut <= 0)
      continue;
    old[i].target -= cut;
    budget -= cut;
    shrunk = true;
  }
  int64_t spare = available - at_least;
  for (unsigned i = 0; i < n_old && spare > 0; i++) {
    int64_t cut = MIN(spare, old[i].target);
    old[i].target -= cut;
    spare -= cut;
    shrunk = shrunk || cut > 0;
  }
  return shrunk;
}

/* What SET's own share of the change is before it is bounded. */
static int64_t fraction(const SetSize *set, int64_t wanted, int64_t allowed, int64_t status_replicas)
{
  if (wanted == 0)
    return -set->replicas;
  int64_t before = set->max_replicas ? set->max_replicas : status_replicas;
  if (before == 0)
    return 0;
  return llround((double)set->replicas * (double)allowed / (double)before) - set->replicas;
}

void deployment_share(const json_t *spec, int64_t status_replicas, SetSize *sets, unsigned n_sets)
{
  int64_t wanted = json_int(spec, "replicas", 1), total = 0, added = 0;
  int64_t full = wanted + deployment_max_surge(spec), allowed = wanted > 0 ? full : 0;
  for (unsigned i = 0; i < n_sets; i++)
    total += sets[i].replicas;
  int64_t change = allowed - total;
  for (unsigned i = 0; i < n_sets; i++) {
    int64_t share = 0, left = change - added;
    if (sets[i].replicas != 0 && left != 0) {
      share = fraction(&sets[i], wanted, full, status_replicas);
      share = change > 0 ? MIN(share, left) : MAX(share, left);
    }
    sets[i].target = sets[i].replicas + share;
    added += share;
  }
  if (n_sets > 0)
    sets[0].target += change - added;
  for (unsigned i = 0; i < n_sets; i++)
    sets[i].target = MAX(sets[i].target, 0);
}

char *deployment_template_hash(const json_t *template, int64_t collision_count)
{
  /* FNV-1a over the canonical text; its decimal digits are then written with letters that spell no words. */
  static const char safe[] = "bcdfghjklmnpqrstvwxz2456789";
  char *text = json_dumps(template, JSON_COMPACT | JSON_SORT_KEYS);
  uint32_t hash = 2166136261u;
  for (const char *at = text; at && *at; at++)
    hash = (hash ^ (uint8_t)*at) * 16777619u;
  free(text);
  for (unsigned i = 0; i < 4; i++)
    hash = (hash ^ (uint8_t)((uint64_t)collision_count >> (8 * i))) * 16777619u;
  char *name = g_strdup_printf("%u", hash);
  for (char *at = name; *at; at++)
    *at = safe[(unsigned)*at % (sizeof safe - 1)];
  return name;
}

static json_t *without_hash(const json_t *template)
{
  /* Copies of the three objects on the way; all else is shared. */
  json_t *copy = json_copy((json_t *)(uintptr_t) template), *known = json_at(template, "metadata", "labels", NULL);
  if (!known)
    return copy;
  json_t *metadata = json_copy(json_object_get(template, "metadata")), *labels = json_copy(known);
  json_object_del(labels, "pod-template-hash");
  if (json_object_size(labels) > 0)
    json_object_set(metadata, "labels", labels);
  else
    json_object_del(metadata, "labels");
  json_decref(labels);
  json_object_set_new(copy, "metadata", metadata);
  return copy;
}

bool deployment_same_template(const json_t *a, const json_t *b)
{
  if (!a || !b)
    return a == b;
  g_autoptr(json_t) left = without_hash(a), right = without_hash(b);
  return json_equal(left, right);
}
