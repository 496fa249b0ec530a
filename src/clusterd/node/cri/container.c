/* Containers. All that is remembered of them is the runtime's: it outlives both our restarts and its own. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/container_config.h"
#include "clusterd/node/cri/cri_runtime.h"

#define NS_PER_US 1000

/* The image's user, when the request needs it; NULL otherwise. */
static bool find_image(Runtime *runtime, const ContainerSpec *spec, ImageStatus **image, GError **error)
{
  if (json_is_integer(cri_security(spec, "runAsUser")) || !json_is_integer(cri_security(spec, "runAsGroup")))
    return true;
  *image = cri_image_status(runtime, spec->image_id, error);
  return *image != NULL;
}

/* The runtime says of an image that is not there only that it cannot make the container. */
static void explain_image(Runtime *runtime, const ContainerSpec *spec, GError **error)
{
  g_autoptr(GError) missing = NULL;
  g_autoptr(ImageStatus) image = cri_image_status(runtime, spec->image_id, &missing);
  if (image || !reason_is(missing, REASON_RUNTIME_NOT_FOUND) || !error)
    return;
  g_clear_error(error);
  g_propagate_error(error, g_steal_pointer(&missing));
}

char *cri_create_container(Runtime *runtime, const char *sandbox_id, const ContainerSpec *spec, GError **error)
{
  CriRuntime *cri = (CriRuntime *)runtime;
  g_autoptr(GPtrArray) arena = cri_arena_new();
  g_autoptr(ImageStatus) image = NULL;
  g_autofree char *log_folder = spec->log_path ? g_path_get_dirname(spec->log_path) : NULL;
  cri_auto Cri__SandboxStatusResponse *sandbox = cri_sandbox_read(cri, sandbox_id, false, error);
  if (!sandbox || (log_folder && !file_make_dirs(log_folder, 0755, error)) || !find_image(runtime, spec, &image, error))
    return NULL;
  Cri__CreateContainerRequest *request = cri_container_request(arena, sandbox->status, spec, image, error);
  if (!request)
    return NULL;
  cri_auto Cri__ContainerId *reply =
      cri_call(cri, "RuntimeService/CreateContainer", request, &cri__container_id__descriptor, CRI_CALL_MS, error);
  if (!reply)
    explain_image(runtime, spec, error);
  return reply ? g_strdup(reply->container_id) : NULL;
}

static bool order(Runtime *runtime, const char *method, const char *container_id, bool missing_ok, GError **error)
{
  Cri__ContainerId request;
  cri__container_id__init(&request);
  g_autofree char *id = g_strdup(container_id);
  request.container_id = id;
  return cri_order((CriRuntime *)runtime, method, &request, CRI_CALL_MS, missing_ok, error);
}

bool cri_start_container(Runtime *runtime, const char *container_id, GError **error)
{
  return order(runtime, "RuntimeService/StartContainer", container_id, false, error);
}

bool cri_stop_container(Runtime *runtime, const char *container_id, int64_t grace_seconds, GError **error)
{
  Cri__StopContainerRequest request;
  cri__stop_container_request__init(&request);
  g_autofree char *id = g_strdup(container_id);
  request.container_id = id;
  request.timeout = CLAMP(grace_seconds, 0, G_MAXINT32);
  return cri_order((CriRuntime *)runtime, "RuntimeService/StopContainer", &request,
                   request.timeout * 1000 + CRI_CALL_MS, true, error);
}

bool cri_remove_container(Runtime *runtime, const char *container_id, GError **error)
{
  return cri_stop_container(runtime, container_id, 0, error) &&
         order(runtime, "RuntimeService/RemoveContainer", container_id, true, error);
}

bool cri_reopen_log(Runtime *runtime, const char *container_id, GError **error)
{
  return order(runtime, "RuntimeService/ReopenContainerLog", container_id, false, error);
}

static ContainerState state_of(Cri__State state)
{
  static const ContainerState states[] = { [CRI__STATE__CREATED] = CONTAINER_CREATED,
                                           [CRI__STATE__RUNNING] = CONTAINER_RUNNING,
                                           [CRI__STATE__EXITED] = CONTAINER_EXITED };
  return (size_t)state < G_N_ELEMENTS(states) ? states[state] : CONTAINER_UNKNOWN;
}

static ContainerStatus *make_status(const Cri__ContainerStatusResponse *reply)
{
  const Cri__ContainerStatus *from = reply->status;
  g_autoptr(json_t) info = cri_info(reply->info, reply->n_info, "info");
  ContainerStatus *status = g_new0(ContainerStatus, 1);
  status->id = g_strdup(from->id);
  status->sandbox_id = g_strdup(json_str(info, "sandboxID", ""));
  status->name = g_strdup(from->metadata ? from->metadata->name : "");
  status->attempt = from->metadata ? from->metadata->attempt : 0;
  status->image = g_strdup(from->image ? from->image->image : "");
  status->image_id = g_strdup(*from->image_id ? from->image_id : from->image_ref); /* not every runtime gives both */
  status->image_ref = g_strdup(from->image_ref);
  status->state = state_of(from->state);
  status->created_us = from->created_at / NS_PER_US;
  status->started_us = from->started_at / NS_PER_US;
  status->finished_us = from->finished_at / NS_PER_US;
  if (status->finished_us > 0) /* containerd writes down the begin of a short one after its end */
    status->started_us = MIN(status->started_us, status->finished_us);
  status->exit_code = from->exit_code;
  status->oom_killed = g_str_equal(from->reason, "OOMKilled");
  status->pid = (int)json_int(info, "pid", 0);
  return status;
}

ContainerStatus *cri_container_status(Runtime *runtime, const char *container_id, GError **error)
{
  Cri__ContainerStatusRequest request;
  cri__container_status_request__init(&request);
  g_autofree char *id = g_strdup(container_id ? container_id : "");
  request.container_id = id;
  request.verbose = true; /* for the pid and the sandbox */
  cri_auto Cri__ContainerStatusResponse *reply =
      cri_call((CriRuntime *)runtime, "RuntimeService/ContainerStatus", &request,
               &cri__container_status_response__descriptor, CRI_CALL_MS, error);
  if (reply && reply->status)
    return make_status(reply);
  if (reply)
    reason_set(error, REASON_RUNTIME, "the container runtime says nothing of container %s", container_id);
  return NULL;
}

Cri__ListContainersResponse *cri_find_containers(CriRuntime *cri, const char *sandbox_id, const char *container_id,
                                                 GError **error)
{
  Cri__ListContainersRequest request;
  cri__list_containers_request__init(&request);
  Cri__ContainerFilter filter;
  cri__container_filter__init(&filter);
  g_autofree char *sandbox = g_strdup(sandbox_id ? sandbox_id : "");
  g_autofree char *container = g_strdup(container_id ? container_id : "");
  filter.pod_sandbox_id = sandbox;
  filter.id = container;
  request.filter = &filter;
  return cri_call(cri, "RuntimeService/ListContainers", &request, &cri__list_containers_response__descriptor,
                  CRI_CALL_MS, error);
}

GPtrArray *cri_list_containers(Runtime *runtime, const char *sandbox_id, GError **error)
{
  cri_auto Cri__ListContainersResponse *reply = cri_find_containers((CriRuntime *)runtime, sandbox_id, NULL, error);
  if (!reply)
    return NULL;
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)container_status_free);
  for (size_t i = 0; i < reply->n_containers; i++) {
    g_autoptr(GError) failure = NULL;
    ContainerStatus *status = cri_container_status(runtime, reply->containers[i]->id, &failure);
    if (status) {
      g_free(status->sandbox_id); /* every runtime says it here */
      status->sandbox_id = g_strdup(reply->containers[i]->pod_sandbox_id);
      g_ptr_array_add(list, status);
    } else if (!reason_is(failure, REASON_RUNTIME_NOT_FOUND)) { /* removed meanwhile is fine */
      g_propagate_error(error, g_steal_pointer(&failure));
      return NULL;
    }
  }
  return g_steal_pointer(&list);
}
