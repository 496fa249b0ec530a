#pragma once
/*
 * Services of type LoadBalancer get the one address there is: on the machine that the launcher made, the profile's
 * address on the host, whose ports its keeper leads to the services' node ports; elsewhere the node's own, where the
 * service proxy takes what comes in. A port of that address belongs to one service; the next that wants it waits.
 * Events, finalizer and loadBalancerClass are as k8s.io/cloud-provider controllers/service has them.
 */
#include "clusterd/controllers/context.h"

typedef struct LoadBalancerController LoadBalancerController;

LoadBalancerController *load_balancer_controller_new(const ControllerContext *context);
void load_balancer_controller_free(LoadBalancerController *controller);
