#include "clusterd/node/docker/docker_carrier.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define BLOCK 32768
#define HEADER 8 /* the stream's number, three zeros, the length in network order */

enum { STREAM_STDERR = 2 };

struct DockerCarrier {
  int socket, stop; /* the connection; an eventfd that ends the threads */
  int in_read, out_write, err_write;
  bool framed;
  unsigned char header[HEADER];
  size_t have;   /* bytes of the header */
  uint32_t left; /* bytes of the frame that are still to come */
  void (*ended)(void *data);
  void *data;
  GThread *output, *input;
};

/* SIGPIPE is ignored by every program of ours; a reader that is gone is no reason to stop the other stream. */
static void write_all(int fd, const char *data, size_t length)
{
  while (fd >= 0 && length > 0) {
    ssize_t put = write(fd, data, length);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      return;
    data += put;
    length -= (size_t)put;
  }
}

/* Waits until FD can be read. False when the carrier is to end. */
static bool wait_readable(const DockerCarrier *carrier, int fd)
{
  struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = carrier->stop, .events = POLLIN } };
  while (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
    ;
  return !fds[1].revents;
}

static void take_frames(DockerCarrier *carrier, const char *bytes, size_t length)
{
  while (length > 0) {
    if (carrier->left == 0) {
      size_t piece = MIN(length, HEADER - carrier->have);
      memcpy(carrier->header + carrier->have, bytes, piece);
      carrier->have += piece;
      bytes += piece;
      length -= piece;
      if (carrier->have < HEADER)
        return;
      const unsigned char *size = carrier->header + 4;
      carrier->left = (uint32_t)size[0] << 24 | (uint32_t)size[1] << 16 | (uint32_t)size[2] << 8 | size[3];
      carrier->have = 0;
      continue;
    }
    size_t piece = MIN(length, carrier->left);
    write_all(carrier->header[0] == STREAM_STDERR ? carrier->err_write : carrier->out_write, bytes, piece);
    carrier->left -= (uint32_t)piece;
    bytes += piece;
    length -= piece;
  }
}

static void *carry_output(void *data)
{
  DockerCarrier *carrier = data;
  g_autofree char *block = g_malloc(BLOCK);
  while (wait_readable(carrier, carrier->socket)) {
    ssize_t got = recv(carrier->socket, block, BLOCK, 0);
    if (got <= 0)
      break;
    if (carrier->framed)
      take_frames(carrier, block, (size_t)got);
    else
      write_all(carrier->out_write, block, (size_t)got);
  }
  if (carrier->ended)
    carrier->ended(carrier->data); /* before the reader learns of it */
  file_close(&carrier->out_write);
  file_close(&carrier->err_write);
  return NULL;
}

static void *carry_input(void *data)
{
  DockerCarrier *carrier = data;
  g_autofree char *block = g_malloc(BLOCK);
  while (wait_readable(carrier, carrier->in_read)) {
    ssize_t got = read(carrier->in_read, block, BLOCK);
    if (got <= 0)
      break;
    for (ssize_t at = 0, put; at < got; at += put)
      if ((put = send(carrier->socket, block + at, (size_t)(got - at), MSG_NOSIGNAL)) < 0)
        return NULL;
  }
  shutdown(carrier->socket, SHUT_WR);
  file_close(&carrier->in_read);
  return NULL;
}

static bool open_pipe(int *read_end, int *write_end, GError **error)
{
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot make a pipe");
  *read_end = ends[0];
  *write_end = ends[1];
  return true;
}

DockerCarrier *docker_carrier_start(int socket, NodeProcess *process, bool with_stdin, bool with_tty,
                                    void (*ended)(void *data), void *data, GError **error)
{
  DockerCarrier *carrier = g_new0(DockerCarrier, 1);
  *carrier = (DockerCarrier){ .socket = socket, .framed = !with_tty, .ended = ended, .data = data };
  carrier->stop = carrier->in_read = carrier->out_write = carrier->err_write = -1;
  carrier->stop = eventfd(0, EFD_CLOEXEC);
  if (!(!with_stdin || open_pipe(&carrier->in_read, &process->stdin_fd, error)) ||
      !open_pipe(&process->stdout_fd, &carrier->out_write, error) ||
      !(with_tty || open_pipe(&process->stderr_fd, &carrier->err_write, error))) {
    docker_carrier_stop(carrier);
    return NULL;
  }
  carrier->output = g_thread_new("docker-out", carry_output, carrier);
  if (with_stdin)
    carrier->input = g_thread_new("docker-in", carry_input, carrier);
  return carrier;
}

void docker_carrier_stop(DockerCarrier *carrier)
{
  if (!carrier)
    return;
  if (carrier->stop >= 0)
    eventfd_write(carrier->stop, 1);
  shutdown(carrier->socket, SHUT_RDWR); /* ends a send that nobody takes */
  if (carrier->output)
    g_thread_join(carrier->output);
  if (carrier->input)
    g_thread_join(carrier->input);
  file_close(&carrier->in_read);
  file_close(&carrier->out_write);
  file_close(&carrier->err_write);
  file_close(&carrier->socket);
  file_close(&carrier->stop);
  g_free(carrier);
}
