#include "clusterd/node/native/container_state.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/node/native/conmon.h"
#include "clusterd/node/native/container.h"
#include "clusterd/node/native/rootfs.h"

Container *container_new(const json_t *facts)
{
  Container *container = g_atomic_rc_box_new0(Container);
  g_mutex_init(&container->operation);
  g_mutex_init(&container->saving);
  container->id = g_strdup(json_str(facts, "id", ""));
  container->sandbox_id = g_strdup(json_str(facts, "sandboxId", ""));
  container->facts = json_deep_copy(facts);
  container->failure = g_strdup(json_str(facts, "failure", NULL));
  container->state = CONTAINER_CREATED;
  container->pid_fd = -1;
  return container;
}

void container_publish(NativeRuntime *native, Container *container)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  g_hash_table_insert(native->containers, container->id, container);
}

void container_set_exited(Container *container, int exit_code, bool oom_killed, int64_t finished_us)
{
  container->state = CONTAINER_EXITED;
  container->exit_code = exit_code;
  container->oom_killed = oom_killed;
  /* The end is a file's time, which the kernel takes from a coarser clock than the start's. */
  container->finished_us = MAX(finished_us, container->started_us);
  container->pid = 0;
  file_close(&container->pid_fd);
}

bool container_save(NativeRuntime *native, Container *container, GError **error)
{
  g_autofree char *folder = runtime_container_dir(native, container->id);
  g_autofree char *path = g_build_filename(folder, "state.json", NULL);
  g_autoptr(json_t) state = json_copy(container->facts);
  g_autoptr(GMutexLocker) saving = g_mutex_locker_new(&container->saving);
  g_mutex_lock(&native->lock);
  json_object_set_new(state, "state", json_integer(container->state));
  json_object_set_new(state, "startedUs", json_integer(container->started_us));
  json_object_set_new(state, "finishedUs", json_integer(container->finished_us));
  json_object_set_new(state, "exitCode", json_integer(container->exit_code));
  json_object_set_new(state, "oomKilled", json_boolean(container->oom_killed));
  json_object_set_new(state, "pid", json_integer(container->pid));
  if (container->failure)
    json_object_set_new(state, "failure", json_string(container->failure));
  g_mutex_unlock(&native->lock);
  return runtime_write_state(path, state, error);
}

bool container_read_exit(const NativeRuntime *native, const char *id, int *exit_code, bool *oom_killed,
                         int64_t *finished_us)
{
  g_autofree char *exits = conmon_exit_dir(native);
  g_autofree char *path = g_build_filename(exits, id, NULL);
  g_autofree char *bundle = runtime_bundle(native, id);
  g_autofree char *oom = g_build_filename(bundle, "oom", NULL);
  g_autofree char *text = NULL;
  struct stat info;
  if (stat(path, &info) < 0 || !g_file_get_contents(path, &text, NULL, NULL))
    return false;
  *exit_code = (int)g_ascii_strtoll(text, NULL, 10);
  *oom_killed = access(oom, F_OK) == 0;
  *finished_us = info.st_mtim.tv_sec * G_USEC_PER_SEC + info.st_mtim.tv_nsec / 1000;
  return true;
}

/* Everything that follows from a container's end, once. */
static void note_end(NativeRuntime *native, Container *container, int exit_code, bool oom_killed, int64_t finished_us)
{
  g_mutex_lock(&native->lock);
  bool news = container->state != CONTAINER_EXITED;
  if (news)
    container_set_exited(container, exit_code, oom_killed, finished_us);
  RuntimeEvent handler = native->handler;
  void *data = native->handler_data;
  g_cond_broadcast(&native->exited);
  g_mutex_unlock(&native->lock);
  if (!news)
    return;
  g_autofree char *bundle = runtime_bundle(native, container->id);
  g_autofree char *rootfs = g_build_filename(bundle, "rootfs", NULL);
  g_autoptr(GError) error = NULL;
  rootfs_unmount(rootfs);
  if (!container_save(native, container, &error))
    g_warning("%s", error->message);
  if (handler)
    handler(container->sandbox_id, container->id, data);
}

void container_note_exit(NativeRuntime *native, const char *container_id)
{
  g_autoptr(Container) container = runtime_find_container(native, container_id, NULL);
  int exit_code;
  bool oom_killed;
  int64_t finished_us;
  if (container && container_read_exit(native, container_id, &exit_code, &oom_killed, &finished_us))
    note_end(native, container, exit_code, oom_killed, finished_us);
}

void container_note_lost(NativeRuntime *native, const char *container_id)
{
  container_note_exit(native, container_id);
  g_autoptr(Container) container = runtime_find_container(native, container_id, NULL);
  if (!container)
    return;
  g_mutex_lock(&native->lock);
  bool lost = container->state != CONTAINER_EXITED;
  if (lost && container->pid_fd >= 0)
    syscall(SYS_pidfd_send_signal, container->pid_fd, SIGKILL, NULL, 0);
  g_mutex_unlock(&native->lock);
  if (lost) {
    g_warning("the monitor of container %s died: the container is ended", container_id);
    note_end(native, container, EXIT_CODE_UNKNOWN, false, timestamp_now_us());
  }
}

ContainerStatus *container_get_status(Runtime *runtime, const char *container_id, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  g_autoptr(Container) container = runtime_find_container(native, container_id, error);
  if (!container)
    return NULL;
  ContainerStatus *status = g_new0(ContainerStatus, 1);
  const json_t *facts = container->facts;
  status->id = g_strdup(container->id);
  status->sandbox_id = g_strdup(container->sandbox_id);
  status->name = g_strdup(json_str(facts, "name", ""));
  status->attempt = (unsigned)json_int(facts, "attempt", 0);
  status->image = g_strdup(json_str(facts, "image", ""));
  status->image_id = g_strdup(json_str(facts, "imageId", ""));
  status->image_ref = g_strdup(json_str(facts, "imageRef", NULL));
  status->created_us = json_int(facts, "createdUs", 0);
  status->reason = g_strdup(container->failure ? "ContainerCannotRun" : NULL);
  status->message = g_strdup(container->failure);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  status->state = container->state;
  status->started_us = container->started_us;
  status->finished_us = container->finished_us;
  status->exit_code = container->exit_code;
  status->oom_killed = container->oom_killed;
  status->pid = container->pid;
  return status;
}

GPtrArray *container_list(Runtime *runtime, const char *sandbox_id, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)container_status_free);
  g_mutex_lock(&native->lock);
  g_autofree gpointer *ids = g_hash_table_get_keys_as_array(native->containers, NULL);
  g_autoptr(GPtrArray) copies = g_ptr_array_new_with_free_func(g_free);
  for (gpointer *id = ids; *id; id++)
    g_ptr_array_add(copies, g_strdup(*id));
  g_mutex_unlock(&native->lock);
  for (guint i = 0; i < copies->len; i++) {
    ContainerStatus *status = container_get_status(runtime, g_ptr_array_index(copies, i), NULL);
    if (status && (!sandbox_id || g_str_equal(status->sandbox_id, sandbox_id)))
      g_ptr_array_add(list, status);
    else
      container_status_free(status);
  }
  return list;
}
