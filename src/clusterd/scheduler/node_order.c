#include "clusterd/scheduler/node_order.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/scheduler/cluster_state.h"

/* A node, how many of its zone come before it, and which zone it is: zones are numbered as they are met. */
typedef struct Place {
  NodeInfo *node;
  unsigned turn, zone;
} Place;

static char *zone_of(const NodeInfo *node)
{
  const json_t *labels = node_info_labels(node);
  const char *region = json_str(labels, "topology.kubernetes.io/region", ""),
             *zone = json_str(labels, "topology.kubernetes.io/zone", "");
  if (!*region)
    region = json_str(labels, "failure-domain.beta.kubernetes.io/region", "");
  if (!*zone)
    zone = json_str(labels, "failure-domain.beta.kubernetes.io/zone", "");
  return g_strconcat(region, "\n", zone, NULL);
}

static int by_turn(const void *left, const void *right)
{
  const Place *a = left, *b = right;
  if (a->turn != b->turn)
    return a->turn < b->turn ? -1 : 1;
  return a->zone < b->zone ? -1 : a->zone > b->zone;
}

void node_order_sort(GPtrArray *nodes)
{
  g_autoptr(GHashTable) numbers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GArray) next_turn = g_array_new(FALSE, TRUE, sizeof(unsigned));
  g_autofree Place *places = g_new(Place, MAX(nodes->len, 1));
  for (unsigned i = 0; i < nodes->len; i++) {
    NodeInfo *node = g_ptr_array_index(nodes, i);
    g_autofree char *zone = zone_of(node);
    unsigned number = GPOINTER_TO_UINT(g_hash_table_lookup(numbers, zone));
    if (!number) {
      g_array_set_size(next_turn, next_turn->len + 1);
      number = next_turn->len;
      g_hash_table_insert(numbers, g_steal_pointer(&zone), GUINT_TO_POINTER(number));
    }
    unsigned *turn = &g_array_index(next_turn, unsigned, number - 1);
    places[i] = (Place){ .node = node, .turn = (*turn)++, .zone = number };
  }
  qsort(places, nodes->len, sizeof *places, by_turn);
  for (unsigned i = 0; i < nodes->len; i++)
    g_ptr_array_index(nodes, i) = places[i].node;
}
