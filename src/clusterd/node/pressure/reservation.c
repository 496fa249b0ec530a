#include "clusterd/node/pressure/reservation.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"

static bool may_be_reserved(const char *name)
{
  static const char *const names[] = { "cpu", "memory", "ephemeral-storage", "pid", NULL };
  return g_strv_contains(names, name) || g_str_has_prefix(name, "hugepages-");
}

bool reservation_add(Reservation *reservation, const char *flag, const char *const *items, GError **error)
{
  if (!reservation->amounts)
    reservation->amounts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  for (; items && *items; items++) {
    const char *at = strchr(*items, '=');
    g_autofree char *name = at ? g_strndup(*items, (gsize)(at - *items)) : NULL;
    g_autoptr(GError) inner = NULL;
    Quantity quantity;
    if (!at)
      return reason_set(error, REASON_CONFIG, "--%s: malformed pair \"%s\", expect resource=quantity", flag, *items);
    if (!may_be_reserved(name) || g_hash_table_size(reservation->amounts) >= RESERVATION_ITEMS_MAX)
      return reason_set(error, REASON_CONFIG, "--%s: cannot reserve \"%s\" resource", flag, name);
    if (!quantity_parse(at + 1, &quantity, &inner))
      return reason_set(error, REASON_CONFIG, "--%s: failed to parse quantity \"%s\" for \"%s\" resource: %s", flag,
                        at + 1, name, inner->message);
    if (quantity.nano < 0)
      return reason_set(error, REASON_CONFIG, "--%s: resource quantity for \"%s\" cannot be negative: %s", flag, name,
                        at + 1);
    const Quantity *before = g_hash_table_lookup(reservation->amounts, name);
    if (before)
      quantity.nano += before->nano;
    g_hash_table_replace(reservation->amounts, g_steal_pointer(&name), g_memdup2(&quantity, sizeof quantity));
  }
  return true;
}

void reservation_clear(Reservation *reservation)
{
  g_clear_pointer(&reservation->amounts, g_hash_table_unref);
}

/* What a hard threshold keeps free of RESOURCE. */
static __int128 kept_free(const char *resource, Quantity capacity, const GArray *thresholds)
{
  static const struct {
    const char *resource;
    PressureSignal signal;
  } kept[] = { { "memory", SIGNAL_MEMORY }, { "ephemeral-storage", SIGNAL_NODE_SPACE } };
  for (guint i = 0; thresholds && i < thresholds->len; i++) {
    const Threshold *threshold = &g_array_index(thresholds, Threshold, i);
    for (gsize k = 0; threshold->grace_us == 0 && k < G_N_ELEMENTS(kept); k++)
      if (kept[k].signal == threshold->signal && g_str_equal(kept[k].resource, resource))
        return threshold_quantity(&threshold->value, quantity_value(capacity)).nano;
  }
  return 0;
}

/* Huge pages are memory that ordinary pages cannot have. */
static __int128 huge_pages(const json_t *capacity)
{
  __int128 sum = 0;
  const char *name;
  json_t *text;
  Quantity quantity;
  json_object_foreach ((json_t *)(uintptr_t)capacity, name, text)
    if (g_str_has_prefix(name, "hugepages-") && quantity_parse(json_string_value(text), &quantity, NULL))
      sum += quantity.nano;
  return sum;
}

json_t *reservation_allocatable(const json_t *capacity, const Reservation *reservation, const GArray *thresholds)
{
  json_t *allocatable = json_object();
  const char *name;
  json_t *text;
  json_object_foreach ((json_t *)(uintptr_t)capacity, name, text) {
    Quantity left;
    if (!quantity_parse(json_string_value(text), &left, NULL))
      continue;
    const Quantity *reserved =
        reservation && reservation->amounts ? g_hash_table_lookup(reservation->amounts, name) : NULL;
    __int128 taken = kept_free(name, left, thresholds) + (reserved ? reserved->nano : 0);
    if (g_str_equal(name, "memory"))
      taken += huge_pages(capacity);
    left.nano = MAX(left.nano - taken, 0);
    g_autofree char *written = quantity_text(left);
    json_object_set_new(allocatable, name, json_string(taken == 0 ? json_string_value(text) : written));
  }
  return allocatable;
}
