#include "clusterd/dns/zone_set.h"

#include <string.h>

#include "base/reason.h"
#include "clusterd/dns/name.h"

bool zone_set_add(ZoneSet *set, const char *text, GError **error)
{
  uint8_t name[NAME_WIRE_MAX];
  size_t length = strchr(text, '/') ? 0 : name_from_text(text, name);
  if (length == 0)
    return reason_set(error, REASON_CONFIG, "%s is no name of a zone", text);
  if (!set->zones)
    set->zones = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  if (set->zones->len == ZONES_MAX)
    return reason_set(error, REASON_CONFIG, "more than %d zones", ZONES_MAX);
  g_ptr_array_add(set->zones, g_bytes_new(name, length));
  return true;
}

bool zone_set_add_words(ZoneSet *set, char *const *words, GError **error)
{
  if (!*words)
    return zone_set_add(set, ".", error);
  for (; *words; words++)
    if (!zone_set_add(set, *words, error))
      return false;
  return true;
}

bool zone_set_has(const ZoneSet *set, const uint8_t *name, size_t length)
{
  for (guint i = 0; set->zones && i < set->zones->len; i++) {
    gsize zone_length;
    const uint8_t *zone = g_bytes_get_data(set->zones->pdata[i], &zone_length);
    if (name_in_zone(name, length, zone, zone_length))
      return true;
  }
  return false;
}

void zone_set_clear(ZoneSet *set)
{
  g_clear_pointer(&set->zones, g_ptr_array_unref);
}
