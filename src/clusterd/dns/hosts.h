#pragma once
/* Names and addresses written in a Corefile (plugin hosts): "10.0.0.1 db.example.org db". */
#include <ldns/packet.h>

#include "clusterd/dns/corefile.h"
#include "clusterd/dns/zone_set.h"

typedef struct Hosts Hosts;

/* NULL with REASON_CONFIG. */
Hosts *hosts_new(const CorefileLine *line, GError **error);
void hosts_free(Hosts *hosts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hosts, hosts_free)

/* The answer as a packet the caller frees; NULL: the name is left to the next plugin. */
ldns_pkt *hosts_answer(const Hosts *hosts, const uint8_t *name, size_t length, uint16_t type);
