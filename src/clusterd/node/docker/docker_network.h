#pragma once
/* The pod network inside a pause container's namespace. */
#include "clusterd/node/docker/docker_runtime.h"

/* Gives the network namespace of process PID its loopback and eth0 with ADDRESSES. ID: of the sandbox, which names the
 * node's end. REASON_RUNTIME. */
bool docker_network_attach(DockerRuntime *docker, const char *id, int pid, const PodAddresses *addresses,
                           GError **error);

/* Whether that was done for the namespace of process PID. */
bool docker_network_attached(int pid);
