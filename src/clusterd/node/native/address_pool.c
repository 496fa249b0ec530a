#include "clusterd/node/native/address_pool.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/reason.h"

struct AddressPool {
  GMutex lock;          /* guards next and taken */
  uint32_t base, count; /* the network's address; addresses in it */
  unsigned prefix;
  uint32_t next;     /* offset to try first */
  GHashTable *taken; /* of addresses */
  char *state_path;
};

enum { FIRST_OFFSET = 2 }; /* after the network and the bridge */

char *address_text(uint32_t address)
{
  struct in_addr in = { .s_addr = htonl(address) };
  char text[INET_ADDRSTRLEN];
  return g_strdup(inet_ntop(AF_INET, &in, text, sizeof text));
}

uint32_t address_parse(const char *text)
{
  struct in_addr in;
  return text && inet_pton(AF_INET, text, &in) == 1 ? ntohl(in.s_addr) : 0;
}

static void read_state(AddressPool *pool)
{
  g_autoptr(GBytes) bytes = file_read(pool->state_path, INET_ADDRSTRLEN, NULL);
  gsize length = 0;
  const char *raw = bytes ? g_bytes_get_data(bytes, &length) : NULL;
  g_autofree char *text = g_strndup(raw ? raw : "", length);
  uint32_t address = address_parse(g_strstrip(text));
  pool->next = FIRST_OFFSET;
  if (address >= pool->base + FIRST_OFFSET && address < pool->base + pool->count - 1)
    pool->next = address - pool->base;
}

AddressPool *address_pool_new(const char *cidr, const char *state_path, GError **error)
{
  g_auto(GStrv) parts = g_strsplit(cidr ? cidr : "", "/", 2);
  uint32_t address = address_parse(parts[0]);
  guint64 prefix = 0;
  if (!address || !g_ascii_string_to_unsigned(parts[1] ? parts[1] : "", 10, 16, 30, &prefix, NULL)) {
    reason_set(error, REASON_CONFIG, "podCIDR \"%s\" must be an IPv4 network from /16 to /30", cidr ? cidr : "");
    return NULL;
  }
  AddressPool *pool = g_new0(AddressPool, 1);
  g_mutex_init(&pool->lock);
  pool->prefix = (unsigned)prefix;
  pool->count = UINT32_C(1) << (32 - pool->prefix);
  pool->base = address & ~(pool->count - 1);
  pool->taken = g_hash_table_new(NULL, NULL);
  pool->state_path = g_strdup(state_path);
  read_state(pool);
  return pool;
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

uint32_t address_pool_gateway(const AddressPool *pool)
{
  return pool->base + 1;
}

unsigned address_pool_prefix(const AddressPool *pool)
{
  return pool->prefix;
}

/* Not synced: after a power cut every pod is new, and an older place to go on from is good enough. */
static void write_state(const AddressPool *pool)
{
  g_autofree char *text = address_text(pool->base + pool->next);
  if (!g_file_set_contents_full(pool->state_path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL))
    g_warning("cannot write %s", pool->state_path);
}

uint32_t address_pool_take(AddressPool *pool, GError **error)
{
  uint32_t usable = pool->count - FIRST_OFFSET - 1;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&pool->lock);
  for (uint32_t tried = 0; tried < usable; tried++) {
    uint32_t address = pool->base + pool->next;
    pool->next = pool->next + 1 < pool->count - 1 ? pool->next + 1 : FIRST_OFFSET;
    if (g_hash_table_contains(pool->taken, GUINT_TO_POINTER(address)))
      continue;
    g_hash_table_add(pool->taken, GUINT_TO_POINTER(address));
    write_state(pool);
    return address;
  }
  reason_set(error, REASON_RUNTIME, "no free pod address: all %u are in use", usable);
  return 0;
}

void address_pool_mark(AddressPool *pool, uint32_t address)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&pool->lock);
  g_hash_table_add(pool->taken, GUINT_TO_POINTER(address));
}

void address_pool_release(AddressPool *pool, uint32_t address)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&pool->lock);
  g_hash_table_remove(pool->taken, GUINT_TO_POINTER(address));
}
