#pragma once
/* Containers of the docker runtime. */
#include "clusterd/node/docker/docker_runtime.h"

/* The runtime table's functions. */
char *docker_container_create(Runtime *runtime, const char *sandbox_id, const ContainerSpec *spec, GError **error);
bool docker_container_start(Runtime *runtime, const char *container_id, GError **error);
bool docker_container_stop(Runtime *runtime, const char *container_id, int64_t grace_seconds, GError **error);
bool docker_container_remove(Runtime *runtime, const char *container_id, GError **error);
bool docker_container_reopen_log(Runtime *runtime, const char *container_id, GError **error);
ContainerStatus *docker_container_get_status(Runtime *runtime, const char *container_id, GError **error);
GPtrArray *docker_container_list(Runtime *runtime, const char *sandbox_id, GError **error);

/* Has dockerd make a container NAME of BODY, in the place of one of that name that a crash left. Its id; the caller
 * frees. NULL as docker_call(). */
char *docker_container_make(DockerRuntime *docker, const char *name, const json_t *body, GError **error);

/* SIGKILL, and waits until it has ended; what does not run or is not there is fine. */
bool docker_container_kill(DockerRuntime *docker, const char *id, GError **error);

/* Ends and removes; what is not there is fine. */
bool docker_container_destroy(DockerRuntime *docker, const char *id, GError **error);

/* The ids of SANDBOX_ID's containers (NULL: of all sandboxes'), or only of those that run: char*, freed with the array.
 */
GPtrArray *docker_container_ids(DockerRuntime *docker, const char *sandbox_id, bool running, GError **error);

/* What dockerd says of a container that is not a sandbox: new reference. NULL with REASON_RUNTIME_NOT_FOUND. */
json_t *docker_container_inspect(DockerRuntime *docker, const char *id, GError **error);
