#pragma once
/* Where the numbers of sandboxes and containers are read from. The runtime table's functions. */
#include "clusterd/node/docker/docker_runtime.h"

char *docker_sandbox_cgroup(Runtime *runtime, const char *sandbox_id);
char *docker_container_cgroup(Runtime *runtime, const char *container_id);
char *docker_container_layer(Runtime *runtime, const char *container_id);
GArray *docker_sandbox_interfaces(Runtime *runtime, const char *sandbox_id);
