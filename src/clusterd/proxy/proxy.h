#pragma once
/*
 * The service proxy: turns services, endpoint slices, host ports and network policies into the kernel's rules, whenever
 * one of them changes. Changes that arrive while nft runs are taken together by the next run.
 * It answers load balancers' health checks of services, too.
 */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/client/informer.h"

typedef struct Proxy Proxy;

typedef struct ProxyConfig {
  const char *node_name;
  const char *pod_ranges;  /* of the node's pods: "10.244.0.0/24", "10.244.0.0/24,fd00:10:244::/64" */
  const char *reserved_ip; /* a service address that this machine answers on itself (cluster DNS); may be NULL */
} ProxyConfig;

/* Registers with the informers: call before informer_set_start. CONFIG is copied; INFORMERS must outlive the proxy. */
Proxy *proxy_new(InformerSet *informers, const ProxyConfig *config);

/* Turns on forwarding, installs the first rules and keeps them up to date on a thread of its own. Call after
 * informer_set_start. False with REASON_LOCAL_NETWORK when the kernel refuses the first rules. */
bool proxy_start(Proxy *proxy, GError **error);

/* Ends the thread; the rules stay, so that services work on while clusterd restarts. Call after informer_set_stop. */
void proxy_free(Proxy *proxy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Proxy, proxy_free)
