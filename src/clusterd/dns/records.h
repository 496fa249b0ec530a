#pragma once
/* Resource records, made with ldns. OWNER is copied. Names are given without the final dot. Each result is the
 * caller's. */
#include <ldns/ldns.h>
#include <stdint.h>

#define RECORD_TTL_SECONDS 5 /* how long a change of endpoints may stay unseen */

ldns_rr *record_a(const ldns_rdf *owner, const char *ip);
ldns_rr *record_cname(const ldns_rdf *owner, const char *target);
ldns_rr *record_ptr(const ldns_rdf *owner, const char *target);
ldns_rr *record_srv(const ldns_rdf *owner, uint16_t weight, uint16_t port, const char *target);
ldns_rr *record_txt(const ldns_rdf *owner, const char *text);
ldns_rr *record_ns(const ldns_rdf *owner, const char *target);
/* The start of authority of ZONE, as negative answers carry it (RFC 2308). */
ldns_rr *record_soa(const char *zone);
