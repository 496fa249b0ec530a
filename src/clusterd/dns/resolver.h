#pragma once
/*
 * What cluster DNS answers: a function of the query and of the cluster's services. Source: Kubernetes DNS-Based Service
 * Discovery, version 1.1.0 (kubernetes/dns docs/specification.md); RFC 1035, 2308, 2782.
 */
#include <glib.h>
#include <jansson.h>
#include <ldns/packet.h>
#include <stdbool.h>
#include <stdint.h>

/* Where the resolver looks things up; new references, called on the DNS thread. */
typedef struct DnsFacts {
  void *data;
  json_t *(*service)(void *data, const char *namespace_, const char *name);      /* NULL: none */
  GPtrArray *(*slices)(void *data, const char *namespace_, const char *service); /* json_t*, elements freed with it */
  bool (*namespace_exists)(void *data, const char *namespace_);
  GPtrArray *(*services_at)(void *data, const char *ip); /* by cluster IP */
  GPtrArray *(*slices_at)(void *data, const char *ip);   /* with an endpoint of this address */
  json_t *(*config_map)(void *data);                     /* kube-system/kube-dns (see forwarding.h); NULL: none */
} DnsFacts;

/* The answer to QUERY within ZONE ("cluster.local") as a packet the caller frees; NULL when the question is not ours
 * and has to be forwarded. *CHASE gets the name outside the zone that a CNAME in the answer points to, whose records
 * should be added (the caller frees), else NULL. */
ldns_pkt *resolver_answer(const DnsFacts *facts, const char *zone, const ldns_pkt *query, char **chase);

/* An empty answer to QUERY with the response code given. The caller frees. */
ldns_pkt *resolver_refuse(const ldns_pkt *query, uint8_t rcode);

/* Parses LENGTH bytes of a query. NULL when it is nothing that can be answered. *RCODE gets what to refuse it with: 0
 * when it is a plain question. The caller frees. */
ldns_pkt *resolver_parse(const uint8_t *wire, size_t length, uint8_t *rcode);

/* The wire form of ANSWER in at most LIMIT bytes; what does not fit is left out and the packet marked truncated. */
GBytes *resolver_pack(ldns_pkt *answer, size_t limit);

/* How many bytes the sender of QUERY takes over UDP. */
size_t resolver_udp_limit(const ldns_pkt *query);
