#pragma once
/* DNS over UDP and TCP: one thread with an event loop. Source: RFC 1035 section 4.2, RFC 7766. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/dns/resolver.h"

typedef struct DnsServer DnsServer;

typedef struct DnsServerConfig {
  const char *address; /* "10.96.0.10" */
  uint16_t port;       /* 53; 0: any free one, see dns_server_port */
  const char *zone;    /* "cluster.local" */
  DnsFacts facts;
  const char *resolv_conf; /* "/etc/resolv.conf": its nameservers get what is not ours; read again when it changes */
  uint16_t upstream_port;  /* 53 */
} DnsServerConfig;

/* Listens and answers until dns_server_free. NULL with REASON_LOCAL_NETWORK. CONFIG is copied. */
DnsServer *dns_server_start(const DnsServerConfig *config, GError **error);
uint16_t dns_server_port(const DnsServer *server);
void dns_server_free(DnsServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DnsServer, dns_server_free)
