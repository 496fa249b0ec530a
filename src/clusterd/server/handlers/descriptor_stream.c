/* A descriptor as the body of an answer: whatever can be read from it goes to the client until it ends, the client
 * goes, or the server stops. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/server/api_request.h"

#define BLOCK_BYTES (32 << 10)
#define BACKLOG_BYTES (1u << 20) /* with so much unsent nothing more is read */

typedef struct DescriptorStream {
  gatomicrefcount references; /* of the thread, of the stream's on_close, and of a wait for room */
  HttpStream *stream;
  int fd;
  int alarm[2]; /* a socket pair: readable at [0] when the client is gone or the server stops */
  int room;     /* an eventfd: readable when what was unsent has gone */
} DescriptorStream;

static void unref(DescriptorStream *session)
{
  if (!g_atomic_ref_count_dec(&session->references))
    return;
  close(session->alarm[0]);
  close(session->alarm[1]);
  close(session->room);
  g_free(session);
}

static void closed(void *data)
{
  DescriptorStream *session = data;
  shutdown(session->alarm[1], SHUT_RDWR);
  unref(session);
}

static void tell_room(void *data)
{
  DescriptorStream *session = data;
  eventfd_write(session->room, 1);
  unref(session);
}

/* Lets a client that reads slowly catch up. False when it is not worth the wait any more. */
static bool wait_for_room(DescriptorStream *session)
{
  struct pollfd ready[] = { { session->room, POLLIN, 0 }, { session->alarm[0], POLLIN, 0 } };
  eventfd_t count;
  if (http_stream_backlog(session->stream) < BACKLOG_BYTES)
    return true;
  g_atomic_ref_count_inc(&session->references);
  http_stream_when_drained(session->stream, tell_room, session);
  while (poll(ready, G_N_ELEMENTS(ready), -1) < 0)
    if (errno != EINTR)
      return false;
  return !ready[1].revents && eventfd_read(session->room, &count) == 0;
}

/* One block to the client. False at the end. */
static bool copy(DescriptorStream *session)
{
  struct pollfd ready[] = { { session->fd, POLLIN, 0 }, { session->alarm[0], POLLIN, 0 } };
  if (poll(ready, G_N_ELEMENTS(ready), -1) < 0)
    return errno == EINTR;
  if (ready[1].revents)
    return false;
  guint8 *block = g_malloc(BLOCK_BYTES);
  ssize_t got = read(session->fd, block, BLOCK_BYTES);
  if (got <= 0) {
    g_free(block);
    return got < 0 && (errno == EINTR || errno == EAGAIN);
  }
  return http_stream_write(session->stream, g_bytes_new_take(block, (gsize)got));
}

static void run(void *data)
{
  DescriptorStream *session = data;
  while (wait_for_room(session) && copy(session))
    ;
  close(session->fd);
  http_stream_close(session->stream);
  unref(session);
}

void respond_descriptor(ApiRequest *request, int status, const char *content_type, int fd)
{
  DescriptorStream *session = g_new0(DescriptorStream, 1);
  session->room = eventfd(0, EFD_CLOEXEC);
  if (session->room < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, session->alarm) < 0) {
    g_autoptr(GError) error = NULL;
    reason_set_errno(&error, REASON_INTERNAL, errno, "cannot stream the answer");
    close(fd);
    file_close(&session->room);
    g_free(session);
    respond_error(request, error);
    return;
  }
  g_atomic_ref_count_init(&session->references);
  g_atomic_ref_count_inc(&session->references);
  session->fd = fd;
  session->stream = http_stream_new(g_steal_pointer(&request->http), status, content_type, closed, session);
  if (!session_set_run(api_server_sessions(request->server), session->alarm[0], run, session)) {
    shutdown(session->alarm[1], SHUT_RDWR);
    run(session); /* too many: at least what is there now, or nothing */
  }
}
