#pragma once
/* The hostPort mappings of this node's pods as elements of two nftables maps. */
#include <glib.h>

typedef struct HostPorts {
  GString *anywhere;   /* "tcp . 8080 : 10.244.0.5 . 80", of ports open on every address */
  GString *on_address; /* "10.0.2.15 . tcp . 8080 : 10.244.0.5 . 80", of those with a hostIP */
} HostPorts;

/* PODS are json_t*, borrowed. Pods of the host's network, without an address, or that have ended are skipped; of two
 * that claim a port the first (by namespace and name, as given) has it. */
void host_ports_read(HostPorts *ports, const GPtrArray *pods);
void host_ports_clear(HostPorts *ports);
