#pragma once
/* What dockerd is told of a container. Source: Docker Engine API 1.41, "Create a container"; kubernetes
 * pkg/kubelet/dockershim (1.23). */
#include "clusterd/node/docker/docker_runtime.h"

/* The body of the request that makes SPEC's container in SANDBOX; IMAGE: what dockerd says of its image. New reference;
 * NULL with REASON_RUNTIME when something of it cannot be. */
json_t *docker_spec_make(const DockerRuntime *docker, const DockerSandbox *sandbox, const ContainerSpec *spec,
                         const json_t *image, GError **error);
