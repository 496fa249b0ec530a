#pragma once
/* DNS over UDP and TCP: one thread with an event loop. Source: RFC 1035 section 4.2, RFC 7766. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/dns/lookup.h"

typedef struct DnsServer DnsServer;

typedef struct DnsServerConfig {
  uint16_t port;       /* 53; 0: any free one, see dns_server_port */
  unsigned idle_ms;    /* after which a silent TCP connection is closed; 0: ten seconds */
  LookupConfig lookup; /* its address is the one listened on, of IPv4; its resolv_conf is "/etc/resolv.conf" */
} DnsServerConfig;

/* Listens and answers until dns_server_free. NULL with REASON_LOCAL_NETWORK. CONFIG is copied. */
DnsServer *dns_server_start(const DnsServerConfig *config, GError **error);
uint16_t dns_server_port(const DnsServer *server);

/* Has the ConfigMaps read again, soon. Any thread. */
void dns_server_reload(DnsServer *server);

void dns_server_free(DnsServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DnsServer, dns_server_free)
