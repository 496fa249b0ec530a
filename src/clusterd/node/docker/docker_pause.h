#pragma once
/* The image of pods' pause containers: our own program alone, imported into dockerd, so that no registry is needed. */
#include "clusterd/node/docker/docker_runtime.h"

#define PAUSE_REPOSITORY "launcher/pause"

/* The image's reference; imports it where absent, or, with AGAIN, looks whether it still is there. NULL with
 * REASON_RUNTIME or REASON_FILE. The caller frees. */
char *docker_pause_image(DockerRuntime *docker, bool again, GError **error);
