#pragma once
/*
 * Answers on the healthCheckNodePort of services with externalTrafficPolicy Local: a load balancer asks there whether
 * this node has endpoints of the service. 200 when it has, 503 when not, with their number. Source: Kubernetes "Create
 * an External Load Balancer", kube-proxy's healthcheck.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct HealthCheck {
  char *namespace_, *name;
  uint16_t port;
  unsigned local_endpoints; /* ready ones of this node, by address */
} HealthCheck;

/* What SERVICES ask for, with the endpoints of SLICES (json_t*, borrowed), in the order of SERVICES. Array of
 * HealthCheck* that frees its elements. */
GPtrArray *health_checks_read(const GPtrArray *services, const GPtrArray *slices, const char *node_name);

typedef struct HealthServer HealthServer;

/* A thread that listens on nothing yet. NULL with REASON_LOCAL_NETWORK. */
HealthServer *health_server_start(GError **error);

/* From now on answers for CHECKS (HealthCheck*, taken), and no longer on other ports. A port that is not free is left
 * out with a warning. Any thread. */
void health_server_set(HealthServer *server, GPtrArray *checks);
void health_server_free(HealthServer *server);
