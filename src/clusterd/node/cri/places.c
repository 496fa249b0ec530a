/* Where the numbers of sandboxes and containers are read. */
#include <string.h>

#include "base/json.h"
#include "clusterd/node/cri/cri_runtime.h"
#include "clusterd/node/sandbox/pod_socket.h"

char *cri_sandbox_cgroup(Runtime *runtime, const char *sandbox_id)
{
  cri_auto Cri__SandboxStatusResponse *reply = cri_sandbox_read((CriRuntime *)runtime, sandbox_id, false, NULL);
  if (!reply)
    return NULL;
  return g_strdup(cri_pair_value(reply->status->annotations, reply->status->n_annotations, CRI_ANNOTATION_CGROUP));
}

static json_t *container_info(Runtime *runtime, const char *container_id)
{
  Cri__ContainerStatusRequest request;
  cri__container_status_request__init(&request);
  g_autofree char *id = g_strdup(container_id);
  request.container_id = id;
  request.verbose = true;
  cri_auto Cri__ContainerStatusResponse *reply =
      cri_call((CriRuntime *)runtime, "RuntimeService/ContainerStatus", &request,
               &cri__container_status_response__descriptor, CRI_CALL_MS, NULL);
  return reply ? cri_info(reply->info, reply->n_info, "info") : NULL;
}

char *cri_container_cgroup(Runtime *runtime, const char *container_id)
{
  g_autoptr(json_t) info = container_info(runtime, container_id);
  return g_strdup(json_str(json_at(info, "runtimeSpec", "linux", NULL), "cgroupsPath", NULL));
}

/* The folder that an overlay mounted as the root of process PID writes to. */
static char *upper_folder(int pid)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/mountinfo", pid);
  g_autofree char *text = NULL;
  g_autoptr(GMatchInfo) match = NULL;
  g_autoptr(GRegex) root = g_regex_new("^\\S+ \\S+ \\S+ \\S+ / .* - overlay .*[ ,]upperdir=([^, ]+)",
                                       G_REGEX_MULTILINE | G_REGEX_OPTIMIZE, 0, NULL);
  if (!g_file_get_contents(path, &text, NULL, NULL) || !g_regex_match(root, text, 0, &match))
    return NULL;
  return g_match_info_fetch(match, 1);
}

char *cri_container_layer(Runtime *runtime, const char *container_id)
{
  g_autoptr(json_t) info = container_info(runtime, container_id);
  int pid = (int)json_int(info, "pid", 0);
  return pid > 0 ? upper_folder(pid) : NULL;
}

GArray *cri_sandbox_interfaces(Runtime *runtime, const char *sandbox_id)
{
  SandboxStatus status = { 0 };
  if (!cri_sandbox_status(runtime, sandbox_id, &status, NULL))
    return NULL;
  GArray *interfaces = status.network_namespace ? pod_interfaces_read(status.network_namespace) : NULL;
  sandbox_status_clear(&status);
  return interfaces;
}
