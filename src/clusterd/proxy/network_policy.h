#pragma once
/*
 * Network policies as chains and sets of the service proxy's table. A packet is judged where it is forwarded, after
 * services' addresses were translated: one map tells by a pod's address whether policies isolate it, and its chain
 * holds only the policies that select it. So what a packet costs depends neither on how many policies nor on how many
 * pods there are, and a pod or label that changes changes elements of sets. What rules name alike (the same selectors,
 * the same port name) is one set. Source: Kubernetes "Network Policies", networking.k8s.io/v1.
 */
#include <glib.h>
#include <jansson.h>

#include "clusterd/proxy/policy_pods.h"

typedef struct PolicyText {
  GString *sets, *chains; /* appended to */
  GHashTable *objects;    /* as Ruleset.objects, added to */
} PolicyText;

/* Appends what POLICIES (json_t*) ask for; nothing at all when there are none. PODS_INPUT tells the pods and this node;
 * POD_CIDR where its pods' addresses are. The table must have a set "hairpins". */
void network_policy_append(const PolicyText *text, const GPtrArray *policies, const PolicyPodsInput *pods_input,
                           const char *pod_cidr);
