#include "clusterd/node/docker/docker.h"

#include <string.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/docker/docker_container.h"
#include "clusterd/node/docker/docker_events.h"
#include "clusterd/node/docker/docker_http.h"
#include "clusterd/node/docker/docker_image_mount.h"
#include "clusterd/node/docker/docker_images.h"
#include "clusterd/node/docker/docker_pause.h"
#include "clusterd/node/docker/docker_process.h"
#include "clusterd/node/docker/docker_sandbox.h"
#include "clusterd/node/docker/docker_usage.h"
#include "clusterd/node/logs/log_rotation.h"
#include "clusterd/node/sandbox/network.h"
#include "clusterd/node/sandbox/pause_layer.h"

static void set_event_handler(Runtime *runtime, RuntimeEvent handler, void *data)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
  docker->handler = handler;
  docker->handler_data = data;
}

static void wake(gpointer multi, gpointer unused, gpointer data)
{
  curl_multi_wakeup(multi);
}

static void interrupt(Runtime *runtime)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_mutex_lock(&docker->lock);
  docker->interrupted = true;
  g_hash_table_foreach(docker->transfers, wake, NULL);
  g_mutex_unlock(&docker->lock);
  docker_events_wake(docker);
}

bool docker_goes_on(DockerRuntime *docker, GError **error)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
  return !docker->interrupted || reason_set(error, REASON_INTERRUPTED, "the node agent ends");
}

static void docker_free(Runtime *runtime)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  docker_events_stop(docker->events);
  docker_http_clear(docker);
  g_clear_pointer(&docker->sandboxes, g_hash_table_unref);
  g_clear_pointer(&docker->execs, g_hash_table_unref);
  g_clear_pointer(&docker->transfers, g_hash_table_unref);
  address_pool_free(docker->addresses);
  char **strings[] = { &docker->socket_path,   &docker->data_dir,   &docker->preloaded_store, &docker->bridge,
                       &docker->pause_program, &docker->version,    &docker->root_dir,        &docker->log_size,
                       &docker->log_files,     &docker->pause_image };
  for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
    g_free(*strings[i]);
  g_mutex_clear(&docker->http_lock);
  g_mutex_clear(&docker->image_lock);
  g_mutex_clear(&docker->lock);
  g_cond_clear(&docker->changed);
  g_free(docker);
}

static char *image_place(Runtime *runtime)
{
  return g_strdup(((DockerRuntime *)runtime)->root_dir);
}

static const Runtime docker_table = {
  .name = "docker",
  .rotates_logs = true,
  .run_sandbox = docker_sandbox_run,
  .stop_sandbox = docker_sandbox_stop,
  .remove_sandbox = docker_sandbox_remove,
  .sandbox_status = docker_sandbox_get_status,
  .list_sandboxes = docker_sandbox_list,
  .create_container = docker_container_create,
  .start_container = docker_container_start,
  .stop_container = docker_container_stop,
  .remove_container = docker_container_remove,
  .reopen_log = docker_container_reopen_log,
  .container_status = docker_container_get_status,
  .list_containers = docker_container_list,
  .exec = docker_exec,
  .attach = docker_attach,
  .connect = docker_sandbox_connect,
  .sandbox_cgroup = docker_sandbox_cgroup,
  .container_cgroup = docker_container_cgroup,
  .container_layer = docker_container_layer,
  .sandbox_interfaces = docker_sandbox_interfaces,
  .image_place = image_place,
  .image_status = docker_image_status,
  .pull_image = docker_image_pull,
  .list_images = docker_image_list,
  .remove_image = docker_image_remove,
  .load_image = docker_image_load,
  .mount_image = docker_image_mount,
  .set_event_handler = set_event_handler,
  .interrupt = interrupt,
  .free = docker_free,
};

static DockerRuntime *docker_alloc(const DockerRuntimeConfig *config)
{
  DockerRuntime *docker = g_new0(DockerRuntime, 1);
  docker->table = docker_table;
  g_mutex_init(&docker->http_lock);
  g_mutex_init(&docker->image_lock);
  g_mutex_init(&docker->lock);
  g_cond_init(&docker->changed);
  g_queue_init(&docker->idle);
  docker->socket_path = g_strdup(config->socket_path);
  docker->data_dir = g_strdup(config->data_dir);
  docker->preloaded_store = g_strdup(config->preloaded_store);
  docker->bridge = g_strdup(config->bridge ? config->bridge : "pods0");
  docker->pause_program = config->pause_program ? g_strdup(config->pause_program) : pause_program();
  docker->log_size = g_strdup_printf("%" G_GINT64_FORMAT, config->log_size ? config->log_size : LOG_SIZE_MAX);
  docker->log_files = g_strdup_printf("%u", config->log_files ? config->log_files : LOG_FILES_MAX);
  docker->sandboxes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)docker_sandbox_unref);
  docker->transfers = g_hash_table_new(NULL, NULL);
  docker->execs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return docker;
}

static bool open_network(DockerRuntime *docker, const DockerRuntimeConfig *config, GError **error)
{
  g_autofree char *state = g_build_filename(config->data_dir, "address", NULL);
  const IpRange *ranges;
  docker->addresses = address_pool_new(config->pod_cidr, state, error);
  if (!docker->addresses)
    return false;
  unsigned count = address_pool_ranges(docker->addresses, &ranges);
  return network_make_bridge(docker->bridge, ranges, count, error);
}

/* Also waits until a dockerd that is just being started answers. */
static bool greet(DockerRuntime *docker, GError **error)
{
  g_autoptr(json_t) info = docker_get(docker, error, "/info");
  if (!info)
    return false;
  docker->version = g_strdup(json_str(info, "ServerVersion", "unknown"));
  docker->root_dir = g_strdup(json_str(info, "DockerRootDir", "/var/lib/docker"));
  docker->table.version = docker->version;
  if (g_str_equal(json_str(info, "CgroupDriver", "cgroupfs"), "cgroupfs"))
    return true;
  return reason_set(error, REASON_RUNTIME,
                    "dockerd at %s manages control groups through %s: start it with "
                    "--exec-opt native.cgroupdriver=cgroupfs",
                    docker->socket_path, json_str(info, "CgroupDriver", ""));
}

Runtime *docker_runtime_new(const DockerRuntimeConfig *config, GError **error)
{
  DockerRuntime *docker = docker_alloc(config);
  int64_t since_us = timestamp_now_us();
  if (!file_make_dirs(config->data_dir, 0711, error) || !open_network(docker, config, error) || !greet(docker, error) ||
      !docker_sandboxes_refresh(docker, error)) {
    docker_free(&docker->table);
    return NULL;
  }
  docker->events = docker_events_start(docker, since_us);
  return &docker->table;
}
