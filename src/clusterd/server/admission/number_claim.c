#include "clusterd/server/admission/number_claim.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"

static GBytes *claim_value(const char *owner)
{
  g_autoptr(json_t) value =
      json_pack("{s:s, s:I}", "owner", owner, "claimed", (json_int_t)(g_get_real_time() / G_USEC_PER_SEC));
  char *text = json_dumps(value, JSON_COMPACT);
  return g_bytes_new_with_free_func(text, strlen(text), free, text);
}

/* The revision of the claim KEY when its server must have ended long ago, else 0. */
static int64_t void_claim(Store *store, const char *key)
{
  g_autoptr(StoreEntry) entry = store_get(store, key, NULL);
  gsize length = 0;
  const char *text = entry ? g_bytes_get_data(entry->value, &length) : NULL;
  g_autoptr(json_t) value = text ? json_loadb(text, length, 0, NULL) : NULL;
  int64_t age = g_get_real_time() / G_USEC_PER_SEC - json_int(value, "claimed", 0);
  return entry && age > NUMBER_CLAIM_SECONDS ? entry->mod_revision : 0;
}

/* Whether PROBLEM says that another has the key; anything else is *ERROR's. */
static bool is_taken(GError *problem, GError **error)
{
  if (!reason_is(problem, REASON_ALREADY_EXISTS) && !reason_is(problem, REASON_CONFLICT))
    g_propagate_error(error, g_error_copy(problem));
  return reason_is(problem, REASON_ALREADY_EXISTS);
}

bool number_claim_take(Registry *registry, const char *range, uint32_t number, const char *owner, NumberClaim *claim,
                       GError **error)
{
  Store *store = registry->store;
  if (!store_is_shared(store))
    return true;
  g_autoptr(GError) problem = NULL;
  g_autofree char *key = g_strdup_printf("/registry/ranges/%s/%u", range, number);
  g_autoptr(GBytes) value = claim_value(owner);
  bool taken = store_put(store, key, 0, value, &claim->revision, &problem);
  int64_t old = !taken && is_taken(problem, error) ? void_claim(store, key) : 0;
  if (!taken && old) {
    g_clear_error(&problem);
    taken = store_put(store, key, old, value, &claim->revision, &problem);
    if (!taken)
      is_taken(problem, error);
  }
  if (!taken)
    return false;
  claim->key = g_steal_pointer(&key);
  if (registry_catch_up(registry, error))
    return true;
  number_claim_release(registry, claim);
  return false;
}

void number_claim_release(Registry *registry, NumberClaim *claim)
{
  g_autoptr(GError) error = NULL;
  if (!claim->key)
    return;
  if (!store_delete(registry->store, claim->key, claim->revision, NULL, &error))
    g_message("%s stays claimed for a while: %s", claim->key, error->message);
  g_clear_pointer(&claim->key, g_free);
}
