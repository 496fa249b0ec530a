#pragma once
/* The files every pod gets from its node: resolv.conf, hosts, hostname. Source: Kubernetes "DNS for Services and Pods",
 * "Adding entries to Pod /etc/hosts". */
#include <glib.h>
#include <jansson.h>

#include "clusterd/node/address_pair.h"
#include "clusterd/node/cluster_view.h"

/* Text of /etc/resolv.conf; HOST is that of the node. The caller frees. */
char *pod_files_resolv_conf(const json_t *pod, const NodeFacts *node, const char *host);

/* Text of /etc/hosts; HOST is that of the node, used with the host's network. POD_IP may be NULL. The caller frees. */
char *pod_files_hosts(const json_t *pod, const NodeFacts *node, AddressPair pod_ips, const char *host);

/* The pod's hostname: spec.hostname, else its name cut to 63 bytes. With setHostnameAsFQDN the full name. */
char *pod_files_hostname(const json_t *pod, const NodeFacts *node);
