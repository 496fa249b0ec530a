/* A nameserver's reply: whatever comes is refused, or becomes an answer that is a message; also after a rewritten name,
 * behind an alias, and cut to what UDP takes. */
#include <glib.h>
#include <ldns/ldns.h>

#include "clusterd/dns/exchange.h"
#include "clusterd/dns/merge.h"
#include "clusterd/dns/resolver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* www.example.org, and what it was rewritten from */
static const uint8_t name[] = "\3www\7example\3org", other[] = "\4shop\4test";

static void check_written(ldns_pkt *packet, const uint8_t *owner, size_t owner_length)
{
  Question question = { .type = LDNS_RR_TYPE_A, .class_ = LDNS_RR_CLASS_IN, .edns = true, .udp_size = 600 };
  uint8_t out[600];
  g_autoptr(Answer) answer = answer_new(packet);
  if (!answer)
    return;
  question.name_length = (uint8_t)owner_length;
  memcpy(question.asked, owner, owner_length);
  size_t length = answer_write(answer, &question, 7, sizeof out, out);
  g_assert_cmpuint(length, <=, sizeof out);
  ldns_pkt *back = NULL;
  g_assert_cmpint(ldns_wire2pkt(&back, out, length), ==, LDNS_STATUS_OK);
  ldns_pkt_free(back);
  ldns_pkt *begun = resolver_begin(other, sizeof other, LDNS_RR_TYPE_A, LDNS_RCODE_NOERROR);
  merge_chased(begun, answer);
  g_autoptr(Answer) chased = answer_new(begun);
  ldns_pkt_free(begun);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  uint8_t query[MESSAGE_HEADER_SIZE + sizeof name + 4] = { 0, 0, 1, 0, 0, 1 };
  memcpy(query + MESSAGE_HEADER_SIZE, name, sizeof name);
  query[sizeof query - 3] = LDNS_RR_TYPE_A;
  query[sizeof query - 1] = LDNS_RR_CLASS_IN;
  exchange_is_reply(query, sizeof query, 0, data, size);
  ldns_pkt *packet = merge_forwarded(name, sizeof name, LDNS_RR_TYPE_A, data, size, 30);
  if (!packet)
    return 0;
  check_written(packet, name, sizeof name);
  packet = merge_rename(packet, name, sizeof name, other, sizeof other);
  check_written(packet, other, sizeof other);
  ldns_pkt_free(packet);
  return 0;
}
