#pragma once
/* Taking away an image that dockerd keeps. Only dockerd may change its data root, so it is asked. */
#include <glib.h>
#include <stdbool.h>

/* Asks the dockerd that listens on SOCKET_PATH (which starts it when need be) to remove REFERENCE, a valid reference or
 * id, as `docker rmi` does. REASON_CONFLICT when a container of its own uses it, REASON_RUNTIME_NOT_FOUND,
 * REASON_RUNTIME. Source: Docker Engine API 1.41, DELETE /images/{name}. */
bool docker_remove_image(const char *socket_path, const char *reference, GError **error);
