#include "clusterd/node/native/usage_places.h"

#include "base/json.h"
#include "clusterd/node/native/sandbox.h"
#include "clusterd/node/sandbox/pod_socket.h"

char *usage_sandbox_cgroup(Runtime *runtime, const char *sandbox_id)
{
  g_autoptr(Sandbox) sandbox = runtime_find_sandbox((NativeRuntime *)runtime, sandbox_id, NULL);
  return sandbox ? g_strdup(json_str(sandbox->facts, "cgroupParent", NULL)) : NULL;
}

char *usage_container_cgroup(Runtime *runtime, const char *container_id)
{
  g_autoptr(Container) container = runtime_find_container((NativeRuntime *)runtime, container_id, NULL);
  return container ? g_strdup(json_str(container->facts, "cgroupPath", NULL)) : NULL;
}

char *usage_container_layer(Runtime *runtime, const char *container_id)
{
  const NativeRuntime *native = (NativeRuntime *)runtime;
  g_autoptr(Container) container = runtime_find_container((NativeRuntime *)runtime, container_id, NULL);
  if (!container)
    return NULL;
  g_autofree char *folder = runtime_container_dir(native, container_id);
  return g_build_filename(folder, "upper", NULL);
}

GArray *usage_sandbox_interfaces(Runtime *runtime, const char *sandbox_id)
{
  const NativeRuntime *native = (NativeRuntime *)runtime;
  g_autoptr(Sandbox) sandbox = runtime_find_sandbox((NativeRuntime *)runtime, sandbox_id, NULL);
  g_autofree char *path = sandbox ? sandbox_namespace(native, sandbox, "net") : NULL;
  return path ? pod_interfaces_read(path) : NULL;
}
