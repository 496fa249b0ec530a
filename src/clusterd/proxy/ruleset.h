#pragma once
/*
 * The node's whole packet rules as nftables tables, `ip launcher` and `ip6 launcher`: services, node ports, host ports,
 * masquerading of pods, network policies, and that pods send in no other's name. A pure function of API objects.
 * Source: nft(8); KEP-3866 for the shape (verdict maps, so that a packet costs one lookup however many services there
 * are).
 */
#include <glib.h>
#include <stdbool.h>

#include "base/ip_address.h"
#include "clusterd/proxy/rule_table.h"

typedef struct RulesetInput {
  const GPtrArray *services; /* json_t* */
  const GPtrArray *slices;   /* json_t*, discovery.k8s.io/v1 EndpointSlice */
  const GPtrArray *pods;     /* json_t*, those of this node: their hostPorts */
  /* json_t* of the whole cluster */
  const GPtrArray *policies, *namespaces, *all_pods;
  const char *node_name;
  const char *zone;                    /* of this node, NULL: none */
  const char *pod_ranges[IP_FAMILIES]; /* "10.244.0.0/24"; NULL: no pod has an address of the family */
  const char *reserved_ip;             /* see ServicePortsInput; may be NULL */
} RulesetInput;

/* One family's part. */
typedef struct FamilyRules {
  RuleTable *table;      /* NULL: the family is not in use */
  GPtrArray *ports;      /* ServicePort*; may be NULL as table */
  GPtrArray *host_ports; /* HostPort*; the same */
} FamilyRules;

typedef struct Ruleset {
  FamilyRules of[IP_FAMILIES];
} Ruleset;

Ruleset *ruleset_build(const RulesetInput *input);
void ruleset_free(Ruleset *ruleset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ruleset, ruleset_free)

/* For `nft -f`: what turns BEFORE (NULL: unknown, all is made anew) into RULESET, "" when nothing. The caller frees. */
char *ruleset_change(const Ruleset *before, const Ruleset *ruleset);
