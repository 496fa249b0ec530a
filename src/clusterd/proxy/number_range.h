#pragma once
/* Sets of numbers as sorted ranges that do not touch: what nftables wants of addresses and ports in interval sets. */
#include <glib.h>

#include "base/ip_address.h"

typedef struct NumberRange {
  IpNumber first, last; /* both belong to it */
} NumberRange;

/* RANGES is a GArray of NumberRange in any order, which may overlap: sorts and joins them. */
void number_ranges_join(GArray *ranges);

/* Takes HOLE out of RANGES. */
void number_ranges_subtract(GArray *ranges, NumberRange hole);
