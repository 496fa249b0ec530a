#pragma once
/* Packets made of what others said. Each result is the caller's. */
#include <ldns/packet.h>
#include <stdint.h>

#include "clusterd/dns/answer.h"

/* A nameserver's REPLY as the answer about NAME and TYPE, with times of TTL_MAX seconds at most (0: as they are); NULL
 * when it is no message. */
ldns_pkt *merge_forwarded(const uint8_t *name, size_t length, uint16_t type, const uint8_t *reply, size_t reply_length,
                          uint32_t ttl_max);

/* Puts what ANSWER says behind the alias BEGUN ends with. */
void merge_chased(ldns_pkt *begun, const Answer *answer);

/* PACKET (taken), which is about FROM, as being about TO. */
ldns_pkt *merge_rename(ldns_pkt *packet, const uint8_t *from, size_t from_length, const uint8_t *to, size_t to_length);
