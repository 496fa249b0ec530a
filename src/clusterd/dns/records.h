#pragma once
/* Resource records, made with ldns. OWNER is copied. Names are given with or without the final dot. Each result is the
 * caller's. */
#include <ldns/ldns.h>
#include <stdint.h>

/* An A or AAAA record, as IP is written; NULL when it is no address. */
ldns_rr *record_address(const ldns_rdf *owner, uint32_t ttl, const char *ip);
ldns_rr *record_cname(const ldns_rdf *owner, uint32_t ttl, const char *target);
ldns_rr *record_ptr(const ldns_rdf *owner, uint32_t ttl, const char *target);
ldns_rr *record_srv(const ldns_rdf *owner, uint32_t ttl, uint16_t weight, uint16_t port, const char *target);
ldns_rr *record_txt(const ldns_rdf *owner, uint32_t ttl, const char *text);
ldns_rr *record_ns(const ldns_rdf *owner, uint32_t ttl, const char *target);
/* The start of authority of ZONE, as negative answers carry it (RFC 2308): they are kept for TTL. */
ldns_rr *record_soa(const char *zone, uint32_t ttl);
