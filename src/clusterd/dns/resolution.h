#pragma once
/* One name on its way to an answer: what the resolver's files share. */
#include <ldns/ldns.h>

#include "clusterd/dns/resolver.h"

#define ANSWERS_MAX 1000 /* endpoints of one name */

typedef struct Resolution {
  const DnsFacts *facts;
  const ClusterZone *zone;
  ldns_rr_type type;
  const ldns_rdf *owner; /* what the records are called */
  ldns_pkt *answer;
  bool exists; /* the name has records of some type, or names below it */
  unsigned depth;
  char **chase;
  GHashTable *noted; /* set of char*, what is in the answer; NULL: nothing yet */
} Resolution;

/* Notes that an address or a record of TYPE exists, and answers with it when it was asked for. */
void resolution_add_address(Resolution *r, const char *ip);
bool resolution_wants(const Resolution *r, ldns_rr_type type);
/* Takes RR; NULL is nothing. */
void resolution_add(Resolution *r, ldns_rr *rr);

/* True the first time KEY (taken) is given: an endpoint may be in several slices, but is answered once. */
bool resolution_note(Resolution *r, char *key);

/* One SRV record, once, and with it the address of its target. */
void resolution_add_srv(Resolution *r, uint16_t port, const char *target, const char *ip);
/* All weights together are about 100, as with CoreDNS: every target gets the same. */
void resolution_even_weights(Resolution *r);

/* What an SRV question asks for; NULL members: any port. */
typedef struct SrvFilter {
  const char *port, *protocol;
  const char *namespace_, *service;
} SrvFilter;

bool srv_matches(const SrvFilter *filter, const json_t *port);

/* Addresses of the ready endpoints of a service; LABEL: of that one alone. */
void endpoints_add_addresses(Resolution *r, const char *namespace_, const char *service, const char *label);
void endpoints_add_srv(Resolution *r, const SrvFilter *filter);
/* The names of endpoints at IP. */
void endpoints_add_names(Resolution *r, const char *ip);
