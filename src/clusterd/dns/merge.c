#include "clusterd/dns/merge.h"

#include <glib.h>
#include <ldns/ldns.h>

#include "clusterd/dns/resolver.h"

static void copy_records(ldns_pkt *to, ldns_pkt_section section, const ldns_rr_list *records, uint32_t ttl_max)
{
  for (size_t i = 0; records && i < ldns_rr_list_rr_count(records); i++) {
    const ldns_rr *record = ldns_rr_list_rr(records, i);
    if (ldns_rr_get_type(record) == LDNS_RR_TYPE_OPT)
      continue;
    ldns_rr *rr = ldns_rr_clone(record);
    if (ttl_max > 0)
      ldns_rr_set_ttl(rr, MIN(ldns_rr_ttl(rr), ttl_max));
    ldns_pkt_push_rr(to, section, rr);
  }
}

static void copy_sections(ldns_pkt *to, const ldns_pkt *from, uint32_t ttl_max)
{
  copy_records(to, LDNS_SECTION_ANSWER, ldns_pkt_answer(from), ttl_max);
  copy_records(to, LDNS_SECTION_AUTHORITY, ldns_pkt_authority(from), ttl_max);
  copy_records(to, LDNS_SECTION_ADDITIONAL, ldns_pkt_additional(from), ttl_max);
}

ldns_pkt *merge_forwarded(const uint8_t *name, size_t length, uint16_t type, const uint8_t *reply, size_t reply_length,
                          uint32_t ttl_max)
{
  ldns_pkt *found = NULL;
  if (ldns_wire2pkt(&found, reply, reply_length) != LDNS_STATUS_OK)
    return NULL;
  ldns_pkt *packet = resolver_begin(name, length, type, ldns_pkt_get_rcode(found));
  ldns_pkt_set_aa(packet, ldns_pkt_aa(found));
  ldns_pkt_set_ad(packet, ldns_pkt_ad(found));
  copy_sections(packet, found, ttl_max);
  ldns_pkt_free(found);
  return packet;
}

void merge_chased(ldns_pkt *begun, const Answer *answer)
{
  size_t length;
  const uint8_t *wire = answer_wire(answer, &length);
  ldns_pkt *found = NULL;
  if (ldns_wire2pkt(&found, wire, length) != LDNS_STATUS_OK)
    return;
  copy_sections(begun, found, 0);
  ldns_pkt_set_rcode(begun, ldns_pkt_get_rcode(found));
  ldns_pkt_free(found);
}

static void rename_owners(ldns_rr_list *records, const ldns_rdf *from, const ldns_rdf *to)
{
  for (size_t i = 0; records && i < ldns_rr_list_rr_count(records); i++) {
    ldns_rr *rr = ldns_rr_list_rr(records, i);
    if (ldns_dname_compare(ldns_rr_owner(rr), from) != 0)
      continue;
    ldns_rdf_deep_free(ldns_rr_owner(rr));
    ldns_rr_set_owner(rr, ldns_rdf_clone(to));
  }
}

ldns_pkt *merge_rename(ldns_pkt *packet, const uint8_t *from, size_t from_length, const uint8_t *to, size_t to_length)
{
  ldns_rdf *old_name = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, from_length, from);
  ldns_rdf *new_name = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, to_length, to);
  rename_owners(ldns_pkt_question(packet), old_name, new_name);
  rename_owners(ldns_pkt_answer(packet), old_name, new_name);
  ldns_rdf_deep_free(old_name);
  ldns_rdf_deep_free(new_name);
  return packet;
}
