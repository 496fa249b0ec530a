#pragma once
/* A small epoll loop for a machine's holder: one thread, no locks. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The first member of whatever waits on a descriptor. READY is called with epoll's event bits. */
typedef struct EventSource EventSource;
struct EventSource {
  void (*ready)(EventSource *source, uint32_t events);
};

typedef struct EventLoop EventLoop;

EventLoop *event_loop_new(GError **error);
void event_loop_free(EventLoop *loop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EventLoop, event_loop_free)

/* Watches FD for EVENTS (EPOLLIN…); on false errno tells why. Closing FD ends it. SOURCE must stay valid until
 * event_loop_retire(). */
bool event_loop_watch(EventLoop *loop, int fd, uint32_t events, EventSource *source);

/* Changes what FD is watched for; also makes an edge-triggered descriptor report again what is pending. */
void event_loop_rewatch(EventLoop *loop, int fd, uint32_t events, EventSource *source);

/* g_free()s SOURCE once no event fetched already can name it. Its descriptors must be closed. */
void event_loop_retire(EventLoop *loop, EventSource *source);

/* Serves until event_loop_quit(). Calls TICK every TICK_MS. */
void event_loop_run(EventLoop *loop, int tick_ms, void (*tick)(void *data), void *data);
void event_loop_quit(EventLoop *loop);
