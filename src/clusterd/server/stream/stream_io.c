#include "clusterd/server/stream/stream_io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FINISH_MS = 5000 };

void stream_io_prepare(int fd)
{
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0)
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

StreamIo stream_io_read(int fd, void *buffer, gsize size, gsize *length)
{
  gssize got;
  do
    got = read(fd, buffer, size);
  while (got < 0 && errno == EINTR);
  *length = got > 0 ? (gsize)got : 0;
  if (got > 0)
    return STREAM_IO_SOME;
  return got < 0 && errno == EAGAIN ? STREAM_IO_WAIT : STREAM_IO_END;
}

/* A socket whose peer is gone must not kill the process; a pipe's SIGPIPE is ignored by main. */
static gssize write_some(int fd, const void *data, gsize length)
{
  gssize sent = send(fd, data, length, MSG_NOSIGNAL);
  return sent < 0 && errno == ENOTSOCK ? write(fd, data, length) : sent;
}

StreamIo stream_io_flush(int fd, GByteArray *pending)
{
  gsize done = 0;
  StreamIo result = STREAM_IO_SOME;
  while (done < pending->len) {
    gssize sent = write_some(fd, pending->data + done, pending->len - done);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0) {
      result = errno == EAGAIN ? STREAM_IO_WAIT : STREAM_IO_END;
      break;
    }
    done += (gsize)sent;
  }
  if (done > 0)
    g_byte_array_remove_range(pending, 0, (guint)done);
  return result;
}

void stream_io_finish(int fd, GByteArray *pending)
{
  gint64 deadline = g_get_monotonic_time() + FINISH_MS * 1000;
  bool said_all = false;
  for (;;) {
    guint8 ignored[4096];
    gsize length;
    StreamIo out = said_all ? STREAM_IO_SOME : stream_io_flush(fd, pending);
    if (!said_all && out == STREAM_IO_SOME) {
      shutdown(fd, SHUT_WR);
      said_all = true;
    }
    if (out == STREAM_IO_END || stream_io_read(fd, ignored, sizeof ignored, &length) == STREAM_IO_END)
      break;
    int left = (int)((deadline - g_get_monotonic_time()) / 1000);
    struct pollfd wait = { .fd = fd, .events = (short)(POLLIN | (said_all ? 0 : POLLOUT)) };
    if (left <= 0 || poll(&wait, 1, left) < 0)
      break;
  }
  close(fd);
}
