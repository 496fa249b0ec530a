#pragma once
/* Which address a service has at this moment. Source: kube-aggregator's and the webhooks' service resolvers. */
#include "clusterd/server/registry/registry.h"

/* "10.1.2.3:8443": one of the ready endpoints of the service's port named PORT_NAME ("" when ports have no name),
 * chosen at random. NULL when there is none. The caller frees. */
char *service_endpoint(Registry *registry, const char *namespace_, const char *name, const char *port_name);

/* As service_endpoint, but only addresses of pods, as long as the pod still has the address: a person who may write
 * endpoints shall not make the server call whom they like. */
char *service_pod_endpoint(Registry *registry, const char *namespace_, const char *name, const char *port_name);

/* Where PORT of the service is: a ready endpoint where there is one, else the cluster IP, or what an ExternalName
 * service names. The caller frees. NULL with REASON_NOT_FOUND (`service "x" not found`), REASON_SERVICE_UNAVAILABLE
 * (`no service port 443 found for service "x"`) or REASON_INTERNAL. */
char *service_resolve(Registry *registry, const char *namespace_, const char *name, int64_t port, GError **error);

/* HOST:PORT, with brackets around an IPv6 address. The caller frees. */
char *service_join(const char *host, int64_t port);
