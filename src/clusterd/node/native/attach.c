#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/native/conmon.h"
#include "clusterd/node/native/exec.h"
#include "clusterd/node/process_pipe.h"

#define PACKET_MAX 8193 /* conmon's own: one byte for the stream, 8192 of data */

enum { PACKET_STDOUT = 2, PACKET_STDERR = 3 };

/* conmon speaks packets, a NodeProcess has pipes: two threads carry the bytes across. */
typedef struct Attach {
  NodeProcess process; /* first */
  NativeRuntime *native;
  Container *container;
  char *bundle;
  int socket, stop;                  /* the connection; an eventfd that ends the threads */
  int in_read, out_write, err_write; /* the other ends of the process's pipes */
  GThread *output, *input;
} Attach;

static void *carry_output(void *data)
{
  Attach *attach = data;
  char packet[PACKET_MAX];
  while (process_pipe_wait(attach->socket, attach->stop)) {
    ssize_t got = recv(attach->socket, packet, sizeof packet, 0);
    if (got <= 0)
      break;
    int to = packet[0] == PACKET_STDERR && attach->err_write >= 0 ? attach->err_write : attach->out_write;
    process_pipe_write(to, packet + 1, (size_t)got - 1);
  }
  file_close(&attach->out_write);
  file_close(&attach->err_write);
  return NULL;
}

static void *carry_input(void *data)
{
  Attach *attach = data;
  char block[PACKET_MAX - 1];
  while (process_pipe_wait(attach->in_read, attach->stop)) {
    ssize_t got = read(attach->in_read, block, sizeof block);
    if (got <= 0 || send(attach->socket, block, (size_t)got, MSG_NOSIGNAL) < 0)
      break;
  }
  shutdown(attach->socket, SHUT_WR);
  file_close(&attach->in_read);
  return NULL;
}

static void attach_resize(NodeProcess *process, unsigned width, unsigned height)
{
  Attach *attach = (Attach *)process;
  conmon_resize(attach->bundle, width, height);
}

static int attach_wait(NodeProcess *process, GError **error)
{
  Attach *attach = (Attach *)process;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&attach->native->lock);
  while (attach->container->state != CONTAINER_EXITED)
    g_cond_wait(&attach->native->exited, &attach->native->lock);
  return attach->container->exit_code;
}

static void attach_close(NodeProcess *process)
{
  Attach *attach = (Attach *)process;
  if (attach->stop >= 0)
    eventfd_write(attach->stop, 1);
  file_close(&process->stdout_fd); /* ends a write that nobody reads */
  file_close(&process->stderr_fd);
  if (attach->output)
    g_thread_join(attach->output);
  if (attach->input)
    g_thread_join(attach->input);
  file_close(&process->stdin_fd);
  file_close(&process->exit_fd);
  file_close(&attach->in_read);
  file_close(&attach->out_write);
  file_close(&attach->err_write);
  file_close(&attach->socket);
  file_close(&attach->stop);
  container_unref(attach->container);
  g_free(attach->bundle);
  g_free(attach);
}

static bool open_streams(Attach *attach, bool with_stdin, bool with_tty, GError **error)
{
  NodeProcess *process = &attach->process;
  attach->socket = conmon_attach(attach->bundle, error);
  if (attach->socket < 0)
    return false;
  attach->stop = eventfd(0, EFD_CLOEXEC);
  g_mutex_lock(&attach->native->lock);
  if (attach->container->pid_fd >= 0)
    process->exit_fd = fcntl(attach->container->pid_fd, F_DUPFD_CLOEXEC, 3);
  g_mutex_unlock(&attach->native->lock);
  return (!with_stdin || process_pipe_open(&attach->in_read, &process->stdin_fd, error)) &&
         process_pipe_open(&process->stdout_fd, &attach->out_write, error) &&
         (with_tty || process_pipe_open(&process->stderr_fd, &attach->err_write, error));
}

NodeProcess *attach_start(Runtime *runtime, const char *container_id, bool with_stdin, bool with_tty, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  Container *container = runtime_find_container(native, container_id, error);
  if (!container)
    return NULL;
  Attach *attach = g_new0(Attach, 1);
  attach->process = (NodeProcess){ -1, -1, -1, -1, attach_resize, attach_wait, attach_close };
  attach->native = native;
  attach->container = container;
  attach->bundle = runtime_bundle(native, container_id);
  attach->socket = attach->stop = attach->in_read = attach->out_write = attach->err_write = -1;
  if (!open_streams(attach, with_stdin, with_tty, error)) {
    attach_close(&attach->process);
    return NULL;
  }
  attach->output = g_thread_new("attach-out", carry_output, attach);
  if (with_stdin)
    attach->input = g_thread_new("attach-in", carry_input, attach);
  return &attach->process;
}
