#include "clusterd/dns/question.h"

#include <glib.h>
#include <ldns/packet.h>
#include <string.h>

/* As many records as a query may carry behind its question; others are malformed, as with CoreDNS. */
#define ANSWERS_MAX 1
#define AUTHORITIES_MAX 1
#define ADDITIONALS_MAX 2

#define RECORD_FIXED 10 /* type, class, ttl, length of data */

/* Upper case to lower; lengths of labels, at most 63, are below 'A'. */
static inline uint8_t lower(uint8_t c)
{
  return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* The name of the question: no compression there. Its end; 0: none. */
static size_t read_name(Question *question, const uint8_t *wire, size_t length)
{
  size_t at = MESSAGE_HEADER_SIZE, n = 0;
  for (;;) {
    if (at >= length || wire[at] > 63)
      return 0;
    size_t size = wire[at] + 1u;
    if (at + size > length || n + size > NAME_WIRE_MAX)
      return 0;
    memcpy(question->asked + n, wire + at, size);
    for (size_t i = 0; i < size; i++)
      question->name[n + i] = lower(wire[at + i]);
    n += size;
    at += size;
    if (size == 1)
      break;
  }
  question->name_length = (uint8_t)n;
  return at;
}

size_t message_skip_name(const uint8_t *wire, size_t length, size_t at)
{
  while (at < length) {
    if (wire[at] >= 0xc0)
      return at + 2 <= length ? at + 2 : 0;
    if (wire[at] > 63)
      return 0;
    if (wire[at] == 0)
      return at + 1;
    at += 1u + wire[at];
  }
  return 0;
}

/* The records behind the question, of which only an OPT matters. */
static int read_records(Question *question, const uint8_t *wire, size_t length, size_t at, unsigned before,
                        unsigned additional)
{
  int rcode = 0;
  for (unsigned i = 0; i < before + additional; i++) {
    size_t owner = at;
    at = message_skip_name(wire, length, at);
    if (at == 0 || at + RECORD_FIXED > length)
      return LDNS_RCODE_FORMERR;
    size_t end = at + RECORD_FIXED + message_u16(wire + at + 8);
    if (end > length)
      return LDNS_RCODE_FORMERR;
    if (message_u16(wire + at) == TYPE_OPT) {
      if (question->edns || i < before || wire[owner] != 0) /* one, at the root */
        return LDNS_RCODE_FORMERR;
      question->edns = true;
      question->udp_size = message_u16(wire + at + 2);
      question->dnssec_ok = wire[at + 6] & 0x80;
      if (wire[at + 5] != 0)
        rcode = RCODE_BADVERS;
    }
    at = end;
  }
  return rcode;
}

int question_read(Question *question, const uint8_t *wire, size_t length)
{
  question->name_length = 0;
  question->edns = question->dnssec_ok = false;
  question->udp_size = 0;
  if (length < MESSAGE_HEADER_SIZE)
    return QUESTION_DROP;
  question->id = message_u16(wire);
  question->flags = message_u16(wire + 2);
  if (question->flags & FLAG_QR)
    return QUESTION_DROP; /* answering an answer would loop */
  if (question->flags & FLAG_OPCODE)
    return LDNS_RCODE_NOTIMPL;
  unsigned answers = message_u16(wire + 6), authorities = message_u16(wire + 8), additional = message_u16(wire + 10);
  if (message_u16(wire + 4) != 1 || answers > ANSWERS_MAX || authorities > AUTHORITIES_MAX ||
      additional > ADDITIONALS_MAX)
    return LDNS_RCODE_FORMERR;
  size_t at = read_name(question, wire, length);
  if (at == 0 || at + 4 > length) {
    question->name_length = 0;
    return LDNS_RCODE_FORMERR;
  }
  question->type = message_u16(wire + at);
  question->class_ = message_u16(wire + at + 2);
  int rcode = read_records(question, wire, length, at + 4, answers + authorities, additional);
  if (rcode != 0)
    return rcode;
  return question->class_ == LDNS_RR_CLASS_IN ? 0 : LDNS_RCODE_REFUSED;
}

size_t question_udp_limit(const Question *question)
{
  return CLAMP(question->udp_size, UDP_SIZE_PLAIN, UDP_SIZE_MAX);
}
