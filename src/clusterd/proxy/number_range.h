#pragma once
/* Sets of numbers as sorted ranges that do not touch: what nftables wants of addresses and ports in interval sets. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct NumberRange {
  uint32_t first, last; /* both belong to it */
} NumberRange;

/* The addresses of "10.0.0.0/8" (host order; bits beyond the length are ignored). False when CIDR is not IPv4. */
bool number_range_of_cidr(const char *cidr, NumberRange *range);

/* RANGES is a GArray of NumberRange in any order, which may overlap: sorts and joins them. */
void number_ranges_join(GArray *ranges);

/* Takes HOLE out of RANGES. */
void number_ranges_subtract(GArray *ranges, NumberRange hole);
