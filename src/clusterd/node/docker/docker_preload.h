#pragma once
/* Images that lie in our own stores, for dockerd: what the machine brings along in a read-only store is imported when
 * it is first asked for, and what was loaded into the other (clusterd image load) at the next chance. */
#include "clusterd/node/docker/docker_runtime.h"

/* Imports the image REFERENCE names from the preloaded store, with all its names. False with REASON_RUNTIME_NOT_FOUND
 * when it is not there. */
bool docker_preload(DockerRuntime *docker, const char *reference, GError **error);

/* Imports the image REFERENCE names if it was loaded since the last time, in the place of dockerd's of that name. */
bool docker_take_loaded(DockerRuntime *docker, const char *reference);
