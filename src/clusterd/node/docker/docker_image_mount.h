#pragma once
/* Images of dockerd as volumes: where its storage driver keeps the files of an image. */
#include "clusterd/node/docker/docker_runtime.h"

/* Runtime.mount_image. While it runs no image is removed (DockerRuntime.image_lock). */
bool docker_image_mount(Runtime *runtime, const char *image_id, const char *target, GError **error);

/* The folders of an image's layers, the lowest first, of IMAGE, which is what dockerd says of it ("ImageInspect"),
 * below dockerd's ROOT. NULL with REASON_RUNTIME; freed with g_strfreev(). Source: Docker Engine API 1.41; moby, docs
 * "Storage drivers". */
char **docker_image_layers(const char *root, const json_t *image, GError **error);
