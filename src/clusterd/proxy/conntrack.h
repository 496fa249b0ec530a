#pragma once
/* Connections of UDP have no end: the kernel would go on sending a client's datagrams to an endpoint that is no more,
 * or to nobody when there was none. Those that no longer fit the services are forgotten. Source: ctnetlink,
 * linux/netfilter/nfnetlink_conntrack.h. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ip_address.h"
#include "clusterd/proxy/ruleset.h"

/* One connection the kernel tracks: where its first packet was sent, and who answers. */
typedef struct TrackedFlow {
  IpAddress destination, replier;
  uint16_t destination_port, replier_port; /* host order */
} TrackedFlow;

/* Where UDP is led to, by where it is sent: one look-up for each connection, however many services there are. */
typedef struct UdpTargets UdpTargets;

/* RULESET is not needed afterwards. NULL when nothing of it is UDP. */
UdpTargets *udp_targets_new(const Ruleset *ruleset);
void udp_targets_free(UdpTargets *targets);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UdpTargets, udp_targets_free)

/* True when FLOW goes to a service or host port of TARGETS but to none of its endpoints. */
bool udp_targets_are_stale(const UdpTargets *targets, const TrackedFlow *flow);

/* Deletes the stale UDP connections; nothing is asked of the kernel when RULESET has no UDP. REASON_LOCAL_NETWORK. */
bool conntrack_delete_stale(const Ruleset *ruleset, GError **error);
