#pragma once
/* The machine's preloaded images for dockerd: they lie unpacked in a read-only store, and one that a pod wants is
 * imported when it is first asked for. */
#include "clusterd/node/docker/docker_runtime.h"

/* Imports the image REFERENCE names from the preloaded store, with all its names. False with REASON_RUNTIME_NOT_FOUND
 * when it is not there. */
bool docker_preload(DockerRuntime *docker, const char *reference, GError **error);
