#pragma once
/* Connections of UDP have no end: the kernel would go on sending a client's datagrams to an endpoint that is no more,
 * or to nobody when there was none. Those that no longer fit the services are forgotten. Source: ctnetlink,
 * linux/netfilter/nfnetlink_conntrack.h. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* One connection the kernel tracks: where its first packet was sent, and who answers. */
typedef struct TrackedFlow {
  uint32_t destination, replier;           /* IPv4, network order */
  uint16_t destination_port, replier_port; /* host order */
} TrackedFlow;

/* True when FLOW goes to a UDP service of PORTS (ServicePort*) but to none of its endpoints. */
bool conntrack_is_stale(const GPtrArray *ports, const TrackedFlow *flow);

/* Deletes the stale UDP connections; nothing is asked of the kernel when PORTS has no UDP. REASON_LOCAL_NETWORK. */
bool conntrack_delete_stale(const GPtrArray *ports, GError **error);
