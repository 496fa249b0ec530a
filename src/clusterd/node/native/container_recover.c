/* Containers an earlier clusterd left, which may have been killed at any moment. */
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
#include "clusterd/node/native/container_state.h"
#include "clusterd/node/native/crun.h"

/* A container that was started has no start fifo any more; the folder's time is when it went. 0: it was not. */
static int64_t started_us(const NativeRuntime *native, const char *id)
{
  g_autofree char *folder = g_build_filename(native->crun_root, id, NULL);
  g_autofree char *status = g_build_filename(folder, "status", NULL);
  g_autofree char *fifo = g_build_filename(folder, "exec.fifo", NULL);
  struct stat info;
  if (access(status, F_OK) < 0 || access(fifo, F_OK) == 0 || stat(folder, &info) < 0)
    return 0;
  return info.st_mtim.tv_sec * G_USEC_PER_SEC + info.st_mtim.tv_nsec / 1000;
}

/* Whether the container still runs is known only by its conmon: a pid alone may belong to another process by now. */
static void recover_state(NativeRuntime *native, Container *container, const json_t *state)
{
  g_autofree char *bundle = runtime_bundle(native, container->id);
  int exit_code = (int)json_int(state, "exitCode", EXIT_CODE_UNKNOWN);
  bool oom_killed = json_flag(state, "oomKilled", false);
  int64_t finished_us = json_int(state, "finishedUs", 0);
  container->started_us = json_int(state, "startedUs", 0);
  container->state = (ContainerState)json_int(state, "state", CONTAINER_EXITED);
  file_autofd int conmon = container->state != CONTAINER_EXITED ? conmon_open(bundle, container->id) : -1;
  if (conmon >= 0) {
    container->pid = (int)json_int(state, "pid", 0);
    container->pid_fd = container->pid > 0 ? (int)syscall(SYS_pidfd_open, container->pid, 0) : -1;
  }
  if (container->state == CONTAINER_CREATED && container->pid_fd >= 0 &&
      (container->started_us = started_us(native, container->id)) > 0)
    container->state = CONTAINER_RUNNING;
  if (container_read_exit(native, container->id, &exit_code, &oom_killed, &finished_us) ||
      container->state == CONTAINER_EXITED) {
    container_set_exited(container, exit_code, oom_killed, finished_us);
  } else if (container->pid_fd < 0 && container->state != CONTAINER_CREATED) {
    crun_delete(native, container->id, NULL); /* its process may have outlived conmon */
    container_set_exited(container, EXIT_CODE_UNKNOWN, false, timestamp_now_us());
  }
}

/* Ends every process that has the id of a container of IDS among its arguments: a conmon, a crun that makes the
 * container. True when there was one. */
static bool end_makers(GHashTable *ids)
{
  bool any = false;
  g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
  const char *name;
  while (processes && (name = g_dir_read_name(processes))) {
    g_autofree char *path = g_strdup_printf("/proc/%s/cmdline", name);
    g_autofree char *arguments = NULL;
    gsize length;
    int pid = (int)g_ascii_strtoll(name, NULL, 10);
    file_autofd int fd = pid > 1 && pid != getpid() ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (fd < 0 || !g_file_get_contents(path, &arguments, &length, NULL))
      continue;
    for (const char *at = arguments; at < arguments + length; at += strlen(at) + 1)
      if (g_hash_table_contains(ids, at)) {
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        any = true;
        break;
      }
  }
  return any;
}

/* Containers that were being made and never started: nobody knows of them yet, and nothing ran in them. */
static void discard(NativeRuntime *native, GHashTable *ids)
{
  enum { ROUNDS = 100 }; /* each ends what the one before did not see begin */
  GHashTableIter iter;
  gpointer id;
  for (int i = 0; i < ROUNDS && end_makers(ids); i++)
    ;
  g_hash_table_iter_init(&iter, ids);
  while (g_hash_table_iter_next(&iter, &id, NULL)) {
    g_autofree char *known = g_build_filename(native->crun_root, id, NULL);
    if (!crun_delete(native, id, NULL))
      file_remove_tree(known, NULL);
    container_erase(native, id);
  }
}

static void recover_one(NativeRuntime *native, const char *folder, GHashTable *unmade)
{
  g_autofree char *path = g_build_filename(folder, "state.json", NULL);
  g_autoptr(json_t) state = json_read_file(path, NULL);
  if (strlen(json_str(state, "id", "")) != RUNTIME_ID_LENGTH) { /* cut off before anything was made */
    file_remove_tree(folder, NULL);
    return;
  }
  Container *container = container_new(state);
  recover_state(native, container, state);
  if (container->state == CONTAINER_CREATED) {
    g_hash_table_add(unmade, g_strdup(container->id));
    container_unref(container);
  } else {
    container_publish(native, container);
  }
}

/* What is said of containers that are no more. */
static void forget_exits(NativeRuntime *native)
{
  g_autofree char *folder = conmon_exit_dir(native);
  g_autoptr(GDir) listing = g_dir_open(folder, 0, NULL);
  const char *name;
  while (listing && (name = g_dir_read_name(listing))) {
    g_autoptr(Container) container = runtime_find_container(native, name, NULL);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    if (!container)
      unlink(path);
  }
}

void container_recover(NativeRuntime *native)
{
  g_autofree char *folder = g_build_filename(native->data_dir, "containers", NULL);
  g_autoptr(GDir) listing = g_dir_open(folder, 0, NULL);
  g_autoptr(GHashTable) unmade = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  const char *name;
  while (listing && (name = g_dir_read_name(listing))) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    recover_one(native, path, unmade);
  }
  if (g_hash_table_size(unmade) > 0)
    discard(native, unmade);
  forget_exits(native);
}
