#include "clusterd/node/docker/docker_process.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/docker/docker_carrier.h"
#include "clusterd/node/docker/docker_container.h"
#include "clusterd/node/docker/docker_events.h"
#include "clusterd/node/docker/docker_http.h"

#define END_TIMEOUT_US (10 * G_USEC_PER_SEC) /* until a process that was killed is gone */
#define PAUSE_US 2000
#define NOT_STARTED 126 /* what a shell says of a command it cannot run */

typedef struct DockerProcess {
  NodeProcess process; /* first */
  DockerRuntime *docker;
  char *id;     /* of the exec, or of the container with attach */
  bool is_exec; /* else it is an attach */
  gint silent;  /* atomic: the output has ended */
  DockerCarrier *carrier;
} DockerProcess;

static int open_pid(pid_t pid)
{
  return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* --- exec -----------------------------------------------------------------------------------------------------------
 */

/* Whether the exec runs; its exit code and process. One that could not begin is not known any more; one without a code
 * is just beginning. */
static bool exec_runs(DockerProcess *process, int *exit_code, int *pid)
{
  bool silent = g_atomic_int_get(&process->silent); /* before asking: the code is set by then */
  g_autoptr(json_t) state = docker_get(process->docker, NULL, "/exec/%s/json", process->id);
  const json_t *code = json_object_get(state, "ExitCode");
  *exit_code = json_is_integer(code) ? (int)json_integer_value(code) : NOT_STARTED;
  *pid = (int)json_int(state, "Pid", 0);
  return json_flag(state, "Running", false) || (state && !json_is_integer(code) && !silent);
}

/* The output has ended: mostly because the process has. */
static void on_output_end(void *data)
{
  DockerProcess *process = data;
  int exit_code, pid;
  g_atomic_int_set(&process->silent, 1);
  if (!exec_runs(process, &exit_code, &pid))
    eventfd_write(process->process.exit_fd, 1);
  docker_events_wake(process->docker);
}

static int exec_wait(NodeProcess *base, GError **error)
{
  DockerProcess *process = (DockerProcess *)base;
  int exit_code, pid;
  for (;;) {
    uint64_t seen = docker_events_seen(process->docker);
    if (!exec_runs(process, &exit_code, &pid))
      return exit_code;
    docker_events_wait(process->docker, seen, 0);
  }
}

/* dockerd has no request that ends an exec. Its pid is its own as long as dockerd says that it runs. */
static void exec_end(DockerProcess *process)
{
  int exit_code, pid;
  int64_t until = g_get_monotonic_time() + END_TIMEOUT_US;
  for (bool killed = false;;) {
    uint64_t seen = docker_events_seen(process->docker);
    if (!exec_runs(process, &exit_code, &pid))
      return;
    if (!killed && pid <= 1 && g_get_monotonic_time() < until) {
      g_usleep(PAUSE_US); /* dockerd notes the pid after the process has begun, and tells nobody */
      continue;
    }
    file_autofd int fd = !killed && pid > 1 ? open_pid(pid) : -1;
    if (fd >= 0 && exec_runs(process, &exit_code, &pid))
      killed = syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
    if (!docker_events_wait(process->docker, seen, until))
      return;
  }
}

static void resize(NodeProcess *base, unsigned width, unsigned height)
{
  DockerProcess *process = (DockerProcess *)base;
  g_autofree char *path = g_strdup_printf("/%s/%s/resize?h=%u&w=%u", process->is_exec ? "exec" : "containers",
                                          process->id, MIN(height, 65535), MIN(width, 65535));
  docker_call(process->docker, "POST", path, NULL, NULL, NULL);
}

static void process_close(NodeProcess *base)
{
  DockerProcess *process = (DockerProcess *)base;
  file_close(&base->stdout_fd);
  file_close(&base->stderr_fd);
  if (process->is_exec && process->carrier)
    exec_end(process);
  docker_carrier_stop(process->carrier);
  file_close(&base->stdin_fd);
  if (process->is_exec) {
    g_mutex_lock(&process->docker->lock);
    g_hash_table_remove(process->docker->execs, process->id);
    g_mutex_unlock(&process->docker->lock);
  }
  file_close(&base->exit_fd);
  g_free(process->id);
  g_free(process);
}

static json_t *exec_body(const char *const *argv, bool with_stdin, bool with_tty)
{
  json_t *command = json_array();
  for (; *argv; argv++)
    json_array_append_new(command, json_string(*argv));
  return json_pack("{s:b, s:b, s:b, s:b, s:o}", "AttachStdin", with_stdin, "AttachStdout", true, "AttachStderr",
                   !with_tty, "Tty", with_tty, "Cmd", command);
}

static DockerProcess *process_new(DockerRuntime *docker, const char *id, bool is_exec,
                                  int (*wait)(NodeProcess *process, GError **error))
{
  DockerProcess *process = g_new0(DockerProcess, 1);
  process->process = (NodeProcess){ -1, -1, -1, -1, resize, wait, process_close };
  process->docker = docker;
  process->id = g_strdup(id);
  process->is_exec = is_exec;
  return process;
}

static bool exec_begin(DockerProcess *process, bool with_stdin, bool with_tty, GError **error)
{
  DockerRuntime *docker = process->docker;
  g_autofree char *path = g_strdup_printf("/exec/%s/start", process->id);
  g_autoptr(json_t) body = json_pack("{s:b, s:b}", "Detach", false, "Tty", with_tty);
  process->process.exit_fd = eventfd(0, EFD_CLOEXEC);
  if (process->process.exit_fd < 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot make an eventfd");
  g_mutex_lock(&docker->lock);
  g_hash_table_insert(docker->execs, g_strdup(process->id), GINT_TO_POINTER(process->process.exit_fd));
  g_mutex_unlock(&docker->lock);
  int socket = docker_hijack(docker, path, body, error);
  if (socket < 0)
    return false;
  process->carrier =
      docker_carrier_start(socket, &process->process, with_stdin, with_tty, on_output_end, process, error);
  return process->carrier != NULL;
}

NodeProcess *docker_exec(Runtime *runtime, const char *container_id, const char *const *argv, bool with_stdin,
                         bool with_tty, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autoptr(json_t) container = docker_container_inspect(docker, container_id, error), reply = NULL;
  if (!container)
    return NULL;
  if (!argv || !argv[0]) {
    reason_set(error, REASON_RUNTIME, "container %s was given no command", container_id);
    return NULL;
  }
  g_autofree char *path = g_strdup_printf("/containers/%s/exec", container_id);
  g_autoptr(json_t) body = exec_body(argv, with_stdin, with_tty);
  if (!docker_call(docker, "POST", path, body, &reply, error))
    return NULL;
  DockerProcess *process = process_new(docker, json_str(reply, "Id", ""), true, exec_wait);
  if (exec_begin(process, with_stdin, with_tty, error))
    return &process->process;
  process_close(&process->process);
  return NULL;
}

/* --- attach ---------------------------------------------------------------------------------------------------------
 */

static int attach_wait(NodeProcess *base, GError **error)
{
  DockerProcess *process = (DockerProcess *)base;
  for (;;) {
    uint64_t seen = docker_events_seen(process->docker);
    g_autoptr(json_t) container = docker_container_inspect(process->docker, process->id, error);
    const json_t *state = json_object_get(container, "State");
    if (!container)
      return -1;
    if (!json_flag(state, "Running", false))
      return (int)json_int(state, "ExitCode", 0);
    docker_events_wait(process->docker, seen, 0);
  }
}

NodeProcess *docker_attach(Runtime *runtime, const char *container_id, bool with_stdin, bool with_tty, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autoptr(json_t) container = docker_container_inspect(docker, container_id, error);
  if (!container)
    return NULL;
  int pid = (int)json_int(json_object_get(container, "State"), "Pid", 0);
  g_autofree char *path =
      g_strdup_printf("/containers/%s/attach?stream=1&stdin=%d&stdout=1&stderr=1", container_id, with_stdin);
  int socket = docker_hijack(docker, path, NULL, error);
  if (socket < 0)
    return NULL;
  DockerProcess *process = process_new(docker, container_id, false, attach_wait);
  process->process.exit_fd = pid > 1 ? open_pid(pid) : -1;
  process->carrier = docker_carrier_start(socket, &process->process, with_stdin, with_tty, NULL, NULL, error);
  if (process->carrier)
    return &process->process;
  process_close(&process->process);
  return NULL;
}
