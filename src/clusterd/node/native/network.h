#pragma once
/*
 * The pods' links. Each pod has eth0, one end of a veth pair whose other end is a port of the bridge. A pod's address
 * is a /32 and its only neighbour the bridge: every packet is routed by the node, so that the service proxy's
 * translations and network policies see traffic between pods of this node as well, without br_netfilter.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Makes the bridge NAME with GATEWAY/PREFIX where absent, brings it up and lets the node forward. REASON_RUNTIME. */
bool network_make_bridge(const char *name, uint32_t gateway, unsigned prefix, GError **error);

typedef struct NetworkPort {
  const char *bridge;
  const char *host_name; /* of the node's end, ≤ 15 bytes */
  uint32_t address, gateway;
} NetworkPort;

/* A netlink socket of the calling thread's network namespace (struct nl_sock). NULL with REASON_RUNTIME. */
struct nl_sock *network_socket_open(GError **error);

/* Gives the calling thread's network namespace its loopback and eth0; HOST is a socket opened in the node's namespace.
 */
bool network_attach(struct nl_sock *host, const NetworkPort *port, GError **error);
