#include "driver/tcp_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"

enum {
  SPLICE_MAX = 256 * 1024,
  ROUNDS_MAX = 32, /* per event, so that one busy connection does not starve the others */
  WATCHED = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
};

typedef struct Flow {
  int from, to; /* borrowed: the pair's */
  int pipe[2];
  size_t held; /* bytes in the pipe */
  bool ended;  /* FROM sent its end of file */
  bool shut;   /* and it was passed on */
} Flow;

typedef struct Relay {
  EventSource source;
  EventLoop *loop;
  int sides[2];
  Flow flows[2];
  void (*closed)(void *data);
  void *data;
} Relay;

typedef enum Progress { PROGRESS_NONE, PROGRESS_SOME, PROGRESS_BROKEN } Progress;

static Progress progress_of_errno(void)
{
  return errno == EAGAIN || errno == EINTR || errno == ENOTCONN ? PROGRESS_NONE : PROGRESS_BROKEN;
}

static Progress flow_fill(Flow *flow)
{
  if (flow->ended)
    return PROGRESS_NONE;
  ssize_t got = splice(flow->from, NULL, flow->pipe[1], NULL, SPLICE_MAX, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (got < 0)
    return progress_of_errno();
  flow->ended = got == 0;
  flow->held += (size_t)got;
  return PROGRESS_SOME;
}

static Progress flow_drain(Flow *flow)
{
  if (flow->held > 0) {
    ssize_t put = splice(flow->pipe[0], NULL, flow->to, NULL, flow->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (put < 0)
      return progress_of_errno();
    flow->held -= (size_t)put;
    return put > 0 ? PROGRESS_SOME : PROGRESS_NONE;
  }
  if (flow->ended && !flow->shut) {
    shutdown(flow->to, SHUT_WR);
    flow->shut = true;
  }
  return PROGRESS_NONE;
}

static void relay_end(Relay *relay, bool broken)
{
  const struct linger reset = { .l_onoff = 1 };
  for (int i = 0; i < 2; i++) {
    if (broken) /* the peers must not take what they got for the whole */
      setsockopt(relay->sides[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    file_close(&relay->sides[i]);
    file_close(&relay->flows[i].pipe[0]);
    file_close(&relay->flows[i].pipe[1]);
  }
  relay->closed(relay->data);
  event_loop_retire(relay->loop, &relay->source);
}

static bool connect_failed(int fd)
{
  int code = 0;
  socklen_t size = sizeof code;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) == 0 && code != 0;
}

/* Edge-triggered: works until neither side moves. */
static void on_relay_ready(EventSource *source, uint32_t events)
{
  Relay *relay = (Relay *)source;
  if (events & EPOLLERR && (connect_failed(relay->sides[0]) || connect_failed(relay->sides[1]))) {
    relay_end(relay, true);
    return;
  }
  for (int round = 0; round < ROUNDS_MAX; round++) {
    bool moved = false;
    for (int i = 0; i < 2; i++) {
      Progress in = flow_fill(&relay->flows[i]), out = flow_drain(&relay->flows[i]);
      if (in == PROGRESS_BROKEN || out == PROGRESS_BROKEN) {
        relay_end(relay, true);
        return;
      }
      moved |= in == PROGRESS_SOME || out == PROGRESS_SOME;
    }
    if (relay->flows[0].shut && relay->flows[1].shut) {
      relay_end(relay, false);
      return;
    }
    if (!moved)
      return;
  }
  event_loop_rewatch(relay->loop, relay->sides[0], WATCHED, source); /* more is pending: come back after the others */
}

static bool relay_open(Relay *relay)
{
  int on = 1;
  for (int i = 0; i < 2; i++) {
    Flow *flow = &relay->flows[i];
    /* What the sender sent goes on at once: Nagle's algorithm would hold the second part of a reply until the first is
     * acknowledged, 40 ms later. A relay of other sockets than TCP has nothing to turn off. */
    (void)setsockopt(relay->sides[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    flow->from = relay->sides[i];
    flow->to = relay->sides[!i];
    if (pipe2(flow->pipe, O_NONBLOCK | O_CLOEXEC) < 0)
      return false;
  }
  return event_loop_watch(relay->loop, relay->sides[0], WATCHED, &relay->source) &&
         event_loop_watch(relay->loop, relay->sides[1], WATCHED, &relay->source);
}

static void ignore_end(void *data)
{
}

bool tcp_relay_start(EventLoop *loop, int a, int b, void (*closed)(void *data), void *data)
{
  Relay *relay = g_new0(Relay, 1);
  *relay = (Relay){ .source.ready = on_relay_ready, .loop = loop, .sides = { a, b }, .closed = closed, .data = data };
  for (int i = 0; i < 2; i++)
    relay->flows[i].pipe[0] = relay->flows[i].pipe[1] = -1;
  if (a >= 0 && b >= 0 && relay_open(relay))
    return true;
  relay->closed = ignore_end;
  relay_end(relay, true);
  return false;
}
