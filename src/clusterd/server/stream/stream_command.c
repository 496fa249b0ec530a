/* Exec and attach: the streams of a process, carried over a connection. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/stream/stream_channels.h"
#include "clusterd/server/stream/stream_io.h"
#include "clusterd/server/stream/stream_session.h"

enum {
  CHUNK = 32 << 10,
  RESIZE_TEXT_MAX = 1024,
  /* How long the output of a process that has ended stays open for children it left behind. */
  LINGER_MS = 250,
};

typedef struct Session {
  int fd;
  unsigned version;
  StreamChannels *channels;
  NodeProcess *process;
  GByteArray *to_stdin;
  GString *resize_text;
  unsigned width, height; /* the newest size, 0: none yet */
  bool stdin_ended, stdout_open, stderr_open, exited, gone;
} Session;

/* The first size may come before there is a process. */
static void apply_size(Session *session)
{
  if (session->process && session->process->resize && session->width > 0)
    session->process->resize(session->process, session->width, session->height);
}

/* Sizes come as a stream of JSON objects. */
static void take_resize(Session *session, const guint8 *data, gsize length)
{
  g_string_append_len(session->resize_text, (const char *)data, (gssize)length);
  char *end;
  while ((end = strchr(session->resize_text->str, '}'))) {
    gsize used = (gsize)(end - session->resize_text->str) + 1;
    g_autoptr(json_t) size = json_parse(session->resize_text->str, used, false, NULL);
    int64_t width = json_int(size, "Width", 0), height = json_int(size, "Height", 0);
    if (width > 0 && height > 0 && width <= G_MAXUINT16 && height <= G_MAXUINT16) {
      session->width = (unsigned)width;
      session->height = (unsigned)height;
      apply_size(session);
    }
    g_string_erase(session->resize_text, 0, (gssize)used);
  }
  if (session->resize_text->len > RESIZE_TEXT_MAX)
    g_string_truncate(session->resize_text, 0);
}

static void take_events(Session *session)
{
  ChannelEvent event;
  for (;;) {
    stream_channels_next(session->channels, &event);
    if (event.type == CHANNEL_NONE)
      return;
    if (event.type == CHANNEL_CLOSED) {
      session->gone = true;
      return;
    }
    if (event.channel == CHANNEL_STDIN && event.type == CHANNEL_END)
      session->stdin_ended = true;
    else if (event.channel == CHANNEL_STDIN && !session->stdin_ended)
      g_byte_array_append(session->to_stdin, event.data, (guint)event.length);
    else if (event.channel == CHANNEL_RESIZE && event.type == CHANNEL_DATA)
      take_resize(session, event.data, event.length);
  }
}

static void read_peer(Session *session)
{
  guint8 buffer[CHUNK];
  gsize length;
  switch (stream_io_read(session->fd, buffer, sizeof buffer, &length)) {
  case STREAM_IO_SOME:
    stream_channels_feed(session->channels, buffer, length);
    take_events(session);
    break;
  case STREAM_IO_END:
    session->gone = true;
    break;
  case STREAM_IO_WAIT:
    break;
  }
}

/* Reads once from a stream of the process. False when it has ended. */
static bool read_output(Session *session, int fd, StreamChannel channel)
{
  guint8 buffer[CHUNK];
  gsize length;
  StreamIo result = stream_io_read(fd, buffer, sizeof buffer, &length);
  if (result == STREAM_IO_SOME)
    stream_channels_write(session->channels, channel, buffer, length);
  if (result == STREAM_IO_END)
    stream_channels_end(session->channels, channel);
  return result != STREAM_IO_END;
}

/* Passes on what the client typed, then its end. */
static void write_stdin(Session *session)
{
  NodeProcess *process = session->process;
  if (!process) /* kept until there is one */
    return;
  if (process->stdin_fd < 0) {
    g_byte_array_set_size(session->to_stdin, 0);
    return;
  }
  StreamIo result = stream_io_flush(process->stdin_fd, session->to_stdin);
  if (result == STREAM_IO_END || (result == STREAM_IO_SOME && session->stdin_ended)) {
    g_byte_array_set_size(session->to_stdin, 0);
    close(process->stdin_fd);
    process->stdin_fd = -1;
  }
}

/* One turn: waits up to TIMEOUT_MS for anything to happen and moves what can be moved. */
static void turn(Session *session, int timeout_ms)
{
  enum { PEER, OUTPUT, ERRORS, INPUT, EXIT, N };
  NodeProcess *process = session->process;
  GByteArray *out = stream_channels_out(session->channels);
  struct pollfd fds[N];
  for (int i = 0; i < N; i++)
    fds[i] = (struct pollfd){ .fd = -1 };
  fds[PEER].fd = session->fd;
  fds[PEER].events = (short)((session->to_stdin->len < STREAM_BUFFER_MAX ? POLLIN : 0) | (out->len > 0 ? POLLOUT : 0));
  if (process && out->len < STREAM_BUFFER_MAX) {
    fds[OUTPUT] = (struct pollfd){ .fd = session->stdout_open ? process->stdout_fd : -1, .events = POLLIN };
    fds[ERRORS] = (struct pollfd){ .fd = session->stderr_open ? process->stderr_fd : -1, .events = POLLIN };
  }
  if (process && session->to_stdin->len > 0)
    fds[INPUT] = (struct pollfd){ .fd = process->stdin_fd, .events = POLLOUT };
  if (process && !session->exited)
    fds[EXIT] = (struct pollfd){ .fd = process->exit_fd, .events = POLLIN };
  if (poll(fds, N, timeout_ms) <= 0)
    return;
  if (fds[PEER].revents & (POLLIN | POLLHUP | POLLERR))
    read_peer(session);
  if (process && fds[OUTPUT].revents)
    session->stdout_open = read_output(session, process->stdout_fd, CHANNEL_STDOUT);
  if (process && fds[ERRORS].revents)
    session->stderr_open = read_output(session, process->stderr_fd, CHANNEL_STDERR);
  if (fds[EXIT].revents)
    session->exited = true;
  write_stdin(session);
  if (stream_io_flush(session->fd, out) == STREAM_IO_END)
    session->gone = true;
}

/* Copies until the process is done and all it said is passed on, or the client is gone. */
static void copy_streams(Session *session)
{
  gint64 linger_until = 0;
  while (!session->gone && (session->stdout_open || session->stderr_open)) {
    int timeout_ms = -1;
    if (session->exited) {
      gint64 now = g_get_monotonic_time();
      linger_until = linger_until ? linger_until : now + LINGER_MS * 1000;
      if (now >= linger_until)
        break;
      timeout_ms = (int)((linger_until - now) / 1000) + 1;
    }
    turn(session, timeout_ms);
  }
  while (!session->gone && !session->exited && session->process->exit_fd >= 0)
    turn(session, -1);
}

static json_t *exit_status(int code)
{
  g_autofree char *text = g_strdup_printf("%d", code);
  if (code == 0)
    return json_pack("{s:{}, s:s}", "metadata", "status", "Success");
  g_autofree char *message = g_strdup_printf("command terminated with non-zero exit code: exit status %d", code);
  return json_pack("{s:{}, s:s, s:s, s:s, s:{s:[{s:s, s:s}]}}", "metadata", "status", "Failure", "message", message,
                   "reason", "NonZeroExitCode", "details", "causes", "reason", "ExitCode", "message", text);
}

static json_t *failure_status(const GError *error)
{
  g_autofree char *message = g_strdup_printf("error executing command in container: %s", error->message);
  return json_pack("{s:{}, s:s, s:s+, s:s, s:{s:[{s:s}]}, s:i}", "metadata", "status", "Failure", "message",
                   "Internal error occurred: ", message, "reason", "InternalError", "details", "causes", "message",
                   message, "code", 500);
}

/* The last word on the error channel: JSON from version 4 on, before it a plain text and nothing on success. */
static void report(Session *session, const json_t *status)
{
  g_autofree char *text = session->version >= 4 ? json_text(status) : g_strdup(json_str(status, "message", ""));
  if (*text)
    stream_channels_write(session->channels, CHANNEL_ERROR, text, strlen(text));
  if (session->stdout_open)
    stream_channels_end(session->channels, CHANNEL_STDOUT);
  if (session->stderr_open)
    stream_channels_end(session->channels, CHANNEL_STDERR);
  stream_channels_end(session->channels, CHANNEL_ERROR);
  stream_channels_close(session->channels);
}

static void run_process(Session *session, const RemoteCommand *command)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) status = NULL;
  NodeProcess *process = session->process = command->start(command->data, &error);
  if (!process) {
    status = failure_status(error);
    report(session, status);
    return;
  }
  session->stdout_open = process->stdout_fd >= 0;
  session->stderr_open = process->stderr_fd >= 0;
  int fds[] = { process->stdin_fd, process->stdout_fd, process->stderr_fd };
  for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
    if (fds[i] >= 0)
      stream_io_prepare(fds[i]);
  apply_size(session);
  write_stdin(session); /* what came before the process was there */
  copy_streams(session);
  if (!session->gone) {
    int code = process->wait(process, &error);
    status = code >= 0 ? exit_status(code) : failure_status(error);
    report(session, status);
  }
  process->close(process);
  session->process = NULL;
}

static unsigned wanted_channels(const RemoteCommand *command, unsigned version)
{
  return (command->with_stdin ? 1u << CHANNEL_STDIN : 0) | (command->with_stdout ? 1u << CHANNEL_STDOUT : 0) |
         (command->with_stderr && !command->with_tty ? 1u << CHANNEL_STDERR : 0) | 1u << CHANNEL_ERROR |
         (command->with_tty && version >= 3 ? 1u << CHANNEL_RESIZE : 0);
}

void remote_command_run(int fd, const StreamHandshake *handshake, const RemoteCommand *command)
{
  Session session = { .fd = fd, .version = handshake->version };
  session.channels = stream_channels_new(handshake, wanted_channels(command, handshake->version));
  session.to_stdin = g_byte_array_new();
  session.resize_text = g_string_new(NULL);
  gint64 deadline = g_get_monotonic_time() + STREAM_OPEN_SECONDS * G_USEC_PER_SEC;
  stream_io_prepare(fd);
  while (!session.gone && !stream_channels_ready(session.channels)) {
    gint64 left = deadline - g_get_monotonic_time();
    if (left <= 0)
      session.gone = true;
    else
      turn(&session, (int)(left / 1000) + 1);
  }
  if (!session.gone)
    run_process(&session, command);
  stream_io_finish(fd, stream_channels_out(session.channels));
  stream_channels_free(session.channels);
  g_byte_array_unref(session.to_stdin);
  g_string_free(session.resize_text, TRUE);
}
