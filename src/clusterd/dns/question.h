#pragma once
/* A query as the hot path reads it: straight from the bytes, without an allocation. Source: RFC 1035 section 4.1, RFC
 * 6891 (EDNS). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/dns/name.h"

#define MESSAGE_HEADER_SIZE 12
#define MESSAGE_MAX 65535
#define UDP_SIZE_PLAIN 512
#define UDP_SIZE_MAX 1232 /* what passes any path unfragmented; DNS flag day 2020 */

#define FLAG_QR 0x8000
#define FLAG_OPCODE 0x7800
#define FLAG_AA 0x0400
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define FLAG_AD 0x0020
#define FLAG_CD 0x0010
#define FLAG_RCODE 0x000f

#define OPT_SIZE 11 /* without options */
#define TYPE_OPT 41
#define RCODE_BADVERS 16

typedef struct Question {
  uint16_t id, flags, type, class_;
  uint16_t udp_size; /* as its OPT says; 0: none */
  bool edns, dnssec_ok;
  uint8_t name_length;                               /* of both; 0: the name could not be read */
  uint8_t name[NAME_WIRE_MAX], asked[NAME_WIRE_MAX]; /* lower-case; as it came */
} Question;

#define QUESTION_DROP (-1)

/* Reads LENGTH bytes. 0: a question that can be answered; QUESTION_DROP: nothing that may be answered (an answer, or
 * too short); else the response code to refuse it with. */
int question_read(Question *question, const uint8_t *wire, size_t length);

/* How many bytes of answer its sender takes over UDP. */
size_t question_udp_limit(const Question *question);

/* Where the name at AT ends, compressed or not; 0: not within LENGTH. */
size_t message_skip_name(const uint8_t *wire, size_t length, size_t at);

static inline uint16_t message_u16(const uint8_t *at)
{
  return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t message_u32(const uint8_t *at)
{
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void message_put_u16(uint8_t *at, uint16_t value)
{
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static inline void message_put_u32(uint8_t *at, uint32_t value)
{
  message_put_u16(at, (uint16_t)(value >> 16));
  message_put_u16(at + 2, (uint16_t)value);
}
