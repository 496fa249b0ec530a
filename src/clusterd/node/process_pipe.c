#include "clusterd/node/process_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/reason.h"

bool process_pipe_open(int *read_end, int *write_end, GError **error)
{
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot make a pipe");
  *read_end = ends[0];
  *write_end = ends[1];
  return true;
}

bool process_pipe_wait(int fd, int stop)
{
  struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = stop, .events = POLLIN } };
  while (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
    ;
  return !fds[1].revents;
}

bool process_pipe_write(int fd, const void *data, size_t length)
{
  const char *at = data;
  while (length > 0) {
    ssize_t put = write(fd, at, length);
    if (put < 0 && errno == EINTR)
      continue;
    if (put <= 0)
      return false;
    at += put;
    length -= (size_t)put;
  }
  return true;
}
