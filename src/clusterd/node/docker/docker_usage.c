#include "clusterd/node/docker/docker_usage.h"

#include "base/json.h"
#include "clusterd/node/docker/docker_container.h"
#include "clusterd/node/docker/docker_sandbox.h"
#include "clusterd/node/sandbox/pod_socket.h"

char *docker_sandbox_cgroup(Runtime *runtime, const char *sandbox_id)
{
  g_autoptr(DockerSandbox) sandbox = docker_find_sandbox((DockerRuntime *)runtime, sandbox_id, NULL);
  return sandbox ? g_strdup(json_str(sandbox->facts, "cgroupParent", NULL)) : NULL;
}

/* dockerd's cgroupfs driver: the parent, and the id below it. */
char *docker_container_cgroup(Runtime *runtime, const char *container_id)
{
  g_autoptr(json_t) container = docker_container_inspect((DockerRuntime *)runtime, container_id, NULL);
  const char *parent = json_str(json_object_get(container, "HostConfig"), "CgroupParent", "");
  return *parent ? g_build_filename(parent, container_id, NULL) : NULL;
}

char *docker_container_layer(Runtime *runtime, const char *container_id)
{
  g_autoptr(json_t) container = docker_container_inspect((DockerRuntime *)runtime, container_id, NULL);
  return g_strdup(json_str(json_at(container, "GraphDriver", "Data", NULL), "UpperDir", NULL));
}

GArray *docker_sandbox_interfaces(Runtime *runtime, const char *sandbox_id)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autoptr(DockerSandbox) sandbox = docker_find_sandbox(docker, sandbox_id, NULL);
  g_autofree char *path = sandbox ? docker_sandbox_network(docker, sandbox) : NULL;
  return path ? pod_interfaces_read(path) : NULL;
}
