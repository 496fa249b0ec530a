#include "driver/event_loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/reason.h"

enum { BATCH = 64 };

struct EventLoop {
  int epoll;
  bool quit;
  GHashTable *retired; /* sources that events of this batch may still name */
};

EventLoop *event_loop_new(GError **error)
{
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) {
    reason_set_errno(error, REASON_DRIVER, errno, "Cannot make an event loop");
    return NULL;
  }
  EventLoop *loop = g_new0(EventLoop, 1);
  loop->epoll = epoll;
  loop->retired = g_hash_table_new_full(NULL, NULL, g_free, NULL);
  return loop;
}

void event_loop_free(EventLoop *loop)
{
  if (!loop)
    return;
  close(loop->epoll);
  g_hash_table_destroy(loop->retired);
  g_free(loop);
}

bool event_loop_watch(EventLoop *loop, int fd, uint32_t events, EventSource *source)
{
  struct epoll_event event = { .events = events, .data.ptr = source };
  return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void event_loop_rewatch(EventLoop *loop, int fd, uint32_t events, EventSource *source)
{
  struct epoll_event event = { .events = events, .data.ptr = source };
  epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event);
}

void event_loop_retire(EventLoop *loop, EventSource *source)
{
  g_hash_table_add(loop->retired, source);
}

void event_loop_quit(EventLoop *loop)
{
  loop->quit = true;
}

void event_loop_run(EventLoop *loop, int tick_ms, void (*tick)(void *data), void *data)
{
  gint64 next_tick = g_get_monotonic_time() + (gint64)tick_ms * 1000;
  while (!loop->quit) {
    struct epoll_event events[BATCH];
    gint64 left = (next_tick - g_get_monotonic_time()) / 1000;
    int count = epoll_wait(loop->epoll, events, BATCH, (int)CLAMP(left, 0, tick_ms));
    for (int i = 0; i < count && !loop->quit; i++) {
      EventSource *source = events[i].data.ptr;
      if (!g_hash_table_contains(loop->retired, source))
        source->ready(source, events[i].events);
    }
    g_hash_table_remove_all(loop->retired);
    if (g_get_monotonic_time() >= next_tick) {
      tick(data);
      next_tick = g_get_monotonic_time() + (gint64)tick_ms * 1000;
    }
  }
}
