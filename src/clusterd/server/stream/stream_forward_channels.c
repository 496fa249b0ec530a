#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clusterd/server/stream/stream_io.h"
#include "clusterd/server/stream/stream_session.h"
#include "clusterd/server/stream/websocket.h"

/* Port-forward as the Python and JavaScript clients ask for it: one connection to each port named in the request, and
 * of the messages' first byte channel 2n carries the data of port n, 2n+1 its errors. Each channel begins with the
 * port's number (two bytes, little-endian). Source: k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go. */

enum { CHUNK = 32 << 10, CLOSE_NORMAL = 1000 };

typedef struct Tunnel {
  int fd; /* into the pod, -1 before and after */
  GByteArray *to_pod;
} Tunnel;

typedef struct Channels {
  int fd;
  bool base64, gone;
  WebSocket *websocket;
  GByteArray *out;
  Tunnel tunnels[PORT_FORWARD_PORTS_MAX];
  unsigned n_tunnels;
} Channels;

static void write_channel(Channels *channels, unsigned channel, const void *data, gsize length)
{
  g_autoptr(GByteArray) message = g_byte_array_new();
  guint8 first = (guint8)(channels->base64 ? '0' + channel : channel);
  g_byte_array_append(message, &first, 1);
  if (channels->base64) {
    g_autofree char *text = g_base64_encode(data, length);
    g_byte_array_append(message, (const guint8 *)text, (guint)strlen(text));
  } else {
    g_byte_array_append(message, data, (guint)length);
  }
  websocket_append_frame(channels->out, channels->base64 ? WEBSOCKET_OP_TEXT : WEBSOCKET_OP_BINARY, message->data,
                         message->len);
}

static void tunnel_close(Tunnel *tunnel)
{
  if (tunnel->fd >= 0)
    close(tunnel->fd);
  tunnel->fd = -1;
  g_byte_array_set_size(tunnel->to_pod, 0);
}

static void open_tunnel(Channels *channels, const PortForward *request, uint16_t port)
{
  g_autoptr(GError) error = NULL;
  unsigned number = channels->n_tunnels++;
  Tunnel *tunnel = &channels->tunnels[number];
  const guint16 prefix = GUINT16_TO_LE(port);
  tunnel->to_pod = g_byte_array_new();
  write_channel(channels, 2 * number, &prefix, sizeof prefix);
  write_channel(channels, 2 * number + 1, &prefix, sizeof prefix);
  tunnel->fd = request->connect(request->data, port, &error);
  if (tunnel->fd >= 0) {
    stream_io_prepare(tunnel->fd);
    return;
  }
  g_autofree char *text = g_strdup_printf("error forwarding port %u to pod %s: %s", port, request->pod, error->message);
  write_channel(channels, 2 * number + 1, text, strlen(text));
}

static void take_message(Channels *channels, const WebSocketEvent *message)
{
  if (message->length < 1)
    return;
  unsigned channel = message->data[0] - (channels->base64 ? '0' : 0u);
  if (channel % 2 || channel / 2 >= channels->n_tunnels || channels->tunnels[channel / 2].fd < 0)
    return;
  GByteArray *to_pod = channels->tunnels[channel / 2].to_pod;
  if (!channels->base64) {
    g_byte_array_append(to_pod, message->data + 1, (guint)message->length - 1);
    return;
  }
  gsize length;
  g_autofree char *text = g_strndup((const char *)message->data + 1, message->length - 1);
  g_autofree guchar *decoded = g_base64_decode(text, &length);
  g_byte_array_append(to_pod, decoded, (guint)length);
}

static void read_peer(Channels *channels)
{
  guint8 buffer[CHUNK];
  gsize length;
  WebSocketEvent message;
  uint16_t code = 0;
  StreamIo result = stream_io_read(channels->fd, buffer, sizeof buffer, &length);
  channels->gone = channels->gone || result == STREAM_IO_END;
  if (result != STREAM_IO_SOME)
    return;
  websocket_feed(channels->websocket, buffer, length);
  while (!channels->gone) {
    if (!websocket_next(channels->websocket, &message, &code, NULL)) {
      websocket_append_close(channels->out, code, "");
      channels->gone = true;
    } else if (message.type == WEBSOCKET_NONE) {
      return;
    } else if (message.type == WEBSOCKET_CLOSE) {
      channels->gone = true;
    } else if (message.type == WEBSOCKET_PING) {
      websocket_append_frame(channels->out, WEBSOCKET_OP_PONG, message.data, message.length);
    } else if (message.type != WEBSOCKET_PONG) {
      take_message(channels, &message);
    }
  }
}

static void read_pod(Channels *channels, unsigned number)
{
  guint8 buffer[CHUNK];
  gsize length;
  Tunnel *tunnel = &channels->tunnels[number];
  StreamIo result = stream_io_read(tunnel->fd, buffer, sizeof buffer, &length);
  if (result == STREAM_IO_SOME)
    write_channel(channels, 2 * number, buffer, length);
  else if (result == STREAM_IO_END)
    tunnel_close(tunnel);
}

/* Whether a connection lives: the client has nothing to wait for when none does and all is said. */
static bool any_open(const Channels *channels)
{
  for (unsigned i = 0; i < channels->n_tunnels; i++)
    if (channels->tunnels[i].fd >= 0)
      return true;
  return channels->out->len > 0;
}

static bool any_full(const Channels *channels)
{
  for (unsigned i = 0; i < channels->n_tunnels; i++)
    if (channels->tunnels[i].to_pod->len >= STREAM_BUFFER_MAX)
      return true;
  return false;
}

static void turn(Channels *channels)
{
  struct pollfd fds[1 + PORT_FORWARD_PORTS_MAX];
  bool full = channels->out->len >= STREAM_BUFFER_MAX;
  short reading = full ? 0 : POLLIN;
  fds[0] = (struct pollfd){ channels->fd,
                            (short)((any_full(channels) ? 0 : POLLIN) | (channels->out->len ? POLLOUT : 0)), 0 };
  for (unsigned i = 0; i < channels->n_tunnels; i++) {
    const Tunnel *tunnel = &channels->tunnels[i];
    short events = (short)(reading | (tunnel->to_pod->len ? POLLOUT : 0));
    fds[i + 1] = (struct pollfd){ events ? tunnel->fd : -1, events, 0 };
  }
  if (poll(fds, channels->n_tunnels + 1, -1) < 0)
    return;
  if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
    read_peer(channels);
  for (unsigned i = 0; i < channels->n_tunnels; i++) {
    Tunnel *tunnel = &channels->tunnels[i];
    if (!full && tunnel->fd >= 0 && (fds[i + 1].revents & (POLLIN | POLLHUP | POLLERR)))
      read_pod(channels, i);
    if (tunnel->fd >= 0 && stream_io_flush(tunnel->fd, tunnel->to_pod) == STREAM_IO_END)
      tunnel_close(tunnel);
  }
  if (stream_io_flush(channels->fd, channels->out) == STREAM_IO_END)
    channels->gone = true;
}

void port_forward_channels_run(int fd, const StreamHandshake *handshake, const PortForward *request)
{
  Channels channels = { .fd = fd, .base64 = handshake->base64, .websocket = websocket_new() };
  channels.out = g_byte_array_new();
  stream_io_prepare(fd);
  for (unsigned i = 0; i < request->n_ports; i++)
    open_tunnel(&channels, request, request->ports[i]);
  while (!channels.gone && any_open(&channels))
    turn(&channels);
  websocket_append_close(channels.out, CLOSE_NORMAL, "");
  for (unsigned i = 0; i < channels.n_tunnels; i++) {
    tunnel_close(&channels.tunnels[i]);
    g_byte_array_unref(channels.tunnels[i].to_pod);
  }
  stream_io_finish(fd, channels.out);
  websocket_free(channels.websocket);
  g_byte_array_unref(channels.out);
}
