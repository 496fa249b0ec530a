#pragma once
/*
 * What the service proxy knows of one port of one Service: the addresses it is reached by and the endpoints behind it.
 * A pure reading of Service and EndpointSlice objects. Source: Kubernetes "Virtual IPs and Service Proxies", KEP-2086
 * (internalTrafficPolicy), KEP-1669 (terminating endpoints), KEP-3836, KEP-2433 (hints of zones).
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ip_address.h"

typedef struct Endpoint {
  char *ip;
  IpNumber number; /* of ip */
  uint16_t port;
  bool hinted, near; /* hints tell its zones; this node's is among them */
} Endpoint;

/* All addresses are of one family. */
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

typedef struct ServicePortsInput {
  const GPtrArray *services, *slices; /* json_t*, borrowed */
  const char *node_name;
  const char *zone;        /* this node's; NULL: none */
  const char *reserved_ip; /* a cluster address that this machine itself answers on, left out; may be NULL */
} ServicePortsInput;

/* What the proxy handles of FAMILY, sorted by id. Headless services, ExternalName services and those labelled
 * service.kubernetes.io/service-proxy-name are left out, as are addresses of the other family. Array of ServicePort*
 * that frees its elements. */
GPtrArray *service_ports_read(const ServicePortsInput *input, IpFamily family);

void service_port_free(ServicePort *port);
