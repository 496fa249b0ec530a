#pragma once
/* Looking into a pod's network namespace from outside. */
#include <glib.h>
#include <stdint.h>

/* A socket connected to PORT on the loopback of the network namespace at NAMESPACE_PATH (NULL: the node's own), of
 * IPv4 or, when nobody listens there, IPv6. -1 with REASON_RUNTIME. */
int pod_socket_connect(const char *namespace_path, uint16_t port, GError **error);

/* InterfaceUsage (stats/stat_text.h) of the interfaces in the namespace; NULL when it cannot be read. */
GArray *pod_interfaces_read(const char *namespace_path);
