#pragma once
/* The hostPort mappings of this node's pods. */
#include <glib.h>
#include <stdint.h>

#include "base/ip_address.h"

typedef struct HostPort {
  char *protocol; /* "tcp" */
  char *host_ip;  /* NULL: every address of the node */
  char *pod_ip;
  uint16_t port, pod_port;
} HostPort;

/* PODS are json_t*, borrowed. Pods of the host's network, without an address of FAMILY, or that have ended are skipped;
 * of two that claim a port the first (by namespace and name, as given) has it. Array of HostPort* that frees its
 * elements. */
GPtrArray *host_ports_read(const GPtrArray *pods, IpFamily family);
