#pragma once
/*
 * The node's whole packet rules as one nftables transaction in table `ip launcher`: services, node ports, host ports,
 * masquerading of pods, and network policies. A pure function of API objects. Source: nft(8); KEP-3866 for the shape
 * (verdict maps, so that a packet costs one lookup however many services there are).
 */
#include <glib.h>
#include <stdbool.h>

typedef struct RulesetInput {
  const GPtrArray *services; /* json_t* */
  const GPtrArray *slices;   /* json_t*, discovery.k8s.io/v1 EndpointSlice */
  const GPtrArray *pods;     /* json_t*, those of this node: their hostPorts */
  /* json_t* of the whole cluster */
  const GPtrArray *policies, *namespaces, *all_pods;
  const char *node_name;
  const char *pod_cidr;    /* "10.244.0.0/24" */
  const char *reserved_ip; /* see service_ports_read; may be NULL */
} RulesetInput;

typedef struct Ruleset {
  char *text;          /* for `nft -f -` */
  GPtrArray *ports;    /* ServicePort*, what it was made from */
  GHashTable *objects; /* set of "chain NAME" and "set NAME" that the text leaves in the table beyond the fixed ones */
} Ruleset;

/* PREVIOUS is what the last applied text left (its `objects`), so that what is no longer wanted is deleted and the
 * clients remembered for session affinity stay; NULL when unknown: the table is then made anew. */
Ruleset *ruleset_build(const RulesetInput *input, GHashTable *previous);
void ruleset_free(Ruleset *ruleset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ruleset, ruleset_free)
