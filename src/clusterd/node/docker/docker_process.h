#pragma once
/* Processes in containers of the docker runtime whose streams somebody wants: exec and attach. */
#include "clusterd/node/docker/docker_runtime.h"
#include "clusterd/server/node_access.h"

/* The runtime table's functions. */
NodeProcess *docker_exec(Runtime *runtime, const char *container_id, const char *const *argv, bool with_stdin,
                         bool with_tty, GError **error);
NodeProcess *docker_attach(Runtime *runtime, const char *container_id, bool with_stdin, bool with_tty, GError **error);
