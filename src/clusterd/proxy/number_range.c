#include "clusterd/proxy/number_range.h"

#include <stdbool.h>

static gint compare_ranges(gconstpointer a, gconstpointer b)
{
  const NumberRange *left = a, *right = b;
  return left->first < right->first ? -1 : left->first > right->first;
}

void number_ranges_join(GArray *ranges)
{
  guint kept = 0;
  g_array_sort(ranges, compare_ranges);
  for (guint i = 0; i < ranges->len; i++) {
    NumberRange next = g_array_index(ranges, NumberRange, i);
    NumberRange *last = kept > 0 ? &g_array_index(ranges, NumberRange, kept - 1) : NULL;
    if (last && (last->last == ~(IpNumber)0 || next.first <= last->last + 1))
      last->last = MAX(last->last, next.last);
    else
      g_array_index(ranges, NumberRange, kept++) = next;
  }
  g_array_set_size(ranges, kept);
}

void number_ranges_subtract(GArray *ranges, NumberRange hole)
{
  for (guint i = 0; i < ranges->len;) {
    NumberRange *range = &g_array_index(ranges, NumberRange, i), after = { hole.last + 1, range->last };
    bool meets = range->first <= hole.last && hole.first <= range->last;
    bool has_before = meets && range->first < hole.first, has_after = meets && hole.last < range->last;
    if (has_before)
      range->last = hole.first - 1;
    else if (has_after)
      range->first = after.first;
    else if (meets) {
      g_array_remove_index(ranges, i);
      continue;
    }
    if (has_before && has_after)
      g_array_insert_val(ranges, ++i, after);
    i++;
  }
}
