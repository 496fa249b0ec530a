#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/reason.h"
#include "clusterd/server/stream/spdy.h"
#include "clusterd/server/stream/stream_io.h"
#include "clusterd/server/stream/stream_session.h"
#include "clusterd/server/stream/websocket.h"

/* Port-forward: for each connection the client opens an error stream, which it ends at once, and a data stream, both
 * with the headers `port` and `requestid`. All of it is SPDY, which newer clients put into WebSocket messages. */

enum { CHUNK = 32 << 10, CLOSE_NORMAL = 1000 };

typedef struct Connection {
  char *request_id;
  uint32_t error_stream, data_stream; /* 0: not opened yet */
  int fd;                             /* into the pod, -1 before and after */
  GByteArray *to_pod;
  bool client_ended, done;
} Connection;

typedef struct Forward {
  int fd;
  const PortForward *request;
  WebSocket *websocket; /* NULL: SPDY directly on the wire */
  Spdy *spdy;
  GByteArray *frames; /* SPDY to be sent */
  GByteArray *out;    /* the same as it goes on the wire */
  GPtrArray *connections;
  uint32_t last_stream;
  bool gone;
} Forward;

static void connection_free(gpointer data)
{
  Connection *connection = data;
  if (connection->fd >= 0)
    close(connection->fd);
  g_byte_array_unref(connection->to_pod);
  g_free(connection->request_id);
  g_free(connection);
}

static Connection *find_stream(const Forward *forward, uint32_t stream)
{
  for (guint i = 0; i < forward->connections->len; i++) {
    Connection *connection = forward->connections->pdata[i];
    if (connection->data_stream == stream)
      return connection;
  }
  return NULL;
}

static Connection *find_request(const Forward *forward, const char *request_id)
{
  for (guint i = 0; i < forward->connections->len; i++) {
    Connection *connection = forward->connections->pdata[i];
    if (!connection->done && strcmp(connection->request_id, request_id) == 0)
      return connection;
  }
  return NULL;
}

/* Ends both streams; the client takes the end of the error stream for the end of the connection. */
static void finish(Forward *forward, Connection *connection)
{
  if (connection->done)
    return;
  connection->done = true;
  if (connection->data_stream)
    spdy_append_data(forward->frames, connection->data_stream, true, NULL, 0);
  if (connection->error_stream)
    spdy_append_data(forward->frames, connection->error_stream, true, NULL, 0);
}

static void connect_pod(Forward *forward, Connection *connection, guint64 port)
{
  g_autoptr(GError) error = NULL;
  connection->fd = forward->request->connect(forward->request->data, (uint16_t)port, &error);
  if (connection->fd >= 0) {
    stream_io_prepare(connection->fd);
    return;
  }
  g_autofree char *text = g_strdup_printf("error forwarding port %" G_GUINT64_FORMAT " to pod %s: %s", port,
                                          forward->request->pod, error->message);
  spdy_append_data(forward->frames, connection->error_stream, false, text, strlen(text));
  finish(forward, connection);
}

static void refuse(Forward *forward, uint32_t stream, uint32_t status)
{
  spdy_append_rst(forward->frames, stream, status);
}

static void open_stream(Forward *forward, const SpdyEvent *syn)
{
  const char *type = g_hash_table_lookup(syn->headers, "streamtype"), *text = g_hash_table_lookup(syn->headers, "port");
  const char *id = g_hash_table_lookup(syn->headers, "requestid");
  bool is_data = g_strcmp0(type, "data") == 0;
  guint64 port;
  forward->last_stream = syn->stream;
  if ((!is_data && g_strcmp0(type, "error") != 0) || !text ||
      !g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT16, &port, NULL)) {
    refuse(forward, syn->stream, SPDY_RST_PROTOCOL_ERROR);
    return;
  }
  /* clients before requestid existed opened the error stream two numbers before its data stream */
  g_autofree char *name = id ? g_strdup(id) : g_strdup_printf("#%u", is_data ? syn->stream - 2 : syn->stream);
  Connection *connection = find_request(forward, name);
  if (!connection) {
    if (forward->connections->len >= PORT_FORWARD_CONNECTIONS_MAX) {
      refuse(forward, syn->stream, SPDY_RST_REFUSED);
      return;
    }
    connection = g_new0(Connection, 1);
    connection->request_id = g_steal_pointer(&name);
    connection->fd = -1;
    connection->to_pod = g_byte_array_new();
    g_ptr_array_add(forward->connections, connection);
  }
  uint32_t *stream = is_data ? &connection->data_stream : &connection->error_stream;
  if (*stream) {
    refuse(forward, syn->stream, SPDY_RST_PROTOCOL_ERROR);
    return;
  }
  *stream = syn->stream;
  spdy_append_syn_reply(forward->spdy, forward->frames, syn->stream, false, NULL);
  if (connection->data_stream && connection->error_stream)
    connect_pod(forward, connection, port);
}

static void take_data(Forward *forward, const SpdyEvent *event)
{
  Connection *connection = find_stream(forward, event->stream);
  if (!connection || connection->done)
    return;
  if (event->length > 0)
    g_byte_array_append(connection->to_pod, event->data, (guint)event->length);
  connection->client_ended = connection->client_ended || event->fin;
}

static void take_frames(Forward *forward)
{
  SpdyEvent event;
  for (;;) {
    if (!spdy_next(forward->spdy, &event, NULL)) {
      forward->gone = true;
      return;
    }
    Connection *connection;
    switch (event.type) {
    case SPDY_NONE:
      return;
    case SPDY_SYN_STREAM:
      open_stream(forward, &event);
      break;
    case SPDY_DATA:
      take_data(forward, &event);
      break;
    case SPDY_RST_STREAM:
      connection = find_stream(forward, event.stream);
      if (connection)
        finish(forward, connection);
      break;
    case SPDY_PING:
      if (event.stream & 1)
        spdy_append_ping(forward->frames, event.stream);
      break;
    default:
      break;
    }
  }
}

static void take_messages(Forward *forward)
{
  WebSocketEvent message;
  uint16_t code = 0;
  for (;;) {
    if (!websocket_next(forward->websocket, &message, &code, NULL)) {
      websocket_append_close(forward->out, code, "");
      forward->gone = true;
      return;
    }
    if (message.type == WEBSOCKET_NONE)
      return;
    if (message.type == WEBSOCKET_CLOSE) {
      forward->gone = true;
      return;
    }
    if (message.type == WEBSOCKET_PING)
      websocket_append_frame(forward->out, WEBSOCKET_OP_PONG, message.data, message.length);
    if (message.type == WEBSOCKET_BINARY) {
      spdy_feed(forward->spdy, message.data, message.length);
      take_frames(forward);
    }
  }
}

static void read_peer(Forward *forward)
{
  guint8 buffer[CHUNK];
  gsize length;
  StreamIo result = stream_io_read(forward->fd, buffer, sizeof buffer, &length);
  if (result == STREAM_IO_END)
    forward->gone = true;
  if (result != STREAM_IO_SOME)
    return;
  if (forward->websocket) {
    websocket_feed(forward->websocket, buffer, length);
    take_messages(forward);
  } else {
    spdy_feed(forward->spdy, buffer, length);
    take_frames(forward);
  }
}

static void read_pod(Forward *forward, Connection *connection)
{
  guint8 buffer[CHUNK];
  gsize length;
  StreamIo result = stream_io_read(connection->fd, buffer, sizeof buffer, &length);
  if (result == STREAM_IO_SOME)
    spdy_append_data(forward->frames, connection->data_stream, false, buffer, length);
  if (result == STREAM_IO_END)
    finish(forward, connection);
}

static void write_pod(Forward *forward, Connection *connection)
{
  if (connection->fd < 0 || connection->done)
    return;
  StreamIo result = stream_io_flush(connection->fd, connection->to_pod);
  if (result == STREAM_IO_END)
    finish(forward, connection);
  else if (result == STREAM_IO_SOME && connection->client_ended) {
    shutdown(connection->fd, SHUT_WR);
    connection->client_ended = false; /* said once */
  }
}

/* Moves the frames to the wire, in one message where they travel in messages. */
static void send_frames(Forward *forward)
{
  if (forward->frames->len > 0 && forward->websocket)
    websocket_append_frame(forward->out, WEBSOCKET_OP_BINARY, forward->frames->data, forward->frames->len);
  else if (forward->frames->len > 0)
    g_byte_array_append(forward->out, forward->frames->data, forward->frames->len);
  g_byte_array_set_size(forward->frames, 0);
  if (stream_io_flush(forward->fd, forward->out) == STREAM_IO_END)
    forward->gone = true;
}

static bool any_full(const Forward *forward)
{
  for (guint i = 0; i < forward->connections->len; i++) {
    const Connection *connection = forward->connections->pdata[i];
    if (connection->to_pod->len >= STREAM_BUFFER_MAX)
      return true;
  }
  return false;
}

static void turn(Forward *forward)
{
  struct pollfd fds[1 + PORT_FORWARD_CONNECTIONS_MAX];
  guint n = forward->connections->len; /* those opened in this turn wait for the next */
  bool full = forward->out->len >= STREAM_BUFFER_MAX;
  fds[0] =
      (struct pollfd){ forward->fd, (short)((any_full(forward) ? 0 : POLLIN) | (forward->out->len ? POLLOUT : 0)), 0 };
  for (guint i = 0; i < n; i++) {
    const Connection *connection = forward->connections->pdata[i];
    fds[i + 1] =
        (struct pollfd){ connection->fd, (short)((full ? 0 : POLLIN) | (connection->to_pod->len ? POLLOUT : 0)), 0 };
    if (full && !fds[i + 1].events)
      fds[i + 1].fd = -1; /* a hang-up would be told again and again */
  }
  if (poll(fds, n + 1, -1) < 0)
    return;
  if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
    read_peer(forward);
  for (guint i = 0; i < n; i++) {
    Connection *connection = forward->connections->pdata[i];
    if (!full && !connection->done && (fds[i + 1].revents & (POLLIN | POLLHUP | POLLERR)))
      read_pod(forward, connection);
  }
  for (guint i = forward->connections->len; i-- > 0;) {
    Connection *connection = forward->connections->pdata[i];
    write_pod(forward, connection);
    if (connection->done)
      g_ptr_array_remove_index_fast(forward->connections, i);
  }
  send_frames(forward);
}

void port_forward_run(int fd, const StreamHandshake *handshake, const PortForward *request)
{
  bool tunneled = handshake->framing == STREAM_WEBSOCKET;
  Forward forward = {
    .fd = fd, .request = request, .websocket = tunneled ? websocket_new() : NULL, .spdy = spdy_new()
  };
  forward.frames = g_byte_array_new();
  forward.out = g_byte_array_new();
  forward.connections = g_ptr_array_new_with_free_func(connection_free);
  stream_io_prepare(fd);
  while (!forward.gone)
    turn(&forward);
  spdy_append_goaway(forward.frames, forward.last_stream, 0);
  send_frames(&forward);
  if (tunneled)
    websocket_append_close(forward.out, CLOSE_NORMAL, "");
  g_ptr_array_unref(forward.connections);
  stream_io_finish(fd, forward.out);
  websocket_free(forward.websocket);
  spdy_free(forward.spdy);
  g_byte_array_unref(forward.frames);
  g_byte_array_unref(forward.out);
}
