#include "clusterd/server/stream/stream_channels.h"

#include <string.h>

#include "clusterd/server/stream/spdy.h"
#include "clusterd/server/stream/websocket.h"

enum { CHANNEL_CLOSE_SIGNAL = 255, CLOSE_NORMAL = 1000 };

struct StreamChannels {
  unsigned wanted, open, ended;
  bool base64;
  GByteArray *out;
  WebSocket *websocket; /* one of the two framings is not NULL */
  Spdy *spdy;
  uint32_t streams[N_CHANNELS]; /* SPDY: stream of each channel, 0 while not open */
  uint32_t last_stream;
  guchar *decoded; /* base64: of the last event */
};

StreamChannels *stream_channels_new(const StreamHandshake *handshake, unsigned wanted)
{
  StreamChannels *channels = g_new0(StreamChannels, 1);
  channels->wanted = wanted;
  channels->base64 = handshake->base64;
  channels->out = g_byte_array_new();
  if (handshake->framing == STREAM_SPDY) {
    channels->spdy = spdy_new();
    return channels;
  }
  channels->websocket = websocket_new();
  channels->open = wanted;
  /* an empty message tells the client that the connection stands: it may be waiting for the first byte */
  stream_channels_write(channels,
                        wanted & 1u << CHANNEL_STDOUT   ? CHANNEL_STDOUT
                        : wanted & 1u << CHANNEL_STDERR ? CHANNEL_STDERR
                                                        : CHANNEL_ERROR,
                        NULL, 0);
  return channels;
}

void stream_channels_free(StreamChannels *channels)
{
  if (!channels)
    return;
  g_byte_array_unref(channels->out);
  websocket_free(channels->websocket);
  spdy_free(channels->spdy);
  g_free(channels->decoded);
  g_free(channels);
}

GByteArray *stream_channels_out(StreamChannels *channels)
{
  return channels->out;
}

bool stream_channels_ready(const StreamChannels *channels)
{
  return (channels->open & channels->wanted) == channels->wanted;
}

void stream_channels_feed(StreamChannels *channels, const void *data, gsize length)
{
  if (channels->spdy)
    spdy_feed(channels->spdy, data, length);
  else
    websocket_feed(channels->websocket, data, length);
}

/* A new stream: its header says which channel it is. */
static void open_stream(StreamChannels *channels, const SpdyEvent *syn)
{
  static const char *const names[N_CHANNELS] = { "stdin", "stdout", "stderr", "error", "resize" };
  const char *type = g_hash_table_lookup(syn->headers, "streamtype");
  channels->last_stream = syn->stream;
  for (int i = 0; i < N_CHANNELS; i++)
    if (g_strcmp0(type, names[i]) == 0 && (channels->wanted & 1u << i) && !(channels->open & 1u << i)) {
      channels->streams[i] = syn->stream;
      channels->open |= 1u << i;
      spdy_append_syn_reply(channels->spdy, channels->out, syn->stream, false, NULL);
      return;
    }
  spdy_append_rst(channels->out, syn->stream, SPDY_RST_REFUSED);
}

static bool channel_of_stream(const StreamChannels *channels, uint32_t stream, StreamChannel *channel)
{
  for (int i = 0; i < N_CHANNELS; i++)
    if (stream != 0 && channels->streams[i] == stream) {
      *channel = (StreamChannel)i;
      return true;
    }
  return false;
}

/* A DATA frame may both carry bytes and end the stream: the end is told by the event after. */
static void spdy_event(StreamChannels *channels, ChannelEvent *event)
{
  SpdyEvent got;
  while (event->type == CHANNEL_NONE) {
    for (int i = 0; i < N_CHANNELS; i++)
      if (channels->ended & 1u << i) {
        channels->ended &= ~(1u << i);
        *event = (ChannelEvent){ .type = CHANNEL_END, .channel = (StreamChannel)i };
        return;
      }
    if (!spdy_next(channels->spdy, &got, NULL)) {
      event->type = CHANNEL_CLOSED;
      return;
    }
    StreamChannel channel = 0;
    switch (got.type) {
    case SPDY_NONE:
      return;
    case SPDY_SYN_STREAM:
      open_stream(channels, &got);
      break;
    case SPDY_PING:
      if (got.stream & 1) /* one the client began; even ones would be answers to ours */
        spdy_append_ping(channels->out, got.stream);
      break;
    case SPDY_DATA:
      if (got.length > 0 && channel_of_stream(channels, got.stream, &channel))
        *event = (ChannelEvent){ CHANNEL_DATA, channel, got.data, got.length };
      break;
    default:
      break;
    }
    if ((got.fin || got.type == SPDY_RST_STREAM) && channel_of_stream(channels, got.stream, &channel))
      channels->ended |= 1u << channel;
  }
}

/* One message: the channel's number, then its bytes. */
static void message_event(StreamChannels *channels, const WebSocketEvent *message, ChannelEvent *event)
{
  if (message->length == 0)
    return;
  unsigned channel = channels->base64 ? message->data[0] - (unsigned)'0' : message->data[0];
  *event = (ChannelEvent){ CHANNEL_DATA, (StreamChannel)channel, message->data + 1, message->length - 1 };
  if (channel == CHANNEL_CLOSE_SIGNAL && event->length == 1 && event->data[0] < N_CHANNELS) {
    *event = (ChannelEvent){ .type = CHANNEL_END, .channel = (StreamChannel)event->data[0] };
  } else if (channel >= N_CHANNELS) {
    *event = (ChannelEvent){ .type = CHANNEL_NONE };
  } else if (channels->base64) {
    g_autofree char *text = g_strndup((const char *)event->data, event->length);
    g_free(channels->decoded);
    channels->decoded = g_base64_decode(text, &event->length);
    event->data = channels->decoded;
  }
}

static void websocket_event(StreamChannels *channels, ChannelEvent *event)
{
  WebSocketEvent message;
  uint16_t code = 0;
  while (event->type == CHANNEL_NONE) {
    if (!websocket_next(channels->websocket, &message, &code, NULL)) {
      websocket_append_close(channels->out, code, "");
      event->type = CHANNEL_CLOSED;
      return;
    }
    switch (message.type) {
    case WEBSOCKET_NONE:
      return;
    case WEBSOCKET_PING:
      websocket_append_frame(channels->out, WEBSOCKET_OP_PONG, message.data, message.length);
      break;
    case WEBSOCKET_CLOSE:
      event->type = CHANNEL_CLOSED;
      break;
    case WEBSOCKET_TEXT:
    case WEBSOCKET_BINARY:
      message_event(channels, &message, event);
      break;
    default:
      break;
    }
  }
}

void stream_channels_next(StreamChannels *channels, ChannelEvent *event)
{
  *event = (ChannelEvent){ .type = CHANNEL_NONE };
  if (channels->spdy)
    spdy_event(channels, event);
  else
    websocket_event(channels, event);
}

void stream_channels_write(StreamChannels *channels, StreamChannel channel, const void *data, gsize length)
{
  if (!(channels->wanted & 1u << channel))
    return;
  if (channels->spdy) {
    if (channels->streams[channel])
      spdy_append_data(channels->out, channels->streams[channel], false, data, length);
    return;
  }
  g_autoptr(GByteArray) message = g_byte_array_new();
  guint8 first = (guint8)(channels->base64 ? '0' + channel : channel);
  g_byte_array_append(message, &first, 1);
  if (channels->base64 && length > 0) {
    g_autofree char *text = g_base64_encode(data, length);
    g_byte_array_append(message, (const guint8 *)text, (guint)strlen(text));
  } else if (length > 0) {
    g_byte_array_append(message, data, (guint)length);
  }
  websocket_append_frame(channels->out, channels->base64 ? WEBSOCKET_OP_TEXT : WEBSOCKET_OP_BINARY, message->data,
                         message->len);
}

void stream_channels_end(StreamChannels *channels, StreamChannel channel)
{
  if (channels->spdy && channels->streams[channel])
    spdy_append_data(channels->out, channels->streams[channel], true, NULL, 0);
}

void stream_channels_close(StreamChannels *channels)
{
  if (channels->spdy)
    spdy_append_goaway(channels->out, channels->last_stream, 0);
  else
    websocket_append_close(channels->out, CLOSE_NORMAL, "");
}
