#pragma once
/* A few zones, and whether a name is in one of them. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZONES_MAX 100 /* of one line of a Corefile */

typedef struct ZoneSet {
  GPtrArray *zones; /* GBytes*, names in wire form; NULL: none */
} ZoneSet;

/* False with REASON_CONFIG when TEXT is no name, or there are too many. */
bool zone_set_add(ZoneSet *set, const char *text, GError **error);
/* Every word from WORDS on; when there is none, the root, in which all names are. */
bool zone_set_add_words(ZoneSet *set, char *const *words, GError **error);
bool zone_set_has(const ZoneSet *set, const uint8_t *name, size_t length);
void zone_set_clear(ZoneSet *set);
