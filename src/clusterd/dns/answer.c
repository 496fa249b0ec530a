#include "clusterd/dns/answer.h"

#include <ldns/ldns.h>
#include <string.h>

#define RECORDS_MAX 4096 /* of one message */

typedef struct Record {
  uint16_t ttl, end; /* offsets; RFC 1035's messages are 64 KiB at most */
} Record;

struct Answer {
  unsigned references;
  uint32_t ttl;
  uint16_t flags, question_end;
  uint16_t records, counts[3]; /* answer, authority, additional */
  /* A run of addresses of one name and size, whose order does not matter: clients take the first. */
  uint16_t run_start, run_stride, run_length;
  size_t length;
  Record *record;
  uint8_t wire[];
};

static bool is_address(uint16_t type)
{
  return type == LDNS_RR_TYPE_A || type == LDNS_RR_TYPE_AAAA;
}

/* Notes a record of the answer section; a run ends with the first record that does not go on with it. */
static void note_run(Answer *answer, size_t start, size_t end, uint16_t type)
{
  size_t stride = end - start;
  if (!is_address(type))
    return;
  if (answer->run_length == 0) {
    answer->run_start = (uint16_t)start;
    answer->run_stride = (uint16_t)stride;
    answer->run_length = 1;
  } else if (answer->run_stride == stride && start == answer->run_start + (size_t)answer->run_length * stride &&
             memcmp(answer->wire + start, answer->wire + answer->run_start, 4) == 0) {
    answer->run_length++; /* the owner, which is a pointer, and the type are those of the first */
  }
}

/* Of the SOA, the less of its own time and its last field. */
static uint32_t negative_ttl(const Answer *answer, size_t fixed, size_t end)
{
  return MIN(message_u32(answer->wire + fixed + 4), message_u32(answer->wire + end - 4));
}

/* Finds the records. False when the bytes are no message, which those of ldns are. */
static bool note_records(Answer *answer)
{
  size_t at = answer->question_end;
  uint32_t least = UINT32_MAX, negative = 0;
  for (unsigned i = 0; i < answer->records; i++) {
    size_t start = at, fixed = message_skip_name(answer->wire, answer->length, at);
    if (fixed == 0 || fixed + 10 > answer->length)
      return false;
    at = fixed + 10 + message_u16(answer->wire + fixed + 8);
    if (at > answer->length)
      return false;
    uint16_t type = message_u16(answer->wire + fixed);
    answer->record[i] = (Record){ .ttl = (uint16_t)(fixed + 4), .end = (uint16_t)at };
    least = MIN(least, message_u32(answer->wire + fixed + 4));
    if (i < answer->counts[0])
      note_run(answer, start, at, type);
    else if (type == LDNS_RR_TYPE_SOA && i < answer->counts[0] + answer->counts[1] && at >= fixed + 30)
      negative = negative_ttl(answer, fixed, at);
  }
  if (answer_is_negative(answer))
    answer->ttl = negative;
  else
    answer->ttl = answer->records > 0 ? least : 0;
  return true;
}

/* Takes the last N records of a section away. */
static void drop_records(ldns_pkt *packet, ldns_pkt_section section, ldns_rr_list *list, size_t n)
{
  for (; n > 0; n--)
    ldns_rr_free(ldns_rr_list_pop_rr(list));
  ldns_pkt_set_section_count(packet, section, (uint16_t)ldns_rr_list_rr_count(list));
}

/* Leaves out what may be left out, then a part of the answer, which is said. False when nothing is left. */
static bool shorten(ldns_pkt *packet)
{
  size_t additional = ldns_pkt_arcount(packet), answers = ldns_pkt_ancount(packet);
  if (additional > 0) {
    drop_records(packet, LDNS_SECTION_ADDITIONAL, ldns_pkt_additional(packet), additional);
    return true;
  }
  ldns_pkt_set_tc(packet, true);
  drop_records(packet, LDNS_SECTION_ANSWER, ldns_pkt_answer(packet), answers / 8 + (answers > 0));
  return answers > 0;
}

/* PACKET in at most MESSAGE_MAX bytes, for free(3); NULL when ldns cannot write it. */
static uint8_t *write_wire(ldns_pkt *packet, size_t *length)
{
  for (;;) {
    uint8_t *wire = NULL;
    if (ldns_pkt2wire(&wire, packet, length) != LDNS_STATUS_OK)
      return NULL;
    if (*length <= MESSAGE_MAX)
      return wire;
    free(wire);
    if (!shorten(packet))
      return NULL;
  }
}

Answer *answer_new(ldns_pkt *packet)
{
  size_t length = 0;
  unsigned records = ldns_pkt_ancount(packet) + ldns_pkt_nscount(packet) + ldns_pkt_arcount(packet);
  uint8_t *wire = records <= RECORDS_MAX ? write_wire(packet, &length) : NULL;
  if (!wire)
    return NULL;
  Answer *answer = NULL;
  size_t end = message_skip_name(wire, length, MESSAGE_HEADER_SIZE);
  if (end > 0 && end + 4 <= length && message_u16(wire + 4) == 1) {
    answer = g_malloc0(sizeof *answer + length);
    answer->references = 1;
    answer->length = length;
    answer->question_end = (uint16_t)(end + 4);
    answer->flags = message_u16(wire + 2);
    memcpy(answer->wire, wire, length);
    for (unsigned i = 0; i < 3; i++)
      answer->records = (uint16_t)(answer->records + (answer->counts[i] = message_u16(wire + 6 + 2 * i)));
    answer->record = g_new0(Record, answer->records + 1u);
    if (answer->records > RECORDS_MAX || !note_records(answer))
      g_clear_pointer(&answer, answer_unref);
  }
  free(wire);
  return answer;
}

Answer *answer_ref(Answer *answer)
{
  answer->references++;
  return answer;
}

void answer_unref(Answer *answer)
{
  if (!answer || --answer->references > 0)
    return;
  g_free(answer->record);
  g_free(answer);
}

uint32_t answer_ttl(const Answer *answer)
{
  return answer->ttl;
}

uint8_t answer_rcode(const Answer *answer)
{
  return answer->flags & FLAG_RCODE;
}

bool answer_is_negative(const Answer *answer)
{
  return answer_rcode(answer) == LDNS_RCODE_NXDOMAIN || answer->counts[0] == 0;
}

size_t answer_size(const Answer *answer)
{
  return sizeof *answer + answer->length + answer->records * sizeof *answer->record;
}

const uint8_t *answer_wire(const Answer *answer, size_t *length)
{
  *length = answer->length;
  return answer->wire;
}

static uint32_t next_random(void)
{
  static _Thread_local uint32_t state;
  if (state == 0)
    state = g_random_int() | 1;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

static void shuffle(const Answer *answer, uint8_t *out)
{
  size_t stride = answer->run_stride;
  uint8_t kept[64], *base = out + answer->run_start;
  if (answer->run_length < 2 || stride > sizeof kept)
    return; /* an owner written out, of several aliases: rare */
  for (unsigned i = answer->run_length; i > 1; i--) {
    unsigned k = (unsigned)((uint64_t)next_random() * i >> 32);
    memcpy(kept, base + k * stride, stride);
    memmove(base + k * stride, base + (i - 1) * stride, stride);
    memcpy(base + (i - 1) * stride, kept, stride);
  }
}

/* How many records fit in LIMIT bytes. */
static unsigned fitting(const Answer *answer, size_t limit)
{
  unsigned n = answer->records;
  while (n > 0 && answer->record[n - 1].end > limit)
    n--;
  return n;
}

static void put_header(uint8_t *out, const Question *question, uint16_t flags)
{
  message_put_u16(out, question->id);
  message_put_u16(out + 2, (uint16_t)(flags | FLAG_QR | FLAG_RA | (question->flags & (FLAG_RD | FLAG_CD))));
}

/* The OPT that answers one: our size, the upper bits of the response code. */
static size_t put_opt(uint8_t *out, const Question *question, uint8_t rcode)
{
  const uint8_t opt[OPT_SIZE] = {
    0, 0, TYPE_OPT, UDP_SIZE_MAX >> 8, UDP_SIZE_MAX & 0xff, (uint8_t)(rcode >> 4), 0, question->dnssec_ok ? 0x80 : 0
  };
  memcpy(out, opt, sizeof opt);
  return sizeof opt;
}

static void put_counts(uint8_t *out, const Answer *answer, unsigned kept, bool opt)
{
  for (unsigned i = 0; i < 3; i++) {
    unsigned here = MIN(kept, answer->counts[i]);
    kept -= here;
    message_put_u16(out + 6 + 2 * i, (uint16_t)(here + (i == 2 && opt)));
  }
}

size_t answer_write(const Answer *answer, const Question *question, uint32_t age, size_t limit, uint8_t *out)
{
  size_t opt = question->edns ? OPT_SIZE : 0, length = answer->length;
  unsigned kept = answer->records, needed = answer->counts[0] + answer->counts[1];
  uint16_t flags = answer->flags & (FLAG_AA | FLAG_TC | FLAG_RCODE);
  if (question->dnssec_ok || (question->flags & FLAG_AD))
    flags |= answer->flags & FLAG_AD;
  if (length + opt <= limit) {
    memcpy(out, answer->wire, length);
    shuffle(answer, out);
  } else {
    g_autofree uint8_t *whole = g_memdup2(answer->wire, length);
    shuffle(answer, whole); /* first, so that another part is left out each time */
    kept = fitting(answer, limit - opt);
    length = kept > 0 ? answer->record[kept - 1].end : answer->question_end;
    memcpy(out, whole, length);
    if (kept < needed)
      flags |= FLAG_TC;
  }
  put_header(out, question, flags);
  memcpy(out + MESSAGE_HEADER_SIZE, question->asked, question->name_length);
  for (unsigned i = 0; age > 0 && i < kept; i++) {
    uint32_t ttl = message_u32(answer->wire + answer->record[i].ttl);
    message_put_u32(out + answer->record[i].ttl, ttl > age ? ttl - age : 0);
  }
  put_counts(out, answer, kept, opt > 0);
  return opt > 0 ? length + put_opt(out + length, question, 0) : length;
}

size_t answer_refuse(const Question *question, uint8_t rcode, uint8_t *out)
{
  size_t length = MESSAGE_HEADER_SIZE;
  memset(out, 0, MESSAGE_HEADER_SIZE);
  put_header(out, question, (uint16_t)((question->flags & FLAG_OPCODE) | (rcode & FLAG_RCODE)));
  if (question->name_length > 0) {
    message_put_u16(out + 4, 1);
    memcpy(out + length, question->asked, question->name_length);
    length += question->name_length;
    message_put_u16(out + length, question->type);
    message_put_u16(out + length + 2, question->class_);
    length += 4;
  }
  if (question->edns) {
    message_put_u16(out + 10, 1);
    length += put_opt(out + length, question, rcode);
  }
  return length;
}
