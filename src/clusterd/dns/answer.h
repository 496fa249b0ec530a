#pragma once
/*
 * An answer ready to be sent any number of times: the message's bytes, made once, and where in them what differs from
 * one client to the next is. Not changed after it was made; counted by the DNS thread alone.
 */
#include <glib.h>
#include <ldns/packet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/dns/question.h"

typedef struct Answer Answer;

/* From PACKET, whose one question names the answer. What is more than a message holds is taken out of PACKET:
 * additional records first, then answers, and it is marked truncated. The caller owns the result; NULL when ldns cannot
 * write it. */
Answer *answer_new(ldns_pkt *packet);
Answer *answer_ref(Answer *answer);
void answer_unref(Answer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Answer, answer_unref)

/* How long it may be kept, in seconds: the least of its records' times; of a negative answer what its SOA says (RFC
 * 2308); 0 when it says nothing. */
uint32_t answer_ttl(const Answer *answer);
uint8_t answer_rcode(const Answer *answer);
/* Whether it says that the name, or records of this type, are not there. */
bool answer_is_negative(const Answer *answer);
size_t answer_size(const Answer *answer);
/* The message without an OPT. Borrowed. */
const uint8_t *answer_wire(const Answer *answer, size_t *length);

/* Writes ANSWER for QUESTION, which asks for the same name and type, into OUT, which has room for LIMIT bytes: its id,
 * its case, its OPT answered, AGE seconds off every time, the addresses in an order of their own. What does not fit is
 * left out: additional records first, then the message is marked truncated. The length. */
size_t answer_write(const Answer *answer, const Question *question, uint32_t age, size_t limit, uint8_t *out);

/* An empty answer with response code RCODE. The length, which is below UDP_SIZE_PLAIN. */
size_t answer_refuse(const Question *question, uint8_t rcode, uint8_t *out);
