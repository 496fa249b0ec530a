#pragma once
/* The chains, sets and maps of services in one family's table. */
#include <glib.h>

#include "base/ip_address.h"
#include "clusterd/proxy/rule_table.h"

/* Adds what PORTS (ServicePort* of FAMILY) need: the maps "service-ips", "service-node-ports", "no-endpoint-ips",
 * "no-endpoint-node-ports" and the set "cluster-ips", which are there even when empty, and the chains they lead to.
 * POD_RANGE tells the node's pods. HAIRPINS is a set of pairs: those that a service leads to themselves are added. */
void service_rules_add(RuleTable *table, IpFamily family, const GPtrArray *ports, const char *pod_range,
                       RuleSet *hairpins);
