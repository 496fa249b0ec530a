#pragma once
/* Pod sandboxes of the docker runtime: pause containers, with our own network put into theirs. Source of names and
 * settings: kubernetes pkg/kubelet/dockershim (1.23), cri-dockerd. */
#include "clusterd/node/docker/docker_runtime.h"

/* The runtime table's functions. */
char *docker_sandbox_run(Runtime *runtime, const SandboxSpec *spec, GError **error);
bool docker_sandbox_stop(Runtime *runtime, const char *sandbox_id, GError **error);
bool docker_sandbox_remove(Runtime *runtime, const char *sandbox_id, GError **error);
bool docker_sandbox_get_status(Runtime *runtime, const char *sandbox_id, SandboxStatus *status, GError **error);
json_t *docker_sandbox_list(Runtime *runtime, GError **error);
int docker_sandbox_connect(Runtime *runtime, const char *sandbox_id, uint16_t port, GError **error);

/* Brings the table up to date with what dockerd has: at the start, and after a time without it. */
bool docker_sandboxes_refresh(DockerRuntime *docker, GError **error);

/* The ids of all sandboxes; char*, freed with the array. */
GPtrArray *docker_sandbox_ids(DockerRuntime *docker);

/* The pause container ID has ended: the sandbox is not ready any more, and its address is free. */
void docker_sandbox_ended(DockerRuntime *docker, const char *id);

/* "/proc/PID/ns/net" of a ready sandbox with a network of its own; else NULL. The caller frees. */
char *docker_sandbox_network(DockerRuntime *docker, DockerSandbox *sandbox);

/* "k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT". The caller frees. */
char *docker_name(const char *container, const char *pod, const char *namespace_, const char *uid, unsigned attempt);
/* The attempt in such a name. */
unsigned docker_name_attempt(const char *name);
