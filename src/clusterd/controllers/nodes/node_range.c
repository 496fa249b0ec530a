#include "clusterd/controllers/nodes/node_range.h"

#include "base/ip_address.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/recorder.h"
#include "clusterd/client/work_queue.h"

#define SUBRANGES_BITS_MAX 16

/* What nodes get of one family. */
typedef struct Space {
  IpRange whole, taken; /* taken: of another family when nothing is */
  unsigned node_bits;
  uint32_t count;     /* of ranges in whole */
  GHashTable *owners; /* number of a range → name of the node that has it; guarded by the controller's lock */
} Space;

struct NodeRangeController {
  Client *client;
  Recorder *recorder;
  Informer *nodes;
  WorkQueue *queue;
  Space spaces[IP_FAMILIES]; /* the nodes' first family first */
  unsigned n_spaces;
  bool loaded; /* what nodes had at the start is in owners; the worker alone */

  GMutex lock;
  GHashTable *waiting; /* nodes there was none for; guarded by lock */
};

/* A range of each space. */
typedef struct NodeRanges {
  uint32_t numbers[IP_FAMILIES];
  unsigned count;
} NodeRanges;

/* --- ranges -----------------------------------------------------------------------------------------------------
 */

static unsigned host_bits(const Space *space)
{
  return ip_family_bits(space->whole.family) - space->node_bits;
}

static char *range_text(const Space *space, uint32_t number)
{
  const IpRange range = { .family = space->whole.family,
                          .first = space->whole.first + ((IpNumber)number << host_bits(space)),
                          .bits = space->node_bits };
  return ip_range_text(&range);
}

static bool is_apart(const IpRange *a, const IpRange *b)
{
  return a->family != b->family || a->last < b->first || b->last < a->first;
}

/* The numbers of the ranges that RANGE, which may be larger than one, covers; false when it is elsewhere. */
static bool numbers_of(const Space *space, const IpRange *range, uint32_t *first, uint32_t *last)
{
  if (is_apart(range, &space->whole))
    return false;
  *first = (uint32_t)((MAX(range->first, space->whole.first) - space->whole.first) >> host_bits(space));
  *last = (uint32_t)MIN((MIN(range->last, space->whole.last) - space->whole.first) >> host_bits(space),
                        (IpNumber)space->count - 1);
  return true;
}

/* --- who has what -----------------------------------------------------------------------------------------------
 */

static const char *pod_range(const Object *node)
{
  return json_str(json_object_get(object_json(node), "spec"), "podCIDR", "");
}

static void note_range(Space *space, const char *node, const IpRange *range, bool taken)
{
  uint32_t first, last;
  if (!numbers_of(space, range, &first, &last))
    return;
  for (uint32_t i = first; i <= last; i++) {
    const char *owner = g_hash_table_lookup(space->owners, GUINT_TO_POINTER(i));
    if (taken)
      g_hash_table_insert(space->owners, GUINT_TO_POINTER(i), g_strdup(node));
    else if (g_strcmp0(owner, node) == 0)
      g_hash_table_remove(space->owners, GUINT_TO_POINTER(i));
  }
}

static void note_node(NodeRangeController *controller, const Object *node, bool taken)
{
  const json_t *item;
  size_t i;
  json_array_foreach (json_at(object_json(node), "spec", "podCIDRs", NULL), i, item) {
    IpRange range;
    for (unsigned k = 0; k < controller->n_spaces && ip_range_parse(json_string_value(item), &range); k++)
      note_range(&controller->spaces[k], object_name(node), &range, taken);
  }
}

static void on_node(Object *old, Object *new_object, void *data)
{
  NodeRangeController *controller = data;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&controller->lock);
  if (new_object) {
    note_node(controller, new_object, true);
    if (!*pod_range(new_object) && !old)
      work_queue_add(controller->queue, object_name(new_object));
    return;
  }
  note_node(controller, old, false);
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
    note_node(controller, g_ptr_array_index(nodes, i), true);
  controller->loaded = true;
}

/* The first free number of SPACE becomes NODE's; false when none is left. Called with the lock held. */
static bool take_number(Space *space, const char *node, uint32_t *number)
{
  uint32_t first = 1, last = 0;
  bool some_taken = numbers_of(space, &space->taken, &first, &last);
  for (uint32_t i = 0; i < space->count; i++) {
    if ((some_taken && i >= first && i <= last) || g_hash_table_contains(space->owners, GUINT_TO_POINTER(i)))
      continue;
    g_hash_table_insert(space->owners, GUINT_TO_POINTER(i), g_strdup(node));
    *number = i;
    return true;
  }
  return false;
}

/* Called with the lock held. */
static void give_back(NodeRangeController *controller, const NodeRanges *ranges)
{
  for (unsigned i = 0; i < ranges->count; i++)
    g_hash_table_remove(controller->spaces[i].owners, GUINT_TO_POINTER(ranges->numbers[i]));
}

/* The first free range of each family becomes NODE's; false when none is left, and then NODE waits. */
static bool take_ranges(NodeRangeController *controller, const char *node, NodeRanges *ranges)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&controller->lock);
  for (ranges->count = 0; ranges->count < controller->n_spaces; ranges->count++)
    if (!take_number(&controller->spaces[ranges->count], node, &ranges->numbers[ranges->count])) {
      give_back(controller, ranges);
      g_hash_table_add(controller->waiting, g_strdup(node));
      return false;
    }
  g_hash_table_remove(controller->waiting, node);
  return true;
}

static void return_ranges(NodeRangeController *controller, const NodeRanges *ranges)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&controller->lock);
  give_back(controller, ranges);
}

/* --- work -------------------------------------------------------------------------------------------------------
 */

/* DATA is the list of podCIDRs. */
static bool set_ranges(json_t *node, void *data)
{
  json_t *list = data, *spec = json_ensure_object(node, "spec", NULL);
  if (*json_str(spec, "podCIDR", ""))
    return false;
  json_object_set(spec, "podCIDR", json_array_get(list, 0));
  json_object_set_new(spec, "podCIDRs", json_copy(list));
  return true;
}

static json_t *ranges_list(const NodeRangeController *controller, const NodeRanges *ranges)
{
  json_t *list = json_array();
  for (unsigned i = 0; i < ranges->count; i++) {
    g_autofree char *text = range_text(&controller->spaces[i], ranges->numbers[i]);
    json_array_append_new(list, json_string(text));
  }
  return list;
}

static bool reconcile(const char *key, void *data)
{
  NodeRangeController *controller = data;
  NodeRanges ranges;
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) node = informer_get(controller->nodes, NULL, key);
  if (!controller->loaded)
    load_ranges(controller);
  if (!node || *pod_range(node))
    return true;
  if (!take_ranges(controller, key, &ranges)) {
    recorder_event(controller->recorder, object_json(node), NULL, "Normal", "CIDRNotAvailable",
                   "Node %s status is now: CIDRNotAvailable", key);
    return true;
  }
  g_autoptr(json_t) list = ranges_list(controller, &ranges);
  g_autoptr(Object) stored =
      client_modify(controller->client, "v1", "nodes", NULL, key, NULL, set_ranges, list, &error);
  if (stored && json_same(json_at(object_json(stored), "spec", "podCIDRs", NULL), list)) {
    informer_wait_revision(controller->nodes, object_revision(stored));
    return true;
  }
  return_ranges(controller, &ranges);
  if (stored || reason_is(error, REASON_NOT_FOUND))
    return true;
  g_info("Node %s: %s", key, error->message);
  return false;
}

static void make_space(Space *space, const IpRange *whole, const NodeRangeConfig *config)
{
  g_autofree char *taken = ip_ranges_of(config->taken, whole->family);
  space->whole = space->taken = *whole;
  space->node_bits = config->node_bits[whole->family];
  space->count = UINT32_C(1) << MIN(space->node_bits - whole->bits, SUBRANGES_BITS_MAX);
  if (!ip_range_parse(taken, &space->taken))
    space->taken.family = whole->family == IP_V4 ? IP_V6 : IP_V4;
  space->owners = g_hash_table_new_full(NULL, NULL, NULL, g_free);
}

NodeRangeController *node_range_controller_new(const ControllerContext *context)
{
  const NodeRangeConfig *config = &context->config->node_range;
  IpRange wholes[IP_FAMILIES];
  unsigned n_spaces = ip_ranges_parse(config->ranges, wholes);
  if (n_spaces == 0)
    return NULL;
  NodeRangeController *controller = g_new0(NodeRangeController, 1);
  controller->n_spaces = n_spaces;
  for (unsigned i = 0; i < n_spaces; i++)
    make_space(&controller->spaces[i], &wholes[i], config);
  controller->client = client_new(context->registry, "node-ipam-controller");
  controller->recorder = recorder_new(controller->client, NULL);
  controller->nodes = informer_set_get(context->informers, "v1", "nodes");
  controller->queue = work_queue_new("node-ranges", 1, reconcile, controller);
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
  for (unsigned i = 0; i < controller->n_spaces; i++)
    g_hash_table_destroy(controller->spaces[i].owners);
  g_hash_table_destroy(controller->waiting);
  g_mutex_clear(&controller->lock);
  g_free(controller);
}
