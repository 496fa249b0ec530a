#pragma once
/* Images of the docker runtime: dockerd's own. */
#include "clusterd/node/docker/docker_runtime.h"

/* The runtime table's functions. */
ImageStatus *docker_image_status(Runtime *runtime, const char *reference, GError **error);
ImageStatus *docker_image_pull(Runtime *runtime, const char *reference, const json_t *auth, GError **error);
GPtrArray *docker_image_list(Runtime *runtime, GError **error);
bool docker_image_remove(Runtime *runtime, const char *reference, GError **error);
bool docker_image_load(Runtime *runtime, int fd, json_t **loaded, GError **error);
