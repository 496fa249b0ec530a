#pragma once
/*
 * What cluster DNS answers: a function of the name, the type, and the cluster's services. Source: Kubernetes DNS-Based
 * Service Discovery, version 1.1.0 (kubernetes/dns docs/specification.md); CoreDNS's plugin kubernetes where it says
 * nothing; RFC 1035, 2308, 2782.
 */
#include <glib.h>
#include <jansson.h>
#include <ldns/packet.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/dns/name.h"

/* Where the resolver looks things up; new references, called on the DNS thread. Addresses are as inet_ntop writes them.
 */
typedef struct DnsFacts {
  void *data;
  json_t *(*service)(void *data, const char *namespace_, const char *name);      /* NULL: none */
  GPtrArray *(*slices)(void *data, const char *namespace_, const char *service); /* json_t*, elements freed with it */
  bool (*namespace_exists)(void *data, const char *namespace_);
  GPtrArray *(*services_at)(void *data, const char *ip); /* by cluster IP */
  GPtrArray *(*slices_at)(void *data, const char *ip);   /* with an endpoint of this address */
  bool (*pod_at)(void *data, const char *namespace_, const char *ip);
  json_t *(*config_map)(void *data, const char *name); /* of kube-system; NULL: none */
  /* A number that is another one after services, slices, or namespaces have changed; never 0. Any thread. */
  uint64_t (*version)(void *data);
} DnsFacts;

/* Records like 10-244-0-5.default.pod: for any address; for those of pods of the namespace; never. */
typedef enum PodRecords { POD_RECORDS_INSECURE, POD_RECORDS_VERIFIED, POD_RECORDS_DISABLED } PodRecords;

typedef struct ClusterZone {
  char *name; /* "cluster.local" */
  uint32_t ttl;
  PodRecords pods;
  bool endpoint_pod_names; /* an endpoint without a hostname is called by its pod, not by its address */
  const char *address;     /* of this server; NULL: not said */
} ClusterZone;

/* The answer about NAME (lower-case) as a packet the caller frees; NULL when the name is neither in the zone nor the
 * reverse name of an address of the cluster. *CHASE gets the name outside the zone that an alias in the answer leads
 * to, whose records are to be added (the caller frees), else NULL. */
ldns_pkt *resolver_answer(const DnsFacts *facts, const ClusterZone *zone, const uint8_t *name, size_t length,
                          uint16_t type, char **chase);

/* A packet that answers NAME and TYPE with RCODE and nothing yet. The caller frees. */
ldns_pkt *resolver_begin(const uint8_t *name, size_t length, uint16_t type, uint8_t rcode);
