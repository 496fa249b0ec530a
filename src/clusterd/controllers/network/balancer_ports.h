#pragma once
/* Which service has which port of the load balancers' address. Not thread-safe. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/controllers/controllers.h"

typedef struct BalancerPorts BalancerPorts;

BalancerPorts *balancer_ports_new(const LoadBalancerConfig *config);
void balancer_ports_free(BalancerPorts *ports);

/* Gives the service OWNER ("namespace/name") the ports of its SPEC, all or, with *ERROR, none; what it had before is
 * free then. */
bool balancer_ports_take(BalancerPorts *ports, const char *owner, const json_t *spec, GError **error);

/* True when OWNER had any. */
bool balancer_ports_release(BalancerPorts *ports, const char *owner);
