#pragma once
/* The pods' addresses. A pod has one of each range, at the same place in all: a number stands for the pod. A released
 * one comes back only after all others were given, so that what still talks to a pod that is gone does not reach a new
 * one. Any thread. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ip_address.h"

typedef struct AddressPool AddressPool;

/* The addresses of one family, or of both, primary first. */
typedef struct PodAddresses {
  unsigned count;
  IpAddress of[IP_FAMILIES];
} PodAddresses;

/* Addresses of RANGES ("10.244.0.0/24" or "10.244.0.0/24,fd00:10:244::/64"; IPv4 from /16 to /30, IPv6 from /8 to /126)
 * without the network's own, the first (the node's own among its pods) and the last. STATE_PATH remembers where to go
 * on. REASON_CONFIG. */
AddressPool *address_pool_new(const char *ranges, const char *state_path, GError **error);
void address_pool_free(AddressPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AddressPool, address_pool_free)

/* The ranges themselves; their number. */
unsigned address_pool_ranges(const AddressPool *pool, const IpRange **ranges);
/* The node's own addresses among its pods. */
void address_pool_gateways(const AddressPool *pool, PodAddresses *gateways);

/* The next free number; 0 with REASON_RUNTIME when all are taken. */
uint32_t address_pool_take(AddressPool *pool, GError **error);
/* What NUMBER stands for. */
void address_pool_addresses(const AddressPool *pool, uint32_t number, PodAddresses *addresses);
/* The number of the pod with the address TEXT (may be NULL); 0 when it is none of ours. */
uint32_t address_pool_number(const AddressPool *pool, const char *text);

/* Marks NUMBER as taken (a sandbox from before a restart). 0 is ignored, as by release. */
void address_pool_mark(AddressPool *pool, uint32_t number);
void address_pool_release(AddressPool *pool, uint32_t number);
