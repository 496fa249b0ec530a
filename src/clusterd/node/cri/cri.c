#include "clusterd/node/cri/cri.h"

#include <string.h>
#include <sys/eventfd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/cri/cni_setup.h"
#include "clusterd/node/cri/cri_runtime.h"
#include "clusterd/node/cri/events.h"
#include "clusterd/node/cri/pause_image.h"
#include "clusterd/node/cri/stream.h"
#include "clusterd/node/sandbox/pause_layer.h"
#include "config.h"

#define START_US (INT64_C(120) * G_USEC_PER_SEC) /* what the daemon may take until it answers */
#define START_PAUSE_US (20 * 1000)

static void cri_set_event_handler(Runtime *runtime, RuntimeEvent handler, void *data)
{
  CriRuntime *cri = (CriRuntime *)runtime;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&cri->lock);
  cri->handler = handler;
  cri->handler_data = data;
}

static void cri_interrupt(Runtime *runtime)
{
  eventfd_write(((CriRuntime *)runtime)->interrupt_fd, 1);
}

static void cri_free(Runtime *runtime)
{
  CriRuntime *cri = (CriRuntime *)runtime;
  cri_interrupt(runtime); /* the thread of events may be waiting for a daemon that is away */
  cri_events_stop(cri->events);
  grpc_channel_free(cri->channel);
  file_close(&cri->interrupt_fd);
  g_mutex_clear(&cri->lock);
  g_mutex_clear(&cri->preloading);
  g_mutex_clear(&cri->image_lock);
  g_free(cri->name);
  g_free(cri->version);
  g_free(cri->data_dir);
  g_free(cri->preloaded_store);
  g_free(cri);
}

static const Runtime cri_table = {
  .run_sandbox = cri_run_sandbox,
  .stop_sandbox = cri_stop_sandbox,
  .remove_sandbox = cri_remove_sandbox,
  .sandbox_status = cri_sandbox_status,
  .list_sandboxes = cri_list_sandboxes,
  .create_container = cri_create_container,
  .start_container = cri_start_container,
  .stop_container = cri_stop_container,
  .remove_container = cri_remove_container,
  .reopen_log = cri_reopen_log,
  .container_status = cri_container_status,
  .list_containers = cri_list_containers,
  .exec = cri_exec,
  .attach = cri_attach,
  .connect = cri_connect,
  .sandbox_cgroup = cri_sandbox_cgroup,
  .container_cgroup = cri_container_cgroup,
  .container_layer = cri_container_layer,
  .sandbox_interfaces = cri_sandbox_interfaces,
  .image_place = cri_image_place,
  .image_status = cri_image_status,
  .pull_image = cri_pull_image,
  .list_images = cri_list_images,
  .remove_image = cri_remove_image,
  .load_image = cri_load_image,
  .set_event_handler = cri_set_event_handler,
  .interrupt = cri_interrupt,
  .free = cri_free,
};

/* Asks until the daemon, which may be just starting, answers. */
static Cri__VersionResponse *ask_version(CriRuntime *cri, GError **error)
{
  Cri__VersionRequest request;
  cri__version_request__init(&request);
  int64_t until = g_get_monotonic_time() + START_US;
  for (;;) {
    g_autoptr(GError) failure = NULL;
    Cri__VersionResponse *reply =
        cri_call(cri, "RuntimeService/Version", &request, &cri__version_response__descriptor, CRI_CALL_MS, &failure);
    if (reply)
      return reply;
    if (g_get_monotonic_time() > until) {
      g_propagate_error(error, g_steal_pointer(&failure));
      return NULL;
    }
    g_usleep(START_PAUSE_US);
  }
}

static bool find_version(CriRuntime *cri, GError **error)
{
  cri_auto Cri__VersionResponse *version = ask_version(cri, error);
  if (!version)
    return false;
  cri->version = g_strdup(version->runtime_version);
  cri->table.version = cri->version;
  cri->is_containerd = g_str_equal(version->runtime_name, "containerd");
  if (cri->is_containerd)
    cri->table.mount_image = cri_mount_image;
  return true;
}

static bool open_parts(CriRuntime *cri, const CriRuntimeConfig *config, GError **error)
{
  g_autofree char *pause = config->pause_program ? g_strdup(config->pause_program) : pause_program();
  /* a runtime without our image has one of its own, from a registry or its packages */
  return cni_setup(config->run_dir, config->data_dir, config->pod_cidr, config->bridge ? config->bridge : "pods0",
                   error) &&
         find_version(cri, error) && (!cri->is_containerd || cri_pause_image(cri, pause, error));
}

Runtime *cri_runtime_new(const CriRuntimeConfig *config, GError **error)
{
  CriRuntime *cri = g_new0(CriRuntime, 1);
  cri->table = cri_table;
  cri->name = g_strdup(config->name);
  cri->table.name = cri->name;
  cri->data_dir = g_strdup(config->data_dir);
  cri->preloaded_store = g_strdup(config->preloaded_store);
  g_mutex_init(&cri->lock);
  g_mutex_init(&cri->preloading);
  g_mutex_init(&cri->image_lock);
  cri->interrupt_fd = eventfd(0, EFD_CLOEXEC);
  cri->channel = grpc_channel_new(config->socket_path, NULL, "clusterd/" PACKAGE_VERSION, cri->interrupt_fd);
  if (!open_parts(cri, config, error)) {
    cri_free(&cri->table);
    return NULL;
  }
  cri->events = cri_events_start(cri);
  return &cri->table;
}
