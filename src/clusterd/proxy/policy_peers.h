#pragma once
/* Whom a rule of a network policy speaks of: its peers' addresses and ports as text for nftables. */
#include <glib.h>
#include <jansson.h>

#include "clusterd/proxy/policy_pods.h"

/* What tells one set of peers from another: rules with equal keys share one set. PEERS is `from` or `to` of a policy of
 * NAMESPACE_. The caller frees. */
char *policy_peers_key(const json_t *peers, const char *namespace_);

/* The addresses of PEERS, joined: pods by selectors, blocks without what they except. Array of NumberRange. */
GArray *policy_peers_addresses(const json_t *peers, const char *namespace_, const PolicyPods *pods);

/* "10.244.0.2, 10.244.0.8-10.244.0.11": elements of an interval set. The caller frees. */
char *policy_addresses_text(const GArray *ranges);

/* The numbers in PORTS (a rule's `ports`) as elements "tcp . 80, udp . 5000-5010" of an interval set; NULL when there
 * are none. The caller frees. */
char *policy_ports_text(const json_t *ports);
