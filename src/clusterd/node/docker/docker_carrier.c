#include "clusterd/node/docker/docker_carrier.h"

#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "clusterd/node/process_pipe.h"

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
    process_pipe_write(carrier->header[0] == STREAM_STDERR ? carrier->err_write : carrier->out_write, bytes, piece);
    carrier->left -= (uint32_t)piece;
    bytes += piece;
    length -= piece;
  }
}

static void *carry_output(void *data)
{
  DockerCarrier *carrier = data;
  g_autofree char *block = g_malloc(BLOCK);
  while (process_pipe_wait(carrier->socket, carrier->stop)) {
    ssize_t got = recv(carrier->socket, block, BLOCK, 0);
    if (got <= 0)
      break;
    if (carrier->framed)
      take_frames(carrier, block, (size_t)got);
    else
      process_pipe_write(carrier->out_write, block, (size_t)got);
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
  while (process_pipe_wait(carrier->in_read, carrier->stop)) {
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

DockerCarrier *docker_carrier_start(int socket, NodeProcess *process, bool with_stdin, bool with_tty,
                                    void (*ended)(void *data), void *data, GError **error)
{
  DockerCarrier *carrier = g_new0(DockerCarrier, 1);
  *carrier = (DockerCarrier){ .socket = socket, .framed = !with_tty, .ended = ended, .data = data };
  carrier->stop = carrier->in_read = carrier->out_write = carrier->err_write = -1;
  carrier->stop = eventfd(0, EFD_CLOEXEC);
  if (!(!with_stdin || process_pipe_open(&carrier->in_read, &process->stdin_fd, error)) ||
      !process_pipe_open(&process->stdout_fd, &carrier->out_write, error) ||
      !(with_tty || process_pipe_open(&process->stderr_fd, &carrier->err_write, error))) {
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
