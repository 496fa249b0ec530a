#pragma once
/*
 * Network policies as chains and sets of the service proxy's table. A packet is judged where it is forwarded, after
 * services' addresses were translated: one map tells by a pod's address whether policies isolate it, and its chain
 * holds only the policies that select it. So what a packet costs depends neither on how many policies nor on how many
 * pods there are, and a pod or label that changes changes elements of sets, not rules. What rules name alike (the same
 * selectors, the same port name) is one set. Source: Kubernetes "Network Policies", networking.k8s.io/v1.
 */
#include <glib.h>
#include <jansson.h>

#include "clusterd/proxy/policy_pods.h"
#include "clusterd/proxy/rule_table.h"

/* Adds what POLICIES (json_t*) ask for to TABLE; nothing at all when there are none. PODS_INPUT tells the pods, this
 * node and the family; POD_RANGE where the pods' addresses of the family are. The table must have a set "hairpins". */
void network_policies_add(RuleTable *table, const GPtrArray *policies, const PolicyPodsInput *pods_input,
                          const char *pod_range);
