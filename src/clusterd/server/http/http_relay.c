/* An upgraded connection: bytes go between the TLS side and a local socket, with the slower one setting the pace. */
#include <string.h>
#include <unistd.h>

#include "clusterd/server/http/http_private.h"

#define RELAY_BUFFER_MAX (256 << 10)

typedef struct Relay {
  struct evhttp_connection *connection; /* owns `outside` */
  struct bufferevent *outside, *inside;
  bool outside_done, inside_done;
} Relay;

static void relay_free(Relay *relay)
{
  bufferevent_setcb(relay->outside, NULL, NULL, NULL, NULL);
  bufferevent_free(relay->inside);
  evhttp_connection_free(relay->connection);
  g_free(relay);
}

static void pump(struct bufferevent *from, struct bufferevent *to)
{
  bufferevent_write_buffer(to, bufferevent_get_input(from));
  if (evbuffer_get_length(bufferevent_get_output(to)) > RELAY_BUFFER_MAX)
    bufferevent_disable(from, EV_READ);
}

static void on_read(struct bufferevent *from, void *data)
{
  Relay *relay = data;
  pump(from, from == relay->outside ? relay->inside : relay->outside);
}

/* What was buffered for TO is written: its source may go on, or the relay is over. */
static void on_written(struct bufferevent *to, void *data)
{
  Relay *relay = data;
  bool source_done = to == relay->outside ? relay->inside_done : relay->outside_done;
  if (!source_done)
    bufferevent_enable(to == relay->outside ? relay->inside : relay->outside, EV_READ);
  else if (evbuffer_get_length(bufferevent_get_output(to)) == 0)
    relay_free(relay);
}

static void on_event(struct bufferevent *side, short events, void *data)
{
  Relay *relay = data;
  if (!(events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
    return;
  struct bufferevent *other = side == relay->outside ? relay->inside : relay->outside;
  bool *done = side == relay->outside ? &relay->outside_done : &relay->inside_done;
  *done = true;
  pump(side, other);
  bufferevent_disable(side, EV_READ | EV_WRITE);
  /* what the ended side still said reaches the other one first */
  if ((relay->inside_done && relay->outside_done) || evbuffer_get_length(bufferevent_get_output(other)) == 0)
    relay_free(relay);
}

void http_relay_start(HttpLoop *loop, struct evhttp_request *request, const char *head, int fd)
{
  struct evhttp_connection *connection = evhttp_request_get_connection(request);
  if (!connection) { /* the peer went before the answer was ready */
    close(fd);
    evhttp_send_reply(request, 500, NULL, NULL);
    return;
  }
  Relay *relay = g_new0(Relay, 1);
  relay->connection = connection;
  relay->outside = evhttp_connection_get_bufferevent(connection);
  relay->inside = bufferevent_socket_new(loop->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
  struct timeval never = { 0 };
  bufferevent_set_timeouts(relay->outside, &never, &never);
  bufferevent_setcb(relay->outside, on_read, on_written, on_event, relay);
  bufferevent_setcb(relay->inside, on_read, on_written, on_event, relay);
  bufferevent_write(relay->outside, head, strlen(head));
  bufferevent_enable(relay->outside, EV_READ | EV_WRITE);
  bufferevent_enable(relay->inside, EV_READ | EV_WRITE);
  pump(relay->outside, relay->inside); /* what came right behind the request */
}
