#pragma once
/*
 * What the service proxy knows of one port of one Service: the addresses it is reached by and the endpoints behind it.
 * A pure reading of Service and EndpointSlice objects. Source: Kubernetes "Virtual IPs and Service Proxies", KEP-2086
 * (internalTrafficPolicy), KEP-1669 (terminating endpoints), KEP-3836.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Endpoint {
  char *ip;
  uint16_t port;
} Endpoint;

typedef struct ServicePort {
  char *id;       /* unique, fit for a chain's name: "HASH-namespace/service/tcp/80" */
  char *protocol; /* "tcp", "udp" or "sctp" */
  uint16_t port;
  uint16_t node_port;                  /* 0: none */
  GPtrArray *cluster_ips;              /* char* */
  GPtrArray *external_ips;             /* char*, spec.externalIPs */
  GPtrArray *load_balancer_ips;        /* char*, status.loadBalancer with ipMode VIP */
  GPtrArray *source_ranges;            /* char*, CIDR; empty: everybody */
  bool internal_local, external_local; /* traffic policies */
  unsigned affinity_seconds;           /* 0: no session affinity */
  GPtrArray *endpoints;                /* Endpoint*, everywhere; sorted */
  GPtrArray *local_endpoints;          /* Endpoint*, on this node; sorted */
} ServicePort;

/* The ports of all SERVICES (json_t*, borrowed) that the proxy handles, sorted by id, with endpoints from SLICES
 * (json_t*, borrowed). Headless services, ExternalName services, those labelled
 * service.kubernetes.io/service-proxy-name, and cluster addresses equal to RESERVED_IP (may be NULL; one that this
 * machine itself answers on) are left out. Addresses that are not IPv4 are skipped. Array of ServicePort* that frees
 * its elements. */
GPtrArray *service_ports_read(const GPtrArray *services, const GPtrArray *slices, const char *node_name,
                              const char *reserved_ip);

void service_port_free(ServicePort *port);

/* True when TEXT is a dotted IPv4 address; and "address/length". */
bool address_is_ipv4(const char *text);
bool address_is_ipv4_cidr(const char *text);
