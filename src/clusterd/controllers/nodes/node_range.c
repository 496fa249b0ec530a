#include "clusterd/controllers/nodes/node_range.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/recorder.h"
#include "clusterd/client/work_queue.h"

#define SUBRANGES_BITS_MAX 16

typedef struct Range {
  uint32_t first, last;
} Range;

struct NodeRangeController {
  Client *client;
  Recorder *recorder;
  Informer *nodes;
  WorkQueue *queue;
  Range whole, taken; /* taken: empty when first > last */
  unsigned node_bits;
  uint32_t count; /* of ranges in whole */
  bool loaded;    /* what nodes had at the start is in owners; the worker alone */

  GMutex lock;
  GHashTable *owners;  /* number of a range → name of the node that has it; guarded by lock */
  GHashTable *waiting; /* nodes there was none for; guarded by lock */
};

/* --- ranges -----------------------------------------------------------------------------------------------------
 */

static bool parse_range(const char *text, Range *range)
{
  struct in_addr address;
  guint64 bits;
  g_auto(GStrv) parts = g_strsplit(text ? text : "", "/", 2);
  if (!parts[0] || !parts[1] || inet_pton(AF_INET, parts[0], &address) != 1 ||
      !g_ascii_string_to_unsigned(parts[1], 10, 1, 32, &bits, NULL))
    return false;
  uint32_t host = bits == 32 ? 0 : UINT32_MAX >> bits;
  range->first = ntohl(address.s_addr) & ~host;
  range->last = range->first | host;
  return true;
}

static char *range_text(const NodeRangeController *controller, uint32_t number)
{
  char text[INET_ADDRSTRLEN];
  struct in_addr address = { htonl(controller->whole.first + (number << (32 - controller->node_bits))) };
  return g_strdup_printf("%s/%u", inet_ntop(AF_INET, &address, text, sizeof text), controller->node_bits);
}

static bool is_apart(const Range *a, const Range *b)
{
  return a->last < b->first || b->last < a->first;
}

/* The numbers of the ranges that RANGE, which may be larger than one, covers; false when it is elsewhere. */
static bool numbers_of(const NodeRangeController *controller, const Range *range, uint32_t *first, uint32_t *last)
{
  unsigned shift = 32 - controller->node_bits;
  if (is_apart(range, &controller->whole))
    return false;
  *first = (MAX(range->first, controller->whole.first) - controller->whole.first) >> shift;
  *last = (MIN(range->last, controller->whole.last) - controller->whole.first) >> shift;
  return true;
}

/* --- who has what -----------------------------------------------------------------------------------------------
 */

static const char *pod_range(const Object *node)
{
  return json_str(json_object_get(object_json(node), "spec"), "podCIDR", "");
}

static void note_range(NodeRangeController *controller, const Object *node, bool taken)
{
  Range range;
  uint32_t first, last;
  if (!parse_range(pod_range(node), &range) || !numbers_of(controller, &range, &first, &last))
    return;
  for (uint32_t i = first; i <= last; i++) {
    const char *owner = g_hash_table_lookup(controller->owners, GUINT_TO_POINTER(i));
    if (taken)
      g_hash_table_insert(controller->owners, GUINT_TO_POINTER(i), g_strdup(object_name(node)));
    else if (g_strcmp0(owner, object_name(node)) == 0)
      g_hash_table_remove(controller->owners, GUINT_TO_POINTER(i));
  }
}

static void on_node(Object *old, Object *new_object, void *data)
{
  NodeRangeController *controller = data;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&controller->lock);
  if (new_object) {
    note_range(controller, new_object, true);
    if (!*pod_range(new_object) && !old)
      work_queue_add(controller->queue, object_name(new_object));
    return;
  }
  note_range(controller, old, false);
  g_hash_table_remove(controller->waiting, object_name(old));
  GHashTableIter iter;
  gpointer name;
  g_hash_table_iter_init(&iter, controller->waiting);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    work_queue_add(controller->queue, name);
}

/* Before the first range is given, all that nodes have must be known, whatever order they are told in. */
static void load_ranges(NodeRangeController *controller)
{
  g_autoptr(GPtrArray) nodes = informer_list(controller->nodes);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&controller->lock);
  for (unsigned i = 0; i < nodes->len; i++)
    note_range(controller, g_ptr_array_index(nodes, i), true);
  controller->loaded = true;
}

/* The first free range becomes NODE's. The caller frees; NULL when none is left, and then NODE waits. */
static char *take_range(NodeRangeController *controller, const char *node, uint32_t *number)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&controller->lock);
  uint32_t first = 1, last = 0;
  bool some_taken = numbers_of(controller, &controller->taken, &first, &last);
  for (uint32_t i = 0; i < controller->count; i++) {
    if ((some_taken && i >= first && i <= last) || g_hash_table_contains(controller->owners, GUINT_TO_POINTER(i)))
      continue;
    g_hash_table_insert(controller->owners, GUINT_TO_POINTER(i), g_strdup(node));
    g_hash_table_remove(controller->waiting, node);
    *number = i;
    return range_text(controller, i);
  }
  g_hash_table_add(controller->waiting, g_strdup(node));
  return NULL;
}

static void return_range(NodeRangeController *controller, uint32_t number)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&controller->lock);
  g_hash_table_remove(controller->owners, GUINT_TO_POINTER(number));
}

/* --- work -------------------------------------------------------------------------------------------------------
 */

static bool set_range(json_t *node, void *data)
{
  const char *range = data;
  json_t *spec = json_ensure_object(node, "spec", NULL);
  if (*json_str(spec, "podCIDR", ""))
    return false;
  json_object_set_new(spec, "podCIDR", json_string(range));
  json_object_set_new(spec, "podCIDRs", json_pack("[s]", range));
  return true;
}

static bool reconcile(const char *key, void *data)
{
  NodeRangeController *controller = data;
  uint32_t number = 0;
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) node = informer_get(controller->nodes, NULL, key);
  if (!controller->loaded)
    load_ranges(controller);
  if (!node || *pod_range(node))
    return true;
  g_autofree char *range = take_range(controller, key, &number);
  if (!range) {
    recorder_event(controller->recorder, object_json(node), NULL, "Normal", "CIDRNotAvailable",
                   "Node %s status is now: CIDRNotAvailable", key);
    return true;
  }
  g_autoptr(Object) stored =
      client_modify(controller->client, "v1", "nodes", NULL, key, NULL, set_range, range, &error);
  if (stored && g_str_equal(pod_range(stored), range)) {
    informer_wait_revision(controller->nodes, object_revision(stored));
    return true;
  }
  return_range(controller, number);
  if (stored || reason_is(error, REASON_NOT_FOUND))
    return true;
  g_info("Node %s: %s", key, error->message);
  return false;
}

NodeRangeController *node_range_controller_new(const ControllerContext *context)
{
  const NodeRangeConfig *config = &context->config->node_range;
  Range whole, taken = { 1, 0 };
  if (!parse_range(config->range, &whole))
    return NULL;
  parse_range(config->taken, &taken);
  NodeRangeController *controller = g_new0(NodeRangeController, 1);
  controller->whole = whole;
  controller->taken = taken;
  controller->node_bits = config->node_bits;
  controller->count = (uint32_t)MIN(((uint64_t)whole.last - whole.first + 1) >> (32 - config->node_bits),
                                    (uint64_t)1 << SUBRANGES_BITS_MAX);
  controller->client = client_new(context->registry, "node-ipam-controller");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->nodes = informer_set_get(context->informers, "v1", "nodes");
  controller->queue = work_queue_new("node-ranges", 1, reconcile, controller);
  controller->owners = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  controller->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_mutex_init(&controller->lock);
  informer_add_handler(controller->nodes, on_node, controller);
  work_queue_start(controller->queue);
  return controller;
}

void node_range_controller_free(NodeRangeController *controller)
{
  work_queue_free(controller->queue);
  recorder_free(controller->recorder);
  client_free(controller->client);
  g_hash_table_destroy(controller->owners);
  g_hash_table_destroy(controller->waiting);
  g_mutex_clear(&controller->lock);
  g_free(controller);
}
