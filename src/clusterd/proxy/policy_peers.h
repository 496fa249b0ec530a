#pragma once
/* Whom a rule of a network policy speaks of: its peers' addresses and ports as text for nftables. */
#include <glib.h>
#include <jansson.h>

#include "clusterd/proxy/policy_pods.h"
#include "clusterd/proxy/rule_table.h"

/* What tells one set of peers from another: rules with equal keys share one set. PEERS is `from` or `to` of a policy of
 * NAMESPACE_. The caller frees. */
char *policy_peers_key(const json_t *peers, const char *namespace_);

/* Adds the addresses of the pods that PEERS select to SET; whether PEERS select pods at all. */
bool policy_peers_have_pods(const json_t *peers);
void policy_peers_add_pods(RuleSet *set, const json_t *peers, const char *namespace_, const PolicyPods *pods);

/* The blocks of FAMILY in PEERS without what they except, joined, go to SET, one of intervals; whether there are any.
 */
bool policy_peers_have_blocks(const json_t *peers, IpFamily family);
void policy_peers_add_blocks(RuleSet *set, const json_t *peers, IpFamily family);

/* The numbers in PORTS (a rule's `ports`) as elements "tcp . 80, udp . 5000-5010" of an interval set; NULL when there
 * are none. The caller frees. */
char *policy_ports_text(const json_t *ports);
