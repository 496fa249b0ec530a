#pragma once
/*
 * The pods' links. Each pod has eth0, one end of a veth pair whose other end is the node's, and no neighbour but the
 * node: a pod's addresses are single ones (/32, /128), its routes lead to the node's address among its pods, and the
 * node has a route to each pod's end. So every packet is routed by the node: the service proxy's translations and
 * network policies see traffic between pods of this node as well, without br_netfilter, no pod sees another's frames,
 * and where a packet came in tells which pod sent it. Both sides know each other's hardware address from the start:
 * nobody asks for it, and no address waits until it is known to be unique.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/node/sandbox/address_pool.h"

/* Makes the bridge NAME where absent, brings it up with the first address of each of RANGES, and lets the node forward.
 * The bridge has no ports of ours: it holds the node's addresses among its pods. REASON_RUNTIME. */
bool network_make_bridge(const char *name, const IpRange *ranges, unsigned n_ranges, GError **error);

typedef struct NetworkPort {
  const char *host_name; /* of the node's end, ≤ 15 bytes; "pod…" (the proxy's rules know pods' links by that) */
  PodAddresses addresses, gateways;
} NetworkPort;

/* A netlink socket of the calling thread's network namespace (struct nl_sock). NULL with REASON_RUNTIME. */
struct nl_sock *network_socket_open(GError **error);

/* Gives the calling thread's network namespace its loopback and eth0; HOST is a socket opened in the node's namespace.
 */
bool network_attach(struct nl_sock *host, const NetworkPort *port, GError **error);
