#include "clusterd/dns/records.h"

#include <arpa/inet.h>
#include <glib.h>
#include <stdbool.h>
#include <string.h>

static ldns_rr *begin(const ldns_rdf *owner, uint32_t ttl, ldns_rr_type type)
{
  ldns_rr *rr = ldns_rr_new();
  ldns_rr_set_owner(rr, ldns_rdf_clone(owner));
  ldns_rr_set_type(rr, type);
  ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
  ldns_rr_set_ttl(rr, ttl);
  return rr;
}

/* A name ldns does not take (an ExternalName with a label too long) becomes the root. */
static void push_name(ldns_rr *rr, const char *name)
{
  ldns_rdf *rdf = ldns_dname_new_frm_str(name);
  ldns_rr_push_rdf(rr, rdf ? rdf : ldns_dname_new_frm_str("."));
}

static void push_int16(ldns_rr *rr, uint16_t value)
{
  ldns_rr_push_rdf(rr, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, value));
}

static ldns_rr *with_name(const ldns_rdf *owner, uint32_t ttl, ldns_rr_type type, const char *target)
{
  ldns_rr *rr = begin(owner, ttl, type);
  push_name(rr, target);
  return rr;
}

ldns_rr *record_address(const ldns_rdf *owner, uint32_t ttl, const char *ip)
{
  struct in6_addr address;
  bool is_ip6 = strchr(ip, ':') != NULL;
  if (inet_pton(is_ip6 ? AF_INET6 : AF_INET, ip, &address) != 1)
    return NULL;
  ldns_rr *rr = begin(owner, ttl, is_ip6 ? LDNS_RR_TYPE_AAAA : LDNS_RR_TYPE_A);
  ldns_rr_push_rdf(rr, is_ip6 ? ldns_rdf_new_frm_data(LDNS_RDF_TYPE_AAAA, sizeof address, &address)
                              : ldns_rdf_new_frm_data(LDNS_RDF_TYPE_A, sizeof(struct in_addr), &address));
  return rr;
}

ldns_rr *record_cname(const ldns_rdf *owner, uint32_t ttl, const char *target)
{
  return with_name(owner, ttl, LDNS_RR_TYPE_CNAME, target);
}

ldns_rr *record_ptr(const ldns_rdf *owner, uint32_t ttl, const char *target)
{
  return with_name(owner, ttl, LDNS_RR_TYPE_PTR, target);
}

ldns_rr *record_ns(const ldns_rdf *owner, uint32_t ttl, const char *target)
{
  return with_name(owner, ttl, LDNS_RR_TYPE_NS, target);
}

ldns_rr *record_srv(const ldns_rdf *owner, uint32_t ttl, uint16_t weight, uint16_t port, const char *target)
{
  ldns_rr *rr = begin(owner, ttl, LDNS_RR_TYPE_SRV);
  push_int16(rr, 0);
  push_int16(rr, weight);
  push_int16(rr, port);
  push_name(rr, target);
  return rr;
}

ldns_rr *record_txt(const ldns_rdf *owner, uint32_t ttl, const char *text)
{
  ldns_rr *rr = begin(owner, ttl, LDNS_RR_TYPE_TXT);
  ldns_rr_push_rdf(rr, ldns_rdf_new_frm_str(LDNS_RDF_TYPE_STR, text));
  return rr;
}

ldns_rr *record_soa(const char *zone, uint32_t ttl)
{
  const uint32_t times[] = { 1, 7200, 1800, 86400, ttl }; /* serial refresh retry expire minimum */
  g_autofree char *server = g_strdup_printf("ns.dns.%s", zone), *mailbox = g_strdup_printf("hostmaster.%s", zone);
  ldns_rdf *owner = ldns_dname_new_frm_str(zone);
  ldns_rr *rr = begin(owner, ttl, LDNS_RR_TYPE_SOA);
  ldns_rdf_deep_free(owner);
  push_name(rr, server);
  push_name(rr, mailbox);
  for (size_t i = 0; i < G_N_ELEMENTS(times); i++)
    ldns_rr_push_rdf(rr, ldns_native2rdf_int32(i == 0 ? LDNS_RDF_TYPE_INT32 : LDNS_RDF_TYPE_PERIOD, times[i]));
  return rr;
}
