#include "clusterd/node/cri/stream.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/events.h"
#include "clusterd/node/process_pipe.h"
#include "clusterd/server/stream/spdy.h"

#define BLOCK 16384             /* bytes of a piece of input */
#define VERDICT_MAX (64u << 10) /* bytes of the error stream */

/* Streams that a client opens have odd numbers. */
enum { STREAM_ERROR = 1, STREAM_IN = 3, STREAM_OUT = 5, STREAM_ERR = 7, STREAM_RESIZE = 9 };

/* The server speaks SPDY, a NodeProcess has pipes: two threads carry the bytes across. */
typedef struct Stream {
  NodeProcess process; /* first */
  CriRuntime *cri;
  char *container_id;                /* of an attach, whose result is the container's; NULL: a command's */
  int socket, stop;                  /* the connection; an eventfd that ends the threads */
  int in_read, out_write, err_write; /* the other ends of the process's pipes */
  int pid_fd;                        /* of the command; -1: not known */
  int over;                          /* atomic: the server says that it has ended */
  bool has_terminal;
  Spdy *spdy;          /* the output thread's, once streams are open */
  GByteArray *verdict; /* what the error stream says; complete when OVER */
  GMutex sending;      /* held while a frame is written */
  GThread *output, *input;
} Stream;

/* Frames go out whole: who writes takes turns. */
static bool send_frames(Stream *stream, const GByteArray *frames)
{
  const guint8 *at = frames->data;
  size_t length = frames->len;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&stream->sending);
  while (length > 0) {
    ssize_t put = send(stream->socket, at, length, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR)
      continue;
    if (put <= 0)
      return false;
    at += put;
    length -= (size_t)put;
  }
  return true;
}

static void take_event(Stream *stream, const SpdyEvent *event)
{
  if (event->type == SPDY_PING) {
    g_autoptr(GByteArray) frame = g_byte_array_new();
    spdy_append_ping(frame, event->stream);
    send_frames(stream, frame);
  }
  int *to = event->stream == STREAM_OUT ? &stream->out_write : event->stream == STREAM_ERR ? &stream->err_write : NULL;
  if (event->type == SPDY_DATA && event->stream == STREAM_ERROR && stream->verdict->len < VERDICT_MAX)
    g_byte_array_append(stream->verdict, event->data, (guint)event->length);
  else if (event->type == SPDY_DATA && to && *to >= 0 && !process_pipe_write(*to, event->data, event->length))
    file_close(to); /* nobody reads any more */
  if (event->fin && to && (event->type == SPDY_DATA || event->type == SPDY_SYN_REPLY))
    file_close(to);
}

/* True when the last word is said: the error stream's end, or the connection's. */
static bool take_events(Stream *stream)
{
  SpdyEvent event;
  while (spdy_next(stream->spdy, &event, NULL)) {
    if (event.type == SPDY_NONE)
      return false;
    take_event(stream, &event);
    bool closes = event.type == SPDY_RST_STREAM || (event.type == SPDY_DATA && event.fin);
    if (event.type == SPDY_GOAWAY || (closes && event.stream == STREAM_ERROR))
      return true;
  }
  return true;
}

static void *carry_output(void *data)
{
  Stream *stream = data;
  char block[BLOCK];
  while (!take_events(stream) && process_pipe_wait(stream->socket, stream->stop)) {
    ssize_t got = recv(stream->socket, block, sizeof block, 0);
    if (got <= 0)
      break;
    spdy_feed(stream->spdy, block, (size_t)got);
  }
  file_close(&stream->out_write);
  file_close(&stream->err_write);
  g_atomic_int_set(&stream->over, 1);
  eventfd_write(stream->process.exit_fd, 1);
  cri_events_poke(stream->cri->events);
  return NULL;
}

static void *carry_input(void *data)
{
  Stream *stream = data;
  char block[BLOCK];
  ssize_t got = 0;
  do {
    got = process_pipe_wait(stream->in_read, stream->stop) ? read(stream->in_read, block, sizeof block) : 0;
    g_autoptr(GByteArray) frame = g_byte_array_new();
    spdy_append_data(frame, STREAM_IN, got <= 0, block, (size_t)MAX(got, 0));
    if (!send_frames(stream, frame))
      break;
  } while (got > 0);
  file_close(&stream->in_read);
  return NULL;
}

static void stream_resize(NodeProcess *process, unsigned width, unsigned height)
{
  Stream *stream = (Stream *)process;
  g_autofree char *text =
      g_strdup_printf("{\"Width\":%u,\"Height\":%u}\n", MIN(width, G_MAXUINT16), MIN(height, G_MAXUINT16));
  g_autoptr(GByteArray) frame = g_byte_array_new();
  spdy_append_data(frame, STREAM_RESIZE, false, text, strlen(text));
  if (stream->has_terminal)
    send_frames(stream, frame);
}

/* An attach ends with the container. -1 when it is gone. */
static int wait_container(Stream *stream, GError **error)
{
  for (;;) {
    g_autoptr(ContainerStatus) status = cri_container_status(&stream->cri->table, stream->container_id, error);
    if (!status)
      return -1;
    if (status->state == CONTAINER_EXITED)
      return status->exit_code;
    cri_events_wait(stream->cri->events);
  }
}

static int stream_wait(NodeProcess *process, GError **error)
{
  Stream *stream = (Stream *)process;
  struct pollfd over = { .fd = process->exit_fd, .events = POLLIN };
  while (!g_atomic_int_get(&stream->over))
    poll(&over, 1, -1);
  if (stream->container_id)
    return wait_container(stream, error);
  return stream_exit_code((const char *)stream->verdict->data, stream->verdict->len, error);
}

static void stream_close(NodeProcess *process)
{
  Stream *stream = (Stream *)process;
  if (stream->pid_fd >= 0 && !g_atomic_int_get(&stream->over))
    syscall(SYS_pidfd_send_signal, stream->pid_fd, SIGKILL, NULL, 0);
  if (stream->stop >= 0)
    eventfd_write(stream->stop, 1);
  file_close(&process->stdout_fd); /* ends a write that nobody reads */
  file_close(&process->stderr_fd);
  if (stream->socket >= 0)
    shutdown(stream->socket, SHUT_RDWR);
  if (stream->output)
    g_thread_join(stream->output);
  if (stream->input)
    g_thread_join(stream->input);
  int *fds[] = { &process->stdin_fd, &process->exit_fd, &stream->in_read, &stream->out_write,
                 &stream->err_write, &stream->socket,   &stream->stop,    &stream->pid_fd };
  for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
    file_close(fds[i]);
  spdy_free(stream->spdy);
  g_byte_array_unref(stream->verdict);
  g_mutex_clear(&stream->sending);
  g_free(stream->container_id);
  g_free(stream);
}

static Stream *stream_new(CriRuntime *cri)
{
  Stream *stream = g_new0(Stream, 1);
  stream->process = (NodeProcess){ -1, -1, -1, eventfd(0, EFD_CLOEXEC), stream_resize, stream_wait, stream_close };
  stream->cri = cri;
  stream->socket = stream->in_read = stream->out_write = stream->err_write = stream->pid_fd = -1;
  stream->stop = eventfd(0, EFD_CLOEXEC);
  stream->spdy = spdy_new();
  stream->verdict = g_byte_array_new();
  g_mutex_init(&stream->sending);
  return stream;
}

static void append_stream(Stream *stream, GByteArray *out, bool wanted, uint32_t number, const char *type)
{
  const char *const headers[] = { "streamtype", type, NULL };
  if (wanted)
    spdy_append_syn_stream(stream->spdy, out, number, false, headers);
}

/* Opens the streams at URL, and the pipes that go with them. */
static bool start_streams(Stream *stream, const char *url, bool with_stdin, bool with_tty, GError **error)
{
  NodeProcess *process = &stream->process;
  g_autoptr(GByteArray) rest = g_byte_array_new(), out = g_byte_array_new();
  stream->has_terminal = with_tty;
  if ((with_stdin && !process_pipe_open(&stream->in_read, &process->stdin_fd, error)) ||
      !process_pipe_open(&process->stdout_fd, &stream->out_write, error) ||
      (!with_tty && !process_pipe_open(&process->stderr_fd, &stream->err_write, error)))
    return false;
  stream->socket = stream_open(url, rest, error);
  if (stream->socket < 0)
    return false;
  append_stream(stream, out, true, STREAM_ERROR, "error");
  append_stream(stream, out, with_stdin, STREAM_IN, "stdin");
  append_stream(stream, out, true, STREAM_OUT, "stdout");
  append_stream(stream, out, !with_tty, STREAM_ERR, "stderr");
  append_stream(stream, out, with_tty, STREAM_RESIZE, "resize");
  spdy_feed(stream->spdy, rest->data, rest->len);
  if (!send_frames(stream, out))
    return reason_set_errno(error, REASON_RUNTIME, errno, "cannot write to the container runtime's streams");
  stream->output = g_thread_new("cri-out", carry_output, stream);
  if (with_stdin)
    stream->input = g_thread_new("cri-in", carry_input, stream);
  return true;
}

NodeProcess *cri_exec(Runtime *runtime, const char *container_id, const char *const *argv, bool with_stdin,
                      bool with_tty, GError **error)
{
  CriRuntime *cri = (CriRuntime *)runtime;
  Cri__ExecRequest request;
  cri__exec_request__init(&request);
  g_autofree char *id = g_strdup(container_id);
  g_auto(GStrv) command = g_strdupv((char **)(uintptr_t)argv);
  request.container_id = id;
  request.cmd = command;
  request.n_cmd = command ? g_strv_length(command) : 0;
  request.tty = with_tty;
  request.with_stdin = with_stdin;
  request.with_stdout = true;
  request.with_stderr = !with_tty;
  cri_auto Cri__Url *url = cri_call(cri, "RuntimeService/Exec", &request, &cri__url__descriptor, CRI_CALL_MS, error);
  if (!url)
    return NULL;
  Stream *stream = stream_new(cri);
  ExecClaim *claim = cri_exec_claim(cri->events, container_id);
  int over = 1;
  bool good = start_streams(stream, url->url, with_stdin, with_tty, error);
  stream->pid_fd = cri_exec_take(cri->events, claim, good ? &stream->over : &over);
  if (good)
    return &stream->process;
  stream_close(&stream->process);
  return NULL;
}

NodeProcess *cri_attach(Runtime *runtime, const char *container_id, bool with_stdin, bool with_tty, GError **error)
{
  CriRuntime *cri = (CriRuntime *)runtime;
  Cri__AttachRequest request;
  cri__attach_request__init(&request);
  g_autofree char *id = g_strdup(container_id);
  request.container_id = id;
  request.tty = with_tty;
  request.with_stdin = with_stdin;
  request.with_stdout = true;
  request.with_stderr = !with_tty;
  cri_auto Cri__Url *url = cri_call(cri, "RuntimeService/Attach", &request, &cri__url__descriptor, CRI_CALL_MS, error);
  if (!url)
    return NULL;
  Stream *stream = stream_new(cri);
  stream->container_id = g_strdup(container_id);
  if (start_streams(stream, url->url, with_stdin, with_tty, error))
    return &stream->process;
  stream_close(&stream->process);
  return NULL;
}
