#include "clusterd/node/sandbox/address_pool.h"

#include <string.h>

#include "base/file.h"
#include "base/reason.h"

/* The first number that is a pod's: after the network and the node's own. */
enum { NUMBER_GATEWAY = 1, NUMBER_FIRST = 2 };

#define COUNT_BITS_MAX 16 /* of numbers, whatever the size of an IPv6 range */

struct AddressPool {
  GMutex lock; /* guards next and taken */
  IpRange ranges[IP_FAMILIES];
  unsigned n_ranges;
  uint32_t count; /* of numbers, the network's and the last included */
  uint32_t next;  /* to try first */
  GHashTable *taken;
  char *state_path;
};

uint32_t address_pool_number(const AddressPool *pool, const char *text)
{
  IpAddress address;
  if (!ip_address_parse(text, &address))
    return 0;
  for (unsigned i = 0; i < pool->n_ranges; i++) {
    const IpRange *range = &pool->ranges[i];
    if (range->family == address.family && address.number >= range->first + NUMBER_FIRST &&
        address.number < range->first + pool->count - 1)
      return (uint32_t)(address.number - range->first);
  }
  return 0;
}

void address_pool_addresses(const AddressPool *pool, uint32_t number, PodAddresses *addresses)
{
  addresses->count = pool->n_ranges;
  for (unsigned i = 0; i < pool->n_ranges; i++)
    addresses->of[i] = (IpAddress){ pool->ranges[i].family, pool->ranges[i].first + number };
}

void address_pool_gateways(const AddressPool *pool, PodAddresses *gateways)
{
  address_pool_addresses(pool, NUMBER_GATEWAY, gateways);
}

unsigned address_pool_ranges(const AddressPool *pool, const IpRange **ranges)
{
  *ranges = pool->ranges;
  return pool->n_ranges;
}

static void read_state(AddressPool *pool)
{
  g_autoptr(GBytes) bytes = file_read(pool->state_path, IP_TEXT_MAX, NULL);
  gsize length = 0;
  const char *raw = bytes ? g_bytes_get_data(bytes, &length) : NULL;
  g_autofree char *text = g_strndup(raw ? raw : "", length);
  pool->next = MAX(address_pool_number(pool, g_strstrip(text)), NUMBER_FIRST);
}

/* The ranges of a node's pods; false when they are too small or too large to be that. */
static bool parse_ranges(AddressPool *pool, const char *text)
{
  static const struct {
    unsigned widest, narrowest;
  } bits[IP_FAMILIES] = { [IP_V4] = { 16, 30 }, [IP_V6] = { 8, 126 } };
  unsigned count_bits = COUNT_BITS_MAX;
  pool->n_ranges = ip_ranges_parse(text, pool->ranges);
  for (unsigned i = 0; i < pool->n_ranges; i++) {
    const IpRange *range = &pool->ranges[i];
    if (range->bits < bits[range->family].widest || range->bits > bits[range->family].narrowest)
      return false;
    count_bits = MIN(count_bits, ip_family_bits(range->family) - range->bits);
  }
  pool->count = UINT32_C(1) << count_bits;
  return pool->n_ranges > 0;
}

AddressPool *address_pool_new(const char *ranges, const char *state_path, GError **error)
{
  g_autoptr(AddressPool) pool = g_new0(AddressPool, 1);
  g_mutex_init(&pool->lock);
  pool->taken = g_hash_table_new(NULL, NULL);
  pool->state_path = g_strdup(state_path);
  if (!parse_ranges(pool, ranges)) {
    reason_set(error, REASON_CONFIG,
               "podCIDR \"%s\" must be an IPv4 network from /16 to /30, an IPv6 network from /8 to /126, or both",
               ranges ? ranges : "");
    return NULL;
  }
  read_state(pool);
  return g_steal_pointer(&pool);
}

void address_pool_free(AddressPool *pool)
{
  if (!pool)
    return;
  g_mutex_clear(&pool->lock);
  g_hash_table_unref(pool->taken);
  g_free(pool->state_path);
  g_free(pool);
}

/* Not synced: after a power cut every pod is new, and an older place to go on from is good enough. */
static void write_state(const AddressPool *pool)
{
  PodAddresses addresses;
  address_pool_addresses(pool, pool->next, &addresses);
  g_autofree char *text = ip_address_text(&addresses.of[0]);
  if (!g_file_set_contents_full(pool->state_path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL))
    g_warning("cannot write %s", pool->state_path);
}

uint32_t address_pool_take(AddressPool *pool, GError **error)
{
  uint32_t usable = pool->count - NUMBER_FIRST - 1;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&pool->lock);
  for (uint32_t tried = 0; tried < usable; tried++) {
    uint32_t number = pool->next;
    pool->next = pool->next + 1 < pool->count - 1 ? pool->next + 1 : NUMBER_FIRST;
    if (g_hash_table_contains(pool->taken, GUINT_TO_POINTER(number)))
      continue;
    g_hash_table_add(pool->taken, GUINT_TO_POINTER(number));
    write_state(pool);
    return number;
  }
  reason_set(error, REASON_RUNTIME, "no free pod address: all %u are in use", usable);
  return 0;
}

void address_pool_mark(AddressPool *pool, uint32_t number)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&pool->lock);
  if (number != 0)
    g_hash_table_add(pool->taken, GUINT_TO_POINTER(number));
}

void address_pool_release(AddressPool *pool, uint32_t number)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&pool->lock);
  g_hash_table_remove(pool->taken, GUINT_TO_POINTER(number));
}
