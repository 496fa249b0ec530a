#pragma once
/* The objects a cluster begins with. What is there already stays as it is. */
#include "clusterd/server/server.h"

/* Namespaces, default roles and bindings, priority classes, the service `kubernetes`. */
bool bootstrap_objects(Registry *registry, const ApiServerConfig *config, GError **error);

/* Where the service `kubernetes` leads: Endpoints and EndpointSlice with SERVERS, an array of {ip, port}; brought up to
 * date when they differ. */
bool bootstrap_endpoints(Registry *registry, const json_t *servers, GError **error);
