#pragma once
/* One probe or lifecycle handler, run once. Source: Kubernetes "Configure Liveness, Readiness and Startup Probes",
 * "Container Lifecycle Hooks"; upstream's texts. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/node/background.h"
#include "clusterd/node/runtime.h"

typedef struct ProbeTarget {
  Runtime *runtime;
  const char *container_id;
  const json_t *container; /* for named ports */
  const char *pod_ip;      /* the node's with the host's network */
  Background *background;  /* once it is called off the probe gives up, with false; NULL: never */
} ProbeTarget;

/* HANDLER has one of exec, httpGet, tcpSocket, grpc, sleep. Blocks at most
 * TIMEOUT_SECONDS. True on success; *OUTPUT gets what it said or why it failed, the caller's, never NULL. */
bool probe_run(const ProbeTarget *target, const json_t *handler, int64_t timeout_seconds, char **output);
