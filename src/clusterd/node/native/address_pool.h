#pragma once
/* The pods' addresses. A released address comes back only after all others were given, so that what still talks to a
 * pod that is gone does not reach a new one. Any thread. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct AddressPool AddressPool;

/* Addresses of CIDR ("10.244.0.0/24", /16 to /30) without the network's own, the first (the bridge's) and the
 * broadcast. STATE_PATH remembers where to go on. REASON_CONFIG. */
AddressPool *address_pool_new(const char *cidr, const char *state_path, GError **error);
void address_pool_free(AddressPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AddressPool, address_pool_free)

/* The bridge's address, host byte order; and the length of the prefix. */
uint32_t address_pool_gateway(const AddressPool *pool);
unsigned address_pool_prefix(const AddressPool *pool);

/* The next free address, host byte order; 0 with REASON_RUNTIME when all are taken. */
uint32_t address_pool_take(AddressPool *pool, GError **error);

/* Marks ADDRESS as taken (a sandbox from before a restart). */
void address_pool_mark(AddressPool *pool, uint32_t address);
void address_pool_release(AddressPool *pool, uint32_t address);

/* Dotted text of ADDRESS and back; 0 for what is not one. The caller frees. */
char *address_text(uint32_t address);
uint32_t address_parse(const char *text);
